import Glibc
import Testing

@testable import KernelGate

/// Ports that are kept for a kernel until it listens.
@Suite struct HeldPortsTests {
  /// A socket of 127.0.0.1, closed when it goes.
  private final class Bound {
    let descriptor: Int32
    let port: UInt16

    /// Nil where somebody has the port; 0 asks for any.
    convenience init?(port: UInt16, shares: Bool) {
      self.init(port) { descriptor, address, length in
        var yes: Int32 = 1
        if shares { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) }
        return bind(descriptor, address, length)
      }
    }

    /// A connection from a port that the system chose.
    convenience init?(connectedTo port: UInt16) { self.init(port, connect) }

    /// - Parameter call: what is done with the socket and the address of the port; nil where it fails.
    private init?(_ asked: UInt16, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32) {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = asked.bigEndian
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let descriptor = descriptor
      let done = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          call(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
        }
      }
      port = UInt16(bigEndian: address.sin_port)
      guard done else { return nil }
    }

    deinit { close(descriptor) }
  }

  @Test("who asks for any port is given none of them", arguments: [nil, PortRange.here()])
  func kept(range: PortRange?) throws {
    let held = try #require(HeldPorts(avoiding: [], from: range))
    let own = Set(held.numbers.values)
    #expect(own.count == 5)
    let others = (0..<400).compactMap { Bound(port: 0, shares: $0.isMultiple(of: 2)) }
    #expect(others.count == 400 && others.allSatisfy { !own.contains($0.port) })
    for port in own { #expect(Bound(port: port, shares: false) == nil) }
  }

  @Test("nor is who connects, to whom Linux gives ports of the same parity")
  func keptFromConnections() throws {
    let listener = try #require(Bound(port: 0, shares: false))
    #expect(listen(listener.descriptor, 512) == 0)
    let held = try #require(HeldPorts(avoiding: []))
    let own = Set(held.numbers.values)
    let connections = (0..<200).compactMap { _ in Bound(connectedTo: listener.port) }
    #expect(connections.count == 200 && connections.allSatisfy { !own.contains($0.port) })
  }

  @Test("the kernel, which shares its addresses, can listen on each, and that is seen")
  func taken() throws {
    let held = try #require(HeldPorts(avoiding: []))
    #expect(!held.isTaken)
    let kernel = held.numbers.values.compactMap { Bound(port: $0, shares: true) }
    #expect(kernel.count == 5 && kernel.allSatisfy { listen($0.descriptor, 1) == 0 })
    #expect(held.isTaken)
  }

  @Test("once they are let go, anybody can have them")
  func released() throws {
    let held = try #require(HeldPorts(avoiding: []))
    held.release()
    let others = held.numbers.values.compactMap { Bound(port: $0, shares: false) }
    // Another test's socket may have been given one in between.
    #expect(!others.isEmpty)
  }

  @Test(
    "a port that was looked up for somebody else, and let go of, is not taken",
    .enabled(if: PortRange.here() != nil, "skipped: this system does not say which ports it hands out"))
  func promised() throws {
    let range = try #require(PortRange.here())
    for _ in 0..<200 {
      // As what launches a kernel finds its ports: bound to any, then let go of.
      let lookedUp = (0..<5).compactMap { _ in Bound(port: 0, shares: false)?.port }
      let held = try #require(HeldPorts(avoiding: [], from: range))
      #expect(Set(lookedUp).isDisjoint(with: held.numbers.values))
      #expect(held.numbers.values.allSatisfy { $0 % 2 == range.all.lowerBound % 2 && range.all.contains($0) })
    }
  }

  @Test("ports that somebody has, was promised, or keeps for services are passed over")
  func passedOver() throws {
    let free = try #require(HeldPorts(avoiding: []))
    let low = try #require(free.numbers.values.min())
    free.release()
    // Twelve ports of this parity; one is somebody's, two are promised, two are reserved.
    let range = try #require(PortRange(range: "\(low)\t\(low + 22)\n", reserved: "\(low + 8)-\(low + 10)\n"))
    let theirs = Bound(port: low + 2, shares: false)
    try withExtendedLifetime(theirs) {
      for _ in 0..<20 {
        let held = try #require(HeldPorts(avoiding: [low + 4, low + 6], from: range))
        #expect(held.numbers.values.allSatisfy { ![2, 4, 6, 8, 10].contains(Int($0) - Int(low)) })
      }
    }
  }

  @Test("where all are promised or reserved the system gives any")
  func any() throws {
    let range = try #require(PortRange(range: "40000 40010", reserved: "1-65535"))
    #expect(try #require(HeldPorts(avoiding: [], from: range)).numbers.count == 5)
    // Of what it gives, three in four were promised.
    let promised = Set((1...UInt16.max).filter { $0 % 8 < 6 })
    for range in [nil, range] {
      let held = try #require(HeldPorts(avoiding: promised, from: range))
      #expect(Set(held.numbers.values).count == 5 && promised.isDisjoint(with: held.numbers.values))
    }
  }

  @Test(
    "what is not understood of the system's range is not guessed at",
    arguments: [
      ("", ""), ("1", ""), ("2 1", ""), ("0 9", ""), ("1 65536", ""), ("1 2 3", ""), ("a b", ""), ("1 9", "x"),
      ("1 9", "3-2"), ("1 9", "3-4-5"), ("1 9", "-"),
    ])
  func unknown(range: String, reserved: String) { #expect(PortRange(range: range, reserved: reserved) == nil) }

  @Test("the system's range and what is reserved of it")
  func understood() throws {
    let range = try #require(PortRange(range: "32768\t60999\n", reserved: "8080,9148-9160\n"))
    #expect(range.all == 32768...60999 && range.reserved == [8080...8080, 9148...9160])
    var generator = SystemRandomNumberGenerator()
    let whole = try #require(PortRange(range: "1 65535", reserved: ""))
    for _ in 0..<1000 { #expect((whole.unpromised(using: &generator) ?? 0) % 2 == 1) }
  }
}
