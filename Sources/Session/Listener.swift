import CLinux
import Domain
import Foundation
import Synchronization

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
  /// Held for life: whoever has it is the one engine of this socket, so that a file without a holder may be replaced. The engine's
  /// thread leaves word in it, the reception's takes another where somebody removed the file.
  private let lock: Mutex<Lock>
  private var identity: FileIdentity?

  private struct Lock {
    var descriptor: Int32
    /// What was left in it last.
    var trace = ""

    mutating func leave(_ trace: String) {
      self.trace = trace
      let bytes = Array(trace.utf8)
      ftruncate(descriptor, 0)
      pwrite(descriptor, bytes, bytes.count, 0)
    }
  }

  /// How a socket was found.
  enum Place {
    case kept
    /// Its file was gone, and is there again.
    case restored
    /// Another engine has the place: this one is no longer found by anybody.
    case lost
  }

  /// Listens at `path`; a socket file that no engine holds any more is replaced.
  ///
  /// - Parameter mode: who may connect: 0600 for the owner alone, 0666 for everybody who can reach the folder.
  /// - Throws: `SessionError` where another engine listens there, or the folder cannot be used.
  public init(path: String, mode: UInt32 = 0o600) throws(SessionError) {
    self.path = path
    self.mode = mode
    try Self.makeFolder(of: path, mode)
    let held: Int32
    switch Self.lockFile(path) {
    case .success(let descriptor): held = descriptor
    case .failure(.taken): throw Self.taken(path)
    case .failure(.unusable(let why)):
      throw SessionError("cannot make \(path).lock: \(why). Name another place with CELLTOP_SOCKET")
    }
    // Where the lock file was removed, the engine that had it may listen yet; it finds the new file free, and takes it.
    let probe = celltop_connect_unix(path)
    // EAGAIN: somebody listens, and too many wait there.
    if probe >= 0 || errno == EAGAIN {
      if probe >= 0 { close(probe) }
      close(held)
      throw Self.taken(path)
    }
    // The file is not empty as long as an engine runs; one that ends as it should leaves its legacy.
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = pread(held, &bytes, bytes.count, 0)
    trace = count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    legacy = trace ?? ""
    lock = Mutex(Lock(descriptor: held, trace: legacy))
    if trace == nil { leave(trace: "0") }
    descriptor = Self.bind(path, mode)
    guard descriptor >= 0 else {
      // What is open is closed by `deinit`.
      let why = String(cString: strerror(errno))
      throw SessionError("cannot listen at \(path): \(why). Name another place with CELLTOP_SOCKET")
    }
    identity = FileIdentity(path)
  }

  private static func taken(_ path: String) -> SessionError {
    SessionError(
      "another celltop's engine listens at \(path). Leave that one, or give this one its own with CELLTOP_SOCKET")
  }

  /// Makes the socket's folder where there is none: who may connect must be able to reach the socket.
  private static func makeFolder(of path: String, _ mode: UInt32) throws(SessionError) {
    let folder = (path as NSString).deletingLastPathComponent
    let isNew = access(folder, F_OK) != 0
    try PrivateFolder.make(folder)
    if isNew, mode & 0o006 != 0 { chmod(folder, 0o755) }
  }

  private enum LockError: Error {
    case taken
    case unusable(String)
  }

  /// Locks the lock file of a socket, and makes sure that it is the one that others find.
  private static func lockFile(_ path: String) -> Result<Int32, LockError> {
    while true {
      let held = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard held >= 0 else { return .failure(.unusable(String(cString: strerror(errno)))) }
      guard flock(held, LOCK_EX | LOCK_NB) == 0 else {
        close(held)
        return .failure(.taken)
      }
      if FileIdentity(descriptor: held) == FileIdentity(path + ".lock") { return .success(held) }
      // It was removed in between.
      close(held)
    }
  }

  deinit {
    if let identity, FileIdentity(path) == identity { unlink(path) }
    close(descriptor)
    lock.withLock { lock in
      lock.leave(legacy)
      close(lock.descriptor)
    }
  }

  private static func bind(_ path: String, _ mode: UInt32) -> Int32 {
    unlink(path)
    let descriptor = celltop_unix_listen(path)
    if descriptor >= 0, mode != 0o600 { chmod(path, mode) }
    return descriptor
  }

  /// Leaves word for an engine that comes after this one.
  func leave(trace: String) { lock.withLock { $0.leave(trace) } }

  /// Locks the lock file anew where somebody removed it; false where another engine has it.
  private func keepLock() -> Bool {
    lock.withLock { lock in
      guard FileIdentity(path + ".lock") != FileIdentity(descriptor: lock.descriptor) else { return true }
      switch Self.lockFile(path) {
      case .success(let held):
        close(lock.descriptor)
        lock.descriptor = held
        lock.leave(lock.trace)
        return true
      case .failure(.taken): return false
      // The next time, perhaps.
      case .failure(.unusable): return true
      }
    }
  }

  /// Listens anew where the socket's file is gone or another's; those who are connected notice nothing. Where another engine has
  /// taken the place meanwhile, everything stays that one's.
  func restore() -> Place {
    do throws(SessionError) { try Self.makeFolder(of: path, mode) } catch { return .kept }
    guard keepLock() else {
      // The file at the path is the other's.
      identity = nil
      return .lost
    }
    guard FileIdentity(path) != identity else { return .kept }
    let fresh = Self.bind(path, mode)
    guard fresh >= 0 else { return .kept }
    close(descriptor)
    descriptor = fresh
    identity = FileIdentity(path)
    return .restored
  }
}

/// Which file a path or a descriptor names.
private struct FileIdentity: Equatable {
  var device: UInt64
  var inode: UInt64

  /// Nil where the descriptor is none.
  init?(descriptor: Int32) {
    var facts = stat()
    guard fstat(descriptor, &facts) == 0 else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
  }

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
