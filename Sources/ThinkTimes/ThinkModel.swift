import Glibc

/// A distribution of think times, in seconds.
///
/// The formulas and the estimators' sources stand in `Docs/TRACES.md`.
public enum ThinkModel: Hashable, Sendable {
  /// f(x) = e^(−x/mean) / mean.
  case exponential(mean: Double)
  /// ln x is normal with mean `mu` and standard deviation `sigma`.
  case lognormal(mu: Double, sigma: Double)
  /// F(x) = 1 − e^(−(x/scale)^shape).
  case weibull(shape: Double, scale: Double)
  /// F(x) = 1 − (least/x)^shape for x ≥ least.
  case pareto(least: Double, shape: Double)
  /// With probability `weight` exponential with mean `first`, else with mean `second`.
  case hyperExponential(weight: Double, first: Double, second: Double)
  /// With probability `weight` lognormal by `first`, else by `second`.
  case twoLognormals(weight: Double, first: LogNormal, second: LogNormal)

  /// The parameters of one lognormal.
  public struct LogNormal: Hashable, Sendable {
    public var mu: Double
    public var sigma: Double

    public init(mu: Double, sigma: Double) {
      self.mu = mu
      self.sigma = sigma
    }
  }

  /// The families, in the order of tables.
  public enum Family: String, Sendable, Hashable, CaseIterable {
    case twoLognormals = "two-lognormals"
    case hyperExponential = "hyper-exponential"
    case lognormal
    case pareto
    case weibull
    case exponential

    /// How many numbers are estimated.
    public var parameters: Int {
      switch self {
      case .exponential: 1
      case .lognormal, .weibull, .pareto: 2
      case .hyperExponential: 3
      case .twoLognormals: 5
      }
    }
  }

  public var family: Family {
    switch self {
    case .exponential: .exponential
    case .lognormal: .lognormal
    case .weibull: .weibull
    case .pareto: .pareto
    case .hyperExponential: .hyperExponential
    case .twoLognormals: .twoLognormals
    }
  }

  /// The parameters in the order in which ``init(family:numbers:)`` takes them.
  public var numbers: [Double] {
    switch self {
    case .exponential(let mean): [mean]
    case .lognormal(let mu, let sigma): [mu, sigma]
    case .weibull(let shape, let scale): [shape, scale]
    case .pareto(let least, let shape): [least, shape]
    case .hyperExponential(let weight, let first, let second): [weight, first, second]
    case .twoLognormals(let weight, let first, let second): [weight, first.mu, first.sigma, second.mu, second.sigma]
    }
  }

  /// The model of a family with these parameters; nil where their number is wrong or one is out of its range.
  public init?(family: Family, numbers: [Double]) {
    guard numbers.count == family.parameters, numbers.allSatisfy({ $0.isFinite && abs($0) < 1e12 }) else { return nil }
    func positive(_ indices: Int...) -> Bool { indices.allSatisfy { numbers[$0] > 0 } }
    switch family {
    case .exponential:
      guard positive(0) else { return nil }
      self = .exponential(mean: numbers[0])
    case .lognormal:
      guard positive(1) else { return nil }
      self = .lognormal(mu: numbers[0], sigma: numbers[1])
    case .weibull:
      guard positive(0, 1) else { return nil }
      self = .weibull(shape: numbers[0], scale: numbers[1])
    case .pareto:
      guard positive(0, 1) else { return nil }
      self = .pareto(least: numbers[0], shape: numbers[1])
    case .hyperExponential:
      guard (0...1).contains(numbers[0]), positive(1, 2) else { return nil }
      self = .hyperExponential(weight: numbers[0], first: numbers[1], second: numbers[2])
    case .twoLognormals:
      guard (0...1).contains(numbers[0]), positive(2, 4) else { return nil }
      self = .twoLognormals(
        weight: numbers[0], first: LogNormal(mu: numbers[1], sigma: numbers[2]),
        second: LogNormal(mu: numbers[3], sigma: numbers[4]))
    }
  }

