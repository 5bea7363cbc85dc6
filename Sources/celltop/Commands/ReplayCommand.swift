import ArgumentParser
import Canvas
import Console
import Domain
import Foundation
import History
import Session

/// `celltop replay`: a recorded session on the same screens.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Play a recorded session on the same screens.",
    discussion: """
      Space plays and pauses, , and . step by an entry, { and } go slower and faster, the arrows go 5 s back and \
      on, [ and ] go to operators' actions, g goes to a time (13:41:07, 2:30, 45%).
      """)

  @Argument(help: "The session's number, as 'celltop history list' shows it (default: the newest).")
  var session: Int64?

  @Option(help: "Where to begin: a time of day (13:41:07), a time since the beginning (2:30, 150s) or a share (45%).")
  var at: String?

  @Option(help: "Seconds of the session a second, from 0.125 to 3600.")
  var speed = 1.0

  @Flag(help: "Begin to play at once.")
  var play = false

  @Flag(help: "Print the screen once, and exit.")
  var once = false

  @Option(help: "The size of the screen printed by --once or --svg.")
  var size = "120x40"

  @Option(help: "Write the screen as an SVG picture into a file, and exit.")
  var svg: String?

  @Option(help: "The theme: a name of the folder Themes, or a file.")
  var theme: String?

  func validate() throws {
    guard (0.125...3600).contains(speed) else { throw ValidationError("--speed is from 0.125 to 3600") }
    _ = try Tool.size(size)
  }

  func run() throws {
    try Tool.reporting {
      if !once, svg == nil {
        try Tool.demandTerminal()
        Tool.prepareScreen()
      }
      let environment = ProcessInfo.processInfo.environment
      let store = try HistoryStore(reading: HistoryStore.standardPath(environment: environment))
      let summary = try store.session(session)
      let entries = try store.entries(of: summary.id)
      var player = ReplayPlayer(entries)
      player.setSpeed(speed)
      var state = ConsoleState(session: Tool.facts(of: summary))
      let source = ReplaySource(player)
      source.refresh(&state)
      if let at {
        for intent in state.go(to: at) {
          if case .replay(let order) = intent { source.obey(order) }
        }
        if let flash = state.flash { throw ValidationError(flash.text) }
      } else if !once, svg == nil, !play {
        source.obey(.seekShare(0))
      }
      if play { source.obey(.togglePlaying) }
      source.refresh(&state)
      let theme = try Tool.theme(theme)
      if once || svg != nil {
        try Tool.print(state, size: Tool.size(size), theme: theme, svg: svg)
        return
      }
      try ConsoleRunner(source, state: state, theme: theme, log: nil).run()
    }
  }
}
