import Domain
import Glibc
import Projections

/// The tables that a session is exported as.
public enum ExportTable: String, Sendable, CaseIterable {
  case entries, cells, notebooks, actions, usage
}

/// What an export says of the session as a whole.
public struct ExportedSession: Sendable {
  public var number: Int64
  public var kind: String
  public var host: String
  public var user: String
  public var note: String
  /// Wall time of the beginning, in microseconds since 1970.
  public var beganMicroseconds: Int64
  /// What the place's clocks are ahead of UTC, in seconds.
  public var utcOffsetSeconds: Int

  public init(
    number: Int64, kind: String, host: String, user: String, note: String, beganMicroseconds: Int64,
    utcOffsetSeconds: Int
  ) {
    self.number = number
    self.kind = kind
    self.host = host
    self.user = user
    self.note = note
    self.beganMicroseconds = beganMicroseconds
    self.utcOffsetSeconds = utcOffsetSeconds
  }

  var fields: [Field] {
    [
      Field("session", number), Field("kind", kind), Field("host", host), Field("user", user), Field("note", note),
      Field("beganMicroseconds", beganMicroseconds),
    ]
  }

  /// An instant as wall time: `2026-03-13T14:02:11.250000Z`.
  func wall(_ instant: Instant) -> String {
    let microseconds = beganMicroseconds + instant.microseconds
    let rest = microseconds % 1_000_000
    var seconds = time_t((microseconds - rest) / 1_000_000 - (rest < 0 ? 1 : 0))
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(rest < 0 ? rest + 1_000_000 : rest)
    return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
      + "\(two(parts.tm_min)):\(two(parts.tm_sec)).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)Z"
  }
}

/// Follows a session's entries and gives the rows of its tables as they come to be complete.
struct TableReader {
  /// A row, in the order of its table's columns.
  struct Row {
    var table: ExportTable
    var fields: [Field]
  }

  private struct OpenCell {
    var cell: Domain.Cell
    var started: Instant?
    var ran = Span.zero
    var runningSince: Instant?
    var allotment: Allotment?
    var preemptions = 0
    var heldCores = 0.0
    var heldGPUs = 0.0
  }

  private struct OpenNotebook {
    var notebook: Notebook
    var name: String
    var opened: Instant
    var closed: Instant?
    var cells = 0
    var failed = 0
    var waited = Span.zero
    var ran = Span.zero
    var heldCores = 0.0
    var heldGPUs = 0.0
    var cell: OpenCell?
  }

  private let session: ExportedSession
  private(set) var board = Board()
  private var notebooks: [OpenNotebook] = []
  private(set) var rows: [Row] = []
  private var actions = 0

  init(_ session: ExportedSession) { self.session = session }

  /// Follows one entry; its rows stand in `rows` until the next call.
  mutating func take(_ entry: Entry) {
    rows.removeAll(keepingCapacity: true)
    board.apply(entry)
    add(entry)
    switch entry.event {
    case .notebookOpened(let notebook):
      notebooks.append(OpenNotebook(notebook: notebook, name: board.name(of: notebook.id), opened: entry.at))
    case .notebookClosed(let id): change(id) { $0.closed = entry.at }
    case .cellQueued(let cell): change(cell.notebook) { $0.cell = OpenCell(cell: cell) }
    case .cellRefused(let cell, _):
      change(cell.notebook) { $0.cell = OpenCell(cell: cell) }
      end(cell.notebook, .refused, entry.at)
    case .cellAdopted(let cell, let started, let allotment):
      change(cell.notebook) { $0.cell = OpenCell(cell: cell, started: started, ran: entry.at - started) }
      begin(cell.notebook, allotment, entry.at)
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      begin(id, allotment, entry.at)
    case .cellResized(_, let id, let allotment, _):
      stop(id, entry.at)
      begin(id, allotment, entry.at)
    case .cellSuspended(_, let id, _):
      stop(id, entry.at)
      change(id) { $0.cell?.preemptions += 1 }
    case .cellEnded(_, let id, let outcome): end(id, outcome, entry.at)
    case .commandAccepted(let command): act(command, nil, entry)
    case .commandRefused(let command, let refusal): act(command, refusal, entry)
    case .usageSampled(let id, let usage):
      rows.append(
        Row(
          table: .usage,
          fields: place(entry) + [
            Field("notebook", id.number), Field("name", board.name(of: id)),
            Field("user", board[id]?.notebook.user ?? ""), Field("millicores", usage.millicores),
            Field("memory", usage.memory.count),
          ]))
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .backlogChanged, .cellWaits,
      .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden,
      .decisionRefused, .effectFailed, .invariantBroken, .memoryEvicted, .gpusSeen, .suspensionPlanned,
      .suspensionCalledOff:
      break
    }
  }

