/// How people work, as far as a generated workload needs it: measured in a trace, or one of those that are known.
public struct WorkloadShape: Sendable, Hashable {
  /// Where it comes from.
  public var name: String
  public var think: ThinkModel
  public var range: ThinkSample.Range
  /// Spearman's rank correlation of a think time with the run time of the cell before it.
  public var correlationWithRun: Double
  /// Spearman's rank correlation of a think time with the one before it.
  public var correlationWithLast: Double
  /// Cells a burst: what one command runs.
  public var bursts: QuantileTable
  /// Cells a notebook.
  public var cells: QuantileTable
  /// Run times in seconds.
  public var runs: QuantileTable

  /// What a sample says, with its likeliest model; nil for a sample without two different think times or without a run time.
  public init?(of sample: ThinkSample, name: String, think: ThinkModel? = nil, seed: UInt64 = 1) {
    guard let model = think ?? ThinkFit.all(to: sample.thinks, seed: seed).first?.model,
      let bursts = QuantileTable(of: sample.bursts, floor: 1),
      let cells = QuantileTable(of: sample.cellCounts, floor: 1),
      let runs = QuantileTable(of: sample.runs, floor: 0.001)
    else { return nil }
    self.name = name
    self.think = model
    range = sample.range
    correlationWithRun = sample.correlationWithRun ?? 0
    correlationWithLast = sample.correlationWithLast ?? 0
    self.bursts = bursts
    self.cells = cells
    self.runs = runs
  }

  private init(
    name: String, think: ThinkModel, range: ThinkSample.Range, run: Double, last: Double, bursts: [QuantileTable.Point],
    cells: [QuantileTable.Point], runs: [QuantileTable.Point]
  ) {
    self.name = name
    self.think = think
    self.range = range
    correlationWithRun = run
    correlationWithLast = last
    self.bursts = QuantileTable(bursts)
    self.cells = QuantileTable(cells)
    self.runs = QuantileTable(runs)
  }

  /// 22,236 interactive cells of 459 public timed notebooks (`Docs/TRACES.md`). The ends of the tables, where nothing was
  /// published, are the tables' own slope carried on.
  public static let notebooks = WorkloadShape(
    name: "459 public timed notebooks",
    think: .twoLognormals(weight: 0.504, first: .init(mu: 0.91, sigma: 0.91), second: .init(mu: 4.57, sigma: 1.76)),
    range: ThinkSample.Range(), run: 0.20, last: 0.31,
    bursts: [.init(0, 1), .init(0.5, 1), .init(0.75, 2), .init(0.9, 9), .init(0.99, 42), .init(1, 60)],
    cells: [.init(0, 1), .init(0.5, 15), .init(0.9, 46), .init(1, 120)],
    runs: [
      .init(0, 0.001), .init(0.5, 0.036), .init(0.75, 0.76), .init(0.9, 9.5), .init(0.95, 98), .init(0.99, 3940),
      .init(1, 7200),
    ])

  /// Training cells on GPUs, June 2021: 30,909 cells of the AdobeTrace, with the two-lognormal mixture that `celltop trace
  /// fit` finds in it from one minute (its resolution) to eight hours (`Docs/TRACES.md`).
  public static let training = WorkloadShape(
    name: "the AdobeTrace's training cells",
    think: .twoLognormals(
      weight: 0.6695, first: .init(mu: 4.736, sigma: 0.6252), second: .init(mu: 6.577, sigma: 1.376)),
    range: ThinkSample.Range(leastSeconds: 60, mostSeconds: 28_800), run: -0.16, last: 0.33,
    bursts: [.init(0, 1), .init(1, 1)], cells: [.init(0, 1), .init(0.5, 15), .init(0.9, 46), .init(1, 120)],
    runs: [
      .init(0, 60), .init(0.5, 300), .init(0.75, 660), .init(0.9, 1920), .init(0.95, 5700), .init(0.99, 61_260),
      .init(1, 86_400),
    ])
}
