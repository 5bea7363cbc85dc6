import ArgumentParser
import Chance
import Domain
import Glibc
import Policies
import Simulation
import Traces

/// `celltop bench simulate`: how fast the engine is under a policy, how that grows, and what a notebook costs.
struct SimulationBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Measure how fast the simulator plays, decides and grows.",
    discussion: """
      Measured for each policy: cells a second on the trace, repeated to --cells cells; the time of a step (an input and \
      the decision that it brings) with 1,000 notebooks on 256 cores and 64 GPUs; the time a cell with ever more notebooks \
      open at once; and the memory that a notebook takes beside its trace. Entries and digest are included everywhere. The \
      times of steps and cells are the processor's, so that other work on the machine counts less.
      """)

  @Argument(help: "The trace to repeat until it has --cells cells.") var trace: String
  @Option(help: "Cells to play.") var cells = 1_000_000
  @Option(help: "GPUs, and as many cores.") var gpus = 256
  @Option(help: "The policies, separated by commas.") var policies = "fcfs,dynamic"
  @Flag(help: "Measure only how many cells a second are played.") var onlySpeed = false
  @Flag(help: "Print a JSON object a line instead of a table.") var json = false

  /// How many notebooks are open at once where growth is measured.
  private static let counts = [100, 1000, 10_000, 100_000]

  func validate() throws {
    guard (1...100_000_000).contains(cells) else {
      throw ValidationError("--cells is \(cells). Give a number of cells from 1 to 100000000.")
    }
    guard (1...GPUSet.greatest).contains(gpus) else {
      throw ValidationError("--gpus is \(gpus). Give a number of GPUs from 1 to \(GPUSet.greatest).")
    }
  }

  func run() throws {
    let once: Trace
    do throws(TraceError) { once = try TraceFile.read(trace) } catch { refuseUse(error) }
    let times = max((cells + once.cellCount - 1) / max(once.cellCount, 1), 1)
    let repeated = once.repeated(times)
    let policies = self.policies.split(separator: ",").map(String.init)
    if !onlySpeed { memory(policies) }
    for policy in policies {
      speed(repeated, policy)
      guard !onlySpeed else { continue }
      for count in Self.counts { growth(policy, count) }
      decisions(policy)
    }
  }

  /// Prints one figure, as a row or as an object.
  private func show(
    _ bench: String, _ policy: String, _ what: String, _ figure: String, facts: [(name: String, value: String)]
  ) {
    if json {
      let members = [("bench", bench.jsonQuoted), ("policy", policy.jsonQuoted)] + facts
      print("{" + members.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
    } else {
      func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 1))
      }
      print(padded(policy, 20) + padded(what, 44) + figure)
    }
    fflush(nil)
  }

  private func play(_ trace: Trace, on node: Node, _ policy: String) -> (wall: Double, processor: Double, run: Run) {
    var line = ProgressLine()
    do throws(Refusal) {
      let began = (wall: monotonicSeconds(), processor: processorSeconds())
      let run = try Run(
        trace, on: node, settings: Simulator.Settings(policy: policy),
        forecast: OracleForecast(notebooks: trace.notebooks.count), catalogue: .standard,
        progress: { line.show("\(policy) on \(trace.name)", share: $0) })
      let ended = (wall: monotonicSeconds(), processor: processorSeconds())
      line.clear()
      return (ended.wall - began.wall, ended.processor - began.processor, run)
    } catch { refuseUse(error) }
  }

  private func node(cores: Int, gpus: Int) -> Node {
    Node(id: NodeID(0), name: "n", cores: CoreSet(0..<cores), gpus: (0..<gpus).map { GPU(uuid: "\($0)") })
  }

  private func speed(_ trace: Trace, _ policy: String) {
    let (wall, processor, run) = play(trace, on: node(cores: gpus, gpus: gpus), policy)
    let rate = Int(Double(trace.cellCount) / wall)
    let processorRate = Int(Double(trace.cellCount) / processor)
    show(
      "speed", policy, "\(trace.cellCount) cells of \(trace.notebooks.count) notebooks",
      "\(rate) cells/s, \(processorRate) a processor second; \(run.entries) entries, digest \(run.digest)",
      facts: [
        ("cells", "\(trace.cellCount)"), ("notebooks", "\(trace.notebooks.count)"),
        ("seconds", decimal(wall, digits: 4)), ("cellsPerSecond", "\(rate)"),
        ("cellsPerProcessorSecond", "\(processorRate)"), ("entries", "\(run.entries)"),
        ("digest", run.digest.jsonQuoted),
      ])
  }

  /// A workload of `count` notebooks at once, with the same load a GPU however many they are.
  private func crowd(of count: Int, cells each: Int) -> Trace {
    var random = SplitMix(seed: 1)
    let notebooks = (0..<count).map { number in
      TraceNotebook(
        name: "n\(number)", user: "u\(number % 100)",
        cells: (0..<each).map { _ in
          TraceCell(
            think: Span(seconds: random.exponential(mean: Double(count) / 60)),
            run: Span(seconds: random.exponential(mean: 1)), gpus: 1)
        })
    }
    return Trace(name: "\(count) notebooks", notebooks: notebooks)
  }

  private func growth(_ policy: String, _ count: Int) {
    let trace = crowd(of: count, cells: max(200_000 / count, 10))
    let each = Int(play(trace, on: node(cores: 64, gpus: 64), policy).processor * 1e9 / Double(trace.cellCount))
    show(
      "growth", policy, "a cell with \(count) notebooks open", "\(each) ns of the processor",
      facts: [("notebooks", "\(count)"), ("nanosecondsPerCell", "\(each)")])
  }

  private func decisions(_ policy: String) {
    let trace = MixedWorkload(kind: .mixed, notebooks: 1000, cores: 256, gpus: 64, load: 20, seed: 1).trace()
    do throws(Refusal) {
      var simulator = try Simulator(
        trace, on: node(cores: 256, gpus: 64), settings: Simulator.Settings(policy: policy),
        forecast: OracleForecast(notebooks: 1000), catalogue: .standard)
      var line = ProgressLine()
      let all = Double(max(trace.cellCount, 1))
      var times: [Double] = []
      while true {
        let began = processorSeconds()
        guard simulator.step() else { break }
        times.append((processorSeconds() - began) * 1e6)
        if times.count % 10_000 == 0 {
          line.show("decisions of \(policy)", share: Double(simulator.scheduler.state.ended) / all)
        }
      }
      line.clear()
      guard !times.isEmpty else { return }
      times.sort()
      func at(_ share: Double) -> String {
        decimal(times[min(Int(share * Double(times.count)), times.count - 1)], digits: 3)
      }
      show(
        "decision", policy, "a step with 1000 notebooks, \(times.count) steps",
        "p50 \(at(0.5)) µs, p99 \(at(0.99)) µs, longest \(at(1)) µs",
        facts: [
          ("steps", "\(times.count)"), ("p50Microseconds", at(0.5)), ("p99Microseconds", at(0.99)),
          ("longestMicroseconds", at(1)),
        ])
    } catch { refuseUse(error) }
  }

  /// What 100,000 notebooks add to the process's peak of resident memory while they are played, their trace apart.
  ///
  /// It comes first, and every policy is compared with the process as it was with nothing but the trace: what the
  /// allocator keeps of an earlier policy's run can only be counted too much.
  private func memory(_ policies: [String]) {
    let trace = crowd(of: 100_000, cells: 2)
    guard let before = ProcessMemory.resettingPeak() else {
      return Tool.complain("the memory a notebook is not measured: /proc/self/clear_refs cannot be written")
    }
    for policy in policies {
      _ = ProcessMemory.resettingPeak()
      let run = play(trace, on: node(cores: 64, gpus: 64), policy).run
      guard let peak = ProcessMemory.peak(), run.measures.cellsEnded == trace.cellCount else { return }
      let each = max(peak - before, 0) / trace.notebooks.count
      show(
        "memory", policy, "a notebook of \(trace.notebooks.count), beside the trace", "\(each) bytes",
        facts: [("notebooks", "\(trace.notebooks.count)"), ("bytesPerNotebook", "\(each)")])
    }
  }
}

/// The process's resident memory in bytes, as Linux counts it.
private enum ProcessMemory {
  /// The present size, after which the peak is counted anew; nil where the kernel does not let it.
  static func resettingPeak() -> Int? {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return nil }
    let written = fputs("5", file)
    guard fclose(file) == 0, written >= 0 else { return nil }
    return field("VmRSS:")
  }

  /// The greatest size since the peak was reset.
  static func peak() -> Int? { field("VmHWM:") }

  private static func field(_ name: String) -> Int? {
    guard let file = fopen("/proc/self/status", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix(name) else { continue }
      return text.dropFirst(name.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first.flatMap { Int($0) }
        .map { $0 * 1024 }
    }
    return nil
  }
}
