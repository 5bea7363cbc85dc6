import Domain

/// What the screens show of a notebook.
public struct NotebookFacts: Sendable, Hashable {
  public var notebook: Notebook
  /// The notebook's name, with `·2` and so on behind it where others of the same name were open already.
  public var name: String
  public internal(set) var state: NotebookState = .starting
  /// Since when it has been in its state.
  public internal(set) var since: Instant
  public internal(set) var priority: Int32
  /// An operator lets no further cell of it start.
  public internal(set) var isHeld = false
  public internal(set) var pin: Pin?
  /// What its cells ask for by an operator's order; nil where they ask themselves.
  public internal(set) var demandOverride: Demand?
  /// What an operator has planned for its cell; nil for nothing.
  public internal(set) var planned: PlannedSuspension?
  public internal(set) var backlog: Int32 = 0
  /// The cell in the books; nil while it thinks.
  public internal(set) var cell: CellFacts?
  public internal(set) var usage: Usage?
  /// Cells that ended, and how many of them not with `ok`.
  public internal(set) var cellsEnded = 0
  public internal(set) var cellsFailed = 0
  /// Sums over the cells that ended.
  public internal(set) var waited = Span.zero
  public internal(set) var ran = Span.zero
  /// What it did when, oldest first; each segment lasts until the next one begins.
  public internal(set) var segments: [Segment]
  /// Actions and preemptions, for the timeline.
  public internal(set) var marks: [Marker] = []

  /// The same sums over the cells that ended well: their run times as they would have been alone on the node, and from
  /// submission to end; empty again when the notebook has closed.
  public internal(set) var alone = Span.zero
  public internal(set) var shared = Span.zero
  /// Its latest cells that ended, oldest first, `pastMost` at the most.
  public internal(set) var past: [PastCell] = []
  /// What it keeps in GPU memory, by what its last GPU cell asked for; nil for nothing.
  public internal(set) var resident: ResidentMemory?

  /// The cells that ended and are kept.
  public static let pastMost = 16
  /// The longest past that is kept, in segments.
  public static let segmentsMost = 4096
  /// The past that is kept however many notebooks there are.
  static let segmentsLeast = 128

  init(_ notebook: Notebook, named name: String, opened: Instant) {
    self.notebook = notebook
    self.name = name
    since = opened
    priority = notebook.priority
    segments = [Segment(state: .starting, from: opened)]
  }

  /// Whether its hold decides what becomes of it now: a cell that has started goes on, and is suspended and resumed as any
  /// other.
  public var isStoppedByHold: Bool {
    switch state {
    case .starting, .thinking, .queued: isHeld
    case .running, .suspended, .gone: false
    }
  }

  /// How long its cells have waited to start until `now`, the one that waits still counted in.
  public func waited(at now: Instant) -> Span {
    guard let cell, cell.started == nil else { return waited }
    return waited + (now - cell.cell.submitted)
  }

  /// The state at `instant`; nil before it was opened or beyond the past that is kept.
  public func state(at instant: Instant) -> NotebookState? {
    var low = 0
    var high = segments.count
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].from <= instant { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? nil : segments[low - 1].state
  }

  /// - Parameter segmentsMost: how long a past is kept.
  mutating func apply(_ entry: Entry, segmentsMost: Int) {
    let before = segments.count
    defer {
      if segments.count > before, before >= segmentsMost { segments.removeFirst(before - segmentsMost * 3 / 4) }
    }
    switch entry.event {
    case .notebookOpened, .policyChanged, .nodeAdded, .drainChanged, .cellRefused, .interruptRequested, .commandRefused,
      .decisionRefused, .effectFailed, .invariantBroken, .gpusSeen:
      break
    case .memoryEvicted: resident?.isSaved = true
    case .kernelReady: if state == .starting { turn(.thinking, entry.at) }
    case .kernelDied:
      resident = nil
      if state != .gone { turn(.starting, entry.at) }
    case .notebookClosed:
      cell = nil
      resident = nil
      past = []
      (alone, shared) = (.zero, .zero)
      pin = nil
      planned = nil
      backlog = 0
      turn(.gone, entry.at)
    case .backlogChanged(_, let count): backlog = count
    case .cellQueued(let submitted):
      cell = CellFacts(submitted)
      turn(.queued, entry.at)
    case .cellAdopted(let found, let started, let allotment):
      cell = CellFacts(found)
      cell?.started = started
      cell?.attained = entry.at - started
      cell?.work = entry.at - started
      run(on: allotment, entry.at)
    case .cellStarted(_, _, let allotment, _):
      cell?.started = entry.at
      run(on: allotment, entry.at)
    case .cellResumed(_, _, let allotment, _): run(on: allotment, entry.at)
    case .cellResized(_, _, let allotment, _):
      cell?.settle(at: entry.at)
      cell?.allotment = allotment
    case .cellWaits(_, _, let wait): cell?.wait = wait
    case .cellSuspended(_, _, let reason):
      if let facts = cell { cell?.attained = facts.ran(at: entry.at) }
      cell?.settle(at: entry.at)
      cell?.allotment = nil
      cell?.isOperatorSuspended = reason.rule == .operatorSuspended
      if reason.rule == .operatorSuspended { planned = nil }
      if reason.rule == .preempted { keepMark(.preemption, entry) }
      turn(.suspended, entry.at)
    case .resumeOrdered: cell?.isOperatorSuspended = false
    case .cellEnded(_, _, let outcome): end(outcome, entry.at)
    case .priorityChanged(_, let value): priority = value
    case .pinned(_, let value): pin = value
    case .unpinned: pin = nil
    case .suspensionPlanned(_, let cell, let due): planned = PlannedSuspension(cell, due: due)
    case .suspensionCalledOff: planned = nil
    case .demandOverridden(_, let demand): demandOverride = demand
    case .held: isHeld = true
    case .released: isHeld = false
    case .commandAccepted: keepMark(.action, entry)
    case .usageSampled(_, let value): usage = value
    }
  }

