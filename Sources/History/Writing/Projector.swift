import Domain

/// What the entries of a session mean for the tables: a fold that keeps what has to be written next.
///
/// Rows wait here until `written` is called: a transaction that failed is tried again with all of them.
struct Projector {
  struct NotebookRow {
    var notebook: Notebook
    var priority: Int32
    var opened: Int64
    var openedAt: Instant
    var closed: Int64?
    var closedAt: Instant?
    var cells: Int64 = 0
    var failed: Int64 = 0
    var waited = Span.zero
    var ran = Span.zero
    var isDirty = true
    /// The cell in the books; meaningful where `hasCell`.
    var cell: CellRow
    var hasCell = false
  }

  struct CellRow {
    var cell: Cell
    /// The entry by which it came into the books.
    var queued: Int64
    var started: Instant?
    var ended: Instant?
    var outcome: CellOutcome?
    var ran = Span.zero
    var coreMicroseconds: Int64 = 0
    var gpuMicroseconds: Int64 = 0
    var suspensions: Int64 = 0
    var isDirty = true
    /// While it runs.
    var runningSince: Instant?
    var cores: Int64 = 0
    var gpus: Int64 = 0

    mutating func run(on allotment: Allotment, at now: Instant) {
      stop(at: now)
      runningSince = now
      cores = Int64(allotment.cores.count)
      gpus = Int64(allotment.gpus.count)
      isDirty = true
    }

    mutating func stop(at now: Instant) {
      guard let since = runningSince else { return }
      ran += now - since
      coreMicroseconds &+= (now - since).microseconds &* cores
      gpuMicroseconds &+= (now - since).microseconds &* gpus
      runningSince = nil
      isDirty = true
    }
  }

  struct Action {
    var sequence: Int64
    var at: Instant
    var command: Command
    var refused: String?
  }

  struct UsageRow {
    var notebook: NotebookID
    var at: Instant
    var usage: Usage
  }

  private(set) var notebooks: ContiguousArray<NotebookRow> = []
  private(set) var ended: ContiguousArray<CellRow> = []
  private(set) var actions: [Action] = []
  private(set) var usages: [UsageRow] = []
  private(set) var markers: [RecordedMarker] = []
  /// Notebooks of which something has to be written.
  private(set) var dirty: [Int32] = []

  /// About how many rows wait to be written.
  var waiting: Int { ended.count + actions.count + usages.count + markers.count + dirty.count * 2 }

  /// Everything that waited is in the file.
  mutating func written() {
    ended.removeAll(keepingCapacity: true)
    actions.removeAll()
    usages.removeAll(keepingCapacity: true)
    markers.removeAll(keepingCapacity: true)
    for index in dirty {
      notebooks[Int(index)].isDirty = false
      notebooks[Int(index)].cell.isDirty = false
    }
    dirty.removeAll(keepingCapacity: true)
  }

  /// Every notebook is to be written once more: into another session, or another file.
  mutating func startOver() {
    for index in notebooks.indices {
      touch(index)
      notebooks[index].cell.isDirty = true
    }
  }

