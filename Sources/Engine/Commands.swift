import Domain

extension Scheduler {
  mutating func obey(_ command: Command) {
    guard !commandsSeen.contains(command.id.number) else { return }
    commandsSeen.append(command.id.number)
    if commandsSeen.count > 256 { commandsSeen.removeFirst(128) }
    do throws(Refusal) {
      let events = try consequences(of: command.verb)
      ledger.emit(.commandAccepted(command))
      for event in events { ledger.emit(event) }
    } catch {
      ledger.emit(.commandRefused(command, error))
    }
  }

  /// The events that an order brings at once; what the policy makes of them comes after.
  private mutating func consequences(of verb: Verb) throws(Refusal) -> [Event] {
    if let id = verb.notebook {
      guard ledger.state.contains(id) else { throw Refusal(.unknownNotebook, "there is no such notebook") }
      guard ledger.state[id].state != .gone else { throw Refusal(.wrongState, "its kernel has ended") }
    }
    switch verb {
    case .suspend(let id, let cell):
      try demandState(id, cell, [.running], "only a running cell can be suspended; h holds one that has not started")
      return [.cellSuspended(cell, id, Reason(.operatorSuspended))]
    case .resume(let id, let cell):
      try demandState(id, cell, [.suspended], "only a suspended cell can be resumed")
      return [.resumeOrdered(id, cell)]
    case .interrupt(let id, let cell):
      try demandState(id, cell, [.running, .suspended], "only a running or suspended cell can be interrupted")
      return [.interruptRequested(cell, id)]
    case .setPriority(let id, let priority):
      guard (-100...100).contains(priority) else {
        throw Refusal(.outOfRange, "a priority is from -100 to 100, and \(priority) is not")
      }
      return ledger.state[id].priority == priority ? [] : [.priorityChanged(id, priority)]
    case .pin(let id, let pin): return [.pinned(id, try checked(pin, for: id))]
    case .unpin(let id):
      guard ledger.state[id].pin != nil else { throw Refusal(.wrongState, "it is not pinned") }
      return [.unpinned(id)]
    case .hold(let id): return ledger.state[id].isHeld ? [] : [.held(id)]
    case .release(let id): return ledger.state[id].isHeld ? [.released(id)] : []
    case .drain(let id, let cores, let gpus):
      let slot = try node(id)
      guard cores.isSubset(of: slot.node.cores), gpus.isSubset(of: slot.node.gpuSet) else {
        throw Refusal(.outOfRange, "\(slot.node.name) has cores \(slot.node.cores) and \(slot.node.gpus.count) GPUs")
      }
      return [.drainChanged(id, slot.drainedCores.union(cores), slot.drainedGPUs.union(gpus))]
    case .undrain(let id, let cores, let gpus):
      let slot = try node(id)
      return [.drainChanged(id, slot.drainedCores.subtracting(cores), slot.drainedGPUs.subtracting(gpus))]
    case .setPolicy(let name):
      policy = try catalogue.make(name)
      policyIsNew = true
      return [.policyChanged(name)]
    case .overrideDemand(let id, let demand):
      if let demand {
        guard demand.coresLeast >= 1, demand.gpus >= 0, min(demand.memory, demand.gpuMemory) >= .zero else {
          throw Refusal(.outOfRange, "a demand is one core or more, and nothing of it is below 0")
        }
        if let refusal = ledger.state[ledger.state[id].node].node.refusal(of: demand) { throw refusal }
      }
      return [.demandOverridden(id, demand)]
    case .suspendAfter, .suspendAtEnd, .callOff: return try plan(verb)
    }
  }

