import ArgumentParser

/// `celltop bench`: measures celltop itself.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure celltop itself.",
    subcommands: [SimulationBench.self, HistoryBench.self, HistoryLoad.self, NodeBench.self, LiveBenchCommand.self])
}
