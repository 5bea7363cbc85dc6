import Chance
import Domain
import Foundation
import Testing
import Traces

@testable import ThinkTimes

@Suite("Fitting think times")
struct ThinkFitTests {
  /// A sample of a model, drawn by its quantiles.
  private func drawn(_ model: ThinkModel, _ count: Int, seed: UInt64) -> [Double] {
    var random = SplitMix(seed: seed)
    return (0..<count).map { _ in model.quantile(random.uniform()) }
  }

  private static let tolerances: [ThinkModel.Family: [Double]] = [
    // About five standard errors at 4,000 values, absolute.
    .exponential: [14], .lognormal: [0.19, 0.13], .weibull: [0.03, 10], .pareto: [0.01, 0.025],
    .hyperExponential: [0.05, 0.8, 60], .twoLognormals: [0.12, 0.25, 0.2, 0.6, 0.35],
  ]

  @Test("recovers the parameters of drawn samples", arguments: ThinkModelTests.models, UInt64(1)...4)
  func recovers(model: ThinkModel, seed: UInt64) throws {
    let fit = try #require(
      ThinkFit.model(model.family, sorted: drawn(model, 4000, seed: seed).sorted(), seed: seed))
    let tolerances = try #require(Self.tolerances[model.family])
    for (index, tolerance) in tolerances.enumerated() {
      #expect(
        abs(fit.numbers[index] - model.numbers[index]) <= tolerance,
        "\(model.family), seed \(seed), parameter \(index): \(fit.numbers[index]) for \(model.numbers[index])")
    }
  }

  @Test("finds the family that a sample is of", arguments: ThinkModelTests.models, UInt64(1)...2)
  func chooses(model: ThinkModel, seed: UInt64) throws {
    let best = try #require(ThinkFit.all(to: drawn(model, 3000, seed: seed), seed: 1).first)
    // A richer family may fit a sample as well as its own; it may not win by more than its extra parameters cost.
    let sample = drawn(model, 3000, seed: seed).sorted()
    let own = try #require(ThinkFit.model(model.family, sorted: sample, seed: 1).map { ThinkFit(of: $0, on: sample) })
    #expect(own.aic - best.aic <= 8, "\(model.family), seed \(seed): \(best.model)")
    #expect(best.ks < 0.03, "\(best.ks)")
  }

  @Test("is the most likely: no step away from it is more so", arguments: ThinkModelTests.models)
  func isMaximum(model: ThinkModel) throws {
    let sample = drawn(model, 1500, seed: 9).sorted()
    let fit = try #require(ThinkFit.model(model.family, sorted: sample, seed: 1))
    let top = ThinkFit(of: fit, on: sample).logLikelihood
    for index in fit.numbers.indices {
      for step in [-0.02, 0.02] {
        var numbers = fit.numbers
        numbers[index] += step * max(abs(numbers[index]), 0.1)
        guard let other = ThinkModel(family: fit.family, numbers: numbers) else { continue }
        #expect(ThinkFit(of: other, on: sample).logLikelihood <= top + 1e-3, "\(fit), parameter \(index)")
      }
    }
  }

  @Test("gives the same fit for the same seed, and nearly the same for another")
  func seeds() throws {
    let sample = drawn(ThinkModelTests.models[5], 2000, seed: 3)
    #expect(ThinkFit.all(to: sample, seed: 1) == ThinkFit.all(to: sample, seed: 1))
    let one = try #require(ThinkFit.all(to: sample, seed: 1).first)
    let other = try #require(ThinkFit.all(to: sample, seed: 2).first)
    #expect(abs(one.logLikelihood - other.logLikelihood) < 0.01)
  }

  @Test(
    "stays sane on samples that no model likes",
    arguments: [
      [], [1], [2, 2, 2, 2], [1, 2], [0, -1, .nan, .infinity], [1e-300, 1e300], [1, 1, 1, 1, 1, 1, 1, 1e9],
      [5, 5, 5, 5, 6, 6, 6, 6],
    ] as [[Double]])
  func degenerate(sample: [Double]) {
    for fit in ThinkFit.all(to: sample) {
      #expect(fit.aic.isFinite && (0...1).contains(fit.ks) && fit.model.numbers.allSatisfy(\.isFinite), "\(fit)")
    }
  }

  @Test("takes ties in the sample for one step")
  func ties() {
    // Half of all at 1, half at 2, against the exponential of mean 1: the largest difference is at 1, from below.
    let model = ThinkModel.exponential(mean: 1)
    let distance = ThinkFit.distance(of: model, from: [1, 1, 2, 2])
    #expect(abs(distance - max(model.cumulative(1), 1 - model.cumulative(2), model.cumulative(2) - 0.5)) < 1e-12)
  }
}

@Suite("Think times of a trace")
struct ThinkSampleTests {
  @Test("tells thoughts from Run All and from absences, and pairs them with what went before")
  func sample() {
    func cell(_ think: Double, _ run: Double) -> TraceCell {
      TraceCell(think: Span(seconds: think), run: Span(seconds: run))
    }
    let notebook = TraceNotebook(
      name: "n", user: "u",
      cells: [cell(0, 1), cell(0.1, 2), cell(5, 3), cell(9, 4), cell(0.2, 5), cell(5000, 6), cell(7, 1)])
    let sample = ThinkSample(of: Trace(name: "t", notebooks: [notebook]))
    #expect(sample.thinks == [5, 9, 7])
    #expect(sample.runsBefore == [2, 3, 6])
    #expect(sample.pairs.map(\.0) == [5] && sample.pairs.map(\.1) == [9])
    #expect(sample.bursts == [2, 1, 2, 1, 1])
    #expect(sample.cellCounts == [5, 2])
    #expect(sample.gapsBelow == 2 && sample.gapsAbove == 1)
  }

  @Test("ranks as Spearman does")
  func ranks() {
    #expect(ThinkSample.rankCorrelation([1, 2, 3], [10, 20, 90]) == 1)
    #expect(ThinkSample.rankCorrelation([1, 2, 3], [3, 2, 1]) == -1)
    // Ties share their ranks: 0.9487 by scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 4, 5]).
    let tied = ThinkSample.rankCorrelation([1, 2, 2, 4], [1, 3, 4, 5]) ?? 0
    #expect(abs(tied - 0.9486832980505138) < 1e-12)
    #expect(ThinkSample.rankCorrelation([1, 1, 1], [1, 2, 3]) == nil)
  }

  @Test(
    "finds the mixture in real notebooks' timings",
    .enabled(if: FileManager.default.fileExists(atPath: Self.timings), "skipped: ../shared/data is not there"))
  func real() throws {
    let sample = ThinkSample(of: try TraceFile.read(Self.timings))
    let fits = ThinkFit.all(to: sample.thinks)
    let best = try #require(fits.first)
    #expect(best.model.family == .twoLognormals)
    #expect(best.ks <= 0.05, "\(best.ks)")
    #expect(fits.allSatisfy { $0.model == best.model || $0.ks > best.ks })
  }

  static let timings: String = {
    var path = #filePath
    for _ in 0..<4 { path = (path as NSString).deletingLastPathComponent }
    return path + "/shared/data/notebook-timings.csv"
  }()
}
