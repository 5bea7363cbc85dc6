import Domain
import Engine

/// What the operating system does where nobody schedules: every cell starts at once, on everything.
///
/// **Rule**: a cell starts when it is submitted, on all cores and GPUs that its notebook may use, shared with whoever else
/// is there. **Order**: none; there is no queue. Pins, reserved pins, drains and holds are kept. Memory is not looked at:
/// it can run out, and then the cell fails. **Starvation**: none, but everyone slows everyone. **Source**: processor
/// sharing, Kleinrock, "Time-shared systems: a theoretical treatment", JACM 14 (1967).
public struct Everything: Policy {
  public static let name = "os"
  public static let summary = "every cell starts at once and shares cores and GPUs with all others"

  private var waiting: [NotebookID] = []

  public init(options: PolicyOptions) throws(Refusal) {}

  public var sharesGPUs: Bool { true }

  public mutating func prepare(for state: SchedulerState) { waiting = state.queue }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    if kind.changesCapacity { return prepare(for: state) }
    if let id, state.isStartable(id) { waiting.append(id) }
  }

  public mutating func decide(_ ledger: inout Ledger) {
    guard !waiting.isEmpty else { return ledger.explainWaits { _ in [] } }
    var blocked: [NotebookID] = []
    for id in waiting where ledger.state.isStartable(id) {
      // Cores that a cell of an earlier policy still has to itself are left to it.
      var room = ledger.state.room(for: id)
      // A kernel that sees some GPUs only goes on with those.
      if let seen = ledger.state[id].seenGPUs { room.gpus = room.gpus.intersection(seen) }
      let cell = ledger.state[id].cell
      guard !room.cores.isEmpty, cell.demand.gpus == 0 || !room.gpus.isEmpty else {
        blocked.append(id)
        continue
      }
      ledger.start(
        id,
        on: Allotment(
          node: ledger.state[id].node, cores: room.cores, gpus: cell.demand.gpus > 0 ? room.gpus : GPUSet(),
          memory: cell.demand.memory, shared: true), because: Reason(.sharedByAll))
    }
    waiting = blocked
    ledger.explainWaits { state in state.queue.filter { state.isStartable($0) } }
  }
}
