import Domain

/// When the cells of a line may be expected to start, if they start in that order and the forecasts hold.
///
/// The line is run ahead three times on the counts of idle cores and GPUs: with every run time at its lower quartile, at
/// its median and at its upper quartile. A cell that has outlived a quartile of its forecast is taken to live on as
/// processes do, of which half of those that have run for t run for 2t: its residual quartiles are t/3, t and 3t
/// (Harchol-Balter and Downey, "Exploiting process lifetime distributions for dynamic load balancing", ACM TOCS 15(3), 1997).
public struct Outlook: Sendable {
  /// How many cells of the line are looked at; the rest get nil.
  public static let lengthMost = 64

  /// The expected start of each cell of the line; nil where a forecast is missing on the way.
  public private(set) var starts: [ExpectedStart?]

  public init(of state: SchedulerState, startingInOrder line: [NotebookID], at now: Instant) {
    starts = Array(repeating: nil, count: line.count)
    let movable = line.prefix(Self.lengthMost).enumerated().filter {
      !state[$0.element].isHeld && !state[$0.element].isOperatorSuspended
    }
    let runs = Quartile.all.map { Self.run(state, movable.map(\.element), $0, at: now) }
    for (place, item) in movable.enumerated() {
      guard let early = runs[0][place], let median = runs[1][place], let late = runs[2][place] else { break }
      starts[item.offset] = ExpectedStart(early: min(early, median), median: median, late: max(median, late))
    }
  }

  private static func remaining(_ slot: NotebookSlot, _ quartile: Quartile, at now: Instant) -> Span? {
    guard let forecast = slot.cell.forecast else { return nil }
    let ran = slot.ran(at: now)
    let foreseen = forecast.run[keyPath: quartile.run] - ran
    return foreseen > .zero ? foreseen : Span(seconds: max(ran.seconds * quartile.residual, 1e-6))
  }

  private static func run(
    _ state: SchedulerState, _ line: [NotebookID], _ quartile: Quartile, at now: Instant
  ) -> [Instant?] {
    var idle = state.nodes.map {
      (
        cores: $0.idleCores.subtracting($0.drainedCores).count, gpus: $0.idleGPUs.subtracting($0.drainedGPUs).count
      )
    }
    var ends: [(at: Instant, node: Int, cores: Int, gpus: Int)] = []
    for id in state.running where !state[id].allotment.shared {
      let slot = state[id]
      guard let left = remaining(slot, quartile, at: now) else { continue }
      ends.append((now + left, Int(slot.node.number), slot.allotment.cores.count, slot.allotment.gpus.count))
    }
    ends.sort { ($0.at, $0.node, $0.cores, $0.gpus) > ($1.at, $1.node, $1.cores, $1.gpus) }
    var clock = now
    var result = [Instant?](repeating: nil, count: line.count)
    for (place, id) in line.enumerated() {
      let demand = state.demand(of: id)
      let node = Int(state[id].node.number)
      while idle[node].cores < Int(demand.coresLeast) || idle[node].gpus < Int(demand.gpus) {
        guard let next = ends.popLast() else { return result }
        clock = max(clock, next.at)
        idle[next.node].cores += next.cores
        idle[next.node].gpus += next.gpus
      }
      result[place] = clock
      guard let left = remaining(state[id], quartile, at: now) else { return result }
      let cores = min(idle[node].cores, Int(demand.coresMost))
      idle[node].cores -= cores
      idle[node].gpus -= Int(demand.gpus)
      let end = (clock + left, node, cores, Int(demand.gpus))
      let at = ends.firstIndex { $0.at < end.0 } ?? ends.endIndex
      ends.insert(end, at: at)
    }
    return result
  }
}

/// A quartile of a run time, and of what is left of one that has outlived it, as a multiple of what it ran.
private struct Quartile {
  var run: KeyPath<Quantiles, Span>
  var residual: Double

  static var all: [Quartile] {
    [
      Quartile(run: \.p25, residual: 1.0 / 3), Quartile(run: \.p50, residual: 1), Quartile(run: \.p75, residual: 3),
    ]
  }
}
