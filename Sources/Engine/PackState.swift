import Domain

/// The state as a key frame: field by field, open notebooks only. Of a closed one the state keeps its description, its
/// last priority and how long its cells ran; `forgettingTheClosed` says what that leaves out.
extension SchedulerState: KeyFrame {
  public static let frameKind: UInt8 = 1
  /// 2 has no planned suspensions, no GPUs that kernels see and no details of nodes, and is read as it stands.
  public static let frameVersion: UInt8 = 3
  public static let frameVersionLeast: UInt8 = 2

  public func packFrame(into sink: inout PackBytes) {
    sink.put(now)
    sink.put(sequence)
    sink.put(policyName)
    sink.put(accepted)
    sink.put(lastCell)
    sink.put(ended)
    sink.put(nodes)
    sink.put(UInt64(notebooks.count))
    var open = 0
    for slot in notebooks where slot.state != .gone { open += 1 }
    sink.put(UInt64(open))
    for (index, slot) in notebooks.enumerated() where slot.state != .gone {
      sink.put(UInt64(index))
      sink.put(descriptions[index])
      slot.pack(into: &sink)
    }
    sink.put(waiting)
    sink.put(running)
    sink.putDetails(of: nodes.map(\.node))
  }

  public init(frame source: inout PackSource, closed: (NotebookID) -> ClosedNotebook?) throws(PackError) {
    self.init()
    now = try source.value()
    sequence = try source.signed()
    policyName = try source.text()
    accepted = try source.signed()
    lastCell = try source.value()
    ended = try source.signed()
    nodes = try source.list()
    let count = try source.number()
    guard count <= UInt64(Int32.max) else { throw PackError("a state of \(count) notebooks is too large") }
    notebooks.reserveCapacity(Int(min(count, 1 << 20)))
    descriptions.reserveCapacity(Int(min(count, 1 << 20)))
    for _ in 0..<(try source.number()) {
      let index = try source.number()
      guard index < count, index >= UInt64(notebooks.count) else { throw PackError("notebooks are out of order") }
      try appendClosed(upTo: Int(index), closed)
      let description: Notebook = try source.value()
      guard Int(description.id.number) == notebooks.count else { throw PackError("a notebook has another's number") }
      descriptions.append(description)
      notebooks.append(try NotebookSlot(description, from: &source))
    }
    try appendClosed(upTo: Int(count), closed)
    waiting = try source.list()
    running = try source.list()
    // Version 2 ends here.
    for (place, node) in try source.detailed(nodes.map(\.node)).enumerated() { nodes[place].learn(node) }
    try restoreCounts()
  }

  private mutating func appendClosed(upTo count: Int, _ closed: (NotebookID) -> ClosedNotebook?) throws(PackError) {
    while notebooks.count < count {
      guard let left = closed(NotebookID(Int32(notebooks.count))) else {
        throw PackError("nothing is known of the closed notebook \(notebooks.count)")
      }
      descriptions.append(left.notebook)
      var slot = NotebookSlot(left.notebook)
      slot.state = .gone
      slot.priority = left.priority
      slot.attainedBefore = left.ran
      notebooks.append(slot)
    }
  }

  /// What follows from the slots and the lists, and what must agree with them.
  private mutating func restoreCounts() throws(PackError) {
    for slot in notebooks {
      switch slot.state {
      case .queued: queuedCount += 1
      case .running: runningCount += 1
      case .suspended: suspendedCount += 1
      case .starting, .thinking, .gone: break
      }
      if slot.planned != nil { plannedCount += 1 }
      if let pin = slot.pin {
        pinnedCount += 1
        if pin.reserves { reserving.append(slot.cell.notebook) }
      }
      if let seen = slot.seenGPUs {
        guard contains(slot.node), seen.isSubset(of: self[slot.node].gpuSet) else {
          throw PackError("a kernel sees GPUs that its node has not")
        }
        count(seen, on: slot.node, by: 1)
      }
    }
    guard waiting.count == queuedCount + suspendedCount, running.count == runningCount else {
      throw PackError("the lists of notebooks are not those of their states")
    }
    for list in [waiting, running] {
      for (place, id) in list.enumerated() {
        guard contains(id) else { throw PackError("a list names notebook \(id.number), which there is not") }
        notebooks[Int(id.number)].place = Int32(place)
      }
    }
  }

  /// The state without what a key frame leaves out of closed notebooks: their last cell, and what was ordered of them.
  public var forgettingTheClosed: SchedulerState {
    var state = self
    for (index, slot) in notebooks.enumerated() where slot.state == .gone { state.notebooks[index] = bare(index) }
    return state
  }
}

