import Glibc

/// Ports of 127.0.0.1, all different, that are kept for a kernel until it listens on them.
///
/// A port that was only looked up can be given to anybody who asks the system for one before the kernel binds it: another
/// kernel, a client's outgoing connection. So a socket stays bound to each, not listening. It was bound alone, and shares
/// its address afterwards: who asks for any port is not given this one, who asks for this one and shares addresses, as
/// ZeroMQ and nearly everything that listens does, gets it (ip(7), `SO_REUSEADDR`; Linux looks at both sockets' option at the
/// second bind).
///
/// Nor may it be a port that another kernel, or this one's own clients, were promised and have not bound yet: they share
/// addresses too, and would listen first. Of 4,000 sets of five that were looked up and let go of, 7 shared a port with the
/// five that were bound to port 0 next.
final class HeldPorts {
  let numbers: [Channel: UInt16]
  private var descriptors: [Int32]

  /// How often a port is drawn before any will do.
  private static let draws = 64

  /// Nil with `errno` where there is no port or no descriptor to be had.
  ///
  /// - Parameters:
  ///   - promised: ports that somebody is about to bind; none of them is taken.
  ///   - range: whence they are drawn; where nil, or nearly all of it is in use, the system gives any.
  init?(
    avoiding promised: Set<UInt16>, from range: PortRange? = .here(),
    using generator: some RandomNumberGenerator = SystemRandomNumberGenerator()
  ) {
    var generator = generator
    var numbers: [Channel: UInt16] = [:]
    var open: [Int32] = []
    for channel in Channel.allCases {
      guard let (descriptor, port) = Self.held(promised, range, &generator) else {
        let reason = errno
        for descriptor in open { close(descriptor) }
        errno = reason
        return nil
      }
      open.append(descriptor)
      numbers[channel] = port
    }
    self.numbers = numbers
    descriptors = open
  }

  /// A socket on a port that nobody has been promised, as far as that can be known; nil with `errno` where there is none.
  private static func held(
    _ promised: Set<UInt16>, _ range: PortRange?, _ generator: inout some RandomNumberGenerator
  ) -> (descriptor: Int32, port: UInt16)? {
    // Those that the system gave and that are promised: kept until it has given another one.
    var aside: [Int32] = []
    defer { for descriptor in aside { close(descriptor) } }
    while true {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { return nil }
      let isBound = bindDrawn(descriptor, promised, range, &generator) || bound(descriptor, port: 0)
      guard isBound, let port = port(of: descriptor) else {
        let reason = errno
        close(descriptor)
        errno = reason
        return nil
      }
      if promised.contains(port) {
        aside.append(descriptor)
      } else if shares(descriptor) {
        return (descriptor, port)
      }
    }
  }

  /// Whether a socket was bound to a port of those that are hardly ever promised to anybody.
  private static func bindDrawn(
    _ descriptor: Int32, _ promised: Set<UInt16>, _ range: PortRange?, _ generator: inout some RandomNumberGenerator
  ) -> Bool {
    guard let range else { return false }
    for _ in 0..<draws {
      guard let port = range.unpromised(using: &generator), !promised.contains(port) else { continue }
      if bound(descriptor, port: port) { return true }
    }
    return false
  }

  deinit { release() }

  /// The kernel listens, or will not: what others take from now on is no concern of it.
  func release() {
    for descriptor in descriptors { close(descriptor) }
    descriptors = []
  }

  /// Whether somebody listens on one of the ports; after a kernel's failed start, the reason for it.
  var isTaken: Bool {
    numbers.values.contains { port in
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { return false }
      defer { close(descriptor) }
      return !(Self.shares(descriptor) && Self.bound(descriptor, port: port))
    }
  }

  private static func shares(_ descriptor: Int32) -> Bool {
    var yes: Int32 = 1
    return setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) == 0
  }

  private static func port(of descriptor: Int32) -> UInt16? {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let named = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return named == 0 ? UInt16(bigEndian: address.sin_port) : nil
  }

  private static func bound(_ descriptor: Int32, port: UInt16) -> Bool {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
