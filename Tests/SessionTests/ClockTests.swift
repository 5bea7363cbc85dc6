import CLinux
import Domain
import Foundation
import GateLink
import History
import NodeControl
import Projections
import ServerLink
import Synchronization
import Testing

@testable import Session

/// The machine's clocks as somebody sets them and as a suspended machine finds them.
private final class Clocks: Sendable {
  private let ahead = Mutex<(uptime: Int64, wall: Int64)>((0, 1_800_000_000_000_000))

  /// The machine sleeps: both clocks go on.
  func suspend(seconds: Int64) {
    ahead.withLock { $0 = ($0.uptime + seconds * 1_000_000, $0.wall + seconds * 1_000_000) }
  }

  /// Somebody sets the wall clock (settimeofday(2)).
  func setWall(by seconds: Int64) { ahead.withLock { $0.wall += seconds * 1_000_000 } }

  var uptime: Int64 { ahead.withLock { $0.uptime } + celltop_boottime_us() }
  var wall: Int64 { ahead.withLock { $0.wall } + celltop_boottime_us() }
}

@Suite struct ClockTests {
  private let clocks = Clocks()

  private func clock() -> SessionClock {
    SessionClock(uptime: { [clocks] in clocks.uptime }, wall: { [clocks] in clocks.wall })
  }

  private func isGrant(_ message: EngineMessage) -> Bool { if case .grant = message { true } else { false } }

  @Test("setting the wall clock changes no instant, neither back nor ahead")
  func wallClock() {
    let clock = clock()
    let (first, began) = (clock.now, clock.beganWallMicroseconds)
    clocks.setWall(by: -86_400)
    let second = clock.now
    clocks.setWall(by: 400 * 86_400)
    let third = clock.now
    #expect(first <= second && second <= third && third - first < Span(seconds: 60))
    #expect(clock.beganWallMicroseconds == began && clock.wallMicroseconds - began < 60_000_000)
    clocks.suspend(seconds: 8 * 3600)
    #expect(clock.now - third >= Span(seconds: 8 * 3600), "the time asleep counts")
  }

  @Test(
    "a session whose wall clock is set back and whose machine sleeps keeps its gates, its clients and its order of time"
  )
  func session() throws {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let node = Node(id: NodeID(0), name: "twin", cores: CoreSet([0]))
    var configuration = LiveSession.Configuration(
      node: node, socketPath: folder + "/engine.sock", host: "twin", user: "ana")
    configuration.clock = clock()
    let history = folder + "/history.sqlite"
    let live = try LiveSession(
      configuration, on: TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero)),
      history: history)
    live.start()
    let number: Int64
    do {
      let (runs, waits) = (
        try FakeGate(configuration.socketPath, name: "a", document: "/x/a.ipynb"),
        try FakeGate(configuration.socketPath, name: "b", document: "/x/b.ipynb")
      )
      for gate in [runs, waits] { gate.send(.kernel(state: .ready, pid: 0)) }
      runs.submit(1)
      #expect(runs.await(isGrant) != nil)
      waits.submit(1)
      let client = try ServerConnection(
        [configuration.socketPath], Attach(client: "test", stream: .packed, form: Board.wireForm))
      var fold = AttachedBoard()
      #expect(try client.follow(&fold) { $0.notebooks.count == 2 && $0.notebooks[1].state == .queued })
      clocks.setWall(by: -7 * 86_400)
      clocks.suspend(seconds: 8 * 3600)
      runs.send(.ended(key: 1, outcome: .ok))
      #expect(waits.await(isGrant) != nil, "who waited is next, after the night as before")
      #expect(try client.follow(&fold) { $0.notebooks[1].state == .running })
      #expect(fold.board.now >= .zero + Span(seconds: 8 * 3600), "people felt that wait")
      #expect(try client.command(Order(key: 1, verb: .hold(NotebookID(1)))).accepted)
      waits.send(.ended(key: 1, outcome: .ok))
      #expect(try client.follow(&fold) { $0.notebooks[1].cellsEnded == 1 && $0.faults == 0 })
      number = live.number
      live.stop()
    }
    let session = try HistoryStore(reading: history).session(number)
    let entries = try HistoryStore(reading: history).entries(of: number)
    #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.at <= $1.at }, "time never falls")
    let ended = try #require(session.endedMicroseconds)
    #expect(
      ended - session.beganMicroseconds >= 8 * 3_600_000_000 && ended - session.beganMicroseconds < 9 * 3_600_000_000)
  }
}
