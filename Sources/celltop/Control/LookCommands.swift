import ArgumentParser
import Domain
import Foundation
import History
import Projections
import ServerLink
import Verbs

/// `celltop ctl status`: the session in a few lines.
struct ControlStatus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say what the server does: its policy, its load, its notebooks by state.")

  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let connection = try control.connect(.none)
      let report = try connection.status()
      if control.json { return try control.print(report) }
      let welcome = connection.welcome
      let notebooks =
        "\(report.running) running, \(report.queued) queued, \(report.suspended) suspended, \(report.thinking) thinking"
      let faults: String = report.faults == 0 ? "none" : "\(report.faults): see the events; these are bugs of celltop"
      let drained = report.nodes.flatMap { node -> [String] in
        let cores = node.drainedCores.isEmpty ? nil : "cores \(node.drainedCores)"
        let gpus = node.drainedGPUs.isEmpty ? nil : "GPUs \(node.drainedGPUs)"
        return [cores, gpus].compactMap(\.self)
      }
      var rows: [[String]] = [
        ["server", "\(welcome.server) on \(welcome.host), at \(connection.path)"],
        ["session", welcome.session == 0 ? "not recorded" : "\(welcome.session)"],
        ["running for", Tool.clock(Int64(report.atSeconds))], ["you are", "\(welcome.user), \(welcome.role.rawValue)"],
        ["policy", report.policy], ["cores", "\(report.coresAllotted) of \(report.cores) allotted"],
        ["GPUs", "\(report.gpusAllotted) of \(report.gpus) allotted"], ["notebooks", notebooks],
        ["recording", report.notRecorded.map { "NOT COMPLETE: \($0)" } ?? "complete"], ["faults", faults],
      ]
      if !drained.isEmpty {
        let place = rows.firstIndex { $0[0] == "notebooks" } ?? rows.endIndex
        rows.insert(["drained", drained.joined(separator: ", ")], at: place)
      }
      print(columns(rows))
    }
  }
}

/// `celltop ctl notebooks`: the open notebooks.
struct ControlNotebooks: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "notebooks", abstract: "List the open notebooks.")

  @Flag(help: "Those that are gone as well.") var all = false
  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let connection = try control.connect(.none)
      let rows = try connection.status().notebooks.filter { all || $0.state != NotebookState.gone.word }
      if control.json { return try control.print(rows) }
      if rows.isEmpty { return print("no notebook is open") }
      let head = ["#", "name", "user", "state", "cell", "cores", "GPUs", "priority", "ended", "path"]
      print(columns([head] + rows.map(Self.line)))
    }
  }

  private static func line(_ row: BoardReport.NotebookRow) -> [String] {
    let state: String = row.isHeld ? row.state + ", held" : row.state
    let cell: String = row.cell.map { "\($0)" } ?? "-"
    let gpus: String = row.gpus.flatMap { $0.isEmpty ? nil : $0 } ?? "-"
    let line: [String] = [
      "\(row.number)", row.name, row.user, state, cell, row.cores ?? "-", gpus, "\(row.priority)",
      "\(row.cellsEnded)", row.path,
    ]
    return line.map { $0.printable(at: 200) }
  }
}

/// `celltop ctl queue`: the waiting cells.
struct ControlQueue: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue", abstract: "List the waiting cells in the order in which they are expected to start.")

  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let report = try control.connect(.none).status()
      if control.json { return try control.print(report.queue) }
      if report.queue.isEmpty { return print("no cell waits") }
      let head = ["place", "name", "cell", "state", "waited", "starts", "asks for", "why it waits"]
      print(columns([head] + report.queue.map { Self.line($0, at: report.atSeconds) }))
    }
  }

  private static func line(_ row: BoardReport.QueueRow, at now: Double) -> [String] {
    let line: [String] = [
      "\(row.place)", row.name, "\(row.cell)", row.state, Tool.clock(Int64(row.waitedSeconds)), starts(row, at: now),
      row.demand, row.reason,
    ]
    return line.map { $0.printable(at: 200) }
  }
}

/// "in 40 s (20 to 90 s)", or that it is not known.
private func starts(_ row: BoardReport.QueueRow, at now: Double) -> String {
  guard let median = row.expectedSeconds, let early = row.expectedEarlySeconds, let late = row.expectedLateSeconds
  else {
    return "not known"
  }
  func left(_ seconds: Double) -> Int { Int(max(0, seconds - now).rounded()) }
  return "in \(left(median)) s (\(left(early)) to \(left(late)) s)"
}

