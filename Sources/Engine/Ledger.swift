import Domain

/// The books: the state, and the entries that the present input has brought so far. A policy reads and acts through it.
public struct Ledger: Sendable {
  public internal(set) var state = SchedulerState()
  /// The entries of the present input, in order.
  public internal(set) var entries: [Entry] = []
  /// The kinds of those entries and whom they are about, for whoever needs no more.
  public internal(set) var news: ContiguousArray<News> = []
  /// When the policy wants to be asked again though nothing else happens.
  public internal(set) var wakeAt = Instant.never
  /// Whether waits are explained: they are where people watch, and are not in bulk simulation.
  public internal(set) var explainsWaits = true
  /// What starts have taught about the ranges that were told for them.
  public internal(set) var startCalibrator = StartCalibrator()
  /// The instant of the present input.
  public internal(set) var now = Instant.zero
  /// The digest of all entries so far.
  public internal(set) var digest = Digest()

  public init() {}

  mutating func emit(_ event: Event) {
    entries.append(Entry(sequence: state.sequence + 1, at: now, event: event))
    news.append(News(kind: event.kind, notebook: event.notebook))
    state.apply(event, sequence: state.sequence + 1, at: now)
    digest.absorb(event, sequence: state.sequence, at: now)
  }
}

/// An entry's gist: what sort of thing happened, and to which notebook.
@frozen public struct News: Sendable, Hashable {
  public var kind: EventKind
  public var notebook: NotebookID?
}

// The frequent events, recorded and applied from their particulars: the same as `emit` with the event, without the
// copies that taking it apart would cost.
extension Ledger {
  /// Counts the next entry; its sequence.
  private mutating func next(_ kind: EventKind, _ id: NotebookID) -> Int64 {
    let sequence = state.sequence + 1
    state.advance(to: sequence, at: now)
    news.append(News(kind: kind, notebook: id))
    return sequence
  }

  /// The cell becomes the notebook's, under the next number; from then on it is in the books.
  mutating func emitQueued(_ id: NotebookID, _ demand: Demand, _ source: CellSource, _ forecast: CellForecast?) {
    let sequence = next(.cellQueued, id)
    let index = Int(id.number)
    state.queue(CellID(state.lastCell.number + 1), id, demand, source, forecast, at: now)
    entries.append(Entry(sequence: sequence, at: now, event: .cellQueued(state.notebooks[index].cell)))
    digest.absorb(queued: state.notebooks[index].cell, sequence: sequence, at: now)
  }

  mutating func emitEnded(_ cell: CellID, _ id: NotebookID, _ outcome: CellOutcome) {
    let sequence = next(.cellEnded, id)
    entries.append(Entry(sequence: sequence, at: now, event: .cellEnded(cell, id, outcome)))
    state.end(id, at: now)
    digest.absorb(ended: cell, id, outcome, sequence: sequence, at: now)
  }

  private mutating func emitStarted(_ cell: CellID, _ id: NotebookID, _ allotment: Allotment, _ reason: Reason) {
    if explainsWaits { startCalibrator.started(cell, of: id, at: now) }
    let sequence = next(.cellStarted, id)
    entries.append(Entry(sequence: sequence, at: now, event: .cellStarted(cell, id, allotment, reason)))
    state.run(id, on: allotment, at: now)
    digest.absorb(.cellStarted, cell, id, allotment, reason, sequence: sequence, at: now)
  }

  private mutating func emitResumed(_ cell: CellID, _ id: NotebookID, _ allotment: Allotment, _ reason: Reason) {
    let sequence = next(.cellResumed, id)
    entries.append(Entry(sequence: sequence, at: now, event: .cellResumed(cell, id, allotment, reason)))
    state.run(id, on: allotment, at: now)
    digest.absorb(.cellResumed, cell, id, allotment, reason, sequence: sequence, at: now)
  }

  private mutating func emitResized(_ cell: CellID, _ id: NotebookID, _ allotment: Allotment, _ reason: Reason) {
    let sequence = next(.cellResized, id)
    entries.append(Entry(sequence: sequence, at: now, event: .cellResized(cell, id, allotment, reason)))
    state.resize(id, to: allotment)
    digest.absorb(.cellResized, cell, id, allotment, reason, sequence: sequence, at: now)
  }

