import ArgumentParser
import Domain
import Engine
import Forecast
import Policies
import Simulation
import Traces

/// `celltop forecast`: says how good the forecasts are.
struct ForecastCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forecast", abstract: "Measure forecasts against what came.",
    subcommands: [Evaluate.self, Starts.self])

  struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "evaluate", abstract: "Forecast what happened once, cell by cell, and score the forecasts.",
      discussion: """
        Every forecast is made before its outcome is shown. The first part of the outcomes only teaches; the rest is \
        scored. Errors are means of |log2(foreseen / actual)|: by how many doublings the median was off, beside the \
        median of all that was seen so far and the last value of the same notebook.
        """)

    @Argument(help: "Native traces (.jsonl), the AdobeTrace's CSV, or CSV tables of timed notebooks.")
    var files: [String]

    @Option(help: "The share of the outcomes that only teaches.")
    var taught = 0.5

    func validate() throws {
      guard taught >= 0, taught < 1 else { throw ValidationError("--taught is from 0 up to, but not, 1.") }
    }

    func run() throws {
      var lines = [
        "| data | quantity | scored | in 50 % | in 90 % | error | global median | last value | width 50 % | width 90 % |",
        "|---|---|---|---|---|---|---|---|---|---|",
      ]
      for file in files {
        do throws(TraceError) { lines += rows(of: try trial(of: file), file) } catch { refuseUse(error) }
      }
      print(lines.joined(separator: "\n"))
    }

    private func trial(of file: String) throws(TraceError) -> Trial {
      Trial(of: try TraceFile.read(file, times: .stamps), taught: taught)
    }

    private func rows(of trial: Trial, _ file: String) -> [String] {
      let name = file.split(separator: "/").last.map(String.init) ?? file
      return Trial.quantities.compactMap { quantity in
        guard let score = trial.scores[quantity] else { return nil }
        let coverage = score.coverage
        // A count is one of few numbers, so that ranges hold more than they promise; the median is what matters.
        let ranges =
          quantity.isCount ? ["", ""] : [percent(coverage.half), percent(coverage.ninetyPercent)]
        let widths = quantity.isCount ? ["", ""] : [two(score.widthOfHalf), two(score.widthOfNinetyPercent)]
        let cells =
          [name, quantity.name, "\(coverage.outcomes)"] + ranges
          + [two(score.error), two(score.errorOfGlobalMedian), two(score.errorOfLast)] + widths
        return "| " + cells.joined(separator: " | ") + " |"
      }
    }
  }

  struct Starts: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "starts", abstract: "Hold the starts that waiting cells were told against those that came.",
      discussion: """
        A cell that waits is told a range for its start, which is meant to hold four times of five, as the console \
        shows it. The forecasts are learned as the trace goes on.
        """)

    @Argument(help: "Native traces (.jsonl) or the AdobeTrace's CSV.")
    var traces: [String]

    @Option(help: "The policies, separated by commas or semicolons.")
    var policies = "fcfs,dynamic"

    @OptionGroup var options: SimulationOptions

    func run() throws {
      var lines = [
        "| trace | policy | waited | told a range | started within | before | after | by the median | wait | width |",
        "|---|---|---|---|---|---|---|---|---|---|",
      ]
      let names = policies.split(separator: policies.contains(";") || policies.contains(":") ? ";" : ",")
      for path in traces {
        let trace: Trace
        do throws(TraceError) { trace = try options.trace(at: path) } catch { refuseUse(error) }
        for name in names {
          do throws(Refusal) {
            let told = try promised(trace, policy: String(name))
            let cells = [
              trace.name, String(name), "\(told.waited)", "\(told.promised)", percent(told.coverage),
              percent(told.tooEarly), percent(told.tooLate), percent(told.median), duration(told.waitMean),
              duration(told.widthMean),
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
          } catch { refuseUse(error) }
        }
      }
      print(lines.joined(separator: "\n"))
    }

    private func promised(_ trace: Trace, policy: String) throws(Refusal) -> PromisedStarts {
      var settings = Simulator.Settings(policy: policy, contention: options.contention)
      settings.engine.explainsWaits = true
      settings.keepsEntries = true
      var simulator = try Simulator(
        trace, on: options.node(for: trace), settings: settings, forecast: LearnedForecast(), catalogue: .standard)
      simulator.run()
      return PromisedStarts(of: simulator.recorded)
    }
  }
}

/// A share as people read it.
private func percent(_ share: Double) -> String { "\(decimal(share * 100, digits: 3)) %" }

/// A number to three significant digits.
private func two(_ value: Double) -> String { decimal(value, digits: 3) }