/// `celltop ctl explain`: why a notebook's cell does not run.
struct ControlExplain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say why a notebook's cell waits, for whom, and until when.")

  @Argument(
    help: "The notebook: its name, number or path.",
    completion: .custom { words, index, _ in
      OrderLine.completion(of: ["ctl", "hold", "on", index < words.count ? words[index] : ""], at: 3)
    })
  var notebook: String
  @OptionGroup var control: ControlOptions

  private struct Explanation: Encodable {
    var notebook: Int32
    var name: String
    var user: String
    var state: String
    var cell: Int64?
    var demand: String?
    var place: Int?
    var reason: String?
    var expectedSeconds: Double?
    var expectedEarlySeconds: Double?
    var expectedLateSeconds: Double?
    var holders: [String]
    /// What would let it start sooner, as a shell takes it; nil where nothing is known to.
    var order: String?
    /// How long its cell has run, and has been suspended by the clock; nil where it has not begun.
    var ranSeconds: Double?
    var suspendedSeconds: Double?
  }

  func run() throws {
    try control.reporting {
      let (connection, fold) = try control.board()
      let board = fold.board
      let line = try OrderLine.read(["hold", "on", notebook])
      let ids = try line.notebooks(on: board)
      let report = BoardReport(
        board, at: connection.now, session: connection.welcome.session, end: connection.now, entries: board.sequence)
      let found = ids.compactMap { board[$0] }.map { explain($0, board, report) }
      if control.json { return try control.print(found) }
      print(found.map { text($0, at: report.atSeconds) }.joined(separator: "\n\n"))
    }
  }

  private func explain(_ facts: NotebookFacts, _ board: Board, _ report: BoardReport) -> Explanation {
    let id = facts.notebook.id
    let row = report.queue.first { $0.notebook == id.number }
    var explanation = Explanation(
      notebook: id.number, name: facts.name, user: facts.notebook.user, state: facts.state.word,
      cell: facts.cell?.cell.id.number, demand: facts.cell?.cell.demand.sentence, place: row?.place,
      reason: row?.reason,
      expectedSeconds: row?.expectedSeconds, expectedEarlySeconds: row?.expectedEarlySeconds,
      expectedLateSeconds: row?.expectedLateSeconds, holders: (facts.cell?.wait?.holders ?? []).map(board.name(of:)))
    if let cell = facts.cell, cell.started != nil {
      let now = Instant(microseconds: Int64(report.atSeconds * 1_000_000))
      (explanation.ranSeconds, explanation.suspendedSeconds) = (
        cell.ran(at: now).seconds, cell.suspended(at: now).seconds
      )
    }
    if facts.isStoppedByHold {
      explanation.order = OrderLine.forShell(.release(id), on: board)
    } else if facts.state == .suspended, let cell = facts.cell, cell.isOperatorSuspended {
      explanation.order = OrderLine.forShell(.resume(id, cell: cell.cell.id), on: board)
    } else {
      let now = Instant(microseconds: Int64(report.atSeconds * 1_000_000))
      let orders = board.remedy(for: id, at: now, in: WaitingOrder(board)).map { OrderLine.forShell($0, on: board) }
      if !orders.isEmpty { explanation.order = orders.joined(separator: " && ") }
    }
    return explanation
  }

  private func text(_ explanation: Explanation, at now: Double) -> String {
    var rows = [["notebook", "\(explanation.name) of \(explanation.user), \(explanation.state)"]]
    if let cell = explanation.cell { rows.append(["cell", "\(cell), asks for \(explanation.demand ?? "nothing")"]) }
    if let ran = explanation.ranSeconds, let suspended = explanation.suspendedSeconds {
      let clock = { (seconds: Double) in Tool.clock(Int64(seconds)) }
      rows.append(["has run", clock(ran) + (suspended > 0 ? ", and was suspended for \(clock(suspended))" : "")])
    }
    guard let place = explanation.place, let reason = explanation.reason else {
      rows.append([
        "waits", explanation.state == NotebookState.running.word ? "no, it runs" : "no, it has no cell to run",
      ])
      return columns(rows)
    }
    rows.append(["place", "\(place) in line"])
    rows.append(["waits", reason])
    let expected = explanation.expectedSeconds.map { "in \(Int(max(0, $0 - now).rounded())) s" } ?? "not known"
    rows.append(["starts", expected])
    if let order = explanation.order { rows.append(["sooner by", order]) }
    return columns(rows.map { $0.map { $0.printable(at: 300) } })
  }
}

