import Domain

/// Plays what happened once to a forecaster that knows nothing at first, each forecast made before its outcome, and says how good
/// the forecasts were on the part that was held out.
///
/// The first part of the outcomes only teaches; on the rest the forecaster is scored, and goes on learning as it does in
/// use. Beside it run two predictors that any forecast has to beat: the median of all that was seen so far, and the last value
/// of the same notebook.
public struct Trial: Sendable {
  /// One cell, as it happened.
  public struct Cell: Sendable, Hashable {
    /// The sitting that it belongs to: a notebook from its opening to its closing.
    public var sitting: Int32
    public var submitted: Instant
    public var ran: Span
    public var source: CellSource
    public var demand: Demand

    public init(
      sitting: Int32, submitted: Instant, ran: Span, source: CellSource = CellSource(), demand: Demand = .oneCore
    ) {
      self.sitting = sitting
      self.submitted = submitted
      self.ran = ran
      self.source = source
      self.demand = demand
    }
  }

  /// How good the forecasts of one quantity were.
  public struct Score: Sendable, Hashable {
    /// The ranges, on the part that was held out.
    public var coverage = Coverage()
    /// Means of |log2(foreseen ÷ actual)|: by how many doublings the median was off, and the two others.
    public var error = 0.0
    public var errorOfGlobalMedian = 0.0
    public var errorOfLast = 0.0
    /// How many doublings lie between the quartiles, and between the 5 % and the 95 % quantile, on average.
    public var widthOfHalf = 0.0
    public var widthOfNinetyPercent = 0.0

    mutating func count(_ value: Double, _ quantiles: [Double], global: Double, last: Double) {
      coverage.count(value, foreseen: quantiles)
      error += Self.doublings(value, quantiles[2])
      errorOfGlobalMedian += Self.doublings(value, global)
      errorOfLast += Self.doublings(value, last)
      widthOfHalf += Self.doublings(quantiles[1], quantiles[3])
      widthOfNinetyPercent += Self.doublings(quantiles[0], quantiles[4])
    }

    mutating func average() {
      let count = Double(max(coverage.outcomes, 1))
      for sum in [\Score.error, \.errorOfGlobalMedian, \.errorOfLast, \.widthOfHalf, \.widthOfNinetyPercent] {
        self[keyPath: sum] /= count
      }
    }

    /// How many doublings lie between two positive numbers, counted on the scale of the bins.
    private static func doublings(_ a: Double, _ b: Double) -> Double {
      let least = Forecaster.least
      return abs(LogScale.place(of: max(a, least)) - LogScale.place(of: max(b, least))) / Double(LogScale.steps)
    }
  }

  public private(set) var scores: [Quantity: Score] = [:]
  public private(set) var forecaster = Forecaster()
  private var medians: [Quantity: RunningMedian] = [:]
  private var lasts: [Quantity: [String: Double]] = [:]
  private var seen: [Quantity: Int] = [:]
  private var outcomesOf: [Quantity: Int] = [:]
  private let taught: Double

  /// The quantities that are scored.
  public static let quantities: [Quantity] = [.run, .think, .nextRun, .gpus, .nextGPUs]

