import Domain
import Engine
import Metrics
import Traces

/// A simulated session from its first arrival to its last end, under one policy.
public struct Run: Sendable {
  /// The policy's name with its options.
  public var policy: String
  public var measures: Measures
  public var entries: Int64
  /// The digest of all entries, as hexadecimal digits.
  public var digest: String
  /// The cells that ended, where the settings keep them.
  public var history: [RanCell]

  /// Plays `trace` on `node`.
  ///
  /// - Parameter progress: called about every 10,000 steps with the share of cells that have ended.
  /// - Throws: `Refusal` as `Simulator.init` does.
  public init(
    _ trace: Trace, on node: Node, settings: Simulator.Settings, forecast: any ForecastSource,
    catalogue: PolicyCatalogue, progress: ((Double) -> Void)? = nil
  ) throws(Refusal) {
    var simulator = try Simulator(trace, on: node, settings: settings, forecast: forecast, catalogue: catalogue)
    let cells = Double(max(trace.cellCount, 1))
    if let progress {
      var steps = 0
      while simulator.step() {
        steps += 1
        if steps % 10_000 == 0 { progress(Double(simulator.scheduler.state.ended) / cells) }
      }
    } else {
      simulator.run()
    }
    self.init(of: &simulator)
  }

  /// What a simulation that was played to its end came to.
  public init(of simulator: inout Simulator) {
    policy = simulator.settings.policy
    measures = simulator.measures()
    entries = simulator.entriesCount
    digest = simulator.digest.hexadecimal
    history = simulator.history
  }
}

/// When a cell of a trace was in the books and when it ran.
@frozen public struct RanCell: Hashable, Sendable {
  /// The notebook's place in the trace.
  public var notebook: Int32
  public var cell: Int32
  public var submitted: Instant
  public var started: Instant
  public var ended: Instant
}
