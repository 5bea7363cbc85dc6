import Domain
import Engine

// The index, and the bookkeeping of who stands where.
extension Dynamic {
  /// Microseconds of the present cell's run time alone that are done.
  func done(_ id: NotebookID, at now: Instant) -> Double {
    let standing = standings[Int(id.number)]
    return standing.done + Double((now - standing.since).microseconds) * standing.rate
  }

  /// How long the cell has stood still: queued, suspended, or slowed.
  func standstill(_ id: NotebookID, in state: SchedulerState) -> Double {
    Double((now - state.notebooks[Int(id.number)].cell.submitted).microseconds) - done(id, at: now)
  }

  /// Books the work done until now.
  mutating func settle(_ id: NotebookID, at now: Instant) {
    standings[Int(id.number)].done = done(id, at: now)
    standings[Int(id.number)].since = now
  }

  /// How fast a cell runs on what it has, against alone on the node.
  func rate(of id: NotebookID, in state: SchedulerState) -> Double {
    let most = state.notebooks[Int(id.number)].cell.demand.coresMost
    let have = state.notebooks[Int(id.number)].allotment.cores.count
    if have >= Int(most) { return 1 }
    return Speedup(parallelThousandths: state.notebooks[Int(id.number)].cell.forecast?.parallelThousandths ?? 1000)
      .rate(
        on: Double(have), of: most)
  }

  /// left × whole, in seconds squared; the least goes first.
  ///
  /// - Parameter further: microseconds that it would take longer than its work.
  func index(of id: NotebookID, in state: SchedulerState, further: Double = 0) -> Double {
    let done = done(id, at: now)
    var remaining: Double
    var total: Double
    if let forecast = state.notebooks[Int(id.number)].cell.forecast {
      if anticipates, let left = forecast.notebookRemaining, let all = forecast.notebookTotal {
        remaining = max(Double(left.microseconds) - done, 1000)
        total = max(Double(all.microseconds), remaining)
        remaining /= stagger(whole: total, cellLeft: Double(forecast.run.p50.microseconds) - done)
      } else if anticipates, let left = forecast.further?.notebookLeft {
        let before = Double(state.notebooks[Int(id.number)].attainedBefore.microseconds)
        return weighed(left.index(after: done, before: before) / 1e12, of: id, in: state)
      } else {
        remaining = max(Double(forecast.run.p50.microseconds) - done, done / 10, 1000)
        total = Double(state.notebooks[Int(id.number)].attainedBefore.microseconds) + done + remaining
      }
    } else {
      remaining = Double(state.notebooks[Int(id.number)].attainedBefore.microseconds) + done + 1_000_000
      total = 2 * remaining
    }
    var extra = further
    if state.notebooks[Int(id.number)].keepsGPUMemory { extra += restoring(id, in: state) }
    return weighed((remaining + extra) * total / 1e12, of: id, in: state)
  }

  /// The index with the cell's GPUs counted in.
  private func weighed(_ index: Double, of id: NotebookID, in state: SchedulerState) -> Double {
    let gpus = Double(state.notebooks[Int(id.number)].cell.demand.gpus)
    return gpus > 1 ? index * (1 + width * (gpus - 1)) : index
  }

  /// How many bounds a notebook has to take alone to be staggered.
  static let boundsOfLarge = 2.5

  /// By what the index of a cell of a very large notebook is divided: the fourth root of what the cell has left, in units
  /// of a 48th of the bound; 1 for any other.
  ///
  /// Such a notebook's cells stand still until the bound whenever the node is short of GPUs. What that frees until the
  /// notebook comes back is the same for a short cell as for a long one, but a long one is untouchable for as long as it
  /// runs once it is aged. So long ones go a little earlier, and short ones wait.
  private func stagger(whole: Double, cellLeft: Double) -> Double {
    guard staggers, let ageing, whole >= Self.boundsOfLarge * Double(ageing.microseconds) else { return 1 }
    return (max(cellLeft, 1000) * 48 / Double(ageing.microseconds)).squareRoot().squareRoot()
  }

