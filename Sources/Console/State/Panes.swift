import Domain

/// A part of the screen that can have the focus, in the order of the keys 1 to 6.
public enum Pane: Int, Sendable, Hashable, CaseIterable {
  case notebooks, queue, timeline, node, events, graphs

  var title: String {
    switch self {
    case .notebooks: "NOTEBOOKS"
    case .queue: "QUEUE"
    case .timeline: "TIMELINE"
    case .node: "CORES"
    case .events: "EVENTS"
    case .graphs: "GRAPHS"
    }
  }
}

/// Which panes share a screen that is large enough for several, and which of them gets the room.
public enum Arrangement: Int, Sendable, Hashable, CaseIterable {
  /// A bit of everything.
  case overview
  /// The notebooks, with the node and the queue.
  case table
  /// The timeline, with the notebooks.
  case time
  /// The cores and GPUs, with the graphs.
  case node
  /// The events, with the queue.
  case log

  /// A word for the message that tells of it.
  public var title: String {
    switch self {
    case .overview: "overview"
    case .table: "notebooks"
    case .time: "timeline"
    case .node: "node"
    case .log: "events"
    }
  }
}

/// A row of the notebook table.
public enum TableRow: Sendable, Hashable {
  /// A user, above his notebooks or with them folded away.
  case user(String)
  case notebook(NotebookID)
}

/// A column of the notebook table; each of them can be sorted by.
public enum TableColumn: Int, Sendable, Hashable, CaseIterable {
  case number, name, owner, state, time, priority, cores, gpus, used, memory, pin, behind, done, ran, waited

  /// A word for the table's title and for messages.
  public var title: String {
    switch self {
    case .number: "opened"
    case .name: "name"
    case .owner: "owner"
    case .state: "state"
    case .time: "time"
    case .priority: "priority"
    case .cores: "cores"
    case .gpus: "gpus"
    case .used: "used"
    case .memory: "memory"
    case .pin: "pin"
    case .behind: "behind"
    case .done: "done"
    case .ran: "ran"
    case .waited: "waited"
    }
  }

  /// What it tells, for the list of columns.
  var words: String {
    switch self {
    case .number: "the order of opening"
    case .name: "the notebook"
    case .owner: "its user"
    case .state: "what it does now"
    case .time: "for how long"
    case .priority: "the operator's priority"
    case .cores: "the cores it holds"
    case .gpus: "the GPUs it holds"
    case .used: "cores really used"
    case .memory: "memory in use"
    case .pin: "where it is pinned"
    case .behind: "cells waiting behind"
    case .done: "cells ended"
    case .ran: "time run in all"
    case .waited: "time waited in all"
    }
  }

  /// Whether the least comes first by itself: numbers and texts do so, amounts the other way round.
  var isAscending: Bool {
    switch self {
    case .number, .name, .owner, .pin: true
    case .state, .time, .priority, .cores, .gpus, .used, .memory, .behind, .done, .ran, .waited: false
    }
  }

  /// Whether the order changes by itself as time goes on.
  var movesWithTime: Bool {
    switch self {
    case .time, .ran, .waited: true
    case .number, .name, .owner, .state, .priority, .cores, .gpus, .used, .memory, .pin, .behind, .done: false
    }
  }
}

/// Where the timeline was moved to.
public struct TimelineView: Sendable, Hashable {
  /// The instant at its right end; nil follows the present.
  public internal(set) var end: Instant?
  /// The moment whose facts are told; nil where no moment was chosen.
  public internal(set) var cursor: Instant?
}

/// What is to be seen of the events.
public struct EventsView: Sendable, Hashable {
  /// What a line must contain.
  public internal(set) var filter = ""
  /// The entry at the bottom, by its sequence; nil follows the newest.
  public internal(set) var bottom: Int64?
}

/// The details of the selected notebook.
public struct DetailsView: Sendable, Hashable {
  /// Lines that are scrolled away above.
  public internal(set) var scrolled = 0
}

/// The processes of one kernel, as they were sampled.
public struct ProcessFacts: Sendable, Hashable {
  /// One process.
  public struct Row: Sendable, Hashable {
    public var pid: Int32
    /// How deep below the kernel's own process, which is 0.
    public var depth: Int
    /// The kernel's letter for its state: `R` running, `S` sleeping, `T` stopped … (proc(5)).
    public var state: Character
    /// The program's name as the operating system keeps it.
    public var name: String
    public var threads: Int
    /// Processor time since it began.
    public var cpu: Span
    public var memory: Bytes

    public init(
      pid: Int32, depth: Int, state: Character, name: String, threads: Int, cpu: Span, memory: Bytes
    ) {
      self.pid = pid
      self.depth = depth
      self.state = state
      self.name = name
      self.threads = threads
      self.cpu = cpu
      self.memory = memory
    }
  }

  public var notebook: NotebookID
  public var rows: [Row]
  /// How many more there are than rows.
  public var more: Int
  /// Why they are not told; nil where they are.
  public var why: String?

  public init(notebook: NotebookID, rows: [Row], more: Int = 0, why: String? = nil) {
    self.notebook = notebook
    self.rows = rows
    self.more = more
    self.why = why
  }
}

/// The code of a notebook's cell in hand, as its gate told it.
public struct CodeFacts: Sendable, Hashable {
  /// The most lines that are shown.
  public static let linesMost = 500

  public var notebook: NotebookID
  public var cell: CellID?
  public var lines: [String]
  /// Why it is not told; nil where it is.
  public var why: String?

  public init(notebook: NotebookID, cell: CellID?, lines: [String], why: String? = nil) {
    self.notebook = notebook
    self.cell = cell
    self.lines = lines
    self.why = why
  }
}
