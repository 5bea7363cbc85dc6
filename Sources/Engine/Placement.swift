import Domain

extension SchedulerState {
  /// The cores and GPUs that a notebook's cell may be given now, if nothing else is decided first.
  public struct Room: Sendable, Hashable {
    public var cores: CoreSet
    public var gpus: GPUSet

    public init(cores: CoreSet, gpus: GPUSet) {
      self.cores = cores
      self.gpus = gpus
    }
  }

  /// What is idle for `id`: not drained, not reserved by another's pin, within its own pin.
  public func room(for id: NotebookID) -> Room {
    let node = notebooks[Int(id.number)].node
    var room = room(on: node)
    for other in reserving where other != id {
      guard let pin = notebooks[Int(other.number)].pin, pin.node == node else { continue }
      room.cores.subtract(pin.cores)
      room.gpus.subtract(pin.gpus)
    }
    if pinnedCount > 0, let pin = notebooks[Int(id.number)].pin {
      if !pin.cores.isEmpty { room.cores = room.cores.intersection(pin.cores) }
      if !pin.gpus.isEmpty { room.gpus = room.gpus.intersection(pin.gpus) }
    }
    return room
  }

  /// What is idle and undrained on a node.
  public func room(on node: NodeID) -> Room {
    let place = Int(node.number)
    return Room(
      cores: nodes[place].idleCores.subtracting(nodes[place].drainedCores),
      gpus: nodes[place].idleGPUs.subtracting(nodes[place].drainedGPUs))
  }

  /// What the notebook's cell asks for, with the operator's override and within its pin.
  @inlinable public func demand(of id: NotebookID) -> Demand {
    pinnedCount == 0 ? notebooks[Int(id.number)].cell.demand : demandWithinPin(of: id)
  }

  @usableFromInline func demandWithinPin(of id: NotebookID) -> Demand {
    var demand = notebooks[Int(id.number)].cell.demand
    guard let pin = notebooks[Int(id.number)].pin, !pin.cores.isEmpty else { return demand }
    let most = Int32(pin.cores.count)
    demand.coresLeast = min(demand.coresLeast, most)
    demand.coresMost = min(demand.coresMost, most)
    return demand
  }

  /// The allotment that the cell would get from `room`: as many cores as it can use, all of its GPUs; nil where it does
  /// not fit.
  public func placement(of id: NotebookID, in room: Room) -> Allotment? {
    let demand = demand(of: id)
    guard room.cores.count >= Int(demand.coresLeast), room.gpus.count >= Int(demand.gpus), hasMemory(for: id) else {
      return nil
    }
    guard let gpus = gpus(for: id, Int(demand.gpus), from: room.gpus) else { return nil }
    return Allotment(
      node: notebooks[Int(id.number)].node,
      cores: self[notebooks[Int(id.number)].node].node.choose(Int(demand.coresMost), from: room.cores),
      gpus: gpus,
      memory: demand.memory)
  }

  /// Whether the node has the memory that the cell needs beyond what it holds already.
  @inlinable public func hasMemory(for id: NotebookID) -> Bool {
    notebooks[Int(id.number)].holdsMemory
      || notebooks[Int(id.number)].cell.demand.memory
        <= roomOfMemory(on: notebooks[Int(id.number)].node)
  }

  /// What is missing for the cell in `room`, and who holds it. `place` is its place in the order of starting.
  ///
  /// - Parameter coresWanted: how many cores the rule would give it at the least; nil for what the cell itself needs.
  public func shortage(of id: NotebookID, in room: Room, place: Int32, coresWanted: Int32? = nil) -> Wait {
    let slot = self[id]
    if slot.isHeld, slot.state == .queued { return Wait(cause: .held, place: place) }
    if slot.isOperatorSuspended { return Wait(cause: .operatorSuspended, place: place) }
    let demand = demand(of: id)
    if let wait = shortageOfGPUs(of: id, in: room, place: place), wait.cause == .seenGPUs || wait.cause == .drain {
      return wait
    }
    let lackingCores = max(demand.coresLeast, coresWanted ?? 0) - Int32(room.cores.count)
    let lackingGPUs = demand.gpus - Int32(room.gpus.count)
    if lackingGPUs > 0 {
      return Wait(
        cause: slot.pin.map { !$0.gpus.isEmpty } == true ? .pin : .gpus, lacking: lackingGPUs,
        holders: holders(on: slot.node, besides: id) { $0.gpus.count }, place: place)
    }
    if lackingCores > 0 {
      let wanted = slot.pin.flatMap { $0.cores.isEmpty ? nil : $0.cores }
      let holders = holders(on: slot.node, besides: id) {
        wanted.map { [cores = $0.cores] in $0.intersection(cores).count } ?? $0.cores.count
      }
      let node = self[slot.node]
      if holders.isEmpty, !node.drainedCores.isEmpty { return Wait(cause: .drain, lacking: lackingCores, place: place) }
      return Wait(cause: wanted == nil ? .cores : .pin, lacking: lackingCores, holders: holders, place: place)
    }
    if !hasMemory(for: id) {
      let lacking = demand.memory - roomOfMemory(on: slot.node)
      return Wait(
        cause: .memory, lacking: Int32(clamping: (lacking.count + 1_048_575) >> 20),
        holders: holders(on: slot.node, besides: id) { Int($0.memory.count >> 20) }, place: place)
    }
    return shortageOfGPUs(of: id, in: room, place: place) ?? Wait(cause: .turn, place: place)
  }

  /// The notebooks that run on `node` and hold most of what `measure` counts, most first, four at the most.
  func holders(on node: NodeID, besides id: NotebookID, measure: (Allotment) -> Int) -> [NotebookID] {
    var found: [(id: NotebookID, amount: Int)] = []
    for other in running where self[other].allotment.node == node {
      let amount = measure(self[other].allotment)
      if other != id, amount > 0 { found.append((other, amount)) }
    }
    found.sort { ($1.amount, $0.id) < ($0.amount, $1.id) }
    return found.prefix(4).map(\.id)
  }
}
