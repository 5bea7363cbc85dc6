import Domain

/// What the engine knows of one notebook and of the one cell that it may have in the books.
public struct NotebookSlot: Sendable, Hashable {
  public var state: NotebookState = .starting
  public var node: NodeID
  public var priority: Int32
  /// An operator lets no further cell of it start; one that has started goes on.
  public var isHeld = false
  /// Whether an operator bound it to cores or GPUs.
  public private(set) var isPinned = false
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
  /// The cell's memory is held on its node: from its first start to its end, suspended or not.
  public var holdsMemory = false
  /// Whether it keeps anything in GPU memory, there or saved.
  public private(set) var keepsGPUMemory = false
  private var aside = Aside.nothing
  /// Whether anything stands aside.
  private(set) var isSetAside = false
  /// Where it stands in the state's list of waiting or of running notebooks; -1 for in neither.
  var place: Int32 = -1

  init(_ notebook: Notebook) {
    node = notebook.node
    priority = notebook.priority
    cell = Cell(id: CellID(0), notebook: notebook.id, submitted: .zero, demand: .oneCore)
    allotment = Allotment(node: notebook.node, cores: CoreSet())
  }

  /// The cores and GPUs to which an operator bound it.
  public var pin: Pin? {
    get { aside.values?.pin }
    set {
      isPinned = newValue != nil
      change { $0.pin = newValue }
    }
  }

  /// What its cells ask for by an operator's order, whatever else says.
  public var demandOverride: Demand? {
    get { aside.values?.demandOverride }
    set { change { $0.demandOverride = newValue } }
  }

  /// What an operator has planned for the cell.
  public var planned: PlannedSuspension? {
    get { isSetAside ? aside.values?.planned : nil }
    set { if newValue != nil || isSetAside { change { $0.planned = newValue } } }
  }

  /// Why the cell waits, as last explained.
  public var wait: Wait? {
    get { aside.values?.wait }
    set { if newValue != nil || isSetAside { change { $0.wait = newValue } } }
  }

  /// What its kernel keeps in GPU memory; nil for nothing.
  public var residency: Residency? {
    get { keepsGPUMemory ? aside.values?.residency : nil }
    set {
      keepsGPUMemory = newValue != nil
      change { $0.residency = newValue }
    }
  }

  /// The GPUs that its kernel process sees until it ends, and may use no others: those of its first grant, or those that it
  /// came with. Nil while it has seen none, and on nodes whose kernels see whatever they are given.
  public internal(set) var seenGPUs: GPUSet? {
    get { isSetAside ? aside.values?.seenGPUs : nil }
    set { if newValue != nil || isSetAside { change { $0.seenGPUs = newValue } } }
  }

  private mutating func change(_ body: (inout Aside.Values) -> Void) {
    var values = aside.values ?? Aside.Values()
    body(&values)
    isSetAside = values != Aside.Values()
    aside = isSetAside ? .something(values) : .nothing
  }

  /// Whether a cell of it is in the books.
  @inlinable public var hasCell: Bool { state == .queued || state == .running || state == .suspended }

  /// How long the cell has run until `now`.
  @inlinable public func ran(at now: Instant) -> Span { state == .running ? attained + (now - runningSince) : attained }
}

/// What few notebooks have, kept apart so that the slots of all the others are small.
private indirect enum Aside: Sendable, Hashable {
  case nothing
  case something(Values)

  struct Values: Sendable, Hashable {
    var pin: Pin?
    var demandOverride: Demand?
    var wait: Wait?
    var residency: Residency?
    var seenGPUs: GPUSet?
    var planned: PlannedSuspension?
  }

  var values: Values? {
    switch self {
    case .nothing: nil
    case .something(let values): values
    }
  }
}

// What happens to its cell.
extension NotebookSlot {
  mutating func queue() {
    state = .queued
    started = nil
    attained = .zero
    isOperatorSuspended = false
    forgetWait()
  }

