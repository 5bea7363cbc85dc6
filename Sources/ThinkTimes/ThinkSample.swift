import Domain
import Traces

/// What a trace says about how its people work: the gaps between their commands, and how cells come in bursts.
public struct ThinkSample: Sendable {
  /// The gaps that are thoughts, in seconds.
  public struct Range: Sendable, Hashable {
    /// A shorter gap is Run All.
    public var leastSeconds: Double
    /// A longer one is an absence.
    public var mostSeconds: Double

    public init(leastSeconds: Double = 0.5, mostSeconds: Double = 3600) {
      self.leastSeconds = leastSeconds
      self.mostSeconds = mostSeconds
    }
  }

  public var range: Range
  /// Think times in seconds, in the order of the trace.
  public private(set) var thinks: [Double] = []
  /// How long the cell before each think time ran, in seconds.
  public private(set) var runsBefore: [Double] = []
  /// Pairs of think times that follow each other in a notebook.
  public private(set) var pairs: [(Double, Double)] = []
  /// How many cells each burst has.
  public private(set) var bursts: [Double] = []
  /// How many cells each notebook has, absences counted as its end.
  public private(set) var cellCounts: [Double] = []
  /// All run times, in seconds.
  public private(set) var runs: [Double] = []
  /// How many gaps are Run All, and how many are absences.
  public private(set) var gapsBelow = 0
  public private(set) var gapsAbove = 0

  public init(of trace: Trace, range: Range = Range()) {
    self.range = range
    for notebook in trace.notebooks { take(notebook) }
  }

  private mutating func take(_ notebook: TraceNotebook) {
    var burst = 0.0
    var cells = 0.0
    var last: Double?
    for (index, cell) in notebook.cells.enumerated() {
      let gap = cell.think.seconds
      let isFirst = index == 0
      if !isFirst, gap > range.mostSeconds {
        gapsAbove += 1
        bursts.append(burst)
        cellCounts.append(cells)
        (burst, cells, last) = (0, 0, nil)
      } else if gap >= range.leastSeconds, gap <= range.mostSeconds {
        thinks.append(gap)
        runsBefore.append(isFirst ? 0 : notebook.cells[index - 1].run.seconds)
        if let last { pairs.append((last, gap)) }
        last = gap
        if burst > 0 { bursts.append(burst) }
        burst = 0
      } else if !isFirst {
        gapsBelow += 1
      }
      burst += 1
      cells += 1
      runs.append(cell.run.seconds)
    }
    if burst > 0 { bursts.append(burst) }
    if cells > 0 { cellCounts.append(cells) }
  }

  /// How think times go with the run time of the cell before: Spearman's rank correlation; nil for fewer than 3.
  public var correlationWithRun: Double? { Self.rankCorrelation(thinks, runsBefore) }
  /// How think times go with the one before them: Spearman's rank correlation; nil for fewer than 3 pairs.
  public var correlationWithLast: Double? { Self.rankCorrelation(pairs.map(\.0), pairs.map(\.1)) }

  /// The median think time after cells that ran up to a second's tenth, a second, ten, a hundred, and longer.
  public var medianByRun: [(runMostSeconds: Double, count: Int, medianSeconds: Double?)] {
    let limits = [0.1, 1, 10, 100, Double.infinity]
    return limits.enumerated().map { index, limit in
      let least = index == 0 ? -1 : limits[index - 1]
      let within = zip(thinks, runsBefore).filter { $0.1 >= least && $0.1 < limit }.map(\.0)
      return (limit, within.count, QuantileTable.quantile(0.5, of: within.sorted()))
    }
  }

  /// Spearman's rank correlation: Pearson's, of the ranks, ties sharing the mean of theirs.
  static func rankCorrelation(_ a: [Double], _ b: [Double]) -> Double? {
    guard a.count >= 3, a.count == b.count else { return nil }
    let (x, y) = (ranks(a), ranks(b))
    let mean = Double(a.count - 1) / 2
    var covariance = 0.0
    var varianceX = 0.0
    var varianceY = 0.0
    for index in x.indices {
      covariance += (x[index] - mean) * (y[index] - mean)
      varianceX += (x[index] - mean) * (x[index] - mean)
      varianceY += (y[index] - mean) * (y[index] - mean)
    }
    guard varianceX > 0, varianceY > 0 else { return nil }
    return covariance / (varianceX * varianceY).squareRoot()
  }

  private static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var ranks = [Double](repeating: 0, count: values.count)
    var index = 0
    while index < order.count {
      var next = index + 1
      while next < order.count, values[order[next]] == values[order[index]] { next += 1 }
      for place in index..<next { ranks[order[place]] = Double(index + next - 1) / 2 }
      index = next
    }
    return ranks
  }
}
