import Glibc

extension KernelSpecs {
  /// The directories that hold kernelspecs, in Jupyter's precedence (`jupyter_path` of jupyter_core): `JUPYTER_PATH`, the
  /// user's directories and the environments', `/usr/local`, `/usr`.
  ///
  /// An environment (virtualenv, conda, that of the first `python3` on `PATH`) comes before the user where
  /// `JUPYTER_PREFER_ENV_PATH` says so, or, where that says nothing, if it is a virtualenv or a conda environment other
  /// than the base, and its directory is this user's own.
  public static func searchPath(environment: [String: String]) -> [String] {
    let system = ["/usr/local/share/jupyter", "/usr/share/jupyter"]
    var prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"].compactMap { environment[$0] }.filter { !$0.isEmpty }
    if let python = executable("python3", environment: environment), let prefix = prefix(ofExecutable: python) {
      prefixes.append(prefix)
    }
    func directories(_ prefixes: [String]) -> [String] {
      prefixes.map { $0 + "/share/jupyter" }.filter { !system.contains($0) }
    }
    let preferred = prefixes.filter { isPreferred($0, environment: environment) }
    let given = (environment["JUPYTER_PATH"] ?? "").split(separator: ":").map { path in
      path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : String(path)
    }
    var roots = given + directories(preferred)
    roots += userDirectories(environment: environment, in: prefixes.first)
    roots += directories(prefixes.filter { !preferred.contains($0) }) + system
    var seen: Set<String> = []
    return roots.filter { seen.insert($0).inserted }.map { $0 + "/kernels" }
  }

  /// The user's data directory, and that of the packages that pip has put where the user may, unless the Python there is looks
  /// for none of those.
  private static func userDirectories(environment: [String: String], in prefix: String?) -> [String] {
    let data = userData(environment: environment)
    guard environment["PYTHONNOUSERSITE", default: ""].isEmpty else { return [data] }
    if let prefix, let settings = virtualenv(prefix) {
      // Like Python's own site.py: a virtualenv knows no packages of the user unless it knows the system's.
      let isOpen = settings.split(separator: "\n").contains { line in
        line.filter { !$0.isWhitespace }.lowercased() == "include-system-site-packages=true"
      }
      guard isOpen else { return [data] }
    }
    let base = environment["PYTHONUSERBASE"].flatMap { $0.isEmpty ? nil : $0 }
    return [data, (base ?? (environment["HOME"] ?? "") + "/.local") + "/share/jupyter"]
  }

  private static func isPreferred(_ prefix: String, environment: [String: String]) -> Bool {
    if let said = environment["JUPYTER_PREFER_ENV_PATH"] {
      return !["no", "n", "false", "off", "0", "0.0"].contains(said.lowercased())
    }
    let isConda =
      environment["CONDA_PREFIX"].map { !$0.isEmpty && prefix.hasPrefix($0) } == true
      && environment["CONDA_DEFAULT_ENV", default: "base"] != "base"
    return (virtualenv(prefix) != nil || isConda) && isOwn(prefix)
  }

  /// The settings of the virtualenv in a directory; nil where there is none.
  private static func virtualenv(_ prefix: String) -> String? {
    PrivateFile.read(prefix + "/pyvenv.cfg").map { String(decoding: $0, as: UTF8.self) }
  }

  private static func isOwn(_ path: String) -> Bool {
    var found = stat()
    return stat(path, &found) == 0 && found.st_uid == geteuid()
  }
}
