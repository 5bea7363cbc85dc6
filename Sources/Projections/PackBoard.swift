import Domain

/// The board as a key frame. Of each open notebook the latest `segmentsFramed` segments are kept, of the session the latest
/// `markersFramed` markers: a board that was read from a frame knows no more of the past before it.
extension Board: KeyFrame {
  public static let frameKind: UInt8 = 2
  /// 2 has no planned suspensions, no ordered demands, no details of nodes, no history of use, no measures and no past
  /// cells, and is read as it stands.
  public static let frameVersion: UInt8 = 3
  public static let frameVersionLeast: UInt8 = 2

  /// The most segments of a notebook in a frame.
  public static let segmentsFramed = 64
  /// The most markers of a notebook in a frame, and of the session.
  static let marksFramed = 32
  static let markersFramed = 1024

  public func packFrame(into sink: inout PackBytes) {
    packFrame(into: &sink, segments: Self.segmentsFramed, markers: Self.markersFramed, marks: Self.marksFramed)
  }

  /// - Parameters: how much of the past is kept: segments of a notebook, markers of the session and of a notebook.
  func packFrame(into sink: inout PackBytes, segments: Int, markers kept: Int, marks: Int) {
    sink.put(sequence)
    sink.put(now)
    sink.put(policy)
    sink.put(UInt64(faults))
    sink.put(nodes)
    sink.put(events)
    sink.put(Array(markers.suffix(kept)))
    sink.put(answers)
    sink.put(UInt64(notebooks.count))
    let open = notebooks.filter { $0.state != .gone }
    sink.put(UInt64(open.count))
    for facts in open { facts.pack(into: &sink, segments: segments, marks: marks) }
    let renamed = notebooks.filter { $0.state == .gone && $0.name != $0.notebook.name }
    sink.put(UInt64(renamed.count))
    for facts in renamed {
      sink.put(facts.notebook.id)
      sink.put(facts.name)
    }
    // What version 2 did not have comes last: a frame that ends before it is one of those.
    sink.putDetails(of: nodes.map(\.node))
    load.pack(into: &sink)
    sink.put(measures)
    for facts in open { facts.packPast(into: &sink) }
  }

  public init(frame source: inout PackSource, closed: (NotebookID) -> ClosedNotebook?) throws(PackError) {
    self.init()
    sequence = try source.signed()
    now = try source.value()
    policy = try source.text()
    faults = Int(clamping: try source.number())
    nodes = try source.list()
    events = try source.list()
    markers = try source.list()
    answers = try source.list()
    let count = try source.number()
    guard count <= UInt64(Int32.max) else { throw PackError("a board of \(count) notebooks is too large") }
    for _ in 0..<(try source.number()) {
      let facts = try NotebookFacts(from: &source)
      guard facts.notebook.id.number >= Int32(notebooks.count), Int64(facts.notebook.id.number) < Int64(count) else {
        throw PackError("notebooks are out of order")
      }
      try appendClosed(upTo: Int(facts.notebook.id.number), closed)
      notebooks.append(facts)
      takenNames.insert(facts.name)
    }
    try appendClosed(upTo: Int(count), closed)
    for _ in 0..<(try source.number()) {
      let id: NotebookID = try source.value()
      let name = try source.text()
      guard self[id] != nil else { throw PackError("a name is of no notebook") }
      notebooks[Int(id.number)].name = name
    }
    // Version 2 ends here.
    for (place, node) in try source.detailed(nodes.map(\.node)).enumerated() { nodes[place].node = node }
    if !source.isAtEnd {
      load = try LoadHistory(from: &source)
      measures = try source.value()
      for index in notebooks.indices where notebooks[index].state != .gone {
        try notebooks[index].unpackPast(from: &source)
      }
    }
    makeIndex()
    if let node = nodes.first { load.follow(gpus: node.node.gpus.count) }
  }

  private mutating func appendClosed(upTo count: Int, _ closed: (NotebookID) -> ClosedNotebook?) throws(PackError) {
    while notebooks.count < count {
      guard let left = closed(NotebookID(Int32(notebooks.count))) else {
        throw PackError("nothing is known of the closed notebook \(notebooks.count)")
      }
      notebooks.append(NotebookFacts(left))
    }
  }
}

extension NotebookFacts {
  /// A notebook that is gone, by what is left of it.
  init(_ left: ClosedNotebook) {
    self.init(left.notebook, named: left.notebook.name.isEmpty ? "unnamed" : left.notebook.name, opened: left.opened)
    state = .gone
    since = left.closed
    priority = left.priority
    cellsEnded = Int(left.cellsEnded)
    cellsFailed = Int(left.cellsFailed)
    waited = left.waited
    ran = left.ran
    segments = [Segment(state: .gone, from: left.closed)]
  }

