import CLinux
import Domain
import Foundation
import GateLink
import NodeControl
import Synchronization
import Testing

@testable import Session

/// A clock of which each reading comes a while after the one before: a machine on which everything takes long.
private final class SlowClock: Sendable {
  private let readings = Atomic<Int64>(0)
  let step: Int64

  init(step: Int64) { self.step = step }

  var uptime: Int64 { readings.add(1, ordering: .relaxed).newValue * step }
}

@Suite struct GreetingTests {
  /// A gate that has said hello, and its end of the socket.
  private func arrival(_ name: String) throws -> (arrival: Arrival, theirs: Int32) {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    celltop_set_nonblocking(pair[1])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    let hello = Hello(
      pid: getpid(), kernelPid: 0, gate: name, path: "/x/\(name).ipynb", language: nil, connection: "k", isReady: true)
    return (Arrival(gate: GateConnection(peer, messagesPerSecond: 2000, at: .zero), hello: hello), pair[1])
  }

  /// What has come at a gate's end so far.
  private func heard(_ descriptor: Int32) throws -> [EngineMessage] {
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_PEEK))
    var buffer = LineBuffer()
    return try buffer.add(chunk[..<max(count, 0)]).map { try LineCodec.read(EngineMessage.self, from: $0) }
  }

  @Test("gates hear that the engine lives, and cells are granted, while a storm of others is greeted")
  func storm() throws {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Two readings a greeting at the least: three hundred take a minute.
    let clock = SlowClock(step: 100_000)
    let node = Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<2))
    var configuration = LiveSession.Configuration(
      node: node, socketPath: folder + "/engine.sock", host: "twin", user: "ana")
    configuration.clock = SessionClock(uptime: { clock.uptime }, wall: { 0 })
    let live = try LiveSession(
      configuration, on: TwinNode(capacity: NodeCapacity(name: "twin", cores: node.cores, memory: .zero)), history: nil)
    let gates = try (0..<300).map { try arrival("g\($0)") }
    defer { for gate in gates { close(gate.theirs) } }
    // The first has a cell. All are there before the engine's thread looks for the first time.
    let line = LineCodec.line(
      GateMessage.submitted(Submission(key: 1, cell: nil, codeHash: 1, demand: nil)))
    _ = line.withUnsafeBytes { celltop_send(gates[0].theirs, $0.baseAddress, $0.count) }
    for gate in gates { live.take(gate.arrival) }
    live.start()
    let deadline = celltop_boottime_us() + 60_000_000
    func isWelcomed(_ gate: Int) throws -> Bool {
      try heard(gates[gate].theirs).contains { if case .welcome = $0 { true } else { false } }
    }
    while try !isWelcomed(299), celltop_boottime_us() < deadline { poll(nil, 0, 1) }
    // What has come to the first by the time that the last is welcomed was sent before.
    let first = try heard(gates[0].theirs)
    #expect(try isWelcomed(299))
    live.stop()
    #expect(first.contains { if case .grant = $0 { true } else { false } })
    #expect(first.count { $0 == .ping } >= 3, "\(first)")
  }
}
