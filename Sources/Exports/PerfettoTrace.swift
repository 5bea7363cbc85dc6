import Domain
import Projections

/// A session in the Trace Event Format, which `ui.perfetto.dev` and `chrome://tracing` open: cores and GPUs as tracks, cells
/// as slices on what they hold, each notebook's states as a track, and an arrow from each wait to the start that ended it.
///
/// **Source**: "Trace Event Format", Google, 2016: complete events (`X`), flow events (`s`, `f` with `bp: "e"`), instant
/// events (`i`), counters (`C`) and metadata (`M`). Times are microseconds since the session's beginning. Events of one
/// track come in order of time.
public struct PerfettoTrace {
  /// The processes of the trace, each a group of tracks.
  private enum Group: Int {
    case cores = 1, gpus, notebooks, shared, orders
  }

  private struct Open {
    var cell: Domain.Cell
    var since: Instant
    var allotment: Allotment?
    /// The wait that the next start ends.
    var flow: Int?
    var reason: Reason?
  }

  private struct Slice {
    var group: Group
    var track: Int
    var at: Instant
    /// Of one instant slices come before what is bound to them.
    var rank: Int
    var json: String
  }

  private var board = Board()
  private var open: [Open?] = []
  private var states: [(state: NotebookState, since: Instant)] = []
  private var flows = 0
  /// Slices wait until everything of their instant is known: a slice is written at its end, but sorted by its beginning.
  private var slices: [Slice] = []
  private let session: ExportedSession

  public init(_ session: ExportedSession) { self.session = session }

  /// Follows one entry.
  public mutating func take(_ entry: Entry) {
    let before = entry.event.notebook.flatMap { board[$0]?.state }
    board.apply(entry)
    let now = entry.at
    switch entry.event {
    case .notebookOpened(let notebook):
      while open.count <= Int(notebook.id.number) { open.append(nil) }
      while states.count <= Int(notebook.id.number) { states.append((.starting, now)) }
      states[Int(notebook.id.number)] = (.starting, now)
    case .cellQueued(let cell): open[Int(cell.notebook.number)] = Open(cell: cell, since: now)
    case .cellAdopted(let cell, _, let allotment):
      open[Int(cell.notebook.number)] = Open(cell: cell, since: now, allotment: allotment)
    case .cellStarted(_, let id, let allotment, let reason), .cellResumed(_, let id, let allotment, let reason):
      begin(id, allotment, reason, now)
    case .cellResized(_, let id, let allotment, let reason):
      close(id, now, "moved")
      begin(id, allotment, reason, now)
    case .cellSuspended(_, let id, let reason): close(id, now, reason.clause(naming: board.name))
    case .cellEnded(_, let id, let outcome):
      close(id, now, outcome.word)
      if id.number >= 0, Int(id.number) < open.count { open[Int(id.number)] = nil }
    case .commandAccepted(let command): mark(command, nil, entry)
    case .commandRefused(let command, let refusal): mark(command, refusal, entry)
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged,
      .cellRefused, .cellWaits, .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
      .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
      break
    }
    if let id = entry.event.notebook, let state = board[id]?.state, state != before { turn(id, to: state, now) }
  }

  /// The whole trace as JSON, once all entries have been taken.
  public mutating func finish() -> String {
    let now = board.now
    for index in open.indices { close(NotebookID(Int32(index)), now, "goes on") }
    for index in states.indices { endState(index, now) }
    // A stable order: by track, then by time; equal instants keep the order of the log.
    let ordered = slices.enumerated().sorted {
      ($0.element.group.rawValue, $0.element.track, $0.element.at, $0.element.rank, $0.offset)
        < ($1.element.group.rawValue, $1.element.track, $1.element.at, $1.element.rank, $1.offset)
    }
    var text = "{\"displayTimeUnit\": \"ms\", \"otherData\": "
    session.fields.json(into: &text)
    text += ",\n\"traceEvents\": [\n" + metadata().joined(separator: ",\n")
    for item in ordered { text += ",\n" + item.element.json }
    return text + "\n]}\n"
  }

  // MARK: Slices

  private mutating func begin(_ id: NotebookID, _ allotment: Allotment, _ reason: Reason, _ now: Instant) {
    guard id.number >= 0, Int(id.number) < open.count, open[Int(id.number)] != nil else { return }
    let index = Int(id.number)
    // The state's slice ends now, in `turn`; what waited is bound to what runs by a flow.
    if open[index]?.allotment == nil, now > states[index].since {
      flows += 1
      open[index]?.flow = flows
      // It leaves from within the wait's slice, just before its end.
      add(
        .notebooks, index, now - Span(microseconds: 1), phase: "s",
        extra: "\"id\": \(flows), \"name\": \"wait\", \"cat\": \"wait\"")
    }
    open[index]?.allotment = allotment
    open[index]?.since = now
    open[index]?.reason = reason
  }

