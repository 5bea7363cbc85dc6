import Domain
import Engine

/// A notebook holds the most that it will ever need from its first cell to its last; the others queue.
///
/// **Order**: `(−priority, cell)` of the notebooks' first cells. **Rule**: strictly first come, first served: a notebook
/// whose peak (the forecast's; without one, its first cell's demand) is free takes it and keeps it until its kernel ends,
/// thinking or not; the first that does not fit stops everyone behind it. Its later cells start at once on what it holds; a
/// cell that needs more GPUs than it holds gives them back and queues anew, and so does one whose pin was changed. **Starvation**: none among equals. **Source**:
/// what batch schedulers (an interactive allocation of Slurm) and today's notebook platforms do; the baseline of
/// Carver et al., "NotebookOS", 2025.
public struct Reservation: Policy {
  public static let name = "reservation"
  public static let summary = "a notebook holds what it will ever need from its first cell to its last"

  private struct Holding {
    var cores = CoreSet()
    var gpus = GPUSet()
  }

  private var lines = Lines()
  /// What each notebook holds.
  private var holdings: [Holding?] = []
  /// What all notebooks of a node hold.
  private var held: [Holding] = []
  /// Holders whose next cell has come.
  private var ready: [NotebookID] = []

  public init(options: PolicyOptions) throws(Refusal) {}

  public mutating func prepare(for state: SchedulerState) {
    lines.removeAll(nodes: state.nodes.count)
    while held.count < state.nodes.count { held.append(Holding()) }
    while holdings.count < state.notebooks.count { holdings.append(nil) }
    for id in state.running where holdings[Int(id.number)] == nil && !state[id].allotment.shared {
      keep(id, Holding(cores: state[id].allotment.cores, gpus: state[id].allotment.gpus), in: state)
    }
    ready = state.queue.filter { holdings[Int($0.number)] != nil }
    for id in state.waiting { refresh(id, in: state) }
  }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    while holdings.count < state.notebooks.count { holdings.append(nil) }
    if kind.changesCapacity {
      if let id, state[id].state != .running { giveBack(id, in: state) }
      return prepare(for: state)
    }
    guard let id else { return }
    if state[id].state == .gone { giveBack(id, in: state) }
    refresh(id, in: state)
  }

  public mutating func decide(_ ledger: inout Ledger) {
    for id in ready where ledger.state.isStartable(id) { startOnHolding(id, in: &ledger) }
    ready.removeAll(keepingCapacity: true)
    for node in lines.lines.indices {
      while let id = lines.lines[node].first, let holding = newHolding(for: id, in: ledger.state) {
        lines.remove(id, from: NodeID(Int32(node)))
        keep(id, holding, in: ledger.state)
        startOnHolding(id, in: &ledger)
      }
    }
    ledger.explainWaits(isWhole: true) { _ in lines.lines.flatMap(\.ordered) }
  }

  private mutating func refresh(_ id: NotebookID, in state: SchedulerState) {
    guard state.isStartable(id), let holding = holdings[Int(id.number)] else {
      return lines.refresh(id, in: state, FirstCome.rank)
    }
    let need = state.wholeNeed(of: id)
    if holding.gpus.count < Int(need.gpus) || !state.hasMemory(for: id) {
      giveBack(id, in: state)
      lines.refresh(id, in: state, FirstCome.rank)
    } else {
      ready.append(id)
    }
  }

  private mutating func startOnHolding(_ id: NotebookID, in ledger: inout Ledger) {
    guard let holding = holdings[Int(id.number)] else { return }
    let started = ledger.start(
      id,
      on: Allotment(
        node: ledger.state[id].node, cores: holding.cores, gpus: holding.gpus,
        memory: ledger.state[id].cell.demand.memory), because: Reason(.reservation))
    if !started {
      giveBack(id, in: ledger.state)
      refresh(id, in: ledger.state)
    }
  }

  /// What the notebook would hold; nil where that is not free.
  private func newHolding(for id: NotebookID, in state: SchedulerState) -> Holding? {
    var room = state.room(for: id)
    let taken = held[Int(state[id].node.number)]
    room.cores.subtract(taken.cores)
    room.gpus.subtract(taken.gpus)
    var need = state.wholeNeed(of: id)
    if let forecast = state[id].cell.forecast, state[id].pin == nil {
      let usable = state.usableCores(of: state[id].node).count
      need.cores = max(need.cores, min(forecast.peakCores, Int32(usable)))
      // Of more than its kernel sees it could make nothing.
      let node = state[state[id].node].node
      let useful = node.byMaker(state[id].seenGPUs ?? node.gpuSet).map(\.count).max() ?? 0
      need.gpus = max(need.gpus, min(forecast.peakGPUs, Int32(clamping: useful)))
    }
    guard room.cores.count >= Int(need.cores), room.gpus.count >= Int(need.gpus), state.hasMemory(for: id) else {
      return nil
    }
    guard let gpus = state.gpus(for: id, Int(need.gpus), from: room.gpus) else { return nil }
    return Holding(
      cores: state[state[id].node].node.choose(Int(need.cores), from: room.cores),
      gpus: gpus)
  }

  private mutating func keep(_ id: NotebookID, _ holding: Holding, in state: SchedulerState) {
    let node = Int(state[id].node.number)
    holdings[Int(id.number)] = holding
    held[node].cores.formUnion(holding.cores)
    held[node].gpus.formUnion(holding.gpus)
  }

  private mutating func giveBack(_ id: NotebookID, in state: SchedulerState) {
    guard let holding = holdings[Int(id.number)] else { return }
    holdings[Int(id.number)] = nil
    let node = Int(state[id].node.number)
    held[node].cores.subtract(holding.cores)
    held[node].gpus.subtract(holding.gpus)
  }
}
