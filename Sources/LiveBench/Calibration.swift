import Domain
import Foundation
import Simulation
import Traces

/// What the live run measured of each cell, and the traces that a simulator plays under each scheme.
///
/// Everything comes from runs of their own, none from the arms that are predicted. The run time *alone* is what NTT is
/// divided by. *Single* is the time with one thread on one core while the other cores work, too: what a one-core cell takes
/// on a busy node that nobody schedules. *One core* is the time on one core behind a gate while the engine gives every
/// other core to somebody as well, from its grant to its end. *Gated* is the time behind a gate on as many cores as the
/// cell can use, alone on the node. What is lost by sharing is found from notebooks that ran at once and that nobody
/// scheduled (`CrowdLosses`).
public struct Calibration: Sendable {
  /// One cell's figures, in seconds.
  public struct Cell: Sendable, Hashable {
    public var alone: Double
    public var single: Double
    public var oneCore: Double
    public var gated: Double
    public var processor: Double
    public var loss: SharingLoss
    public var lossPassive: SharingLoss
    public var least: Int
    public var most: Int

    /// How many threads it has where nobody tells it: more than one if it asks for more, or had used clearly more
    /// processor time than it took.
    public func threads(cores: Int) -> Int {
      if most > 1 { return min(most, cores) }
      return alone > Calibration.longCell && processor > alone * 1.25 ? cores : 1
    }
  }

  /// Times shorter than this say nothing of threads.
  static let longCell = 0.1

  public let cells: [String: [Cell]]
  /// What a gate adds to a cell, in seconds: the median over the short cells alone on the node.
  public let gateSeconds: Double
  public let cores: Int
  public let sharesByNotebook: Bool

  /// Nil where a run that it takes is missing: T_alone and `single`.
  public init?(_ record: BenchRecord, sharesByNotebook: Bool) {
    let alone = record.alone
    let plan = record.plan
    guard let single = record.side(.single) else { return nil }
    let singleTimes = Self.byCell(single.cells, plan)
    let gated = record.side(.learning).map { Self.byCell($0.cells, plan) } ?? [:]
    let governed = Self.byCell(
      record.runs { .oneCore($0) }.flatMap { $0 }, plan
    ) { cell in cell.ran.first.map { cell.ended - $0.from } }
    var cells: [String: [Cell]] = [:]
    var gateCosts: [Double] = []
    for (document, times) in alone.seconds {
      cells[document] = times.indices.map { index in
        let time = times[index]
        let demand = record.demands[document].flatMap { $0.indices.contains(index) ? $0[index] : nil }
        if time < 0.05, let behind = gated[document]?[index + 1] { gateCosts.append(behind - time) }
        let single = singleTimes[document]?[index + 1] ?? time
        return Cell(
          alone: time, single: single, oneCore: governed[document]?[index + 1] ?? single,
          gated: gated[document]?[index + 1] ?? time, processor: alone.processor[document]?[index] ?? time,
          loss: .none, lossPassive: .none, least: demand?.least ?? 1, most: demand?.most ?? 1)
      }
    }
    guard !cells.isEmpty else { return nil }
    self.sharesByNotebook = sharesByNotebook
    cores = record.machine.cores
    gateSeconds = max(LiveMeasures.percentile(gateCosts, 0.5), 0)
    let node = Node(id: NodeID(0), name: "node", cores: CoreSet(0..<cores))
    var shapes: [CrowdLosses.Key: CrowdLosses.Shape] = [:]
    for (document, list) in cells {
      for (index, cell) in list.enumerated() {
        let (run, threads, parallel) = Self.free(cell, cores: cores)
        shapes[.init(document: document, number: index + 1)] = .init(
          seconds: run, threads: Int32(threads), parallelThousandths: parallel)
      }
    }
    func losses(isPassive: Bool) -> CrowdLosses {
      CrowdLosses(
        light: record.runs { .crowd(isLight: true, isPassive: isPassive, number: $0) },
        heavy: record.runs { .crowd(isLight: false, isPassive: isPassive, number: $0) }, shapes: shapes,
        document: plan.document(of:), node: node, sharesByNotebook: sharesByNotebook)
    }
    let (own, passive) = (losses(isPassive: false), losses(isPassive: true))
    for document in cells.keys {
      for index in cells[document, default: []].indices {
        let key = CrowdLosses.Key(document: document, number: index + 1)
        let found = own.losses[key] ?? .none
        cells[document]?[index].loss = found
        cells[document]?[index].lossPassive = passive.losses[key] ?? found
      }
    }
    self.cells = cells
  }

