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
    var taken: [(CoreSet, GPUSet)] = board.nodes.map { _ in (CoreSet(), GPUSet()) }
    for notebook in board.notebooks {
      cellsEnded += notebook.cellsEnded
      switch notebook.state {
      case .gone: continue
      case .starting: starting += 1
      case .thinking: thinking += 1
      case .queued: queued += 1
      case .running: running += 1
      case .suspended: suspended += 1
      }
      notebooks += 1
      if let allotment = notebook.cell?.allotment, Int(allotment.node.number) < taken.count {
        taken[Int(allotment.node.number)].0.formUnion(allotment.cores)
        taken[Int(allotment.node.number)].1.formUnion(allotment.gpus)
      }
    }
    coresAllotted = taken.reduce(0) { $0 + $1.0.count }
    gpusAllotted = taken.reduce(0) { $0 + $1.1.count }
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
  }

  public var node: Node
  public var cores: [Place]
  public var gpus: [Place]

  public init(_ facts: NodeFacts, of board: Board) {
    node = facts.node
    cores = node.cores.map { Place(number: $0, isDrained: facts.drainedCores.contains($0)) }
    gpus = node.gpus.indices.map { Place(number: $0, isDrained: facts.drainedGPUs.contains($0)) }
    for notebook in board.notebooks where notebook.notebook.node == node.id && notebook.state != .gone {
      let id = notebook.notebook.id
      if let allotment = notebook.cell?.allotment {
        for index in cores.indices where allotment.cores.contains(cores[index].number) { cores[index].users.append(id) }
        for index in gpus.indices where allotment.gpus.contains(index) { gpus[index].users.append(id) }
      }
      if let pin = notebook.pin {
        for index in cores.indices where pin.cores.contains(cores[index].number) { cores[index].pinned.append(id) }
        for index in gpus.indices where pin.gpus.contains(index) { gpus[index].pinned.append(id) }
      }
    }
  }
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

  public init(_ board: Board) {
    rows = board.notebooks.compactMap { notebook in
      guard let facts = notebook.cell, notebook.state == .queued || notebook.state == .suspended else { return nil }
      let reason = facts.wait?.clause(naming: board.name) ?? "being looked at"
      return Row(
        notebook: notebook.notebook.id, name: notebook.name, cell: facts.cell, priority: notebook.priority,
        state: notebook.state, wait: facts.wait, since: notebook.since, reason: reason)
    }
    rows.sort { ($0.wait?.place ?? .max, $0.cell.id) < ($1.wait?.place ?? .max, $1.cell.id) }
  }
}
