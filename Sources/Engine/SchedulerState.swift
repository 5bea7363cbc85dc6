import Domain

/// What the engine knows of one notebook and of the one cell that it may have in the books.
public struct NotebookSlot: Sendable, Hashable {
  public var state: NotebookState = .starting
  public var node: NodeID
  public var priority: Int32
  /// An operator lets no cell of it start.
  public var isHeld = false
  public var pin: Pin?
  public var demandOverride: Demand?
  /// Cells that wait in its gate behind the head.
  public var backlog: Int32 = 0

  /// The cell in the books; meaningful while the state is queued, running or suspended.
  public var cell: Cell
  /// What the cell holds; meaningful while it runs.
  public var allotment: Allotment
  /// When the cell first started; nil while it has not.
  public var started: Instant?
  /// When it last began to run.
  public var runningSince = Instant.zero
  /// How long the cell has run, without the present stretch.
  public var attained = Span.zero
  /// How long all its cells that ended have run.
  public var attainedBefore = Span.zero
  /// An operator suspended the cell, so that only an operator's resume lets it go on.
  public var isOperatorSuspended = false
  /// Why the cell waits, as last explained.
  public var wait: Wait?
  /// Neighbours in the queue; -1 for none.
  var next: Int32 = -1
  var previous: Int32 = -1
  var isLinked = false

  init(_ notebook: Notebook) {
    node = notebook.node
    priority = notebook.priority
    cell = Cell(id: CellID(0), notebook: notebook.id, submitted: .zero, demand: .oneCore)
    allotment = Allotment(node: notebook.node, cores: CoreSet())
  }

  /// Whether a cell of it is in the books.
  public var hasCell: Bool { state == .queued || state == .running || state == .suspended }

  /// How long the cell has run until `now`.
  public func ran(at now: Instant) -> Span { state == .running ? attained + (now - runningSince) : attained }
}

/// What the engine knows of one node.
public struct NodeSlot: Sendable, Hashable {
  public var node: Node
  /// Cores that no cell holds exclusively.
  public var idleCores: CoreSet
  /// GPUs that no cell holds exclusively.
  public var idleGPUs: GPUSet
  public var drainedCores = CoreSet()
  public var drainedGPUs = GPUSet()

  init(_ node: Node) {
    self.node = node
    idleCores = node.cores
    idleGPUs = node.gpuSet
  }
}

/// The state that a session's events add up to. Only `apply` changes it, live and in replay alike.
public struct SchedulerState: Sendable, Hashable {
  public internal(set) var now = Instant.zero
  public internal(set) var sequence: Int64 = 0
  public internal(set) var policyName = ""
  public internal(set) var nodes: [NodeSlot] = []
  public internal(set) var notebooks: [NotebookSlot] = []
  /// The notebooks' descriptions, by number.
  public internal(set) var descriptions: [Notebook] = []
  /// Notebooks whose pins keep others off, in order of number.
  public internal(set) var reserving: [NotebookID] = []
  /// Cells accepted so far, and what became of them.
  public internal(set) var accepted: Int64 = 0
  public internal(set) var ended: Int64 = 0
  public internal(set) var queuedCount = 0
  public internal(set) var runningCount = 0
  public internal(set) var suspendedCount = 0
  /// First and last notebook in the queue; -1 for none.
  var first: Int32 = -1
  var last: Int32 = -1

  public init() {}

  public subscript(id: NotebookID) -> NotebookSlot { notebooks[Int(id.number)] }
  public subscript(id: NodeID) -> NodeSlot { nodes[Int(id.number)] }

  public func contains(_ id: NotebookID) -> Bool { id.number >= 0 && Int(id.number) < notebooks.count }
  public func contains(_ id: NodeID) -> Bool { id.number >= 0 && Int(id.number) < nodes.count }

  /// The notebooks whose cells want resources (queued, or suspended), in the order in which their cells were accepted.
  public var queue: Queue { Queue(state: self) }

  /// The queue in order of acceptance.
  public struct Queue: Sequence {
    let state: SchedulerState

    public struct Iterator: IteratorProtocol {
      let state: SchedulerState
      var at: Int32

      public mutating func next() -> NotebookID? {
        guard at >= 0 else { return nil }
        defer { at = state.notebooks[Int(at)].next }
        return NotebookID(at)
      }
    }

    public func makeIterator() -> Iterator { Iterator(state: state, at: state.first) }
  }
}

extension SchedulerState {
  /// Folds one entry in. It takes what the log says and judges nothing; entries that name what does not exist are the
  /// log's fault and change nothing but the clock.
  public mutating func apply(_ entry: Entry) {
    sequence = entry.sequence
    now = entry.at
    apply(entry.event, at: entry.at)
  }

