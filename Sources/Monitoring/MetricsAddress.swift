import Domain
import Glibc

/// Where metrics are offered: an address and a port, written `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `9464`.
public struct MetricsAddress: Hashable, Sendable, CustomStringConvertible {
  /// A numeric address.
  public var host: String
  /// 0 lets the system choose.
  public var port: UInt16

  /// Reads an address. Only numbers and `localhost` are understood: a name could mean another machine tomorrow.
  ///
  /// - Parameter anywhere: allows addresses that other machines reach.
  /// - Throws: `ParseError` where it is no address, or other machines would reach it and may not.
  public init(parsing text: String, anywhere: Bool = false) throws(ParseError) {
    func fail(_ why: String) -> ParseError {
      ParseError(reading: "the address for metrics", text: text, because: why, mend: "127.0.0.1:9464")
    }
    let colon = text.lastIndex(of: ":")
    let isPortAlone = colon == nil
    var host = isPortAlone ? "127.0.0.1" : String(text[..<(colon ?? text.startIndex)])
    let digits = colon.map { text[text.index(after: $0)...] } ?? text[...]
    guard let port = UInt16(digits), digits.allSatisfy(\.isNumber) else {
      throw fail("it does not end in a port from 0 to 65535")
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard host.contains(":") else { throw fail("only an IPv6 address stands in brackets") }
    } else if host == "localhost" {
      host = "127.0.0.1"
    } else if host.contains(":") {
      throw fail("an IPv6 address stands in brackets")
    }
    self.host = host
    self.port = port
    guard let isLoopback = Self.isLoopback(host) else {
      throw fail(host.isEmpty ? "it names no address" : "it is neither an address in numbers nor localhost")
    }
    guard isLoopback || anywhere else {
      throw fail("other machines could read it; only 127.0.0.1 and ::1 are allowed without --metrics-anywhere")
    }
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether only this machine reaches the address; nil where it is no address.
  private static func isLoopback(_ host: String) -> Bool? {
    var four = in_addr()
    if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
    var six = in6_addr()
    guard inet_pton(AF_INET6, host, &six) == 1 else { return nil }
    return withUnsafeBytes(of: &six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
  }

  /// A socket that listens there, non-blocking and close-on-exec; and the port, where the system chose it.
  ///
  /// - Throws: `MetricsError` that names the address.
  func listen() throws(MetricsError) -> (descriptor: Int32, port: UInt16) {
    let isSix = host.contains(":")
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let made = socket(isSix ? AF_INET6 : AF_INET, type, 0)
    guard made >= 0 else { throw error() }
    var yes: Int32 = 1
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard bind(made, isSix: isSix) == 0, Glibc.listen(made, 16) == 0 else {
      let failure = error()
      close(made)
      throw failure
    }
    return (made, port == 0 ? Self.port(of: made, isSix: isSix) : port)
  }

  private func bind(_ made: Int32, isSix: Bool) -> Int32 {
    func bind<Address>(_ address: inout Address) -> Int32 {
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.bind(made, $0, socklen_t(MemoryLayout<Address>.size))
        }
      }
    }
    if isSix {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      inet_pton(AF_INET6, host, &address.sin6_addr)
      return bind(&address)
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    return bind(&address)
  }

  private static func port(of made: Int32, isSix: Bool) -> UInt16 {
    // The port stands in the same place of both kinds of address.
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(made, $0, &length) }
    }
    return UInt16(bigEndian: address.sin6_port)
  }

  private func error() -> MetricsError {
    MetricsError(
      "cannot offer metrics at \(self): \(String(cString: strerror(errno))). Give another port with --metrics")
  }
}

/// Why metrics cannot be offered, and how to mend it.
public struct MetricsError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}
