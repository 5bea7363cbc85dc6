import ArgumentParser

/// `celltop bench`: measures celltop itself.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure celltop itself.",
    subcommands: [
      LiveBenchCommand.self, SimulationBench.self, HistoryBench.self, HistoryRecording.self, NodeBench.self,
      ConsoleBench.self, LoadBench.self, RecoveryBench.self,
    ])
}