  mutating func apply(_ event: Event, at now: Instant) {
    if let id = event.notebook, !contains(id) {
      if case .notebookOpened(let notebook) = event, Int(id.number) == notebooks.count {
        notebooks.append(NotebookSlot(notebook))
        descriptions.append(notebook)
      }
      return
    }
    switch event {
    case .policyChanged(let name): policyName = name
    case .nodeAdded(let node): if Int(node.id.number) == nodes.count { nodes.append(NodeSlot(node)) }
    case .drainChanged(let id, let cores, let gpus):
      guard contains(id) else { return }
      nodes[Int(id.number)].drainedCores = cores
      nodes[Int(id.number)].drainedGPUs = gpus
    case .notebookOpened, .kernelDied, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled,
      .invariantBroken, .interruptRequested, .cellRefused:
      break
    case .kernelReady(let id): if self[id].state == .starting { notebooks[Int(id.number)].state = .thinking }
    case .notebookClosed(let id):
      notebooks[Int(id.number)].state = .gone
      setPin(nil, of: id)
    case .backlogChanged(let id, let count): notebooks[Int(id.number)].backlog = count
    case .cellQueued(let cell): queue(cell)
    case .cellWaits(_, let id, let wait): notebooks[Int(id.number)].wait = wait
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      run(id, on: allotment, at: now)
    case .cellAdopted(let cell, let started, let allotment): adopt(cell, started: started, on: allotment, at: now)
    case .cellResized(_, let id, let allotment, _):
      giveBack(self[id].allotment)
      take(allotment)
      notebooks[Int(id.number)].allotment = allotment
    case .cellSuspended(_, let id, let reason): suspend(id, byOperator: reason.rule == .operatorSuspended, at: now)
    case .cellEnded(_, let id, _): end(id, at: now)
    case .priorityChanged(let id, let priority): notebooks[Int(id.number)].priority = priority
    case .pinned(let id, let pin): setPin(pin, of: id)
    case .unpinned(let id): setPin(nil, of: id)
    case .held(let id): notebooks[Int(id.number)].isHeld = true
    case .released(let id): notebooks[Int(id.number)].isHeld = false
    case .resumeOrdered(let id, _): notebooks[Int(id.number)].isOperatorSuspended = false
    case .demandOverridden(let id, let demand): notebooks[Int(id.number)].demandOverride = demand
    }
  }

  private mutating func queue(_ cell: Cell) {
    let index = Int(cell.notebook.number)
    accepted += 1
    queuedCount += 1
    notebooks[index].state = .queued
    notebooks[index].cell = cell
    notebooks[index].started = nil
    notebooks[index].attained = .zero
    notebooks[index].isOperatorSuspended = false
    notebooks[index].wait = nil
    link(cell.notebook)
  }

  private mutating func adopt(_ cell: Cell, started: Instant, on allotment: Allotment, at now: Instant) {
    queue(cell)
    run(cell.notebook, on: allotment, at: now)
    notebooks[Int(cell.notebook.number)].started = started
    notebooks[Int(cell.notebook.number)].attained = now - started
  }

  private mutating func run(_ id: NotebookID, on allotment: Allotment, at now: Instant) {
    let index = Int(id.number)
    if notebooks[index].state == .queued { queuedCount -= 1 } else { suspendedCount -= 1 }
    runningCount += 1
    unlink(id)
    take(allotment)
    notebooks[index].state = .running
    notebooks[index].allotment = allotment
    notebooks[index].runningSince = now
    notebooks[index].wait = nil
    notebooks[index].isOperatorSuspended = false
    if notebooks[index].started == nil { notebooks[index].started = now }
  }

  private mutating func suspend(_ id: NotebookID, byOperator: Bool, at now: Instant) {
    let index = Int(id.number)
    runningCount -= 1
    suspendedCount += 1
    giveBack(notebooks[index].allotment)
    notebooks[index].attained = notebooks[index].ran(at: now)
    notebooks[index].state = .suspended
    notebooks[index].isOperatorSuspended = byOperator
    link(id)
  }

  private mutating func end(_ id: NotebookID, at now: Instant) {
    let index = Int(id.number)
    switch notebooks[index].state {
    case .running:
      runningCount -= 1
      giveBack(notebooks[index].allotment)
    case .suspended:
      suspendedCount -= 1
      unlink(id)
    case .queued:
      queuedCount -= 1
      unlink(id)
    case .starting, .thinking, .gone: return
    }
    ended += 1
    notebooks[index].attainedBefore += notebooks[index].ran(at: now)
    notebooks[index].attained = .zero
    notebooks[index].state = .thinking
    notebooks[index].wait = nil
    notebooks[index].isOperatorSuspended = false
  }

  private mutating func setPin(_ pin: Pin?, of id: NotebookID) {
    notebooks[Int(id.number)].pin = pin
    reserving.removeAll { $0 == id }
    if let pin, pin.reserves {
      let place = reserving.firstIndex { $0 > id } ?? reserving.endIndex
      reserving.insert(id, at: place)
    }
  }

  private mutating func take(_ allotment: Allotment) {
    guard !allotment.shared, contains(allotment.node) else { return }
    nodes[Int(allotment.node.number)].idleCores.subtract(allotment.cores)
    nodes[Int(allotment.node.number)].idleGPUs.subtract(allotment.gpus)
  }

  private mutating func giveBack(_ allotment: Allotment) {
    guard !allotment.shared, contains(allotment.node) else { return }
    nodes[Int(allotment.node.number)].idleCores.formUnion(allotment.cores)
    nodes[Int(allotment.node.number)].idleGPUs.formUnion(allotment.gpus)
  }

  /// Puts a notebook into the queue by its cell's number; most often that is the end.
  private mutating func link(_ id: NotebookID) {
    let cell = self[id].cell.id
    var after = last
    while after >= 0, notebooks[Int(after)].cell.id > cell { after = notebooks[Int(after)].previous }
    let before = after >= 0 ? notebooks[Int(after)].next : first
    notebooks[Int(id.number)].previous = after
    notebooks[Int(id.number)].next = before
    notebooks[Int(id.number)].isLinked = true
    if after >= 0 { notebooks[Int(after)].next = id.number } else { first = id.number }
    if before >= 0 { notebooks[Int(before)].previous = id.number } else { last = id.number }
  }

  private mutating func unlink(_ id: NotebookID) {
    let slot = self[id]
    guard slot.isLinked else { return }
    if slot.previous >= 0 { notebooks[Int(slot.previous)].next = slot.next } else { first = slot.next }
    if slot.next >= 0 { notebooks[Int(slot.next)].previous = slot.previous } else { last = slot.previous }
    notebooks[Int(id.number)].next = -1
    notebooks[Int(id.number)].previous = -1
    notebooks[Int(id.number)].isLinked = false
  }
}
