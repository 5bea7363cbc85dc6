import Domain
import Engine

/// First come first served with EASY backfill: a cell may overtake where it does not delay the first in line.
///
/// **Order**: `(−priority, cell)`. **Rule**: cells start in order with all the cores that they can use. When the first does
/// not fit, it gets a promise: the *shadow time* at which, by the forecasts, enough running cells will have ended, and what
/// will then be left over beside it. A later cell starts now if it fits now and either ends by the shadow time or needs no
/// more than what is left over. Nothing is taken from a running cell. Expected ends are those of the forecast's 95 %
/// quantile; a cell that outlived it counts as ending now; without a forecast nothing is promised and nobody overtakes
/// except on what is left over for ever. **Starvation**: none among equals; the first in line is never delayed by those
/// behind it as long as the forecasts are not exceeded. **Source**: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995.
public struct Backfill: Policy {
  public static let name = "backfill"
  public static let summary = "first come first served, and whoever fits beside the first in line without delaying it"

  private var lines = Lines()

  public init(options: PolicyOptions) throws(Refusal) {}

  public mutating func prepare(for state: SchedulerState) { lines.prepare(for: state, FirstCome.rank) }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    lines.note(kind, of: id, in: state, FirstCome.rank)
  }

  public mutating func decide(_ ledger: inout Ledger) {
    for node in lines.lines.indices {
      let id = NodeID(Int32(node))
      lines.startInOrder(on: id, in: &ledger, rule: .firstCome)
      lines.backfill(on: id, in: &ledger)
    }
    ledger.explainWaits(isWhole: true) { _ in lines.lines.flatMap(\.ordered) }
  }
}

/// What is promised to the first in line: when it can start, and what is left over beside it then.
struct Shadow {
  var at: Instant
  var left: Need

  /// - Parameter need: what the first in line needs; more than is idle.
  /// - Parameter bound: the GPUs that it has to have, where its kernel sees no others.
  init(
    of need: Need, bound: GPUSet?, on node: NodeID, in state: SchedulerState, room: Need, at now: Instant
  ) {
    var ends: [(at: Instant, id: NotebookID)] = []
    for id in state.running where state[id].node == node && !state[id].allotment.shared {
      ends.append((Self.expectedEnd(of: state[id], at: now), id))
    }
    ends.sort { ($0.at, $0.id) < ($1.at, $1.id) }
    var free = room
    at = now
    var taken = bound?.subtracting(state.room(on: node).gpus) ?? GPUSet()
    for end in ends where !need.fits(in: free) || !taken.isEmpty {
      let allotment = state[end.id].allotment
      free.cores += Int32(allotment.cores.subtracting(state[node].drainedCores).count)
      free.gpus += Int32(allotment.gpus.subtracting(state[node].drainedGPUs).count)
      free.memory = free.memory.addingReportingOverflow(allotment.memory.count).partialValue
      if free.memory < 0 { free.memory = .max }
      taken.subtract(allotment.gpus.subtracting(state[node].drainedGPUs))
      at = end.at
    }
    if !need.fits(in: free) || !taken.isEmpty { at = .never }
    left = Need(cores: free.cores - need.cores, gpus: free.gpus - need.gpus, memory: free.memory - need.memory)
  }

  static func expectedEnd(of slot: NotebookSlot, at now: Instant) -> Instant {
    guard let forecast = slot.cell.forecast else { return .never }
    return max(now, now + (forecast.run.p95 - slot.ran(at: now)))
  }
}

extension Lines {
  /// Starts what does not delay the first in line.
  mutating func backfill(on node: NodeID, in ledger: inout Ledger, rank: (SchedulerState, Int) -> Rank = FirstCome.rank)
  {
    let index = Int(node.number)
    guard lines[index].count > 1, let head = lines[index].first else { return }
    let need = ledger.state.wholeNeed(of: head)
    var room = Need(ledger.state.room(on: node), memory: ledger.state.roomOfMemory(on: node))
    guard lines[index].first(fitting: room, after: rank(ledger.state, Int(head.number))) != nil else { return }
    var shadow = Shadow(
      of: need, bound: ledger.state.boundGPUs(of: head, Int(need.gpus)), on: node, in: ledger.state, room: room,
      at: ledger.now)
    var after = rank(ledger.state, Int(head.number))
    while let id = lines[index].first(fitting: room, after: after) {
      let wanted = ledger.state.wholeNeed(of: id)
      after = rank(ledger.state, Int(id.number))
      let run = ledger.state[id].cell.forecast.map { $0.run.p95 - ledger.state[id].attained }
      let endsInTime = run.map { ledger.now + $0 <= shadow.at } ?? false
      guard endsInTime || wanted.fits(in: shadow.left) else { continue }
      guard startIfItFits(id, in: &ledger, rule: .backfilled, beside: head) else { continue }
      room = Need(ledger.state.room(on: node), memory: ledger.state.roomOfMemory(on: node))
      if !endsInTime {
        shadow.left.cores -= wanted.cores
        shadow.left.gpus -= wanted.gpus
        shadow.left.memory -= wanted.memory
      }
    }
  }
}
