import Domain

/// What has been counted of a session since it began: a fold of its entries, and the times that its engine took.
///
/// Each entry costs a few additions; what a scrape needs besides is read off the board.
public struct MeterBook: Sendable {
  /// From a cell's submission to its first start; a cell that ended without having started is not in it.
  public private(set) var waits = Histogram.waits
  /// How long cells that ended had run, suspensions left out.
  public private(set) var runs = Histogram.waits
  /// An input's decision in the engine.
  public private(set) var decisions = Histogram.work
  /// Writing what was decided to the history.
  public private(set) var commits = Histogram.work
  /// A turn of the engine's thread, from the moment it wakes to the moment it waits again.
  public private(set) var turns = Histogram.work

  public private(set) var submitted: UInt64 = 0
  /// By outcome.
  public private(set) var ended: [CellOutcome: UInt64] = [:]
  public private(set) var preemptions: UInt64 = 0
  public private(set) var suspensions: UInt64 = 0
  public private(set) var commandsAccepted: UInt64 = 0
  public private(set) var commandsRefused: UInt64 = 0
  public private(set) var effectsFailed: UInt64 = 0
  /// Faults of ours: decisions that the engine had to refuse, and books that did not add up.
  public private(set) var faults: UInt64 = 0
  public private(set) var kernelsDied: UInt64 = 0
  public private(set) var sequence: Int64 = 0

  private struct Present: Sendable {
    var submitted: Instant?
    var attained = Span.zero
    var runningSince: Instant?
  }

  /// The cell in hand, by notebook.
  private var present: [NotebookID: Present] = [:]

  public init() {}

  public mutating func decided(in span: Span) { decisions.add(span) }
  public mutating func committed(in span: Span) { commits.add(span) }
  public mutating func turned(in span: Span) { turns.add(span) }

  public mutating func apply(_ entry: Entry) {
    sequence = entry.sequence
    switch entry.event {
    case .cellQueued(let cell):
      submitted += 1
      present[cell.notebook] = Present(submitted: entry.at)
    case .cellAdopted(let cell, let started, _):
      present[cell.notebook] = Present(attained: entry.at - started, runningSince: entry.at)
    case .cellStarted(_, let id, _, _), .cellResumed(_, let id, _, _):
      if let since = present[id]?.submitted { waits.add(entry.at - since) }
      present[id]?.submitted = nil
      present[id]?.runningSince = entry.at
    case .cellSuspended(_, let id, let reason):
      suspensions += 1
      if reason.rule == .preempted { preemptions += 1 }
      stop(id, at: entry.at)
    case .cellEnded(_, let id, let outcome):
      ended[outcome, default: 0] += 1
      stop(id, at: entry.at)
      if let cell = present.removeValue(forKey: id), cell.submitted == nil { runs.add(cell.attained) }
    case .cellRefused: ended[.refused, default: 0] += 1
    case .notebookClosed(let id): present[id] = nil
    case .kernelDied: kernelsDied += 1
    case .commandAccepted: commandsAccepted += 1
    case .commandRefused: commandsRefused += 1
    case .effectFailed: effectsFailed += 1
    case .decisionRefused, .invariantBroken: faults += 1
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .backlogChanged, .cellWaits,
      .cellResized, .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .usageSampled, .memoryEvicted, .suspensionPlanned, .suspensionCalledOff, .gpusSeen:
      break
    }
  }

  private mutating func stop(_ id: NotebookID, at now: Instant) {
    guard let since = present[id]?.runningSince else { return }
    present[id]?.attained += now - since
    present[id]?.runningSince = nil
  }
}
