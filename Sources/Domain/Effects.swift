/// What a driver must do in the world because of an entry. It carries the entry's sequence: doing it twice is harmless.
public struct Effect: Hashable, Sendable {
  public enum Act: Hashable, Sendable {
    case grant(CellID, Allotment)
    case refuse(key: UInt64, why: String)
    case resize(CellID, Allotment)
    case suspend(CellID)
    case resume(CellID, Allotment)
    case interrupt(CellID)
    /// Let the author of a waiting cell know where it stands.
    case tell(CellID, Wait)
  }

  public var sequence: Int64
  public var notebook: NotebookID
  public var act: Act

  /// The cell that it is for; nil for a refused one, which has no place in the books.
  public var cell: CellID? {
    switch act {
    case .grant(let cell, _), .resize(let cell, _), .suspend(let cell), .resume(let cell, _), .interrupt(let cell),
      .tell(let cell, _):
      cell
    case .refuse: nil
    }
  }

  /// The effect of an entry; nil where it has none.
  public init?(of entry: Entry) {
    sequence = entry.sequence
    switch entry.event {
    case .cellStarted(let cell, let id, let allotment, _): (notebook, act) = (id, .grant(cell, allotment))
    case .cellAdopted(let cell, _, let allotment): (notebook, act) = (cell.notebook, .resize(cell.id, allotment))
    case .cellRefused(let cell, let refusal):
      (notebook, act) = (cell.notebook, .refuse(key: cell.source.key, why: refusal.text))
    case .cellResized(let cell, let id, let allotment, _): (notebook, act) = (id, .resize(cell, allotment))
    case .cellSuspended(let cell, let id, _): (notebook, act) = (id, .suspend(cell))
    case .cellResumed(let cell, let id, let allotment, _): (notebook, act) = (id, .resume(cell, allotment))
    case .interruptRequested(let cell, let id): (notebook, act) = (id, .interrupt(cell))
    case .cellWaits(let cell, let id, let wait): (notebook, act) = (id, .tell(cell, wait))
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellQueued, .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed,
      .usageSampled, .invariantBroken, .memoryEvicted, .suspensionPlanned, .suspensionCalledOff:
      return nil
    }
  }
}
