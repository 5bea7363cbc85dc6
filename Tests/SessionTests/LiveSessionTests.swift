import CLinux
import Canvas
import Console
import Domain
import Engine
import Foundation
import GateLink
import History
import NodeControl
import Policies
import Projections
import Testing

@testable import Session

/// A live session on a twin node, with a history of its own, in a folder that goes with it.
final class Stage {
  let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
  let history: HistoryStore
  let live: LiveSession
  var socket: String { folder + "/engine.sock" }

  init(
    cores: Int = 2, gpus: Int = 0, limits: (inout Limits) -> Void = { _ in },
    access: (inout AccessRules) -> Void = { _ in }
  ) throws {
    history = try HistoryStore(path: folder + "/history.sqlite")
    let devices = (0..<gpus).map { GPU(uuid: "GPU-\($0)") }
    let node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<cores), gpus: devices)
    var configuration = LiveSession.Configuration(
      node: node, socketPath: folder + "/engine.sock", host: "twin", user: "ana")
    limits(&configuration.limits)
    access(&configuration.access)
    live = try LiveSession(
      configuration, on: TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero)),
      history: history.path)
    live.start()
  }

  deinit {
    live.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  func gate(_ name: String) throws -> FakeGate {
    let gate = try FakeGate(socket, name: name, document: "/home/ana/\(name).ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    return gate
  }

  /// Polls the board until `condition` holds; false after five seconds.
  func eventually(_ condition: (Board) -> Bool) -> Bool {
    SessionTests.eventually(seconds: 5) { condition(live.board.take()) }
  }

  func order(_ verb: Verb, id: UInt64) { live.submit(Command(id: CommandID(id), author: "ana", verb: verb)) }
}

private func isGrant(_ key: UInt64) -> (EngineMessage) -> Bool {
  { if case .grant(_, key, _, _) = $0 { true } else { false } }
}

@Suite struct LiveSessionTests {
  @Test("gives GPUs out by name, and says whose it gives out before any cell")
  func gpus() throws {
    let stage = try Stage(gpus: 2)
    let first = try stage.gate("first")
    let welcome = first.await { if case .welcome = $0 { true } else { false } }
    guard case .welcome(_, _, _, let hides, let evicts, _, _)? = welcome else {
      Issue.record("no welcome came")
      return
    }
    #expect(hides == [.nvidia] && evicts == false)
    first.submit(1, gpus: 2)
    guard case .grant(_, _, _, let gpus)? = first.await(isGrant(1)) else {
      Issue.record("no grant came")
      return
    }
    #expect(gpus == [VisibleGPU(id: "GPU-0"), VisibleGPU(id: "GPU-1")])
    let bare = try Stage()
    let other = try bare.gate("other")
    guard case .welcome(_, _, _, let none, _, _, _)? = other.await({ if case .welcome = $0 { true } else { false } })
    else {
      Issue.record("no welcome came")
      return
    }
    #expect(none == [], "a node without GPUs hides none")
  }

  @Test("schedules on where the history cannot be opened, tells why, and records all of it once it can be")
  func historyInTheWay() throws {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data("in the way".utf8).write(to: URL(fileURLWithPath: folder + "/data"))
    let node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<1))
    let live = try LiveSession(
      LiveSession.Configuration(node: node, socketPath: folder + "/engine.sock", host: "twin", user: "ana"),
      on: TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero)),
      history: folder + "/data/history.sqlite")
    live.start()
    #expect(live.trouble?.contains("cannot") == true && live.number == 0)
    let gate = try FakeGate(folder + "/engine.sock", name: "a", document: "/home/ana/a.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    gate.submit(1)
    #expect(gate.await(isGrant(1)) != nil)
    try FileManager.default.removeItem(atPath: folder + "/data")
    let deadline = celltop_boottime_us() + 15_000_000
    while live.trouble != nil, celltop_boottime_us() < deadline { poll(nil, 0, 20) }
    #expect(live.trouble == nil && live.number > 0)
    live.stop()
    let session = try HistoryStore(reading: folder + "/data/history.sqlite").recorded()
    #expect(session.first == 1 && session.summary.digest != nil)
    #expect(try session.fold(Board.self, through: .max) == live.board.take())
  }

  @Test("grants cells in the order of their submission, as cores become free")
  func firstCome() throws {
    let stage = try Stage(cores: 1)
    let first = try stage.gate("first")
    #expect(first.await { if case .welcome = $0 { true } else { false } } != nil)
    first.submit(1)
    #expect(first.await(isGrant(1)) == .grant(sequence: 6, key: 1, cores: CoreSet([0]), gpus: []))
    let second = try stage.gate("second")
    second.submit(1)
    #expect(stage.eventually { $0.notebooks.count == 2 && $0.notebooks[1].state == .queued })
    #expect(stage.live.board.take().notebooks[1].cell?.wait?.holders == [NotebookID(0)])
    #expect(second.inbox.contains(where: isGrant(1)) == false)
    first.send(.ended(key: 1, outcome: .ok))
    #expect(second.await(isGrant(1)) != nil)
  }

  @Test("suspends, resumes, pins and reorders as the operator says")
  func orders() throws {
    let stage = try Stage(cores: 1)
    let first = try stage.gate("first")
    let second = try stage.gate("second")
    let third = try stage.gate("third")
    first.submit(1)
    #expect(first.await(isGrant(1)) != nil)
    second.submit(1)
    #expect(stage.eventually { $0.notebooks.count == 3 && $0.notebooks[1].state == .queued })
    third.submit(1)
    #expect(stage.eventually { $0.notebooks[2].state == .queued })
    stage.order(.setPriority(NotebookID(2), 5), id: 1)
    stage.order(.suspend(NotebookID(0), cell: CellID(1)), id: 2)
    #expect(first.await { if case .suspend(_, 1) = $0 { true } else { false } } != nil)
    #expect(third.await(isGrant(1)) != nil, "the higher priority goes first")
    stage.order(.resume(NotebookID(0), cell: CellID(1)), id: 3)
    third.send(.ended(key: 1, outcome: .ok))
    #expect(
      first.await { if case .resume(_, 1, let cores, _) = $0 { cores == CoreSet([0]) } else { false } } != nil,
      "the oldest cell goes on before a younger one starts")
    #expect(stage.live.board.take().answers.allSatisfy { $0.refusal == nil })
  }

  @Test("refuses an order about a cell that has ended since, and does nothing to the next one")
  func staleOrder() throws {
    let stage = try Stage()
    let gate = try stage.gate("first")
    gate.submit(1)
    #expect(gate.await(isGrant(1)) != nil)
    gate.send(.ended(key: 1, outcome: .ok))
    gate.submit(2)
    #expect(gate.await(isGrant(2)) != nil)
    stage.order(.suspend(NotebookID(0), cell: CellID(1)), id: 1)
    #expect(stage.eventually { $0.answers.last?.refusal?.cause == .stale })
    #expect(stage.live.board.take().notebooks[0].state == .running)
  }

  @Test("refuses a cell that the node could never hold, and says why")
  func tooLarge() throws {
    let stage = try Stage(cores: 2)
    let gate = try stage.gate("first")
    gate.submit(1, cores: 64)
    let answer = gate.await { if case .refuse = $0 { true } else { false } }
    guard case .refuse(_, 1, let why) = answer else {
      Issue.record("no refusal came: \(String(describing: answer))")
      return
    }
    #expect(why == "asks for 64 cores, and twin has 2")
    gate.submit(2)
    #expect(gate.await(isGrant(2)) != nil, "the notebook goes on")
  }

  @Test("adopts what runs already when a gate comes back, and never allots a core twice")
  func adoption() throws {
    let stage = try Stage(cores: 2)
    let running = RunningCell(
      submission: Submission(key: 9, cell: nil, codeHash: 1, demand: nil), ranSeconds: 12, cores: CoreSet([1]),
      suspended: false)
    let back = try FakeGate(raw: stage.socket)
    back.send(
      .hello(
        Hello(
          pid: getpid(), kernelPid: 0, gate: "back", path: "/x/back.ipynb", language: nil, connection: "k",
          running: running)))
    #expect(stage.eventually { $0.notebooks.first?.state == .running })
    let board = stage.live.board.take()
    #expect(board.notebooks[0].cell?.allotment?.cores == CoreSet([1]))
    let other = try stage.gate("other")
    other.submit(1)
    #expect(other.await(isGrant(1)) == .grant(sequence: 9, key: 1, cores: CoreSet([0]), gpus: []))
    back.send(.ended(key: 9, outcome: .ok))
    #expect(stage.eventually { $0.notebooks[0].cellsEnded == 1 && $0.faults == 0 })
  }

  @Test(
    "hangs up on what is no gate, and goes on",
    arguments: [
      "GET / HTTP/1.1\r\n\r\n", "{}\n", "{\"hello\":{}}\n", "\u{0}\u{1}\n", String(repeating: "x", count: 70_000),
    ])
  func hostile(text: String) throws {
    let stage = try Stage()
    let raw = try FakeGate(raw: stage.socket)
    raw.send(bytes: Array(text.utf8))
    #expect(raw.isHungUp())
    let gate = try stage.gate("good")
    gate.submit(1)
    #expect(gate.await(isGrant(1)) != nil)
  }

  @Test("lets no process speak for another")
  func falsePid() throws {
    let stage = try Stage()
    let raw = try FakeGate(raw: stage.socket)
    raw.send(.hello(Hello(pid: 1, kernelPid: 0, gate: "x", path: nil, language: nil, connection: "k")))
    let answer = raw.await { if case .unwelcome = $0 { true } else { false } }
    #expect(answer == .unwelcome(why: "the gate says it is process 1, and it is \(getpid())"))
    #expect(stage.live.board.take().notebooks.isEmpty)
  }

  @Test("refuses a second engine on the same socket, and replaces the file of a dead one")
  func socketTaken() throws {
    let stage = try Stage()
    #expect { try Listener(path: stage.socket) } throws: { "\($0)".contains("another celltop's engine listens at") }
    let dead = stage.folder + "/dead.sock"
    let listening = celltop_unix_listen(dead)
    close(listening)
    #expect(throws: Never.self) { try Listener(path: dead) }
  }

  @Test("shows the same screen live and replayed at the same instant, cell for cell")
  func liveEqualsReplay() throws {
    let stage = try Stage(cores: 2)
    let gates = try ["churn", "digits", "svc"].map { try stage.gate($0) }
    #expect(stage.eventually { $0.notebooks.count == 3 })
    var moments: [(Board, Instant)] = []
    func keep() { moments.append((stage.live.board.take(), stage.live.clock.now)) }
    for (key, gate) in gates.enumerated() {
      gate.submit(1, cores: 1, hash: UInt64(key))
      #expect(stage.eventually { $0.notebooks.contains { $0.notebook.gate == gate.name && $0.cell != nil } })
      keep()
    }
    stage.order(.setPriority(NotebookID(2), 3), id: 1)
    let running = try #require(stage.live.board.take().notebooks.first { $0.state == .running })
    stage.order(.suspend(running.notebook.id, cell: try #require(running.cell).cell.id), id: 2)
    #expect(stage.eventually { $0.answers.count == 2 })
    keep()
    for gate in gates { gate.send(.ended(key: 1, outcome: .ok)) }
    #expect(stage.eventually { $0.notebooks.allSatisfy { $0.cellsEnded == 1 } })
    keep()
    stage.live.stop()

    var player = ReplayPlayer(try stage.history.entries(of: stage.live.number))
    for (board, now) in moments {
      player.step(by: Int(board.sequence) - player.count)
      #expect(player.board == board)
      for size in [Size(columns: 200, rows: 50), Size(columns: 80, rows: 24), Size(columns: 60, rows: 15)] {
        #expect(panes(board, now, size) == panes(player.board, now, size), "at entry \(board.sequence), \(size)")
      }
    }
  }

  /// The screen without its first line, which names the mode.
  private func panes(_ board: Board, _ now: Instant, _ size: Size) -> [Canvas.Cell] {
    let facts = SessionFacts(mode: .live, number: 1, user: "ana", beganWallMicroseconds: 0, utcOffsetSeconds: 0)
    var state = ConsoleState(session: facts)
    state.show(board, at: now)
    return Array(state.screen(size: size).cells.dropFirst(size.columns))
  }

  @Test("decides again from the recorded inputs to the same entries")
  func decideAgain() throws {
    let stage = try Stage(cores: 1)
    let gates = try ["a", "b"].map { try stage.gate($0) }
    for round in 1...20 {
      for gate in gates { gate.submit(UInt64(round)) }
      #expect(gates[0].await(isGrant(UInt64(round))) != nil || gates[1].await(isGrant(UInt64(round))) != nil)
      for gate in gates { gate.send(.ended(key: UInt64(round), outcome: .ok)) }
    }
    #expect(stage.eventually { $0.notebooks.reduce(0) { $0 + $1.cellsEnded } == 40 })
    stage.live.stop()
    let recorded = try stage.history.entries(of: stage.live.number)
    var engine = try Scheduler(
      policy: "fcfs", from: .standard, settings: Scheduler.Settings(checksInvariants: true))
    var again: [Entry] = []
    for input in try stage.history.recorded(stage.live.number).inputs() {
      again += engine.entries(for: input.input, at: input.at)
    }
    #expect(again == recorded)
    #expect(engine.ledger.digest.hexadecimal == (try stage.history.session(stage.live.number).digest))
  }
}