  /// The mean time of each cell over its copies and runs.
  ///
  /// - Parameter time: a cell's, nil where it has none.
  private static func byCell(
    _ cells: [TimedCell], _ plan: BenchPlan, time: (TimedCell) -> Double? = { $0.turnaround }
  ) -> [String: [Int: Double]] {
    var sums: [String: [Int: (sum: Double, count: Double)]] = [:]
    for cell in cells where cell.isWell {
      guard let seconds = time(cell) else { continue }
      let document = plan.document(of: cell.notebook)
      let before = sums[document]?[cell.number] ?? (0, 0)
      sums[document, default: [:]][cell.number] = (before.sum + seconds, before.count + 1)
    }
    return sums.mapValues { $0.mapValues { $0.sum / $0.count } }
  }

  /// The share of a cell's work that runs in parallel, in thousandths, by Amdahl's law from its seconds on one core and on
  /// `count`; below 0 where it is slower on more.
  static func parallel(single: Double, whole: Double, on count: Int) -> Int32 {
    guard count > 1, single > 0 else { return 1000 }
    let share = (1 - whole / single) * Double(count) / Double(count - 1)
    return Int32((min(max(share, -1000), 1) * 1000).rounded())
  }

  /// How a cell runs where nobody tells it how many threads to have.
  private static func free(_ cell: Cell, cores: Int) -> (run: Double, cores: Int, parallel: Int32) {
    let threads = cell.threads(cores: cores)
    guard threads > 1 else { return (cell.single, 1, 1000) }
    return (cell.alone, threads, parallel(single: cell.single, whole: cell.alone, on: threads))
  }

  /// A workload as the simulator plays it where celltop does not schedule.
  public func freeTrace(_ names: [String], document: (String) -> String, thinks: [[Double]]) -> Trace {
    trace(names, document: document, thinks: thinks) { cell, _ in Self.free(cell, cores: cores) }
  }

  /// A workload as the simulator plays it where celltop schedules, each cell behind a gate.
  ///
  /// - Parameter reserving: whether every cell asks for its notebook's peak.
  public func scheduledTrace(
    _ names: [String], document: (String) -> String, thinks: [[Double]], reserving: Bool
  ) -> Trace {
    trace(names, document: document, thinks: thinks) { cell, peak in
      let most = min(reserving ? peak : cell.most, cores)
      let one = cell.oneCore
      guard most > 1 else { return (one, 1, 1000) }
      // A cell that asks for one core and is given the peak runs as it does where it has the node.
      let whole = cell.most > 1 ? cell.gated : cell.alone + gateSeconds
      return (whole, most, Self.parallel(single: one, whole: whole, on: most))
    }
  }

  /// - Parameter shape: how a cell runs, from its figures and its notebook's peak of cores.
  private func trace(
    _ names: [String], document: (String) -> String, thinks: [[Double]],
    _ shape: (Cell, Int) -> (run: Double, cores: Int, parallel: Int32)
  ) -> Trace {
    var trace = Trace(
      name: "live", note: "what the live bench measured of each cell, for the simulator to predict the arms from",
      notebooks: [])
    for (place, name) in names.enumerated() {
      let own = cells[document(name)] ?? []
      let peak = own.map(\.most).max() ?? 1
      let list = own.enumerated().map { index, cell in
        let (run, count, parallel) = shape(cell, peak)
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
      let isParallel = cell.threads(cores: cores) > 1
      if share >= 1 {
        let (run, threads, parallel) = Self.free(cell, cores: cores)
        let speedup = Speedup(parallelThousandths: parallel)
        return sum + run / speedup.rate(on: min(share, Double(threads)), of: Int32(threads))
      }
      let work = isParallel ? max(cell.processor, cell.single) : cell.single
      return sum + max(work / share, cell.alone)
    }
  }
}
