import ArgumentParser

@main
struct Celltop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "celltop",
    abstract: "Watches and schedules the Jupyter notebooks of a shared node, cell by cell.",
    discussion: """
      Without a command it opens the console over this node's notebooks and schedules them. \
      'celltop demo' shows it on bundled notebooks with real kernels.
      """,
    version: "0.1.0",
    subcommands: [
      LiveCommand.self, DemoCommand.self, ReplayCommand.self, HistoryCommand.self, SimulateCommand.self, GateCommand.self,
    ],
    defaultSubcommand: LiveCommand.self)
}
