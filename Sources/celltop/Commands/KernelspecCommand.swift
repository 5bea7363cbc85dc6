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

    @Flag(help: "The active Python environment's folder.")
    var sysPrefix = false

    @Option(help: "The folder share/jupyter/kernels below this prefix, such as an environment's.")
    var prefix: String?

    /// - Throws: `ToolError` where there is no active environment.
    func folder() throws -> String {
      let environment = ProcessInfo.processInfo.environment
      if let prefix { return KernelSpecs.prefixDirectory(prefix) }
      guard sysPrefix else { return KernelSpecs.userDirectory(environment: environment) }
      guard let active = KernelSpecs.systemPrefix(environment: environment) else {
        throw ToolError("there is no active Python environment, nor a python3 on PATH. Name a place with --prefix")
      }
      return KernelSpecs.prefixDirectory(active)
    }

    func validate() throws {
      if [user, sysPrefix, prefix != nil].count(where: { $0 }) > 1 {
        throw ValidationError("--user, --sys-prefix and --prefix name different places; choose one")
      }
    }
  }

  /// Which kernels are meant.
  struct Choice: ParsableArguments {
    @Argument(help: "The kernels' names (default: all).")
    var names: [String] = []

    @Flag(help: "All kernels.")
    var all = false

    func validate() throws {
      if all, !names.isEmpty { throw ValidationError("--all and names do not go together; choose one") }
    }
  }

  struct Install: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "install",
      abstract: "Wrap installed kernelspecs; doing it again brings them up to date.")

    @OptionGroup var choice: Choice

    @OptionGroup var place: Place

    func run() throws {
      try Tool.reporting {
        let installation = Installation()
        let made = try KernelSpecs.install(
          choice.names, to: place.folder(), gate: installation.gate(), environment: installation.environment,
          andIn: installation.ownKernels())
        if made.isEmpty {
          throw ToolError("no kernelspec was found to wrap. Install a kernel first, such as ipykernel")
        }
        for spec in made { print("\(spec.name)\t\(spec.directory)") }
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the wrapped kernelspecs.")

    @Flag(help: "Print JSON: an array of objects.")
    var json = false

    private struct Row: Encodable {
      var name: String
      var displayName: String
      var directory: String
      var wraps: String?
      /// Why it cannot start its kernel any more.
      var fault: String?
    }

    func run() throws {
      try Tool.reporting {
        let installation = Installation()
        let wrapped = KernelSpecs.list(environment: installation.environment, andIn: installation.ownKernels())
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
          let rows = wrapped.map {
            Row(
              name: $0.name, displayName: $0.displayName, directory: $0.directory, wraps: $0.wraps, fault: $0.fault)
          }
          print(String(decoding: try encoder.encode(rows), as: UTF8.self))
          return
        }
        if wrapped.isEmpty { print("no kernel is wrapped; 'celltop kernelspec install' wraps them") }
        for spec in wrapped {
          let fault = spec.fault.map { "\tbroken: \($0)" } ?? ""
          print("\(spec.name)\t\(spec.displayName)\t\(spec.directory)\(fault)")
        }
      }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove",
      abstract: "Remove wrapped kernelspecs; what is not celltop's stays.")

    @OptionGroup var choice: Choice

    @OptionGroup var place: Place

    func run() throws {
      try Tool.reporting {
        let folder = try place.folder()
        let result = try KernelSpecs.remove(choice.names, from: folder)
        for name in result.absent {
          print("no wrapped kernelspec '\(name.printable(at: 100))' in \(folder): nothing to remove")
        }
        if !result.removed.isEmpty { print(result.removed.joined(separator: "\n")) }
        if choice.names.isEmpty, result.removed.isEmpty { print("nothing to remove in \(folder)") }
      }
    }
  }
}
