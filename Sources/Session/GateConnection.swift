import CLinux
import Domain
import Foundation
import GateLink

/// One gate's end of the socket, without blocking: lines in, lines out.
final class GateConnection {
  /// The most bytes that may wait for a gate that does not read; beyond it the gate is let go, and fails open.
  static let outboxBytesMost = 1 << 20

  let descriptor: Int32
  let peerPid: Int32
  let peerUser: String
  var notebook: NotebookID?
  /// Whether it wants to know where its waiting cell stands.
  var hearsStanding = false
  private var buffer = LineBuffer()
  private var outbox: [UInt8] = []
  private(set) var isBroken = false
  private let readiness: Readiness?
  private var isWatchedForWriting = false

  /// Takes over an accepted descriptor; nil where the kernel does not tell whose it is, or it cannot be watched.
  ///
  /// - Parameter readiness: watches the descriptor from now on, for writing while something waits to be written; a
  ///   connection that has broken counts as ready, so that whoever waits hears of it.
  init?(accepted descriptor: Int32, watchedBy readiness: Readiness? = nil) {
    var pid: pid_t = 0
    var uid: uid_t = 0
    guard celltop_peer_credentials(descriptor, &pid, &uid) == 0, readiness?.watch(descriptor) != false else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    self.readiness = readiness
    peerPid = pid
    peerUser = Self.login(uid)
  }

  deinit {
    readiness?.forget(descriptor)
    close(descriptor)
  }

  /// Reads what there is; the messages that are complete. A message that cannot be read breaks the connection.
  func receive() -> [GateMessage] {
    var messages: [GateMessage] = []
    withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 1) { chunk in
      while !isBroken {
        let count = recv(descriptor, chunk.baseAddress, chunk.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { break }
        if count <= 0 {
          hangUp()
          break
        }
        do {
          for line in try buffer.add(chunk[..<count]) where line != Self.pong {
            messages.append(try LineCodec.read(GateMessage.self, from: line))
          }
        } catch {
          refuse("a message could not be read: \("\(error)".printable(at: 200))")
        }
        if count < chunk.count { break }
      }
    }
    return messages
  }

  private static let chunkBytes = 16_384
  /// The most frequent line of all says nothing, and is not worth reading.
  private static let pong = Array(LineCodec.line(GateMessage.pong).dropLast())

  /// Says why the gate is not wanted, and hangs up.
  func refuse(_ why: String) {
    send(.unwelcome(why: why))
    hangUp()
  }

  private func hangUp() {
    guard !isBroken else { return }
    isBroken = true
    // Whatever was sent still arrives; and whoever waits for this descriptor hears of it.
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// Queues a message and writes as much as the gate takes now.
  func send(_ message: EngineMessage) { send(line: LineCodec.line(message)) }

  /// Queues a message that has been made into a line already, and writes as much as the gate takes now.
  func send(line: [UInt8]) {
    guard !isBroken else { return }
    outbox += line
    flush()
    if outbox.count > Self.outboxBytesMost { hangUp() }
  }

  /// Writes as much as the gate takes now.
  func flush() {
    while !outbox.isEmpty, !isBroken {
      let count = outbox.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        outbox.removeFirst(count)
      } else if count < 0, errno == EAGAIN || errno == EINTR {
        break
      } else {
        hangUp()
      }
    }
    if outbox.isEmpty == isWatchedForWriting {
      isWatchedForWriting = !outbox.isEmpty
      readiness?.change(descriptor, writes: isWatchedForWriting)
    }
  }

  /// The login name of a user number, or the number itself where it has none.
  static func login(_ uid: uid_t) -> String {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    guard getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name else {
      return "\(uid)"
    }
    return String(cString: name)
  }
}
