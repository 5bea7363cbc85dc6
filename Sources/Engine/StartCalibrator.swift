import Domain

/// Keeps the ranges for starts honest: stretches or shrinks them until as many cells start within them as promised.
///
/// An outlook knows nothing of cells that are yet to come and go first, of policies that take back what they gave, or of cells
/// that another one slows down. Whatever it misses shows in the starts: the wait until each end of the range is multiplied by a
/// factor, which grows by `rate × p` of itself where a cell waited longer and falls by `rate × (1 − p)` where it did not, p being the promised share of
/// starts before it. In the long run that share comes true under any policy. **Source**: quantile tracking, see Angelopoulos, Candès and
/// Tibshirani, "Conformal PID control for time series prediction", NeurIPS 2023.
public struct StartCalibrator: Sendable, Hashable {
  /// The promised shares of starts before the range's beginning, its median and its end.
  public static let promised = [0.1, 0.5, 0.9]
  /// How far a factor moves: by much at first, and never by less than this.
  static let rateLeast = 0.04
  static let factorsRange = 1e-3...1e3

  /// By what the waits until the three are multiplied.
  public private(set) var factors = [1.0, 1.0, 1.0]
  /// Promised starts that came.
  private var outcomes = 0
  /// What waiting cells were told at their submission, by notebook.
  private var promises: [NotebookID: Promise] = [:]

  private struct Promise: Sendable, Hashable {
    var cell: CellID
    var told: [Instant]
  }

  public init() {}

  /// The range as it is told. The first one that a cell is told is held against its start.
  mutating func told(_ raw: ExpectedStart, cell: CellID, of id: NotebookID, submitted: Instant, at now: Instant)
    -> ExpectedStart
  {
    let late = max((raw.late - now).seconds, 1)
    // A range that begins at once could not be stretched.
    let waits = [raw.early, raw.median, raw.late].map { max(($0 - now).seconds, late / 10) }
    let told = zip(waits, factors).map { now + Span(seconds: min($0 * $1, 1e9)) }.sorted()
    if now == submitted, promises[id]?.cell != cell { promises[id] = Promise(cell: cell, told: told) }
    return ExpectedStart(early: told[0], median: told[1], late: told[2])
  }

  /// A waiting cell started.
  mutating func started(_ cell: CellID, of id: NotebookID, at now: Instant) {
    guard let promise = promises.removeValue(forKey: id), promise.cell == cell else { return }
    let rate = max(Self.rateLeast, 3 / Double(outcomes + 6))
    outcomes += 1
    for index in factors.indices {
      let isBefore = now <= promise.told[index] ? 1.0 : 0
      let moved = factors[index] * (1 + rate * (Self.promised[index] - isBefore))
      factors[index] = min(max(moved, Self.factorsRange.lowerBound), Self.factorsRange.upperBound)
    }
  }
}