  /// Keeps of a notebook that has closed what a table says of it: when it was opened and closed, and its sums.
  mutating func letGoOfThePast() {
    let opened = segments.first?.from ?? since
    segments = [Segment(state: .starting, from: opened), Segment(state: .gone, from: since)]
    (marks, usage, demandOverride) = ([], nil, nil)
  }

  private mutating func run(on allotment: Allotment, _ now: Instant) {
    cell?.allotment = allotment
    cell?.runningSince = now
    cell?.settledAt = now
    if !allotment.gpus.isEmpty, let demand = cell?.cell.demand {
      resident = ResidentMemory(gpus: allotment.gpus, each: demand.gpuMemory)
    }
    cell?.wait = nil
    cell?.isOperatorSuspended = false
    turn(.running, now)
  }

  private mutating func end(_ outcome: CellOutcome, _ now: Instant) {
    cell?.settle(at: now)
    if let facts = cell {
      if past.count >= Self.pastMost { past.removeFirst() }
      past.append(PastCell(facts, outcome, ended: now))
      if outcome == .ok, facts.work > .zero {
        alone += facts.work
        shared += max(now - facts.cell.submitted, facts.work)
      }
      cellsEnded += 1
      if outcome != .ok { cellsFailed += 1 }
      ran += facts.ran(at: now)
      waited += (facts.started ?? now) - facts.cell.submitted
    }
    cell = nil
    planned = nil
    turn(.thinking, now)
  }

  private mutating func turn(_ next: NotebookState, _ now: Instant) {
    state = next
    since = now
    if let last = segments.last, last.from == now { segments.removeLast() }
    if segments.last?.state == next { return }
    segments.append(Segment(state: next, from: now))
  }

  private mutating func keepMark(_ kind: Marker.Kind, _ entry: Entry) {
    if marks.count >= 1024 { marks.removeFirst(256) }
    marks.append(Marker(at: entry.at, sequence: entry.sequence, kind: kind, notebook: notebook.id))
  }
}

/// What the screens show of a cell in the books.
public struct CellFacts: Sendable, Hashable {
  public var cell: Cell
  public internal(set) var started: Instant?
  public internal(set) var runningSince: Instant?
  /// What it holds; nil while it waits or is suspended.
  public internal(set) var allotment: Allotment?
  public internal(set) var wait: Wait?
  public internal(set) var isOperatorSuspended = false
  /// How long it ran before the present stretch.
  public internal(set) var attained = Span.zero
  /// The part of its run that is done up to `settledAt`, as it would have taken alone on all that it asks for.
  public internal(set) var work = Span.zero
  var settledAt: Instant?

  init(_ cell: Cell) { self.cell = cell }

  /// Books the work done since the last time, before what it runs on changes.
  mutating func settle(at now: Instant) {
    guard let since = settledAt, let allotment else { return }
    settledAt = now
    // A cell that shares its cores is told at its full rate: nobody knows the true one.
    let parallel = cell.forecast?.parallelThousandths ?? 1000
    let rate =
      allotment.shared
      ? 1
      : Speedup(parallelThousandths: parallel).rate(on: Double(allotment.cores.count), of: cell.demand.coresMost)
    work += rate == 1 ? now - since : Span(seconds: (now - since).seconds * rate)
  }

  /// How long it has run until `now`.
  public func ran(at now: Instant) -> Span {
    guard allotment != nil, let runningSince else { return attained }
    return attained + (now - runningSince)
  }

  /// How long it has been suspended until `now`, by the clock: what of the time since its start it did not run.
  public func suspended(at now: Instant) -> Span {
    started.map { max(now - $0 - ran(at: now), .zero) } ?? .zero
  }
}

/// A stretch of a notebook's time in one state: eight bytes, for a server keeps hundreds of thousands of them.
public struct Segment: Sendable, Hashable {
  /// The instant's microseconds, and the state in the three bits below them: good for 36,000 years.
  private let bits: Int64

  public init(state: NotebookState, from: Instant) {
    bits = min(max(from.microseconds, -(1 << 60)), 1 << 60 - 1) << 3 | Int64(state.rawValue & 7)
  }

  public var state: NotebookState { NotebookState(rawValue: UInt8(bits & 7)) ?? .gone }
  public var from: Instant { Instant(microseconds: bits >> 3) }
}

/// A cell that has ended.
public struct PastCell: Sendable, Hashable {
  public var id: CellID
  public var submitted: Instant
  /// Nil where it never ran.
  public var started: Instant?
  public var ended: Instant
  public var ran: Span
  public var outcome: CellOutcome
  /// What had been foreseen of its run time; nil where nothing was.
  public var forecast: Quantiles?
  /// What it had asked for.
  public var demand: Demand

  /// How long it was suspended, by the clock.
  public var suspended: Span { started.map { max(ended - $0 - ran, .zero) } ?? .zero }

  init(_ facts: CellFacts, _ outcome: CellOutcome, ended: Instant) {
    id = facts.cell.id
    submitted = facts.cell.submitted
    started = facts.started
    self.ended = ended
    ran = facts.ran(at: ended)
    self.outcome = outcome
    forecast = facts.cell.forecast?.run
    demand = facts.cell.demand
  }
}

/// What a kernel keeps in GPU memory.
public struct ResidentMemory: Sendable, Hashable {
  public var gpus: GPUSet
  /// On each of them; zero where it was not said.
  public var each: Bytes
  /// It was saved to the host's memory, and takes none of the GPUs'.
  public var isSaved = false
}
