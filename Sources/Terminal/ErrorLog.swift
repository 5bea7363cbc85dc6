import CLinux
import Glibc

/// Standard error, sent to a file for a while.
struct ErrorLog {
  private let log: Int32
  /// A copy of standard error as it was.
  let saved: Int32

  /// Opens the log; standard error still goes where it went.
  ///
  /// - Throws: ``ScreenError/cannotOpenLog(_:reason:)``.
  init(path: String) throws(ScreenError) {
    log = celltop_open_log(path)
    guard log >= 0 else { throw .cannotOpenLog(path, reason: String(cString: strerror(errno))) }
    saved = celltop_duplicate(STDERR_FILENO)
    guard saved >= 0 else {
      let reason = String(cString: strerror(errno))
      Glibc.close(log)
      throw .cannotOpenLog(path, reason: reason)
    }
  }

  /// Sends standard error to the log.
  func begin() {
    dup2(log, STDERR_FILENO)
  }

  /// Sends it where it went before.
  func end() {
    dup2(saved, STDERR_FILENO)
  }

  /// Gives the descriptors back; standard error must have its own again.
  func close() {
    Glibc.close(log)
    Glibc.close(saved)
  }
}
