import ArgumentParser

/// The tool's root command.
@main struct Celltop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "celltop", abstract: "Watch and schedule Jupyter notebooks, cell by cell.",
    subcommands: [SimulateCommand.self, CompareCommand.self, TraceCommand.self, BenchCommand.self])
}
