import Chance
import Domain

/// Made-up interactive workloads, the same for the same seed everywhere: for comparisons at a chosen load.
///
/// Notebooks arrive by a Poisson process; each has a geometric number of cells; run times are hyper-exponential (many short
/// cells, a few long ones, squared coefficient of variation about 10) and think times exponential. `load` is the offered
/// load: the work of the cells that use no more than they must (one core each, or their GPUs) per second, if nobody waited,
/// over the capacity of the scarcest resource.
public struct MixedWorkload: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable {
    /// Cells of 1 to 16 cores with parallel shares from 0.5 to 0.99.
    case cpu
    /// Half of the notebooks as above; the other half with cells of 1 to 4 GPUs between cells on cores.
    case mixed
  }

  public var kind: Kind
  public var notebooks: Int
  public var cores: Int
  public var gpus: Int
  public var load: Double
  public var seed: UInt64

  public init(kind: Kind, notebooks: Int, cores: Int, gpus: Int, load: Double, seed: UInt64) {
    self.kind = kind
    self.notebooks = notebooks
    self.cores = cores
    self.gpus = gpus
    self.load = load
    self.seed = seed
  }

  /// The workload as a trace. The gaps between arrivals are set so that the offered load comes out exactly.
  public func trace() -> Trace {
    var random = SplitMix(seed: seed)
    var made: [TraceNotebook] = []
    for number in 1...max(notebooks, 1) {
      let usesGPUs = kind == .mixed && random.uniform() < 0.5
      var cells: [TraceCell] = []
      repeat {
        cells.append(cell(first: cells.isEmpty, usesGPUs: usesGPUs, &random))
      } while random.uniform() < 0.9 && cells.count < 200
      made.append(TraceNotebook(name: "n\(number)", user: "u\(number % 17 + 1)", cells: cells))
    }
    ArrivalRate.spread(&made, load: load, cores: cores, gpus: gpus, &random)
    return Trace(
      name: "\(kind.rawValue) load \(load) seed \(seed)",
      note: "generated: \(notebooks) notebooks for \(cores) cores and \(gpus) GPUs", notebooks: made)
  }

  private func cell(first: Bool, usesGPUs: Bool, _ random: inout SplitMix) -> TraceCell {
    let think = first ? 0 : random.exponential(mean: 30)
    let isLong = random.uniform() < 0.1
    let run = max(random.exponential(mean: isLong ? 180 : 8), 0.001)
    let needsGPUs = usesGPUs && random.uniform() < 0.6
    let widths: [Int32] = needsGPUs ? [1, 2, 4] : [1, 1, 2, 4, 8, 16]
    let width = min(widths[Int(random.next() % UInt64(widths.count))], Int32(cores))
    let counts: [Int32] = [1, 1, 1, 2, 4]
    let gpuCount = needsGPUs ? min(counts[Int(random.next() % 5)], Int32(gpus)) : 0
    let share = Int32(500 + Int(random.uniform() * 490))
    return TraceCell(
      think: Span(seconds: think), run: Span(seconds: run), cores: width,
      parallelThousandths: width == 1 ? 1000 : share, gpus: gpuCount)
  }
}

/// Poisson arrivals at an offered load.
public enum ArrivalRate {
  /// Sets when notebooks arrive, so that the load comes out: the work of the cells, each on one core or on its GPUs, per
  /// second, over the capacity of the scarcest resource.
  public static func spread(
    _ notebooks: inout [TraceNotebook], load: Double, cores: Int, gpus: Int, _ random: inout SplitMix
  ) {
    let coreWork = notebooks.flatMap(\.cells).reduce(0.0) {
      $0 + $1.run.seconds * Speedup(parallelThousandths: $1.parallelThousandths).over(cores: Double($1.cores))
    }
    let gpuWork = notebooks.flatMap(\.cells).reduce(0.0) { $0 + $1.run.seconds * Double($1.gpus) }
    let busiest = max(coreWork / Double(max(cores, 1)), gpus > 0 ? gpuWork / Double(gpus) : 0)
    let gap = busiest / load / Double(notebooks.count)
    var clock = 0.0
    for index in notebooks.indices {
      notebooks[index].arrival = Instant(seconds: clock)
      clock += random.exponential(mean: gap)
    }
  }
}
