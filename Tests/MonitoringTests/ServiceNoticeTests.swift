import Glibc
import Testing

@testable import Monitoring

@Suite struct ServiceNoticeTests {
  /// A datagram socket such as systemd listens on.
  private func listen(_ path: String) -> Int32 {
    let made = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { place in
      place.copyBytes(from: bytes)
      if bytes.first == UInt8(ascii: "@") { place[0] = 0 }
    }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(made, $0, length) }
    }
    #expect(bound == 0)
    return made
  }

  private func next(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
  }

  @Test("tells systemd by a file and by an abstract name", arguments: ["/tmp/celltop-notice-", "@celltop-notice-"])
  func notice(prefix: String) throws {
    let path = prefix + "\(getpid())"
    let systemd = listen(path)
    defer {
      close(systemd)
      unlink(path)
    }
    let notice = try #require(ServiceNotice(environment: ["NOTIFY_SOCKET": path]))
    notice.ready(status: "2 cores\nFORGED=1")
    #expect(next(systemd) == "READY=1\nSTATUS=2 cores FORGED=1")
    notice.stopping()
    #expect(next(systemd) == "STOPPING=1")
  }

  @Test("says nothing where nobody asked, and goes on where nobody listens")
  func nobody() throws {
    #expect(ServiceNotice(environment: [:]) == nil)
    #expect(ServiceNotice(environment: ["NOTIFY_SOCKET": "relative"]) == nil)
    #expect(ServiceNotice(environment: ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 200)]) == nil)
    let notice = try #require(ServiceNotice(environment: ["NOTIFY_SOCKET": "/nowhere/at/all"]))
    #expect(!notice.send("READY=1"))
  }
}
