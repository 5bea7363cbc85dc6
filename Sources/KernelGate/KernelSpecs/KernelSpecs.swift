import Domain
import FoundationEssentials
import Glibc

/// Finds the installed kernelspecs, and wraps them so that their kernels start behind the gate.
///
/// A wrapped spec is a directory beside the others, `python3` → `python3-celltop`, with the same language, logos,
/// environment and interrupt mode. It holds a marker in its metadata, by which it is listed and removed. Wrapping again
/// gives the same files.
public enum KernelSpecs {
  /// What a wrapped spec's name ends in.
  public static let suffix = "-celltop"
  /// The metadata member that marks a spec as ours.
  static let marker = "celltop"

  // MARK: Where

  /// Where kernelspecs of this user alone go.
  public static func userDirectory(environment: [String: String]) -> String {
    userData(environment: environment) + "/kernels"
  }

  /// Where kernelspecs of an installation prefix go.
  public static func prefixDirectory(_ prefix: String) -> String { prefix + "/share/jupyter/kernels" }

  /// The prefix of the active Python environment (virtualenv, conda, else that of the first `python3` on `PATH`), as
  /// `--sys-prefix` of Jupyter's commands means it; nil where there is none.
  public static func systemPrefix(environment: [String: String]) -> String? {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].compactMap { environment[$0] }.first { !$0.isEmpty }
    return active ?? executable("python3", environment: environment).flatMap(prefix(ofExecutable:))
  }

  static func userData(environment: [String: String]) -> String {
    if let directory = environment["JUPYTER_DATA_DIR"], !directory.isEmpty { return directory }
    if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return data + "/jupyter" }
    return (environment["HOME"] ?? "") + "/.local/share/jupyter"
  }

  // MARK: Finding

  /// All kernelspecs, wrapped ones included, by name; of two with one name the first on the search path.
  /// Directories that hold none, and specs that cannot be read, are passed over.
  ///
  /// - Parameter others: directories that hold kernelspecs and are looked through behind the search path.
  public static func discover(environment: [String: String], andIn others: [String] = []) -> [KernelSpec] {
    var found: [String: KernelSpec] = [:]
    for directory in searchPath(environment: environment) + others {
      for spec in specs(in: directory) where found[spec.name] == nil { found[spec.name] = spec }
    }
    return found.values.sorted { $0.name < $1.name }
  }

  /// The wrapped specs among those that `discover` finds, by name.
  public static func list(environment: [String: String], andIn others: [String] = []) -> [KernelSpec] {
    discover(environment: environment, andIn: others).filter(\.isWrapped)
  }

  static func specs(in directory: String) -> [KernelSpec] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    // Jupyter's names are case-insensitive: it lowers them.
    return names.sorted().compactMap { name in
      try? read(directory: directory + "/" + name, name: name.lowercased()).spec
    }
  }

  /// Reads the spec in a directory.
  ///
  /// - Throws: `KernelSpecError.unreadable`.
  public static func read(directory: String) throws(KernelSpecError) -> KernelSpec {
    let name = directory.split(separator: "/").last.map { $0.lowercased() } ?? ""
    return try read(directory: directory, name: name).spec
  }

  private static func read(directory: String, name: String) throws(KernelSpecError) -> (
    spec: KernelSpec, members: [String: JSONValue]
  ) {
    let path = directory + "/kernel.json"
    guard let bytes = PrivateFile.read(path) else {
      throw .unreadable(path: path, why: String(cString: strerror(errno)))
    }
    guard let members = try? JSONDecoder().decode([String: JSONValue].self, from: Data(bytes)) else {
      throw .unreadable(path: path, why: "it is not a JSON object")
    }
    let command = members["argv"]?.array?.compactMap(\.string) ?? []
    guard !command.isEmpty, command.count == members["argv"]?.array?.count else {
      throw .unreadable(path: path, why: "'argv' is not a list of texts")
    }
    let spec = KernelSpec(
      name: name, directory: directory, displayName: members["display_name"]?.string ?? name,
      language: members["language"]?.string ?? "", command: command,
      wraps: members["metadata"]?.object?[marker]?.object?["wraps"]?.string)
    return (spec, members)
  }

  // MARK: Wrapping

  /// Wraps one spec: writes `destination/NAME-celltop`, over an earlier wrapping where there is one.
  ///
  /// - Parameters:
  ///   - spec: not itself a wrapped one.
  ///   - destination: a directory that holds kernelspecs; made where it is missing.
  ///   - gate: the absolute path of `celltop-gate`.
  /// - Throws: `KernelSpecError`.
  @discardableResult public static func wrap(
    _ spec: KernelSpec, to destination: String, gate: String, environment: [String: String]
  ) throws(KernelSpecError) -> KernelSpec {
    var (_, members) = try read(directory: spec.directory, name: spec.name)
    var metadata = members["metadata"]?.object ?? [:]
    guard metadata["kernel_provisioner"] == nil else { throw .provisioned(name: spec.name) }
    metadata[marker] = .object(["wraps": .string(spec.directory)])
    members["metadata"] = .object(metadata)
    members["display_name"] = .string(spec.displayName + " (celltop)")
    members["argv"] = .array(
      command(of: spec, members: members, gate: gate, environment: environment).map(JSONValue.string))
    let directory = destination + "/" + spec.name + suffix
    try replace(directory, with: members, filesOf: spec.directory)
    return try read(directory: directory)
  }

  private static func command(
    of spec: KernelSpec, members: [String: JSONValue], gate: String, environment: [String: String]
  ) -> [String] {
    var command = spec.command.map { $0.replacing("{resource_dir}", with: spec.directory) }
    command[0] = absolute(command[0], of: spec, environment: environment)
    var options = ["-f", "{connection_file}"]
    if !spec.language.isEmpty { options += ["--language", spec.language] }
    if members["interrupt_mode"]?.string == "message" { options += ["--interrupt-mode", "message"] }
    return [gate] + options + ["--"] + command
  }

  /// A bare `python` means the interpreter of the client's own environment, which the gate does not know: it is that of
  /// the prefix in which the spec lies, else the first on `PATH`.
  private static func absolute(_ program: String, of spec: KernelSpec, environment: [String: String]) -> String {
    guard !program.contains("/") else { return program }
    let parts = spec.directory.split(separator: "/")
    if parts.suffix(4).starts(with: ["share", "jupyter", "kernels"]) {
      let own = "/" + parts.dropLast(4).joined(separator: "/") + "/bin/" + program
      if access(own, X_OK) == 0 { return own }
    }
    return executable(program, environment: environment) ?? program
  }

  /// Writes the directory anew beside the old one, and puts it in its place.
  private static func replace(_ directory: String, with members: [String: JSONValue], filesOf original: String)
    throws(KernelSpecError)
  {
    let files = FileManager.default
    if files.fileExists(atPath: directory) {
      guard (try? read(directory: directory))?.isWrapped == true else { throw .foreign(path: directory) }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let fresh = directory + ".new"
    do {
      if files.fileExists(atPath: fresh) { try files.removeItem(atPath: fresh) }
      try makeFolder(fresh)
      for name in try files.contentsOfDirectory(atPath: original) where name != "kernel.json" {
        try files.copyItem(atPath: original + "/" + name, toPath: fresh + "/" + name)
      }
      try encoder.encode(members).write(to: URL(filePath: fresh + "/kernel.json"))
      if files.fileExists(atPath: directory) { try files.removeItem(atPath: directory) }
      try files.moveItem(atPath: fresh, toPath: directory)
    } catch let error as KernelSpecError {
      throw error
    } catch {
      throw .unwritable(path: directory, why: systemWords(error))
    }
  }

  /// Makes a folder with those above it; Foundation would not say at which it failed.
  private static func makeFolder(_ path: String) throws(KernelSpecError) {
    var made = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      made += "/" + part
      if mkdir(made, 0o777) != 0, errno != EEXIST {
        throw .unwritable(path: made, why: String(cString: strerror(errno)))
      }
    }
  }

  /// Why a file could not be written, in the system's words where Foundation says what they are.
  private static func systemWords(_ error: any Error) -> String {
    guard let cause = (error as? CocoaError)?.underlying as? POSIXError else { return "\(error)" }
    return String(cString: strerror(cause.code.rawValue))
  }

  /// Wraps the specs of these names, or with no name every one that is not wrapped itself and can be.
  ///
  /// - Parameter others: see `discover`.
  /// - Returns: the wrapped specs, by name.
  /// - Throws: `KernelSpecError`; what was wrapped before it stays.
  public static func install(
    _ names: [String], to destination: String, gate: String, environment: [String: String], andIn others: [String] = []
  ) throws(KernelSpecError) -> [KernelSpec] {
    let originals = discover(environment: environment, andIn: others).filter { !$0.isWrapped }
    var made: [KernelSpec] = []
    if names.isEmpty {
      for spec in originals {
        do throws(KernelSpecError) {
          made.append(try wrap(spec, to: destination, gate: gate, environment: environment))
        } catch .provisioned(_) { continue } catch { throw error }
      }
      return made
    }
    for name in names {
      guard let spec = originals.first(where: { $0.name == name }) else {
        throw .unknown(name: name, known: originals.map(\.name))
      }
      made.append(try wrap(spec, to: destination, gate: gate, environment: environment))
    }
    return made
  }

  /// What a removal found: the names of those removed, sorted, and the names asked for that were not there.
  public struct Removal: Equatable, Sendable {
    /// The directories' names of the wrapped specs that were there and are gone: `python3-celltop`.
    public var removed: [String]
    /// Of the names that were given, those of which there was no wrapped spec, as they were given.
    public var absent: [String]
  }

  /// Removes wrapped specs from a directory: those of these names (with or without `-celltop`), or with no name all of
  /// them. What is not ours is never touched, and to remove what is not there is no error: it may be removed twice.
  ///
  /// - Throws: `KernelSpecError.unwritable`; what was removed before it stays removed.
  @discardableResult public static func remove(_ names: [String], from directory: String) throws(KernelSpecError)
    -> Removal
  {
    let ours = specs(in: directory).filter(\.isWrapped)
    var wanted = names.isEmpty ? ours : []
    var absent: [String] = []
    for name in names {
      guard let spec = ours.first(where: { $0.name == name || $0.name == name + suffix }) else {
        absent.append(name)
        continue
      }
      if !wanted.contains(where: { $0.name == spec.name }) { wanted.append(spec) }
    }
    for spec in wanted {
      do { try FileManager.default.removeItem(atPath: spec.directory) } catch {
        throw .unwritable(path: spec.directory, why: systemWords(error))
      }
    }
    return Removal(removed: wanted.map(\.name).sorted(), absent: absent)
  }

  // MARK: Programs

  static func executable(_ name: String, environment: [String: String]) -> String? {
    for directory in (environment["PATH"] ?? "").split(separator: ":") where directory.hasPrefix("/") {
      let path = directory + "/" + name
      if access(path, X_OK) == 0 { return path }
    }
    return nil
  }

  /// The prefix of `PREFIX/bin/NAME`.
  static func prefix(ofExecutable path: String) -> String? {
    let parts = path.split(separator: "/")
    guard parts.count > 2, parts[parts.count - 2] == "bin" else { return nil }
    return "/" + parts.dropLast(2).joined(separator: "/")
  }
}
