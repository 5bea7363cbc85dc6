/// Amdahl's law: how much faster a cell runs on several cores than on one.
///
/// `speedup(k) = 1 / ((1 − p) + p/k)` for k ≥ 1; below one core a cell gets its share of a core, `speedup(k) = k`.
/// **Source**: Amdahl, "Validity of the single processor approach to achieving large scale computing capabilities",
/// AFIPS 1967.
@frozen public struct Speedup: Hashable, Sendable {
  /// The share of the work that runs in parallel, in thousandths, up to 1000; below 0 where several cores make it slower,
  /// as starting worker processes or threads can.
  public var parallelThousandths: Int32

  @inlinable public init(parallelThousandths: Int32) { self.parallelThousandths = parallelThousandths }

  /// How much faster than on one core.
  @inlinable public func over(cores: Double) -> Double {
    if cores <= 1 { return max(cores, 0) }
    let parallel = Double(parallelThousandths) / 1000
    return 1 / ((1 - parallel) + parallel / cores)
  }

  /// The rate on `cores` of the `most` cores that it can use: 1 on all of them.
  @inlinable public func rate(on cores: Double, of most: Int32) -> Double {
    cores >= Double(most) ? 1 : over(cores: cores) / over(cores: Double(most))
  }
}
