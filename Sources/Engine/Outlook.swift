import Domain

/// When the cells of a line may be expected to start, if they start in that order and the forecasts hold.
///
/// The line is run ahead `drawsCount` times on the counts of idle cores and GPUs, each time with other run times: every cell's
/// are spread evenly over its forecast, given what it has run already, and combined with those of the others by a fixed
/// permutation of its own (a Latin hypercube: McKay, Beckman and Conover, Technometrics 21(2), 1979). So sums of several runs
/// are spread as sums are, and the same state gives the same answer everywhere.
public struct Outlook: Sendable {
  /// How many cells of the line are looked at; the rest get nil.
  public static let lengthMost = 64
  /// How often the line is run ahead; a power of two.
  static let drawsCount = 16
  /// The place, among the sorted draws, of the range's ends (about one in ten lies beyond each) and of its median.
  private static let places = (early: 1, median: 8, late: 14)

  /// The expected start of each cell of the line, with a range that it should lie in four times of five; nil where a
  /// forecast is missing on the way.
  public private(set) var starts: [ExpectedStart?]

  public init(of state: SchedulerState, startingInOrder line: [NotebookID], at now: Instant) {
    starts = Array(repeating: nil, count: line.count)
    guard !line.isEmpty else { return }
    let movable = line.prefix(Self.lengthMost).enumerated().filter { state.isStartable($0.element) }
    let ids = movable.map(\.element)
    let runs = (0..<Self.drawsCount).map { Self.run(state, ids, draw: $0, at: now) }
    for (place, item) in movable.enumerated() {
      let drawn = runs.compactMap { $0[place] }.sorted()
      guard drawn.count == Self.drawsCount else { break }
      starts[item.offset] = ExpectedStart(
        early: drawn[Self.places.early], median: drawn[Self.places.median], late: drawn[Self.places.late])
    }
  }

  /// What is left of a cell's run in one draw.
  private static func remaining(_ slot: NotebookSlot, draw: Int, at now: Instant) -> Span? {
    guard let forecast = slot.cell.forecast else { return nil }
    var digest = Digest()
    digest.put(slot.cell.id.number)
    // An odd step through a power of two comes to every place once.
    let step = Int(digest.value & 0xFF) | 1
    let place = (draw * step + Int(digest.value >> 8 & 0xFF)) % drawsCount
    let left = forecast.run.left(after: slot.ran(at: now), at: (Double(place) + 0.5) / Double(drawsCount))
    return max(left, Span(microseconds: 1))
  }

  private static func run(
    _ state: SchedulerState, _ line: [NotebookID], draw: Int, at now: Instant
  ) -> [Instant?] {
    var idle = state.nodes.map {
      (
        cores: $0.idleCores.subtracting($0.drainedCores).count, gpus: $0.idleGPUs.subtracting($0.drainedGPUs)
      )
    }
    var ends: [(at: Instant, node: Int, cores: Int, gpus: GPUSet)] = []
    for id in state.running where !state[id].allotment.shared {
      let slot = state[id]
      guard let left = remaining(slot, draw: draw, at: now) else { continue }
      ends.append((now + left, Int(slot.node.number), slot.allotment.cores.count, slot.allotment.gpus))
    }
    ends.sort { ($0.at, $0.node, $0.cores, $0.gpus.count) > ($1.at, $1.node, $1.cores, $1.gpus.count) }
    var clock = now
    var result = [Instant?](repeating: nil, count: line.count)
    for (place, id) in line.enumerated() {
      let demand = state.demand(of: id)
      let node = Int(state[id].node.number)
      // The GPUs of its kernel are waited for, others are not.
      let bound = demand.gpus > 0 ? state.boundGPUs(of: id, Int(demand.gpus)) : nil
      while idle[node].cores < Int(demand.coresLeast) || idle[node].gpus.count < Int(demand.gpus)
        || bound?.isSubset(of: idle[node].gpus) == false
      {
        guard let next = ends.popLast() else { return result }
        clock = max(clock, next.at)
        idle[next.node].cores += next.cores
        idle[next.node].gpus.formUnion(next.gpus)
      }
      result[place] = clock
      guard let left = remaining(state[id], draw: draw, at: now) else { return result }
      let cores = min(idle[node].cores, Int(demand.coresMost))
      idle[node].cores -= cores
      let gpus = bound ?? idle[node].gpus.smallest(Int(demand.gpus))
      idle[node].gpus.subtract(gpus)
      let end = (clock + left, node, cores, gpus)
      let at = ends.firstIndex { $0.at < end.0 } ?? ends.endIndex
      ends.insert(end, at: at)
    }
    return result
  }
}
