import Foundation
import History

/// A folder that only its owner may use: sockets and what belongs to one session lie in it.
public enum PrivateFolder {
  /// Makes the folder, with those above it, or makes sure that the one that exists is safe: in `/tmp` anybody could
  /// have made it first.
  ///
  /// - Throws: `SessionError` that names the folder and what is wrong with it.
  public static func make(_ path: String) throws(SessionError) {
    try demandWhole(path)
    do throws(Folder.Failure) { try Folder.make(path) } catch { throw cannotMake(path, error) }
    try check(path)
  }

  /// Makes sure that the folder is safe, or could be made where there is none. Makes nothing.
  ///
  /// - Throws: `SessionError` as `make`.
  public static func look(at path: String) throws(SessionError) {
    try demandWhole(path)
    if access(path, F_OK) == 0 { return try check(path) }
    if let failure = Folder.obstacle(to: path) { throw cannotMake(path, failure) }
  }

  private static func cannotMake(_ path: String, _ failure: Folder.Failure) -> SessionError {
    SessionError(
      "cannot make the folder \(path) (\(failure)). Mend that folder's permissions, or name another place with CELLTOP_SOCKET or XDG_RUNTIME_DIR"
    )
  }

  /// What a relative path means hangs on the folder that one is in: a server and its gates would not find each other.
  private static func demandWhole(_ path: String) throws(SessionError) {
    guard !path.hasPrefix("/") else { return }
    throw SessionError(
      "the place for the socket is given relative to the present folder (\(path.isEmpty ? "." : path)), and kernels run in others. Write the whole path into CELLTOP_SOCKET, like /tmp/celltop-1000/engine.sock"
    )
  }

  private static func check(_ path: String) throws(SessionError) {
    var facts = stat()
    guard lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
      throw SessionError("\(path) is no folder. Move it away, or set XDG_RUNTIME_DIR to a folder of your own")
    }
    guard facts.st_uid == getuid(), facts.st_mode & 0o022 == 0 else {
      throw SessionError(
        "others may write into the folder \(path). Mend it (chmod 700) if it is yours, or set XDG_RUNTIME_DIR to a folder of your own"
      )
    }
  }
}
