import ArgumentParser
import Domain
import Engine
import Forecast
import Metrics
import Policies
import Simulation
import Traces

/// What `simulate` and `compare` have in common.
struct SimulationOptions: ParsableArguments {
  @Option(help: "Logical cores of the node. Without it: what the trace needs, or 64.")
  var cores: Int?

  @Option(help: "GPUs of the node. Without it: what the trace needs, or 64.")
  var gpus: Int?

  @Option(help: "Memory of the node, like 256G. Without it: as much as anyone wants.")
  var memory: String?

  @Option(help: "Memory of each GPU, like 80G. Without it: as much as anyone wants.")
  var gpuMemory: String?

  @Option(
    help: "Bytes a second at which GPU memory is saved to the host and restored, like 5.3G, as measured; 0: at once.")
  var swapRate: String?

  @Option(
    name: .customLong("draw-gpu-memory"),
    help: "Draw GPU memory for the notebooks whose cells do not say it, up to 3/4 of this a GPU, like 80G.")
  var drawGPUMemory: String?

  @Option(help: "Seed of what is drawn (--draw-gpu-memory).")
  var seed: UInt64 = 1

  @Option(
    help: "What the policies know beforehand: oracle (the trace itself), learned (what has happened so far) or none.")
  var forecast: ForecastChoice = .oracle

  @Option(help: "What threads that outnumber shared cores cost: measured or none.")
  var oversubscription: OversubscriptionChoice = .measured

  @Option(help: "Play the trace so many times, one after the other.")
  var `repeat`: Int = 1

  @Option(help: "Scale the think times and the gaps between arrivals by this factor: below 1, more load.")
  var stretch: Double = 1

  enum ForecastChoice: String, ExpressibleByArgument, CaseIterable { case oracle, learned, none }
  enum OversubscriptionChoice: String, ExpressibleByArgument, CaseIterable { case measured, none }

  func validate() throws {
    if let cores, !(1...CoreSet.greatest).contains(cores) {
      throw ValidationError("--cores is \(cores). Give a number of cores from 1 to \(CoreSet.greatest).")
    }
    if let gpus, !(0...GPUSet.greatest).contains(gpus) {
      throw ValidationError("--gpus is \(gpus). Give a number of GPUs from 0 to \(GPUSet.greatest).")
    }
    if !(1...100_000).contains(`repeat`) {
      throw ValidationError("--repeat is \(`repeat`). Give a number of times from 1 to 100000.")
    }
    if !(stretch > 0 && stretch <= 1000) {
      throw ValidationError("--stretch is \(stretch). Give a factor above 0 and up to 1000.")
    }
    let sizes = [
      ("--memory", memory), ("--gpu-memory", gpuMemory), ("--swap-rate", swapRate),
      ("--draw-gpu-memory", drawGPUMemory),
    ]
    for (name, text) in sizes {
      guard let text else { continue }
      do throws(ParseError) { _ = try Bytes(parsing: text) } catch { throw ValidationError("\(name): \(error)") }
    }
  }

  /// The trace as it is played.
  func trace(at path: String) throws(TraceError) -> Trace {
    var trace = try TraceFile.read(path)
    if stretch != 1 { trace = trace.stretched(by: stretch) }
    if let most = size(drawGPUMemory) { trace = trace.drawingGPUMemory(upTo: most, seed: seed) }
    return `repeat` == 1 ? trace : trace.repeated(`repeat`)
  }

  /// The node that was asked for, or one that the trace can run on.
  func node(for trace: Trace) -> Node {
    let cells = trace.notebooks.lazy.flatMap(\.cells)
    let gpusMost = cells.map(\.gpus).max() ?? 0
    let wantsOnlyGPUs = cells.allSatisfy { $0.gpus > 0 && $0.cores <= $0.gpus }
    let gpuCount = gpus ?? (gpusMost == 0 ? 0 : max(Int(gpusMost), 64))
    let coreCount = cores ?? (wantsOnlyGPUs && gpuCount > 0 ? gpuCount : max(Int(cells.map(\.cores).max() ?? 1), 64))
    let each = size(gpuMemory) ?? .zero
    return Node(
      id: NodeID(0), name: "node", cores: CoreSet(0..<coreCount),
      gpus: (0..<gpuCount).map { GPU(uuid: "GPU-\($0)", memory: each) },
      memory: size(memory) ?? .zero, gpuSwapRate: size(swapRate) ?? Node.gpuSwapRateMeasured)
  }

  /// The refusal of a trace, with the options that make the node large enough for it.
  func mended(_ refusal: Refusal, for trace: Trace) -> Refusal {
    guard refusal.cause == .demandTooLarge else { return refusal }
    let cells = trace.notebooks.lazy.flatMap(\.cells)
    let coresMost = Int(cells.map(\.cores).max() ?? 0)
    let gpusMost = Int(cells.map(\.gpus).max() ?? 0)
    var needed: [String] = []
    if let cores, cores < coresMost { needed.append("--cores \(coresMost)") }
    if let gpus, gpus < gpusMost { needed.append("--gpus \(gpusMost)") }
    guard !needed.isEmpty else { return refusal }
    return Refusal(refusal.cause, "\(refusal.text). The trace needs \(needed.joined(separator: " "))")
  }

  /// A size that `validate` has read already.
  private func size(_ text: String?) -> Bytes? { text.flatMap { try? Bytes(parsing: $0) } }

  var contention: Contention {
    switch oversubscription {
    case .measured: .measured
    case .none: .none
    }
  }

  func source(for trace: Trace) -> any ForecastSource {
    switch forecast {
    case .oracle: OracleForecast(notebooks: trace.notebooks.count)
    case .learned: LearnedForecast()
    case .none: NoForecast()
    }
  }
}

extension Node {
  /// What it has, in words: "32 cores", "1 GPU".
  var counts: [String] {
    [counted(cores.count, "core"), counted(gpus.count, "GPU")]
  }
}
