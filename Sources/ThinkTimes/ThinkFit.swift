import Chance
import Glibc

/// A model fitted to think times, and how well.
public struct ThinkFit: Sendable, Hashable {
  public var model: ThinkModel
  /// The logarithm of the likelihood of the sample.
  public var logLikelihood: Double
  /// Akaike's criterion, `2k − 2 ln L`: the smaller, the better.
  public var aic: Double
  /// The Kolmogorov-Smirnov distance: the largest difference between the model's distribution function and the sample's.
  public var ks: Double

  /// Measures a model on a sample.
  ///
  /// - Parameter sorted: think times in seconds, ascending, none empty.
  public init(of model: ThinkModel, on sorted: [Double]) {
    self.model = model
    logLikelihood = sorted.reduce(0) { $0 + model.logDensity($1) }
    aic = 2 * Double(model.family.parameters) - 2 * logLikelihood
    ks = Self.distance(of: model, from: sorted)
  }

  /// The Kolmogorov-Smirnov distance of a model from a sorted sample; ties are one step.
  public static func distance(of model: ThinkModel, from sorted: [Double]) -> Double {
    let count = Double(sorted.count)
    var most = 0.0
    var index = 0
    while index < sorted.count {
      var next = index + 1
      while next < sorted.count, sorted[next] == sorted[index] { next += 1 }
      let share = model.cumulative(sorted[index])
      most = max(most, share - Double(index) / count, Double(next) / count - share)
      index = next
    }
    return most
  }

  /// Fits every family by maximum likelihood, best first by AIC. A family that the sample cannot tell (all values alike) is
  /// left out.
  ///
  /// - Parameters:
  ///   - seconds: think times above 0; others are passed over. Fewer than two give no fit.
  ///   - seed: of the mixtures' starts; the same seed gives the same fit.
  public static func all(to seconds: [Double], seed: UInt64 = 1) -> [ThinkFit] {
    let sorted = seconds.filter { $0 > 0 && $0.isFinite }.sorted()
    guard let first = sorted.first, let last = sorted.last, first < last else { return [] }
    return ThinkModel.Family.allCases.compactMap { family -> ThinkFit? in
      guard let model = model(family, sorted: sorted, seed: seed) else { return nil }
      let fit = ThinkFit(of: model, on: sorted)
      return fit.aic.isFinite ? fit : nil
    }.sorted { $0.aic < $1.aic }
  }

  /// The most likely model of a family; nil where there is none.
  ///
  /// - Parameter sorted: ascending, all above 0, at least two different ones.
  static func model(_ family: ThinkModel.Family, sorted: [Double], seed: UInt64) -> ThinkModel? {
    let count = Double(sorted.count)
    let logs = sorted.map { log($0) }
    switch family {
    case .exponential: return ThinkModel(family: family, numbers: [sorted.reduce(0, +) / count])
    case .lognormal:
      let (mu, sigma) = moments(logs)
      return ThinkModel(family: family, numbers: [mu, sigma])
    case .weibull: return weibull(logs)
    case .pareto:
      let least = logs[0]
      let sum = logs.reduce(0) { $0 + ($1 - least) }
      return ThinkModel(family: family, numbers: [sorted[0], count / sum])
    case .hyperExponential: return Mixture.exponentials(sorted, seed: seed)
    case .twoLognormals: return Mixture.lognormals(logs, seed: seed)
    }
  }

  static func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    return (mean, variance.squareRoot())
  }

  /// The shape is the only root of the likelihood's slope, which rises with it (Cohen, "Maximum likelihood estimation in the
  /// Weibull distribution", Technometrics 1965): bisection on its logarithm, with the powers taken relative to the largest
  /// value, so that none overflows.
  private static func weibull(_ logs: [Double]) -> ThinkModel? {
    let count = Double(logs.count)
    let mean = logs.reduce(0, +) / count
    let top = logs[logs.count - 1]
    func sums(_ shape: Double) -> (plain: Double, weighted: Double) {
      var plain = 0.0
      var weighted = 0.0
      for x in logs {
        let power = exp(shape * (x - top))
        plain += power
        weighted += power * x
      }
      return (plain, weighted)
    }
    var low = log(1e-3)
    var high = log(1e3)
    for _ in 0..<60 {
      let shape = exp((low + high) / 2)
      let (plain, weighted) = sums(shape)
      if weighted / plain - 1 / shape - mean < 0 { low = (low + high) / 2 } else { high = (low + high) / 2 }
    }
    let shape = exp((low + high) / 2)
    let scale = exp(top + log(sums(shape).plain / count) / shape)
    return ThinkModel(family: .weibull, numbers: [shape, scale])
  }
}

/// Two-component mixtures by expectation and maximisation (Dempster, Laird and Rubin, JRSS B 1977).
///
/// Several starts run a few rounds each, one from the sample's halves and the rest drawn; the likeliest goes on until its
/// gain vanishes. The shares of the components are computed with log-sum-exp; no component's spread falls under a floor and
/// no weight under half an observation, so that none can fall onto a single value.
enum Mixture {
  static let starts = 8
  static let firstRounds = 30
  static let roundsMost = 3000
  /// The gain in log-likelihood for each observation under which the fit is done.
  static let gainLeast = 1e-9

