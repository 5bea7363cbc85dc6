import Domain
import Engine

/// First come, first served, on cores and GPUs.
///
/// **Order**: by operator priority, highest first, then by the cell's number, which is the order of submission:
/// `(−priority, cell)`, a total order. **Rule**: cells start in that order, each with all the cores that it can use; the
/// first that does not fit stops everyone behind it on its node (no backfill). Cells that an operator holds or suspended
/// stand aside. A cell whose pinned cores are taken stands aside too, and what is idle of its pin is kept from those
/// behind it. **Starvation**: none among equals, since nobody overtakes; a lower priority can wait for ever behind a
/// stream of higher ones, as its operator asked. **Source**: the strict first-come baseline of the batch-scheduling
/// literature, such as Feitelson and Weil, "Utilization and predictability in scheduling the IBM SP2 with backfilling",
/// IPPS 1998.
public struct FirstCome: Policy {
  public static let name = "fcfs"
  public static let summary = "cells start strictly in the order of their submission"

  private var lines = Lines()

  public init(options: PolicyOptions) throws(Refusal) {}

  public mutating func prepare(for state: SchedulerState) { lines.prepare(for: state, Self.rank) }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    lines.note(kind, of: id, in: state, Self.rank)
  }

  public mutating func decide(_ ledger: inout Ledger) {
    for node in lines.lines.indices {
      lines.startInOrder(on: NodeID(Int32(node)), in: &ledger, rule: .firstCome)
    }
    ledger.explainWaits(isWhole: true) { _ in lines.lines.flatMap(\.ordered) }
  }

  static func rank(_ state: SchedulerState, _ index: Int) -> Rank {
    Rank(tier: -Int64(state.notebooks[index].priority), cell: state.notebooks[index].cell.id)
  }
}

extension Lines {
  /// Starts cells in order until one does not fit.
  mutating func startInOrder(on node: NodeID, in ledger: inout Ledger, rule: Rule) {
    let index = Int(node.number)
    guard ledger.state.pinnedCount == 0 else { return startAroundPins(on: node, in: &ledger, rule: rule) }
    while let id = lines[index].first {
      let need = ledger.state.wholeNeed(of: id)
      guard ledger.state.isIdle(need, on: node), ledger.state.hasMemory(for: id),
        ledger.state.hasGPUs(for: id, need, on: node),
        ledger.start(id, onIdleCores: Int(need.cores), gpus: Int(need.gpus), because: Reason(rule))
      else { return }
      lines[index].remove(id)
    }
  }

  /// The same where somebody is pinned: a cell whose pin is taken stands aside, and what is idle of its pin is kept.
  private mutating func startAroundPins(on node: NodeID, in ledger: inout Ledger, rule: Rule) {
    var kept = SchedulerState.Room(cores: CoreSet(), gpus: GPUSet())
    for id in lines[Int(node.number)].ordered {
      let pin = ledger.state.notebooks[Int(id.number)].pin
      var room = ledger.state.room(for: id)
      room.cores.subtract(kept.cores)
      room.gpus.subtract(kept.gpus)
      let need = ledger.state.wholeNeed(of: id)
      if let allotment = ledger.state.wholePlacement(of: id, need, in: room),
        ledger.start(id, on: allotment, because: Reason(pin == nil ? rule : .pinned))
      {
        lines[Int(node.number)].remove(id)
      } else if let pin {
        kept.cores.formUnion(pin.cores)
        kept.gpus.formUnion(pin.gpus)
      } else {
        return
      }
    }
  }
}
