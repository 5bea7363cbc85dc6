/// One thing that happened, with its place in the one order of the session.
@frozen public struct Entry: Hashable, Sendable {
  /// 1 for the session's first entry, then without gaps.
  public var sequence: Int64
  /// Never earlier than that of the entry before it.
  public var at: Instant
  public var event: Event

  @inlinable public init(sequence: Int64, at: Instant, event: Event) {
    self.sequence = sequence
    self.at = at
    self.event = event
  }
}

/// What happened. Folding a session's events gives its state; no policy is needed to read them.
///
/// Rare or large cases are indirect, so that the frequent ones are small to copy.
public enum Event: Hashable, Sendable {
  case policyChanged(String)
  /// A node joined, or one that is known has more cores, GPUs or memory from now on.
  indirect case nodeAdded(Node)
  /// All cores and GPUs of the node that are drained from now on.
  indirect case drainChanged(NodeID, CoreSet, GPUSet)

  indirect case notebookOpened(Notebook)
  case kernelReady(NotebookID)
  case kernelDied(NotebookID)
  case notebookClosed(NotebookID)
  case backlogChanged(NotebookID, Int32)

  case cellQueued(Cell)
  /// No node could ever hold it.
  indirect case cellRefused(Cell, Refusal)
  /// Why it waits has changed.
  indirect case cellWaits(CellID, NotebookID, Wait)
  case cellStarted(CellID, NotebookID, Allotment, Reason)
  /// A cell that ran already was taken into the books; `started` may lie before the session.
  indirect case cellAdopted(Cell, started: Instant, Allotment)
  case cellResized(CellID, NotebookID, Allotment, Reason)
  case cellSuspended(CellID, NotebookID, Reason)
  case cellResumed(CellID, NotebookID, Allotment, Reason)
  case interruptRequested(CellID, NotebookID)
  case cellEnded(CellID, NotebookID, CellOutcome)

  case priorityChanged(NotebookID, Int32)
  indirect case pinned(NotebookID, Pin)
  case unpinned(NotebookID)
  case held(NotebookID)
  case released(NotebookID)
  case resumeOrdered(NotebookID, CellID)
  indirect case demandOverridden(NotebookID, Demand?)

  indirect case commandAccepted(Command)
  indirect case commandRefused(Command, Refusal)
  /// The policy decided something that the state does not allow: a fault of ours, recorded, never obeyed.
  indirect case decisionRefused(Refusal)
  indirect case effectFailed(NotebookID, sequence: Int64, why: String)
  case usageSampled(NotebookID, Usage)
  /// A check of the books failed: a fault of ours, told to the operator.
  case invariantBroken(String)
  /// What the notebook kept in GPU memory was saved to the host's, and has to be restored before its next GPU cell.
  case memoryEvicted(NotebookID, Reason)
  /// The notebook's kernel process came seeing these GPUs; until it ends its cells run on no others. What a first grant
  /// shows it is not told apart: the grant says it.
  case gpusSeen(NotebookID, GPUSet)
  /// An operator wants the cell suspended later: at `due`, or, where that is nil, its notebook held once it has ended.
  case suspensionPlanned(NotebookID, CellID, due: Instant?)
  /// What was planned for the cell was called off.
  case suspensionCalledOff(NotebookID, CellID)

  public var kind: EventKind {
    switch self {
    case .policyChanged: .policyChanged
    case .nodeAdded: .nodeAdded
    case .drainChanged: .drainChanged
    case .notebookOpened: .notebookOpened
    case .kernelReady: .kernelReady
    case .kernelDied: .kernelDied
    case .notebookClosed: .notebookClosed
    case .backlogChanged: .backlogChanged
    case .cellQueued: .cellQueued
    case .cellRefused: .cellRefused
    case .cellWaits: .cellWaits
    case .cellStarted: .cellStarted
    case .cellAdopted: .cellAdopted
    case .cellResized: .cellResized
    case .cellSuspended: .cellSuspended
    case .cellResumed: .cellResumed
    case .interruptRequested: .interruptRequested
    case .cellEnded: .cellEnded
    case .priorityChanged: .priorityChanged
    case .pinned: .pinned
    case .unpinned: .unpinned
    case .held: .held
    case .released: .released
    case .resumeOrdered: .resumeOrdered
    case .demandOverridden: .demandOverridden
    case .commandAccepted: .commandAccepted
    case .commandRefused: .commandRefused
    case .decisionRefused: .decisionRefused
    case .effectFailed: .effectFailed
    case .usageSampled: .usageSampled
    case .invariantBroken: .invariantBroken
    case .memoryEvicted: .memoryEvicted
    case .gpusSeen: .gpusSeen
    case .suspensionPlanned: .suspensionPlanned
    case .suspensionCalledOff: .suspensionCalledOff
    }
  }

