import Domain

/// A board as JSON: what the screens show of a session at an instant. Times are seconds since its beginning.
public struct BoardReport: Codable, Hashable, Sendable {
  /// A node.
  public struct NodeRow: Codable, Hashable, Sendable {
    public var name: String
    public var cores: String
    public var gpus: Int
    public var drainedCores: String
    public var drainedGPUs: String
    /// GPU by GPU; nil where there is none.
    public var gpuPlaces: [GPURow]?
  }

  /// A notebook, one that is gone as well.
  public struct NotebookRow: Codable, Hashable, Sendable {
    public var number: Int32
    public var name: String
    public var user: String
    public var path: String
    public var state: String
    public var sinceSeconds: Double
    public var priority: Int32
    public var isHeld: Bool
    public var pin: String?
    public var backlog: Int32
    public var cell: Int64?
    public var cores: String?
    public var gpus: String?
    public var isShared: Bool?
    public var cellsEnded: Int
    public var cellsFailed: Int
    public var waitedSeconds: Double
    public var ranSeconds: Double
    public var usedCores: Double?
    public var usedMemory: Int64?
    /// When an operator has its cell suspended, in seconds; nil where that is not planned.
    public var suspendsAtSeconds: Double?
    /// Whether it is held once its cell has ended; nil for no.
    public var isHeldAtEnd: Bool?
    /// What its later cells ask for by order; nil for what they ask for themselves.
    public var demandOverride: String?
  }

  /// A cell that waits, in the order in which they are expected to start.
  public struct QueueRow: Codable, Hashable, Sendable {
    public var place: Int
    public var notebook: Int32
    public var name: String
    public var cell: Int64
    public var demand: String
    public var state: String
    public var waitedSeconds: Double
    public var reason: String
    public var expectedSeconds: Double?
    public var expectedEarlySeconds: Double?
    public var expectedLateSeconds: Double?
  }

  /// One of the latest entries that people would want to read.
  public struct EventRow: Codable, Hashable, Sendable {
    public var sequence: Int64
    public var atSeconds: Double
    public var sentence: String
  }

  public var session: Int64
  public var atSeconds: Double
  public var endSeconds: Double
  public var sequence: Int64
  public var entries: Int64
  public var policy: String
  public var coresAllotted: Int
  public var cores: Int
  public var gpusAllotted: Int
  public var gpus: Int
  public var running: Int
  public var thinking: Int
  public var queued: Int
  public var suspended: Int
  public var faults: Int
  public var nodes: [NodeRow]
  public var notebooks: [NotebookRow]
  public var queue: [QueueRow]
  public var events: [EventRow]
  /// What the session came to so far; nil from a server that does not say it.
  public var measures: MeasuresRow?
  /// What was used of late; nil from a server that does not say it.
  public var load: LoadRow?
  /// What each notebook did and its past cells; nil where it was not asked for (``tellPast(of:)``).
  public var timeline: [PastRow]?
  /// Why the session is not fully recorded at present; nil where it is.
  public var notRecorded: String?
  /// That no server runs, and what to do; nil where one does. The rest is the node as it is found.
  public var noServer: String?

