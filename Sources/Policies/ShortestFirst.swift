import Domain
import Engine

/// Shortest job first: of the cells that fit, the one with the shortest expected run.
///
/// **Order**: `(−priority, expected run, cell)`, where the expected run is the forecast's median; cells without a forecast
/// come last, first come first served. **Rule**: the first in that order that fits starts, with all the cores that it can
/// use, until none fits; nothing is taken from a running cell. **Starvation**: a long cell, or one that needs much at once,
/// can wait for ever behind a stream of others. **Source**: Smith, "Various optimizers for single-stage production", Naval
/// Research Logistics Quarterly 3 (1956).
public struct ShortestFirst: Policy {
  public static let name = "sjf"
  public static let summary = "the cell with the shortest expected run that fits starts first"

  private var lines = Lines()

  public init(options: PolicyOptions) throws(Refusal) {}

  public mutating func prepare(for state: SchedulerState) { lines.prepare(for: state, Self.rank) }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    lines.note(kind, of: id, in: state, Self.rank)
  }

  public mutating func decide(_ ledger: inout Ledger) {
    for node in lines.lines.indices {
      lines.startWhateverFits(on: NodeID(Int32(node)), in: &ledger, rule: .shortest)
    }
    ledger.explainWaits(isWhole: true) { _ in lines.lines.flatMap(\.ordered) }
  }

  static func rank(_ state: SchedulerState, _ index: Int) -> Rank {
    Rank(
      tier: -Int64(state.notebooks[index].priority),
      index: state.notebooks[index].cell.forecast?.run.p50.microseconds ?? .max, cell: state.notebooks[index].cell.id)
  }
}

extension Lines {
  /// Starts cells in order, passing over those that do not fit.
  mutating func startWhateverFits(on node: NodeID, in ledger: inout Ledger, rule: Rule) {
    let index = Int(node.number)
    guard !lines[index].isEmpty else { return }
    guard ledger.state.pinnedCount == 0 else {
      for id in lines[index].ordered { startIfItFits(id, in: &ledger, rule: rule) }
      return
    }
    while let id = lines[index].first(
      fitting: Need(ledger.state.room(on: node), memory: ledger.state.roomOfMemory(on: node)))
    {
      guard startIfItFits(id, in: &ledger, rule: rule) else {
        // Counts would let it start, and its GPU memory has no room: those behind it need not wait for that.
        for other in lines[index].ordered where other != id { startIfItFits(other, in: &ledger, rule: rule) }
        return
      }
    }
  }

  /// Starts a cell with all that it can use, if its room holds that.
  @discardableResult
  mutating func startIfItFits(_ id: NotebookID, in ledger: inout Ledger, rule: Rule, beside other: NotebookID? = nil)
    -> Bool
  {
    let need = ledger.state.wholeNeed(of: id)
    guard let allotment = ledger.state.wholePlacement(of: id, need, in: ledger.state.room(for: id)) else {
      return false
    }
    let reason = Reason(ledger.state[id].pin == nil ? rule : .pinned, for: other)
    guard ledger.start(id, on: allotment, because: reason) else { return false }
    lines[Int(ledger.state[id].node.number)].remove(id)
    return true
  }
}
