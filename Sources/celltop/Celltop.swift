import ArgumentParser
import Glibc

/// The tool's root command.
@main struct Celltop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "celltop", abstract: "Watch and schedule Jupyter notebooks, cell by cell.",
    subcommands: [SimulateCommand.self, CompareCommand.self, TraceCommand.self, BenchCommand.self])

  /// Runs the command; wrong use ends with status 2, whoever found it.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let isWrongUse = exitCode(for: error) == .validationFailure
      if isWrongUse {
        complain(fullMessage(for: error) + "\n")
        Glibc.exit(2)
      }
      exit(withError: error)
    }
  }
}