  private mutating func emitSuspended(_ cell: CellID, _ id: NotebookID, _ reason: Reason) {
    let sequence = next(.cellSuspended, id)
    entries.append(Entry(sequence: sequence, at: now, event: .cellSuspended(cell, id, reason)))
    state.suspend(id, byOperator: reason.rule == .operatorSuspended, at: now)
    digest.absorb(suspended: cell, id, reason, sequence: sequence, at: now)
  }
}

// What a policy may decide. Each act is checked, applied at once and recorded with its reason.
extension Ledger {
  /// Starts a queued cell, or resumes a suspended one, on `allotment`; false (and a recorded refusal) where it may not.
  ///
  /// Where its GPUs' memory is not free, what notebooks keep there that use no GPU now is evicted first, the least recently
  /// used first. A policy that wants others to go evicts them itself before.
  @discardableResult
  public mutating func start(_ id: NotebookID, on allotment: Allotment, because reason: Reason) -> Bool {
    if let refusal = refusalOfStart(id, on: allotment) { return refuse(refusal) }
    if state.notebooks[Int(id.number)].cell.demand.gpuMemory > .zero, !allotment.shared,
      !evict(for: id, on: allotment.gpus, order: .leastRecentlyUsed)
    {
      return refuse(Refusal(.alreadyTaken, "starting a cell on GPUs whose memory is not free"))
    }
    let cell = state.notebooks[Int(id.number)].cell.id
    if state.notebooks[Int(id.number)].state == .suspended {
      emitResumed(cell, id, allotment, reason)
    } else {
      emitStarted(cell, id, allotment, reason)
    }
    return true
  }

  /// Starts or resumes a cell on so many of the cores and GPUs that are idle and not drained, those of the least
  /// numbers; false (and a recorded refusal) where it may not, or where there are fewer.
  ///
  /// It is `start` for what no pin concerns: what it gives is idle, and need not be looked up again.
  @discardableResult
  public mutating func start(_ id: NotebookID, onIdleCores cores: Int, gpus: Int, because reason: Reason) -> Bool {
    guard state.contains(id), state.isStartable(id) else {
      return refuse(Refusal(.wrongState, "starting a cell that may not start"))
    }
    let index = Int(id.number)
    let node = state.notebooks[index].node
    var allotment = state.nodes[Int(node.number)].idle(
      node, cores: cores, gpus: gpus, memory: state.notebooks[index].cell.demand.memory)
    if gpus > 0, state.notebooks[index].cell.demand.gpuMemory > .zero || state.choosesGPUs(on: node) {
      allotment.gpus = state.gpus(for: id, gpus, from: state.room(on: node).gpus) ?? GPUSet()
      return start(id, on: allotment, because: reason)
    }
    guard cores > 0, allotment.cores.count == cores, allotment.gpus.count == gpus else {
      return refuse(Refusal(.alreadyTaken, "starting a cell on more cores or GPUs than are idle"))
    }
    guard state.hasMemory(for: id) else {
      return refuse(Refusal(.alreadyTaken, "starting a cell in memory that is not free"))
    }
    let cell = state.notebooks[index].cell.id
    if state.notebooks[index].state == .suspended {
      emitResumed(cell, id, allotment, reason)
    } else {
      emitStarted(cell, id, allotment, reason)
    }
    return true
  }

  /// Gives a running cell other cores; its GPUs stay.
  @discardableResult
  public mutating func resize(_ id: NotebookID, to cores: CoreSet, because reason: Reason) -> Bool {
    guard state.contains(id), state.notebooks[Int(id.number)].state == .running else {
      return refuse(Refusal(.wrongState, "resizing a cell that does not run"))
    }
    var allotment = state.notebooks[Int(id.number)].allotment
    let place = Int(allotment.node.number)
    let free = state.nodes[place].idleCores.union(allotment.shared ? CoreSet() : allotment.cores)
    guard !cores.isEmpty else { return refuse(Refusal(.outOfRange, "resizing to no cores")) }
    guard cores.isSubset(of: free) else {
      return refuse(Refusal(.alreadyTaken, "resizing to cores \(cores), of which not all are idle"))
    }
    guard !allotment.shared || allotment.gpus.isSubset(of: state.nodes[place].idleGPUs) else {
      return refuse(Refusal(.alreadyTaken, "resizing a cell that shares GPUs of which not all are idle"))
    }
    guard allotment.cores != cores || allotment.shared else { return true }
    allotment.cores = cores
    allotment.shared = false
    emitResized(state.notebooks[Int(id.number)].cell.id, id, allotment, reason)
    return true
  }

