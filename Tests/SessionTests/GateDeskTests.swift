import CLinux
import Domain
import Foundation
import GateLink
import Projections
import Testing

@testable import Session

/// A desk with its engine, driven message by message: what comes in one batch is decided by the test, not by a socket.
private final class DeskStage {
  var desk: GateDesk
  var driver: EngineDriver
  private var peers: [(ours: GateConnection, theirs: Int32)] = []
  private var buffers: [LineBuffer] = []
  private var clock: Int64 = 0

  init(cores: Int = 1, gpus: [GPU] = [], limits: Limits = Limits()) throws {
    desk = GateDesk(defaultDemand: .oneCore, session: 1, limits: limits)
    driver = try EngineDriver(
      policy: "fcfs", writer: nil, board: BoardBox(), closedKept: limits.closedNotebooks)
    var node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<cores), gpus: gpus)
    (node.keepsFirstGPUs, node.savesIdleGPUMemory) = (true, false)
    driver.handle(.observation(.nodeFound(node)), at: .zero)
    _ = driver.commit()
  }

  deinit { for peer in peers { close(peer.theirs) } }

  var now: Instant {
    clock += 1000
    return Instant(microseconds: clock)
  }

  /// The clock jumps ahead, as it does for a machine that was suspended.
  func jump(seconds: Int64) { clock += seconds * 1_000_000 }

  /// A connection; its number.
  func connect() throws -> Int {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    celltop_set_nonblocking(pair[1])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    peers.append((GateConnection(peer, messagesPerSecond: 2000, at: .zero), pair[1]))
    buffers.append(LineBuffer())
    return peers.count - 1
  }

  func say(_ message: GateMessage, _ peer: Int) { desk.receive(message, from: peers[peer].ours, &driver, at: now) }

  func hello(
    _ peer: Int, gate: String, running: RunningCell? = nil, waiting: Submission? = nil, isReady: Bool? = true,
    hears: Bool? = nil, gpus: [VisibleGPU]? = nil
  ) {
    say(
      .hello(
        Hello(
          pid: getpid(), kernelPid: 0, gate: gate, path: "/x/\(gate).ipynb", language: "python", connection: "k",
          running: running, waiting: waiting, isReady: isReady, hearsStanding: hears, gpus: gpus)), peer)
  }

  /// The end of a batch.
  func commit() { desk.perform(driver.commit().effects, driver.state) }

  func lose(_ peer: Int) { desk.lost(peers[peer].ours, &driver, at: now) }

  /// Gates that do not come back are waited for no longer.
  func settle() {
    jump(seconds: 4)
    desk.settleOrphans(&driver, at: now)
  }

  /// What has arrived at a gate since the last call, without the welcome.
  func arrived(_ peer: Int) throws -> [EngineMessage] {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(peers[peer].theirs, &chunk, chunk.count, 0)
    guard count > 0 else { return [] }
    return try buffers[peer].add(chunk[..<count]).map { try LineCodec.read(EngineMessage.self, from: $0) }.filter {
      if case .welcome = $0 { false } else { true }
    }
  }

  func submission(_ key: UInt64) -> Submission { Submission(key: key, cell: nil, codeHash: key, demand: nil) }

  func order(_ verb: Verb, _ id: UInt64) {
    driver.handle(.command(Command(id: CommandID(id), author: "ana", verb: verb)), at: now)
  }
}

@Suite struct GateDeskTests {
  @Test("a machine that was suspended: a gate that comes back keeps its cell and its cores")
  func suspendedMachine() throws {
    let stage = try DeskStage()
    let gate = try stage.connect()
    stage.hello(gate, gate: "a")
    stage.say(.submitted(stage.submission(1)), gate)
    stage.commit()
    stage.jump(seconds: 8 * 3600)
    // Both sides found the other one silent; the gate comes back at once.
    stage.lose(gate)
    let back = try stage.connect()
    let running = RunningCell(
      submission: stage.submission(1), ranSeconds: 8 * 3600, cores: CoreSet([0]), suspended: false)
    stage.hello(back, gate: "a", running: running)
    stage.commit()
    #expect(try stage.arrived(back).isEmpty)
    let state = stage.driver.state
    #expect(state.notebooks.count == 1 && state.runningCount == 1 && state.ended == 0)
    #expect(state[NotebookID(0)].ran(at: stage.now).seconds >= 8 * 3600, "the time asleep counts")
    #expect(state.brokenInvariants().isEmpty)
  }

