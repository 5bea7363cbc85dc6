import CLinux
import Domain
import Foundation
import GateLink
import Projections

/// A client's end of the connection to a server: connects, attaches, sends and waits. Used from one thread.
///
/// Signs of life are answered while messages are waited for, so that a client which waits all the time is never let go.
public final class ServerConnection {
  /// The longest line that is taken from a server: a snapshot of a large session.
  public static let lineBytesMost = 256 << 20
  /// A server says something at least every two seconds; one that has said nothing for so long is gone.
  public static let silenceSecondsMost = 6

  public let welcome: Welcome
  /// Where the server listens.
  public let path: String
  private let descriptor: Int32
  private let silenceSecondsMost: Int
  private var buffer = LineBuffer(lineBytesMost: ServerConnection.lineBytesMost)
  private var inbox: [ServerMessage] = []
  private var heard = celltop_boottime_us()
  /// Why the session's recording is incomplete at present, as the server said last; nil where it is complete.
  public private(set) var trouble: String?
  /// The local clock's reading at which the session's clock stood at 0.
  public private(set) var epochMicroseconds: Int64

  /// Connects to the first of the places at which a server answers, and attaches.
  ///
  /// - Parameters:
  ///   - secondsMost: how long the server is given to answer.
  ///   - trusts: whether whoever listens there is believed, because a person named the place.
  ///   - silenceSecondsMost: after how long a silence the server is given up.
  /// - Throws: `AttachError`.
  public init(
    _ paths: [String], _ attach: Attach, secondsMost: Double = 5, trusts: Bool = false,
    silenceSecondsMost: Int = ServerConnection.silenceSecondsMost
  ) throws(AttachError) {
    self.silenceSecondsMost = silenceSecondsMost
    var found: (path: String, descriptor: Int32)?
    var tried: [String] = []
    for path in paths where found == nil {
      let made = celltop_connect_unix(path)
      guard made >= 0 else {
        tried.append(Self.tried(path, errno))
        continue
      }
      let environment = ProcessInfo.processInfo.environment
      var (pid, uid): (pid_t, uid_t) = (0, 0)
      guard celltop_peer_credentials(made, &pid, &uid) == 0,
        SocketPath.isTrusted(path, server: uid, uid: getuid(), environment: environment) || trusts
      else {
        close(made)
        throw .untrusted("at \(path) listens a process of another user (\(uid)), and that place is not theirs")
      }
      found = (path, made)
    }
    guard let found else { throw .nobody(paths: tried) }
    (path, descriptor) = found
    let line = LineCodec.line(ClientMessage.attach(attach))
    var reader = LineBuffer(lineBytesMost: Self.lineBytesMost)
    var lines: [[UInt8]] = []
    do throws(AttachError) {
      try Self.write(line, to: found.descriptor)
      let deadline = celltop_boottime_us() + Int64(secondsMost * 1e6)
      while lines.isEmpty {
        guard try Self.read(found.descriptor, &reader, &lines, until: deadline) else {
          throw .silent(seconds: Int(secondsMost.rounded()))
        }
      }
      switch try Self.message(lines.removeFirst()) {
      case .welcome(let welcome):
        guard welcome.version == clientProtocolVersion else {
          throw .unwelcome(
            "it speaks version \(welcome.version) of the protocol, and this celltop \(clientProtocolVersion)")
        }
        self.welcome = welcome
        trouble = welcome.trouble?.printable(at: 400)
        epochMicroseconds = celltop_boottime_us() - welcome.at
      case .unwelcome(let why): throw .unwelcome(why.printable(at: 400))
      case .snapshot, .tail, .answer, .status, .preview, .processes, .code, .refused, .ping, .ending, .unknown:
        throw .unreadable("it did not answer the greeting")
      }
      for line in lines { inbox.append(try Self.message(line)) }
    } catch {
      close(found.descriptor)
      throw error
    }
    buffer = reader
  }

  deinit { close(descriptor) }

  /// A place at which nobody answers, and why where that is not for want of a server: "/run/celltop/engine.sock (Permission denied)".
  ///
  /// - Parameter code: errno(3).
  static func tried(_ path: String, _ code: Int32) -> String {
    code == EACCES || code == EPERM ? "\(path) (\(String(cString: strerror(code))))" : path
  }

  /// The session's present instant, by the server's clock: both sides read the same one of the system.
  public var now: Instant { Instant(microseconds: celltop_boottime_us() - epochMicroseconds) }

  /// Sends a message.
  ///
  /// - Throws: `AttachError.ended` where the server has hung up.
  public func send(_ message: ClientMessage) throws(AttachError) {
    try Self.write(LineCodec.line(message), to: descriptor)
  }

