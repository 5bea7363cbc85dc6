import Domain
import Traces

/// What sharing does to cells: how fast each runs on what it holds.
///
/// A cell spreads its threads evenly over the cores of its allotment; a core with more threads than one gives each an
/// equal part (processor sharing), and so do GPUs that are time-sliced. On cores and GPUs of its own a cell runs at its
/// speedup. Threads that outnumber the cores they share with others cost more than their share: they spin at barriers.
public struct Contention: Sendable, Hashable {
  /// The loss at two threads a core: a cell of several threads takes `1 + loss × (threads per core − 1)` times as long,
  /// counted to two threads a core and no further, because nothing beyond was measured.
  public var oversubscriptionLoss: Double
  /// A loss of its own for each cell, notebook after notebook, where each was measured; empty where all are alike.
  public var ownLosses: ContiguousArray<SharingLoss> = []
  /// Whether a core is shared equally among notebooks rather than threads, as Linux does where each kernel has a session of
  /// its own (`sched_autogroup_enabled`, sched(7)).
  public var sharesByNotebook = false

  public init(oversubscriptionLoss: Double) { self.oversubscriptionLoss = oversubscriptionLoss }

  /// The median of six kernels measured at two threads a core against one (MLP 5.6 times as long, t-SNE 2.5, histogram
  /// boosting 2.2 to 25, k-means 2.4, matrix product 1, random forest 1): 2.45 times as long.
  public static let measured = Contention(oversubscriptionLoss: 1.45)
  /// Ideal sharing: nothing is lost.
  public static let none = Contention(oversubscriptionLoss: 0)

  /// How fast a cell runs on a shared allotment, 1 being as fast as on cores and GPUs of its own.
  ///
  /// - Parameters:
  ///   - cores: the most that the cell can use, which is how many threads it has.
  ///   - load: of its node, with the cell itself.
  ///   - place: of the cell among all cells of the trace.
  ///   - notebooks: how many cells share something on the node, this one among them.
  package func rate(
    of speedup: Speedup, cores: Int32, gpus: Int32, on allotment: Allotment, under load: SharedLoad,
    place: Int = -1, notebooks: Int = 1
  ) -> Double {
    var got = load.cores(of: allotment, threads: cores)
    if sharesByNotebook {
      got.cores = min(Double(cores), Double(allotment.cores.count) / Double(max(notebooks, 1)))
    }
    var rate = speedup.rate(on: got.cores, of: cores)
    if ownLosses.indices.contains(place) {
      rate /= 1 + ownLosses[place].at(got.load)
    } else if cores > 1 {
      rate /= 1 + oversubscriptionLoss * min(max(got.load - 1, 0), 1)
    }
    return gpus > 0 ? min(rate, load.share(of: allotment, gpus: gpus)) : rate
  }
}

/// What one cell loses among others, as it was measured at two loads: it takes `1 + loss` times as long as its share of the
/// cores would have it. Nothing up to a thread a core, straight lines between the points, and no more beyond the last.
public struct SharingLoss: Sendable, Hashable {
  /// A load in threads a core, above 1, and the loss there.
  public struct Point: Sendable, Hashable {
    public var load: Double
    public var loss: Double

    public init(load: Double, loss: Double) {
      self.load = load
      self.loss = loss
    }
  }

  public var light: Point
  /// At a load no lower than `light`'s.
  public var heavy: Point

  public init(light: Point, heavy: Point) {
    self.light = light
    self.heavy = heavy
  }

  /// Ideal sharing.
  public static let none = SharingLoss(light: Point(load: 1, loss: 0), heavy: Point(load: 1, loss: 0))

  /// The loss at a load.
  public func at(_ load: Double) -> Double {
    if load <= 1 { return 0 }
    if load < light.load { return light.loss * (load - 1) / (light.load - 1) }
    if load < heavy.load {
      return light.loss + (heavy.loss - light.loss) * (load - light.load) / (heavy.load - light.load)
    }
    return heavy.loss
  }
}