  /// One component: a weight, a place and, for lognormals, a spread.
  struct Component {
    var weight: Double
    var place: Double
    var spread: Double
  }

  static func lognormals(_ logs: [Double], seed: UInt64) -> ThinkModel? {
    let floor = max(ThinkFit.moments(logs).deviation * 0.01, 1e-4)
    let fit = best(
      logs, seed: seed, floor: floor,
      density: { x, component in ThinkModel.logNormalDensity(x, component.place, component.spread) + x },
      isLog: true)
    guard let (a, b) = fit else { return nil }
    return ThinkModel(family: .twoLognormals, numbers: [a.weight, a.place, a.spread, b.place, b.spread])
  }

  static func exponentials(_ sorted: [Double], seed: UInt64) -> ThinkModel? {
    let floor = max(sorted[0] * 0.01, 1e-9)
    let fit = best(
      sorted, seed: seed, floor: floor, density: { x, component in -log(component.place) - x / component.place },
      isLog: false)
    guard let (a, b) = fit else { return nil }
    return ThinkModel(family: .hyperExponential, numbers: [a.weight, a.place, b.place])
  }

  /// - Parameters:
  ///   - values: ascending.
  ///   - floor: of a lognormal's spread, or of an exponential's mean.
  ///   - isLog: whether components have a spread of their own.
  private static func best(
    _ values: [Double], seed: UInt64, floor: Double, density: (Double, Component) -> Double, isLog: Bool
  ) -> (Component, Component)? {
    var random = SplitMix(seed: seed)
    var winner: (state: (Component, Component), likelihood: Double)?
    for start in 0..<starts {
      let share = start == 0 ? 0.5 : 0.1 + 0.8 * random.uniform()
      let began = begin(values, split: share, floor: floor)
      let ran = run(values, from: began, rounds: firstRounds, floor: floor, density: density, isLog: isLog)
      if ran.likelihood.isFinite, ran.likelihood > winner?.likelihood ?? -.infinity { winner = ran }
    }
    guard let winner else { return nil }
    let (a, b) = run(values, from: winner.state, rounds: roundsMost, floor: floor, density: density, isLog: isLog).state
    return a.place <= b.place ? (a, b) : (b, a)
  }

  /// The two parts of the sample below and above a share of it.
  private static func begin(_ values: [Double], split: Double, floor: Double) -> (Component, Component) {
    let place = min(max(Int(Double(values.count) * split), 1), values.count - 1)
    func component(_ part: ArraySlice<Double>) -> Component {
      let (mean, deviation) = ThinkFit.moments(Array(part))
      return Component(
        weight: Double(part.count) / Double(values.count), place: mean, spread: max(deviation, floor))
    }
    return (component(values[..<place]), component(values[place...]))
  }

  private static func run(
    _ values: [Double], from start: (Component, Component), rounds: Int, floor: Double,
    density: (Double, Component) -> Double, isLog: Bool
  ) -> (state: (Component, Component), likelihood: Double) {
    let count = Double(values.count)
    var (a, b) = start
    var likelihood = -Double.infinity
    for _ in 0..<rounds {
      var shareA = 0.0
      var sumA = 0.0
      var sumB = 0.0
      var squareA = 0.0
      var squareB = 0.0
      var total = 0.0
      let logA = log(a.weight)
      let logB = log(b.weight)
      for x in values {
        let inA = logA + density(x, a)
        let sum = ThinkModel.logSum(inA, logB + density(x, b))
        let share = sum == -.infinity ? 0.5 : exp(inA - sum)
        total += sum
        shareA += share
        sumA += share * x
        sumB += (1 - share) * x
        if isLog {
          // Squares about the old place: no cancellation.
          squareA += share * (x - a.place) * (x - a.place)
          squareB += (1 - share) * (x - b.place) * (x - b.place)
        }
      }
      let leastShare = 0.5 / count
      a = updated(a, share: shareA, sum: sumA, square: squareA, count: count, floor: floor, isLog: isLog)
      b = updated(b, share: count - shareA, sum: sumB, square: squareB, count: count, floor: floor, isLog: isLog)
      a.weight = min(max(a.weight, leastShare), 1 - leastShare)
      b.weight = 1 - a.weight
      let gain = total - likelihood
      likelihood = total
      if gain < gainLeast * count { break }
    }
    return ((a, b), likelihood)
  }

  private static func updated(
    _ old: Component, share: Double, sum: Double, square: Double, count: Double, floor: Double, isLog: Bool
  ) -> Component {
    guard share > 1e-9 else { return old }
    let place = sum / share
    guard isLog else { return Component(weight: share / count, place: max(place, floor), spread: old.spread) }
    let variance = square / share - (place - old.place) * (place - old.place)
    return Component(weight: share / count, place: place, spread: max(variance, floor * floor).squareRoot())
  }
}
