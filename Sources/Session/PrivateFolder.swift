import Foundation

/// A folder that only its owner may use: sockets and what belongs to one session lie in it.
public enum PrivateFolder {
  /// Makes the folder, with those above it, or makes sure that the one that exists is safe: in `/tmp` anybody could
  /// have made it first.
  ///
  /// - Throws: `SessionError` that names the folder and what is wrong with it.
  public static func make(_ path: String) throws(SessionError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw SessionError("cannot make the folder \(path): \(error.localizedDescription)")
    }
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
