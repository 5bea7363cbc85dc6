import Domain
import Foundation
import Traces

/// What the live run measured of each cell, and the traces that a simulator plays under each scheme.
///
/// Everything comes from runs of their own, none from the arms that are predicted. The run time *alone* is what NTT is
/// divided by. *Single* is the time with one thread on one core while the other cores work, too: what a one-core cell takes
/// on a busy node. *Crowded* is the time of several copies at once that nobody schedules: what they take longer than their
/// share of the cores would have it is the loss of sharing.
public struct Calibration: Sendable {
  /// One cell's figures, in seconds.
  public struct Cell: Sendable, Hashable {
    public var alone: Double
    public var single: Double
    public var processor: Double
    public var crowded: Double
    public var crowdedPassive: Double
    public var least: Int
    public var most: Int

    /// How many threads it has where nobody tells it: more than one if it asks for more, runs faster on more, or loses by
    /// sharing as only waiting threads do.
    public func threads(cores: Int, fairCrowd: Double) -> Int {
      if most > 1 { return min(most, cores) }
      let isLong = single > Calibration.longCell
      return isLong && (single > alone * 1.15 || crowded > fairCrowd * single * 1.15) ? cores : 1
    }
  }

  /// Times shorter than this say nothing of threads.
  static let longCell = 0.1

  public let cells: [String: [Cell]]
  /// What a gate adds to a cell, in seconds: the median over the short cells.
  public let gateSeconds: Double
  public let cores: Int
  public let copies: Int
  public let sharesByNotebook: Bool

  /// Nil where a run that it takes is missing: T_alone and `single`.
  public init?(_ record: BenchRecord, sharesByNotebook: Bool) {
    let alone = record.alone
    guard let single = record.sides.first(where: { $0.name == "single" }) else { return nil }
    let singleTimes = Self.byCell(single.cells, record.plan)
    let crowded = record.sides.first { $0.name == "crowded" }.map { Self.byCell($0.cells, record.plan) } ?? [:]
    let passive =
      record.sides.first { $0.name == "crowded-passive" }.map { Self.byCell($0.cells, record.plan) } ?? crowded
    let gated = record.sides.first { $0.name == "learning" }.map { Self.byCell($0.cells, record.plan) } ?? [:]
    let copies = max(record.plan.copies, 1)
    let fairCrowd = Self.fairCrowd(copies: copies, cores: record.machine.cores)
    var cells: [String: [Cell]] = [:]
    var gateCosts: [Double] = []
    for (document, times) in alone.seconds {
      cells[document] = times.indices.map { index in
        let time = times[index]
        let one = singleTimes[document]?[index + 1] ?? time
        let fair = one * fairCrowd
        let demand = record.demands[document].flatMap { $0.indices.contains(index) ? $0[index] : nil }
        if time < 0.05, let behind = gated[document]?[index + 1] { gateCosts.append(behind - time) }
        return Cell(
          alone: time, single: one, processor: alone.processor[document]?[index] ?? time,
          crowded: crowded[document]?[index + 1] ?? fair, crowdedPassive: passive[document]?[index + 1] ?? fair,
          least: demand?.least ?? 1, most: demand?.most ?? 1)
      }
    }
    guard !cells.isEmpty else { return nil }
    self.cells = cells
    self.copies = copies
    self.sharesByNotebook = sharesByNotebook
    cores = record.machine.cores
    gateSeconds = max(LiveMeasures.percentile(gateCosts, 0.5), 0)
  }

  /// How many times as long as on a core of its own one of several copies takes if nothing is lost.
  static func fairCrowd(copies: Int, cores: Int) -> Double { max(Double(copies) / Double(max(cores, 1)), 1) }

  /// The mean time of each cell over its copies.
  private static func byCell(_ cells: [TimedCell], _ plan: BenchPlan) -> [String: [Int: Double]] {
    var sums: [String: [Int: (sum: Double, count: Double)]] = [:]
    for cell in cells where cell.isWell {
      let document = plan.document(of: cell.notebook)
      let before = sums[document]?[cell.number] ?? (0, 0)
      sums[document, default: [:]][cell.number] = (before.sum + cell.turnaround, before.count + 1)
    }
    return sums.mapValues { $0.mapValues { $0.sum / $0.count } }
  }

