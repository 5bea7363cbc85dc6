/// Where the engine listens.
public enum SocketPath {
  /// Where a server for all users of a node listens.
  public static let systemWide = "/run/celltop/engine.sock"

  /// Where a user's own engine listens: `CELLTOP_SOCKET` where set; else `engine.sock` in the directory `celltop` of
  /// `XDG_RUNTIME_DIR`; else in `/tmp/celltop-UID`, which only its owner may enter.
  public static func standard(environment: [String: String], uid: UInt32) -> String {
    if let path = environment["CELLTOP_SOCKET"], !path.isEmpty { return path }
    if let runtime = environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") { return runtime + "/celltop/engine.sock" }
    return "/tmp/celltop-\(uid)/engine.sock"
  }

  /// Where an engine is looked for, in this order: `CELLTOP_SOCKET` alone where set; else the user's own place, then the
  /// one for all.
  public static func candidates(environment: [String: String], uid: UInt32) -> [String] {
    let own = standard(environment: environment, uid: uid)
    return environment["CELLTOP_SOCKET"]?.isEmpty == false ? [own] : [own, systemWide]
  }
}
