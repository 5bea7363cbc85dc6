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
  ///
  /// - Parameter rank: the rank of a notebook, by its place among the state's.
  mutating func refresh(_ id: NotebookID, in state: SchedulerState, _ rank: (SchedulerState, Int) -> Rank) {
    let index = Int(id.number)
    let node = Int(state.notebooks[index].node.number)
    guard node < lines.count else { return }
    if state.isStartable(id) {
      lines[node].insert(id, rank(state, index), state.wholeNeed(of: id))
    } else {
      lines[node].remove(id)
    }
  }

  /// Sorts the waiting cells of a state anew.
  mutating func prepare(for state: SchedulerState, _ rank: (SchedulerState, Int) -> Rank) {
    removeAll(nodes: state.nodes.count)
    for id in state.waiting { refresh(id, in: state, rank) }
  }

  /// Follows one event: what changes the capacity sorts all anew, and any other the cell that it is about.
  mutating func note(
    _ kind: EventKind, of id: NotebookID?, in state: SchedulerState, _ rank: (SchedulerState, Int) -> Rank
  ) {
    if kind.changesCapacity {
      prepare(for: state, rank)
    } else if let id {
      refresh(id, in: state, rank)
    }
  }

  mutating func remove(_ id: NotebookID, from node: NodeID) { lines[Int(node.number)].remove(id) }
}

extension EventKind {
  /// Whether it changes what fits at all: the capacity, or who may use which part of it.
  var changesCapacity: Bool { self == .nodeAdded || self == .drainChanged || self == .pinned || self == .unpinned }
}

extension SchedulerState {
  /// The cores of a node that are not drained.
  func usableCores(of node: NodeID) -> CoreSet {
    nodes[Int(node.number)].node.cores.subtracting(nodes[Int(node.number)].drainedCores)
  }

  /// What a cell needs to start with all the cores that it can use: as many as the node has for it, if that is fewer.
  func wholeNeed(of id: NotebookID) -> Need {
    let index = Int(id.number)
    let demand = demand(of: id)
    let memory = notebooks[index].holdsMemory ? 0 : demand.memory.count
    guard demand.coresMost > 1 else { return Need(cores: demand.coresMost, gpus: demand.gpus, memory: memory) }
    let node = notebooks[index].node
    var usable = usableCores(of: node)
    for other in reserving where other != id && notebooks[Int(other.number)].node == node {
      if let pin = notebooks[Int(other.number)].pin { usable.subtract(pin.cores) }
    }
    let cores = max(demand.coresLeast, min(demand.coresMost, Int32(usable.count)))
    return Need(cores: cores, gpus: demand.gpus, memory: memory)
  }

  /// Whether so many cores and GPUs are idle and not drained.
  func isIdle(_ need: Need, on node: NodeID) -> Bool {
    let place = Int(node.number)
    return (need.gpus == 0 || nodes[place].idleGPUs.count(outside: nodes[place].drainedGPUs) >= Int(need.gpus))
      && nodes[place].idleCores.count(outside: nodes[place].drainedCores) >= Int(need.cores)
  }

  /// Whether idle GPUs are among those that its kernel can use, and have the memory for the cell or can be given it.
  func hasGPUs(for id: NotebookID, _ need: Need, on node: NodeID) -> Bool {
    guard need.gpus > 0, notebooks[Int(id.number)].cell.demand.gpuMemory > .zero || choosesGPUs(on: node) else {
      return true
    }
    return gpus(for: id, Int(need.gpus), from: room(on: node).gpus) != nil
  }

  /// The allotment of a whole cell from `room`; nil where it does not fit.
  func wholePlacement(of id: NotebookID, _ need: Need, in room: Room) -> Allotment? {
    guard room.cores.count >= Int(need.cores), room.gpus.count >= Int(need.gpus), hasMemory(for: id) else { return nil }
    guard let gpus = gpus(for: id, Int(need.gpus), from: room.gpus) else { return nil }
    return Allotment(
      node: notebooks[Int(id.number)].node,
      cores: nodes[Int(notebooks[Int(id.number)].node.number)].node.choose(Int(need.cores), from: room.cores),
      gpus: gpus, memory: notebooks[Int(id.number)].cell.demand.memory)
  }
}

extension Ledger {
  /// Explains the waits of a policy that starts cells in the order of `line`, where anybody wants to know.
  ///
  /// - Parameters:
  ///   - isWhole: whether the rule gives a cell all the cores that it can use, or none.
  ///   - keptBack: the cells that could start and wait for others about to arrive.
  mutating func explainWaits(
    isWhole: Bool = false, keptBack: [KeptBack] = [], inOrder line: (SchedulerState) -> [NotebookID]
  ) {
    guard explainsWaits else { return }
    let waiting = line(state) + state.queue.filter { !state.isStartable($0) }
    let outlook = Outlook(of: state, startingInOrder: waiting, at: now)
    var ahead: NotebookID?
    for (index, id) in waiting.enumerated() {
      let wanted = isWhole ? state.wholeNeed(of: id).cores : nil
      var wait = state.shortage(of: id, in: state.room(for: id), place: Int32(index + 1), coresWanted: wanted)
      if wait.cause == .turn, let kept = keptBack.first(where: { $0.id == id }) {
        let seconds = Int32(clamping: Int64((kept.expected - now).seconds.rounded(.up)))
        wait = Wait(cause: .anticipation, lacking: seconds, holders: [kept.other], place: wait.place)
      } else if wait.cause == .turn, let ahead {
        wait.holders = [ahead]
      }
      wait.expected = outlook.starts[index]
      explain(id, wait)
      if state.isStartable(id) { ahead = ahead ?? id }
    }
  }
}

extension Need {
  /// The counts of a room and the node's free memory.
  init(_ room: SchedulerState.Room, memory: Bytes) {
    self.init(cores: Int32(room.cores.count), gpus: Int32(room.gpus.count), memory: memory.count)
  }
}
