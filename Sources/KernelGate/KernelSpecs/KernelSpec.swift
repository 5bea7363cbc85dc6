import Glibc

/// One installed kernelspec: a directory with a `kernel.json` ("Kernel specs", jupyter_client).
public struct KernelSpec: Equatable, Sendable {
  /// The directory's name, by which clients choose the kernel.
  public var name: String
  public var directory: String
  public var displayName: String
  public var language: String
  /// The command, with `{connection_file}` and `{resource_dir}` as they stand.
  public var command: [String]
  /// For one of ours, the directory that it wraps; else nil.
  public var wraps: String?

  /// Whether `celltop kernelspec install` made it.
  public var isWrapped: Bool { wraps != nil }

  /// Why a wrapped spec cannot start its kernel any more; nil where it can, and for others.
  public var fault: String? {
    guard let wraps else { return nil }
    if access(command[0], X_OK) != 0 { return "its gate \(command[0]) is gone" }
    if access(wraps + "/kernel.json", R_OK) != 0 { return "the kernelspec that it wraps is gone (\(wraps))" }
    return nil
  }
}

/// Why kernelspecs could not be found, wrapped or removed.
public enum KernelSpecError: Error, Equatable, Sendable, CustomStringConvertible {
  /// There is no kernelspec of that name; what there is.
  case unknown(name: String, known: [String])
  case unreadable(path: String, why: String)
  /// The kernel is not started as a local process, so a gate cannot stand in front of it.
  case provisioned(name: String)
  /// Something of that name exists that is not ours.
  case foreign(path: String)
  case unwritable(path: String, why: String)

  public var description: String {
    switch self {
    case .unknown(let name, let known):
      "there is no kernelspec '\(name.printable(at: 60))'; "
        + (known.isEmpty ? "none is installed" : "there are \(known.joined(separator: ", "))")
    case .unreadable(let path, let why): "cannot read the kernelspec '\(path)': \(why)"
    case .provisioned(let name):
      "the kernelspec '\(name)' has a provisioner of its own, which starts its kernel elsewhere: it cannot be gated"
    case .foreign(let path): "'\(path)' exists and was not made by celltop: remove it first, or choose another place"
    case .unwritable(let path, let why):
      "cannot write '\(path)': \(why). Mend its permissions, or name another place with --user, --sys-prefix or --prefix"
    }
  }
}
