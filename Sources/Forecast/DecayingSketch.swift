import Domain

/// A distribution seen as a stream: weights of log-spaced bins, each new value weighing more than all before it by a
/// constant factor, so that the recent past counts and the distant one fades.
///
/// Memory is bounded by the most bins that `add` is given, and so is the work of an update. Where more bins are needed, the lightest is merged into its
/// nearer neighbour. **Source**: forward decay is Cormode et al., "Forward decay", ICDE 2009; the bins are those of
/// relative-error sketches (Masson et al., "DDSketch", VLDB 12(12), 2019).
struct DecayingSketch: Sendable, Hashable {
  struct Bin: Sendable, Hashable {
    var place: UInt16
    var weight: Float
  }

  /// In order of place.
  private(set) var bins: [Bin] = []
  /// The sum of all weights: how many values the sketch is worth.
  private(set) var weight: Float = 0

  init() {}

  /// A distribution of which only the quantiles at `Calibrator.promised` are known, in order.
  init(quantiles: [Double]) {
    for (value, share) in zip(quantiles, Quantiles.masses) {
      let place = LogScale.bin(of: value)
      if let last = bins.indices.last, Int(bins[last].place) >= place {
        bins[last].weight += Float(share)
      } else {
        bins.append(Bin(place: UInt16(place), weight: Float(share)))
      }
    }
    weight = bins.reduce(0) { $0 + $1.weight }
  }

  /// A saved sketch; nil where it is none that `add` could have made.
  init?(bins: [Bin], most: Int) {
    guard bins.count <= most else { return nil }
    var last = -1
    for bin in bins {
      guard Int(bin.place) > last, Int(bin.place) < LogScale.bins, bin.weight > 0, bin.weight < 1e6 else { return nil }
      last = Int(bin.place)
      weight += bin.weight
    }
    self.bins = bins
  }

  /// Counts a value in, after all that was there has faded to `keep` of its weight.
  mutating func add(_ place: Int, keep: Float, most: Int) {
    for index in bins.indices { bins[index].weight *= keep }
    let at = bins.firstIndex { Int($0.place) >= place } ?? bins.endIndex
    if at < bins.endIndex, Int(bins[at].place) == place {
      bins[at].weight += 1
    } else {
      bins.insert(Bin(place: UInt16(place), weight: 1), at: at)
    }
    bins.removeAll { $0.weight < 1e-3 }
    if bins.count > most { mergeLightest() }
    // Summed anew, so that a saved sketch is exactly the one that goes on.
    weight = bins.reduce(0) { $0 + $1.weight }
  }

  private mutating func mergeLightest() {
    var lightest = 0
    for index in bins.indices where bins[index].weight < bins[lightest].weight { lightest = index }
    let place = Int(bins[lightest].place)
    let below = lightest > 0 ? place - Int(bins[lightest - 1].place) : .max
    let above = lightest + 1 < bins.count ? Int(bins[lightest + 1].place) - place : .max
    bins[below <= above ? lightest - 1 : lightest + 1].weight += bins[lightest].weight
    bins.remove(at: lightest)
  }

  /// By how many bins each value is spread to either side: the less was seen, the more. Counts are not spread.
  func reach(isCount: Bool) -> Int { isCount ? 0 : max(1, Int(10 / Double(max(weight, 1)).squareRoot())) }

  /// The probability of a bin.
  func mass(at place: Int, isCount: Bool) -> Double {
    let reach = reach(isCount: isCount)
    var sum = 0.0
    for bin in bins where abs(Int(bin.place) - place) <= reach { sum += Double(bin.weight) }
    return sum / (Double(weight) * Double(2 * reach + 1))
  }
}
