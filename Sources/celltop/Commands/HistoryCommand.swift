import ArgumentParser
import Foundation
import History

/// `celltop history`: what was recorded.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Look at what was recorded.", subcommands: [List.self, HistoryExport.self],
    defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the recorded sessions, newest first.")

    @Flag(help: "Print JSON: an array of objects, times in microseconds.")
    var json = false

    func run() throws {
      try Tool.reporting {
        let path = HistoryStore.standardPath(environment: ProcessInfo.processInfo.environment)
        guard FileManager.default.fileExists(atPath: path) else {
          print(json ? "[]" : "no session has been recorded yet (\(path)). Start one with 'celltop demo'")
          return
        }
        let sessions = try HistoryStore(reading: path).sessions()
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
          print(String(decoding: try encoder.encode(sessions), as: UTF8.self))
          return
        }
        print(Self.row("SESSION", "BEGAN", "LENGTH", "KIND", "USER", "ENTRIES", "ACTIONS", "STATE", "NOTE"))
        let format = DateFormatter()
        format.dateFormat = "yyyy-MM-dd HH:mm:ss"
        for session in sessions {
          let began = Date(timeIntervalSince1970: Double(session.beganMicroseconds) / 1e6)
          let length = session.endedMicroseconds.map { $0 - session.beganMicroseconds } ?? session.lengthMicroseconds
          let seconds = max(length, session.lengthMicroseconds) / 1_000_000
          print(
            Self.row(
              "\(session.id)", format.string(from: began), Tool.clock(seconds), session.kind, session.user,
              "\(session.entries)", "\(session.actions)", session.endedMicroseconds == nil ? "open or cut" : "ended",
              session.note))
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
}
