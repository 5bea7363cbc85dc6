import ArgumentParser
import Domain
import Glibc
import Policies
import Simulation
import Traces

/// `celltop bench`: measures celltop itself.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure celltop itself.",
    subcommands: [Simulate.self, HistoryBench.self, HistoryLoad.self])

  struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "simulate", abstract: "Measure how many cells a second the simulator plays.",
      discussion: "Each line is a JSON object. Entries and digest are included in every time.")

    @Argument(help: "The trace to repeat until it has --cells cells.") var trace: String
    @Option(help: "Cells to play.") var cells = 1_000_000
    @Option(help: "GPUs.") var gpus = 256
    @Option(help: "The policies, separated by commas.") var policies = "fcfs,dynamic"
    @Flag(help: "Also measure how the time a cell grows with the number of notebooks.") var growth = false
    @Flag(help: "Also measure how long a decision takes with 1000 notebooks on 256 cores and 64 GPUs.") var decisions =
      false

    func run() throws {
      do throws(TraceError) {
        let once = try TraceFile.read(trace)
        let times = max((cells + once.cellCount - 1) / max(once.cellCount, 1), 1)
        for policy in policies.split(separator: ",").map(String.init) {
          try speed(once.repeated(times), policy)
          if growth { try grow(policy) }
          if decisions { try decide(policy) }
        }
      } catch { refuseUse(error) }
    }

    private func play(_ trace: Trace, on node: Node, _ policy: String) -> (seconds: Double, run: Run) {
      do throws(Refusal) {
        let began = monotonicSeconds()
        let run = try Run(
          trace, on: node, settings: Simulator.Settings(policy: policy),
          forecast: OracleForecast(notebooks: trace.notebooks.count), catalogue: .standard)
        return (monotonicSeconds() - began, run)
      } catch { refuseUse(error) }
    }

    private func node(cores: Int, gpus: Int) -> Node {
      Node(id: NodeID(0), name: "n", cores: CoreSet(0..<cores), gpus: (0..<gpus).map { GPU(uuid: "\($0)") })
    }

    private func speed(_ trace: Trace, _ policy: String) throws(TraceError) {
      let (seconds, run) = play(trace, on: node(cores: gpus, gpus: gpus), policy)
      let count = Double(trace.cellCount)
      print(
        "{\"bench\": \"speed\", \"policy\": \"\(policy)\", \"cells\": \(trace.cellCount), \"notebooks\": \(trace.notebooks.count), "
          + "\"seconds\": \(decimal(seconds, digits: 4)), \"cellsPerSecond\": \(Int(count / seconds)), \"entries\": \(run.entries), "
          + "\"digest\": \"\(run.digest)\"}"
      )
    }

    /// The same cells a notebook, on the same load a GPU, for ever more notebooks at once.
    private func grow(_ policy: String) throws(TraceError) {
      for count in [100, 1000, 10_000, 100_000] {
        var random = SplitMix(seed: 1)
        let each = max(200_000 / count, 2)
        let notebooks = (0..<count).map { number in
          TraceNotebook(
            name: "n\(number)", user: "u\(number % 100)",
            cells: (0..<each).map { _ in
              TraceCell(
                think: Span(seconds: random.exponential(mean: Double(count) / 60)),
                run: Span(seconds: random.exponential(mean: 1)), gpus: 1)
            })
        }
        let (seconds, _) = play(Trace(name: "growth", notebooks: notebooks), on: node(cores: 64, gpus: 64), policy)
        print(
          "{\"bench\": \"growth\", \"policy\": \"\(policy)\", \"notebooks\": \(count), \"nanosecondsPerCell\": \(Int(seconds * 1e9 / Double(count * each)))}"
        )
      }
    }

    private func decide(_ policy: String) throws(TraceError) {
      let trace = MixedWorkload(kind: .mixed, notebooks: 1000, cores: 256, gpus: 64, load: 20, seed: 1).trace()
      do throws(Refusal) {
        var simulator = try Simulator(
          trace, on: node(cores: 256, gpus: 64), settings: Simulator.Settings(policy: policy),
          forecast: OracleForecast(notebooks: 1000), catalogue: .standard)
        var times: [Double] = []
        while simulator.nextTime != nil {
          let began = monotonicSeconds()
          simulator.step()
          times.append((monotonicSeconds() - began) * 1e6)
        }
        times.sort()
        print(
          "{\"bench\": \"decision\", \"policy\": \"\(policy)\", \"steps\": \(times.count), \"p50Microseconds\": \(decimal(times[times.count / 2], digits: 3)), \"p99Microseconds\": \(decimal(times[times.count * 99 / 100], digits: 3)), \"longestMicroseconds\": \(decimal(times[times.count - 1], digits: 3))}"
        )
      } catch { refuseUse(error) }
    }
  }
}
