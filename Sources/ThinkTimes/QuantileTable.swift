import Glibc

/// A distribution given by some of its quantiles; between them its logarithm is straight.
public struct QuantileTable: Sendable, Hashable {
  public struct Point: Sendable, Hashable {
    /// From 0 to 1.
    public var share: Double
    /// Above 0.
    public var value: Double

    public init(_ share: Double, _ value: Double) {
      self.share = share
      self.value = value
    }
  }

  public var points: [Point]

  /// - Parameter points: at least one, shares ascending.
  public init(_ points: [Point]) { self.points = points }

  /// The quantiles of a sample at shares from 0 to 1, values below `floor` raised to it; nil for an empty one.
  public init?(of sample: [Double], floor: Double) {
    let sorted = sample.sorted()
    guard !sorted.isEmpty else { return nil }
    points = [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1].compactMap { share in
      Self.quantile(share, of: sorted).map { Point(share, max($0, floor)) }
    }
  }

  /// The value that a share of all does not exceed.
  public func value(at share: Double) -> Double {
    guard let first = points.first, let last = points.last else { return 0 }
    if share <= first.share { return first.value }
    for index in 1..<max(points.count, 1) where share <= points[index].share {
      let (a, b) = (points[index - 1], points[index])
      guard b.share > a.share else { return b.value }
      let place = (share - a.share) / (b.share - a.share)
      return exp(log(a.value) + place * (log(b.value) - log(a.value)))
    }
    return last.value
  }

  /// A sample's quantile by linear interpolation between its values (Hyndman and Fan's seventh); nil for an empty one.
  public static func quantile(_ share: Double, of sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let place = share * Double(sorted.count - 1)
    let low = Int(place)
    guard low + 1 < sorted.count else { return sorted[sorted.count - 1] }
    return sorted[low] + (place - Double(low)) * (sorted[low + 1] - sorted[low])
  }
}
