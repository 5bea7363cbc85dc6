import ArgumentParser
import Domain
import Engine
import Foundation
import History
import Projections

/// `celltop history`: what was recorded.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Look at what was recorded, and look after it.",
    discussion: """
      The file is $CELLTOP_HISTORY, else celltop/history.sqlite in $XDG_DATA_HOME. Docs/HISTORY.md describes its tables \
      and views: any program that reads SQLite may ask them, while celltop records as well.
      """,
    subcommands: [List.self, Show.self, HistoryExport.self, Prune.self, Compact.self, Backup.self, Verify.self],
    defaultSubcommand: List.self)

  /// The history's path.
  static var path: String { HistoryStore.standardPath(environment: ProcessInfo.processInfo.environment) }

  /// A wall time for people, in this machine's zone.
  static func day(_ microseconds: Int64) -> String {
    let format = DateFormatter()
    format.dateFormat = "yyyy-MM-dd HH:mm:ss"
    return format.string(from: Date(timeIntervalSince1970: Double(microseconds) / 1e6))
  }

  /// `1.5 GB`, powers of 1,000.
  static func size(_ bytes: Int64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(decimal(value, digits: 3)) \(units[unit])"
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the recorded sessions, newest first.")

    @Flag(help: "Print JSON: an array of objects, times in microseconds.")
    var json = false

    func run() throws {
      try Tool.reporting {
        guard FileManager.default.fileExists(atPath: path) else {
          print(json ? "[]" : "no session has been recorded yet (\(path)). Start one with 'celltop demo'")
          return
        }
        let store = try HistoryStore(reading: path)
        let sessions = try store.sessions()
        if json { return try Tool.printJSON(sessions) }
        print(Self.row("SESSION", "BEGAN", "LENGTH", "KIND", "USER", "ENTRIES", "ORDERS", "STATE", "NOTE"))
        for session in sessions {
          print(
            Self.row(
              "\(session.id)", day(session.beganMicroseconds), Tool.clock(session.lengthSeconds), session.kind,
              session.user,
              "\(session.entries)", "\(session.actions)", try state(of: session, in: store), session.note))
        }
      }
    }

    private static func row(_ fields: String...) -> String {
      let widths = [8, 20, 9, 10, 10, 9, 8, 12]
      var line = ""
      for (index, field) in fields.enumerated() {
        let width = index < widths.count ? widths[index] : 0
        line += field + String(repeating: " ", count: max(width - field.count, 1))
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// `ended`, `goes on` (a process records it) or `cut short`.
  static func state(of session: SessionSummary, in store: HistoryStore) throws -> String {
    if session.endedMicroseconds != nil { return "ended" }
    return try store.isBeingWritten(session.id) ? "goes on" : "cut short"
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Say what one session holds.")

    @Argument(help: "The session's number (default: the newest).") var session: Int64?
    @Flag(help: "Print one JSON object, times in microseconds.") var json = false

    func run() throws {
      try Tool.reporting {
        let store = try HistoryStore(reading: path)
        let session = try store.recorded(session)
        if json { return try Tool.printJSON(session.summary) }
        let summary = session.summary
        let board = try session.fold(Board.self, through: session.last)
        let cells = board.notebooks.reduce(0) { $0 + $1.cellsEnded }
        let markers = Dictionary(grouping: try session.markers(), by: \.kind).mapValues(\.count)
        // Those that were refused are no moments to jump to.
        let refused = summary.actions - Int64(markers[.action] ?? 0)
        let orders: String = refused > 0 ? "\(summary.actions), \(refused) of them refused" : "\(summary.actions)"
        let marked = RecordedMarker.Kind.allCases.compactMap { kind in markers[kind].map { "\($0) \(kind.rawValue)" } }
        for (name, text) in [
          ("session", "\(summary.id), \(summary.kind), \(try state(of: summary, in: store))"),
          ("began", "\(day(summary.beganMicroseconds)) by \(summary.user) on \(summary.host)"),
          ("length", Tool.clock(summary.lengthSeconds)), ("note", summary.note),
          ("policy", board.policy), ("entries", "\(summary.first) to \(summary.entries)"),
          ("notebooks", "\(board.notebooks.count)"), ("cells", "\(cells) ended"),
          ("orders", orders),
          ("markers", marked.isEmpty ? "none" : marked.joined(separator: ", ")),
          ("digest", summary.digest ?? "none: the session goes on, was cut short or lacks its beginning"),
        ] where !text.isEmpty {
          print(name + String(repeating: " ", count: 11 - name.count) + text)
        }
      }
    }
  }

  struct Prune: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "prune",
      abstract: "Take away what is older than a length of time.",
      discussion: """
        Sessions that ended before are taken away altogether, longer ones lose their beginning. Others may record \
        meanwhile. 'celltop history compact' gives the room back to the disk.
        """)

    @Option(help: "How much of the past to keep: 90d (days), 12h (hours), 30m (minutes).") var keep: String
    @Flag(help: "Say what would be taken away, and take nothing.") var dryRun = false
    @Flag(help: "Print JSON: an object, with --dry-run an array of them.") var json = false

    func validate() throws { _ = try Self.seconds(keep) }

    func run() throws {
      try Tool.reporting {
        let before = try Int64((Date().timeIntervalSince1970 - Self.seconds(keep)) * 1e6)
        if dryRun { return try tell(HistoryStore(reading: path).pruning(before: before)) }
        var line = ProgressLine()
        let store = try existing()
        let report = try store.prune(before: before) { entries in
          line.show("pruning, \(entries) entries gone", share: nil)
        }
        line.clear()
        if json { return try Tool.printJSON(report) }
        print(
          "took \(counted(report.sessions, "session")) away, shortened \(report.shortened): \(report.entries) entries")
      }
    }

    private func tell(_ plans: [PrunePlan]) throws {
      if json { return try Tool.printJSON(plans) }
      if plans.isEmpty { print("nothing is older than \(keep): nothing would go") }
      for plan in plans {
        let what = plan.isWhole ? "would go altogether" : "would lose its beginning"
        print("session \(plan.session) \(what): \(plan.entries) entries")
      }
    }

    /// `90d` in seconds. It wants one of these units: what is read otherwise than it was meant cannot be had back.
    static func seconds(_ text: String) throws -> Double {
      guard let unit = text.last, "smhd".contains(unit), let before = text.dropLast().last,
        "0123456789.".contains(before),
        let span = try? Span(parsing: text)
      else {
        throw ValidationError("cannot read the length of time '\(text.printable(at: 20))'. Write it like 90d or 12h")
      }
      return span.seconds
    }
  }

  struct Compact: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "compact",
      abstract: "Give the disk back what is unused; others may record meanwhile.")

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
      try Tool.reporting {
        var line = ProgressLine()
        let store = try existing()
        let given = try store.compact { line.show("compacting, \(size($0)) to go", share: nil) }
        line.clear()
        let bytes = try store.size().bytes
        if json { return try Tool.printJSON(["bytesGivenBack": given, "bytes": bytes]) }
        print("gave back \(size(given)); the file has \(size(bytes))")
      }
    }
  }

  struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "backup",
      abstract: "Copy the history as it is now into a new file; others may record meanwhile.")

    @Argument(help: "The copy, which must not be there yet.", completion: .file()) var copy: String

    func run() throws {
      try Tool.reporting {
        try HistoryStore(reading: path).backUp(to: copy)
        print("copied \(path) to \(copy)")
      }
    }
  }

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "verify",
      abstract: "Read everything, and hold digests, sequences and key frames against the entries.",
      discussion: "The exit status is 1 where something is wrong.")

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
      try Tool.reporting {
        var line = ProgressLine()
        let report = try HistoryStore(reading: path).verify(folds: [SchedulerState.self, Board.self]) { entries in
          line.show("verifying, \(entries) entries read", share: nil)
        }
        line.clear()
        if json {
          try Tool.printJSON(report)
        } else {
          for fault in report.faults { print(fault) }
          print(
            "\(report.sessions) sessions, \(report.entries) entries, \(report.frames) key frames: "
              + (report.faults.isEmpty ? "all is well" : "\(report.faults.count) faults"))
        }
        if !report.faults.isEmpty { throw ExitCode(1) }
      }
    }
  }

  /// The history for writing, where there is one.
  private static func existing() throws -> HistoryStore {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ToolError("there is no history \(path). Start a session with 'celltop demo', or set CELLTOP_HISTORY")
    }
    return try HistoryStore(path: path)
  }
}
