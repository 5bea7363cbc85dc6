import Domain

/// Keeps the ranges for starts honest: stretches or shrinks them until as many cells start within them as promised.
///
/// An outlook knows nothing of cells that are yet to come and go first, of policies that take back what they gave, or of cells
/// that another one slows down. Whatever it misses shows in the starts: how many times as long as foreseen each cell waited. The
/// wait until each end of a range is multiplied by a quantile of those ratios, over the last `memory` starts and `prior`, which spreads
/// a range wide until starts have spoken; and by a nudge, which begins at 1 and grows by `rate × p` of itself where a cell waited
/// longer and falls by `rate × (1 − p)` where it did not, p being the promised share of starts
/// before it, so that in the long run that share comes true under any policy. **Sources**: conformal prediction and its adaptive
/// form, Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021; Angelopoulos, Candès and
/// Tibshirani, "Conformal PID control for time series prediction", NeurIPS 2023.
public struct StartCalibrator: Sendable, Hashable {
  /// The promised shares of starts before the range's beginning, its median and its end.
  public static let promised = [0.1, 0.5, 0.9]
  /// How many starts are remembered.
  static let memory = 256
  /// How far a nudge moves with a start.
  static let rate = 0.04
  /// Ratios as if they had been seen before the first start; they count as much as as many starts.
  static let prior = [1.0 / 16, 1.0 / 4, 1.0 / 2, 1, 1, 2, 4, 16]
  static let factorsRange = 1e-3...1e3

  /// By what the waits until the three are multiplied.
  public private(set) var factors: [Double]
  private var ends = [RatioWindow](repeating: RatioWindow(prior: Self.prior), count: Self.promised.count)
  private var nudges = [Double](repeating: 1, count: Self.promised.count)
  /// What waiting cells were told at their submission, by notebook.
  private var promises: [NotebookID: Promise] = [:]

  private struct Promise: Sendable, Hashable {
    var cell: CellID
    var told: [Instant]
    /// The waits that the outlook foresaw, in seconds.
    var foreseen: [Double]
    var at: Instant
  }

  public init() { factors = zip(ends, Self.promised).map { $0.quantile($1) } }

  /// The range as it is told. The first one that a cell is told is held against its start.
  mutating func told(_ raw: ExpectedStart, cell: CellID, of id: NotebookID, submitted: Instant, at now: Instant)
    -> ExpectedStart
  {
    let late = max((raw.late - now).seconds, 1)
    // A range that begins at once could not be stretched.
    let waits = [raw.early, raw.median, raw.late].map { max(($0 - now).seconds, late / 10) }
    let told = zip(waits, factors).map { now + Span(seconds: min($0 * $1, 1e9)) }.sorted()
    if now == submitted, promises[id]?.cell != cell {
      promises[id] = Promise(cell: cell, told: told, foreseen: waits, at: now)
    }
    return ExpectedStart(early: told[0], median: told[1], late: told[2])
  }

  /// A waiting cell started.
  mutating func started(_ cell: CellID, of id: NotebookID, at now: Instant) {
    guard let promise = promises.removeValue(forKey: id), promise.cell == cell else { return }
    for index in ends.indices {
      let isBefore = now <= promise.told[index] ? 1.0 : 0
      let nudge = nudges[index] * (1 + Self.rate * (Self.promised[index] - isBefore))
      nudges[index] = min(max(nudge, Self.factorsRange.lowerBound), Self.factorsRange.upperBound)
      ends[index].add((now - promise.at).seconds / promise.foreseen[index])
      let factor = ends[index].quantile(Self.promised[index]) * nudges[index]
      factors[index] = min(max(factor, Self.factorsRange.lowerBound), Self.factorsRange.upperBound)
    }
  }
}

/// The latest ratios, sorted, with those that were taken for granted at first, which fade as others come.
private struct RatioWindow: Sendable, Hashable {
  private var sorted: [Double]
  /// In the order in which they came, from `oldest` around.
  private var ring: [Double]
  private var oldest = 0

  init(prior: [Double]) {
    ring = prior
    sorted = prior.sorted()
  }

  mutating func add(_ ratio: Double) {
    if ring.count < StartCalibrator.memory {
      ring.append(ratio)
    } else {
      sorted.remove(at: place(of: ring[oldest]))
      ring[oldest] = ratio
      oldest = (oldest + 1) % ring.count
    }
    sorted.insert(ratio, at: place(of: ratio))
  }

  /// Where the first value stands that is not smaller.
  private func place(of ratio: Double) -> Int {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < ratio { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The value that a share of the next ones should not exceed: between two of the n, the share × (n + 1)th; beyond the ends,
  /// where n values say nothing, as much further as the share is short.
  func quantile(_ share: Double) -> Double {
    let place = share * Double(sorted.count + 1) - 1
    let last = Double(sorted.count - 1)
    guard place > 0 else { return sorted[0] / (1 - place) }
    guard place < last else { return sorted[sorted.count - 1] * (1 + place - last) }
    let below = Int(place)
    return sorted[below] + (sorted[below + 1] - sorted[below]) * (place - Double(below))
  }
}
