import Domain
import Engine

/// Every notebook has its own part of the node, as large as every other's.
///
/// **Rule**: with *n* open notebooks, notebook *i* (in order of opening) has the cores from *iC/n* to *(i+1)C/n* of the *C*
/// that are neither drained nor reserved, and likewise GPUs; where there are more notebooks than cores or GPUs, one of them
/// serves several notebooks, by turns. A cell starts when it is submitted, on its notebook's part, whatever it asks for;
/// with fewer GPUs than it asks for, its workers take turns. Under `weighted` a part's size goes with 100 + the notebook's
/// priority, at least 1: one of priority 100 has twice what one of 0 has. When a notebook opens or closes, the parts change with each
/// notebook's next cell. **Starvation**: none. **Source**: static partitioning as in Kubernetes quotas and JupyterHub's
/// per-user limits; equipartition in McCann, Vaswani and Zahorjan, "A dynamic processor allocation policy", ACM TOCS 11
/// (1993).
public struct Partition: Policy {
  public static let name = "partition"
  public static let summary = "every open notebook has an equal part of the node to itself"

  public static let options = [
    (name: "weighted", summary: "parts as large as 100 + the notebook's priority, not all equal")
  ]

  private let isWeighted: Bool
  /// The open notebooks of each node in order of opening.
  private var open: [[NotebookID]] = []
  private var waiting: [NotebookID] = []

  public init(options: PolicyOptions) throws(Refusal) { isWeighted = options.has("weighted") }

  public var sharesGPUs: Bool { true }

  public mutating func prepare(for state: SchedulerState) {
    open = Array(repeating: [], count: state.nodes.count)
    for number in state.notebooks.indices where state.notebooks[number].state != .gone {
      open[Int(state.notebooks[number].node.number)].append(NotebookID(Int32(number)))
    }
    waiting = state.queue
  }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    if kind.changesCapacity { return prepare(for: state) }
    guard let id else { return }
    let node = Int(state[id].node.number)
    if kind == .notebookOpened { open[node].append(id) }
    if kind == .notebookClosed { open[node].removeAll { $0 == id } }
    if state.isStartable(id) { waiting.append(id) }
  }

  public mutating func decide(_ ledger: inout Ledger) {
    var blocked: [NotebookID] = []
    for id in waiting where ledger.state.isStartable(id) {
      guard let allotment = part(of: id, in: ledger.state) else {
        blocked.append(id)
        continue
      }
      let reason = Reason(ledger.state[id].pin == nil ? .partition : .pinned)
      if !ledger.start(id, on: allotment, because: reason) { blocked.append(id) }
    }
    waiting = blocked
    ledger.explainWaits { state in state.queue.filter { state.isStartable($0) } }
  }

  /// The notebook's part as an allotment; nil where drains and pins leave it nothing.
  private func part(of id: NotebookID, in state: SchedulerState) -> Allotment? {
    let slot = state[id]
    let room = state.room(for: id)
    let others = open[Int(slot.node.number)]
    guard let place = others.firstIndex(of: id) else { return nil }
    let isPinned = slot.pin != nil
    let weights = others.map { isWeighted ? max(100 + Int(state.notebooks[Int($0.number)].priority), 1) : 1 }
    let cores = isPinned ? room.cores : room.cores.part(place, of: weights)
    // A kernel that sees some GPUs only goes on with those, whatever its part is by now.
    let gpus =
      slot.seenGPUs.map { room.gpus.intersection($0) } ?? (isPinned ? room.gpus : room.gpus.part(place, of: weights))
    guard !cores.isEmpty, slot.cell.demand.gpus == 0 || !gpus.isEmpty else { return nil }
    return Allotment(
      node: slot.node, cores: cores, gpus: slot.cell.demand.gpus > 0 ? gpus : GPUSet(),
      memory: slot.cell.demand.memory, shared: true)
  }
}

extension ResourceSet {
  /// Part `index` of as many as there are `weights`, each as large as its weight; one member where the part would be empty.
  func part(_ index: Int, of weights: [Int]) -> Self {
    let size = self.count
    guard size > 0, !weights.isEmpty else { return Self() }
    let before = weights[..<index].reduce(0, +)
    let whole = weights.reduce(0, +)
    let from = before * size / whole
    let to = (before + weights[index]) * size / whole
    if size >= weights.count, from < to { return smallest(to).subtracting(smallest(from)) }
    return smallest(index % size + 1).subtracting(smallest(index % size))
  }
}
