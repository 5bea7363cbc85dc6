import CLinux
import Domain
import Foundation
import GateLink
import History
import NodeControl
import Testing

@testable import Session

/// A session on a twin node of two cores, beside what an engine that died has left behind.
private final class Succession {
  let folder = "/tmp/celltop-succession-" + UUID().uuidString.prefix(8)
  var socket: String { folder + "/engine.sock" }
  private(set) var live: LiveSession?

  init() throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit {
    live?.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// A socket that nobody listens at any more.
  func leaveSocket() { _ = FileManager.default.createFile(atPath: socket, contents: nil) }

  func start(wallMicroseconds: Int64? = nil) throws {
    let node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<2))
    let configuration = LiveSession.Configuration(node: node, socketPath: socket, host: "twin", user: "ana")
    let twin = TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero))
    let made = try LiveSession(configuration, on: twin, history: folder + "/history.sqlite")
    made.start()
    live = made
  }

  func stop() {
    live?.stop()
    live = nil
  }

  func eventually(_ condition: () -> Bool) -> Bool {
    let deadline = celltop_boottime_us() + 5_000_000
    while celltop_boottime_us() < deadline {
      if condition() { return true }
      poll(nil, 0, 5)
    }
    return false
  }
}

@Suite struct SuccessionTests {
  @Test("waits with new cells until the gates of running ones are back, so that no core is given twice")
  func settles() throws {
    let stage = try Succession()
    stage.leaveSocket()
    try stage.start()
    let waiting = try FakeGate(stage.socket, name: "waiting", document: "/home/ana/waiting.ipynb")
    waiting.send(.kernel(state: .ready, pid: 0))
    waiting.submit(1)
    #expect(stage.eventually { stage.live?.board.take().notebooks.first?.state == .thinking })
    // Only now the gate comes whose cell runs on the first core.
    let running = try FakeGate(raw: stage.socket)
    running.send(
      .hello(
        Hello(
          pid: getpid(), kernelPid: 0, gate: "running", path: "/home/ana/running.ipynb", language: "python",
          connection: "k.json",
          running: RunningCell(
            submission: Submission(key: 9, cell: nil, codeHash: 1, demand: nil), ranSeconds: 3, cores: CoreSet([0]),
            suspended: false), isReady: true)))
    let granted = waiting.await { if case .grant = $0 { true } else { false } }
    guard case .grant(_, 1, let cores, _)? = granted else {
      Issue.record("no grant came")
      return
    }
    #expect(cores == CoreSet([1]))
    let board = try #require(stage.live?.board.take())
    #expect(
      board.notebooks.first { $0.name == "running.ipynb" || $0.name == "running" }?.cell?.allotment?.cores
        == CoreSet([0]))
  }

  @Test("forgets a cell that its client took back while everybody was waited for")
  func withdrawn() throws {
    let stage = try Succession()
    stage.leaveSocket()
    try stage.start()
    let gate = try FakeGate(stage.socket, name: "a", document: "/home/ana/a.ipynb")
    gate.send(.kernel(state: .ready, pid: 0))
    gate.submit(1)
    gate.send(.withdrawn(key: 1, outcome: .interrupted))
    gate.submit(2)
    guard case .grant(_, let key, _, _)? = gate.await({ if case .grant = $0 { true } else { false } }) else {
      Issue.record("no grant came")
      return
    }
    #expect(key == 2)
  }

  @Test("says which session it resumes where that was cut short, and nothing where it ended")
  func note() throws {
    let stage = try Succession()
    try stage.start()
    stage.stop()
    try stage.start()
    stage.stop()
    let store = try HistoryStore(path: stage.folder + "/history.sqlite")
    #expect(try store.sessions().map(\.note) == ["", ""])
    // A session of a process that is gone, which nobody ended: this one's mark is of nobody.
    let wall = SessionClock.wallMicroseconds()
    let writer = try SessionWriter(
      store, .init(kind: "live", host: "twin", user: "ana", beganMicroseconds: wall - 60_000_000))
    writer.take(
      .timer, at: .zero, after: 0, bringing: [Entry(sequence: 1, at: .zero, event: .policyChanged("fcfs"))])
    writer.flush(insists: true)
    // While its process lives it is not cut short.
    #expect(try store.sessionCutShort(host: "twin", beforeMicroseconds: wall) == nil)
    try store.forgetRecorder(of: writer.session)
    #expect(try store.sessionCutShort(host: "twin", beforeMicroseconds: wall)?.id == writer.session)
    #expect(try store.sessionCutShort(host: "other", beforeMicroseconds: wall) == nil)
    #expect(
      try store.sessionCutShort(
        host: "twin", beforeMicroseconds: wall + HistoryStore.resumesWithinMicroseconds) == nil)
    try stage.start()
    #expect(try store.sessions().first?.note == "resumes session \(writer.session), which was cut short")
  }
}
