import CLinux
import Domain
import Foundation
import GateLink
import Testing

@testable import Session

@Suite("A gate's connection")
struct GateConnectionTests {
  private func pair() throws -> (ours: GateConnection, theirs: Int32) {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    celltop_set_nonblocking(pair[0])
    let peer = try #require(PeerConnection(accepted: pair[0], seat: { _ in nil }))
    return (GateConnection(peer, messagesPerSecond: 1, at: .zero), pair[1])
  }

  private func say(_ count: Int, to descriptor: Int32) {
    let line = LineCodec.line(GateMessage.kernel(state: .dead, pid: 0))
    for _ in 0..<count { #expect(write(descriptor, line, line.count) == line.count) }
  }

  @Test("hears whole what a gate said before it went, though its end is noticed by writing and it has said too much")
  func lastWords() throws {
    let (ours, theirs) = try pair()
    say(100, to: theirs)
    let first = ours.receive(at: .zero)
    #expect(first.count < 100)
    say(20, to: theirs)
    close(theirs)
    ours.send(.ping)
    #expect(ours.isBroken)
    #expect(first.count + ours.lastWords().count == 120)
    #expect(ours.lastWords().isEmpty)
  }

  @Test("hears nothing more of a gate that was shown the door")
  func refused() throws {
    let (ours, theirs) = try pair()
    defer { close(theirs) }
    say(5, to: theirs)
    ours.refuse("no")
    #expect(ours.isBroken && ours.lastWords().isEmpty)
  }

  @Test("does not wake whoever waits while a gate that has said too much and gone is to be heard later")
  func deaf() throws {
    let (ours, theirs) = try pair()
    let readiness = try Readiness()
    #expect(ours.peer.attend(readiness))
    say(100, to: theirs)
    #expect(readiness.wait(milliseconds: 0).count == 1)
    let first = ours.receive(at: .zero)
    #expect(ours.hearAgain(at: .zero) != nil)
    ours.peer.hear(false)
    close(theirs)
    #expect(readiness.wait(milliseconds: 0).isEmpty)
    ours.peer.hear(true)
    #expect(readiness.wait(milliseconds: 0).map(\.canRead) == [true])
    ours.peer.hear(false)
    // One that breaks meanwhile is told of all the same.
    ours.send(.ping)
    #expect(ours.isBroken && readiness.wait(milliseconds: 0).count == 1)
    #expect(first.count + ours.lastWords().count == 100)
  }
}