  /// What goes before the index: the priority, and whether the cell is aged.
  func currentTier(of id: NotebookID, in state: SchedulerState) -> Int64 {
    -2 * Int64(state.notebooks[Int(id.number)].priority) - (standings[Int(id.number)].isAged ? 1 : 0)
  }

  func currentRank(of id: NotebookID, in state: SchedulerState) -> Rank {
    let cell = state.notebooks[Int(id.number)].cell.id
    let tier = currentTier(of: id, in: state)
    if standings[Int(id.number)].isAged { return Rank(tier: tier, cell: cell) }
    return Rank(tier: tier, index: Int64(index(of: id, in: state).bitPattern), cell: cell)
  }

  /// Whether `a` may take from `b`: it is before it by more than the order of submission.
  func beats(_ a: Rank, _ b: Rank) -> Bool { a.tier != b.tier ? a.tier < b.tier : a.index < b.index }

  /// What a cell needs at least to be started as a gang.
  func gangNeed(of id: NotebookID, in state: SchedulerState) -> Need {
    guard isMalleable else { return state.wholeNeed(of: id) }
    let demand = state.notebooks[Int(id.number)].cell.demand
    return Need(
      cores: demand.coresLeast, gpus: demand.gpus,
      memory: state.notebooks[Int(id.number)].holdsMemory ? 0 : demand.memory.count)
  }

  private func isGang(_ id: NotebookID, in state: SchedulerState) -> Bool {
    !isMalleable || state.notebooks[Int(id.number)].cell.demand.gpus > 0
  }