  /// The next message other than a sign of life; nil after `seconds` without one, or once `waker` has something to read.
  ///
  /// - Throws: `AttachError` where the server is gone, silent or not understood.
  public func receive(seconds: Double, waker: Int32 = -1) throws(AttachError) -> ServerMessage? {
    let deadline = celltop_boottime_us() + Int64(seconds * 1e6)
    while true {
      if let message = try takeFirst() { return message }
      let silent = heard + Int64(silenceSecondsMost) * 1_000_000
      var lines: [[UInt8]] = []
      if try Self.read(descriptor, &buffer, &lines, until: min(deadline, silent), waker: waker) {
        heard = celltop_boottime_us()
        for line in lines { inbox.append(try Self.message(line)) }
        continue
      }
      let now = celltop_boottime_us()
      if now >= silent { throw .silent(seconds: silenceSecondsMost) }
      if now >= deadline || waker >= 0 { return nil }
    }
  }

  private func takeFirst() throws(AttachError) -> ServerMessage? {
    while !inbox.isEmpty {
      let message = inbox.removeFirst()
      switch message {
      case .ping(let at, _, let trouble):
        self.trouble = trouble?.printable(at: 400)
        // The clock of a session stops with nobody: a difference means that this side's was set otherwise.
        epochMicroseconds = celltop_boottime_us() - at
        try send(.pong)
      case .ending(let why): throw .ended(why.printable(at: 400))
      case .unwelcome(let why): throw .unwelcome(why.printable(at: 400))
      case .unknown: break
      case .snapshot(let snapshot):
        trouble = snapshot.trouble?.printable(at: 400)
        return message
      case .welcome, .tail, .answer, .status, .preview, .processes, .code, .refused: return message
      }
    }
    return nil
  }

  /// Gives an order and waits for its answer. Messages of the stream that come meanwhile are handed to `other`.
  ///
  /// - Throws: `AttachError`; then it is not known whether the order was obeyed, and the same key may be sent again.
  public func command(
    _ order: Order, secondsMost: Double = 10, other: (ServerMessage) -> Void = { _ in }
  ) throws(AttachError) -> Answered {
    try send(.command(order))
    let deadline = celltop_boottime_us() + Int64(secondsMost * 1e6)
    while true {
      let left = Double(deadline - celltop_boottime_us()) / 1e6
      guard left > 0, let message = try receive(seconds: left) else {
        throw .silent(seconds: Int(secondsMost.rounded()))
      }
      if case .answer(let answer) = message, answer.key == order.key { return answer }
      other(message)
    }
  }

  /// A report of the session as it is now, as far as the client may see it.
  ///
  /// - Throws: `AttachError`.
  public func status(secondsMost: Double = 10) throws(AttachError) -> BoardReport {
    try send(.status(id: 1))
    let deadline = celltop_boottime_us() + Int64(secondsMost * 1e6)
    while true {
      let left = Double(deadline - celltop_boottime_us()) / 1e6
      guard left > 0, let message = try receive(seconds: left) else {
        throw .silent(seconds: Int(secondsMost.rounded()))
      }
      if case .status(_, let report) = message { return report }
    }
  }

  /// A key for an order: at random, so that no other order has it.
  public static func newKey() -> UInt64 { UInt64.random(in: 1...Order.keyMost) }
}

// MARK: The socket

extension ServerConnection {
  private static func message(_ line: [UInt8]) throws(AttachError) -> ServerMessage {
    do throws(LinkError) { return try LineCodec.read(ServerMessage.self, from: line) } catch {
      switch error {
      case .malformed(let why): throw .unreadable(why.printable(at: 200))
      case .lineTooLong: throw .unreadable("a line is too long")
      }
    }
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(AttachError) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress! + sent, $0.count - sent) }
      if count > 0 {
        sent += count
      } else if count < 0, errno == EAGAIN {
        var one = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&one, 1, Int32(silenceSecondsMost * 1000)) > 0 else { throw .silent(seconds: silenceSecondsMost) }
      } else if count < 0, errno == EINTR {
        continue
      } else {
        throw .ended("it hung up")
      }
    }
  }

  /// Reads until a line is complete; false once `deadline` has passed or `waker` is readable.
  private static func read(
    _ descriptor: Int32, _ buffer: inout LineBuffer, _ lines: inout [[UInt8]], until deadline: Int64,
    waker: Int32 = -1
  ) throws(AttachError) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while lines.isEmpty {
      let left = max(deadline - celltop_boottime_us(), 0)
      var both = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: waker, events: Int16(POLLIN), revents: 0),
      ]
      let count = poll(&both, 2, Int32(clamping: (left + 999) / 1000))
      if count < 0, errno != EINTR { throw .ended("poll failed") }
      if both[0].revents == 0 {
        // What has come already counts, however late it is looked for.
        if both[1].revents != 0 || left == 0 { return false }
        continue
      }
      let got = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
      if got < 0, errno == EAGAIN || errno == EINTR { continue }
      guard got > 0 else { throw .ended("it hung up") }
      guard let complete = try? chunk.withUnsafeBytes({ try buffer.add(UnsafeRawBufferPointer(rebasing: $0[..<got])) })
      else {
        throw .unreadable("a line is too long")
      }
      lines += complete
    }
    return true
  }
}
