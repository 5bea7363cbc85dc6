import Chance
import Domain
import Glibc
import Traces

/// A made-up workload of people at notebooks who work as a `WorkloadShape` says, the same for the same seed.
///
/// Think times have exactly the shape's distribution within its range, and hang together as was measured: with the run time
/// of the cell before, and with the think time before, by a Gaussian copula (Nelsen, "An Introduction to Copulas", 2006):
/// z = a · z_before + b · z_run + c · ε with a, b the normal correlations 2 sin(π ρ/6) of Spearman's ρ, and c such that z
/// is standard normal. Between the bursts of a Run All there is no thought.
public struct InteractiveWorkload: Sendable, Hashable {
  /// What the cells ask for.
  public enum Kind: String, Sendable, CaseIterable {
    /// One core each.
    case notebooks
    /// Machine learning: short looks on a core, preparation on several, training on many cores or on GPUs, with memory.
    case ml
    /// Training on GPUs only, one core each: 1, 4 or 8 GPUs, as in the AdobeTrace.
    case training
  }

  public var kind: Kind
  public var shape: WorkloadShape
  public var notebooks: Int
  public var cores: Int
  public var gpus: Int
  /// The offered load, as `MixedWorkload` counts it.
  public var load: Double
  public var seed: UInt64

  public init(
    kind: Kind, shape: WorkloadShape, notebooks: Int, cores: Int, gpus: Int, load: Double, seed: UInt64
  ) {
    self.kind = kind
    self.shape = shape
    self.notebooks = notebooks
    self.cores = cores
    self.gpus = gpus
    self.load = load
    self.seed = seed
  }

  /// The workload as a trace.
  public func trace() -> Trace {
    var random = SplitMix(seed: seed)
    let people = People(shape)
    var made: [TraceNotebook] = []
    made.reserveCapacity(max(notebooks, 1))
    for number in 1...max(notebooks, 1) {
      let usesGPUs = kind == .ml && gpus > 0 && random.uniform() < 0.5
      var cells = people.cells(&random)
      for index in cells.indices {
        switch kind {
        case .notebooks: break
        case .ml: demand(of: &cells[index], usesGPUs: usesGPUs, &random)
        case .training: cells[index].gpus = trainingGPUs(&random)
        }
      }
      made.append(TraceNotebook(name: "n\(number)", user: "u\(number % 17 + 1)", cells: cells))
    }
    ArrivalRate.spread(&made, load: load, cores: cores, gpus: gpus, &random)
    return Trace(
      name: "\(kind.rawValue) load \(load) seed \(seed)",
      note: "generated like \(shape.name): \(notebooks) notebooks for \(cores) cores and \(gpus) GPUs", notebooks: made)
  }

  /// What a cell of that length asks for. The classes and their ranges are assumptions (`Docs/TRACES.md`).
  private func demand(of cell: inout TraceCell, usesGPUs: Bool, _ random: inout SplitMix) {
    func gibibytes(_ least: Double, _ most: Double) -> Bytes {
      Bytes(Int64(exp(log(least) + random.uniform() * log(most / least)) * 1_073_741_824))
    }
    func pick(_ widths: [Int32]) -> Int32 { min(widths[random.index(below: widths.count)], Int32(cores)) }
    func share(_ least: Double, _ most: Double) -> Int32 {
      Int32(((least + random.uniform() * (most - least)) * 1000).rounded())
    }
    switch cell.run.seconds {
    case ..<1:
      cell.memory = gibibytes(0.2, 2)
    case ..<30:
      cell.cores = pick([1, 2, 4, 8])
      cell.parallelThousandths = share(0.5, 0.95)
      cell.memory = gibibytes(1, 8)
    default:
      if usesGPUs {
        cell.gpus = trainingGPUs(&random)
        cell.cores = pick([2, 4, 8])
        cell.parallelThousandths = share(0.3, 0.8)
        cell.memory = gibibytes(8, 32)
        cell.gpuMemory = gibibytes(4, 40)
      } else {
        cell.cores = pick([4, 8, 16, 32])
        cell.parallelThousandths = share(0.8, 0.99)
        cell.memory = gibibytes(4, 64)
      }
    }
    if cell.cores == 1 { cell.parallelThousandths = 1000 }
  }

  /// As many GPUs as the AdobeTrace's cells: 15,214 of 1, 6,192 of 4, 9,503 of 8; never more than the node has.
  private func trainingGPUs(_ random: inout SplitMix) -> Int32 {
    let place = random.index(below: 30_909)
    return min(place < 15_214 ? 1 : place < 21_406 ? 4 : 8, Int32(gpus))
  }
}

/// Draws the cells of notebooks.
private struct People {
  let shape: WorkloadShape
  let withLast: Double
  let withRun: Double
  let own: Double
  let shareLeast: Double
  let shareMost: Double

  init(_ shape: WorkloadShape) {
    self.shape = shape
    // Together the two may not explain more than all.
    let last = 2 * sin(.pi / 6 * min(max(shape.correlationWithLast, -1), 1))
    let run = 2 * sin(.pi / 6 * min(max(shape.correlationWithRun, -1), 1))
    let scale = max(1, ((last * last + run * run) / 0.95).squareRoot())
    withLast = last / scale
    withRun = run / scale
    own = max(1 - withLast * withLast - withRun * withRun, 0).squareRoot()
    shareLeast = shape.think.cumulative(shape.range.leastSeconds)
    shareMost = shape.think.cumulative(shape.range.mostSeconds)
  }

  func cells(_ random: inout SplitMix) -> [TraceCell] {
    let count = max(Int(shape.cells.value(at: random.uniform()).rounded()), 1)
    var cells: [TraceCell] = []
    cells.reserveCapacity(count)
    var z = random.normal()
    var zRun = 0.0
    var leftInBurst = 0
    while cells.count < count {
      var think = 0.0
      if leftInBurst == 0 {
        leftInBurst = max(Int(shape.bursts.value(at: random.uniform()).rounded()), 1)
        if !cells.isEmpty {
          z = withLast * z + withRun * zRun + own * random.normal()
          let share = shareLeast + ThinkModel.normal(z) * (shareMost - shareLeast)
          think = min(max(shape.think.quantile(share), shape.range.leastSeconds), shape.range.mostSeconds)
        }
      } else {
        // What a client spends between the cells of a Run All.
        think = min(0.002 + 0.008 * random.uniform(), shape.range.leastSeconds / 2)
      }
      leftInBurst -= 1
      zRun = random.normal()
      let run = max(shape.runs.value(at: ThinkModel.normal(zRun)), 0.000001)
      cells.append(TraceCell(think: Span(seconds: think), run: Span(seconds: run)))
    }
    return cells
  }
}