  /// The loss of a cell of several threads at `copies × threads / cores` threads a core, as the simulator's contention has
  /// it: it takes `1 + loss` times as long as its share of the cores would have it.
  func loss(_ cell: Cell, passive: Bool) -> Double {
    let fair = cell.single * Self.fairCrowd(copies: copies, cores: cores)
    return fair > 0 ? max((passive ? cell.crowdedPassive : cell.crowded) / fair - 1, 0) : 0
  }

  /// The share of a cell's work that runs in parallel, in thousandths, by Amdahl's law from one core and from all.
  func parallel(_ cell: Cell, on count: Int) -> Int32 {
    guard count > 1, cell.single > 0 else { return 1000 }
    let share = (1 - cell.alone / cell.single) * Double(count) / Double(count - 1)
    return Int32((min(max(share, 0), 1) * 1000).rounded())
  }

  /// A workload as the simulator plays it where celltop does not schedule.
  public func freeTrace(_ names: [String], document: (String) -> String, thinks: [[Double]]) -> Trace {
    trace(names, document: document, thinks: thinks) { cell in
      let threads = cell.threads(cores: cores, fairCrowd: Self.fairCrowd(copies: copies, cores: cores))
      guard threads > 1 else { return (cell.single, 1, 1000) }
      return (cell.alone, threads, parallel(cell, on: threads))
    }
  }

  /// A workload as the simulator plays it where celltop schedules, each cell behind a gate.
  ///
  /// - Parameter reserving: whether every cell asks for its notebook's peak.
  public func scheduledTrace(
    _ names: [String], document: (String) -> String, thinks: [[Double]], reserving: Bool
  ) -> Trace {
    trace(names, document: document, thinks: thinks, peaks: reserving) { cell in
      let most = min(cell.most, cores)
      let run = most > 1 ? cell.alone : cell.single
      return (run + gateSeconds, most, parallel(cell, on: most))
    }
  }

  private func trace(
    _ names: [String], document: (String) -> String, thinks: [[Double]], peaks: Bool = false,
    _ shape: (Cell) -> (run: Double, cores: Int, parallel: Int32)
  ) -> Trace {
    var trace = Trace(
      name: "live", note: "what the live bench measured of each cell, for the simulator to predict the arms from",
      notebooks: [])
    for (place, name) in names.enumerated() {
      let own = cells[document(name)] ?? []
      let peak = min(own.map(\.most).max() ?? 1, cores)
      let list = own.enumerated().map { index, cell in
        var wanted = cell
        if peaks { (wanted.least, wanted.most) = (peak, peak) }
        let (run, count, parallel) = shape(wanted)
        let think = thinks.indices.contains(place) && thinks[place].indices.contains(index) ? thinks[place][index] : 0
        return TraceCell(
          think: Span(seconds: think), run: Span(seconds: run), cores: Int32(count), parallelThousandths: parallel)
      }
      trace.notebooks.append(TraceNotebook(name: name, user: "bench", cells: list))
    }
    return trace
  }

  /// How long a notebook's cells take on a fixed share of the node, in seconds.
  ///
  /// - Parameter share: in cores. A quota lets a cell work until its share of the time is used up: it takes its processor
  ///   time divided by the share, and never less than alone.
  public func sharedSeconds(_ document: String, share: Double) -> Double {
    (cells[document] ?? []).reduce(0) { sum, cell in
      let isParallel = cell.threads(cores: cores, fairCrowd: Self.fairCrowd(copies: copies, cores: cores)) > 1
      if share >= 1 {
        let speedup = Speedup(parallelThousandths: parallel(cell, on: cores))
        let time = isParallel ? cell.alone / speedup.rate(on: min(share, Double(cores)), of: Int32(cores)) : cell.single
        return sum + time
      }
      let work = isParallel ? max(cell.processor, cell.single) : cell.single
      return sum + max(work / share, cell.alone)
    }
  }
}
