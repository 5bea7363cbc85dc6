import Domain

/// The engine: turns inputs into entries. Pure and deterministic: the same inputs at the same instants give the same
/// entries in every process.
public struct Scheduler: Sendable {
  public internal(set) var ledger = Ledger()
  var policy: any Policy
  /// The policy has not seen the state yet.
  var policyIsNew = true
  let catalogue: PolicyCatalogue
  private var settings: Settings
  var commandsSeen: [UInt64] = []
  /// What was ordered of notebooks that are gone, by user and document.
  private var legacies = Legacies<Legacy>()
  var openDocuments = OpenDocuments()

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

  /// Makes room for so many notebooks, for drivers that know how many will come.
  public mutating func reserveCapacity(notebooks: Int) {
    ledger.state.notebooks.reserveCapacity(notebooks)
    ledger.state.descriptions.reserveCapacity(notebooks)
  }

  public var state: SchedulerState {
    _read { yield ledger.state }
  }

  /// The entries of the last input, in order, without a copy.
  public var entries: [Entry] {
    _read { yield ledger.entries }
  }

  /// Whether its policy looks at what a notebook's next cell is likely to be.
  public var foreseesNextCells: Bool { policy.foreseesNextCells }

  /// When the engine wants a timer input; `never` where only the world can move it.
  public var wakeAt: Instant { ledger.wakeAt }

  /// Handles one input. The entries that it brings stand in `ledger.entries` until the next call.
  ///
  /// An instant before the last one counts as the last one: time never falls.
  public mutating func handle(_ input: Input, at instant: Instant) {
    begin(at: instant)
    switch input {
    case .command(let command): obey(command)
    case .observation(let observation): observe(observation)
    case .timer: break
    }
    decide()
  }

  /// Handles a `cellSubmitted`, without making the observation: for drivers that play millions.
  public mutating func handleSubmission(
    of id: NotebookID, _ demand: Demand, _ source: CellSource, _ forecast: CellForecast?, at instant: Instant
  ) {
    begin(at: instant)
    if ledger.state.contains(id) { accept(id, demand: demand, source: source, forecast: forecast) }
    decide()
  }

  /// Handles a `cellEnded`, without making the observation.
  public mutating func handleEnd(of id: NotebookID, _ cell: CellID, _ outcome: CellOutcome, at instant: Instant) {
    begin(at: instant)
    end(id, cell, outcome)
    decide()
  }

  /// Forgets what the last input brought.
  mutating func forgetEntries() {
    // One by one, since there are few: `removeAll` has more to set up than to do.
    while !ledger.news.isEmpty {
      ledger.news.removeLast()
      ledger.entries.removeLast()
    }
  }

  private mutating func begin(at instant: Instant) {
    forgetEntries()
    ledger.now = max(instant, ledger.now)
    ledger.wakeAt = .never
    if ledger.state.sequence == 0 { ledger.emit(.policyChanged(policyName)) }
  }

  private mutating func decide() {
    if ledger.state.plannedCount > 0 { suspendAsPlanned() }
    if ledger.state.pinnedCount > 0 { followPins() }
    if policyIsNew {
      policy.prepare(for: ledger.state)
      policyIsNew = false
    } else {
      for place in ledger.news.indices {
        let news = ledger.news[place]
        let id = news.notebook.flatMap { ledger.state.contains($0) ? $0 : nil }
        policy.note(news.kind, of: id, in: ledger.state)
      }
    }
    policy.decide(&ledger)
    if ledger.state.plannedCount > 0 { wakeForPlans() }
    if settings.checksInvariants {
      for text in ledger.state.brokenInvariants() { ledger.emit(.invariantBroken(text)) }
    }
  }

