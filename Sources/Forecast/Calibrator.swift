import Domain

/// Keeps five quantiles honest: moves the share that is asked of a distribution until as many outcomes as promised lie
/// below.
///
/// After each outcome the share `s` for the promised share `p` becomes `s + rate × (p − [outcome ≤ quantile])`. Whatever
/// the outcomes are, the share of them below the quantile differs from `p` by at most `(1 + rate) / (rate × n)` after n outcomes,
/// while `s` stays within its bounds. **Source**: adaptive conformal inference, Gibbs and Candès, NeurIPS 2021; quantile tracking,
/// Angelopoulos, Candès and Tibshirani, "Conformal PID control", NeurIPS 2023.
struct Calibrator: Sendable, Hashable {
  static let promised = Quantiles.shares
  static let rate = 0.01
  static let bounds = 0.002...0.998

  /// What is asked of the distribution for each of `promised`, in order.
  private(set) var shares = promised

  init() {}

  /// Saved shares; nil where they are out of bounds.
  init?(shares: [Double]) {
    guard shares.count == Self.promised.count, shares.allSatisfy(Self.bounds.contains), shares == shares.sorted()
    else { return nil }
    self.shares = shares
  }

  /// Learns that the outcome of a forecast was `value`.
  mutating func learn(_ value: Double, foreseen: [Double]) {
    for index in shares.indices {
      let isBelow = value <= foreseen[index] ? 1.0 : 0
      let moved = shares[index] + Self.rate * (Self.promised[index] - isBelow)
      shares[index] = min(max(moved, Self.bounds.lowerBound), Self.bounds.upperBound)
    }
    shares.sort()
  }
}

/// How well ranges kept what they promised.
public struct Coverage: Sendable, Hashable {
  /// Outcomes that a forecast had been made for.
  public internal(set) var outcomes: Int64 = 0
  /// Outcomes within the range from the lower to the upper quartile.
  public internal(set) var inHalf: Int64 = 0
  /// Outcomes within the range from the 5 % to the 95 % quantile.
  public internal(set) var inNinetyPercent: Int64 = 0
  /// Outcomes up to the median.
  public internal(set) var upToMedian: Int64 = 0

  public init() {}

  /// The share of outcomes in the 50 % range; 0 where there were none.
  public var half: Double { Double(inHalf) / Double(max(outcomes, 1)) }
  /// The share of outcomes in the 90 % range; 0 where there were none.
  public var ninetyPercent: Double { Double(inNinetyPercent) / Double(max(outcomes, 1)) }
  /// The share of outcomes up to the median; 0 where there were none.
  public var median: Double { Double(upToMedian) / Double(max(outcomes, 1)) }

  /// Counts an outcome; `foreseen` are its five quantiles.
  public mutating func count(_ value: Double, foreseen: [Double]) {
    outcomes += 1
    if foreseen[1] <= value, value <= foreseen[3] { inHalf += 1 }
    if foreseen[0] <= value, value <= foreseen[4] { inNinetyPercent += 1 }
    if value <= foreseen[2] { upToMedian += 1 }
  }
}