/// GPU memory on shared allotments: what nobody schedules stays where it is until its notebook closes, and can run out.
struct SharedGPUMemory {
  private let whole: [Double]
  private var used: [Double]
  private var keepers: [Int32: (gpus: GPUSet, each: Double)] = [:]

  init(_ node: Node) {
    whole = node.gpus.map { $0.memory > .zero ? Double($0.memory.count) : .infinity }
    used = Array(repeating: 0, count: node.gpus.count)
  }

  /// A cell loads what it needs in place of what its notebook had, spread evenly over `gpus`; false where that runs out,
  /// and then nothing changes.
  mutating func take(_ player: Int32, _ cell: TraceCell, on gpus: GPUSet) -> Bool {
    guard !gpus.isEmpty else { return true }
    let before = keepers[player]
    giveBack(player)
    let each = Double(cell.gpuMemory.count) * Double(cell.gpus) / Double(gpus.count)
    let fits = gpus.allSatisfy { used[$0] + each <= whole[$0] }
    guard let next = fits ? (gpus, each) : before else { return fits }
    for gpu in next.gpus { used[gpu] += next.each }
    keepers[player] = next
    return fits
  }

  mutating func giveBack(_ player: Int32) {
    guard let kept = keepers.removeValue(forKey: player) else { return }
    for gpu in kept.gpus { used[gpu] -= kept.each }
  }
}

/// The load of one node's cores and GPUs under sharing.
package struct SharedLoad: Sendable {
  /// Threads (and GPU workers) that each core (GPU) carries.
  private var threads: [Double]
  private var workers: [Double]
  private let cores: CoreSet
  private let gpus: GPUSet
  /// Load spread over the whole node, which most sharing policies do: kept as a sum.
  private var threadsEverywhere = 0.0
  private var workersEverywhere = 0.0
  private var spread = 0

  package init(_ node: Node) {
    cores = node.cores
    gpus = node.gpuSet
    threads = Array(repeating: 0, count: (Array(node.cores).last ?? -1) + 1)
    workers = Array(repeating: 0, count: node.gpus.count)
  }

  package mutating func add(_ allotment: Allotment, threads count: Int32, gpus need: Int32, sign: Double) {
    if allotment.cores == cores {
      threadsEverywhere += sign * Double(count)
    } else {
      let each = sign * Double(count) / Double(max(allotment.cores.count, 1))
      for core in allotment.cores { threads[core] += each }
      spread += sign > 0 ? 1 : -1
    }
    guard need > 0 else { return }
    if allotment.gpus == gpus {
      workersEverywhere += sign * Double(need)
    } else {
      let each = sign * Double(need) / Double(max(allotment.gpus.count, 1))
      for gpu in allotment.gpus { workers[gpu] += each }
    }
  }

  /// The cores that a cell gets, and the threads a core where it runs.
  package func cores(of allotment: Allotment, threads count: Int32) -> (cores: Double, load: Double) {
    let everywhere = threadsEverywhere / Double(max(cores.count, 1))
    if spread == 0 { return (Double(count) * min(1, 1 / max(everywhere, 1e-9)), everywhere) }
    let each = Double(count) / Double(max(allotment.cores.count, 1))
    var got = 0.0
    var load = 0.0
    for core in allotment.cores {
      let here = threads[core] + everywhere
      got += each * min(1, 1 / max(here, 1e-9))
      load += here
    }
    return (got, load / Double(max(allotment.cores.count, 1)))
  }

  /// The share of its GPUs that a cell gets: 1 where nobody else uses them.
  package func share(of allotment: Allotment, gpus need: Int32) -> Double {
    guard need > 0 else { return 1 }
    let everywhere = workersEverywhere / Double(max(gpus.count, 1))
    let each = Double(need) / Double(max(allotment.gpus.count, 1))
    var got = 0.0
    for gpu in allotment.gpus { got += each * min(1, 1 / max(workers[gpu] + everywhere, 1e-9)) }
    return min(got / Double(need), 1)
  }
}
