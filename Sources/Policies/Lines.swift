import Domain
import Engine

/// The startable cells of every node, each node's in a policy's order, for policies that start whole cells.
///
/// Such a policy gives a cell all the cores that it can use or none, as batch schedulers do.
struct Lines: Sendable {
  /// By node.
  var lines: [Line] = []

  init() {}

  mutating func removeAll(nodes: Int) {
    lines.removeAll()
    for _ in 0..<nodes { lines.append(Line()) }
  }

  /// Puts the notebook where it belongs now, or takes it out.
  mutating func refresh(_ id: NotebookID, in state: SchedulerState, _ rank: (NotebookSlot) -> Rank) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    guard node < lines.count else { return }
    if state.notebooks[Int(id.number)].isStartable {
      lines[node].insert(id, rank(state[id]), state.wholeNeed(of: id))
    } else {
      lines[node].remove(id)
    }
  }

  mutating func remove(_ id: NotebookID, from node: NodeID) { lines[Int(node.number)].remove(id) }
}

extension Event {
  /// Whether it changes what fits at all: the capacity, or who may use which part of it.
  var changesCapacity: Bool {
    switch self {
    case .nodeAdded, .drainChanged, .pinned, .unpinned: true
    case .policyChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged, .cellQueued,
      .cellRefused, .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed,
      .interruptRequested, .cellEnded, .priorityChanged, .held, .released, .resumeOrdered, .demandOverridden,
      .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken:
      false
    }
  }
}

extension SchedulerState {
  /// The cores of a node that are not drained.
  func usableCores(of node: NodeID) -> CoreSet { self[node].node.cores.subtracting(self[node].drainedCores) }

  /// What a cell needs to start with all the cores that it can use: as many as the node has for it, if that is fewer.
  func wholeNeed(of id: NotebookID) -> Need {
    let demand = demand(of: id)
    let memory = self[id].holdsMemory ? 0 : demand.memory.count
    guard demand.coresMost > 1 else { return Need(cores: demand.coresMost, gpus: demand.gpus, memory: memory) }
    var usable = usableCores(of: self[id].node)
    for other in reserving where other != id && self[other].node == self[id].node {
      if let pin = self[other].pin { usable.subtract(pin.cores) }
    }
    let cores = max(demand.coresLeast, min(demand.coresMost, Int32(usable.count)))
    return Need(cores: cores, gpus: demand.gpus, memory: memory)
  }

  /// The allotment of a whole cell from `room`; nil where it does not fit.
  func wholePlacement(of id: NotebookID, _ need: Need, in room: Room) -> Allotment? {
    guard room.cores.count >= Int(need.cores), room.gpus.count >= Int(need.gpus), hasMemory(for: id) else { return nil }
    return Allotment(
      node: self[id].node, cores: self[self[id].node].node.choose(Int(need.cores), from: room.cores),
      gpus: room.gpus.smallest(Int(need.gpus)),
      memory: self[id].cell.demand.memory)
  }

  /// What is idle and undrained on a node.
  func room(on node: NodeID) -> Room {
    let place = Int(node.number)
    return Room(
      cores: nodes[place].idleCores.subtracting(nodes[place].drainedCores),
      gpus: nodes[place].idleGPUs.subtracting(nodes[place].drainedGPUs))
  }
}

extension Ledger {
  /// Explains the waits of a policy that starts cells in the order of `line`, where anybody wants to know.
  ///
  /// - Parameter isWhole: whether the rule gives a cell all the cores that it can use, or none.
  mutating func explainWaits(isWhole: Bool = false, inOrder line: (SchedulerState) -> [NotebookID]) {
    guard explainsWaits else { return }
    let waiting = line(state) + state.queue.filter { !state.notebooks[Int($0.number)].isStartable }
    let outlook = Outlook(of: state, startingInOrder: waiting, at: now)
    var ahead: NotebookID?
    for (index, id) in waiting.enumerated() {
      let wanted = isWhole ? state.wholeNeed(of: id).cores : nil
      var wait = state.shortage(of: id, in: state.room(for: id), place: Int32(index + 1), coresWanted: wanted)
      if wait.cause == .turn, let ahead { wait.holders = [ahead] }
      wait.expected = outlook.starts[index]
      explain(id, wait)
      if state.notebooks[Int(id.number)].isStartable { ahead = ahead ?? id }
    }
  }
}

extension Need {
  /// The counts of a room and the node's free memory.
  init(_ room: SchedulerState.Room, memory: Bytes) {
    self.init(cores: Int32(room.cores.count), gpus: Int32(room.gpus.count), memory: memory.count)
  }
}
