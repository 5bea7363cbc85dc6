import CLinux
import Domain
import GateLink
import Glibc

/// The gate's side of its connection to the engine: connects, greets, cuts lines, and knows how long the engine has been
/// away.
package final class EngineLink {
  private enum State {
    case away
    /// Connected and greeted, not yet answered.
    case greeting(since: Instant)
    case governed
  }

  /// How long the first engine is waited for: long enough for a local connection, shorter than a kernel's start.
  package static let firstPatience = Span(microseconds: 300_000)
  static let retryEvery = Span(microseconds: 500_000)
  static let unwelcomeRetryAfter = Span(microseconds: 30_000_000)
  /// A greeting is waited for so long, and twice as long after each that went without an answer: an engine that a crowd of gates
  /// reconnects to at once answers late, and those that hang up and greet anew only make the crowd larger.
  static let greetingPatience = Span(microseconds: 5_000_000)
  static let greetingPatienceMost = Span(microseconds: 80_000_000)
  /// An engine that pings at all must be heard this often: a stopped process keeps its sockets open, and a cell must
  /// not wait for it for ever.
  static let silencePatience = Span(microseconds: 5_000_000)
  /// More than this unsent means that nobody reads.
  private static let unsentBytesMost = 1 << 20

  /// Where an engine is looked for, in order, and who is believed there.
  private let paths: [String]
  private let trusts: (String, UInt32) -> Bool
  private let failOpenAfter: Span
  private let firstPatience: Span
  private var state = State.away
  private var nextTry: Instant
  private var awaySince: Instant
  private var everGoverned = false
  private var pings = false
  private var patience = EngineLink.greetingPatience
  private var heard: Instant
  private var lines = LineBuffer()
  private var unsent: [UInt8] = []
  /// Whether the socket took no more of it.
  private var isFull = false
  /// When what was mentioned is to be sent; `never` where there is nothing.
  package private(set) var mentionDue = Instant.never
  private var buffer = [UInt8](repeating: 0, count: 16_384)
  package private(set) var descriptor: Int32 = -1
  /// How often it has connected: a new connection may have the descriptor of the one before.
  package private(set) var timesConnected = 0

  /// - Parameters:
  ///   - failOpenAfter: how long cells wait for an engine that has gone.
  ///   - firstPatience: how long they wait for the first one.
  package init(
    paths: [String], trusts: @escaping (String, UInt32) -> Bool, failOpenAfter: Span,
    firstPatience: Span = EngineLink.firstPatience, now: Instant
  ) {
    self.paths = paths
    self.trusts = trusts
    self.failOpenAfter = failOpenAfter
    self.firstPatience = firstPatience
    (nextTry, awaySince, heard) = (now, now, now)
  }

  package var isConnected: Bool { descriptor >= 0 }

  /// Whether an engine governs: it answered the greeting, and is still there.
  package var isGoverned: Bool {
    if case .governed = state { return true }
    return false
  }

  /// When cells may run without an engine; `never` while one governs.
  package var releases: Instant {
    isGoverned ? .never : awaySince + (everGoverned ? failOpenAfter : firstPatience)
  }

  package var wantsToWrite: Bool { isConnected && isFull }

  /// When `tick` next has something to do.
  package var wake: Instant {
    switch state {
    case .away: nextTry
    case .greeting(let since): since + patience
    case .governed: pings ? heard + Self.silencePatience : .never
    }
  }

  /// Connects when it is time to, and gives up an engine that has fallen silent.
  package func tick(at now: Instant, hello: () -> Hello) {
    guard now >= wake else { return }
    if isConnected {
      if holdsUnread {
        // It was this process that did not come to read, stopped or starved as it was; what lies there is a sign of life.
        heard = now
        if case .greeting = state { state = .greeting(since: now) }
        return
      }
      if case .greeting = state { patience = min(patience + patience, Self.greetingPatienceMost) }
      lose(at: now)
    }
    nextTry = now + Self.retryEvery
    guard let made = connect() else { return }
    descriptor = made
    timesConnected += 1
    state = .greeting(since: now)
    lines = LineBuffer()
    unsent = []
    mentionDue = .never
    send(.hello(hello()), at: now)
  }

  /// Whether something has come from the engine that was not read yet.
  private var holdsUnread: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
  }

  /// Connects to the first of the places at which somebody listens who is to be believed.
  private func connect() -> Int32? {
    for path in paths {
      let made = celltop_connect_unix(path)
      guard made >= 0 else { continue }
      var (pid, uid): (Int32, UInt32) = (0, 0)
      if celltop_peer_credentials(made, &pid, &uid) == 0, trusts(path, uid) { return made }
      close(made)
    }
    return nil
  }

  /// Says a message at once, and what was mentioned before it.
  package func send(_ message: GateMessage, at now: Instant) {
    guard isConnected else { return }
    unsent += LineCodec.line(message)
    flushAll(at: now)
  }

  /// Says a message together with the next one, or by itself once `patience` is over: each line by itself wakes the engine.
  package func mention(_ message: GateMessage, patience: Span, at now: Instant) {
    guard isConnected else { return }
    unsent += LineCodec.line(message)
    mentionDue = min(mentionDue, now + patience)
  }

  /// Sends what can be sent now of what is due.
  package func flush(at now: Instant) {
    guard isFull || now >= mentionDue else { return }
    flushAll(at: now)
  }

  private func flushAll(at now: Instant) {
    mentionDue = .never
    defer { isFull = isConnected && !unsent.isEmpty }
    while !unsent.isEmpty {
      let sent = unsent.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
      if sent > 0 {
        unsent.removeFirst(sent)
      } else if errno == EAGAIN {
        if unsent.count > Self.unsentBytesMost { lose(at: now) }
        return
      } else if errno != EINTR {
        lose(at: now)
        return
      }
    }
  }

  /// Reads what has come. A malformed line or the end of the stream loses the engine; so does its refusal. Messages that this
  /// gate does not know are passed over.
  package func receive(at now: Instant) -> [EngineMessage] {
    var messages: [EngineMessage] = []
    while isConnected {
      let got = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if got < 0, errno == EAGAIN || errno == EINTR { break }
      guard got > 0,
        let complete = try? buffer.withUnsafeBytes({ try lines.add(UnsafeRawBufferPointer(rebasing: $0[..<got])) })
      else {
        lose(at: now)
        break
      }
      heard = now
      for line in complete {
        guard let message = EngineMessage(grantLine: line) ?? (try? LineCodec.read(EngineMessage.self, from: line))
        else {
          if EngineMessage.isUnknown(line) { continue }
          lose(at: now)
          break
        }
        if let message = note(message, at: now) { messages.append(message) }
      }
    }
    return messages
  }

  /// Keeps what concerns the connection itself to itself.
  private func note(_ message: EngineMessage, at now: Instant) -> EngineMessage? {
    switch message {
    case .welcome:
      state = .governed
      everGoverned = true
      patience = Self.greetingPatience
      return message
    case .unwelcome(_, let retrySeconds):
      lose(at: now)
      nextTry = now + Self.unwelcomeRetryAfter
      if let retrySeconds { nextTry = min(nextTry, now + max(Self.retryEvery, Span(seconds: min(retrySeconds, 60)))) }
      return nil
    case .ping:
      pings = true
      send(.pong, at: now)
      return nil
    case .grant, .resize, .suspend, .resume, .interrupt, .refuse, .standing: return message
    }
  }

  private func lose(at now: Instant) {
    guard isConnected else { return }
    close(descriptor)
    descriptor = -1
    if isGoverned { awaySince = now }
    (isFull, mentionDue) = (false, .never)
    state = .away
    pings = false
    nextTry = now + Self.retryEvery
  }
}