  /// - Parameters:
  ///   - closedMost: of the notebooks that have closed, those are listed that are among the last so many; nil for all.
  ///   - isReplayed: whether the board is of a recording: no engine will say why a cell waits if no entry did.
  public init(
    _ board: Board, at now: Instant, session: Int64, end: Instant, entries: Int64, closedMost: Int? = nil,
    isReplayed: Bool = false
  ) {
    let overview = Overview(board)
    self.session = session
    atSeconds = now.seconds
    endSeconds = end.seconds
    sequence = board.sequence
    self.entries = entries
    policy = board.policy
    (coresAllotted, cores) = (overview.coresAllotted, overview.cores)
    (gpusAllotted, gpus) = (overview.gpusAllotted, overview.gpus)
    (running, thinking) = (overview.running, overview.thinking)
    (queued, suspended) = (overview.queued, overview.suspended)
    faults = overview.faults
    nodes = board.nodes.map {
      NodeRow(
        name: $0.node.name, cores: "\($0.node.cores)", gpus: $0.node.gpus.count, drainedCores: "\($0.drainedCores)",
        drainedGPUs: "\($0.drainedGPUs)",
        gpuPlaces: $0.node.gpus.isEmpty ? nil : NodeMap($0, of: board).gpus.map(GPURow.init))
    }
    measures = MeasuresRow(board.measures)
    load = LoadRow(board, at: now)
    let firstClosed = closedMost.map { board.notebooks.count - $0 } ?? 0
    notebooks = board.notebooks.indices.filter { place in
      place >= firstClosed
        || board.notebooks.look(at: NotebookID(Int32(place))) { $0.pointee.state != .gone }
    }.map { Self.row(board.notebooks[$0], at: now) }
    queue = QueueTable(board).rows.enumerated().map { index, row in
      QueueRow(
        place: index + 1, notebook: row.notebook.number, name: row.name, cell: row.cell.id.number,
        demand: row.cell.demand.sentence, state: row.state.word, waitedSeconds: (now - row.since).seconds,
        reason: isReplayed && row.wait == nil ? QueueTable.unrecorded : row.reason,
        expectedSeconds: row.wait?.expected?.median.seconds,
        expectedEarlySeconds: row.wait?.expected?.early.seconds, expectedLateSeconds: row.wait?.expected?.late.seconds)
    }
    events = board.events.suffix(20).map {
      EventRow(sequence: $0.sequence, atSeconds: $0.at.seconds, sentence: board.sentence($0))
    }
  }

  private static func row(_ facts: NotebookFacts, at now: Instant) -> NotebookRow {
    NotebookRow(
      number: facts.notebook.id.number, name: facts.name, user: facts.notebook.user, path: facts.notebook.path,
      state: facts.state.word, sinceSeconds: facts.since.seconds, priority: facts.priority, isHeld: facts.isHeld,
      pin: facts.pin?.sentence, backlog: facts.backlog, cell: facts.cell?.cell.id.number,
      cores: facts.cell?.allotment.map { "\($0.cores)" }, gpus: facts.cell?.allotment.map { "\($0.gpus)" },
      isShared: facts.cell?.allotment?.shared, cellsEnded: facts.cellsEnded, cellsFailed: facts.cellsFailed,
      waitedSeconds: facts.waited(at: now).seconds,
      ranSeconds: (facts.ran + (facts.cell?.ran(at: now) ?? .zero)).seconds,
      usedCores: facts.usage.map { Double($0.millicores) / 1000 }, usedMemory: facts.usage?.memory.count,
      suspendsAtSeconds: facts.planned?.due?.seconds, isHeldAtEnd: facts.planned.flatMap { $0.due == nil ? true : nil },
      demandOverride: facts.demandOverride?.sentence)
  }
}

/// What changed between two instants, as JSON.
public struct ChangesReport: Codable, Hashable, Sendable {
  /// What changed of a notebook.
  public struct Row: Codable, Hashable, Sendable {
    public var number: Int32
    public var name: String
    public var user: String
    public var before: String?
    public var after: String
    public var cellsEnded: Int
    public var cellsFailed: Int
    public var waitedSeconds: Double
    public var ranSeconds: Double
    public var orders: [String]
  }

  public var session: Int64
  public var fromSeconds: Double
  public var toSeconds: Double
  public var cellsEnded: Int
  public var actions: Int
  public var preemptions: Int
  public var changes: [String]
  public var notebooks: [Row]

  public init(_ changes: BoardChanges, session: Int64) {
    self.session = session
    (fromSeconds, toSeconds) = (changes.from.seconds, changes.to.seconds)
    (cellsEnded, actions, preemptions) = (changes.cellsEnded, changes.actions, changes.preemptions)
    self.changes = changes.session
    notebooks = changes.notebooks.map {
      Row(
        number: $0.notebook.number, name: $0.name, user: $0.user, before: $0.before?.word, after: $0.after.word,
        cellsEnded: $0.cellsEnded, cellsFailed: $0.cellsFailed, waitedSeconds: $0.waited.seconds,
        ranSeconds: $0.ran.seconds, orders: $0.orders)
    }
  }
}
