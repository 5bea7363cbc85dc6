import Domain
import Engine

// Cells that start whole: those that need GPUs, and without malleability all.
extension Dynamic {
  /// How many cells that do not fit are looked at for what they could take from running ones, at each decision.
  static let attemptsMost = 16

  /// What is neither drained nor reserved nor held on a node, for cells without a pin.
  func idleRoom(on node: NodeID, in state: SchedulerState) -> SchedulerState.Room {
    var room = state.room(on: node)
    for other in state.reserving where state.notebooks[Int(other.number)].node == node {
      guard let pin = state.notebooks[Int(other.number)].pin else { continue }
      room.cores.subtract(pin.cores)
      room.gpus.subtract(pin.gpus)
    }
    return room
  }

  /// Chooses the gangs to start, and takes from running ones what they need. They stand in `pending` afterwards.
  mutating func admitGangs(on node: NodeID, in ledger: inout Ledger) {
    let index = Int(node.number)
    pending.removeAll(keepingCapacity: true)
    pendingGPUs.removeAll(keepingCapacity: true)
    guard let head = nodes[index].gangs.first else { return }
    let room = idleRoom(on: node, in: ledger.state)
    var free = IdleRoom(room, memory: ledger.state.roomOfMemory(on: node), chooses: nodes[index].choosesGPUs)
    if nodes[index].malleable > 0 { free.counts.cores = coresForGangs(on: node, in: ledger.state) }
    var cursor: NotebookID? = head
    var attempts = 0
    releases = nil
    while let id = cursor {
      let need = gangNeed(of: id, in: ledger.state)
      let rank = standings[Int(id.number)].rank
      if waitsForMemory(id, idle: free.gpus, need, free.counts, in: &ledger)
        || isKeptBack(id, need, free.counts, on: node, in: &ledger)
      {
        putOff(id, on: index)
        cursor = nodes[index].gangs.next(after: rank)
        continue
      }
      if let gpus = free.gpus(for: id, need, in: ledger.state)
        ?? (preempts ? makeRoom(for: id, need, on: node, &free, in: &ledger) : nil)
      {
        take(id, need, gpus, &free, on: node)
        cursor = nodes[index].gangs.next(after: rank)
        continue
      }
      attempts += 1
      guard preempts, attempts < Self.attemptsMost, mayPreempt(rank, on: index) else { break }
      cursor = nodes[index].gangs.next(after: rank)
    }
    fillUp(on: node, &free, in: &ledger)
    for id in deferred { refresh(id, in: ledger.state) }
    deferred.removeAll(keepingCapacity: true)
  }

  /// Leaves a gang out of the present decision.
  private mutating func putOff(_ id: NotebookID, on index: Int) {
    deferred.append(id)
    nodes[index].gangs.remove(id)
  }

  private mutating func take(_ id: NotebookID, _ need: Need, _ gpus: GPUSet, _ free: inout IdleRoom, on node: NodeID) {
    nodes[Int(node.number)].gangs.remove(id)
    pending.append(id)
    if free.chooses { pendingGPUs.append(gpus) }
    free.take(need, gpus)
  }

  /// Whether any running gang is behind `rank`.
  private func mayPreempt(_ rank: Rank, on index: Int) -> Bool {
    guard let worst = nodes[index].runningGangs.last, let worstRank = nodes[index].runningGangs.rank(of: worst) else {
      return false
    }
    return beats(rank, worstRank)
  }

  /// Whoever fits starts, in order. Without preemption, only where it does not delay the first that waits.
  private mutating func fillUp(on node: NodeID, _ free: inout IdleRoom, in ledger: inout Ledger) {
    let index = Int(node.number)
    guard preempts else { return fillUpBesideHead(on: node, &free, in: &ledger) }
    while let id = nodes[index].gangs.first(fitting: free.counts) {
      let need = gangNeed(of: id, in: ledger.state)
      if let gpus = free.gpus(for: id, need, in: ledger.state),
        !isKeptBack(id, need, free.counts, on: node, in: &ledger)
      {
        take(id, need, gpus, &free, on: node)
      } else {
        putOff(id, on: index)
      }
    }
  }

  private mutating func fillUpBesideHead(on node: NodeID, _ free: inout IdleRoom, in ledger: inout Ledger) {
    let index = Int(node.number)
    guard let head = nodes[index].gangs.first else { return }
    var after = standings[Int(head.number)].rank
    guard nodes[index].gangs.first(fitting: free.counts, after: after) != nil else { return }
    let headNeed = gangNeed(of: head, in: ledger.state)
    var shadow = Shadow(
      of: headNeed, bound: ledger.state.boundGPUs(of: head, Int(headNeed.gpus)), on: node, in: ledger.state,
      room: free.counts, at: now)
    while let id = nodes[index].gangs.first(fitting: free.counts, after: after) {
      after = standings[Int(id.number)].rank
      let need = gangNeed(of: id, in: ledger.state)
      guard let gpus = free.gpus(for: id, need, in: ledger.state) else { continue }
      let endsInTime =
        ledger.state.notebooks[Int(id.number)].cell.forecast.map { now + $0.run.p95 <= shadow.at } ?? false
      guard endsInTime || need.fits(in: shadow.left) else { continue }
      if isKeptBack(id, need, free.counts, on: node, in: &ledger) {
        putOff(id, on: index)
        continue
      }
      take(id, need, gpus, &free, on: node)
      if !endsInTime {
        shadow.left.cores -= need.cores
        shadow.left.gpus -= need.gpus
        shadow.left.memory -= need.memory
      }
    }
  }