/// `celltop ctl events`: what happened last.
struct ControlEvents: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "events", abstract: "Say what happened last.")

  @Option(help: "How many, from 1 to \(Board.eventsMost).") var last = 20
  @OptionGroup var control: ControlOptions

  func validate() throws {
    guard (1...Board.eventsMost).contains(last) else {
      throw ValidationError("--last is a number from 1 to \(Board.eventsMost)")
    }
  }

  func run() throws {
    try control.reporting {
      let board = try control.board().fold.board
      for entry in board.events.suffix(last) { try EntryLine(entry, on: board).print(json: control.json) }
    }
  }
}

/// An entry as `events` and `watch` print it.
struct EntryLine: Encodable {
  var sequence: Int64
  /// Since the session's beginning.
  var atSeconds: Double
  var event: String
  var notebook: Int32?
  var sentence: String

  init(_ entry: Entry, on board: Board) {
    sequence = entry.sequence
    atSeconds = entry.at.seconds
    event = "\(entry.event.kind)"
    notebook = entry.event.notebook?.number
    sentence = board.sentence(entry).printable(at: 400)
  }

  func print(json: Bool) throws {
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      Swift.print(String(decoding: try encoder.encode(self), as: UTF8.self))
    } else {
      Swift.print("\(Tool.clock(Int64(atSeconds)))  \(sentence)")
    }
    fflush(nil)
  }
}

/// `celltop ctl watch`: what happens, as it happens.
struct ControlWatch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Say what happens, as it happens, until interrupted.",
    discussion: "With --json each entry is an object on a line of its own.")

  @Option(help: "End after so many entries.") var count: Int?
  @Flag(help: "Waits, samples of use and lengths of gates' queues as well.") var all = false
  @OptionGroup var control: ControlOptions

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1") }
  }

  func run() throws {
    try control.reporting {
      let (connection, first) = try control.board()
      var fold = first
      var told = 0
      while count.map({ told < $0 }) ?? true {
        guard let message = try connection.receive(seconds: 3600) else { continue }
        if case .tail(let tail) = message {
          let entries: [Entry]
          do throws(PackError) { entries = try tail.unpacked() } catch {
            throw AttachError.unreadable(error.description)
          }
          try fold.take(message)
          for entry in entries where all || entry.event.isForPeople {
            guard count.map({ told < $0 }) ?? true else { break }
            try EntryLine(entry, on: fold.board).print(json: control.json)
            told += 1
          }
        } else if try fold.take(message) {
          Tool.progress(
            "celltop: the server dropped what was not read in time; going on at entry \(fold.board.sequence)")
        }
      }
    }
  }
}

/// `celltop ctl history`: the recorded sessions of the server's history.
struct ControlHistory: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "List the sessions that the server's history holds, newest first.")

  @Option(help: "How many at the most.") var last = 20
  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let connection = try control.connect(.none)
      guard let path = connection.welcome.history else {
        throw ToolError("the server keeps no history that you may read")
      }
      let store = try HistoryStore(reading: path)
      let sessions = try store.sessions().prefix(max(last, 1)).map { $0 }
      if control.json { return try control.print(sessions) }
      if sessions.isEmpty { return print("no session is recorded yet") }
      let head = ["session", "kind", "length", "entries", "orders", "state", "note"]
      let current = connection.welcome.session
      let rows = try sessions.map { session -> [String] in
        if session.id == current { return Self.line(session, state: "goes on") }
        return Self.line(session, state: try HistoryCommand.state(of: session, in: store))
      }
      print(columns([head] + rows))
    }
  }

  private static func line(_ session: SessionSummary, state: String) -> [String] {
    [
      "\(session.id)", session.kind, Tool.clock(session.lengthSeconds), "\(session.entries)",
      "\(session.actions)", state, session.note.printable(at: 100),
    ]
  }
}

/// `celltop ctl shutdown`: ends the server. (`stop` is another word for an interrupt.)
struct ControlShutdown: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shutdown", abstract: "End the server; the kernels go on without it. Only an operator may.")

  @OptionGroup var control: ControlOptions

  func run() throws {
    try control.reporting {
      let connection = try control.connect(.none)
      try connection.send(.stop)
      while true {
        do throws(AttachError) {
          guard let message = try connection.receive(seconds: 20) else {
            throw AttachError.silent(seconds: 20)
          }
          if case .refused(let why) = message { throw AttachError.unwelcome(why.printable(at: 400)) }
        } catch .ended {
          if control.json { print(#"{"stopped": true}"#) } else { print("the server has ended") }
          return
        }
      }
    }
  }
}