  /// The notebook that it is about; nil where it is about the node or the session.
  public var notebook: NotebookID? {
    switch self {
    case .policyChanged, .nodeAdded, .drainChanged, .decisionRefused, .invariantBroken: nil
    case .notebookOpened(let notebook): notebook.id
    case .kernelReady(let id), .kernelDied(let id), .notebookClosed(let id), .backlogChanged(let id, _),
      .priorityChanged(let id, _), .pinned(let id, _), .unpinned(let id), .held(let id), .released(let id),
      .resumeOrdered(let id, _), .demandOverridden(let id, _), .effectFailed(let id, _, _), .usageSampled(let id, _),
      .memoryEvicted(let id, _), .gpusSeen(let id, _), .suspensionPlanned(let id, _, _),
      .suspensionCalledOff(let id, _):
      id
    case .cellQueued(let cell), .cellRefused(let cell, _), .cellAdopted(let cell, _, _): cell.notebook
    case .cellWaits(_, let id, _), .cellStarted(_, let id, _, _), .cellResized(_, let id, _, _),
      .cellSuspended(_, let id, _), .cellResumed(_, let id, _, _), .interruptRequested(_, let id),
      .cellEnded(_, let id, _):
      id
    case .commandAccepted(let command), .commandRefused(let command, _): command.verb.notebook
    }
  }

  /// The cell that it is about; nil where it is about none.
  public var cell: CellID? {
    switch self {
    case .cellQueued(let cell), .cellRefused(let cell, _), .cellAdopted(let cell, _, _): cell.id
    case .cellWaits(let id, _, _), .cellStarted(let id, _, _, _), .cellResized(let id, _, _, _),
      .cellSuspended(let id, _, _), .cellResumed(let id, _, _, _), .interruptRequested(let id, _),
      .cellEnded(let id, _, _), .resumeOrdered(_, let id), .suspensionPlanned(_, let id, _),
      .suspensionCalledOff(_, let id):
      id
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .priorityChanged, .pinned, .unpinned, .held, .released, .demandOverridden, .commandAccepted,
      .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .gpusSeen:
      nil
    }
  }
}

/// What sort of thing happened: an event without its particulars. The numbers are those that the packed form begins with.
public enum EventKind: UInt8, Hashable, Sendable, CaseIterable {
  case policyChanged = 0
  case nodeAdded = 1
  case drainChanged = 2
  case notebookOpened = 3
  case kernelReady = 4
  case kernelDied = 5
  case notebookClosed = 6
  case backlogChanged = 7
  case cellQueued = 8
  case cellRefused = 9
  case cellWaits = 10
  case cellStarted = 11
  case cellAdopted = 12
  case cellResized = 13
  case cellSuspended = 14
  case cellResumed = 15
  case interruptRequested = 16
  case cellEnded = 17
  case priorityChanged = 18
  case pinned = 19
  case unpinned = 20
  case held = 21
  case released = 22
  case resumeOrdered = 23
  case demandOverridden = 24
  case commandAccepted = 25
  case commandRefused = 26
  case decisionRefused = 27
  case effectFailed = 28
  case usageSampled = 29
  case invariantBroken = 30
  case memoryEvicted = 31
  case gpusSeen = 32
  case suspensionPlanned = 33
  case suspensionCalledOff = 34
}