  /// The cores that gangs may count on: all but those that running gangs need at least and that pinned cells hold.
  private func coresForGangs(on node: NodeID, in state: SchedulerState) -> Int32 {
    var usable = state.usableCores(of: node)
    if state.pinnedCount > 0 {
      for other in state.reserving where state.notebooks[Int(other.number)].node == node {
        if let pin = state.notebooks[Int(other.number)].pin { usable.subtract(pin.cores) }
      }
      for id in state.running
      where state.notebooks[Int(id.number)].isPinned && state.notebooks[Int(id.number)].node == node {
        usable.subtract(state.notebooks[Int(id.number)].allotment.cores)
      }
    }
    return Int32(usable.count) - nodes[Int(node.number)].gangCores
  }

  /// Suspends running gangs behind `id`, the last first, until it fits; none where that does not suffice.
  ///
  /// - Returns: the GPUs on which it fits then.
  private mutating func makeRoom(
    for id: NotebookID, _ need: Need, on node: NodeID, _ free: inout IdleRoom, in ledger: inout Ledger
  ) -> GPUSet? {
    let index = Int(node.number)
    let rank = standings[Int(id.number)].rank
    guard need.memory <= free.counts.memory, mayPreempt(rank, on: index) else { return nil }
    var victims: [(id: NotebookID, gives: IdleRoom)] = []
    var improved: [NotebookID] = []
    var would = free
    var found: GPUSet?
    var cursor = nodes[index].runningGangs.last
    while let other = cursor, found == nil, let stored = nodes[index].runningGangs.rank(of: other),
      beats(rank, stored)
    {
      cursor = nodes[index].runningGangs.previous(before: stored)
      let current = currentRank(of: other, in: ledger.state)
      if current != stored { improved.append(other) }
      guard beats(rankToPreempt(id, other, rank, in: ledger.state), current) else { continue }
      let gives = IdleRoom(
        whatItGives(other, on: node, in: ledger.state), gpusItGives(other, on: node, in: ledger.state),
        chooses: free.chooses)
      would.add(gives)
      victims.append((other, gives))
      found = would.gpus(for: id, need, in: ledger.state, suspending: victims.map(\.id))
    }
    for other in improved where !victims.contains(where: { $0.id == other }) {
      leaveRunning(other, in: ledger.state)
      enterRunning(other, in: ledger.state)
    }
    guard found != nil else { return nil }
    for victim in victims.reversed() {
      var without = would
      without.remove(victim.gives)
      if let enough = without.gpus(
        for: id, need, in: ledger.state, suspending: victims.map(\.id).filter { $0 != victim.id })
      {
        (would, found) = (without, enough)
        victims.removeAll { $0.id == victim.id }
      }
    }
    // The last first, as before.
    for victim in victims.reversed() { suspend(victim.id, for: id, in: &ledger) }
    free = would
    return found
  }

  private func gpusItGives(_ id: NotebookID, on node: NodeID, in state: SchedulerState) -> GPUSet {
    state.notebooks[Int(id.number)].allotment.gpus.subtracting(state.nodes[Int(node.number)].drainedGPUs)
  }

  /// What a running gang would leave to others if it were suspended.
  func whatItGives(_ id: NotebookID, on node: NodeID, in state: SchedulerState) -> Need {
    let index = Int(id.number)
    let place = Int(node.number)
    let gpus = Int32(state.notebooks[index].allotment.gpus.subtracting(state.nodes[place].drainedGPUs).count)
    let cores =
      nodes[place].malleable > 0
      ? state.notebooks[index].cell.demand.coresLeast
      : Int32(state.notebooks[index].allotment.cores.subtracting(state.nodes[place].drainedCores).count)
    return Need(cores: cores, gpus: gpus)
  }