  @Test("an interrupt never reaches the cell that followed in the same batch")
  func lateInterrupt() throws {
    let stage = try DeskStage()
    let gate = try stage.connect()
    stage.hello(gate, gate: "a")
    stage.say(.submitted(stage.submission(1)), gate)
    stage.commit()
    #expect(try stage.arrived(gate).count == 1)
    stage.order(.interrupt(NotebookID(0), cell: CellID(1)), 1)
    stage.say(.ended(key: 1, outcome: .ok), gate)
    stage.say(.submitted(stage.submission(2)), gate)
    stage.commit()
    let messages = try stage.arrived(gate)
    #expect(messages.map(word) == ["grant"])
    #expect(messages.compactMap(key) == [2])
  }

  @Test("a grant never reaches the cell that took the place of the granted one in the same batch")
  func lateGrant() throws {
    let stage = try DeskStage()
    let first = try stage.connect()
    let second = try stage.connect()
    stage.hello(first, gate: "a")
    stage.hello(second, gate: "b")
    stage.say(.submitted(stage.submission(1)), first)
    stage.say(.submitted(stage.submission(1)), second)
    stage.commit()
    _ = try stage.arrived(first)
    // The first one's end lets the second start; the second is withdrawn and the first asks again, all at once.
    stage.say(.ended(key: 1, outcome: .ok), first)
    stage.say(.withdrawn(key: 1, outcome: .aborted), second)
    stage.say(.submitted(stage.submission(2)), first)
    stage.say(.submitted(stage.submission(2)), second)
    stage.commit()
    #expect(try stage.arrived(first).compactMap(key) == [2])
    #expect(try stage.arrived(second).isEmpty)
    #expect(stage.driver.state.brokenInvariants().isEmpty)
  }

  @Test("says again what a gate missed while it was away: a grant")
  func missedGrant() throws {
    let stage = try DeskStage()
    let gate = try stage.connect()
    stage.hello(gate, gate: "a")
    stage.say(.submitted(stage.submission(1)), gate)
    _ = stage.driver.commit()
    stage.lose(gate)
    let back = try stage.connect()
    stage.hello(back, gate: "a", waiting: stage.submission(1))
    stage.commit()
    #expect(try stage.arrived(back).compactMap(key) == [1])
    #expect(stage.driver.state.notebooks.count == 1)
  }

  @Test("says again what a gate missed while it was away: a suspension, a resume, other cores")
  func missedOrders() throws {
    let stage = try DeskStage(cores: 2)
    let gate = try stage.connect()
    stage.hello(gate, gate: "a")
    stage.say(.submitted(stage.submission(1)), gate)
    stage.commit()
    stage.order(.suspend(NotebookID(0), cell: CellID(1)), 1)
    _ = stage.driver.commit()
    func running(_ cores: CoreSet?, suspended: Bool) -> RunningCell {
      RunningCell(submission: stage.submission(1), ranSeconds: 1, cores: cores, suspended: suspended)
    }
    let second = try stage.connect()
    stage.hello(second, gate: "a", running: running(CoreSet([0]), suspended: false))
    #expect(try stage.arrived(second).map(word) == ["suspend"])
    stage.order(.resume(NotebookID(0), cell: CellID(1)), 2)
    _ = stage.driver.commit()
    let third = try stage.connect()
    stage.hello(third, gate: "a", running: running(CoreSet([0]), suspended: true))
    #expect(try stage.arrived(third).map(word) == ["resume"])
    let fourth = try stage.connect()
    stage.hello(fourth, gate: "a", running: running(nil, suspended: false))
    #expect(try stage.arrived(fourth).map(word) == ["resize"])
    #expect(stage.driver.state.notebooks.count == 1)
    #expect(stage.driver.state.brokenInvariants().isEmpty)
  }

  @Test("books the GPUs of a cell that ran before this engine came, and of its kernel")
  func adoptedGPUs() throws {
    let stage = try DeskStage(cores: 4, gpus: [GPU(uuid: "GPU-a"), GPU(uuid: "GPU-b"), GPU(uuid: "0", maker: .amd)])
    var submission = stage.submission(1)
    submission.demand = DemandComment()
    submission.demand?.gpus = 1
    let (b, stranger) = (VisibleGPU(id: "GPU-b"), VisibleGPU(id: "GPU-z"))
    let gate = try stage.connect()
    stage.hello(
      gate, gate: "a",
      running: RunningCell(
        submission: submission, ranSeconds: 1, cores: CoreSet([2]), suspended: false, gpus: [b, stranger]),
      gpus: [b, stranger])
    let state = stage.driver.state
    #expect(state[NotebookID(0)].allotment == Allotment(node: NodeID(0), cores: CoreSet([2]), gpus: GPUSet([1])))
    #expect(state[NotebookID(0)].seenGPUs == GPUSet([1]))
    #expect(state[NodeID(0)].idleGPUs == GPUSet([0, 2]))
    #expect(state.brokenInvariants() == [])
    // An idle kernel tells what it sees as well.
    let idle = try stage.connect()
    stage.hello(idle, gate: "b", gpus: [VisibleGPU(id: "0", maker: .amd)])
    #expect(stage.driver.state[NotebookID(1)].seenGPUs == GPUSet([2]))
  }

