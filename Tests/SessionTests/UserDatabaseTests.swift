import CLinux
import Domain
import Foundation
import GateLink
import Testing

@testable import Session

@Suite("Who somebody is") struct UserDatabaseTests {
  @Test("is what the system says, and the number of a user who has no name")
  func names() {
    #expect(UserDatabase.login(0) == "root")
    #expect(UserDatabase.login(3_999_999_999) == "3999999999")
    #expect(UserDatabase.groups(of: 0)?.contains("root") == true)
    #expect(UserDatabase.groups(of: 3_999_999_999) == [])
  }

  @Test("is never guessed: whose name cannot be told at present is turned away, and may come again")
  func unknown() throws {
    var pair: [Int32] = [0, 0]
    try #require(celltop_socket_pair(&pair) == 0)
    defer { close(pair[1]) }
    #expect(PeerConnection(accepted: pair[0], login: { _ in nil }, seat: { _ in nil }) == nil)
    var chunk = [UInt8](repeating: 0, count: 4096)
    let count = recv(pair[1], &chunk, chunk.count, 0)
    let told = try LineCodec.read(EngineMessage.self, from: chunk[..<max(count, 0)])
    #expect(told == .unwelcome(why: "the server cannot look your name up at present", retrySeconds: 1))
    #expect(recv(pair[1], &chunk, chunk.count, 0) == 0, "and hung up on")
  }

  @Test("groups that cannot be told are not taken for none: those known before hold, or it is not known")
  func groups() {
    var says: Set<String>?
    var book = GroupBook { _ in says }
    func groups(_ now: Instant) -> Set<String>? { book.groups(of: 1, at: now) }
    #expect(groups(.zero) == nil)
    says = ["wheel"]
    #expect(groups(.zero) == ["wheel"], "what could not be told is not remembered")
    says = nil
    #expect(groups(.zero + GroupBook.keptFor + Span(seconds: 1)) == ["wheel"])
    says = []
    #expect(groups(.zero + GroupBook.keptFor + Span(seconds: 2)) == [])
  }
}
