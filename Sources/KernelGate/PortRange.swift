/// The ports that this machine hands out to those who ask for any, as Linux says it (ip-sysctl: `ip_local_port_range`,
/// `ip_local_reserved_ports`).
///
/// Linux gives a socket that is *bound* to port 0 a port of the other parity than the range's first, and one that only
/// *connects* a port of the same parity, as long as there are some (`inet_csk_find_open_port`). What launches kernels
/// (jupyter_client) looks ports up by binding, lets go of them, and names them to a kernel that binds them much later.
/// Ports of the first's parity are therefore hardly ever promised to anybody.
struct PortRange: Equatable {
  let all: ClosedRange<UInt16>
  /// Kept by the machine's administrator for services that name their ports.
  let reserved: [ClosedRange<UInt16>]

  /// - Parameters:
  ///   - range: what `/proc/sys/net/ipv4/ip_local_port_range` says: two numbers, first and last.
  ///   - reserved: what `/proc/sys/net/ipv4/ip_local_reserved_ports` says: `8080,9148-9160`, or nothing.
  /// - Returns: nil where one of them is not understood; nobody should guess then.
  init?(range: String, reserved: String) {
    let ends = range.split(whereSeparator: \.isWhitespace).compactMap { UInt16($0) }
    guard ends.count == 2, ends[0] > 0, ends[0] <= ends[1] else { return nil }
    all = ends[0]...ends[1]
    var kept: [ClosedRange<UInt16>] = []
    for part in reserved.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
      guard let first = ends[0], let last = ends[ends.count - 1], ends.count <= 2, first <= last else { return nil }
      kept.append(first...last)
    }
    self.reserved = kept
  }

  /// This machine's; nil where Linux does not tell.
  static func here() -> PortRange? {
    let folder = "/proc/sys/net/ipv4/"
    guard let range = PrivateFile.read(folder + "ip_local_port_range"),
      let reserved = PrivateFile.read(folder + "ip_local_reserved_ports")
    else { return nil }
    return PortRange(range: String(decoding: range, as: UTF8.self), reserved: String(decoding: reserved, as: UTF8.self))
  }

  /// A port that who binds is not given, at random; nil where chance met a reserved one.
  func unpromised(using generator: inout some RandomNumberGenerator) -> UInt16? {
    let step = UInt16.random(in: 0...(all.upperBound - all.lowerBound) / 2, using: &generator)
    let port = all.lowerBound + 2 * step
    return reserved.contains { $0.contains(port) } ? nil : port
  }
}
