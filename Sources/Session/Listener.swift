import CLinux
import Domain
import Foundation

/// The engine's Unix socket: made for its owner alone, removed when it is closed.
public final class Listener {
  public let path: String
  let descriptor: Int32
  /// Held for life: whoever has it is the one engine of this socket, so that a file without a holder may be replaced.
  private let lock: Int32

  /// Listens at `path`; a socket file that no engine holds any more is replaced.
  ///
  /// - Throws: `SessionError` where another engine listens there, or the folder cannot be used.
  public init(path: String) throws(SessionError) {
    self.path = path
    try PrivateFolder.make((path as NSString).deletingLastPathComponent)
    lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw SessionError("cannot make \(path).lock: \(String(cString: strerror(errno)))")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw SessionError(
        "another celltop's engine listens at \(path). Leave that one, or give this one its own with CELLTOP_SOCKET")
    }
    unlink(path)
    descriptor = celltop_unix_listen(path)
    guard descriptor >= 0 else {
      let why = String(cString: strerror(errno))
      close(lock)
      throw SessionError("cannot listen at \(path): \(why). Name another place with CELLTOP_SOCKET")
    }
  }

  deinit {
    unlink(path)
    close(descriptor)
    close(lock)
  }
}

/// Why a session cannot go on, in words for its user.
public struct SessionError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
