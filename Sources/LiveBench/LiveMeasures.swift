/// What one arm came to, by the design's section 6, from what its client saw.
///
/// For notebook *i*, T_alone is the sum of its cells' times alone, measured in the same run, and T_shared the sum over its
/// cells of (ended − submitted); NTT = T_shared / T_alone, ANTT its mean, STP = Σ T_alone / T_shared (Eyerman and Eeckhout,
/// "System-level performance metrics for multiprogram workloads", IEEE Micro 28 (2008)). All times in seconds.
public struct LiveMeasures: Codable, Hashable, Sendable {
  public var antt = 0.0
  public var stp = 0.0
  /// The same with the think times counted in both times.
  public var anttWithThink = 0.0
  public var stpWithThink = 0.0
  public var worstNTT = 0.0
  /// What a cell took longer than alone: the delay that its author felt.
  public var delayP50 = 0.0
  public var delayP95 = 0.0
  /// From submission to end: the delay and the run.
  public var turnaroundP50 = 0.0
  public var turnaroundP95 = 0.0
  public var makespan = 0.0
  public var cells = 0
  public var cellsFailed = 0
  /// By notebook, in the order of the workload.
  public var ntt: [Double] = []

  public init() {}

  /// - Parameters:
  ///   - cells: those of the arm.
  ///   - names: the workload's notebooks.
  ///   - document: which document a notebook is a copy of.
  ///   - thinks: the think times before each notebook's cells.
  public init(
    _ cells: [TimedCell], names: [String], document: (String) -> String, thinks: [[Double]], alone: AloneTimes
  ) {
    var delays: [Double] = []
    for (place, name) in names.enumerated() {
      let own = cells.filter { $0.notebook == name }
      let times = own.compactMap { cell in alone.of(document(name), cell.number).map { (cell, $0) } }
      cellsFailed += own.count { !$0.isWell }
      guard let whole = alone.whole(document(name)), whole > 0, times.count == alone.seconds[document(name)]?.count
      else { continue }
      let shared = times.reduce(0) { $0 + $1.0.turnaround }
      let think = thinks.indices.contains(place) ? thinks[place].reduce(0, +) : 0
      ntt.append(shared / whole)
      stp += whole / shared
      anttWithThink += (shared + think) / (whole + think)
      stpWithThink += (whole + think) / (shared + think)
      delays += times.map { max($0.0.turnaround - $0.1, 0) }
    }
    let count = Double(max(ntt.count, 1))
    antt = ntt.reduce(0, +) / count
    anttWithThink /= count
    worstNTT = ntt.max() ?? 0
    self.cells = cells.count
    makespan = cells.map(\.ended).max() ?? 0
    (delayP50, delayP95) = (Self.percentile(delays, 0.5), Self.percentile(delays, 0.95))
    let turnarounds = cells.map(\.turnaround)
    (turnaroundP50, turnaroundP95) = (Self.percentile(turnarounds, 0.5), Self.percentile(turnarounds, 0.95))
  }

  /// By nearest rank; 0 where there are no values.
  public static func percentile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let rank = Int((share * Double(sorted.count)).rounded(.up))
    return sorted[min(max(rank, 1), sorted.count) - 1]
  }
}

/// The middle of several repetitions, with the least and the greatest.
public struct Spread: Codable, Hashable, Sendable {
  public var median: Double
  public var least: Double
  public var most: Double
  public var count: Int

  /// Nil where there are no values.
  public init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    (least, most, count) = (first, last, sorted.count)
  }
}
