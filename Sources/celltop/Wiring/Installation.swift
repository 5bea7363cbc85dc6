import Foundation
import KernelGate

/// Where the parts of celltop lie: beside the program when it is installed, in the checkout when it was built there.
struct Installation {
  let environment: [String: String]
  /// The folder of this program.
  let folder: String
  /// This program.
  let program: String

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    self.environment = environment
    program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/celltop"
    folder = (program as NSString).deletingLastPathComponent
  }

  /// The gate's program.
  ///
  /// - Throws: `ToolError` where it is not beside this one.
  func gate() throws -> String {
    let path = folder + "/celltop-gate"
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw ToolError("the gate's program \(path) is missing. Build it: swift build -c release --product celltop-gate")
    }
    return path
  }

  /// The bundled notebooks, by name.
  ///
  /// - Throws: `ToolError` where there are none.
  func notebooks() throws -> [String] {
    let folder = try find("Docs/Notebooks", installed: "Notebooks", what: "the bundled notebooks")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".ipynb") }.sorted()
    guard !names.isEmpty else { throw ToolError("\(folder) holds no notebook") }
    return names.map { folder + "/" + $0 }
  }

  /// The program that plays notebooks.
  func player() throws -> String { try find("Sources/Player/play.py", installed: "play.py", what: "the player") }

  /// The folder of themes; nil where there is none, and the built-in theme serves.
  func themes() -> String? { try? find("Themes", installed: "Themes", what: "the themes") }

  /// The Python that runs kernels: `CELLTOP_PYTHON`, the checkout's own, or the one on the path.
  func python() throws -> String {
    if let named = environment["CELLTOP_PYTHON"], !named.isEmpty {
      guard FileManager.default.isExecutableFile(atPath: named) else {
        throw ToolError("CELLTOP_PYTHON names \(named), which is no program")
      }
      return named
    }
    if let own = try? find(".build/python/bin/python", installed: "python/bin/python", what: "Python") { return own }
    for folder in (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":") {
      let path = String(folder) + "/python3"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw ToolError("no Python was found for the kernels. Run 'make setup', or set CELLTOP_PYTHON")
  }

  /// Writes the kernelspec `python3-celltop`, which puts the gate before that Python's own kernel.
  ///
  /// - Parameter folder: a data directory of Jupyter, such as one of `JUPYTER_PATH`.
  /// - Throws: `ToolError` where that environment has no kernel.
  func wrapKernel(python: String, gate: String, into folder: String) throws {
    let prefix = ((python as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent
    let original = KernelSpecs.prefixDirectory(prefix) + "/python3"
    guard FileManager.default.fileExists(atPath: original + "/kernel.json") else {
      throw ToolError("\(python) has no kernel (\(original) is missing). Run 'make setup', or install ipykernel there")
    }
    try KernelSpecs.wrap(
      KernelSpecs.read(directory: original), to: folder + "/kernels", gate: gate, environment: environment)
  }

  /// Where the kernelspecs of celltop's own Python lie: looked through last, since a name means the user's kernel first.
  func ownKernels() -> [String] {
    guard let python = try? python() else { return [] }
    let prefix = ((python as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent
    return [KernelSpecs.prefixDirectory(prefix)]
  }

  private func find(_ inCheckout: String, installed: String, what: String) throws -> String {
    var candidates: [String] = []
    if let share = environment["CELLTOP_SHARE"], !share.isEmpty { candidates.append(share + "/" + installed) }
    candidates.append((folder as NSString).deletingLastPathComponent + "/share/celltop/" + installed)
    var up = folder
    while up != "/" && !up.isEmpty {
      if FileManager.default.fileExists(atPath: up + "/Package.swift") { candidates.append(up + "/" + inCheckout) }
      up = (up as NSString).deletingLastPathComponent
    }
    if let found = candidates.first(where: FileManager.default.fileExists(atPath:)) { return found }
    throw ToolError(
      "\(what) could not be found at \(candidates.joined(separator: " or ")). Set CELLTOP_SHARE to the folder that holds \(installed)"
    )
  }
}

/// Why the tool cannot do what it was asked, with how to mend it.
struct ToolError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
