import Foundation

/// Makes folders, and says in the system's words which one could not be made.
public enum Folder {
  /// The folder at which it failed, and why.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    public var path: String
    /// errno(3).
    public var code: Int32

    /// "/srv/data: Permission denied".
    public var description: String { "\(path): \(String(cString: strerror(code)))" }
  }

  /// Makes a folder for this user alone where there is none, with those above it.
  ///
  /// - Parameter path: a relative one, too; empty for the present folder.
  public static func make(_ path: String) throws(Failure) {
    guard !path.isEmpty, !isThere(path) else { return }
    let above = (path as NSString).deletingLastPathComponent
    if above != path, !above.isEmpty, !isThere(above) { try make(above) }
    guard mkdir(path, 0o700) != 0 else { return }
    let code = errno
    // Another program may have made it meanwhile.
    guard code != EEXIST || !isThere(path) else { return }
    throw Failure(path: path, code: code == EEXIST ? ENOTDIR : code)
  }

  /// Why `make` would fail, as far as can be told without making anything; nil where it should do.
  public static func obstacle(to path: String) -> Failure? {
    var above = path
    while !above.isEmpty, above != "/", access(above, F_OK) != 0, errno == ENOENT {
      above = (above as NSString).deletingLastPathComponent
    }
    let nearest = above.isEmpty ? "." : above
    guard access(nearest, F_OK) == 0 else { return Failure(path: nearest, code: errno) }
    guard isThere(nearest) else { return Failure(path: nearest, code: ENOTDIR) }
    guard access(nearest, W_OK | X_OK) == 0 else { return Failure(path: nearest, code: errno) }
    return nil
  }

  /// Whether nothing can be written there because its file system is mounted for reading only.
  static func isOfReadOnlySystem(_ path: String) -> Bool { access(path, W_OK) != 0 && errno == EROFS }

  private static func isThere(_ path: String) -> Bool {
    var facts = stat()
    return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }
}
