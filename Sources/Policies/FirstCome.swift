import Domain
import Engine

/// First come, first served, on cores and GPUs.
///
/// **Order**: by operator priority, highest first, then by the cell's number, which is the order of submission:
/// `(−priority, cell)`, a total order. **Rule**: cells start in that order, each on as many idle cores as it can use; the
/// first that does not fit stops everyone behind it (no backfill). Cells that an operator holds or suspended stand
/// aside. A cell whose pinned cores are taken stands aside too, and what is idle of its pin is kept from those behind it.
/// **Starvation**: none among equals, since nobody overtakes; a lower priority can wait for ever behind a stream of higher
/// ones, as its operator asked. **Source**: the strict first-come baseline of the batch-scheduling literature, such as
/// Feitelson and Weil, "Utilization and predictability in scheduling the IBM SP2 with backfilling", IPPS 1998.
public struct FirstCome: Policy {
  public static let name = "fcfs"
  public static let summary = "cells start strictly in the order of their submission"

  public init() {}

  public mutating func decide(_ ledger: inout Ledger) {
    let line = Self.order(ledger.state)
    guard !line.isEmpty else { return }
    var kept = CoreSet()
    var waiting: [NotebookID] = []
    var isBlocked = false
    for id in line {
      let slot = ledger.state[id]
      if slot.isHeld || slot.isOperatorSuspended {
        waiting.append(id)
        continue
      }
      var room = ledger.state.room(for: id)
      room.cores.subtract(kept)
      if !isBlocked, let allotment = ledger.state.placement(of: id, in: room) {
        ledger.start(id, on: allotment, because: Reason(slot.pin == nil ? .firstCome : .pinned))
        continue
      }
      if let pin = slot.pin, !pin.cores.isEmpty, !isBlocked { kept.formUnion(pin.cores) } else { isBlocked = true }
      waiting.append(id)
    }
    if ledger.explainsWaits { explain(waiting, in: &ledger) }
  }

  /// The waiting notebooks, first to start first.
  static func order(_ state: SchedulerState) -> [NotebookID] {
    var line = Array(state.queue)
    if line.contains(where: { state[$0].priority != 0 }) {
      line.sort { (-state[$0].priority, state[$0].cell.id) < (-state[$1].priority, state[$1].cell.id) }
    }
    return line
  }

  private func explain(_ waiting: [NotebookID], in ledger: inout Ledger) {
    let outlook = Outlook(of: ledger.state, startingInOrder: waiting, at: ledger.now)
    var ahead: NotebookID?
    for (index, id) in waiting.enumerated() {
      var wait = ledger.state.shortage(of: id, in: ledger.state.room(for: id), place: Int32(index + 1))
      if wait.cause == .turn, let ahead { wait.holders = [ahead] }
      wait.expected = outlook.starts[index]
      ledger.explain(id, wait)
      if wait.cause != .held, wait.cause != .operatorSuspended { ahead = ahead ?? id }
    }
  }
}