  /// Starts the chosen gangs on what is free, each with the cores that it needs.
  mutating func startPending(on node: NodeID, in ledger: inout Ledger) {
    guard !pending.isEmpty else { return }
    let ahead = nodes[Int(node.number)].gangs.first
    if ledger.state.reserving.isEmpty, pendingGPUs.isEmpty {
      for id in pending {
        let reason = reason(for: id, ahead: overtaken(by: id, ahead), in: ledger.state)
        start(id, gangNeed(of: id, in: ledger.state), because: reason, in: &ledger)
      }
      return pending.removeAll(keepingCapacity: true)
    }
    var room = idleRoom(on: node, in: ledger.state)
    for (place, id) in pending.enumerated() {
      let need = gangNeed(of: id, in: ledger.state)
      let gpus =
        pendingGPUs.isEmpty
        ? ledger.state.gpus(for: id, Int(need.gpus), from: room.gpus) ?? GPUSet() : pendingGPUs[place]
      let allotment = Allotment(
        node: node, cores: ledger.state[node].node.choose(Int(need.cores), from: room.cores),
        gpus: gpus,
        memory: ledger.state.notebooks[Int(id.number)].cell.demand.memory)
      room.cores.subtract(allotment.cores)
      room.gpus.subtract(allotment.gpus)
      let reason = reason(for: id, ahead: overtaken(by: id, ahead), in: ledger.state)
      start(id, on: allotment, because: reason, in: &ledger)
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Whom a gang that starts passes over: the first that waits, where that is before it in the order.
  private func overtaken(by id: NotebookID, _ first: NotebookID?) -> NotebookID? {
    guard let first, standings[Int(first.number)].rank < standings[Int(id.number)].rank else { return nil }
    return first
  }
}

/// What is free on a node while gangs are chosen: counts, and the GPUs themselves where it matters which.
struct IdleRoom: Sendable {
  var counts: Need
  private(set) var gpus: GPUSet
  let chooses: Bool

  init(_ room: SchedulerState.Room, memory: Bytes, chooses: Bool) {
    self.init(Need(room, memory: memory), room.gpus, chooses: chooses)
  }

  init(_ counts: Need, _ gpus: GPUSet, chooses: Bool) {
    (self.counts, self.gpus, self.chooses) = (counts, gpus, chooses)
  }

  /// The GPUs that a cell would get (none are named where they are all alike); nil where it does not fit.
  func gpus(
    for id: NotebookID, _ need: Need, in state: SchedulerState, suspending: @autoclosure () -> [NotebookID] = []
  ) -> GPUSet? {
    guard need.fits(in: counts) else { return nil }
    return chooses ? state.gpus(for: id, Int(need.gpus), from: gpus, suspending: suspending()) : GPUSet()
  }

  mutating func take(_ need: Need, _ taken: GPUSet) {
    counts.cores -= need.cores
    counts.gpus -= need.gpus
    counts.memory -= need.memory
    gpus.subtract(taken)
  }

  mutating func add(_ other: IdleRoom) {
    counts.cores += other.counts.cores
    counts.gpus += other.counts.gpus
    gpus.formUnion(other.gpus)
  }

  mutating func remove(_ other: IdleRoom) {
    counts.cores -= other.counts.cores
    counts.gpus -= other.counts.gpus
    gpus.subtract(other.gpus)
  }
}

// Notebooks that an operator pinned, and cells that another policy left on shared cores.
extension Dynamic {
  /// Starts pinned cells on their pins, and takes those from unpinned cells behind them.
  mutating func startPinned(on node: NodeID, in ledger: inout Ledger) {
    let pinned = ledger.state.queue.filter {
      ledger.state.isStartable($0) && ledger.state.notebooks[Int($0.number)].isPinned
        && ledger.state.notebooks[Int($0.number)].node == node
    }
    guard !pinned.isEmpty else { return }
    let ranks = pinned.map { (currentRank(of: $0, in: ledger.state), $0) }.sorted { $0.0 < $1.0 }
    for (rank, id) in ranks {
      standings[Int(id.number)].rank = rank
      if preempts { clearPin(of: id, rank, in: &ledger) }
      guard let allotment = ledger.state.placement(of: id, in: ledger.state.room(for: id)) else { continue }
      start(id, on: allotment, because: Reason(.pinned), in: &ledger)
    }
  }

  private mutating func clearPin(of id: NotebookID, _ rank: Rank, in ledger: inout Ledger) {
    guard let pin = ledger.state.notebooks[Int(id.number)].pin else { return }
    for other in ledger.state.running.sorted() {
      if ledger.state.placement(of: id, in: ledger.state.room(for: id)) != nil { return }
      let slot = ledger.state[other]
      guard slot.pin == nil, slot.node == pin.node, !slot.allotment.shared,
        !slot.allotment.cores.isDisjoint(with: pin.cores) || !slot.allotment.gpus.isDisjoint(with: pin.gpus),
        pin.reserves || beats(rank, currentRank(of: other, in: ledger.state))
      else { continue }
      suspend(other, for: id, in: &ledger)
    }
  }

  /// Takes cells off shared cores and GPUs, so that they get their own.
  mutating func claimSharers(on node: NodeID, in ledger: inout Ledger) {
    guard preempts, ledger.state.runningCount > nodes.reduce(0, { $0 + $1.runningGangs.count + $1.runningOthers.count })
    else { return }
    for id in ledger.state.running.sorted()
    where ledger.state.notebooks[Int(id.number)].allotment.shared && ledger.state.notebooks[Int(id.number)].node == node
    {
      guard ledger.suspend(id, because: Reason(.preempted, for: id)) else { continue }
      reenter(id, in: ledger.state)
    }
  }
}
