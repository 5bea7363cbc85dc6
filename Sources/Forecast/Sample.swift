import Domain

/// The last few run times seen for one key, in seconds.
struct Sample: Sendable {
  static let most = 32

  private(set) var recent: [Double] = []
  private var oldest = 0

  var count: Int { recent.count }

  mutating func add(_ seconds: Double) {
    if recent.count < Self.most {
      recent.append(seconds)
    } else {
      recent[oldest] = seconds
      oldest = (oldest + 1) % Self.most
    }
  }

  /// Quantiles by linear interpolation between order statistics (type 7 of Hyndman and Fan, The American Statistician
  /// 50(4), 1996), widened where there are few: one run says little about the spread, so the outer quantiles are drawn
  /// apart by the factor 2^(1/√n), the quartiles by its square root.
  var quantiles: Quantiles {
    let sorted = recent.sorted()
    func at(_ share: Double, _ widening: Double) -> Span {
      let place = share * Double(sorted.count - 1)
      let low = Int(place)
      let high = min(low + 1, sorted.count - 1)
      let value = sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
      return Span(seconds: value * widening)
    }
    let outer = Self.powerOfTwo(1 / Double(sorted.count).squareRoot())
    let inner = outer.squareRoot()
    return Quantiles(
      p05: at(0.05, 1 / outer), p25: at(0.25, 1 / inner), p50: at(0.5, 1), p75: at(0.75, inner), p95: at(0.95, outer))
  }

  /// 2 to the power of `x` within 0 ... 1, by its series; the core imports no mathematics library.
  private static func powerOfTwo(_ x: Double) -> Double {
    var term = 1.0
    var sum = 1.0
    for n in 1...20 {
      term *= x * 0.693_147_180_559_945_3 / Double(n)
      sum += term
    }
    return sum
  }
}

/// Samples by key, the oldest keys forgotten beyond `Forecaster.keysMost`.
struct SampleTable<Key: Hashable & Sendable>: Sendable {
  private var samples: [Key: Sample] = [:]
  private var order: [Key] = []

  subscript(key: Key) -> Sample? { samples[key] }

  mutating func add(_ seconds: Double, to key: Key) {
    if samples[key] == nil {
      order.append(key)
      if order.count > Forecaster.keysMost {
        for old in order.prefix(Forecaster.keysMost / 8) { samples[old] = nil }
        order.removeFirst(Forecaster.keysMost / 8)
      }
    }
    samples[key, default: Sample()].add(seconds)
  }
}