  @Test("resumes a cell with the names of the GPUs that it has had, and books when its memory was moved")
  func resumedGPUs() throws {
    let stage = try DeskStage(cores: 4, gpus: [GPU(uuid: "GPU-a", memory: Bytes(80))])
    let gate = try stage.connect()
    stage.hello(gate, gate: "a")
    var submission = stage.submission(1)
    submission.demand = DemandComment()
    submission.demand?.gpus = 1
    submission.demand?.gpuMemory = Bytes(60)
    stage.say(.submitted(submission), gate)
    stage.commit()
    stage.order(.suspend(NotebookID(0), cell: CellID(1)), 1)
    stage.commit()
    #expect(stage.driver.state[NodeID(0)].gpuMemoryUsed == [Bytes(60)])
    stage.say(.applied(sequence: 1, cores: CoreSet([0])), gate)
    #expect(stage.driver.state[NodeID(0)].gpuMemoryUsed == [Bytes(60)], "stopped is not moved")
    stage.say(.applied(sequence: 1, cores: CoreSet([0]), saved: true), gate)
    #expect(stage.driver.state[NodeID(0)].gpuMemoryUsed == [.zero])
    stage.order(.resume(NotebookID(0), cell: CellID(1)), 2)
    stage.commit()
    let messages = try stage.arrived(gate)
    #expect(messages.map(word) == ["grant", "suspend", "resume"])
    guard case .resume(_, _, _, let gpus) = messages.last else { return }
    #expect(gpus == [VisibleGPU(id: "GPU-a")])
    #expect(stage.driver.state[NodeID(0)].gpuMemoryUsed == [Bytes(60)])
  }

  @Test("tells a gate that hears it where its waiting cell stands, again when that changes and when the gate is back")
  func standing() throws {
    let stage = try DeskStage()
    let gates = try (0..<4).map { _ in try stage.connect() }
    for (index, gate) in gates.enumerated() { stage.hello(gate, gate: "g\(index)", hears: index == 3 ? nil : true) }
    for gate in gates { stage.say(.submitted(stage.submission(1)), gate) }
    stage.commit()
    func standings(_ peer: Int) throws -> [Standing] {
      try stage.arrived(peer).compactMap { if case .standing(1, now: let what) = $0 { what } else { nil } }
    }
    #expect(try standings(gates[0]).isEmpty, "it runs")
    let second = try standings(gates[1])
    #expect(second.last?.place == 1 && second.last?.need == "waiting for 1 core", "\(second)")
    #expect(try standings(gates[2]).last?.place == 2)
    #expect(try stage.arrived(gates[3]).isEmpty, "it does not know the message")
    stage.say(.ended(key: 1, outcome: .ok), gates[0])
    stage.commit()
    #expect(try standings(gates[2]).last?.place == 1)
    stage.order(.hold(NotebookID(2)), 1)
    stage.commit()
    #expect(try standings(gates[2]).last?.need == "held by an operator")
    stage.lose(gates[2])
    let back = try stage.connect()
    stage.hello(back, gate: "g2", waiting: stage.submission(1), hears: true)
    #expect(try standings(back).last?.need == "held by an operator")
  }

  @Test("knows a kernel that was ready before this engine came")
  func idleKernel() throws {
    let stage = try DeskStage()
    let ready = try stage.connect()
    stage.hello(ready, gate: "a", isReady: true)
    let starting = try stage.connect()
    stage.hello(starting, gate: "b", isReady: false)
    #expect(stage.driver.state.notebooks.map(\.state) == [.thinking, .starting])
  }

  @Test("takes one hello a connection, and gates' names of any length")
  func helloOnce() throws {
    let stage = try DeskStage()
    let gate = try stage.connect()
    let long = String(repeating: "g", count: 300)
    stage.hello(gate, gate: long)
    stage.hello(gate, gate: "other")
    #expect(stage.driver.state.notebooks.count == 1)
    #expect(try stage.arrived(gate).map(word) == ["unwelcome"])
    stage.lose(gate)
    let back = try stage.connect()
    stage.hello(back, gate: long)
    #expect(stage.driver.state.notebooks.count == 1)
  }

