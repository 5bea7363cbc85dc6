import CLinux
import Domain
import Foundation
import GRDB
import GateLink
import NodeControl
import Projections
import ServerLink
import Testing

@testable import History
@testable import Session

/// The lock file as a server leaves it that was killed, and a session that follows.
@Suite struct CrashRecoveryTests {
  private final class Place {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    var socket: String { folder + "/engine.sock" }
    var history: String { folder + "/history.sqlite" }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func session(cores: Int = 2) throws -> LiveSession {
      let node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<cores))
      let live = try LiveSession(
        LiveSession.Configuration(node: node, socketPath: socket, host: "twin", user: "ana"),
        on: TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero)), history: history)
      live.start()
      return live
    }

    /// What a killed server leaves: the history without an end, and a lock file that is not empty.
    func crash(_ live: LiveSession) throws {
      let number = live.number
      live.stop()
      try HistoryStore(path: history).database.write { db in
        try db.execute(sql: "UPDATE session SET ended_us = NULL, digest = NULL WHERE id = ?", arguments: [number])
      }
      try "\(number)".write(toFile: socket + ".lock", atomically: false, encoding: .utf8)
    }
  }

  @Test("takes up nothing of another history's session that has the same number")
  func otherHistory() throws {
    let place = Place()
    for (began, policy) in [(Int64(42), "fcfs"), (nil, "backfill")] {
      let first = try place.session()
      let number = first.number
      first.submit(Command(id: CommandID(1), author: "olga", verb: .setPolicy("backfill")))
      #expect(eventually(first) { $0.policy == "backfill" })
      first.stop()
      if let began {
        try "\(number) \(began)".write(toFile: place.socket + ".lock", atomically: false, encoding: .utf8)
      }
      let second = try place.session()
      #expect(eventually(second) { $0.policy == policy })
      second.stop()
      try "".write(toFile: place.socket + ".lock", atomically: false, encoding: .utf8)
    }
  }

  private func eventually(_ live: LiveSession, _ condition: (Board) -> Bool) -> Bool {
    SessionTests.eventually(seconds: 5) { condition(live.board.take()) }
  }

  private func isGrant(_ message: EngineMessage) -> Bool { if case .grant = message { true } else { false } }

  @Test("grants nothing until the gate is back whose cell still runs: no core is given twice")
  func noCoreTwice() throws {
    let place = Place()
    let first = try place.session(cores: 1)
    let gate = try FakeGate(place.socket, name: "runs", document: "/x/runs.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    gate.submit(1)
    #expect(gate.await(isGrant) != nil)
    first.submit(Command(id: CommandID(1), author: "olga", verb: .setPriority(NotebookID(0), 7)))
    first.submit(Command(id: CommandID(2), author: "olga", verb: .setPolicy("backfill")))
    #expect(eventually(first) { $0.policy == "backfill" && $0.notebooks.first?.priority == 7 })
    try place.crash(first)

    let second = try place.session(cores: 1)
    defer { second.stop() }
    let waiting = try FakeGate(place.socket, name: "waits", document: "/x/waits.ipynb")
    waiting.send(.kernel(state: .ready, pid: 0))
    waiting.submit(1)
    #expect(eventually(second) { $0.notebooks.count == 1 })
    // The gate whose cell runs comes back later than the one that waits.
    let back = try FakeGate(raw: place.socket)
    let running = RunningCell(
      submission: Submission(key: 1, cell: nil, codeHash: 1, demand: nil), ranSeconds: 3, cores: CoreSet([0]),
      suspended: false)
    back.send(
      .hello(
        Hello(
          pid: getpid(), kernelPid: 0, gate: "runs", path: "/x/runs.ipynb", language: nil, connection: "k",
          running: running)))
    #expect(eventually(second) { $0.notebooks.count == 2 && $0.notebooks[1].state == .running })
    #expect(eventually(second) { $0.notebooks[0].state == .queued }, "now it stands in line")
    #expect(waiting.inbox.contains(where: isGrant) == false)
    let board = second.board.take()
    #expect(board.notebooks[1].priority == 7 && board.policy == "backfill", "what was ordered still holds")
    back.send(.ended(key: 1, outcome: .ok))
    #expect(waiting.await(isGrant) != nil)
    #expect(second.board.take().faults == 0)
    let note = try HistoryStore(reading: place.history).session(second.number).note
    #expect(note == "continues session \(second.number - 1), which was cut short")
  }

  @Test("what was ordered of a gate that did not come back holds over one more restart", arguments: [true, false])
  func twoRestarts(isCrash: Bool) throws {
    let place = Place()
    let first = try place.session()
    let gates = try ["a", "b"].map { try FakeGate(place.socket, name: $0, document: "/x/\($0).ipynb") }
    gates[1].submit(1)
    #expect(gates[1].await(isGrant) != nil)
    #expect(eventually(first) { $0.notebooks.count == 2 })
    let numbers = first.board.take().notebooks.map(\.notebook).map { ($0.gate, $0.id) }
    let ids = Dictionary(uniqueKeysWithValues: numbers)
    let (a, b) = (try #require(ids["a"]), try #require(ids["b"]))
    for (number, verb) in [Verb.hold(a), .setPriority(a, 7), .setPriority(b, 3)].enumerated() {
      first.submit(Command(id: CommandID(UInt64(number) + 1), author: "olga", verb: verb))
    }
    #expect(eventually(first) { $0.answers.count == 3 })
    if isCrash { try place.crash(first) } else { first.stop() }
    // Only b comes back in time; what it is ordered then is the last word of it.
    let second = try place.session()
    let back = try FakeGate(place.socket, name: "b", document: "/x/b.ipynb")
    #expect(eventually(second) { $0.notebooks.first?.priority == 3 })
    second.submit(Command(id: CommandID(1), author: "olga", verb: .setPriority(NotebookID(0), 0)))
    #expect(eventually(second) { $0.notebooks.first?.priority == 0 })
    withExtendedLifetime(back) { second.stop() }

    let third = try place.session()
    defer { third.stop() }
    let both = try ["b", "a"].map { try FakeGate(place.socket, name: $0, document: "/x/\($0).ipynb") }
    #expect(
      eventually(third) { board in board.notebooks.contains { $0.notebook.gate == "a" && $0.isHeld && $0.priority == 7 }
      })
    #expect(eventually(third) { board in board.notebooks.contains { $0.notebook.gate == "b" && $0.priority == 0 } })
    withExtendedLifetime(both) {}
  }

  @Test("two kernels of one document have their own orders back, and not each other's")
  func twoOfOneDocument() throws {
    let place = Place()
    let first = try place.session()
    func gate(_ name: String) throws -> FakeGate { try FakeGate(place.socket, name: name, document: "/x/a.ipynb") }
    let (a, b) = (NotebookID(0), NotebookID(1))
    let before = try [gate("a"), gate("b")]
    #expect(eventually(first) { $0.notebooks.map(\.notebook.gate) == ["a", "b"] })
    let orders: [Verb] = [
      .hold(a), .setPriority(a, 7), .overrideDemand(a, Demand(coresLeast: 2)), .setPriority(b, -3),
    ]
    for (number, verb) in orders.enumerated() {
      first.submit(Command(id: CommandID(UInt64(number) + 1), author: "olga", verb: verb))
    }
    #expect(eventually(first) { $0.answers.count == orders.count })
    try withExtendedLifetime(before) { try place.crash(first) }
    let second = try place.session()
    defer { second.stop() }
    let back = try [gate("a"), gate("b")]
    #expect(
      eventually(second) { board in
        board.notebooks.count == 2 && board.notebooks[0].isHeld && board.notebooks[0].priority == 7
          && board.notebooks[1].priority == -3
      })
    let board = second.board.take()
    #expect(!board.notebooks[1].isHeld && board.notebooks[1].demandOverride == nil, "what a was ordered is not b's")
    #expect(board.notebooks[0].demandOverride?.coresLeast == 2)
    withExtendedLifetime(back) {}
  }

  @Test(
    "a hold bears the name of who gave it, also where it came from a plan or of a kernel that was started anew",
    arguments: [true, false])
  func authorsOfHolds(isPlan: Bool) throws {
    let place = Place()
    let first = try place.session()
    var gate: FakeGate? = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    gate?.send(.kernel(state: .ready, pid: 0))
    gate?.submit(1)
    #expect(gate?.await(isGrant) != nil)
    if isPlan {
      let cell = try #require(first.board.take().notebooks.first?.cell?.cell.id)
      first.submit(Command(id: CommandID(1), author: "ana", verb: .suspendAtEnd(NotebookID(0), cell: cell)))
      #expect(eventually(first) { $0.notebooks.first?.planned != nil })
      gate?.send(.ended(key: 1, outcome: .ok))
    } else {
      first.submit(Command(id: CommandID(1), author: "ana", verb: .hold(NotebookID(0))))
      #expect(eventually(first) { $0.notebooks.first?.isHeld == true })
      gate = nil
      #expect(eventually(first) { $0.notebooks.first?.state == .gone })
      gate = try FakeGate(place.socket, name: "b", document: "/x/a.ipynb")
    }
    #expect(eventually(first) { $0.notebooks.count == (isPlan ? 1 : 2) && $0.notebooks.last?.isHeld == true })
    withExtendedLifetime(gate) { first.stop() }
    let second = try place.session()
    defer { second.stop() }
    let back = try FakeGate(place.socket, name: isPlan ? "a" : "b", document: "/x/a.ipynb")
    #expect(eventually(second) { $0.notebooks.first?.isHeld == true })
    #expect(second.board.take().answers.map(\.command.author) == ["ana"])
    withExtendedLifetime(back) {}
  }

  @Test(
    "drains and the policy bear the names of those who ordered them, over one restart and the next",
    arguments: [true, false])
  func authorsOfNodeOrders(isCrash: Bool) throws {
    let place = Place()
    let first = try place.session(cores: 4)
    let orders: [(author: String, verb: Verb)] = [
      ("olga", .drain(NodeID(0), CoreSet([0, 1]), GPUSet())), ("omar", .drain(NodeID(0), CoreSet([2]), GPUSet())),
      ("omar", .undrain(NodeID(0), CoreSet([1]), GPUSet())), ("omar", .setPolicy("backfill")),
    ]
    for (number, order) in orders.enumerated() {
      first.submit(Command(id: CommandID(UInt64(number) + 1), author: order.author, verb: order.verb))
    }
    #expect(eventually(first) { $0.answers.count == orders.count })
    if isCrash { try place.crash(first) } else { first.stop() }
    for _ in 0..<2 {
      let next = try place.session(cores: 4)
      #expect(eventually(next) { $0.policy == "backfill" && $0.nodes.first?.drainedCores == CoreSet([0, 2]) })
      let given = next.board.take().answers.map { $0.command.author + ": " + $0.command.verb.word }
      #expect(given.sorted() == ["olga: drain", "omar: drain", "omar: policy"])
      next.stop()
    }
  }

  @Test("a hold that an operator planned stays the operator's over a restart, though the author held it meanwhile")
  func plannedByAnother() throws {
    let place = Place()
    let first = try place.session()
    let gate = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    gate.submit(1)
    #expect(gate.await(isGrant) != nil)
    let (id, author) = (NotebookID(0), try #require(UserDatabase.login(getuid())))
    let cell = try #require(first.board.take().notebooks.first?.cell?.cell.id)
    first.submit(Command(id: CommandID(1), author: "olga", verb: .suspendAtEnd(id, cell: cell)))
    first.submit(Command(id: CommandID(2), author: author, verb: .hold(id)))
    first.submit(Command(id: CommandID(3), author: author, verb: .release(id)))
    first.submit(Command(id: CommandID(4), author: author, verb: .hold(id)))
    #expect(eventually(first) { $0.answers.count == 4 })
    gate.send(.ended(key: 1, outcome: .ok))
    #expect(eventually(first) { $0.notebooks.first?.cellsEnded == 1 && $0.notebooks.first?.isHeld == true })
    first.stop()
    let second = try place.session()
    defer { second.stop() }
    let back = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    #expect(eventually(second) { $0.notebooks.first?.isHeld == true })
    #expect(second.board.take().answers.map(\.command.author) == ["olga"])
    withExtendedLifetime((gate, back)) {}
  }

  @Test(
    "an order that is said again after a restart is not obeyed again, and gets its first answer",
    arguments: [true, false])
  func keysOutliveTheServer(isCrash: Bool) throws {
    let place = Place()
    let first = try place.session()
    let gate = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    #expect(eventually(first) { $0.notebooks.count == 1 })
    let attach = Attach(client: "test", stream: .none)
    let order = Order(key: 4711, verb: .setPriority(NotebookID(0), 5))
    let refused = Order(key: 4712, verb: .suspend(NotebookID(0), cell: CellID(99)))
    let client = try ServerConnection([place.socket], attach)
    let answers = [try client.command(order), try client.command(refused)]
    #expect(answers[0].accepted && answers[1].refusal?.cause == .stale)
    if isCrash { try place.crash(first) } else { first.stop() }

    let second = try place.session()
    defer { second.stop() }
    let back = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    back.send(.kernel(state: .ready, pid: 0))
    #expect(eventually(second) { $0.notebooks.count == 1 })
    let again = try ServerConnection([place.socket], attach)
    // Another order came in between: the repetition must not undo it.
    #expect(try again.command(Order(key: 1, verb: .setPriority(NotebookID(0), 9))).accepted)
    var meant = order
    for instance in [nil, client.welcome.instance] {
      meant.instance = instance
      #expect(try again.command(meant) == answers[0])
      #expect(try again.command(refused) == answers[1])
    }
    let board = second.board.take()
    #expect(
      board.notebooks[0].priority == 9 && board.answers.count { !$0.command.why.hasPrefix("as before") } == 1,
      "\(board.answers)")
    var other = order
    (other.key, other.instance) = (4713, client.welcome.instance)
    #expect(try again.command(other).refusal?.cause == .stale, "one that was never obeyed is not obeyed now")
  }

  @Test("waits no longer than its patience for a gate that does not come back")
  func patience() throws {
    let place = Place()
    let first = try place.session(cores: 1)
    let gate = try FakeGate(place.socket, name: "runs", document: "/x/runs.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    gate.submit(1)
    #expect(gate.await(isGrant) != nil)
    try place.crash(first)
    let began = celltop_boottime_us()
    let second = try place.session(cores: 1)
    defer { second.stop() }
    let waiting = try FakeGate(place.socket, name: "waits", document: "/x/waits.ipynb")
    waiting.send(.kernel(state: .ready, pid: 0))
    waiting.submit(1)
    #expect(waiting.await(isGrant) != nil)
    let waited = celltop_boottime_us() - began
    #expect(waited >= Recovery.patience.microseconds)
  }

  @Test("waits for nobody after an engine that ended as it should")
  func cleanEnd() throws {
    let place = Place()
    try place.session().stop()
    let second = try place.session()
    defer { second.stop() }
    let gate = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    gate.submit(1)
    let began = celltop_boottime_us()
    #expect(gate.await(isGrant) != nil)
    #expect(celltop_boottime_us() - began < 1_000_000)
    #expect(try HistoryStore(reading: place.history).session(second.number).note == "")
  }

  @Test("listens anew where its socket was taken away; those who are connected notice nothing")
  func socketRemoved() throws {
    let place = Place()
    let live = try place.session(cores: 1)
    defer { live.stop() }
    let gate = try FakeGate(place.socket, name: "a", document: "/x/a.ipynb")
    #expect(gate.await { if case .welcome = $0 { true } else { false } } != nil)
    unlink(place.socket)
    let deadline = celltop_boottime_us() + 8_000_000
    var second: FakeGate?
    while second == nil, celltop_boottime_us() < deadline {
      second = try? FakeGate(place.socket, name: "b", document: "/x/b.ipynb")
      poll(nil, 0, 20)
    }
    #expect(second?.await { if case .welcome = $0 { true } else { false } } != nil)
    gate.submit(1)
    #expect(gate.await(isGrant) != nil)
  }
}
