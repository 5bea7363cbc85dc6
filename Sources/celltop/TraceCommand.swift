import ArgumentParser
import Domain
import Metrics
import Traces

/// `celltop trace`: reads, shows and makes traces.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Import, show and generate traces.",
    subcommands: [Import.self, Show.self, Generate.self])

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "import", abstract: "Turn another format into a native trace.", subcommands: [Adobe.self])
  }

  struct Adobe: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "adobe", abstract: "Import the AdobeTrace's CSV.")
    @Argument(help: "The CSV file.") var file: String
    @Option(name: [.short, .long], help: "The native trace to write.") var output: String

    func run() throws {
      do throws(TraceError) {
        let trace = try AdobeTrace.read(try TraceFile.contents(of: file), file: file)
        try TraceFile.write(NativeTrace.write(trace), to: output)
        print(summary(of: trace))
      } catch { refuseUse(error) }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Say what is in a trace.")
    @Argument(help: "A native trace or the AdobeTrace's CSV.") var file: String

    func run() throws {
      do throws(TraceError) { print(summary(of: try TraceFile.read(file))) } catch { refuseUse(error) }
    }
  }

  struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "generate", abstract: "Make up an interactive workload at a chosen load.")
    @Option(help: "cpu or mixed.") var kind: WorkloadKind = .mixed
    @Option(help: "How many notebooks.") var notebooks = 200
    @Option(help: "Cores of the node for which the load is meant.") var cores = 64
    @Option(help: "GPUs of the node for which the load is meant.") var gpus = 8
    @Option(help: "Offered load: 1 is all that the node can do.") var load = 1.0
    @Option(help: "Seed: the same seed makes the same trace.") var seed: UInt64 = 1
    @Option(name: [.short, .long], help: "The native trace to write.") var output: String

    func validate() throws {
      guard (1...1_000_000).contains(notebooks) else { throw ValidationError("--notebooks is from 1 to 1000000.") }
      guard (1...4095).contains(cores), (0...4095).contains(gpus) else {
        throw ValidationError("--cores is from 1 to 4095 and --gpus from 0 to 4095.")
      }
      guard load > 0, load <= 100 else { throw ValidationError("--load is above 0 and up to 100.") }
      if kind == .mixed, gpus == 0 { throw ValidationError("A mixed workload needs --gpus of at least 1.") }
    }

    func run() throws {
      let workload = MixedWorkload(
        kind: kind == .cpu ? .cpu : .mixed, notebooks: notebooks, cores: cores, gpus: kind == .cpu ? 0 : gpus,
        load: load, seed: seed)
      let trace = workload.trace()
      do throws(TraceError) { try TraceFile.write(NativeTrace.write(trace), to: output) } catch { refuseUse(error) }
      print(summary(of: trace))
    }
  }

  enum WorkloadKind: String, ExpressibleByArgument, CaseIterable { case cpu, mixed }

  /// A trace in a few lines.
  static func summary(of trace: Trace) -> String {
    func row(_ name: String, _ spans: [Span]) -> String {
      var values = ContiguousArray(spans.map(\.microseconds))
      let waits = Waits(of: &values)
      return
        "\(name)  mean \(duration(waits.mean)), p50 \(duration(waits.p50)), p95 \(duration(waits.p95)), p99 \(duration(waits.p99)), longest \(duration(waits.max))"
    }
    let cells = trace.notebooks.flatMap(\.cells)
    let thinks = trace.notebooks.flatMap { $0.cells.dropFirst().map(\.think) }
    return """
      \(trace.name): \(trace.notebooks.count) notebooks, \(cells.count) cells over \(duration(trace.span.seconds))
      \(row("run  ", cells.map(\.run)))
      \(row("think", thinks))
      cores  up to \(cells.map(\.cores).max() ?? 0); GPUs up to \(cells.map(\.gpus).max() ?? 0)
      """
  }
}
