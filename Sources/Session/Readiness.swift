import CLinux
import Foundation

/// Tells which of many descriptors are ready, at a cost that depends on the ready ones alone (epoll(7), level-triggered).
///
/// Whoever closes a descriptor forgets it first. Used from one thread.
final class Readiness {
  /// A descriptor that can be used without waiting.
  struct Ready {
    var descriptor: Int32
    /// There is something to read; or it has ended, which reading tells.
    var canRead: Bool
    var canWrite: Bool
  }

  /// How many are told at a time; the others are told by the next `wait`, so that nobody is passed over.
  private static let most = 256

  private let descriptor: Int32
  private var ready = [celltop_ready](repeating: celltop_ready(), count: Readiness.most)

  /// - Throws: `SessionError` where the system has no descriptor left for it.
  init() throws(SessionError) {
    descriptor = celltop_epoll()
    guard descriptor >= 0 else {
      throw SessionError(
        "cannot watch sockets: \(String(cString: strerror(errno))). Raise the limit of open files (ulimit -n)")
    }
  }

  deinit { close(descriptor) }

  /// Begins to watch a descriptor for something to read; false where the system refuses.
  @discardableResult
  func watch(_ watched: Int32) -> Bool { celltop_epoll_watch(descriptor, watched, 1, 1, 0) == 0 }

  /// Says anew what a watched descriptor is watched for.
  func change(_ watched: Int32, reads: Bool = true, writes: Bool) {
    _ = celltop_epoll_watch(descriptor, watched, 0, reads ? 1 : 0, writes ? 1 : 0)
  }

  /// Watches a descriptor no more.
  func forget(_ watched: Int32) { _ = celltop_epoll_forget(descriptor, watched) }

  /// Waits until a descriptor is ready, for so long at the most; -1 waits for ever.
  func wait(milliseconds: Int32) -> [Ready] {
    let count = celltop_epoll_wait(descriptor, &ready, Int32(Self.most), milliseconds)
    guard count > 0 else { return [] }
    return ready[..<Int(count)].map { Ready(descriptor: $0.fd, canRead: $0.what & 1 != 0, canWrite: $0.what & 2 != 0) }
  }
}
