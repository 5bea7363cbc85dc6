/// Bins on which equal ratios are nearly equal steps: `steps` to each doubling, the same on every machine.
///
/// Within a doubling the bins are of equal width (as in HdrHistogram), so that no logarithm is needed: the exponent and
/// the significand of the number say which bin it is in. A bin is between 3 and 6 % wide.
enum LogScale {
  static let steps = 16
  /// 2^-14 (61 microseconds in seconds) to 2^26 (777 days); what is beyond counts as the end.
  static let exponentLeast = -14
  static let exponentMost = 26
  static let bins = (exponentMost - exponentLeast) * steps

  /// The bin of a value; 0 for what is nothing, negative or no number.
  static func bin(of value: Double) -> Int {
    guard value > 0, value.isFinite else { return value == .infinity ? bins - 1 : 0 }
    return min(max(Int(place(of: value)), 0), bins - 1)
  }

  /// Where a positive value stands, in bins and parts of a bin.
  static func place(of value: Double) -> Double {
    (Double(Int(value.exponent) - exponentLeast) + (value.significand - 1)) * Double(steps)
  }

  /// The value at a place, the inverse of `place`.
  static func value(at place: Double) -> Double {
    let octaves = min(max(place, 0), Double(bins)) / Double(steps)
    let whole = octaves.rounded(.down)
    return Double(sign: .plus, exponent: Int(whole) + exponentLeast, significand: 1 + (octaves - whole))
  }
}
