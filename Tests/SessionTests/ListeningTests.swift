import CLinux
import Foundation
import Synchronization
import Testing

@testable import Session

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

  /// A folder for a socket, which is made by whoever listens there, and goes with it.
  private final class Place {
    let folder = "/tmp/celltop-test-" + UUID().uuidString.prefix(8)
    var path: String { folder + "/engine.sock" }
    var lock: String { path + ".lock" }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Whether somebody listens at the path.
    var listens: Bool {
      let descriptor = celltop_connect_unix(path)
      if descriptor >= 0 { close(descriptor) }
      return descriptor >= 0
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    func rights(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
  }

  @Test("that is shared can be reached by everybody again after its folder was removed", arguments: [0o600, 0o666])
  func folder(mode: Int) throws {
    let place = Place()
    let listener = try Listener(path: place.path, mode: UInt32(mode))
    let rights = mode == 0o600 ? 0o700 : 0o755
    for _ in 0..<2 {
      #expect(try place.rights(place.folder) == rights && place.rights(place.path) == mode && place.listens)
      try place.remove(place.folder)
      #expect(listener.restore() == .restored)
    }
    #expect(listener.restore() == .kept)
  }

  @Test("keeps its place where its lock file is removed: another engine is turned away while this one listens")
  func lockRemoved() throws {
    let place = Place()
    let listener = try Listener(path: place.path)
    listener.leave(trace: "7 1")
    try place.remove(place.lock)
    #expect(throws: SessionError.self) { try Listener(path: place.path) }
    #expect(listener.restore() == .kept && place.listens)
    #expect(try String(contentsOfFile: place.lock, encoding: .utf8) == "7 1", "a killed server's next one finds it")
    #expect(throws: SessionError.self) { try Listener(path: place.path) }
  }

  @Test("gives its place up to an engine that took it while the files were gone, and touches nothing of that one's")
  func placeTaken() throws {
    let place = Place()
    var first: Listener? = try Listener(path: place.path)
    try place.remove(place.folder)
    let second = try Listener(path: place.path)
    second.leave(trace: "8 1")
    #expect(first?.restore() == .lost && first?.restore() == .lost)
    #expect(second.restore() == .kept)
    first = nil
    #expect(place.listens && second.restore() == .kept)
    #expect(try String(contentsOfFile: place.lock, encoding: .utf8) == "8 1")
  }
}
