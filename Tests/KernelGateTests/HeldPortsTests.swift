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
    init?(port asked: UInt16, shares: Bool) {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      var yes: Int32 = 1
      if shares { setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = asked.bigEndian
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let descriptor = descriptor
      let done = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
        }
      }
      port = UInt16(bigEndian: address.sin_port)
      guard done else { return nil }
    }

    deinit { close(descriptor) }
  }

  @Test("who asks for any port is given none of them")
  func kept() throws {
    let held = try #require(HeldPorts())
    let own = Set(held.numbers.values)
    #expect(own.count == 5)
    let others = (0..<400).compactMap { Bound(port: 0, shares: $0.isMultiple(of: 2)) }
    #expect(others.count == 400 && others.allSatisfy { !own.contains($0.port) })
    for port in own { #expect(Bound(port: port, shares: false) == nil) }
  }

  @Test("the kernel, which shares its addresses, can listen on each, and that is seen")
  func taken() throws {
    let held = try #require(HeldPorts())
    #expect(!held.isTaken)
    let kernel = held.numbers.values.compactMap { Bound(port: $0, shares: true) }
    #expect(kernel.count == 5 && kernel.allSatisfy { listen($0.descriptor, 1) == 0 })
    #expect(held.isTaken)
  }

  @Test("once they are let go, anybody can have them")
  func released() throws {
    let held = try #require(HeldPorts())
    held.release()
    let others = held.numbers.values.compactMap { Bound(port: $0, shares: false) }
    // Another test's socket may have been given one in between.
    #expect(!others.isEmpty)
  }
}
