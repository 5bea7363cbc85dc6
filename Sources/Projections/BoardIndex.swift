import Domain

/// Who is where on a board: kept with every entry, so that a screen need not look at every notebook for each frame.
///
/// It says nothing that the notebooks do not say, so that boards are compared and framed without it.
struct BoardIndex: Sendable, Hashable {
  /// Notebooks by their state's number.
  private(set) var counts = [Int](repeating: 0, count: NotebookState.allCases.count)
  /// The notebooks that are not gone, in order of number; and those of them that wait, hold something, are pinned, or keep
  /// something in GPU memory.
  private(set) var open: [NotebookID] = []
  private(set) var waiting: [NotebookID] = []
  private(set) var holding: [NotebookID] = []
  private(set) var pinned: [NotebookID] = []
  private(set) var resident: [NotebookID] = []
  private(set) var cellsEnded = 0
  private(set) var memoryMebibytes: Int64 = 0
  /// How many use each core and GPU, by node.
  private var coreUsers: [[UInt16]] = []
  private var gpuUsers: [[UInt16]] = []
  private(set) var coresAllotted = 0
  private(set) var gpusAllotted = 0

  static func == (a: BoardIndex, b: BoardIndex) -> Bool { true }
  func hash(into hasher: inout Hasher) {}

  /// What of a notebook the index follows.
  struct Standing {
    var state: NotebookState
    var allotment: Allotment?
    var isPinned: Bool
    var isResident: Bool
    var memory: Bytes
    var cellsEnded: Int

    init(_ facts: borrowing NotebookFacts) {
      state = facts.state
      allotment = facts.cell?.allotment
      isPinned = facts.pin != nil
      isResident = facts.resident != nil
      memory = facts.state == .gone ? .zero : facts.usage?.memory ?? .zero
      cellsEnded = facts.cellsEnded
    }
  }

  mutating func opened(_ id: NotebookID, _ now: Standing) {
    counts[Int(now.state.rawValue)] += 1
    cellsEnded += now.cellsEnded
    if now.state != .gone { open.append(id) }
    if now.state.isWaiting { Self.insert(id, into: &waiting) }
    if now.isPinned { Self.insert(id, into: &pinned) }
    if now.isResident { Self.insert(id, into: &resident) }
    memoryMebibytes += now.memory.count >> 20
    guard let allotment = now.allotment else { return }
    Self.insert(id, into: &holding)
    count(allotment, by: 1)
  }

  mutating func moved(_ id: NotebookID, from old: Standing, to new: Standing) {
    if old.state != new.state {
      counts[Int(old.state.rawValue)] -= 1
      counts[Int(new.state.rawValue)] += 1
      if old.state.isWaiting != new.state.isWaiting { Self.turn(id, new.state.isWaiting, &waiting) }
      if (old.state == .gone) != (new.state == .gone) { Self.turn(id, new.state != .gone, &open) }
    }
    cellsEnded += new.cellsEnded - old.cellsEnded
    memoryMebibytes += (new.memory.count >> 20) - (old.memory.count >> 20)
    if old.isPinned != new.isPinned { Self.turn(id, new.isPinned, &pinned) }
    if old.isResident != new.isResident { Self.turn(id, new.isResident, &resident) }
    guard old.allotment != new.allotment else { return }
    if let allotment = old.allotment { count(allotment, by: -1) }
    if let allotment = new.allotment { count(allotment, by: 1) }
    if (old.allotment == nil) != (new.allotment == nil) { Self.turn(id, new.allotment != nil, &holding) }
  }

  /// Whether each GPU of a node is allotted, in thousandths.
  func gpusTaken(on node: Int, of count: Int) -> [Int64] {
    let users = node < gpuUsers.count ? gpuUsers[node] : []
    return (0..<count).map { $0 < users.count && users[$0] > 0 ? 1000 : 0 }
  }

  private mutating func count(_ allotment: Allotment, by step: Int) {
    let node = Int(allotment.node.number)
    // A log may say anything.
    guard (0..<4096).contains(node) else { return }
    while coreUsers.count <= node {
      coreUsers.append([])
      gpuUsers.append([])
    }
    for core in allotment.cores { coresAllotted += Self.count(core, by: step, &coreUsers[node]) }
    for gpu in allotment.gpus { gpusAllotted += Self.count(gpu, by: step, &gpuUsers[node]) }
  }

  /// 1 where the place is taken now and was not, -1 where it is free again.
  private static func count(_ place: Int, by step: Int, _ users: inout [UInt16]) -> Int {
    while users.count <= place { users.append(0) }
    if step > 0 {
      users[place] &+= 1
      return users[place] == 1 ? 1 : 0
    }
    guard users[place] > 0 else { return 0 }
    users[place] -= 1
    return users[place] == 0 ? -1 : 0
  }

  private static func turn(_ id: NotebookID, _ isIn: Bool, _ list: inout [NotebookID]) {
    if isIn {
      insert(id, into: &list)
    } else {
      let place = position(of: id, in: list)
      if place < list.count, list[place] == id { list.remove(at: place) }
    }
  }

  private static func insert(_ id: NotebookID, into list: inout [NotebookID]) {
    if let last = list.last, last >= id {
      list.insert(id, at: position(of: id, in: list))
    } else {
      list.append(id)
    }
  }

  private static func position(of id: NotebookID, in list: [NotebookID]) -> Int {
    var low = 0
    var high = list.count
    while low < high {
      let middle = (low + high) / 2
      if list[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension NotebookState {
  /// Whether a cell waits: it is queued, or suspended.
  var isWaiting: Bool { self == .queued || self == .suspended }
}

extension Board {
  /// The notebooks that are not gone, in order of number.
  public var openNotebooks: [NotebookID] { index.open }
  /// The notebooks whose cell waits or is suspended, in order of number.
  public var waitingNotebooks: [NotebookID] { index.waiting }
  /// The notebooks whose cell holds cores or GPUs, in order of number.
  public var holdingNotebooks: [NotebookID] { index.holding }
  /// The notebooks that keep something in GPU memory, in order of number.
  public var residentNotebooks: [NotebookID] { index.resident }
  var pinnedNotebooks: [NotebookID] { index.pinned }

  /// What is in use at present, by ``LoadHistory/Quantity``.
  public var amounts: [Int64] {
    [
      Int64(index.coresAllotted) * 1000, Int64(index.gpusAllotted) * 1000, index.memoryMebibytes,
      Int64(index.waiting.count) * 1000,
    ]
  }

  /// The history of use up to an instant at or after the last entry.
  public func load(until now: Instant) -> LoadHistory {
    var load = load
    load.hold(amounts, index.gpusTaken(on: 0, of: load.gpus.series), from: self.now, to: now)
    return load
  }

  /// Makes the index from the notebooks.
  mutating func makeIndex() {
    index = BoardIndex()
    for facts in notebooks { index.opened(facts.notebook.id, BoardIndex.Standing(facts)) }
  }
}