extension NodeSlot: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(node)
    sink.put(idleCores)
    sink.put(idleGPUs)
    sink.put(drainedCores)
    sink.put(drainedGPUs)
    sink.put(idleMemory)
    sink.put(gpuMemoryUsed)
    sink.put(savingUntil)
    sink.put(residents)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(try source.value())
    idleCores = try source.value()
    idleGPUs = try source.value()
    drainedCores = try source.value()
    drainedGPUs = try source.value()
    idleMemory = try source.value()
    gpuMemoryUsed = try source.list()
    savingUntil = try source.list()
    residents = try source.list()
    guard gpuMemoryUsed.count == node.gpus.count, savingUntil.count == node.gpus.count else {
      throw PackError("a node's GPUs and their memory differ in number")
    }
  }
}

extension NotebookSlot {
  /// Which of the fields that are seldom set follow.
  private struct Rare: OptionSet {
    var rawValue: UInt64
    static let held = Rare(rawValue: 1)
    static let operatorSuspended = Rare(rawValue: 2)
    static let memory = Rare(rawValue: 4)
    static let pin = Rare(rawValue: 8)
    static let demandOverride = Rare(rawValue: 16)
    static let started = Rare(rawValue: 32)
    static let wait = Rare(rawValue: 64)
    static let residency = Rare(rawValue: 128)
    static let seenGPUs = Rare(rawValue: 256)
    static let planned = Rare(rawValue: 512)
  }

  func pack(into sink: inout PackBytes) {
    var rare: Rare = []
    if isHeld { rare.insert(.held) }
    if isOperatorSuspended { rare.insert(.operatorSuspended) }
    if holdsMemory { rare.insert(.memory) }
    if pin != nil { rare.insert(.pin) }
    if demandOverride != nil { rare.insert(.demandOverride) }
    if started != nil { rare.insert(.started) }
    if wait != nil { rare.insert(.wait) }
    if residency != nil { rare.insert(.residency) }
    if seenGPUs != nil { rare.insert(.seenGPUs) }
    if planned != nil { rare.insert(.planned) }
    sink.put(UInt64(state.rawValue))
    sink.put(rare.rawValue)
    sink.put(node)
    sink.put(priority)
    sink.put(backlog)
    sink.put(cell)
    sink.put(allotment)
    sink.put(runningSince)
    sink.put(attained)
    sink.put(attainedBefore)
    if let pin { sink.put(pin) }
    if let demandOverride { sink.put(demandOverride) }
    if let started { sink.put(started) }
    if let wait { sink.put(wait) }
    if let residency { sink.put(residency) }
    if let seenGPUs { sink.put(seenGPUs) }
    if let planned { sink.put(planned) }
  }

  init(_ notebook: Notebook, from source: inout PackSource) throws(PackError) {
    self.init(notebook)
    let raw = try source.number()
    guard let byte = UInt8(exactly: raw), let known = NotebookState(rawValue: byte), known != .gone else {
      throw PackError("an open notebook cannot be in state \(raw)")
    }
    state = known
    let rare = Rare(rawValue: try source.number())
    isHeld = rare.contains(.held)
    isOperatorSuspended = rare.contains(.operatorSuspended)
    holdsMemory = rare.contains(.memory)
    node = try source.value()
    priority = try source.int32()
    backlog = try source.int32()
    cell = try source.value()
    allotment = try source.value()
    runningSince = try source.value()
    attained = try source.value()
    attainedBefore = try source.value()
    if rare.contains(.pin) { pin = try source.value() }
    if rare.contains(.demandOverride) { demandOverride = try source.value() }
    if rare.contains(.started) { started = try source.value() }
    if rare.contains(.wait) { wait = try source.value() }
    if rare.contains(.residency) { residency = try source.value() }
    if rare.contains(.seenGPUs) { seenGPUs = try source.value() }
    if rare.contains(.planned) { planned = try source.value() }
    guard cell.notebook == notebook.id else { throw PackError("a notebook has another's cell") }
  }
}

extension Residency: Packable {
  public func pack(into sink: inout some PackSink) {
    sink.put(gpus)
    sink.put(bytes)
    sink.put(UInt64(isSaved ? 1 : 0))
    sink.put(used)
    sink.put(delay)
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init(gpus: try source.value(), bytes: try source.value(), used: .zero)
    isSaved = try source.number() != 0
    used = try source.value()
    delay = try source.value()
  }
}