  @Test("opens notebooks for a user who greets and leaves without end no quicker than it may")
  func openings() throws {
    var limits = Limits()
    (limits.notebooksPerUser, limits.notebooksPerMinute) = (5, 4)
    let stage = try DeskStage(limits: limits)
    func greet(_ name: String) throws -> [EngineMessage] {
      let gate = try stage.connect()
      stage.hello(gate, gate: name)
      defer {
        stage.lose(gate)
        stage.settle()
      }
      return try stage.arrived(gate)
    }
    for number in 1...5 { #expect(try greet("g\(number)").isEmpty) }
    // In the 20 s of those five another one was given back.
    #expect(try greet("g6").isEmpty)
    let told = try greet("g7")
    guard case .unwelcome(let why, let retry?)? = told.first else {
      Issue.record("it was taken: \(told)")
      return
    }
    #expect(why.hasSuffix("opens notebooks too often: more than 4 a minute") && (1...15).contains(retry))
    #expect(stage.driver.state.notebooks.count == 6)
    stage.jump(seconds: Int64(retry))
    #expect(try greet("g7").isEmpty && stage.driver.state.notebooks.count == 7)
  }

  @Test(
    "remembers closed notebooks whole while they are among the latest, and for longer what the next kernel takes over")
  func closedOnes() throws {
    var limits = Limits()
    limits.closedNotebooks = 2
    let stage = try DeskStage(limits: limits)
    func pass(_ name: String, _ body: () -> Void = {}) throws {
      let gate = try stage.connect()
      stage.hello(gate, gate: name)
      stage.say(.submitted(stage.submission(1)), gate)
      body()
      stage.lose(gate)
      stage.settle()
    }
    try pass("a") { stage.order(.setPriority(NotebookID(0), 7), 1) }
    for name in ["b", "c", "d", "e"] { try pass(name) }
    let state = stage.driver.state
    #expect(state.descriptions.map(\.path) == ["", "", "", "/x/d.ipynb", "/x/e.ipynb"])
    #expect(state.descriptions.allSatisfy { !$0.user.isEmpty } && state.notebooks[0].priority == 7)
    #expect(state.notebooks[0].cell.source.key == 0 && state.notebooks[4].cell.source.key == 1)
    #expect(state.ended == 5 && state.brokenInvariants().isEmpty)
    try pass("a") { #expect(stage.driver.state.notebooks.last?.priority == 7) }
  }

  @Test("gives a restarted kernel's notebook the orders of the one before")
  func restart() throws {
    let stage = try DeskStage()
    let gate = try stage.connect()
    stage.hello(gate, gate: "first")
    stage.order(.setPriority(NotebookID(0), 7), 1)
    stage.order(.hold(NotebookID(0)), 2)
    stage.driver.handle(.observation(.notebookClosed(NotebookID(0))), at: stage.now)
    let again = Notebook(id: NotebookID(9), node: NodeID(0), user: "ana", path: "/x/other.ipynb")
    stage.driver.handle(.observation(.notebookOpened(again)), at: stage.now)
    var same = stage.driver.state.descriptions[0]
    same.gate = "second"
    stage.driver.handle(.observation(.notebookOpened(same)), at: stage.now)
    #expect(stage.driver.state.notebooks.map(\.priority) == [7, 0, 7])
    #expect(stage.driver.state.notebooks.map(\.isHeld) == [true, false, true])
  }

  @Test(
    "refuses numbers on the socket that no cell can ask for",
    arguments: [
      #"{"memory":{"count":-9223372036854775808}}"#, #"{"coresLeast":0}"#, #"{"coresMost":-1}"#,
      #"{"coresLeast":4,"coresMost":2}"#, #"{"gpus":-2147483648}"#, #"{"coresLeast":2147483647}"#,
      #"{"gpuMemory":{"count":9223372036854775807}}"#,
    ])
  func numbers(demand: String) {
    let line = #"{"submitted":{"_0":{"key":1,"codeHash":1,"demand":"# + demand + "}}}"
    let error = #expect(throws: LinkError.self) { try LineCodec.read(GateMessage.self, from: Array(line.utf8)) }
    guard case .malformed(let why) = error else {
      Issue.record("not refused as malformed")
      return
    }
    #expect(why.contains("is not in") || why.contains("is no size"), "\(why)")
  }

  private func key(_ message: EngineMessage) -> UInt64? {
    if case .grant(_, let key, _, _) = message { key } else { nil }
  }

  private func word(_ message: EngineMessage) -> String {
    switch message {
    case .welcome: "welcome"
    case .unwelcome: "unwelcome"
    case .grant: "grant"
    case .resize: "resize"
    case .suspend: "suspend"
    case .resume: "resume"
    case .interrupt: "interrupt"
    case .refuse: "refuse"
    case .standing: "standing"
    case .ping: "ping"
    }
  }
}