  /// What is complete only when the session is over: cells without an end, and the notebooks.
  mutating func finish() {
    rows.removeAll()
    let now = board.now
    for index in notebooks.indices where notebooks[index].cell != nil {
      let id = notebooks[index].notebook.id
      stop(id, now)
      end(id, nil, now)
    }
    for record in notebooks {
      rows.append(
        Row(
          table: .notebooks,
          fields: [
            Field("notebook", record.notebook.id.number), Field("name", record.name),
            Field("user", record.notebook.user), Field("path", record.notebook.path),
            Field("kernel", record.notebook.kernel), Field("node", record.notebook.node.number),
            Field("opened", record.opened.microseconds), Field("closed", .optional(record.closed?.microseconds)),
            Field("cells", record.cells), Field("cellsFailed", record.failed),
            Field("waited", record.waited.microseconds),
            Field("ran", record.ran.microseconds), Field("coreHours", .real(record.heldCores / 3.6e9)),
            Field("gpuHours", .real(record.heldGPUs / 3.6e9)),
          ]))
    }
  }

  private func place(_ entry: Entry) -> [Field] {
    [Field("sequence", entry.sequence), Field("at", entry.at.microseconds), Field("time", session.wall(entry.at))]
  }

  private mutating func add(_ entry: Entry) {
    let (kind, fields) = entry.event.exported
    let id = entry.event.notebook
    rows.append(
      Row(
        table: .entries,
        fields: place(entry) + [
          Field("event", kind), Field("notebook", .optional(id.map { Int64($0.number) })),
          Field("name", id.map { .text(board.name(of: $0)) } ?? .null),
          Field("cell", .optional(entry.event.cell?.number)),
          Field("fields", .object(fields.filter { $0.name != "cell" })), Field("sentence", board.sentence(entry)),
        ]))
  }

  private mutating func act(_ command: Command, _ refusal: Refusal?, _ entry: Entry) {
    actions += 1
    let id = command.verb.notebook
    rows.append(
      Row(
        table: .actions,
        fields: [Field("action", actions)] + place(entry) + [
          Field("author", command.author), Field("verb", command.verb.word),
          Field("notebook", .optional(id.map { Int64($0.number) })),
          Field("name", id.map { .text(board.name(of: $0)) } ?? .null), Field("order", board.sentence(command.verb)),
          Field("why", command.why), Field("refused", refusal.map { .text($0.text) } ?? .null),
        ]))
  }

  private mutating func change(_ id: NotebookID, _ body: (inout OpenNotebook) -> Void) {
    guard id.number >= 0, Int(id.number) < notebooks.count else { return }
    body(&notebooks[Int(id.number)])
  }

  private mutating func begin(_ id: NotebookID, _ allotment: Allotment, _ now: Instant) {
    change(id) {
      if $0.cell?.started == nil { $0.cell?.started = now }
      $0.cell?.runningSince = now
      $0.cell?.allotment = allotment
    }
  }

  private mutating func stop(_ id: NotebookID, _ now: Instant) {
    change(id) { record in
      guard var cell = record.cell, let since = cell.runningSince, let allotment = cell.allotment else { return }
      let span = now - since
      cell.ran += span
      cell.runningSince = nil
      let held = allotment.counted(coresMost: cell.cell.demand.coresMost, gpus: cell.cell.demand.gpus)
      cell.heldCores += Double(span.microseconds) * Double(held.cores)
      cell.heldGPUs += Double(span.microseconds) * Double(held.gpus)
      record.cell = cell
    }
  }

  private mutating func end(_ id: NotebookID, _ outcome: CellOutcome?, _ now: Instant) {
    stop(id, now)
    guard id.number >= 0, Int(id.number) < notebooks.count, let cell = notebooks[Int(id.number)].cell else { return }
    let record = notebooks[Int(id.number)]
    let waited = (cell.started ?? now) - cell.cell.submitted
    rows.append(
      Row(
        table: .cells,
        fields: [
          Field("cell", cell.cell.id.number), Field("notebook", id.number), Field("name", record.name),
          Field("user", record.notebook.user), Field("submitted", cell.cell.submitted.microseconds),
          Field("submittedTime", session.wall(cell.cell.submitted)),
          Field("started", .optional(cell.started?.microseconds)),
          Field("ended", outcome == nil ? .null : .number(now.microseconds)),
          Field("outcome", outcome.map { .text($0.word) } ?? .null), Field("waited", waited.microseconds),
          Field("ran", cell.ran.microseconds), Field("suspensions", cell.preemptions),
          Field("coresLast", cell.allotment.map { .text("\($0.cores)") } ?? .null),
          Field("gpusLast", cell.allotment.map { .text("\($0.gpus)") } ?? .null),
          Field("coreSeconds", .real(cell.heldCores / 1e6)), Field("gpuSeconds", .real(cell.heldGPUs / 1e6)),
        ] + cell.cell.demand.exported
          + [Field("foreseenMedian", .optional(cell.cell.forecast?.run.p50.microseconds))]))
    change(id) {
      $0.cell = nil
      if outcome != nil { $0.cells += 1 }
      if let outcome, outcome != .ok { $0.failed += 1 }
      $0.waited += waited
      $0.ran += cell.ran
      $0.heldCores += cell.heldCores
      $0.heldGPUs += cell.heldGPUs
    }
  }
}
