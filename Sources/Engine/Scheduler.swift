import Domain

/// The engine: turns inputs into entries. Pure and deterministic: the same inputs at the same instants give the same
/// entries in every process.
public struct Scheduler: Sendable {
  public private(set) var ledger = Ledger()
  private var policy: any Policy
  private let catalogue: PolicyCatalogue
  private let settings: Settings
  private var commandsSeen: [UInt64] = []

  /// How a session wants its engine.
  public struct Settings: Sendable {
    /// Record why cells wait.
    public var explainsWaits: Bool
    /// Check the books after each input, and record what is broken.
    public var checksInvariants: Bool

    public init(explainsWaits: Bool = true, checksInvariants: Bool = false) {
      self.explainsWaits = explainsWaits
      self.checksInvariants = checksInvariants
    }
  }

  /// - Throws: `Refusal` where the catalogue has no such policy.
  public init(policy name: String, from catalogue: PolicyCatalogue, settings: Settings = Settings()) throws(Refusal) {
    policy = try catalogue.make(name)
    self.catalogue = catalogue
    self.settings = settings
    ledger.explainsWaits = settings.explainsWaits
    policyName = name
  }

  private let policyName: String

  public var state: SchedulerState { ledger.state }

  /// When the engine wants a timer input; `never` where only the world can move it.
  public var wakeAt: Instant { ledger.wakeAt }

  /// Handles one input. The entries that it brings stand in `ledger.entries` until the next call.
  ///
  /// An instant before the last one counts as the last one: time never falls.
  public mutating func handle(_ input: Input, at instant: Instant) {
    ledger.entries.removeAll(keepingCapacity: true)
    ledger.now = max(instant, ledger.now)
    ledger.wakeAt = .never
    if ledger.state.sequence == 0 { ledger.emit(.policyChanged(policyName)) }
    switch input {
    case .command(let command): obey(command)
    case .observation(let observation): observe(observation)
    case .timer: break
    }
    followPins()
    policy.decide(&ledger)
    if settings.checksInvariants {
      for text in ledger.state.brokenInvariants() { ledger.emit(.invariantBroken(text)) }
    }
  }

  /// Handles one input and gives its entries; for callers to whom a copy is nothing.
  public mutating func entries(for input: Input, at instant: Instant) -> [Entry] {
    handle(input, at: instant)
    return ledger.entries
  }
}

// MARK: Observations

extension Scheduler {
  private mutating func observe(_ observation: Observation) {
    switch observation {
    case .nodeFound(var node):
      node.id = NodeID(Int32(ledger.state.nodes.count))
      ledger.emit(.nodeAdded(node))
    case .notebookOpened(var notebook):
      guard ledger.state.contains(notebook.node) else { return }
      notebook.id = NotebookID(Int32(ledger.state.notebooks.count))
      ledger.emit(.notebookOpened(notebook))
    case .kernelReady(let id): if isOpen(id) { ledger.emit(.kernelReady(id)) }
    case .kernelDied(let id):
      guard isOpen(id) else { return }
      endAsLost(id)
      ledger.emit(.kernelDied(id))
    case .notebookClosed(let id):
      guard isOpen(id) else { return }
      endAsLost(id)
      ledger.emit(.notebookClosed(id))
    case .backlogChanged(let id, let count):
      if isOpen(id), ledger.state[id].backlog != count { ledger.emit(.backlogChanged(id, count)) }
    case .cellSubmitted(let id, let demand, let source, let forecast):
      accept(id, demand: demand, source: source, forecast: forecast)
    case .cellFoundRunning(let id, let demand, let source, let ran, let cores, let suspended):
      adopt(id, demand: demand, source: source, ran: ran, cores: cores, suspended: suspended)
    case .cellEnded(let id, let cell, let outcome):
      if isOpen(id), ledger.state[id].hasCell, ledger.state[id].cell.id == cell {
        ledger.emit(.cellEnded(cell, id, outcome))
      }
    case .usageSampled(let id, let usage): if isOpen(id) { ledger.emit(.usageSampled(id, usage)) }
    case .effectFailed(let id, let sequence, let why):
      if isOpen(id) { ledger.emit(.effectFailed(id, sequence: sequence, why: why)) }
    }
  }

  private func isOpen(_ id: NotebookID) -> Bool { ledger.state.contains(id) && ledger.state[id].state != .gone }

  private mutating func endAsLost(_ id: NotebookID) {
    let slot = ledger.state[id]
    if slot.hasCell { ledger.emit(.cellEnded(slot.cell.id, id, .lost)) }
  }

  /// The cell with its number, from a submission.
  private func cell(_ id: NotebookID, _ demand: Demand, _ source: CellSource, _ forecast: CellForecast?) -> Cell {
    Cell(
      id: CellID(ledger.state.accepted + 1), notebook: id, submitted: ledger.now,
      demand: ledger.state[id].demandOverride ?? demand, source: source, forecast: forecast)
  }

  private mutating func accept(
    _ id: NotebookID, demand: Demand, source: CellSource, forecast: CellForecast?
  ) {
    guard isOpen(id) else { return }
    // A notebook runs one cell at a time: a second submission means that the end of the first was never seen.
    endAsLost(id)
    let cell = cell(id, demand, source, forecast)
    if let refusal = ledger.state[ledger.state[id].node].node.refusal(of: cell.demand) {
      ledger.emit(.cellRefused(cell, refusal))
    } else {
      ledger.emit(.cellQueued(cell))
    }
  }

  private mutating func adopt(
    _ id: NotebookID, demand: Demand, source: CellSource, ran: Span, cores: CoreSet?, suspended: Bool
  ) {
    guard isOpen(id) else { return }
    endAsLost(id)
    let node = ledger.state[ledger.state[id].node]
    let wanted = cores ?? CoreSet()
    let isFree = !wanted.isEmpty && wanted.isSubset(of: node.idleCores)
    let allotment = Allotment(
      node: node.node.id, cores: isFree ? wanted : (wanted.isEmpty ? node.node.cores : wanted), shared: !isFree)
    let cell = cell(id, demand, source, nil)
    ledger.emit(.cellAdopted(cell, started: ledger.now - ran, allotment))
    if suspended { ledger.emit(.cellSuspended(cell.id, id, Reason(.adopted))) }
  }
}

// MARK: Commands

extension Scheduler {
  private mutating func obey(_ command: Command) {
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
      try demandState(id, cell, [.running], "only a running cell can be suspended; hold a waiting one with h")
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
      return [.policyChanged(name)]
    case .overrideDemand(let id, let demand):
      if let demand, let refusal = ledger.state[ledger.state[id].node].node.refusal(of: demand) { throw refusal }
      return [.demandOverridden(id, demand)]
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
    return pin
  }

  /// Moves running cells onto the cores of their pins as soon as those are idle.
  private mutating func followPins() {
    for (index, slot) in ledger.state.notebooks.enumerated() where slot.state == .running {
      guard let pin = slot.pin, !pin.cores.isEmpty, !slot.allotment.cores.isSubset(of: pin.cores) else { continue }
      let id = NotebookID(Int32(index))
      let own = slot.allotment.shared ? CoreSet() : slot.allotment.cores
      let free = ledger.state[pin.node].idleCores.union(own).intersection(pin.cores)
      let target = free.smallest(Int(ledger.state.demand(of: id).coresMost))
      if target.count >= Int(ledger.state.demand(of: id).coresLeast) {
        ledger.resize(id, to: target, because: Reason(.pinned))
      }
    }
  }
}