  /// Puts a waiting notebook where it belongs now.
  mutating func refresh(_ id: NotebookID, in state: SchedulerState) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    guard state.isStartable(id), !state.notebooks[Int(id.number)].isPinned else { return }
    let rank = currentRank(of: id, in: state)
    standings[Int(id.number)].rank = rank
    let need = gangNeed(of: id, in: state)
    if isGang(id, in: state) {
      nodes[node].gangs.insert(id, rank, need)
    } else {
      nodes[node].others.insert(id, rank, need)
    }
    countMalleable(id, in: state)
    countAged(id, in: state)
    if ageing != nil, !standings[Int(id.number)].isAged {
      let from = now.microseconds - Int64(standstill(id, in: state).rounded(.down))
      nodes[node].ageing.insert(
        id, Rank(tier: from, cell: state.notebooks[Int(id.number)].cell.id), Need(cores: 0, gpus: 0))
    }
  }

  private mutating func countMalleable(_ id: NotebookID, in state: SchedulerState) {
    let demand = state.notebooks[Int(id.number)].cell.demand
    let counts = isMalleable && (demand.gpus == 0 || demand.coresMost > demand.coresLeast)
    guard counts, !standings[Int(id.number)].isMalleable else { return }
    standings[Int(id.number)].isMalleable = true
    nodes[Int(state.notebooks[Int(id.number)].node.number)].malleable += 1
  }

  /// Takes a notebook out of the waiting lines.
  mutating func leaveWaiting(_ id: NotebookID, in state: SchedulerState) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    nodes[node].gangs.remove(id)
    nodes[node].others.remove(id)
    nodes[node].ageing.remove(id)
    uncountAged(id, on: node)
  }

  /// Counts what an aged cell wants that runs or could run.
  mutating func countAged(_ id: NotebookID, in state: SchedulerState) {
    guard standings[Int(id.number)].isAged, standings[Int(id.number)].counted == nil else { return }
    let demand = state.notebooks[Int(id.number)].cell.demand
    let need = Need(cores: demand.coresMost, gpus: demand.gpus)
    standings[Int(id.number)].counted = need
    nodes[Int(state.notebooks[Int(id.number)].node.number)].bound.count(need, sign: 1)
  }

  private mutating func uncountAged(_ id: NotebookID, on node: Int) {
    guard let need = standings[Int(id.number)].counted else { return }
    standings[Int(id.number)].counted = nil
    nodes[node].bound.count(need, sign: -1)
  }

  /// Books that a cell runs on what it was given.
  mutating func enterRunning(_ id: NotebookID, in state: SchedulerState) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    guard !state.notebooks[Int(id.number)].isPinned, !state.notebooks[Int(id.number)].allotment.shared else { return }
    let rank = currentRank(of: id, in: state)
    standings[Int(id.number)].rank = rank
    let need = Need(cores: 0, gpus: 0)
    if isGang(id, in: state) {
      nodes[node].runningGangs.insert(id, rank, need)
      standings[Int(id.number)].coresLeast = state.notebooks[Int(id.number)].cell.demand.coresLeast
      nodes[node].gangCores += state.notebooks[Int(id.number)].cell.demand.coresLeast
    } else {
      nodes[node].runningOthers.insert(id, rank, need)
    }
    countMalleable(id, in: state)
    countAged(id, in: state)
    let forecast = state.notebooks[Int(id.number)].cell.forecast
    if forecast?.notebookRemaining == nil, forecast == nil || forecast?.further != nil,
      !standings[Int(id.number)].isUnforeseen
    {
      standings[Int(id.number)].isUnforeseen = true
      nodes[node].unforeseen += 1
    }
  }

  mutating func leaveRunning(_ id: NotebookID, in state: SchedulerState) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    if nodes[node].runningGangs.contains(id) {
      nodes[node].runningGangs.remove(id)
      nodes[node].gangCores -= standings[Int(id.number)].coresLeast
    } else {
      nodes[node].runningOthers.remove(id)
    }
    uncountAged(id, on: node)
    if standings[Int(id.number)].isUnforeseen {
      standings[Int(id.number)].isUnforeseen = false
      nodes[node].unforeseen -= 1
    }
  }

  /// Takes a notebook out of everything.
  mutating func leave(_ id: NotebookID, in state: SchedulerState) {
    let node = Int(state.notebooks[Int(id.number)].node.number)
    guard node < nodes.count, Int(id.number) < standings.count else { return }
    leaveWaiting(id, in: state)
    leaveRunning(id, in: state)
    if standings[Int(id.number)].isMalleable {
      standings[Int(id.number)].isMalleable = false
      nodes[node].malleable -= 1
    }
  }

  /// Puts a notebook where it belongs after something was done to it from outside.
  mutating func reenter(_ id: NotebookID, in state: SchedulerState) {
    leave(id, in: state)
    settle(id, at: now)
    standings[Int(id.number)].rate = 0
    switch state.notebooks[Int(id.number)].state {
    case .running:
      standings[Int(id.number)].rate = rate(of: id, in: state)
      enterRunning(id, in: state)
    case .queued, .suspended: refresh(id, in: state)
    case .starting, .thinking, .gone: break
    }
  }

  /// Marks the cells that have stood still for as long as anyone may.
  mutating func age(on node: NodeID, in ledger: inout Ledger) {
    let index = Int(node.number)
    guard ageing != nil else { return }
    nodes[index].bound.settle(at: now)
    while let id = nodes[index].ageing.first, let rank = nodes[index].ageing.rank(of: id),
      nodes[index].bound.isReached(from: Instant(microseconds: rank.tier), at: now)
    {
      nodes[index].ageing.remove(id)
      standings[Int(id.number)].isAged = true
      refresh(id, in: ledger.state)
    }
  }

  /// Ranks the running cells without a forecast by the service that they have attained by now.
  mutating func rerankUnforeseen(on node: NodeID, in ledger: inout Ledger) {
    var soonest = Instant.never
    for id in ledger.state.running
    where standings[Int(id.number)].isUnforeseen && ledger.state.notebooks[Int(id.number)].node == node {
      let rank = currentRank(of: id, in: ledger.state)
      let attained =
        ledger.state.notebooks[Int(id.number)].attainedBefore + ledger.state.notebooks[Int(id.number)].ran(at: now)
      soonest = min(soonest, now + Span(microseconds: max(attained.microseconds, 1_000_000)))
      guard rank != standings[Int(id.number)].rank else { continue }
      leaveRunning(id, in: ledger.state)
      enterRunning(id, in: ledger.state)
    }
    if !nodes[Int(node.number)].gangs.isEmpty || !nodes[Int(node.number)].others.isEmpty { ledger.wake(at: soonest) }
  }
}