  private mutating func close(_ id: NotebookID, _ now: Instant, _ end: String) {
    guard id.number >= 0, Int(id.number) < open.count, let item = open[Int(id.number)], let allotment = item.allotment
    else { return }
    open[Int(id.number)]?.allotment = nil
    open[Int(id.number)]?.flow = nil
    let name = "\(board.name(of: id)) [\(item.cell.id.number)]".jsonQuoted
    var fields = [
      Field("cell", item.cell.id.number), Field("user", board[id]?.notebook.user ?? ""),
      Field("asked", item.cell.demand.sentence), Field("end", end),
    ]
    if let reason = item.reason { fields.append(Field("why", reason.clause(naming: board.name))) }
    var args = ""
    fields.json(into: &args)
    let body = "\"dur\": \((now - item.since).microseconds), \"name\": \(name), \"cat\": \"cell\", \"args\": \(args)"
    var places: [(Group, Int)] = []
    if allotment.shared {
      places = [(.shared, Int(id.number))]
    } else {
      places = allotment.cores.map { (.cores, Self.track(allotment.node, $0)) }
      places += allotment.gpus.map { (.gpus, Self.track(allotment.node, $0)) }
    }
    for (group, track) in places { add(group, track, item.since, phase: "X", extra: body) }
    if let flow = item.flow, let (group, track) = places.first {
      add(
        group, track, item.since, phase: "f",
        extra: "\"bp\": \"e\", \"id\": \(flow), \"name\": \"wait\", \"cat\": \"wait\"")
    }
  }

  private mutating func turn(_ id: NotebookID, to state: NotebookState, _ now: Instant) {
    endState(Int(id.number), now)
    states[Int(id.number)] = (state, now)
  }

  private mutating func endState(_ index: Int, _ now: Instant) {
    let (state, since) = states[index]
    guard state != .gone, now > since else { return }
    let colours: [NotebookState: String] = [
      .running: "good", .queued: "bad", .suspended: "terrible", .thinking: "grey", .starting: "white",
    ]
    add(
      .notebooks, index, since, phase: "X",
      extra: "\"dur\": \((now - since).microseconds), \"name\": \"\(state.word)\", \"cat\": \"state\", "
        + "\"cname\": \"\(colours[state] ?? "grey")\"")
  }

  private mutating func mark(_ command: Command, _ refusal: Refusal?, _ entry: Entry) {
    var fields = [Field("author", command.author), Field("why", command.why)]
    if let refusal { fields.append(Field("refused", refusal.text)) }
    var args = ""
    fields.json(into: &args)
    add(
      .orders, 0, entry.at, phase: "i",
      extra:
        "\"s\": \"g\", \"name\": \(board.sentence(command.verb).jsonQuoted), \"cat\": \"order\", \"args\": \(args)"
    )
  }

  private mutating func add(_ group: Group, _ track: Int, _ at: Instant, phase: String, extra: String) {
    slices.append(
      Slice(
        group: group, track: track, at: at, rank: phase == "X" ? 0 : 1,
        json:
          "{\"ph\": \"\(phase)\", \"pid\": \(group.rawValue), \"tid\": \(track), \"ts\": \(at.microseconds), \(extra)}")
    )
  }

  /// The track of a core or GPU: nodes one after the other.
  private static func track(_ node: NodeID, _ number: Int) -> Int { Int(node.number) * 65_536 + number }

  private func metadata() -> [String] {
    func name(_ group: Group, _ track: Int?, _ text: String) -> String {
      let kind = track == nil ? "process_name" : "thread_name"
      return "{\"ph\": \"M\", \"pid\": \(group.rawValue), \"tid\": \(track ?? 0), \"ts\": 0, \"name\": \"\(kind)\", "
        + "\"args\": {\"name\": \(text.jsonQuoted)}}"
    }
    func order(_ group: Group, _ track: Int) -> String {
      "{\"ph\": \"M\", \"pid\": \(group.rawValue), \"tid\": \(track), \"ts\": 0, \"name\": \"thread_sort_index\", "
        + "\"args\": {\"sort_index\": \(track)}}"
    }
    var lines = [
      name(.cores, nil, "cores"), name(.notebooks, nil, "notebooks"), name(.orders, nil, "operators' orders"),
      name(.orders, 0, "orders"),
    ]
    if board.nodes.contains(where: { !$0.node.gpus.isEmpty }) { lines.append(name(.gpus, nil, "GPUs")) }
    if slices.contains(where: { $0.group == .shared }) { lines.append(name(.shared, nil, "shared by all")) }
    for facts in board.nodes {
      for core in facts.node.cores {
        let track = Self.track(facts.node.id, core)
        lines += [name(.cores, track, "\(facts.node.name) core \(core)"), order(.cores, track)]
      }
      for gpu in facts.node.gpus.indices {
        let track = Self.track(facts.node.id, gpu)
        lines += [name(.gpus, track, "\(facts.node.name) GPU \(gpu)"), order(.gpus, track)]
      }
    }
    for facts in board.notebooks {
      let number = Int(facts.notebook.id.number)
      lines += [name(.notebooks, number, "\(facts.name) (\(facts.notebook.user))"), order(.notebooks, number)]
      if slices.contains(where: { $0.group == .shared && $0.track == number }) {
        lines.append(name(.shared, number, facts.name))
      }
    }
    return lines
  }
}
