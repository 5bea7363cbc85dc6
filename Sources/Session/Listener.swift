import CLinux
import Domain
import Foundation

/// The engine's Unix socket: made for its owner alone, removed when it is closed.
public final class Listener {
  public let path: String
  let descriptor: Int32

  /// Listens at `path`; a socket file that nobody listens at any more is replaced.
  ///
  /// - Throws: `SessionError` where another engine listens there, or the folder cannot be used.
  public init(path: String) throws(SessionError) {
    self.path = path
    let folder = (path as NSString).deletingLastPathComponent
    try PrivateFolder.make(folder)
    let probe = celltop_connect_unix(path)
    if probe >= 0 {
      close(probe)
      throw SessionError(
        "another celltop's engine listens at \(path). Leave that one, or give this one its own with CELLTOP_SOCKET")
    }
    if errno == ECONNREFUSED { unlink(path) }
    descriptor = celltop_unix_listen(path)
    guard descriptor >= 0 else {
      throw SessionError(
        "cannot listen at \(path): \(String(cString: strerror(errno))). Name another place with CELLTOP_SOCKET")
    }
  }

  deinit {
    unlink(path)
    close(descriptor)
  }
}

/// Why a session cannot go on, in words for its user.
public struct SessionError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
