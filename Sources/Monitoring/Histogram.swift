import Domain

/// Counts of spans by size: how many were no longer than each bound, as Prometheus has it.
public struct Histogram: Sendable, Hashable {
  /// The upper bounds, ascending; a last one without end is understood.
  public let bounds: [Span]
  /// How many spans fell between the bound before and this one; the last are those beyond all bounds.
  public private(set) var counts: [UInt64]
  public private(set) var sum = Span.zero

  public init(bounds: [Span]) {
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count + 1)
  }

  /// What people feel: from a hundredth of a second to a day.
  public static let waits = Histogram(
    bounds: [0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400].map { Span(seconds: $0) })

  /// What the engine's thread takes: from 10 µs to a second.
  public static let work = Histogram(
    bounds: [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 1_000_000].map {
      Span(microseconds: $0)
    })

  public var count: UInt64 { counts.reduce(0, +) }

  public mutating func add(_ span: Span) {
    // The bounds are few, and most spans are short.
    var place = 0
    while place < bounds.count, span > bounds[place] { place += 1 }
    counts[place] += 1
    sum += span
  }
}