  mutating func run(on next: Allotment, at now: Instant) {
    state = .running
    // What a suspended cell kept is what it goes on with and gives back, whatever the new allotment says.
    let memory = holdsMemory ? allotment.memory : next.memory
    allotment = next
    allotment.memory = memory
    runningSince = now
    isOperatorSuspended = false
    if started == nil { started = now }
    forgetWait()
  }

  mutating func suspend(byOperator: Bool, at now: Instant) {
    attained = ran(at: now)
    if keepsGPUMemory { residency?.used = now }
    state = .suspended
    isOperatorSuspended = byOperator
  }

  mutating func end(at now: Instant) {
    attainedBefore += ran(at: now)
    if keepsGPUMemory, state == .running { residency?.used = now }
    attained = .zero
    state = .thinking
    isOperatorSuspended = false
    forgetWait()
  }

  private mutating func forgetWait() { if isSetAside { wait = nil } }
}

/// What the engine knows of one node.
@frozen public struct NodeSlot: Sendable, Hashable {
  public var node: Node
  /// Cores that no cell holds exclusively.
  public var idleCores: CoreSet
  /// GPUs that no cell holds exclusively.
  public var idleGPUs: GPUSet
  public var drainedCores = CoreSet()
  public var drainedGPUs = GPUSet()
  /// Every GPU of the node.
  public let gpuSet: GPUSet
  @usableFromInline let coreCount: Int32
  /// The most GPUs of one maker.
  @usableFromInline private(set) var gpuCount: Int32
  /// Memory that no running or suspended cell of an exclusive allotment holds; meaningless where the node's is unknown.
  public var idleMemory: Bytes
  /// What is kept on each GPU by the notebooks whose cells run on it or ran on it.
  public internal(set) var gpuMemoryUsed: [Bytes]
  /// Until when memory of others is being saved from each GPU.
  var savingUntil: [Instant]
  /// The notebooks that keep something on a GPU, in order of number.
  public internal(set) var residents: [NotebookID] = []
  /// By GPU, how many kernels see it until they end; all 0 where kernels move.
  var seenBy: [Int32]
  /// What `Node.hasSeveralMakers` says.
  @usableFromInline private(set) var hasSeveralMakers: Bool

  init(_ node: Node) {
    self.node = node
    gpuSet = node.gpuSet
    coreCount = Int32(node.cores.count)
    gpuCount = Self.mostOfOneMaker(node)
    idleCores = node.cores
    idleGPUs = gpuSet
    idleMemory = node.memory
    gpuMemoryUsed = Array(repeating: .zero, count: node.gpus.count)
    savingUntil = Array(repeating: .zero, count: node.gpus.count)
    seenBy = Array(repeating: 0, count: node.gpus.count)
    hasSeveralMakers = node.hasSeveralMakers
  }

  /// Takes in what else is known of the node.
  mutating func learn(_ more: Node) {
    node = more
    hasSeveralMakers = more.hasSeveralMakers
    gpuCount = Self.mostOfOneMaker(more)
  }

  private static func mostOfOneMaker(_ node: Node) -> Int32 {
    Int32(node.byMaker(node.gpuSet).map(\.count).max() ?? 0)
  }

  /// So many cores and GPUs that are idle and not drained, or fewer where there are fewer. (It changes nothing: being
  /// `mutating` spares a copy of the slot where that stands in an array.)
  mutating func idle(_ id: NodeID, cores: Int, gpus: Int, memory: Bytes) -> Allotment {
    let chosen =
      node.topology == nil
      ? idleCores.smallest(cores, outside: drainedCores)
      : node.choose(cores, from: idleCores.subtracting(drainedCores))
    return Allotment(
      node: id, cores: chosen,
      gpus: idleGPUs.smallest(gpus, outside: drainedGPUs), memory: memory)
  }

  mutating func take(_ allotment: Allotment) {
    idleCores.subtract(allotment.cores)
    idleGPUs.subtract(allotment.gpus)
  }

