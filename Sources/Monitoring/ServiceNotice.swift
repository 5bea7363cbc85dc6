import Glibc

/// Tells systemd what the service does, where systemd asked for it (`Type=notify`; sd_notify(3)): a datagram to the socket that
/// `NOTIFY_SOCKET` names.
public struct ServiceNotice: Sendable {
  private let path: String

  /// Nil where nobody asked.
  public init?(environment: [String: String]) {
    guard let path = environment["NOTIFY_SOCKET"], path.utf8.count > 1, path.utf8.count < 108,
      path.hasPrefix("/") || path.hasPrefix("@")
    else { return nil }
    self.path = path
  }

  /// The service does its work from now on.
  ///
  /// - Parameter status: one line for people, as `systemctl status` shows it.
  public func ready(status: String) { send("READY=1\nSTATUS=\(Self.line(status))") }

  public func status(_ status: String) { send("STATUS=\(Self.line(status))") }

  /// The service is ending.
  public func stopping() { send("STOPPING=1") }

  private static func line(_ text: String) -> String {
    String(text.unicodeScalars.prefix(200).map { $0.value < 32 ? " " : Character($0) })
  }

  /// Whether it was sent: systemd is not waited for, and that it cannot be told is no reason to stop.
  @discardableResult func send(_ text: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { place in
      place.copyBytes(from: bytes)
      // A name in the abstract space begins with a zero byte, which is written as @ (unix(7)).
      if bytes.first == UInt8(ascii: "@") { place[0] = 0 }
    }
    let made = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard made >= 0 else { return false }
    defer { close(made) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let message = Array(text.utf8)
    let sent = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(made, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
    return sent == message.count
  }
}
