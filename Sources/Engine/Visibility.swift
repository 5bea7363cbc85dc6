import Domain

// Which GPUs a kernel process sees. On a real node that is settled by its first grant, or by what its gate says when it
// comes, and stays until the process ends: drivers read their variable once. See `Node.keepsFirstGPUs`.

// What the events do.
extension SchedulerState {
  /// A cell has begun on GPUs: its kernel sees them from now on, where it has seen none.
  mutating func seeFirst(_ allotment: Allotment, by id: NotebookID) {
    guard contains(allotment.node), self[allotment.node].node.keepsFirstGPUs,
      notebooks[Int(id.number)].seenGPUs == nil
    else { return }
    see(allotment.gpus, by: id)
  }

  /// The notebook's kernel sees these GPUs from now on; nil for a new process, which sees whatever it is given first.
  mutating func see(_ gpus: GPUSet?, by id: NotebookID) {
    let node = notebooks[Int(id.number)].node
    if let old = notebooks[Int(id.number)].seenGPUs { count(old, on: node, by: -1) }
    // A log may say anything.
    let known = contains(node) ? gpus?.intersection(self[node].gpuSet) : gpus
    notebooks[Int(id.number)].seenGPUs = known
    if let known { count(known, on: node, by: 1) }
  }

  mutating func count(_ gpus: GPUSet, on node: NodeID, by step: Int32) {
    guard contains(node) else { return }
    for gpu in gpus where gpu < nodes[Int(node.number)].seenBy.count { nodes[Int(node.number)].seenBy[gpu] += step }
  }
}

// What policies and explanations ask.
extension SchedulerState {
  /// Whether it matters which of the node's idle GPUs a cell gets, beyond their memory.
  @inlinable public func choosesGPUs(on node: NodeID) -> Bool {
    nodes[Int(node.number)].node.keepsFirstGPUs || nodes[Int(node.number)].hasSeveralMakers
  }

  /// The GPUs on which a cell of the notebook that asks for `count` has to run, because its kernel sees no others; fewer
  /// where it sees fewer, and nil where it may have any.
  ///
  /// Of those that it sees they are the first, since programs take devices in the order of their variable, which lists
  /// them by number.
  public func boundGPUs(of id: NotebookID, _ count: Int) -> GPUSet? {
    let slot = notebooks[Int(id.number)]
    guard nodes[Int(slot.node.number)].node.keepsFirstGPUs, let seen = slot.seenGPUs else { return nil }
    let sets = nodes[Int(slot.node.number)].node.byMaker(seen)
    return (sets.first { $0.count >= count } ?? sets.first)?.smallest(count) ?? GPUSet()
  }

  /// Why the notebook's kernel can never run such a cell until it is restarted; nil where it can.
  public func refusal(of demand: Demand, byKernelOf id: NotebookID) -> Refusal? {
    guard demand.gpus > 0, let bound = boundGPUs(of: id, Int(demand.gpus)) else { return nil }
    let seen = notebooks[Int(id.number)].seenGPUs ?? bound
    let gpus = nodes[Int(notebooks[Int(id.number)].node.number)].node.gpus
    let count = "\(demand.gpus) GPU\(demand.gpus == 1 ? "" : "s")"
    if bound.count < Int(demand.gpus) {
      return Refusal(
        .demandTooLarge, "asks for \(count), and its kernel sees \(seen.named) only; restart the kernel to get \(count)"
      )
    }
    if bound.contains(where: { gpus[$0].memory > .zero && gpus[$0].memory < demand.gpuMemory }) {
      return Refusal(
        .demandTooLarge,
        "asks for \(demand.gpuMemory.words) of GPU memory, and its kernel sees \(seen.named) only, which has less; restart the kernel to get a larger one"
      )
    }
    return nil
  }

  /// Why a cell must not start on these GPUs: its kernel does not see them, or its programs would take others; nil where
  /// it may.
  func refusal(of allotment: Allotment, byKernelOf id: NotebookID) -> Refusal? {
    guard choosesGPUs(on: allotment.node) else { return nil }
    let wanted = Int(notebooks[Int(id.number)].cell.demand.gpus)
    let node = nodes[Int(allotment.node.number)].node
    if !allotment.shared, wanted > 0, node.byMaker(allotment.gpus).count > 1 {
      return Refusal(.outOfRange, "starting a cell on GPUs of several makers")
    }
    guard !allotment.gpus.isEmpty, let bound = boundGPUs(of: id, wanted),
      let seen = notebooks[Int(id.number)].seenGPUs
    else { return nil }
    guard allotment.gpus.isSubset(of: seen) else {
      return Refusal(.outOfRange, "starting a cell on \(allotment.gpus.named), and its kernel sees \(seen.named) only")
    }
    guard allotment.shared || bound.isSubset(of: allotment.gpus) else {
      return Refusal(
        .outOfRange, "starting a cell on \(allotment.gpus.named), and its kernel would take \(bound.named)")
    }
    return nil
  }

  /// Why a cell that fits by number gets no GPUs from `room`: its kernel's are taken, or their memory is; nil where it does.
  func shortageOfGPUs(of id: NotebookID, in room: Room, place: Int32) -> Wait? {
    let slot = self[id]
    let demand = demand(of: id)
    let node = self[slot.node]
    guard demand.gpus > 0, gpus(for: id, Int(demand.gpus), from: room.gpus) == nil else { return nil }
    if let bound = boundGPUs(of: id, Int(demand.gpus)), !bound.isSubset(of: room.gpus) {
      let missing = bound.subtracting(room.gpus)
      let holders = holders(on: slot.node, besides: id) { $0.gpus.intersection(missing).count }
      if holders.isEmpty, !missing.isDisjoint(with: node.drainedGPUs) {
        return Wait(cause: .drain, lacking: Int32(missing.count), place: place)
      }
      return Wait(
        cause: .seenGPUs, lacking: Int32(missing.count), holders: holders, place: place, gpus: slot.seenGPUs ?? bound)
    }
    guard demand.gpuMemory > .zero, room.gpus.count >= Int(demand.gpus) else { return nil }
    // Of those that lack least as many as it asks for, the one that lacks most.
    let lacking = room.gpus.filter {
      node.node.gpus[$0].memory == .zero || node.node.gpus[$0].memory >= demand.gpuMemory
    }.map { (bytes: lackingMemory(for: id, on: $0, of: Int(slot.node.number)).count, gpu: $0) }
      .sorted { $0 < $1 }
    let gpus = GPUSet(lacking.map(\.gpu))
    guard lacking.count >= Int(demand.gpus) else {
      // The large ones run something else.
      return Wait(
        cause: .gpus, lacking: demand.gpus - Int32(lacking.count),
        holders: holders(on: slot.node, besides: id) { $0.gpus.subtracting(gpus).count }, place: place)
    }
    let most = lacking[Int(demand.gpus) - 1].bytes
    let keepers = node.residents.filter { other in
      other != id && self[other].residency.map { !$0.gpus.isDisjoint(with: gpus) } == true
    }
    let heaviest = keepers.sorted {
      (self[$1].residency?.bytes ?? .zero, $0) < (self[$0].residency?.bytes ?? .zero, $1)
    }
    return Wait(
      cause: .gpuMemory, lacking: Int32(clamping: (max(most, 0) + 1_048_575) >> 20), holders: Array(heaviest.prefix(4)),
      place: place)
  }
}
