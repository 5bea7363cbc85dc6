/// Where the engine listens.
public enum SocketPath {
  /// `CELLTOP_SOCKET` where set; else `engine.sock` in the directory `celltop` of `XDG_RUNTIME_DIR`; else in
  /// `/tmp/celltop-UID`, which only its owner may enter.
  public static func standard(environment: [String: String], uid: UInt32) -> String {
    if let path = environment["CELLTOP_SOCKET"], !path.isEmpty { return path }
    if let runtime = environment["XDG_RUNTIME_DIR"], runtime.hasPrefix("/") { return runtime + "/celltop/engine.sock" }
    return "/tmp/celltop-\(uid)/engine.sock"
  }
}
