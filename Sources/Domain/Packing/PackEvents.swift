extension Event: Packable {
  public func pack(into sink: inout some PackSink) {
    switch self {
    case .policyChanged(let name):
      sink.put(0 as UInt64)
      sink.put(name)
    case .nodeAdded(let node):
      // 100: the same with what the first form of a node does not hold.
      let details = NodeDetails(of: node)
      sink.put((details == nil ? 1 : 100) as UInt64)
      sink.put(node)
      if let details { sink.put(details) }
    case .drainChanged(let node, let cores, let gpus):
      sink.put(2 as UInt64)
      sink.put(node)
      sink.put(cores)
      sink.put(gpus)
    case .notebookOpened(let notebook):
      sink.put(3 as UInt64)
      sink.put(notebook)
    case .kernelReady(let id):
      sink.put(4 as UInt64)
      sink.put(id)
    case .kernelDied(let id):
      sink.put(5 as UInt64)
      sink.put(id)
    case .notebookClosed(let id):
      sink.put(6 as UInt64)
      sink.put(id)
    case .backlogChanged(let id, let count):
      sink.put(7 as UInt64)
      sink.put(id)
      sink.put(count)
    case .cellQueued(let cell):
      sink.put(8 as UInt64)
      sink.put(cell)
    case .cellRefused(let cell, let refusal):
      sink.put(9 as UInt64)
      sink.put(cell)
      sink.put(refusal)
    case .cellWaits(let cell, let id, let wait):
      sink.put(10 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(wait)
    case .cellStarted(let cell, let id, let allotment, let reason):
      sink.put(11 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(allotment)
      sink.put(reason)
    case .cellAdopted(let cell, let started, let allotment):
      sink.put(12 as UInt64)
      sink.put(cell)
      sink.put(started)
      sink.put(allotment)
    case .cellResized(let cell, let id, let allotment, let reason):
      sink.put(13 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(allotment)
      sink.put(reason)
    case .cellSuspended(let cell, let id, let reason):
      sink.put(14 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(reason)
    case .cellResumed(let cell, let id, let allotment, let reason):
      sink.put(15 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(allotment)
      sink.put(reason)
    case .interruptRequested(let cell, let id):
      sink.put(16 as UInt64)
      sink.put(cell)
      sink.put(id)
    case .cellEnded(let cell, let id, let outcome):
      sink.put(17 as UInt64)
      sink.put(cell)
      sink.put(id)
      sink.put(UInt64(outcome.rawValue))
    case .priorityChanged(let id, let priority):
      sink.put(18 as UInt64)
      sink.put(id)
      sink.put(priority)
    case .pinned(let id, let pin):
      sink.put(19 as UInt64)
      sink.put(id)
      sink.put(pin)
    case .unpinned(let id):
      sink.put(20 as UInt64)
      sink.put(id)
    case .held(let id):
      sink.put(21 as UInt64)
      sink.put(id)
    case .released(let id):
      sink.put(22 as UInt64)
      sink.put(id)
    case .resumeOrdered(let id, let cell):
      sink.put(23 as UInt64)
      sink.put(id)
      sink.put(cell)
    case .demandOverridden(let id, let demand):
      sink.put(24 as UInt64)
      sink.put(id)
      sink.put(demand)
    case .commandAccepted(let command):
      sink.put(25 as UInt64)
      sink.put(command)
    case .commandRefused(let command, let refusal):
      sink.put(26 as UInt64)
      sink.put(command)
      sink.put(refusal)
    case .decisionRefused(let refusal):
      sink.put(27 as UInt64)
      sink.put(refusal)
    case .effectFailed(let id, let sequence, let why):
      sink.put(28 as UInt64)
      sink.put(id)
      sink.put(sequence)
      sink.put(why)
    case .usageSampled(let id, let usage):
      sink.put(29 as UInt64)
      sink.put(id)
      sink.put(usage)
    case .invariantBroken(let text):
      sink.put(30 as UInt64)
      sink.put(text)
    case .memoryEvicted(let id, let reason):
      sink.put(31 as UInt64)
      sink.put(id)
      sink.put(reason)
    case .suspensionPlanned(let id, let cell, let due):
      sink.put(33 as UInt64)
      sink.put(id)
      sink.put(cell)
      sink.put(due)
    case .suspensionCalledOff(let id, let cell):
      sink.put(34 as UInt64)
      sink.put(id)
      sink.put(cell)
    }
  }

  public init(from source: inout PackSource) throws(PackError) {
    try self.init(tag: try source.number(), from: &source)
  }

  /// Reads what follows the number of the case.
  init(tag: UInt64, from source: inout PackSource) throws(PackError) {
    switch tag {
    case 0: self = .policyChanged(try source.text())
    case 1: self = .nodeAdded(try source.value())
    case 2: self = .drainChanged(try source.value(), try source.value(), try source.value())
    case 3: self = .notebookOpened(try source.value())
    case 4: self = .kernelReady(try source.value())
    case 5: self = .kernelDied(try source.value())
    case 6: self = .notebookClosed(try source.value())
    case 7: self = .backlogChanged(try source.value(), try source.int32())
    case 8: self = .cellQueued(try source.value())
    case 9: self = .cellRefused(try source.value(), try source.value())
    case 10: self = .cellWaits(try source.value(), try source.value(), try source.value())
    case 11: self = .cellStarted(try source.value(), try source.value(), try source.value(), try source.value())
    case 12: self = .cellAdopted(try source.value(), started: try source.value(), try source.value())
    case 13: self = .cellResized(try source.value(), try source.value(), try source.value(), try source.value())
    case 14: self = .cellSuspended(try source.value(), try source.value(), try source.value())
    case 15: self = .cellResumed(try source.value(), try source.value(), try source.value(), try source.value())
    case 16: self = .interruptRequested(try source.value(), try source.value())
    case 17: self = .cellEnded(try source.value(), try source.value(), try source.choice())
    case 18: self = .priorityChanged(try source.value(), try source.int32())
    case 19: self = .pinned(try source.value(), try source.value())
    case 20: self = .unpinned(try source.value())
    case 21: self = .held(try source.value())
    case 22: self = .released(try source.value())
    case 23: self = .resumeOrdered(try source.value(), try source.value())
    case 24: self = .demandOverridden(try source.value(), try source.optional())
    case 25: self = .commandAccepted(try source.value())
    case 26: self = .commandRefused(try source.value(), try source.value())
    case 27: self = .decisionRefused(try source.value())
    case 28: self = .effectFailed(try source.value(), sequence: try source.signed(), why: try source.text())
    case 29: self = .usageSampled(try source.value(), try source.value())
    case 30: self = .invariantBroken(try source.text())
    case 31: self = .memoryEvicted(try source.value(), try source.value())
    case 33: self = .suspensionPlanned(try source.value(), try source.value(), due: try source.optional())
    case 34: self = .suspensionCalledOff(try source.value(), try source.value())
    case 100: self = .nodeAdded(try source.detailedNode())
    default: throw PackError("there is no event \(tag)")
    }
  }
}

extension Entry: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(sequence)
    sink.put(at)
    sink.put(event)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(sequence: try source.signed(), at: try source.value(), event: try source.value())
  }
}

extension Digest {
  /// Puts a whole entry in; compiled for this sink, where the generic form would not be from another module.
  public mutating func absorb(_ entry: Entry) { entry.pack(into: &self) }

  /// The same, from an entry's parts.
  public mutating func absorb(_ event: Event, sequence: Int64, at instant: Instant) {
    put(sequence)
    put(instant)
    event.pack(into: &self)
  }

  // The same for the frequent events, from their particulars: what `Event.pack` puts in, without making the event.

  public mutating func absorb(queued cell: Cell, sequence: Int64, at instant: Instant) {
    begin(.cellQueued, sequence, instant)
    cell.pack(into: &self)
  }

  /// - Parameter kind: `cellStarted`, `cellResumed` or `cellResized`.
  public mutating func absorb(
    _ kind: EventKind, _ cell: CellID, _ id: NotebookID, _ allotment: Allotment, _ reason: Reason, sequence: Int64,
    at instant: Instant
  ) {
    begin(kind, sequence, instant)
    cell.pack(into: &self)
    id.pack(into: &self)
    allotment.pack(into: &self)
    reason.pack(into: &self)
  }

  public mutating func absorb(
    ended cell: CellID, _ id: NotebookID, _ outcome: CellOutcome, sequence: Int64, at instant: Instant
  ) {
    begin(.cellEnded, sequence, instant)
    cell.pack(into: &self)
    id.pack(into: &self)
    put(UInt64(outcome.rawValue))
  }

  public mutating func absorb(
    suspended cell: CellID, _ id: NotebookID, _ reason: Reason, sequence: Int64, at instant: Instant
  ) {
    begin(.cellSuspended, sequence, instant)
    cell.pack(into: &self)
    id.pack(into: &self)
    reason.pack(into: &self)
  }

  private mutating func begin(_ kind: EventKind, _ sequence: Int64, _ instant: Instant) {
    put(sequence)
    put(instant)
    put(UInt64(kind.rawValue))
  }
}

extension PackBytes {
  /// Appends an event; compiled for this sink.
  public mutating func append(_ event: Event) { event.pack(into: &self) }
  /// Appends an input; compiled for this sink.
  public mutating func append(_ input: Input) { input.pack(into: &self) }
}
