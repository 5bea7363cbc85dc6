import ArgumentParser
import Domain
import ThinkTimes
import Traces

/// `celltop trace fit`: which model the think times follow.
struct TraceFit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fit", abstract: "Fit think-time models by maximum likelihood, and say which is best.",
    discussion: "Gaps outside of the range are Run All and absences; both are counted. Best is the least AIC.")
  @Argument(help: "A native trace, the AdobeTrace's CSV or a table of timings with a column of think times.")
  var file: String
  @OptionGroup var range: ThinkRange
  @Option(help: "Seed of the mixtures' starts.") var seed: UInt64 = 1
  @Flag(help: "Print one JSON object.") var json = false

  func run() {
    do throws(TraceError) {
      let trace = try TraceFile.read(file)
      let sample = ThinkSample(of: trace, range: range.range())
      let fits = ThinkFit.all(to: sample.thinks, seed: seed)
      guard let best = fits.first else {
        throw TraceError(
          file: file, because: "has \(sample.thinks.count) think times in the range, which is no sample to fit",
          mend: "Widen it with --least and --most.")
      }
      print(json ? object(trace, sample, fits) : table(trace, sample, fits, best))
    } catch { refuseUse(error) }
  }

  private func table(_ trace: Trace, _ sample: ThinkSample, _ fits: [ThinkFit], _ best: ThinkFit) -> String {
    var lines = [
      "\(trace.name): \(sample.thinks.count) think times from \(decimal(sample.range.leastSeconds, digits: 4)) to \(decimal(sample.range.mostSeconds, digits: 4)) s; \(sample.gapsBelow) shorter gaps (Run All), \(sample.gapsAbove) longer ones (absences)",
      "",
      Self.row("model", "parameters", "KS", "AIC − best"),
    ]
    for fit in fits {
      lines.append(
        Self.row(
          fit.model.family.rawValue, fit.model.formula, decimal(fit.ks, digits: 3),
          decimal(fit.aic - best.aic, digits: 5)))
    }
    lines += ["", "best   \(best.model.family.rawValue) \(best.model.argument)"]
    func correlation(_ value: Double?) -> String { value.map { decimal($0, digits: 2) } ?? "unknown" }
    lines.append(
      "goes   with the run before: rank correlation \(correlation(sample.correlationWithRun)); with the think before: \(correlation(sample.correlationWithLast))"
    )
    for (index, part) in sample.medianByRun.enumerated() where part.count > 0 {
      let name = index == 4 ? "≥ 100 s" : "< \(decimal(part.runMostSeconds, digits: 3)) s"
      lines.append("after  a run \(name): median \(duration(part.medianSeconds ?? 0)) of \(part.count)")
    }
    let bursts = sample.bursts.sorted()
    func burst(_ share: Double) -> String { decimal(QuantileTable.quantile(share, of: bursts) ?? 0, digits: 3) }
    lines.append("bursts p50 \(burst(0.5)), p75 \(burst(0.75)), p90 \(burst(0.9)), p99 \(burst(0.99)) cells")
    return lines.joined(separator: "\n")
  }

  private static func row(_ model: String, _ parameters: String, _ ks: String, _ aic: String) -> String {
    func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(width - text.count, 1))
    }
    return padded(model, 19) + padded(parameters, 56) + padded(ks, 9) + aic
  }

  private func object(_ trace: Trace, _ sample: ThinkSample, _ fits: [ThinkFit]) -> String {
    func number(_ value: Double?) -> String { value.map { decimal($0, digits: 9) } ?? "null" }
    let models = fits.map { fit in
      "{\"model\": \"\(fit.model.family.rawValue)\", \"parameters\": [\(fit.model.numbers.map(number).joined(separator: ", "))], "
        + "\"argument\": \"\(fit.model.argument)\", \"ks\": \(number(fit.ks)), \"aic\": \(number(fit.aic)), "
        + "\"logLikelihood\": \(number(fit.logLikelihood))}"
    }
    let medians = sample.medianByRun.map { part in
      "{\"runMost\": \(part.runMostSeconds.isFinite ? number(part.runMostSeconds) : "null"), \"count\": \(part.count), \"median\": \(number(part.medianSeconds))}"
    }
    return "{\"trace\": \(trace.name.jsonQuoted), \"thinks\": \(sample.thinks.count), "
      + "\"least\": \(number(sample.range.leastSeconds)), \"most\": \(number(sample.range.mostSeconds)), \"runAll\": \(sample.gapsBelow), \"absences\": \(sample.gapsAbove), "
      + "\"best\": \"\(fits[0].model.family.rawValue)\", \"models\": [\(models.joined(separator: ", "))], "
      + "\"correlationWithRun\": \(number(sample.correlationWithRun)), \"correlationWithLast\": \(number(sample.correlationWithLast)), "
      + "\"medianByRun\": [\(medians.joined(separator: ", "))]}"
  }
}

/// Which gaps are thoughts.
struct ThinkRange: ParsableArguments {
  @Option(help: "Shorter gaps, in seconds, are Run All. Without it: 0.5, and 60 for --kind training.")
  var least: Double?
  @Option(help: "Longer gaps, in seconds, are absences. Without it: 3600, and 28800 for --kind training.")
  var most: Double?

  /// The range that was given, the rest as `base` has it.
  func range(over base: ThinkSample.Range = ThinkSample.Range()) -> ThinkSample.Range {
    ThinkSample.Range(leastSeconds: least ?? base.leastSeconds, mostSeconds: most ?? base.mostSeconds)
  }

  func validate() throws {
    let range = range()
    guard range.leastSeconds > 0, range.mostSeconds > range.leastSeconds, range.mostSeconds <= 1e8 else {
      throw ValidationError("--least is above 0, and --most above it and up to 100000000 seconds.")
    }
  }
}

extension ThinkModel {
  /// The model in a table.
  var formula: String {
    func text(_ value: Double) -> String { decimal(value, digits: 4) }
    switch self {
    case .exponential(let mean): return "mean \(text(mean)) s"
    case .lognormal(let mu, let sigma): return "μ \(text(mu)), σ \(text(sigma))"
    case .weibull(let shape, let scale): return "k \(text(shape)), λ \(text(scale)) s"
    case .pareto(let least, let shape): return "x_m \(text(least)) s, α \(text(shape))"
    case .hyperExponential(let weight, let first, let second):
      return "\(text(weight)) · \(text(first)) s + \(text(1 - weight)) · \(text(second)) s"
    case .twoLognormals(let weight, let first, let second):
      return
        "\(text(weight)) · LN(\(text(first.mu)), \(text(first.sigma))) + \(text(1 - weight)) · LN(\(text(second.mu)), \(text(second.sigma)))"
    }
  }

  /// The model as `--think` takes it: `two-lognormals:0.504,0.91,0.91,4.57,1.76`.
  var argument: String { "\(family.rawValue):\(numbers.map { decimal($0, digits: 6) }.joined(separator: ","))" }
}
