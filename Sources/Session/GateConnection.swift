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

  /// Takes over an accepted descriptor; nil where the kernel does not tell whose it is.
  init?(accepted descriptor: Int32) {
    var pid: pid_t = 0
    var uid: uid_t = 0
    guard celltop_peer_credentials(descriptor, &pid, &uid) == 0 else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    peerPid = pid
    peerUser = Self.login(uid)
  }

  deinit { close(descriptor) }

  var wantsToWrite: Bool { !outbox.isEmpty }

  /// Reads what there is; the messages that are complete. A message that cannot be read breaks the connection.
  func receive() -> [GateMessage] {
    var messages: [GateMessage] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while !isBroken {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count < 0, errno == EAGAIN || errno == EINTR { break }
      if count <= 0 {
        isBroken = true
        break
      }
      do {
        for line in try buffer.add(chunk[..<count]) {
          messages.append(try LineCodec.read(GateMessage.self, from: line))
        }
      } catch {
        refuse("a message could not be read: \("\(error)".printable(at: 200))")
      }
      if count < chunk.count { break }
    }
    return messages
  }

  /// Says why the gate is not wanted, and hangs up.
  func refuse(_ why: String) {
    send(.unwelcome(why: why))
    isBroken = true
  }

  /// Queues a message and writes as much as the gate takes now.
  func send(_ message: EngineMessage) {
    outbox += LineCodec.line(message)
    flush()
    if outbox.count > Self.outboxBytesMost { isBroken = true }
  }

  /// Writes as much as the gate takes now.
  func flush() {
    while !outbox.isEmpty {
      let count = outbox.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        outbox.removeFirst(count)
      } else if count < 0, errno == EAGAIN || errno == EINTR {
        return
      } else {
        isBroken = true
        return
      }
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
