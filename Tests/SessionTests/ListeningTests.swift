import CLinux
import Foundation
import Synchronization
import Testing

@Suite("A listening socket")
struct ListeningTests {
  @Test("is its user's alone, and is made without touching the process's umask, which children inherit")
  func rights() throws {
    let folder = NSTemporaryDirectory() + "celltop-test-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let before = try umask()
    let seen = Mutex(Set<Int>())
    let isDone = Atomic(false)
    let readers = DispatchGroup()
    DispatchQueue.global().async(group: readers) {
      while !isDone.load(ordering: .relaxed) {
        if let mask = try? umask() { seen.withLock { _ = $0.insert(mask) } }
      }
    }
    for number in 0..<500 {
      let path = folder + "/\(number).sock"
      let listening = celltop_unix_listen(path)
      #expect(listening >= 0)
      close(listening)
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600 & ~before)
    }
    isDone.store(true, ordering: .relaxed)
    readers.wait()
    #expect(seen.withLock { $0 }.isSubset(of: [before]))
  }

  /// The process's umask, read without setting it.
  private func umask() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("Umask:") })
    return try #require(Int(line.dropFirst("Umask:".count).trimmingCharacters(in: .whitespaces), radix: 8))
  }
}