  mutating func giveBack(_ allotment: Allotment) {
    idleCores.formUnion(allotment.cores)
    idleGPUs.formUnion(allotment.gpus)
  }

}

/// The state that a session's events add up to. Only `apply` changes it, live and in replay alike.
@frozen public struct SchedulerState: Sendable, Hashable {
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
  /// The last cell that was given a number, refused ones included.
  public internal(set) var lastCell = CellID(0)
  public internal(set) var ended: Int64 = 0
  public internal(set) var queuedCount = 0
  public internal(set) var runningCount = 0
  public internal(set) var suspendedCount = 0
  /// Notebooks whose cells want resources (queued, or suspended), in no order that means anything.
  public internal(set) var waiting: [NotebookID] = []
  /// Notebooks whose cells run, in no order that means anything.
  public internal(set) var running: [NotebookID] = []
  /// How many notebooks that are not gone have a pin.
  public internal(set) var pinnedCount = 0
  /// How many notebooks have a cell for which a suspension is planned.
  public internal(set) var plannedCount = 0

  public init() {}

  @inlinable public subscript(id: NotebookID) -> NotebookSlot {
    _read { yield notebooks[Int(id.number)] }
  }
  @inlinable public subscript(id: NodeID) -> NodeSlot {
    _read { yield nodes[Int(id.number)] }
  }

  // A computed property of a slot in the array costs a copy of the slot; these do not.

  /// Whether a cell of the notebook is in the books.
  @inlinable public func hasCell(_ id: NotebookID) -> Bool {
    let state = notebooks[Int(id.number)].state
    return state == .queued || state == .running || state == .suspended
  }

  /// Whether a policy may start or resume the notebook's cell: it waits, and no operator keeps it from running. A hold keeps
  /// cells from starting, not one that was suspended from going on.
  @inlinable public func isStartable(_ id: NotebookID) -> Bool {
    let index = Int(id.number)
    return switch notebooks[index].state {
    case .queued: !notebooks[index].isHeld
    case .suspended: !notebooks[index].isOperatorSuspended
    case .starting, .thinking, .running, .gone: false
    }
  }

  /// Memory of a node that may still be held: without limit where the node's is unknown.
  @inlinable public func roomOfMemory(on id: NodeID) -> Bytes {
    let place = Int(id.number)
    return nodes[place].node.memory > .zero ? nodes[place].idleMemory : Bytes(.max)
  }

  /// Whether the node could hold `demand`, as far as a glance can tell; false where only `Node.refusal` can.
  @inlinable func clearlyHolds(_ demand: Demand, on id: NodeID) -> Bool {
    let place = Int(id.number)
    return demand.coresLeast <= nodes[place].coreCount && demand.gpus <= nodes[place].gpuCount
      && demand.memory == .zero && demand.gpuMemory == .zero
  }

  @inlinable public func contains(_ id: NotebookID) -> Bool { id.number >= 0 && Int(id.number) < notebooks.count }
  @inlinable public func contains(_ id: NodeID) -> Bool { id.number >= 0 && Int(id.number) < nodes.count }

  /// The notebooks whose cells want resources (queued, or suspended), in the order in which their cells were accepted.
  ///
  /// It is made anew at each call, for people to look at; a policy keeps an order of its own.
  public var queue: [NotebookID] { waiting.sorted { self[$0].cell.id < self[$1].cell.id } }
}

extension SchedulerState {
  /// Folds one entry in. It takes what the log says and judges nothing; entries that name what does not exist are the
  /// log's fault and change nothing but the clock.
  public mutating func apply(_ entry: Entry) {
    apply(entry.event, sequence: entry.sequence, at: entry.at)
  }

  mutating func apply(_ event: Event, sequence number: Int64, at instant: Instant) {
    advance(to: number, at: instant)
    apply(event, at: instant)
  }