  func pack(into sink: inout PackBytes, segments most: Int, marks marksMost: Int) {
    sink.put(notebook)
    sink.put(name)
    sink.put(UInt64(state.rawValue))
    sink.put(since)
    sink.put(priority)
    // 1: held; 2: something is planned, and follows; 4: a demand is ordered, and follows.
    sink.put((isHeld ? 1 : 0) | (planned == nil ? 0 : 2) | (demandOverride == nil ? 0 : 4) as UInt64)
    if let planned { sink.put(planned) }
    if let demandOverride { sink.put(demandOverride) }
    sink.put(pin)
    sink.put(backlog)
    sink.put(cell)
    sink.put(usage)
    sink.put(Int64(cellsEnded))
    sink.put(Int64(cellsFailed))
    sink.put(waited)
    sink.put(ran)
    let kept = segments.suffix(most)
    sink.put(UInt64(kept.count))
    var before: Int64 = 0
    for segment in kept {
      // Three bits tell the state; the rest is the time since the segment before.
      sink.put((segment.from.microseconds &- before) << 3 | Int64(segment.state.rawValue))
      before = segment.from.microseconds
    }
    sink.put(Array(marks.suffix(marksMost)))
  }

  init(from source: inout PackSource) throws(PackError) {
    let notebook: Notebook = try source.value()
    let name = try source.text()
    guard let state = NotebookState(rawValue: UInt8(truncatingIfNeeded: try source.number())) else {
      throw PackError("a notebook has a state that there is not")
    }
    self.init(notebook, named: name, opened: .zero)
    self.state = state
    since = try source.value()
    priority = try source.int32()
    let orders = try source.number()
    guard orders < 8 else { throw PackError("a notebook is held in a way that there is not") }
    isHeld = orders & 1 != 0
    if orders & 2 != 0 { planned = try source.value() }
    if orders & 4 != 0 { demandOverride = try source.value() }
    pin = try source.optional()
    backlog = try source.int32()
    cell = try source.optional()
    usage = try source.optional()
    cellsEnded = Int(try source.signed())
    cellsFailed = Int(try source.signed())
    waited = try source.value()
    ran = try source.value()
    segments.removeAll()
    var before: Int64 = 0
    for _ in 0..<(try source.number()) {
      let packed = try source.signed()
      guard let state = NotebookState(rawValue: UInt8(packed & 7)) else { throw PackError("a segment has no state") }
      before = before &+ (packed >> 3)
      segments.append(Segment(state: state, from: Instant(microseconds: before)))
    }
    marks = try source.list()
  }
}

extension NotebookFacts {
  /// What version 2 of the frame did not have.
  func packPast(into sink: inout PackBytes) {
    sink.put(alone)
    sink.put(shared)
    sink.put(past)
    sink.put(resident)
    sink.put(cell?.work)
    sink.put(cell?.settledAt)
  }

  mutating func unpackPast(from source: inout PackSource) throws(PackError) {
    alone = try source.value()
    shared = try source.value()
    past = try source.list()
    guard past.count <= Self.pastMost else { throw PackError("\(past.count) past cells are too many") }
    resident = try source.optional()
    let work: Span? = try source.optional()
    let settledAt: Instant? = try source.optional()
    cell?.work = work ?? .zero
    cell?.settledAt = settledAt
  }
}

extension CellFacts: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(cell)
    sink.put(started)
    sink.put(runningSince)
    sink.put(allotment)
    sink.put(wait)
    sink.put(isOperatorSuspended)
    sink.put(attained)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.value())
    started = try source.optional()
    runningSince = try source.optional()
    allotment = try source.optional()
    wait = try source.optional()
    isOperatorSuspended = try source.bool()
    attained = try source.value()
  }
}

extension PastCell: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(id)
    sink.put(submitted)
    sink.put(started.map { $0 - submitted })
    sink.put(ended - submitted)
    sink.put(ran)
    sink.put(UInt64(outcome.rawValue))
    sink.put(forecast)
    sink.put(demand)
  }

  public init(from source: inout PackSource) throws(PackError) {
    id = try source.value()
    submitted = try source.value()
    let wait: Span? = try source.optional()
    started = wait.map { [submitted] in submitted + $0 }
    ended = submitted + (try source.value())
    ran = try source.value()
    guard let outcome = CellOutcome(rawValue: UInt8(truncatingIfNeeded: try source.number())) else {
      throw PackError("a past cell has an outcome that there is not")
    }
    self.outcome = outcome
    forecast = try source.optional()
    demand = try source.value()
  }
}

extension ResidentMemory: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(gpus)
    sink.put(each)
    sink.put(isSaved)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(gpus: try source.value(), each: try source.value(), isSaved: try source.bool())
  }
}

extension NodeFacts: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(node)
    sink.put(drainedCores)
    sink.put(drainedGPUs)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.value())
    drainedCores = try source.value()
    drainedGPUs = try source.value()
  }
}

extension Marker: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(at)
    sink.put(sequence)
    sink.put(UInt64(kind.rawValue))
    sink.put(notebook)
  }

  public init(from source: inout PackSource) throws(PackError) {
    let at: Instant = try source.value()
    let sequence = try source.signed()
    guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: try source.number())) else {
      throw PackError("a marker is of no kind")
    }
    self.init(at: at, sequence: sequence, kind: kind, notebook: try source.optional())
  }
}

extension Answer: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(command)
    sink.put(refusal)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(command: try source.value(), refusal: try source.optional())
  }
}
