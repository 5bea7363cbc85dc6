import ArgumentParser
import Canvas
import Console
import Domain
import Engine
import Foundation
import History
import Projections
import Session
import Terminal
import WhatIf

/// `celltop replay`: a recorded session on the same screens, and as it might have been.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Play a recorded session on the same screens, or decide it again on other terms.",
    discussion: """
      Space plays and pauses, , and . step by an entry, { and } go slower and faster, the arrows go 5 s back and \
      on, [ and ] go to markers, g goes to a time (13:41:07, 2:30, 45%), a marker (action, preempt, wait, error) or what \
      it finds (/name, user:ana, wait>60). M marks a moment, c tells what changed since. W asks what if.

      --what-if decides on again from --from, with the recorded people in a closed loop: policy=NAME, cores=N, gpus=N, \
      without=action:N, without=actions, with=hold:NOTEBOOK; 'same' changes nothing and tells whether today's engine \
      says what the recording says (exit status 1 where it does not).
      """)

  @Argument(help: "The session's number, as 'celltop history list' shows it (default: the newest).")
  var session: Int64?

  @Option(help: "Where to begin: a time of day (13:41:07), a time since the beginning (2:30, 150s) or a share (45%).")
  var at: String?

  @Option(help: "Tell what changed between --at and this moment, and exit.")
  var until: String?

  @Option(help: "Seconds of the session a second, from 0.125 to 3600.")
  var speed = 1.0

  @Flag(help: "Begin to play at once.")
  var play = false

  @Flag(help: "Print the screen once, and exit.")
  var once = false

  @Flag(help: "With --once, --until, --actions or --what-if: print JSON.")
  var json = false

  @Flag(help: "List the operators' orders with the numbers that --what-if knows them by, and exit.")
  var actions = false

  @Option(
    help: "Decide again with these changes, separated by commas, and exit: policy=dynamic,gpus=4,without=action:3.")
  var whatIf: String?

  @Option(help: "The moment from which to decide again: a time as for --at, or action:N.")
  var from: String?

  @Option(help: "The size of the screen printed by --once or --svg.")
  var size = "120x40"

  @Option(help: "Show one pane alone: \(Tool.panes).")
  var pane: String?

  @Option(help: "Write the screen as an SVG picture into a file, and exit.")
  var svg: String?

  @Option(help: "The theme: a name of the folder Themes, or a file.")
  var theme: String?

  func validate() throws {
    guard (0.125...3600).contains(speed) else { throw ValidationError("--speed is from 0.125 to 3600") }
    _ = try Tool.size(size)
    _ = try pane.map(Tool.pane)
    if from != nil, whatIf == nil { throw ValidationError("--from is for --what-if") }
    if until != nil, at == nil { throw ValidationError("--until tells what changed since --at: name both") }
    if json, !once, !actions, until == nil, whatIf == nil {
      throw ValidationError("--json is for --once, --until, --actions and --what-if")
    }
    if pane != nil, actions || until != nil || whatIf != nil {
      throw ValidationError("--pane is for the screen and its facts: leave out --actions, --until and --what-if")
    }
    if let whatIf { do { _ = try Changes(parsing: whatIf) } catch { throw ValidationError("\(error)") } }
  }

  func run() throws {
    try Tool.reporting {
      let isPrinting = once || svg != nil || actions || until != nil || whatIf != nil
      // Before anything that might start a thread.
      if !isPrinting { TerminalLoop.blockSignals() }
      let recorded = try PastSessions.store().recorded(session)
      // Whoever names a session that is not there need not look for a terminal first.
      if !isPrinting { try Tool.demandTerminal() }
      if actions { return try printActions(recorded) }
      let source = try ReplaySource(recorded)
      var state = ConsoleState(session: Tool.facts(of: recorded.summary))
      source.refresh(&state)
      if let whatIf { return try decide(whatIf, recorded, state) }
      if let until { return try printChanges(recorded, state, until) }
      source.obey(.setSpeed(speed), &state)
      if let at {
        for case .replay(let order) in state.go(to: at) { source.obey(order, &state) }
        if let flash = state.flash, flash.level == .warning { throw ValidationError(flash.text) }
      } else if isPrinting {
        source.obey(.seekShare(1), &state)
      }
      if let pane { state.zoom(try Tool.pane(pane)) }
      if play { source.obey(.togglePlaying, &state) }
      source.refresh(&state)
      if let trouble = source.player.trouble { throw ToolError(trouble) }
      if isPrinting, json {
        let player = source.player
        let report = BoardReport(
          player.board, at: player.position, session: recorded.id, end: recorded.end, entries: recorded.last,
          isReplayed: true)
        return try OncePrint.print(report, of: player.board, pane: pane)
      }
      if isPrinting { return try Tool.print(state, size: Tool.size(size), theme: Tool.theme(theme), svg: svg) }
      // A replay drives nothing that would have to end or go on, however it is left.
      _ = try ConsoleRunner(source, state: state, looks: Looks(theme: theme), log: nil).run()
    }
  }

  private func moment(_ text: String, _ state: ConsoleState) throws -> Instant {
    do { return try state.instant(of: text) } catch { throw ValidationError("\(error)") }
  }

  private func printChanges(_ recorded: RecordedSession, _ state: ConsoleState, _ until: String) throws {
    let moments = try [at ?? "0%", until].map { try moment($0, state) }
    let boards = try moments.map { (board: try recorded.fold(Board.self, at: $0), at: $0) }
    let changes = BoardChanges(between: boards[0], and: boards[1])
    if json { return try Tool.printJSON(ChangesReport(changes, session: recorded.id)) }
    print(state.changeLines(changes).map { $0.printable(at: 400) }.joined(separator: "\n"))
  }

  private func printActions(_ recorded: RecordedSession) throws {
    let actions = try RecordedActions(recorded)
    if json { return try Tool.printJSON(actions.rows) }
    print(actions.text)
  }

  private func decide(_ text: String, _ recorded: RecordedSession, _ state: ConsoleState) throws {
    let changes = try Changes(parsing: text)
    if changes.isEmpty, from == nil {
      let again = try SameAgain(recorded)
      if json { try Tool.printJSON(again) } else { print(again.text) }
      if !again.isSame { throw ExitCode(1) }
      return
    }
    var line = ProgressLine()
    let run: WhatIfRun
    do {
      run = try WhatIfRun(recorded, changes, from: from.map { text in { try self.origin(text, $0, state) } }) {
        line.show("deciding again", share: $0)
      }
    } catch let error as WhatIfError {
      throw ValidationError(error.description)
    } catch let error as Refusal {
      throw ValidationError(error.text)
    }
    line.clear()
    if json { try Tool.printJSON(run.report) } else { print(run.text { "\(Tool.clock(Int64($0.seconds)))" }) }
  }

  /// `action:N` is the moment of that order.
  private func origin(_ text: String, _ script: SessionScript, _ state: ConsoleState) throws -> Instant {
    guard text.hasPrefix("action:") else { return try moment(text, state) }
    guard let number = Int(text.dropFirst(7)), script.actions.indices.contains(number - 1) else {
      throw ValidationError(
        "--from \(text.printable(at: 40)): the session has \(script.actions.count) actions; 'celltop replay --actions' shows them"
      )
    }
    return script.actions[number - 1].at
  }
}