  /// Takes a running cell's cores and GPUs away until it is started again.
  @discardableResult
  public mutating func suspend(_ id: NotebookID, because reason: Reason) -> Bool {
    guard state.contains(id), state.notebooks[Int(id.number)].state == .running else {
      return refuse(Refusal(.wrongState, "suspending a cell that does not run"))
    }
    emitSuspended(state.notebooks[Int(id.number)].cell.id, id, reason)
    return true
  }

  /// Says why a cell waits; recorded where it is news.
  public mutating func explain(_ id: NotebookID, _ wait: Wait) {
    guard explainsWaits, state.contains(id), state.hasCell(id),
      state.notebooks[Int(id.number)].state != .running
    else { return }
    var wait = wait
    if let raw = wait.expected {
      let cell = state.notebooks[Int(id.number)].cell
      wait.expected = startCalibrator.told(raw, cell: cell.id, of: id, submitted: cell.submitted, at: now)
    }
    if let last = state.notebooks[Int(id.number)].wait, !wait.isNews(after: last, at: now) { return }
    emit(.cellWaits(state.notebooks[Int(id.number)].cell.id, id, wait))
  }

  /// Asks for another decision at `instant`, though nothing else may happen by then.
  public mutating func wake(at instant: Instant) { wakeAt = min(wakeAt, instant) }

  private func refusalOfStart(_ id: NotebookID, on allotment: Allotment) -> Refusal? {
    guard state.contains(id) else { return Refusal(.unknownNotebook, "starting a cell of an unknown notebook") }
    guard state.contains(allotment.node) else { return Refusal(.unknownNode, "starting a cell on an unknown node") }
    guard state.isStartable(id) else {
      return Refusal(.wrongState, "starting a cell that may not start")
    }
    guard allotment.node == state.notebooks[Int(id.number)].node else {
      return Refusal(.outOfRange, "starting a cell on a node where its kernel is not")
    }
    let place = Int(allotment.node.number)
    guard !allotment.cores.isEmpty, allotment.cores.isSubset(of: state.nodes[place].node.cores),
      allotment.gpus.isSubset(of: state.nodes[place].gpuSet)
    else { return Refusal(.outOfRange, "starting a cell on cores or GPUs that the node has not") }
    guard allotment.shared || allotment.gpus.count >= Int(state.notebooks[Int(id.number)].cell.demand.gpus) else {
      return Refusal(.outOfRange, "starting a cell on fewer GPUs than it asks for")
    }
    guard
      allotment.shared
        || (allotment.cores.isSubset(of: state.nodes[place].idleCores)
          && allotment.gpus.isSubset(of: state.nodes[place].idleGPUs))
    else { return Refusal(.alreadyTaken, "starting a cell on cores or GPUs that are not idle") }
    if !allotment.gpus.isEmpty, let refusal = state.refusal(of: allotment, byKernelOf: id) { return refusal }
    guard
      allotment.shared || state.notebooks[Int(id.number)].holdsMemory
        || allotment.memory <= state.roomOfMemory(on: allotment.node)
    else {
      return Refusal(.alreadyTaken, "starting a cell in memory that is not free")
    }
    return nil
  }

  private mutating func refuse(_ refusal: Refusal) -> Bool {
    emit(.decisionRefused(refusal))
    return false
  }
}

extension Wait {
  /// Whether an operator would want to hear of the change: another cause, other holders, another place, or a start
  /// expected at a noticeably other time (by more than 2 s and a quarter of what is left).
  func isNews(after last: Wait, at now: Instant) -> Bool {
    guard cause == last.cause, cause == .anticipation || lacking == last.lacking, holders == last.holders,
      place == last.place, gpus == last.gpus
    else {
      return true
    }
    // The seconds until an arrival fall by themselves.
    if cause == .anticipation, abs(lacking - last.lacking) > max(2, last.lacking / 4) { return true }
    guard let expected, let before = last.expected else { return (expected == nil) != (last.expected == nil) }
    let shift = abs((expected.median - before.median).microseconds)
    let left = max((before.median - now).microseconds, 0)
    return shift > 2_000_000 && shift > left / 4
  }
}