  /// - Parameters:
  ///   - notebooks: by sitting: whose notebook it is; the ids are not looked at.
  ///   - cells: in any order; they are played by time.
  ///   - taught: the share of each quantity's outcomes that only teaches.
  public init(notebooks: [Notebook], cells: [Cell], taught: Double = 0.5) {
    self.taught = taught
    var bySitting: [[Cell]] = Array(repeating: [], count: notebooks.count)
    for cell in cells where notebooks.indices.contains(Int(cell.sitting)) { bySitting[Int(cell.sitting)].append(cell) }
    var moments: [Moment] = []
    for sitting in bySitting.indices {
      bySitting[sitting].sort { ($0.submitted, $0.ran) < ($1.submitted, $1.ran) }
      let count = bySitting[sitting].count
      for quantity in Self.quantities {
        outcomesOf[quantity, default: 0] += quantity.isOfNext || quantity == .think ? max(count - 1, 0) : count
      }
      var free = bySitting[sitting].first?.submitted ?? .zero
      for (number, cell) in bySitting[sitting].enumerated() {
        // Stamps of consecutive cells may overlap by their resolution.
        let from = max(cell.submitted, free)
        free = from + cell.ran
        moments.append(Moment(at: from, kind: .submission, sitting: sitting, cell: number))
        moments.append(Moment(at: free, kind: .end, sitting: sitting, cell: number))
      }
    }
    moments.sort()
    for moment in moments { play(moment, bySitting[moment.sitting], notebooks[moment.sitting]) }
    for quantity in Self.quantities { scores[quantity]?.average() }
  }

  private struct Moment: Comparable {
    enum Kind: Int { case end, submission }
    var at: Instant
    var kind: Kind
    var sitting: Int
    var cell: Int

    static func < (a: Moment, b: Moment) -> Bool {
      // Of one sitting, a cell that took no time is submitted before it ends.
      if a.at == b.at, a.sitting == b.sitting { return (a.cell, -a.kind.rawValue) < (b.cell, -b.kind.rawValue) }
      return (a.at, a.kind.rawValue, a.sitting, a.cell) < (b.at, b.kind.rawValue, b.sitting, b.cell)
    }
  }

  private mutating func play(_ moment: Moment, _ cells: [Cell], _ notebook: Notebook) {
    let cell = cells[moment.cell]
    let id = NotebookID(Int32(moment.sitting))
    switch moment.kind {
    case .submission:
      if moment.cell == 0 {
        var opened = notebook
        opened.id = id
        forecaster.open(opened)
      } else if let sitting = forecaster.sittings[id.number] {
        let foreseen = sitting.foreseenAfter
        score(.think, (moment.at - sitting.endedAt).seconds, foreseen, notebook)
        score(.nextRun, cell.ran.seconds, foreseen, notebook)
        score(.nextGPUs, Double(cell.demand.gpus) + 1, foreseen, notebook)
      }
      forecaster.submit(cell.source, cell.demand, in: id, at: moment.at)
    case .end:
      if let foreseen = forecaster.sittings[id.number]?.foreseen {
        score(.run, cell.ran.seconds, foreseen, notebook)
        score(.gpus, Double(cell.demand.gpus) + 1, foreseen, notebook)
      }
      forecaster.end(
        id, ran: cell.ran, need: MeasuredNeed(gpus: cell.demand.gpus), isWhole: true, at: moment.at)
      if moment.cell == cells.count - 1 { forecaster.close(id) }
    }
  }

  private mutating func score(_ quantity: Quantity, _ actual: Double, _ foreseen: [Foreseen?], _ notebook: Notebook) {
    let value = max(actual, Forecaster.least)
    let count = seen[quantity, default: 0]
    seen[quantity] = count + 1
    let global = medians[quantity]?.value
    let last = lasts[quantity]?[notebook.path] ?? global
    medians[quantity, default: RunningMedian()].add(value)
    lasts[quantity, default: [:]][notebook.path] = value
    guard Double(count) >= taught * Double(outcomesOf[quantity] ?? 0), let foreseen = foreseen[quantity.rawValue],
      let global, let last
    else { return }
    scores[quantity, default: Score()].count(value, foreseen.quantiles, global: global, last: last)
  }
}

/// The exact median of all values so far: two heaps' worth of a sorted array, for trials only.
private struct RunningMedian: Sendable {
  private var sorted: [Double] = []

  var value: Double? { sorted.isEmpty ? nil : sorted[sorted.count / 2] }

  mutating func add(_ value: Double) {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < value { low = middle + 1 } else { high = middle }
    }
    sorted.insert(value, at: low)
  }
}
