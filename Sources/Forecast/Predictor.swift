import Domain

/// A forecast of one quantity before it is given a unit: five quantiles, and what they rest on.
struct Foreseen: Sendable, Hashable {
  /// At the shares of `Calibrator.promised`, in order.
  var quantiles: [Double]
  /// The most particular level that knew anything.
  var level: Level
  /// The best of what was known.
  var basis: ForecastBasis
  /// How many values that level is worth.
  var evidence: Double
}

/// Predicts one positive quantity from what it was in like contexts.
///
/// Each level has a sketch for its key. The forecast is their mixture: from the most general on, each level takes the share that it is
/// trusted with and leaves the rest to those before it. Trust is learned for each level and amount of evidence, as the
/// share of outcomes that the level explains better than the more general ones do. A calibrator for each level then corrects
/// the quantiles. All work is bounded by the number of levels and bins.
///
/// **Source**: deleted interpolation, Jelinek and Mercer 1980, with online estimation (Cappé and Moulines, "On-line
/// expectation-maximization", J. R. Stat. Soc. B 71, 2009); see `Calibrator` for the correction.
struct Predictor: Sendable, Hashable {
  /// Classes of evidence: up to 1.5, 3, 6, 12, 24 values, and more.
  static let classes = 6

  /// The quantity is a small whole number: quantiles are one of the numbers seen, and nothing is spread or corrected.
  let isCount: Bool
  private(set) var table: KeyedTable<DecayingSketch>
  /// By level, then by class of evidence.
  private(set) var trust: [Float]
  private(set) var calibrators = [Calibrator](repeating: Calibrator(), count: Level.allCases.count)
  private(set) var coverage = Coverage()

  /// - Parameter trust: what every level is trusted with at first; nil for the level's own.
  init(keysMost: Int, isCount: Bool, trust: Float? = nil) {
    self.isCount = isCount
    table = KeyedTable(most: keysMost)
    self.trust = Level.allCases.flatMap { Array(repeating: trust ?? $0.trustAtFirst, count: Self.classes) }
  }

  /// A saved predictor; nil where it is none that `learn` could have made.
  init?(
    table: KeyedTable<DecayingSketch>, isCount: Bool, trust: [Float], calibrators: [Calibrator], coverage: Coverage
  ) {
    guard trust.count == Level.allCases.count * Self.classes, trust.allSatisfy({ (0...1).contains($0) }),
      calibrators.count == Level.allCases.count
    else { return nil }
    self.isCount = isCount
    self.table = table
    self.trust = trust
    self.calibrators = calibrators
    self.coverage = coverage
  }

  private static func place(_ level: Level, _ weight: Float) -> Int {
    var step = 0
    var bound: Float = 1.5
    while step < classes - 1, weight > bound {
      bound *= 2
      step += 1
    }
    return level.rawValue * classes + step
  }

  /// The sketches of the contexts that are known, the most general first.
  private func known(_ contexts: Contexts) -> [(level: Level, sketch: DecayingSketch)] {
    var result: [(level: Level, sketch: DecayingSketch)] = []
    for level in Level.allCases where contexts[level] != 0 {
      if let sketch = table[contexts[level]], sketch.weight > 0 { result.append((level, sketch)) }
    }
    return result
  }

  /// How many bins a forecast in these contexts looks at, beside those of the blend: what its work is proportional to.
  func binsRead(_ contexts: Contexts) -> Int { known(contexts).reduce(0) { $0 + $1.sketch.bins.count } }

  private func blend(_ known: [(level: Level, sketch: DecayingSketch)], _ general: DecayingSketch?) -> Blend {
    var left = 0.999
    var parts: [(sketch: DecayingSketch, share: Double)] = []
    for (level, sketch) in known.reversed() {
      let own = level == .everyone ? 1 : Double(trust[Self.place(level, sketch.weight)])
      parts.append((sketch, left * own))
      left *= 1 - own
    }
    if let general { parts.append((general, left)) }
    return Blend(parts, isCount: isCount)
  }

  /// What is foreseen in these contexts; nil where nothing was ever seen.
  ///
  /// - Parameter general: what is expected where the contexts that are known are not trusted.
  func foresee(_ contexts: Contexts, otherwise general: DecayingSketch? = nil) -> Foreseen? {
    let known = known(contexts)
    guard let last = known.last else { return nil }
    let blend = blend(known, general)
    let quantiles = calibrators[last.level.rawValue].shares.map {
      let value = blend.value(at: $0)
      return isCount ? value.rounded(.down) : value
    }
    let basis = known.map(\.level.basis).min { $0.rawValue < $1.rawValue } ?? .everyone
    return Foreseen(
      quantiles: quantiles, level: last.level, basis: basis, evidence: Double(last.sketch.weight))
  }

  /// Learns what a value was; `foreseen` is what was forecast for it, where anything was.
  mutating func learn(_ value: Double, _ contexts: Contexts, foreseen: Foreseen?) {
    if let foreseen {
      coverage.count(value, foreseen: foreseen.quantiles)
      if !isCount { calibrators[foreseen.level.rawValue].learn(value, foreseen: foreseen.quantiles) }
    }
    let place = LogScale.bin(of: value)
    var general = 1e-3 / Double(LogScale.bins)
    for (level, sketch) in known(contexts) {
      let own = sketch.mass(at: place, isCount: isCount)
      guard level != .everyone else {
        general += own
        continue
      }
      let index = Self.place(level, sketch.weight)
      let share = Double(trust[index])
      let mixed = share * own + (1 - share) * general
      let explained = share * own / mixed
      trust[index] = Float(min(max(share + 0.01 * (explained - share), 0.01), 0.99))
      general = mixed
    }
    for level in Level.allCases where contexts[level] != 0 {
      table.update(contexts[level], from: DecayingSketch()) {
        $0.add(place, keep: 1 - 1 / level.memory, most: level.binsMost)
      }
    }
  }
}
