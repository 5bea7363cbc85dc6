import Domain

/// What a simulated session came to: section 6 of the design, for one policy on one trace.
///
/// For notebook *i*, `T_alone` is the sum of its cells' run times alone on the node and `T_shared` the sum over its cells of
/// (ended − submitted); NTT = T_shared / T_alone; ANTT is the mean NTT and STP the sum of T_alone / T_shared (Eyerman and
/// Eeckhout, "System-level performance metrics for multiprogram workloads", IEEE Micro 28 (2008)).
public struct Measures: Sendable {
  public var antt = 0.0
  public var stp = 0.0
  /// The same with think time counted in both times.
  public var anttWithThink = 0.0
  public var stpWithThink = 0.0
  /// What each cell stood longer than it would have run alone: queued, suspended, or slowed.
  public var wait = Waits()
  /// From submission to the first start.
  public var queued = Waits()
  /// Mean over cells of (ended − submitted), in seconds.
  public var turnaroundMean = 0.0
  /// Mean over cells of turnaround ÷ run alone, and the same with run times under 10 s counted as 10 s.
  public var slowdownMean = 0.0
  public var boundedSlowdownMean = 0.0
  /// From the first arrival to the last end, in seconds.
  public var makespan = 0.0
  public var worstNTT = 0.0
  /// Jain's index of fairness over the notebooks' NTT: 1 where all are equal.
  public var jain = 1.0
  public var preemptions = 0
  /// Time that cells spent suspended, in hours.
  public var suspendedHours = 0.0
  /// How often what a notebook kept in GPU memory was saved to the host's.
  public var evictions = 0
  /// Time that cells waited for GPU memory to be saved and restored, in hours.
  public var swapHours = 0.0
  /// Shares of the capacity over the makespan: allotted, and really worked on.
  public var heldCores = 0.0
  public var heldGPUs = 0.0
  public var busyCores = 0.0
  public var busyGPUs = 0.0
  public var gpuHoursHeld = 0.0
  public var cellsEnded = 0
  public var cellsFailed = 0

  public init() {}
}

/// A distribution of waits, in seconds.
public struct Waits: Sendable, Hashable {
  public var mean = 0.0
  public var p50 = 0.0
  public var p95 = 0.0
  public var p99 = 0.0
  public var max = 0.0
  /// Shares of the cells that waited longer than 1 s and 10 s.
  public var over1s = 0.0
  public var over10s = 0.0

  public init() {}

  /// From waits in microseconds, which are sorted in passing. Percentiles are by nearest rank.
  public init(of microseconds: inout ContiguousArray<Int64>) {
    guard !microseconds.isEmpty else { return }
    microseconds.sort()
    let count = microseconds.count
    func at(_ share: Double) -> Double {
      let rank = Int((share * Double(count)).rounded(.up))
      return Double(microseconds[Swift.min(Swift.max(rank, 1), count) - 1]) / 1e6
    }
    mean = microseconds.reduce(0.0) { $0 + Double($1) } / Double(count) / 1e6
    p50 = at(0.5)
    p95 = at(0.95)
    p99 = at(0.99)
    max = at(1)
    func shareOver(_ limit: Int64) -> Double {
      var low = 0
      var high = count
      while low < high {
        let middle = (low + high) / 2
        if microseconds[middle] > limit { high = middle } else { low = middle + 1 }
      }
      return Double(count - low) / Double(count)
    }
    over1s = shareOver(1_000_000)
    over10s = shareOver(10_000_000)
  }
}

/// Gathers one run's figures while it goes on; everything in microseconds until the end.
public struct Tally: Sendable {
  private var waits: ContiguousArray<Int64> = []
  private var queues: ContiguousArray<Int64> = []
  private var turnarounds = 0.0
  private var slowdowns = 0.0
  private var boundedSlowdowns = 0.0
  private var ended = 0
  private var ratios: ContiguousArray<Double> = []
  private var ratiosWithThink: ContiguousArray<Double> = []
  private var firstArrival = Int64.max
  private var lastEnd = Int64.min
  public var failed = 0
  public var preemptions = 0
  public var suspendedMicroseconds = 0.0
  public var evictions = 0
  public var swapMicroseconds = 0.0
  /// Resource × microseconds.
  public var heldCores = 0.0
  public var heldGPUs = 0.0
  public var busyCores = 0.0
  public var busyGPUs = 0.0

  public init(cells: Int, notebooks: Int) {
    waits.reserveCapacity(cells)
    queues.reserveCapacity(cells)
    ratios.reserveCapacity(notebooks)
    ratiosWithThink.reserveCapacity(notebooks)
  }

  public mutating func arrived(at instant: Instant) { firstArrival = min(firstArrival, instant.microseconds) }

  /// A cell ended well.
  public mutating func cellEnded(submitted: Instant, started: Instant, ended end: Instant, runAlone: Span) {
    let turnaround = (end - submitted).microseconds
    ended += 1
    waits.append(max(turnaround - runAlone.microseconds, 0))
    queues.append((started - submitted).microseconds)
    turnarounds += Double(turnaround)
    slowdowns += Double(turnaround) / Double(max(runAlone.microseconds, 1))
    boundedSlowdowns += max(Double(turnaround) / Double(max(runAlone.microseconds, 10_000_000)), 1)
    lastEnd = max(lastEnd, end.microseconds)
  }

  /// A notebook ended; one that never ran anything has no ratio.
  public mutating func notebookEnded(alone: Int64, shared: Int64, think: Int64) {
    guard alone > 0 else { return }
    ratios.append(Double(shared) / Double(alone))
    ratiosWithThink.append(Double(shared + think) / Double(alone + think))
  }

  /// The figures, for a node with so many cores and GPUs.
  public mutating func measures(cores: Int, gpus: Int) -> Measures {
    var result = Measures()
    let count = Double(max(ratios.count, 1))
    result.antt = ratios.reduce(0, +) / count
    result.stp = ratios.reduce(0) { $0 + 1 / $1 }
    result.anttWithThink = ratiosWithThink.reduce(0, +) / count
    result.stpWithThink = ratiosWithThink.reduce(0) { $0 + 1 / $1 }
    result.worstNTT = ratios.max() ?? 0
    let squares = ratios.reduce(0) { $0 + $1 * $1 }
    result.jain = squares > 0 ? ratios.reduce(0, +) * ratios.reduce(0, +) / (count * squares) : 1
    result.wait = Waits(of: &waits)
    result.queued = Waits(of: &queues)
    let cells = Double(max(ended, 1))
    result.turnaroundMean = turnarounds / cells / 1e6
    result.slowdownMean = slowdowns / cells
    result.boundedSlowdownMean = boundedSlowdowns / cells
    let length = lastEnd > firstArrival ? Double(lastEnd - firstArrival) : 0
    result.makespan = length / 1e6
    result.preemptions = preemptions
    result.suspendedHours = suspendedMicroseconds / 3.6e9
    result.evictions = evictions
    result.swapHours = swapMicroseconds / 3.6e9
    let whole = (cores: max(length * Double(cores), 1), gpus: max(length * Double(gpus), 1))
    result.heldCores = heldCores / whole.cores
    result.heldGPUs = gpus > 0 ? heldGPUs / whole.gpus : 0
    result.busyCores = busyCores / whole.cores
    result.busyGPUs = gpus > 0 ? busyGPUs / whole.gpus : 0
    result.gpuHoursHeld = heldGPUs / 3.6e9
    result.cellsEnded = ended
    result.cellsFailed = failed
    return result
  }
}
