import Foundation
import GRDB

/// Which process records a session, so that nobody takes a running session for one that was cut short.
///
/// A process is known by its number and the moment it started, in ticks since the machine's start (proc(5), `stat`, field
/// 22), on the machine with that boot id: a number alone is given to others later.
enum Recorders {
  /// This process.
  static func current() -> String? { mark(of: getpid()) }

  /// Whether the process that left this mark still runs. A mark of another machine, or of before its last start, is dead.
  static func isAlive(_ mark: String) -> Bool {
    guard let number = mark.split(separator: " ").first.flatMap({ Int32($0) }) else { return false }
    return self.mark(of: number) == mark
  }

  private static func mark(of process: Int32) -> String? {
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8),
      // The name in brackets may hold anything; fields are counted from its end.
      let end = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[end...].split(separator: " ")
    guard fields.count > 20 else { return nil }
    return "\(process) \(fields[20]) \(boot.trimmingCharacters(in: .whitespacesAndNewlines))"
  }
}

extension HistoryStore {
  /// Whether a process of this machine is recording the session.
  public func isBeingWritten(_ session: Int64) throws(HistoryError) -> Bool {
    let row = try reading { db in
      try Row.fetchOne(db, sql: "SELECT recorder, ended_us FROM session WHERE id = ?", arguments: [session])
    }
    guard let row, (row[1] as Int64?) == nil, let recorder = row[0] as String? else { return false }
    return Recorders.isAlive(recorder)
  }
}