// The acts, with the bookkeeping that belongs to them.
extension Dynamic {
  mutating func start(_ id: NotebookID, on allotment: Allotment, because reason: Reason, in ledger: inout Ledger) {
    // What was taken back for it may turn out to be drained; then it waits for the next decision.
    let demand = ledger.state.demand(of: id)
    guard allotment.cores.count >= Int(demand.coresLeast), allotment.gpus.count == Int(demand.gpus) else {
      return refresh(id, in: ledger.state)
    }
    if demand.gpuMemory > .zero { evict(for: id, on: allotment.gpus, in: &ledger) }
    guard ledger.start(id, on: allotment, because: reason) else { return refresh(id, in: ledger.state) }
    entered(id, in: ledger.state)
  }

  /// The same on what is idle and not drained, where no pin reserves any of it.
  mutating func start(_ id: NotebookID, _ need: Need, because reason: Reason, in ledger: inout Ledger) {
    let node = ledger.state.notebooks[Int(id.number)].node
    guard ledger.state.isIdle(need, on: node) else { return refresh(id, in: ledger.state) }
    if ledger.state.notebooks[Int(id.number)].cell.demand.gpuMemory > .zero {
      guard let gpus = ledger.state.gpus(for: id, Int(need.gpus), from: ledger.state.room(on: node).gpus) else {
        return refresh(id, in: ledger.state)
      }
      evict(for: id, on: gpus, in: &ledger)
    }
    guard ledger.start(id, onIdleCores: Int(need.cores), gpus: Int(need.gpus), because: reason) else {
      return refresh(id, in: ledger.state)
    }
    entered(id, in: ledger.state)
  }

  /// Books that a cell has been started.
  private mutating func entered(_ id: NotebookID, in state: SchedulerState) {
    leaveWaiting(id, in: state)
    standings[Int(id.number)].since = now + state.memoryDelay(of: id)
    standings[Int(id.number)].rate = rate(of: id, in: state)
    enterRunning(id, in: state)
  }

  mutating func suspend(_ id: NotebookID, for other: NotebookID, in ledger: inout Ledger) {
    guard ledger.suspend(id, because: Reason(.preempted, for: other)) else { return }
    leaveRunning(id, in: ledger.state)
    settle(id, at: now)
    standings[Int(id.number)].rate = 0
    refresh(id, in: ledger.state)
  }

  mutating func resize(_ id: NotebookID, to cores: CoreSet, because reason: Reason, in ledger: inout Ledger) {
    settle(id, at: now)
    guard ledger.resize(id, to: cores, because: reason) else { return }
    standings[Int(id.number)].rate = rate(of: id, in: ledger.state)
  }

  /// Why a cell starts now.
  func reason(for id: NotebookID, ahead: NotebookID?, in state: SchedulerState) -> Reason {
    if let ahead { return Reason(.backfilled, for: ahead) }
    if standings[Int(id.number)].isAged { return Reason(.aged) }
    if state.notebooks[Int(id.number)].priority > 0 { return Reason(.priority) }
    return Reason(state.notebooks[Int(id.number)].cell.forecast == nil ? .leastAttained : .shortest)
  }
}