  mutating func apply(_ entry: Entry) {
    guard let id = entry.event.notebook else { return applyToSession(entry) }
    let index = Int(id.number)
    guard index >= 0, index < notebooks.count else {
      if case .notebookOpened(let notebook) = entry.event, index == notebooks.count { open(notebook, entry) }
      // An order may be about a notebook that there is not.
      return applyToSession(entry)
    }
    switch entry.event {
    case .cellQueued(let cell): begin(cell, index, entry)
    case .cellAdopted(let cell, let started, let allotment):
      begin(cell, index, entry)
      notebooks[index].cell.started = started
      notebooks[index].cell.ran = entry.at - started
      notebooks[index].cell.run(on: allotment, at: entry.at)
    case .cellStarted(_, _, let allotment, _):
      if notebooks[index].cell.started == nil { start(index, entry) }
      notebooks[index].cell.run(on: allotment, at: entry.at)
      touch(index)
    case .cellResumed(_, _, let allotment, _), .cellResized(_, _, let allotment, _):
      notebooks[index].cell.run(on: allotment, at: entry.at)
      touch(index)
    case .cellSuspended(_, _, let reason):
      notebooks[index].cell.stop(at: entry.at)
      notebooks[index].cell.suspensions += 1
      touch(index)
      if reason.rule == .preempted { mark(.preemption, entry) }
    case .cellEnded(_, _, let outcome): end(index, outcome, entry)
    case .priorityChanged(_, let priority):
      notebooks[index].priority = priority
      touch(index)
    case .notebookClosed:
      notebooks[index].closed = entry.sequence
      notebooks[index].closedAt = entry.at
      touch(index)
    case .usageSampled(let id, let usage): usages.append(UsageRow(notebook: id, at: entry.at, usage: usage))
    case .commandAccepted, .commandRefused: applyToSession(entry)
    case .notebookOpened, .kernelReady, .kernelDied, .backlogChanged, .cellRefused, .cellWaits, .interruptRequested,
      .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .effectFailed, .policyChanged,
      .nodeAdded, .drainChanged, .decisionRefused, .invariantBroken, .memoryEvicted, .suspensionPlanned,
      .suspensionCalledOff:
      break
    }
  }

  private mutating func applyToSession(_ entry: Entry) {
    switch entry.event {
    case .commandAccepted(let command):
      actions.append(Action(sequence: entry.sequence, at: entry.at, command: command))
      mark(.action, entry)
    case .commandRefused(let command, let refusal):
      actions.append(Action(sequence: entry.sequence, at: entry.at, command: command, refused: refusal.text))
    case .decisionRefused, .invariantBroken: mark(.fault, entry)
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended,
      .cellResumed, .interruptRequested, .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .effectFailed, .usageSampled, .memoryEvicted, .suspensionPlanned,
      .suspensionCalledOff:
      break
    }
  }

  private mutating func touch(_ index: Int) {
    guard !notebooks[index].isDirty else { return }
    notebooks[index].isDirty = true
    dirty.append(Int32(index))
  }

  private mutating func mark(_ kind: RecordedMarker.Kind, _ entry: Entry) {
    markers.append(
      RecordedMarker(sequence: entry.sequence, at: entry.at, kind: kind, notebook: entry.event.notebook))
  }

  private mutating func open(_ notebook: Notebook, _ entry: Entry) {
    let none = Cell(id: CellID(0), notebook: notebook.id, submitted: .zero, demand: .oneCore)
    dirty.append(Int32(notebooks.count))
    notebooks.append(
      NotebookRow(
        notebook: notebook, priority: notebook.priority, opened: entry.sequence, openedAt: entry.at,
        cell: CellRow(cell: none, queued: 0)))
  }

  private mutating func begin(_ cell: Cell, _ index: Int, _ entry: Entry) {
    notebooks[index].cell = CellRow(cell: cell, queued: entry.sequence)
    notebooks[index].hasCell = true
    touch(index)
  }

  private mutating func start(_ index: Int, _ entry: Entry) {
    notebooks[index].cell.started = entry.at
    if entry.at - notebooks[index].cell.cell.submitted >= Wait.long { mark(.wait, entry) }
  }

  private mutating func end(_ index: Int, _ outcome: CellOutcome, _ entry: Entry) {
    guard notebooks[index].hasCell else { return }
    notebooks[index].hasCell = false
    notebooks[index].cell.stop(at: entry.at)
    notebooks[index].cell.ended = entry.at
    notebooks[index].cell.outcome = outcome
    let row = notebooks[index].cell
    notebooks[index].cells += 1
    if outcome != .ok { notebooks[index].failed += 1 }
    notebooks[index].waited += (row.started ?? entry.at) - row.cell.submitted
    notebooks[index].ran += row.ran
    ended.append(row)
    touch(index)
    if outcome == .error || outcome == .lost { mark(.error, entry) }
  }
}
