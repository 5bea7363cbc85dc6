/// A small random generator whose sequence is the same on every machine. **Source**: Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014.
public struct SplitMix: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From 0 up to 1, which it never is.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Exponentially distributed, by inversion with a logarithm of our own, so that no library's rounding decides.
  public mutating func exponential(mean: Double) -> Double { -mean * Self.logarithm(1 - uniform()) }

  /// The natural logarithm of a number above 0 and up to 1, to about 15 digits: the exponent, and atanh's series.
  static func logarithm(_ value: Double) -> Double {
    var mantissa = value.significand
    var exponent = Double(value.exponent)
    if mantissa > 1.4142135623730951 {
      mantissa /= 2
      exponent += 1
    }
    let ratio = (mantissa - 1) / (mantissa + 1)
    let square = ratio * ratio
    var term = ratio
    var sum = 0.0
    var odd = 1.0
    while odd < 30 {
      sum += term / odd
      term *= square
      odd += 2
    }
    return 2 * sum + exponent * 0.6931471805599453
  }
}

extension SplitMix {
  /// Normally distributed with mean 0 and variance 1, by the polar method (Marsaglia and Bray, SIAM Review 1964), with the
  /// logarithm of our own; the second number of each pair is thrown away, so that a draw leaves no state behind.
  public mutating func normal() -> Double {
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let square = x * x + y * y
      if square > 0, square < 1 { return x * (-2 * Self.logarithm(square) / square).squareRoot() }
    }
  }

  /// From 0 up to `count`, which it never is; every number as likely as the others but for 2⁻⁶⁴.
  ///
  /// - Parameter count: at least 1.
  public mutating func index(below count: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(count)).high)
  }
}
