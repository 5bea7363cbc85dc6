import CLinux
import Domain
import Foundation

/// The engine's Unix socket, removed when it is closed.
public final class Listener {
  public let path: String
  private(set) var descriptor: Int32 = -1
  /// What the engine before this one at the same place left in its lock file (`Recovery.trace`), or 0 where it was cut short
  /// and had no history. Nil where there was none, or it ended as it should without a history.
  let trace: String?
  /// What is left in the lock file for the engine after this one; empty for nothing. At first what was found: an engine that
  /// does not come to decide anything has nothing of its own to leave.
  var legacy = ""
  private let mode: UInt32
  /// Held for life: whoever has it is the one engine of this socket, so that a file without a holder may be replaced.
  private let lock: Int32
  private var identity: FileIdentity?

  /// Listens at `path`; a socket file that no engine holds any more is replaced.
  ///
  /// - Parameter mode: who may connect: 0600 for the owner alone, 0666 for everybody who can reach the folder.
  /// - Throws: `SessionError` where another engine listens there, or the folder cannot be used.
  public init(path: String, mode: UInt32 = 0o600) throws(SessionError) {
    self.path = path
    self.mode = mode
    let folder = (path as NSString).deletingLastPathComponent
    let isNew = access(folder, F_OK) != 0
    try PrivateFolder.make(folder)
    // Who may connect must be able to reach the socket.
    if isNew, mode & 0o006 != 0 { chmod(folder, 0o755) }
    lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw SessionError("cannot make \(path).lock: \(String(cString: strerror(errno)))")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw SessionError(
        "another celltop's engine listens at \(path). Leave that one, or give this one its own with CELLTOP_SOCKET")
    }
    // The file is not empty as long as an engine runs; one that ends as it should leaves its legacy.
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = pread(lock, &bytes, bytes.count, 0)
    trace = count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    legacy = trace ?? ""
    if trace == nil { leave(trace: "0") }
    descriptor = Self.bind(path, mode)
    guard descriptor >= 0 else {
      // What is open is closed by `deinit`.
      let why = String(cString: strerror(errno))
      throw SessionError("cannot listen at \(path): \(why). Name another place with CELLTOP_SOCKET")
    }
    identity = FileIdentity(path)
  }

  deinit {
    if FileIdentity(path) == identity { unlink(path) }
    close(descriptor)
    leave(trace: legacy)
    close(lock)
  }

  private static func bind(_ path: String, _ mode: UInt32) -> Int32 {
    unlink(path)
    let descriptor = celltop_unix_listen(path)
    if descriptor >= 0, mode != 0o600 { chmod(path, mode) }
    return descriptor
  }

  /// Leaves word for an engine that comes after this one.
  func leave(trace: String) {
    let bytes = Array(trace.utf8)
    ftruncate(lock, 0)
    pwrite(lock, bytes, bytes.count, 0)
  }

  /// Listens anew where the socket's file is gone or another's; those who are connected notice nothing.
  ///
  /// - Returns: true where it did so.
  @discardableResult
  func restore() -> Bool {
    guard FileIdentity(path) != identity else { return false }
    let folder = (path as NSString).deletingLastPathComponent
    do throws(SessionError) { try PrivateFolder.make(folder) } catch { return false }
    let fresh = Self.bind(path, mode)
    guard fresh >= 0 else { return false }
    close(descriptor)
    descriptor = fresh
    identity = FileIdentity(path)
    return true
  }
}

/// Which file a path names.
private struct FileIdentity: Equatable {
  var device: UInt64
  var inode: UInt64

  /// Nil where there is none.
  init?(_ path: String) {
    var facts = stat()
    guard lstat(path, &facts) == 0 else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
  }
}

/// Why a session cannot go on, in words for its user.
public struct SessionError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}