  /// What an order about a later suspension brings.
  private func plan(_ verb: Verb) throws(Refusal) -> [Event] {
    guard let id = verb.notebook, let cell = verb.cell else { return [] }
    if case .suspendAfter(_, _, let grace) = verb {
      try demandState(id, cell, [.running], "only a running cell can be suspended; h holds one that has not started")
      guard Verb.graces.contains(grace) else {
        throw Refusal(.outOfRange, "a grace is from 1 s to 24 h, and \(grace.seconds) s is not")
      }
      return [.suspensionPlanned(id, cell, due: ledger.now + grace)]
    }
    try demandState(id, cell, [.queued, .running, .suspended], "it has no cell")
    if case .suspendAtEnd = verb { return [.suspensionPlanned(id, cell, due: nil)] }
    guard ledger.state[id].planned != nil else { throw Refusal(.wrongState, "nothing is planned for its cell") }
    return [.suspensionCalledOff(id, cell)]
  }

  /// Suspends the running cells whose grace is over.
  mutating func suspendAsPlanned() {
    for id in ledger.state.running.sorted() {
      guard let due = ledger.state[id].planned?.due, due <= ledger.now else { continue }
      ledger.suspend(id, because: Reason(.operatorSuspended))
    }
  }

  /// A grace that runs out wakes the engine; one that ran out while its cell did not run waits until it does.
  mutating func wakeForPlans() {
    for id in ledger.state.running {
      if let due = ledger.state[id].planned?.due { ledger.wake(at: max(due, ledger.now)) }
    }
  }

  private func node(_ id: NodeID) throws(Refusal) -> NodeSlot {
    guard ledger.state.contains(id) else { throw Refusal(.unknownNode, "there is no such node") }
    return ledger.state[id]
  }

  private func demandState(
    _ id: NotebookID, _ cell: CellID, _ states: [NotebookState], _ otherwise: String
  ) throws(Refusal) {
    let slot = ledger.state[id]
    guard slot.hasCell, slot.cell.id == cell else {
      throw Refusal(.stale, "the cell on the screen has ended since")
    }
    guard states.contains(slot.state) else { throw Refusal(.wrongState, otherwise) }
  }

  private func checked(_ pin: Pin, for id: NotebookID) throws(Refusal) -> Pin {
    let slot = try node(pin.node)
    guard pin.node == ledger.state[id].node else {
      throw Refusal(.outOfRange, "its kernel is on another node")
    }
    guard pin.cores.isSubset(of: slot.node.cores), pin.gpus.isSubset(of: slot.node.gpuSet),
      !(pin.cores.isEmpty && pin.gpus.isEmpty)
    else {
      throw Refusal(
        .outOfRange, "a pin names some of the cores \(slot.node.cores) or of the \(slot.node.gpus.count) GPUs")
    }
    if !pin.gpus.isEmpty, let seen = ledger.state[id].seenGPUs, !seen.isSubset(of: pin.gpus) {
      throw Refusal(
        .wrongState, "its kernel sees \(seen.named) only; restart the kernel to pin it to \(pin.gpus.named)")
    }
    return pin
  }

  /// Moves running cells onto the cores of their pins as soon as those are idle, neither drained nor reserved by another.
  ///
  /// Moved cells have their cores and GPUs for themselves; one that shares GPUs which another has stays where it is.
  mutating func followPins() {
    for id in ledger.state.running.sorted() where ledger.state[id].pin != nil {
      let slot = ledger.state[id]
      guard let pin = slot.pin, !pin.cores.isEmpty, !slot.allotment.cores.isSubset(of: pin.cores) else { continue }
      let own = slot.allotment.shared ? CoreSet() : slot.allotment.cores.intersection(pin.cores)
      if slot.allotment.shared, !slot.allotment.gpus.isSubset(of: ledger.state[pin.node].idleGPUs) { continue }
      let free = ledger.state.room(for: id).cores.union(own)
      let most = Int(ledger.state.demand(of: id).coresMost)
      let target = ledger.state[pin.node].node.choose(most, from: free)
      if target.count >= Int(ledger.state.demand(of: id).coresLeast) {
        ledger.resize(id, to: target, because: Reason(.pinned))
      }
    }
  }
}
