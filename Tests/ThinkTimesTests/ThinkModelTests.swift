import Glibc
import Testing

@testable import ThinkTimes

@Suite("Think-time models")
struct ThinkModelTests {
  static let models: [ThinkModel] = [
    .exponential(mean: 173), .lognormal(mu: 2.72, sigma: 2.3), .weibull(shape: 0.424, scale: 50.5),
    .pareto(least: 0.5, shape: 0.293), .hyperExponential(weight: 0.618, first: 5.8, second: 444),
    .twoLognormals(weight: 0.504, first: .init(mu: 0.91, sigma: 0.91), second: .init(mu: 4.57, sigma: 1.76)),
  ]

  @Test("inverts its own distribution", arguments: models)
  func inverse(model: ThinkModel) {
    for share in [1e-6, 0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999] {
      let back = model.cumulative(model.quantile(share))
      #expect(abs(back - share) < 1e-9 * max(1, share / 1e-3), "\(model) at \(share): \(back)")
    }
  }

  @Test("has the density that is the slope of its distribution", arguments: models)
  func slope(model: ThinkModel) {
    for seconds in [0.6, 2.0, 11, 90, 700] {
      let step = seconds * 1e-5
      let slope = (model.cumulative(seconds + step) - model.cumulative(seconds - step)) / (2 * step)
      #expect(abs(slope / exp(model.logDensity(seconds)) - 1) < 1e-5, "\(model) at \(seconds)")
    }
  }
}
