import CLinux
import Domain
import Foundation
import GateLink

/// The other end of a Unix socket, without blocking: whose it is, lines in, bytes out.
///
/// Belongs to one thread at a time: the reception's until it is known who it is, then that of the desk that serves it.
final class PeerConnection {
  /// What is said to whoever comes where the descriptors have run out.
  static let hasNoRoom = "the server has no descriptor left for one more connection"
  /// After so long whoever was turned away by what passes may try again, in seconds.
  static let retrySeconds = 1.0

  let descriptor: Int32
  /// The process at the other end and its user, as the kernel tells (SO_PEERCRED, unix(7)).
  let pid: Int32
  let uid: UInt32
  /// The user's login name.
  let user: String
  private(set) var isBroken = false
  /// Lines that have come and were not handed out.
  private var lines: [[UInt8]] = []
  private var buffer: LineBuffer
  private var unsent: [UInt8] = []
  private var sent = 0
  /// Ends with the connection: it counts as one of its user's.
  private let seat: Seat?
  private var readiness: Readiness?
  private var watchesReading = true
  private var watchesWriting = false

  /// Takes over an accepted descriptor; nil where the kernel does not tell whose it is, or the user's name cannot be told at
  /// present: it is not to be taken for somebody else, and is told so.
  init?(
    accepted descriptor: Int32, lineBytesMost: Int = LineCodec.lineBytesMost,
    login: (UInt32) -> String? = UserDatabase.login, seat: (UInt32) -> Seat?
  ) {
    var pid: pid_t = 0
    var uid: uid_t = 0
    guard celltop_peer_credentials(descriptor, &pid, &uid) == 0 else {
      close(descriptor)
      return nil
    }
    guard let user = login(uid) else {
      let line = LineCodec.line(EngineMessage.unwelcome(why: UserDatabase.trouble, retrySeconds: Self.retrySeconds))
      _ = line.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    self.pid = pid
    self.uid = uid
    self.user = user
    buffer = LineBuffer(lineBytesMost: lineBytesMost)
    self.seat = seat(uid)
  }

  deinit {
    readiness?.forget(descriptor)
    close(descriptor)
  }

  /// Has the descriptor watched from now on, for writing while something waits to be written; a connection that has broken
  /// counts as ready, so that whoever waits hears of it.
  ///
  /// - Returns: false where the system refuses.
  func attend(_ readiness: Readiness) -> Bool {
    guard readiness.watch(descriptor) else { return false }
    self.readiness = readiness
    watch()
    return true
  }

  /// Whether what comes is heard; else it waits in the socket.
  func hear(_ hears: Bool) {
    guard hears != watchesReading else { return }
    attend(reads: hears, writes: watchesWriting)
  }

  private func watch() {
    guard (unsentCount > 0) != watchesWriting else { return }
    attend(reads: watchesReading, writes: unsentCount > 0)
  }

  /// Of a descriptor that is watched for nothing epoll(7) still tells, again and again, that the other end has hung up: one that
  /// is to be heard later is not watched at all.
  private func attend(reads: Bool, writes: Bool) {
    let wasWatched = watchesReading || watchesWriting
    (watchesReading, watchesWriting) = (reads, writes)
    guard let readiness else { return }
    guard reads || writes else { return readiness.forget(descriptor) }
    if !wasWatched { readiness.watch(descriptor) }
    readiness.change(descriptor, reads: reads, writes: writes)
  }

  /// Bytes that wait for the other end to read.
  var unsentCount: Int { unsent.count - sent }

  var hasLines: Bool { !lines.isEmpty }

  /// Reads what there is.
  ///
  /// - Throws: `LinkError.lineTooLong`.
  func receive() throws(LinkError) {
    let result: Result<Void, LinkError> = withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { chunk in
      while !isBroken {
        let count = recv(descriptor, chunk.baseAddress, chunk.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { break }
        guard count > 0 else {
          hangUp()
          break
        }
        do throws(LinkError) { lines += try buffer.add(UnsafeRawBufferPointer(rebasing: chunk[..<count])) } catch {
          return .failure(error)
        }
        // One that sends without an end must not keep the others from being heard.
        if count < chunk.count || lines.count > 256 { break }
      }
      return .success(())
    }
    try result.get()
  }

  /// Reads what had come before the connection broke.
  ///
  /// - Returns: whether there was anything, and so may be more.
  func receiveRest() -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { chunk in
      let count = recv(descriptor, chunk.baseAddress, chunk.count, 0)
      guard count > 0, let complete = try? buffer.add(UnsafeRawBufferPointer(rebasing: chunk[..<count])) else {
        return false
      }
      lines += complete
      return true
    }
  }

  /// The next line; nil where none is complete.
  func nextLine() -> [UInt8]? { lines.isEmpty ? nil : lines.removeFirst() }

  /// The next line, where the other end may send one now.
  func nextLine(within allowance: inout Allowance, at now: Instant) -> [UInt8]? {
    hasLines && allowance.take(at: now) ? nextLine() : nil
  }

  /// When more of what has come already may be handled; nil where nothing is left.
  func hearAgain(within allowance: Allowance, at now: Instant) -> Instant? {
    guard hasLines, !isBroken else { return nil }
    return allowance.exhaustedUntil(now) ?? now
  }

  /// Queues bytes and writes as much as the other end takes now.
  func send(_ bytes: [UInt8]) {
    guard !isBroken else { return }
    unsent += bytes
    flush()
  }

  /// Writes as much as the other end takes now.
  func flush() {
    defer { watch() }
    while sent < unsent.count, !isBroken {
      let count = unsent.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress! + sent, $0.count - sent) }
      if count > 0 {
        sent += count
      } else if count < 0, errno == EAGAIN || errno == EINTR {
        return
      } else {
        return hangUp()
      }
    }
    unsent.removeAll(keepingCapacity: unsent.count <= 65_536)
    sent = 0
  }

  /// Whether the other end has closed the connection; what it said before may still wait here.
  var hasLeft: Bool {
    // Asked for nothing, poll(2) tells of a hang-up all the same.
    var one = pollfd(fd: descriptor, events: 0, revents: 0)
    return isBroken || poll(&one, 1, 0) > 0
  }

  /// Hangs up. What was sent still arrives; and whoever waits for the descriptor hears of it.
  func hangUp() {
    guard !isBroken else { return }
    isBroken = true
    shutdown(descriptor, Int32(SHUT_RDWR))
    hear(true)
  }

  /// Says why the other end is not wanted, and hangs up. Gates and clients read the same message.
  ///
  /// - Parameter retrySeconds: after which it may try again, where what stands against it passes by itself.
  func refuse(_ why: String, retrySeconds: Double? = nil) {
    send(LineCodec.line(EngineMessage.unwelcome(why: why, retrySeconds: retrySeconds)))
    hangUp()
  }
}
