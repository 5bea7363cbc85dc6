import CLinux
import Domain
import Foundation
import GateLink
import Glibc
import Testing

@testable import KernelGate

/// The gate's side of its connection, against a listener that says what it is told to, on a clock that the test turns.
@Suite("The link to the engine") struct EngineLinkTests {
  /// A listener at a path of its own.
  private final class Post {
    let path = "/tmp/celltop-link-\(UUID().uuidString.prefix(8)).sock"
    private let listening: Int32
    private(set) var taken: [Int32] = []

    init() throws {
      listening = celltop_unix_listen(path)
      try #require(listening >= 0)
    }

    deinit {
      for descriptor in taken { close(descriptor) }
      close(listening)
      unlink(path)
    }

    /// Takes the connections that wait.
    func take() {
      while true {
        var one = pollfd(fd: listening, events: Int16(POLLIN), revents: 0)
        guard poll(&one, 1, 0) > 0 else { return }
        let descriptor = celltop_accept(listening)
        guard descriptor >= 0 else { return }
        taken.append(descriptor)
      }
    }

    /// Closes the connection that was taken last.
    func hangUp() { close(taken.removeLast()) }

    /// What has come on the connection that was taken last, line by line, each reading by itself.
    func heard() throws -> [GateMessage] {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let got = recv(taken[taken.count - 1], &buffer, buffer.count, Int32(MSG_DONTWAIT))
      var lines = LineBuffer()
      return try lines.add(buffer[..<max(0, got)]).map { try LineCodec.read(GateMessage.self, from: $0) }
    }

    func say(_ message: EngineMessage) { say(LineCodec.line(message)) }

    func say(_ line: [UInt8]) {
      let sent = line.withUnsafeBytes { send(taken[taken.count - 1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      #expect(sent == line.count)
    }
  }

  private func link(to post: Post) -> EngineLink {
    EngineLink(paths: [post.path], trusts: { _, _ in true }, failOpenAfter: Span(seconds: 2), now: .zero)
  }

  private func hello() -> Hello { Hello(pid: 1, kernelPid: 2, gate: "g", path: nil, language: nil, connection: "k") }

  private let welcome = EngineMessage.welcome(version: gateProtocolVersion, session: 1, notebook: 0)

  @Test("reads what has come before it gives an engine up, however long it did not run itself")
  func lateReader() throws {
    let post = try Post()
    let link = link(to: post)
    link.tick(at: .zero, hello: hello)
    post.take()
    post.say(welcome)
    // The process was stopped for a minute, and the clock went on.
    let later = Instant(seconds: 60)
    link.tick(at: later, hello: hello)
    #expect(link.receive(at: later) == [welcome])
    #expect(link.isGoverned)

    post.say(.ping)
    #expect(link.receive(at: later).isEmpty)
    post.say(.ping)
    let muchLater = Instant(seconds: 200)
    link.tick(at: muchLater, hello: hello)
    #expect(link.isGoverned, "a ping lay there")
    _ = link.receive(at: muchLater)
    link.tick(at: muchLater + EngineLink.silencePatience, hello: hello)
    #expect(!link.isGoverned, "and then nothing more")
  }

  @Test("keeps what is only mentioned for the next message, or until its patience is over, in order and once")
  func mentions() throws {
    let post = try Post()
    let link = link(to: post)
    link.tick(at: .zero, hello: hello)
    post.take()
    #expect(try post.heard() == [.hello(hello())])
    func at(_ milliseconds: Int64) -> Instant { Instant(microseconds: milliseconds * 1000) }
    let applied = GateMessage.applied(sequence: 1, cores: CoreSet(0..<2))
    let ended = GateMessage.ended(key: 1, outcome: .ok)

    link.mention(applied, patience: Span(microseconds: 20_000), at: at(100))
    #expect(link.mentionDue == at(120) && !link.wantsToWrite)
    link.flush(at: at(119))
    #expect(try post.heard().isEmpty)
    link.flush(at: at(120))
    #expect(try post.heard() == [applied])
    #expect(link.mentionDue == .never)

    link.mention(applied, patience: Span(microseconds: 20_000), at: at(200))
    link.mention(ended, patience: .zero, at: at(203))
    #expect(link.mentionDue == at(203), "what is urgent takes along what is not")
    link.flush(at: at(203))
    #expect(try post.heard() == [applied, ended])

    link.mention(ended, patience: .zero, at: at(300))
    link.send(.pong, at: at(300))
    #expect(try post.heard() == [ended, .pong])
    link.flush(at: at(400))
    #expect(try post.heard().isEmpty)

    link.mention(ended, patience: Span(seconds: 9), at: at(500))
    post.hangUp()
    _ = link.receive(at: at(501))
    #expect(
      link.mentionDue == .never && !link.isConnected, "what was said to an engine that is gone is not said to the next")
  }

  @Test("passes over a message that it does not know, and gives an engine up whose message it cannot read")
  func unknownMessage() throws {
    let post = try Post()
    let link = link(to: post)
    link.tick(at: .zero, hello: hello)
    post.take()
    post.say(Array("{\"weather\":{\"isFine\":true}}\n".utf8) + LineCodec.line(welcome))
    #expect(link.receive(at: .zero) == [welcome] && link.isGoverned)
    post.say(Array("{\"grant\":{\"key\":true}}\n".utf8))
    #expect(link.receive(at: .zero).isEmpty && !link.isConnected)
  }

  @Test(
    "comes again soon to an engine that says that what stands against it passes, and late to one that does not",
    arguments: [(nil, 30), (1, 1), (0, 0.5), (3600, 30)] as [(Double?, Double)])
  func turnedAway(retrySeconds: Double?, waits: Double) throws {
    let post = try Post()
    let link = link(to: post)
    link.tick(at: .zero, hello: hello)
    post.take()
    post.say(.unwelcome(why: "full", retrySeconds: retrySeconds))
    #expect(link.receive(at: .zero).isEmpty && !link.isConnected)
    #expect(link.wake.microseconds == Int64(waits * 1e6))
  }

  @Test("waits twice as long for an answer after each greeting that had none, and as at first after one that had one")
  func patience() throws {
    let post = try Post()
    let link = link(to: post)
    var now = Instant.zero
    var waited: [Double] = []
    for _ in 1...7 {
      link.tick(at: now, hello: hello)
      waited.append((link.wake - now).seconds)
      now = link.wake
    }
    #expect(waited == [5, 10, 20, 40, 80, 80, 80])
    post.take()
    #expect(post.taken.count == 7)
    post.say(welcome)
    #expect(link.receive(at: now) == [welcome])
    post.hangUp()
    #expect(link.receive(at: now).isEmpty && !link.isConnected)
    now = link.wake
    link.tick(at: now, hello: hello)
    #expect((link.wake - now).seconds == 5)
  }
}
