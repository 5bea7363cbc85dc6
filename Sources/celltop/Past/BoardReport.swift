import Domain
import Projections

/// A board as JSON: what the screens show of a session at an instant. Times are seconds since its beginning.
struct BoardReport: Encodable {
  struct NodeRow: Encodable {
    var name: String
    var cores: String
    var gpus: Int
    var drainedCores: String
    var drainedGPUs: String
  }

  struct NotebookRow: Encodable {
    var number: Int32
    var name: String
    var user: String
    var path: String
    var state: String
    var sinceSeconds: Double
    var priority: Int32
    var isHeld: Bool
    var pin: String?
    var backlog: Int32
    var cell: Int64?
    var cores: String?
    var gpus: String?
    var isShared: Bool?
    var cellsEnded: Int
    var cellsFailed: Int
    var waitedSeconds: Double
    var ranSeconds: Double
    var usedCores: Double?
    var usedMemory: Int64?
  }

  struct QueueRow: Encodable {
    var place: Int
    var notebook: Int32
    var name: String
    var cell: Int64
    var demand: String
    var state: String
    var waitedSeconds: Double
    var reason: String
    var expectedSeconds: Double?
    var expectedEarlySeconds: Double?
    var expectedLateSeconds: Double?
  }

  struct EventRow: Encodable {
    var sequence: Int64
    var atSeconds: Double
    var sentence: String
  }

  var session: Int64
  var atSeconds: Double
  var endSeconds: Double
  var sequence: Int64
  var entries: Int64
  var policy: String
  var coresAllotted: Int
  var cores: Int
  var gpusAllotted: Int
  var gpus: Int
  var running: Int
  var thinking: Int
  var queued: Int
  var suspended: Int
  var faults: Int
  var nodes: [NodeRow]
  var notebooks: [NotebookRow]
  var queue: [QueueRow]
  var events: [EventRow]

  init(_ board: Board, at now: Instant, session: Int64, end: Instant, entries: Int64) {
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
        drainedGPUs: "\($0.drainedGPUs)")
    }
    notebooks = board.notebooks.map { Self.row($0, at: now) }
    queue = QueueTable(board).rows.enumerated().map { index, row in
      QueueRow(
        place: index + 1, notebook: row.notebook.number, name: row.name, cell: row.cell.id.number,
        demand: row.cell.demand.sentence, state: row.state.word, waitedSeconds: (now - row.since).seconds,
        reason: row.reason, expectedSeconds: row.wait?.expected?.median.seconds,
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
      usedCores: facts.usage.map { Double($0.millicores) / 1000 }, usedMemory: facts.usage?.memory.count)
  }
}

/// What changed between two instants, as JSON.
struct ChangesReport: Encodable {
  struct Row: Encodable {
    var number: Int32
    var name: String
    var user: String
    var before: String?
    var after: String
    var cellsEnded: Int
    var cellsFailed: Int
    var waitedSeconds: Double
    var ranSeconds: Double
    var orders: [String]
  }

  var session: Int64
  var fromSeconds: Double
  var toSeconds: Double
  var cellsEnded: Int
  var actions: Int
  var preemptions: Int
  var changes: [String]
  var notebooks: [Row]

  init(_ changes: BoardChanges, session: Int64) {
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
