import Domain

/// The session in one line: how much is allotted, and what the notebooks do.
public struct Overview: Sendable, Hashable {
  public var nodeName: String
  public var coresAllotted = 0
  public var cores = 0
  public var gpusAllotted = 0
  public var gpus = 0
  public var notebooks = 0
  public var running = 0
  public var thinking = 0
  public var queued = 0
  public var suspended = 0
  public var starting = 0
  public var cellsEnded = 0
  /// Memory in use by the notebooks, as it was sampled, and what the nodes have; zero where unknown.
  public var memory = Bytes.zero
  public var memoryMost = Bytes.zero
  public var policy: String
  public var faults: Int

  public init(_ board: Board) {
    nodeName = board.nodes.first?.node.name ?? "no node"
    policy = board.policy
    faults = board.faults
    for node in board.nodes {
      cores += node.node.cores.count
      gpus += node.node.gpus.count
    }
    let index = board.index
    func count(_ state: NotebookState) -> Int { index.counts[Int(state.rawValue)] }
    starting = count(.starting)
    thinking = count(.thinking)
    queued = count(.queued)
    running = count(.running)
    suspended = count(.suspended)
    notebooks = index.open.count
    cellsEnded = index.cellsEnded
    memory = Bytes(index.memoryMebibytes << 20)
    memoryMost = board.nodes.reduce(.zero) { $0 + $1.node.memory }
    coresAllotted = index.coresAllotted
    gpusAllotted = index.gpusAllotted
  }
}

/// Who is on each core and GPU of a node.
public struct NodeMap: Sendable, Hashable {
  public struct Place: Sendable, Hashable {
    /// The core's or GPU's number.
    public var number: Int
    /// Who runs there, in order of number; several only where a policy shares.
    public var users: [NotebookID] = []
    /// Who is pinned there.
    public var pinned: [NotebookID] = []
    public var isDrained = false
    /// How many keep something in a GPU's memory, the first of them, and how much they said it is.
    public var residents = 0
    public var firstResident: NotebookID?
    public var memory = Bytes.zero
  }

  public var node: Node
  public var cores: [Place]
  public var gpus: [Place]

  public init(_ facts: NodeFacts, of board: Board) {
    node = facts.node
    cores = node.cores.map { Place(number: $0, isDrained: facts.drainedCores.contains($0)) }
    gpus = node.gpus.indices.map { Place(number: $0, isDrained: facts.drainedGPUs.contains($0)) }
    // Where a core's number stands in the list: cores may be numbered with gaps.
    var places = [Int](repeating: -1, count: (cores.last?.number ?? -1) + 1)
    for (place, core) in cores.enumerated() { places[core.number] = place }
    func place(_ core: Int) -> Int? { core < places.count && places[core] >= 0 ? places[core] : nil }
    for id in board.holdingNotebooks {
      guard let allotment = board.notebooks.look(at: id, { $0.pointee.cell?.allotment }), allotment.node == node.id
      else {
        continue
      }
      for core in allotment.cores { if let place = place(core) { cores[place].users.append(id) } }
      for gpu in allotment.gpus where gpu < gpus.count { gpus[gpu].users.append(id) }
    }
    for id in board.pinnedNotebooks {
      guard let pin = board.notebooks.look(at: id, { $0.pointee.pin }), pin.node == node.id else { continue }
      for core in pin.cores { if let place = place(core) { cores[place].pinned.append(id) } }
      for gpu in pin.gpus where gpu < gpus.count { gpus[gpu].pinned.append(id) }
    }
    for id in board.residentNotebooks {
      let own = board.notebooks.look(at: id) { $0.pointee.notebook.node == node.id ? $0.pointee.resident : nil }
      guard let resident = own, !resident.isSaved else { continue }
      for gpu in resident.gpus where gpu < gpus.count {
        gpus[gpu].residents += 1
        if gpus[gpu].firstResident == nil { gpus[gpu].firstResident = id }
        gpus[gpu].memory = gpus[gpu].memory + resident.each
      }
    }
  }
}

/// The waiting cells in the order in which they are expected to start, as numbers only: what a screen needs of those that
/// it has no room for.
public struct WaitingOrder: Sendable, Hashable {
  public var cells: [(notebook: NotebookID, cell: CellID, place: Int32)]

  public init(_ board: Board) {
    cells = board.waitingNotebooks.compactMap { id in
      board.notebooks.look(at: id) { facts in
        guard let cell = facts.pointee.cell?.cell.id else { return nil }
        return (id, cell, facts.pointee.cell?.wait?.place ?? .max)
      }
    }
    cells.sort { ($0.place, $0.cell) < ($1.place, $1.cell) }
  }

  public static func == (a: WaitingOrder, b: WaitingOrder) -> Bool {
    a.cells.elementsEqual(b.cells) { $0 == $1 }
  }

  public func hash(into hasher: inout Hasher) { for cell in cells { hasher.combine(cell.cell) } }
}

/// The waiting cells in the order in which they are expected to start.
public struct QueueTable: Sendable, Hashable {
  public struct Row: Sendable, Hashable {
    public var notebook: NotebookID
    public var name: String
    public var cell: Cell
    public var priority: Int32
    public var state: NotebookState
    public var wait: Wait?
    /// Since when it has waited: its submission, or its suspension.
    public var since: Instant
    /// The wait in words.
    public var reason: String
  }

  public var rows: [Row]

  /// What a replay says where no entry gave a reason: a simulation that was recorded without them.
  public static let unrecorded = "no reason recorded"

  public init(_ board: Board) { self.init(board, WaitingOrder(board).cells[...]) }

  /// The rows of a part of the order.
  public init(_ board: Board, _ cells: ArraySlice<(notebook: NotebookID, cell: CellID, place: Int32)>) {
    rows = cells.compactMap { place in
      let notebook = board.notebooks[Int(place.notebook.number)]
      guard let facts = notebook.cell else { return nil }
      let reason = facts.wait?.clause(naming: board.name) ?? "being looked at"
      return Row(
        notebook: place.notebook, name: notebook.name, cell: facts.cell, priority: notebook.priority,
        state: notebook.state, wait: facts.wait, since: notebook.since, reason: reason)
    }
  }
}
