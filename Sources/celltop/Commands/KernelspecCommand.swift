import ArgumentParser
import Foundation
import KernelGate

/// `celltop kernelspec`: puts the gate before installed kernels, and takes it away again.
struct KernelspecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernelspec", abstract: "Put the gate before installed kernels, so that celltop schedules them.",
    discussion: "python3 becomes python3-celltop: the same kernel behind the gate. The original stays as it is.",
    subcommands: [Install.self, List.self, Remove.self])

  /// Which folder of kernelspecs is meant.
  struct Place: ParsableArguments {
    @Flag(help: "The user's own folder (the default).")
    var user = false

    @Option(help: "The folder share/jupyter/kernels below this prefix, such as an environment's.")
    var prefix: String?

    var folder: String {
      prefix.map(KernelSpecs.prefixDirectory)
        ?? KernelSpecs.userDirectory(environment: ProcessInfo.processInfo.environment)
    }

    func validate() throws {
      if user, prefix != nil { throw ValidationError("--user and --prefix name two places; choose one") }
    }
  }

  struct Install: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Wrap installed kernelspecs; doing it again brings them up to date.")

    @Argument(help: "The kernels to wrap (default: all).")
    var names: [String] = []

    @OptionGroup var place: Place

    func run() throws {
      try Tool.reporting {
        let installation = Installation()
        let made = try KernelSpecs.install(
          names, to: place.folder, gate: installation.gate(), environment: installation.jupyterEnvironment())
        if made.isEmpty {
          throw ToolError("no kernelspec was found to wrap. Install a kernel first, such as ipykernel")
        }
        for spec in made { print("\(spec.name)\t\(spec.directory)") }
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the wrapped kernelspecs.")

    func run() throws {
      let wrapped = KernelSpecs.list(environment: ProcessInfo.processInfo.environment)
      if wrapped.isEmpty { print("no kernel is wrapped; 'celltop kernelspec install' wraps them") }
      for spec in wrapped { print("\(spec.name)\t\(spec.displayName)\t\(spec.directory)") }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove wrapped kernelspecs; what is not celltop's stays.")

    @Argument(help: "The kernels to unwrap (default: all).")
    var names: [String] = []

    @OptionGroup var place: Place

    func run() throws {
      try Tool.reporting {
        let removed = try KernelSpecs.remove(names, from: place.folder)
        print(removed.isEmpty ? "nothing to remove in \(place.folder)" : removed.joined(separator: "\n"))
      }
    }
  }
}
