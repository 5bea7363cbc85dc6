import CLinux
import Domain
import Foundation
import GateLink
import Projections
import Testing

@testable import ServerLink
@testable import Session

@Suite("A client's connection") struct ClientConnectionTests {
  /// A client of this process's user, and its end of the socket.
  private func pair(_ limits: Limits = Limits(), stream: Attach.Stream = .none) throws -> (
    ours: ClientConnection, theirs: Int32
  ) {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    celltop_set_nonblocking(pair[1])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    let ours = ClientConnection(
      peer, Attach(client: "t", stream: stream), role: .operator, veiledFor: nil, limits: limits, at: .zero)
    return (ours, pair[1])
  }

  @Test("tells a place that may not be entered from one where nobody listens")
  func nobody() {
    #expect(ServerConnection.tried("/run/a.sock", EACCES) == "/run/a.sock (Permission denied)")
    #expect(ServerConnection.tried("/run/a.sock", ENOENT) == "/run/a.sock")
    let none = "/nowhere/\(UInt64.random(in: 0 ... .max)).sock"
    #expect { _ = try ServerConnection([none], Attach(client: "t", stream: .none)) } throws: {
      ($0 as? AttachError)?.description.hasPrefix("no celltop server answers at \(none). ") == true
    }
  }

  private func say(_ count: Int, to descriptor: Int32) {
    let line = LineCodec.line(ClientMessage.pong)
    for _ in 0..<count { #expect(write(descriptor, line, line.count) == line.count) }
  }

  /// All that has arrived at the client's end.
  private func arrived(_ descriptor: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { return bytes }
      bytes += chunk[..<count]
    }
  }

  private func messages(_ bytes: [UInt8]) throws -> [ServerMessage] {
    var buffer = LineBuffer()
    return try buffer.add(bytes[...]).map { try LineCodec.read(ServerMessage.self, from: $0) }
  }

  @Test("what had come before the client hung up is heard whole, and no quicker than it may be said")
  func lastOrders() throws {
    var limits = Limits()
    limits.messagesPerSecond = 50
    let (ours, theirs) = try pair(limits)
    say(120, to: theirs)
    #expect(ours.receive(at: .zero).count == 50)
    say(30, to: theirs)
    close(theirs)
    // The end is noticed by writing, as it is where an answer is given.
    ours.send(.refused(why: "x"))
    #expect(ours.isBroken && !ours.isGone)
    var now = Instant.zero
    var heard = 50
    while let next = ours.hearAgain(at: now) {
      now = max(next, now + Span(microseconds: 1))
      heard += ours.receive(at: now).count
      try #require(now < Instant.zero + Span(seconds: 60))
    }
    #expect(heard == 150 && ours.isGone)
    #expect(now >= Instant.zero + Span(seconds: 1.98), "100 messages at 50 a second")
  }

  @Test("nothing more is heard of a client that was shown the door")
  func refused() throws {
    let (ours, theirs) = try pair()
    defer { close(theirs) }
    say(5, to: theirs)
    ours.refuse("no")
    #expect(ours.isGone && ours.receive(at: .zero).isEmpty && ours.hearAgain(at: .zero) == nil)
  }

  @Test("a client that reads nothing is kept its answers up to twice what may wait, and then hung up on without a word")
  func unread() throws {
    var limits = Limits()
    limits.queuedBytes = 100_000
    let (ours, theirs) = try pair(limits, stream: .entries)
    defer { close(theirs) }
    ours.needsSnapshot = nil
    let answer = ServerMessage.refused(why: String(repeating: "x", count: 1000))
    // The system's own buffer is filled first.
    while ours.peer.unsentCount <= limits.queuedBytes { ours.send(answer) }
    #expect(!ours.isBroken)
    ours.send(stream: LineCodec.line(answer), isSnapshot: false)
    #expect(ours.timesBehind == 1 && ours.needsSnapshot == .behind, "the tail waits no longer")
    while ours.peer.unsentCount + 2000 < 2 * limits.queuedBytes { ours.send(answer) }
    #expect(!ours.isBroken, "answers do, up to twice as much")
    for _ in 0..<3 { ours.send(answer) }
    #expect(ours.isGone)
    let said = arrived(theirs)
    #expect(!said.isEmpty && !String(decoding: said, as: UTF8.self).contains("unwelcome"))
  }

  @Test("the server gives a sign of life every two seconds, with where the session stands and what is wrong with it")
  func signsOfLife() throws {
    let board = BoardBox()
    board.update { $0.apply(Entry(sequence: 3, at: .zero, event: .policyChanged("fcfs"))) }
    var desk = ClientDesk(limits: Limits(), board: board)
    let (ours, theirs) = try pair()
    defer { close(theirs) }
    desk.seat(
      ours,
      Welcome(
        server: "t", instance: "i", session: 0, host: "h", user: "u", role: .operator, isVeiled: false,
        beganMicroseconds: 0, at: 0))
    _ = arrived(theirs)
    var heard: [ServerMessage] = []
    for tick in 0...40 {
      desk.ping(
        trouble: tick < 20 ? nil : "disk full", at: Instant.zero + Span(seconds: 0.25 * Double(tick)))
      heard += try messages(arrived(theirs))
    }
    let expected: [ServerMessage] = (0...5).map { (turn: Int64) -> ServerMessage in
      .ping(at: turn * 2_000_000, sequence: 3, trouble: turn < 3 ? nil : "disk full")
    }
    #expect(heard == expected)
  }
}
