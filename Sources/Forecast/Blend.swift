import Domain

/// A forecast while it is being made: the distribution over all bins, from the sketches of several levels.
struct Blend: ~Copyable {
  /// The probability of values up to and including each bin.
  private var upTo: [Double]

  /// - Parameter parts: sketches with their shares, which add up to 1 or a little less; the rest is spread over all bins.
  init(_ parts: [(sketch: DecayingSketch, share: Double)], isCount: Bool) {
    // A difference array: each bin of a sketch is a box of `2 × reach + 1` bins.
    var steps = [Double](repeating: 0, count: LogScale.bins + 1)
    var rest = 1.0
    for (sketch, share) in parts where sketch.weight > 0 {
      let reach = sketch.reach(isCount: isCount)
      let height = share / (Double(sketch.weight) * Double(2 * reach + 1))
      rest -= share
      for bin in sketch.bins {
        let from = max(Int(bin.place) - reach, 0)
        let to = min(Int(bin.place) + reach + 1, LogScale.bins)
        steps[from] += Double(bin.weight) * height
        steps[to] -= Double(bin.weight) * height
      }
    }
    steps[0] += max(rest, 0) / Double(LogScale.bins)
    var density = 0.0
    var sum = 0.0
    for bin in 0..<LogScale.bins {
      density += steps[bin]
      sum += max(density, 0)
      steps[bin] = sum
    }
    // The boxes at the ends are cut off: what is left is made a whole again.
    let whole = 1 / max(sum, .leastNormalMagnitude)
    for bin in 0..<LogScale.bins { steps[bin] *= whole }
    steps.removeLast()
    upTo = steps
  }

  /// The value up to which the probability is `share`, linear within a bin.
  func value(at share: Double) -> Double {
    var low = 0
    var high = LogScale.bins - 1
    while low < high {
      let middle = (low + high) / 2
      if upTo[middle] >= share { high = middle } else { low = middle + 1 }
    }
    let below = low > 0 ? upTo[low - 1] : 0
    let part = upTo[low] > below ? (share - below) / (upTo[low] - below) : 0
    return LogScale.value(at: Double(low) + min(max(part, 0), 1))
  }
}
