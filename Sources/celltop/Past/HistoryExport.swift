import ArgumentParser
import Canvas
import Console
import Domain
import Exports
import Foundation
import History
import Session

/// `celltop history export`: a recorded session for other programs and other people.
struct HistoryExport: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable { case csv, json, perfetto, cast, html }

  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a recorded session for other programs and other people.",
    discussion: """
      csv       tables for spreadsheets: entries, cells, notebooks, actions, usage; a folder, or one file with --table
      json      the same tables in one document; times are microseconds, sizes bytes
      perfetto  a trace that ui.perfetto.dev opens: cores and GPUs as tracks, cells as slices, waits as flows
      cast      the replay as a terminal recording, for asciinema and its players
      html      one page that needs nothing else, for a colleague without a terminal

      What is there already is not replaced without --force, and a file is written whole or not at all.
      """)

  @Argument(help: "The session's number, as 'celltop history list' shows it (default: the newest).")
  var session: Int64?

  @Option(help: "csv, json, perfetto, cast or html.")
  var format: Format

  @Option(
    name: [.short, .long], help: "The file to write (a folder for csv without --table); - is the standard output.")
  var output: String

  @Option(help: "csv: write this table alone: entries, cells, notebooks, actions or usage.")
  var table: String?

  @Flag(help: "Replace what is there.")
  var force = false

  @Option(help: "cast, html: the size of the screens.")
  var size = "120x40"

  @Option(help: "cast: seconds of the session a second (default: what makes it a minute at the most).")
  var speed: Double?

  @Option(help: "html: how many screens to show along the way.")
  var screens = 24

  @Option(help: "cast, html: the theme of the screens.")
  var theme: String?

  func validate() throws {
    _ = try Tool.size(size)
    if let speed, !(speed > 0 && speed <= 100_000) { throw ValidationError("--speed is above 0 and up to 100000") }
    guard (0...500).contains(screens) else { throw ValidationError("--screens is from 0 to 500") }
    if let table, ExportTable(rawValue: table) == nil {
      throw ValidationError("--table is one of \(ExportTable.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    if table != nil, format != .csv { throw ValidationError("--table is for --format csv") }
    if output.isEmpty { throw ValidationError("--output names no file") }
    if format == .csv, table == nil, output == "-" {
      throw ValidationError("five tables are a folder: name one, or one table with --table")
    }
  }

  func run() throws {
    try Tool.reporting {
      let recorded = try PastSessions.store().recorded(session)
      guard recorded.first <= 1 else {
        throw ToolError(
          "session \(recorded.id) begins with entry \(recorded.first): its beginning is gone, and its tables would be wrong"
        )
      }
      switch format {
      case .csv: try writeTables(recorded)
      case .json:
        try write { write in
          try JSONExport(exported(recorded)).write(
            entries: { body in
              try recorded.forEach(from: recorded.first) { entry in
                try body(entry)
                return true
              }
            }, to: write)
        }
      case .perfetto:
        try write { write in
          var trace = PerfettoTrace(exported(recorded))
          try follow(recorded) { trace.take($0) }
          try write(trace.finish())
        }
      case .cast: try write { try writeCast(recorded, $0) }
      case .html: try write { try writePage(recorded, $0) }
      }
    }
  }

  private func write(_ body: (@escaping (String) throws -> Void) throws -> Void) throws {
    let file = try AtomicOutput(output, replaces: force)
    try body { try file.write($0) }
    try file.finish()
  }

  private func exported(_ recorded: RecordedSession) -> ExportedSession {
    let summary = recorded.summary
    let began = Date(timeIntervalSince1970: Double(summary.beganMicroseconds) / 1e6)
    return ExportedSession(
      number: summary.id, kind: summary.kind, host: summary.host, user: summary.user, note: summary.note,
      beganMicroseconds: summary.beganMicroseconds, utcOffsetSeconds: TimeZone.current.secondsFromGMT(for: began))
  }

  /// Goes through the entries, and tells how far on a terminal.
  private func follow(_ recorded: RecordedSession, _ body: (Entry) throws -> Void) throws {
    var line = ProgressLine()
    let total = Double(max(recorded.last, 1))
    try recorded.forEach(from: recorded.first) { entry in
      try body(entry)
      if entry.sequence % 8192 == 0 { line.show("session \(recorded.id)", share: Double(entry.sequence) / total) }
      return entry.sequence < recorded.last
    }
    line.clear()
  }

  private func writeTables(_ recorded: RecordedSession) throws {
    if let table, let table = ExportTable(rawValue: table) {
      return try write { write in
        var export = CSVExport(table, of: exported(recorded))
        try follow(recorded) { try write(export.take($0)) }
        try write(export.finish())
      }
    }
    // Shells put a slash behind a folder's name.
    let folder = output.count > 1 && output.hasSuffix("/") ? String(output.dropLast()) : output
    if !force { try AtomicOutput.demandNothing(at: folder) }
    let draft = force ? folder : "\(folder).\(getpid()).part"
    do {
      try FileManager.default.createDirectory(atPath: draft, withIntermediateDirectories: force)
    } catch { throw ToolError("cannot make the folder \(draft.printable(at: 200)): \(error.localizedDescription)") }
    do {
      for table in ExportTable.allCases {
        let file = try AtomicOutput("\(draft)/\(table.rawValue).csv", replaces: force)
        var export = CSVExport(table, of: exported(recorded))
        try follow(recorded) { try file.write(export.take($0)) }
        try file.write(export.finish())
        try file.finish()
      }
      if !force, rename(draft, folder) != 0 { throw AtomicOutput.error(folder, errno) }
    } catch {
      if !force { try? FileManager.default.removeItem(atPath: draft) }
      throw error
    }
  }

  // MARK: Pictures

  /// A console over the session at successive moments.
  private func forEachScreen(
    _ recorded: RecordedSession, at moments: some Sequence<Instant>, _ body: (ConsoleState, Instant) throws -> Void
  ) throws {
    var player = ReplayPlayer(try RecordedTape(recorded))
    var state = ConsoleState(session: Tool.facts(of: recorded.summary))
    player.seek(to: .zero)
    player.togglePlaying()
    for moment in moments {
      player.seek(to: moment)
      if let trouble = player.trouble { throw ToolError(trouble) }
      state.transport = TransportFacts(player)
      state.show(player.board, at: player.position)
      try body(state, moment)
    }
  }

  private func writeCast(_ recorded: RecordedSession, _ write: (String) throws -> Void) throws {
    let size = try Tool.size(size)
    let theme = try Tool.theme(theme)
    var cast = TerminalCast(size: size, theme: theme.resolved(for: .trueColor), glyphs: theme.glyphs(for: .utf8))
    try write(
      cast.header(
        title: "celltop session \(recorded.id)", beganSeconds: recorded.summary.beganMicroseconds / 1_000_000))
    let length = recorded.end.seconds
    let speed = speed ?? max(1, length / 60)
    let framesASecond = 10.0
    let count = min(Int((length / speed * framesASecond).rounded(.up)), 200_000)
    var line = ProgressLine()
    try forEachScreen(
      recorded, at: (0...max(count, 1)).map { Instant(seconds: min(Double($0) * speed / framesASecond, length)) }
    ) {
      state, moment in
      if let text = cast.frame(state, atSeconds: moment.seconds / speed) { try write(text) }
      line.show("cast", share: moment.seconds / max(length, 1e-6))
    }
    line.clear()
    try write(cast.finish(atSeconds: length / speed + 2))
  }

  private func writePage(_ recorded: RecordedSession, _ write: (String) throws -> Void) throws {
    let size = try Tool.size(size)
    let theme = try Tool.theme(theme)
    var page = SessionPage(exported(recorded))
    try follow(recorded) { page.take($0) }
    var pictures: [SessionPage.Screen] = []
    let moments = (0..<screens).map { Instant(seconds: recorded.end.seconds * Double($0 + 1) / Double(screens)) }
    try forEachScreen(recorded, at: moments) { state, moment in
      let grid = state.screen(size: size, glyphs: theme.glyphs(for: .utf8))
      pictures.append(
        .init(at: moment, svg: renderSVG(grid, theme: theme.resolved(for: .trueColor), title: "the console")))
    }
    try write(page.finish(screens: pictures))
  }
}