  /// The next entry is `number`.
  mutating func advance(to number: Int64, at instant: Instant) {
    sequence = number
    now = instant
  }

  private mutating func apply(_ event: Event, at now: Instant) {
    if let id = event.notebook, !contains(id) {
      if case .notebookOpened(let notebook) = event, Int(id.number) == notebooks.count {
        notebooks.append(NotebookSlot(notebook))
        descriptions.append(notebook)
      }
      return
    }
    switch event {
    case .policyChanged(let name): policyName = name
    case .nodeAdded(let node):
      if Int(node.id.number) == nodes.count {
        nodes.append(NodeSlot(node))
      } else if contains(node.id), self[node.id].canGrow(to: node) {
        nodes[Int(node.id.number)] = self[node.id].grown(to: node)
      }
    case .drainChanged(let id, let cores, let gpus):
      guard contains(id) else { return }
      nodes[Int(id.number)].drainedCores = cores
      nodes[Int(id.number)].drainedGPUs = gpus
    case .notebookOpened, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed,
      .usageSampled, .invariantBroken, .interruptRequested:
      break
    case .kernelDied(let id):
      vacate(id)
      see(nil, by: id)
    case .gpusSeen(let id, let gpus): see(gpus, by: id)
    case .memoryEvicted(let id, _): evict(id, at: now)
    case .cellRefused(let cell, _): lastCell = cell.id
    case .kernelReady(let id):
      if notebooks[Int(id.number)].state == .starting { notebooks[Int(id.number)].state = .thinking }
    case .suspensionPlanned(let id, let cell, let due): plan(PlannedSuspension(cell, due: due), for: id)
    case .suspensionCalledOff(let id, _): plan(nil, for: id)
    case .notebookClosed(let id):
      notebooks[Int(id.number)].state = .gone
      plan(nil, for: id)
      vacate(id)
      see(nil, by: id)
      setPin(nil, of: id)
    case .backlogChanged(let id, let count): notebooks[Int(id.number)].backlog = count
    case .cellQueued(let cell): queue(cell)
    case .cellWaits(_, let id, let wait): notebooks[Int(id.number)].wait = wait
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      run(id, on: allotment, at: now)
    case .cellAdopted(let cell, let started, let allotment): adopt(cell, started: started, on: allotment, at: now)
    case .cellResized(_, let id, let allotment, _): resize(id, to: allotment)
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
    notebooks[Int(cell.notebook.number)].cell = cell
    enqueue(cell.notebook)
  }

  /// The same from a cell's parts.
  mutating func queue(
    _ number: CellID, _ id: NotebookID, _ demand: Demand, _ source: CellSource, _ forecast: CellForecast?,
    at now: Instant
  ) {
    notebooks[Int(id.number)].cell = Cell(
      id: number, notebook: id, submitted: now, demand: demand, source: source, forecast: forecast)
    enqueue(id)
  }

  /// The notebook's cell has come.
  private mutating func enqueue(_ id: NotebookID) {
    accepted += 1
    lastCell = notebooks[Int(id.number)].cell.id
    queuedCount += 1
    notebooks[Int(id.number)].queue()
    Self.join(&waiting, &notebooks, id)
  }

  private mutating func adopt(_ cell: Cell, started: Instant, on allotment: Allotment, at now: Instant) {
    queue(cell)
    run(cell.notebook, on: allotment, at: now)
    notebooks[Int(cell.notebook.number)].started = started
    notebooks[Int(cell.notebook.number)].attained = now - started
  }

  mutating func run(_ id: NotebookID, on allotment: Allotment, at now: Instant) {
    let index = Int(id.number)
    if notebooks[index].state == .queued { queuedCount -= 1 } else { suspendedCount -= 1 }
    runningCount += 1
    Self.leave(&waiting, &notebooks, id)
    Self.join(&running, &notebooks, id)
    take(allotment)
    notebooks[index].run(on: allotment, at: now)
    if !allotment.gpus.isEmpty { seeFirst(allotment, by: id) }
    if notebooks[index].cell.demand.gpuMemory > .zero { occupy(id, at: now) }
    if !notebooks[index].holdsMemory, !allotment.shared, contains(allotment.node) {
      notebooks[index].holdsMemory = true
      nodes[Int(allotment.node.number)].idleMemory = nodes[Int(allotment.node.number)].idleMemory - allotment.memory
    }
  }

  mutating func resize(_ id: NotebookID, to allotment: Allotment) {
    giveBack(of: id)
    take(allotment)
    notebooks[Int(id.number)].allotment = allotment
  }

  private mutating func plan(_ planned: PlannedSuspension?, for id: NotebookID) {
    guard plannedCount > 0 || planned != nil else { return }
    let index = Int(id.number)
    plannedCount += (planned == nil ? 0 : 1) - (notebooks[index].planned == nil ? 0 : 1)
    notebooks[index].planned = planned
  }

  mutating func suspend(_ id: NotebookID, byOperator: Bool, at now: Instant) {
    if byOperator { plan(nil, for: id) }
    runningCount -= 1
    suspendedCount += 1
    giveBack(of: id)
    notebooks[Int(id.number)].suspend(byOperator: byOperator, at: now)
    Self.leave(&running, &notebooks, id)
    Self.join(&waiting, &notebooks, id)
  }

  mutating func end(_ id: NotebookID, at now: Instant) {
    let index = Int(id.number)
    switch notebooks[index].state {
    case .running:
      runningCount -= 1
      giveBack(of: id)
      Self.leave(&running, &notebooks, id)
    case .suspended:
      suspendedCount -= 1
      Self.leave(&waiting, &notebooks, id)
    case .queued:
      queuedCount -= 1
      Self.leave(&waiting, &notebooks, id)
    case .starting, .thinking, .gone: return
    }
    ended += 1
    plan(nil, for: id)
    if notebooks[index].holdsMemory {
      notebooks[index].holdsMemory = false
      let node = Int(notebooks[index].allotment.node.number)
      nodes[node].idleMemory = nodes[node].idleMemory + notebooks[index].allotment.memory
    }
    notebooks[index].end(at: now)
  }

  private mutating func setPin(_ pin: Pin?, of id: NotebookID) {
    if notebooks[Int(id.number)].pin != nil { pinnedCount -= 1 }
    if pin != nil { pinnedCount += 1 }
    notebooks[Int(id.number)].pin = pin
    reserving.removeAll { $0 == id }
    if let pin, pin.reserves {
      let place = reserving.firstIndex { $0 > id } ?? reserving.endIndex
      reserving.insert(id, at: place)
    }
  }

  private mutating func take(_ allotment: Allotment) {
    guard !allotment.shared, contains(allotment.node) else { return }
    nodes[Int(allotment.node.number)].take(allotment)
  }

  /// What the notebook's cell holds becomes idle.
  private mutating func giveBack(of id: NotebookID) {
    let index = Int(id.number)
    guard !notebooks[index].allotment.shared, contains(notebooks[index].allotment.node) else { return }
    nodes[Int(notebooks[index].allotment.node.number)].giveBack(notebooks[index].allotment)
  }

  private static func join(_ list: inout [NotebookID], _ slots: inout [NotebookSlot], _ id: NotebookID) {
    slots[Int(id.number)].place = Int32(list.count)
    list.append(id)
  }

  /// Takes a notebook out of a list; the last one takes its place.
  private static func leave(_ list: inout [NotebookID], _ slots: inout [NotebookSlot], _ id: NotebookID) {
    let place = Int(slots[Int(id.number)].place)
    // A log may let a cell end that never began.
    guard place >= 0, place < list.count, list[place] == id else { return }
    let last = list.removeLast()
    if last != id {
      list[place] = last
      slots[Int(last.number)].place = Int32(place)
    }
    slots[Int(id.number)].place = -1
  }
}