/// The operators' orders of a session.
struct RecordedActions {
  struct Row: Encodable {
    var action: Int
    var sequence: Int64
    var atSeconds: Double
    var author: String
    var order: String
    var why: String
    var refused: String?
  }

  private(set) var rows: [Row] = []

  /// - Throws: `HistoryError` where the session cannot be read.
  init(_ session: RecordedSession) throws {
    var board = Board()
    var found: [Row] = []
    try session.forEach(from: session.first) { entry in
      board.apply(entry)
      if case .commandAccepted(let command) = entry.event {
        found.append(Self.row(found.count + 1, entry, command, nil, board))
      }
      if case .commandRefused(let command, let refusal) = entry.event {
        found.append(Self.row(found.count + 1, entry, command, refusal.text, board))
      }
      return true
    }
    rows = found
  }

  private static func row(_ number: Int, _ entry: Entry, _ command: Command, _ refused: String?, _ board: Board) -> Row
  {
    Row(
      action: number, sequence: entry.sequence, atSeconds: entry.at.seconds, author: command.author,
      order: board.sentence(command.verb), why: command.why, refused: refused)
  }

  var text: String {
    guard !rows.isEmpty else { return "no order was given in this session" }
    return rows.map { row in
      let why = row.why.isEmpty ? "" : " (\(row.why.printable(at: 80)))"
      let refused = row.refused.map { "; refused: \($0.printable(at: 120))" } ?? ""
      return
        "action:\(row.action)  \(Tool.clock(Int64(row.atSeconds)))  \(row.author.printable(at: 30)): \(row.order.printable(at: 120))\(why)\(refused)"
    }.joined(separator: "\n")
  }
}

extension Tool {
  /// Prints a value as JSON, keys in order.
  static func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