  /// The share of think times up to `seconds`.
  public func cumulative(_ seconds: Double) -> Double {
    guard seconds > 0 else { return 0 }
    switch self {
    case .exponential(let mean): return -expm1(-seconds / mean)
    case .lognormal(let mu, let sigma): return Self.normal((log(seconds) - mu) / sigma)
    case .weibull(let shape, let scale): return -expm1(-pow(seconds / scale, shape))
    case .pareto(let least, let shape): return seconds <= least ? 0 : -expm1(shape * log(least / seconds))
    case .hyperExponential(let weight, let first, let second):
      return weight * -expm1(-seconds / first) + (1 - weight) * -expm1(-seconds / second)
    case .twoLognormals(let weight, let first, let second):
      let x = log(seconds)
      return weight * Self.normal((x - first.mu) / first.sigma) + (1 - weight)
        * Self.normal((x - second.mu) / second.sigma)
    }
  }

  /// The logarithm of the density at `seconds`; −∞ where there is none.
  public func logDensity(_ seconds: Double) -> Double {
    guard seconds > 0 else { return -.infinity }
    switch self {
    case .exponential(let mean): return -log(mean) - seconds / mean
    case .lognormal(let mu, let sigma): return Self.logNormalDensity(log(seconds), mu, sigma)
    case .weibull(let shape, let scale):
      let x = log(seconds / scale)
      return log(shape / scale) + (shape - 1) * x - exp(shape * x)
    case .pareto(let least, let shape):
      return seconds < least ? -.infinity : log(shape / least) - (shape + 1) * log(seconds / least)
    case .hyperExponential(let weight, let first, let second):
      return Self.logSum(
        log(weight) - log(first) - seconds / first, log(1 - weight) - log(second) - seconds / second)
    case .twoLognormals(let weight, let first, let second):
      let x = log(seconds)
      return Self.logSum(
        log(weight) + Self.logNormalDensity(x, first.mu, first.sigma),
        log(1 - weight) + Self.logNormalDensity(x, second.mu, second.sigma))
    }
  }

  /// The think time that a share of them does not exceed: the inverse of ``cumulative(_:)``, by a formula where there is
  /// one and by bisection on a logarithmic scale for the mixtures.
  ///
  /// - Parameter share: above 0 and below 1; what lies outside is taken as the nearest.
  public func quantile(_ share: Double) -> Double {
    let share = min(max(share, 1e-12), 1 - 1e-12)
    switch self {
    case .exponential(let mean): return -mean * log1p(-share)
    case .lognormal(let mu, let sigma): return exp(mu + sigma * Self.normalQuantile(share))
    case .weibull(let shape, let scale): return scale * pow(-log1p(-share), 1 / shape)
    case .pareto(let least, let shape): return least * exp(-log1p(-share) / shape)
    case .hyperExponential, .twoLognormals:
      var low = -60.0
      var high = 60.0
      for _ in 0..<70 {
        let middle = (low + high) / 2
        if cumulative(exp(middle)) < share { low = middle } else { high = middle }
      }
      return exp((low + high) / 2)
    }
  }

  /// The standard normal distribution function, without cancellation in the lower tail.
  public static func normal(_ z: Double) -> Double { 0.5 * erfc(-z * 0.7071067811865476) }

  /// Its inverse (Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37,
  /// 1988, the routine of seven digits), made exact by one step of Newton's method.
  static func normalQuantile(_ share: Double) -> Double {
    let q = share - 0.5
    var z: Double
    if abs(q) <= 0.425 {
      let r = 0.180625 - q * q
      z =
        q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
        / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1)
    } else {
      let r = (-log(q < 0 ? share : 1 - share)).squareRoot()
      if r <= 5 {
        let s = r - 1.6
        z =
          (((0.17023821103 * s + 1.3067284816) * s + 2.7568153900) * s + 1.4234372777)
          / ((0.12021132975 * s + 0.73700164250) * s + 1)
      } else {
        let s = r - 5
        z =
          (((0.017337203997 * s + 0.42868294337) * s + 3.0812263860) * s + 6.6579051150)
          / ((0.012258202635 * s + 0.24197894225) * s + 1)
      }
      if q < 0 { z = -z }
    }
    let density = 0.3989422804014327 * exp(-z * z / 2)
    guard density > 0 else { return z }
    return z - (normal(z) - share) / density
  }

  static func logNormalDensity(_ x: Double, _ mu: Double, _ sigma: Double) -> Double {
    let z = (x - mu) / sigma
    // ln √(2π), and the logarithm of the change of variable.
    return -0.9189385332046727 - log(sigma) - x - z * z / 2
  }

  /// ln(e^a + e^b) without overflow.
  static func logSum(_ a: Double, _ b: Double) -> Double {
    let top = max(a, b)
    return top == -.infinity ? top : top + log1p(exp(min(a, b) - top))
  }
}