  /// From now on no wait is explained and nothing is checked: for copies that run ahead.
  public mutating func explainsNothing() {
    ledger.explainsWaits = false
    settings.checksInvariants = false
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
      inherit(notebook)
    case .kernelReady(let id): if isOpen(id) { ledger.emit(.kernelReady(id)) }
    case .kernelDied(let id):
      guard isOpen(id) else { return }
      endAsLost(id)
      ledger.emit(.kernelDied(id))
    case .notebookClosed(let id):
      guard isOpen(id) else { return }
      endAsLost(id)
      close(id)
    case .backlogChanged(let id, let count):
      if isOpen(id), ledger.state.notebooks[Int(id.number)].backlog != count { ledger.emit(.backlogChanged(id, count)) }
    case .cellSubmitted(let id, let demand, let source, let forecast):
      accept(id, demand: demand, source: source, forecast: forecast)
    case .cellFoundRunning(let id, let demand, let source, let ran, let cores, let gpus, let suspended):
      adopt(id, demand: demand, source: source, ran: ran, cores: cores, gpus: gpus, suspended: suspended)
    case .cellEnded(let id, let cell, let outcome): end(id, cell, outcome)
    case .usageSampled(let id, let usage): if isOpen(id) { ledger.emit(.usageSampled(id, usage)) }
    case .effectFailed(let id, let sequence, let why):
      if isOpen(id) { ledger.emit(.effectFailed(id, sequence: sequence, why: why)) }
    case .gpusSeen(let id, let gpus):
      guard isOpen(id), ledger.state[ledger.state[id].node].node.keepsFirstGPUs else { return }
      let known = gpus.intersection(ledger.state[ledger.state[id].node].gpuSet)
      // A gate that says what cannot be, of a cell that runs elsewhere, is not believed.
      guard ledger.state[id].seenGPUs != known,
        ledger.state[id].state != .running || ledger.state[id].allotment.gpus.isSubset(of: known)
      else { return }
      ledger.emit(.gpusSeen(id, known))
    case .gpuMemorySaved(let id):
      // Of a cell that goes on already it comes too late: its memory is on its way back.
      guard isOpen(id), ledger.state[id].state == .suspended, ledger.state[id].residency?.isSaved == false else {
        return
      }
      ledger.emit(.memoryEvicted(id, Reason(.savedWhileSuspended)))
    }
  }

  /// Gives a notebook the orders of the last one of the same user and document that closed, else of one that is open and may be
  /// about to close: who is held is not let go by a restart.
  private mutating func inherit(_ notebook: Notebook) {
    let predecessor = openDocuments.open(notebook.id, notebook.documentKey)
    if let left = legacies.take(notebook.documentKey) {
      for event in left.events(for: notebook.id, on: notebook.node) { ledger.emit(event) }
    } else if let predecessor,
      let own = Legacy(
        of: ledger.state.notebooks[Int(predecessor.number)],
        opened: ledger.state.descriptions[Int(predecessor.number)])
    {
      for event in own.events(for: notebook.id, on: notebook.node, besides: true) { ledger.emit(event) }
    }
  }

  /// Closes a notebook. What was ordered of it is kept for the next one, where no successor has it already; what it reserved is
  /// the successor's now.
  private mutating func close(_ id: NotebookID) {
    let opened = ledger.state.descriptions[Int(id.number)]
    let slot = ledger.state.notebooks[Int(id.number)]
    let successor = openDocuments.close(id, opened.documentKey)
    if successor == nil, let legacy = Legacy(of: slot, opened: opened) {
      legacies.leave(legacy, for: opened.documentKey)
    }
    ledger.emit(.notebookClosed(id))
    if let successor, let pin = slot.pin, pin.reserves, ledger.state[successor].pin == nil,
      pin.node == ledger.state[successor].node
    {
      ledger.emit(.pinned(successor, pin))
    }
  }

  private func isOpen(_ id: NotebookID) -> Bool {
    ledger.state.contains(id) && ledger.state.notebooks[Int(id.number)].state != .gone
  }

  private mutating func end(_ id: NotebookID, _ cell: CellID, _ outcome: CellOutcome) {
    guard isOpen(id), ledger.state.hasCell(id),
      ledger.state.notebooks[Int(id.number)].cell.id == cell
    else { return }
    emitEnd(cell, id, outcome)
  }

  /// Ends the cell, and holds its notebook where an operator planned that.
  private mutating func emitEnd(_ cell: CellID, _ id: NotebookID, _ outcome: CellOutcome) {
    let plan = ledger.state.plannedCount > 0 ? ledger.state.notebooks[Int(id.number)].planned : nil
    ledger.emitEnded(cell, id, outcome)
    if let plan, plan.due == nil, !ledger.state.notebooks[Int(id.number)].isHeld { ledger.emit(.held(id)) }
  }

  private mutating func endAsLost(_ id: NotebookID) {
    guard ledger.state.hasCell(id) else { return }
    emitEnd(ledger.state.notebooks[Int(id.number)].cell.id, id, .lost)
  }

  /// The cell with its number, from a submission.
  private func cell(_ id: NotebookID, _ demand: Demand, _ source: CellSource, _ forecast: CellForecast?) -> Cell {
    Cell(
      id: CellID(ledger.state.lastCell.number + 1), notebook: id, submitted: ledger.now,
      demand: ledger.state.notebooks[Int(id.number)].demandOverride ?? demand, source: source, forecast: forecast)
  }

  private mutating func accept(
    _ id: NotebookID, demand: Demand, source: CellSource, forecast: CellForecast?
  ) {
    guard isOpen(id) else { return }
    // A notebook runs one cell at a time: a second submission means that the end of the first was never seen.
    endAsLost(id)
    let index = Int(id.number)
    let node = ledger.state.notebooks[index].node
    if !ledger.state.notebooks[index].isSetAside, ledger.state.clearlyHolds(demand, on: node) {
      return ledger.emitQueued(id, demand, source, forecast)
    }
    let cell = cell(id, demand, source, forecast)
    if let refusal = ledger.state[node].node.refusal(of: cell.demand)
      ?? (policy.sharesGPUs ? nil : ledger.state.refusal(of: cell.demand, byKernelOf: id))
    {
      ledger.emit(.cellRefused(cell, refusal))
    } else {
      ledger.emitQueued(id, cell.demand, source, forecast)
    }
  }

  private mutating func adopt(
    _ id: NotebookID, demand: Demand, source: CellSource, ran: Span, cores: CoreSet?, gpus: GPUSet, suspended: Bool
  ) {
    guard isOpen(id) else { return }
    endAsLost(id)
    let node = ledger.state[ledger.state.notebooks[Int(id.number)].node]
    // Its own cores where they are free, else others that are; where there are too few it shares, and says so. Its GPUs are
    // those that it has, and where somebody else is known to have one of them, both share.
    let wanted = cores ?? CoreSet()
    let cell = cell(id, demand, source, nil)
    var gpus = gpus.intersection(node.gpuSet)
    if let seen = ledger.state[id].seenGPUs { gpus = gpus.intersection(seen) }
    let hasRoom = gpus.isSubset(of: node.idleGPUs) && ledger.state.hasRoom(for: cell.demand.gpuMemory, of: id, on: gpus)
    let isFree = !wanted.isEmpty && wanted.isSubset(of: node.idleCores)
    let idle = ledger.state.room(for: id).cores
    let given =
      isFree
      ? wanted : idle.count >= Int(demand.coresLeast) ? node.node.choose(Int(demand.coresMost), from: idle) : CoreSet()
    let allotment =
      given.isEmpty || !hasRoom
      ? Allotment(node: node.node.id, cores: wanted.isEmpty ? node.node.cores : wanted, gpus: gpus, shared: true)
      : Allotment(node: node.node.id, cores: given, gpus: gpus)
    ledger.emit(.cellAdopted(cell, started: ledger.now - ran, allotment))
    if suspended { ledger.emit(.cellSuspended(cell.id, id, Reason(.adopted))) }
  }
}
