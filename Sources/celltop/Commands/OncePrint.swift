import ArgumentParser
import Canvas
import Console
import Domain
import Foundation
import Projections

/// `--once` and `--json`: a screen, or the same facts, on standard output; nothing is started and nobody is disturbed.
struct OncePrint: ParsableArguments {
  @Flag(help: "Print the screen once and exit.")
  var once = false

  @Flag(help: "Print what the screen shows as JSON and exit.")
  var json = false

  @Option(help: "With --once or --json: one pane alone: \(Tool.panes).")
  var pane: String?

  @Option(help: "With --once: how large, such as 120x40.")
  var size = "120x40"

  @Option(help: "With --once: write the screen as a picture (SVG) into this file.")
  var svg: String?

  var isAsked: Bool { once || json || svg != nil }

  func validate() throws {
    _ = try Tool.size(size)
    _ = try pane.map(Tool.pane)
    guard isAsked || pane == nil else { throw ValidationError("--pane needs --once or --json") }
  }

  /// What is said where no server runs.
  static let noServer =
    "no server runs here, and this is the node as it is found. Start one with 'celltop serve', or open the console with 'celltop'"

  /// Prints a board as it is at an instant.
  ///
  /// - Parameter notRecorded: why the session is not fully recorded; nil where it is.
  func print(_ board: Board, at now: Instant, facts: SessionFacts, theme: Theme, notRecorded: String? = nil) throws {
    if json {
      var report = BoardReport(board, at: now, session: facts.number, end: now, entries: board.sequence)
      report.notRecorded = notRecorded
      report.noServer = facts.hasServer ? nil : Self.noServer
      return try Self.print(report, of: board, pane: pane)
    }
    var state = ConsoleState(session: facts)
    state.trouble = notRecorded
    state.away = facts.hasServer ? nil : Self.noServer
    state.show(board, at: now)
    if let pane { state.zoom(try Tool.pane(pane)) }
    try Tool.print(state, size: Tool.size(size), theme: theme, svg: svg)
  }

  /// Prints what the screen shows, or one pane of it, as JSON.
  static func print(_ report: BoardReport, of board: Board, pane: String?) throws {
    var report = report
    report.tellPast(of: board)
    guard let pane else { return try Tool.printJSON(report) }
    try Tool.printJSON(PaneReport(report, part: try Tool.pane(pane).part))
  }

  /// The node as it is found, without an engine: its cores, GPUs and memory, and no notebook.
  static func nodeAlone(_ node: Node, policy: String) -> Board {
    var board = Board()
    board.apply(Entry(sequence: 1, at: .zero, event: .policyChanged(policy)))
    board.apply(Entry(sequence: 2, at: .zero, event: .nodeAdded(node)))
    return board
  }
}

extension Pane {
  /// What of a report is its own.
  fileprivate var part: PaneReport.Part {
    switch self {
    case .notebooks: .notebooks
    case .queue: .queue
    case .timeline: .timeline
    case .node: .node
    case .events: .events
    case .graphs: .graphs
    }
  }
}
