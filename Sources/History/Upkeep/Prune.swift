import Domain
import Foundation
import GRDB

/// What pruning took away.
public struct PruneReport: Sendable, Hashable, Codable {
  /// Sessions that are gone altogether.
  public var sessions: Int = 0
  /// Sessions that lost their beginning.
  public var shortened: Int = 0
  public var entries: Int64 = 0
  public var steps: Int = 0
  /// The longest that one step held the file, in milliseconds.
  public var longestStepMilliseconds = 0.0
}

extension HistoryStore {
  /// Takes away what happened before a wall time: sessions that had ended by then altogether, and the beginning of a longer
  /// or unfinished one up to the last key frame before it, so that the rest still replays.
  ///
  /// It works in steps of a few milliseconds with pauses between them, so that a session which is being recorded meanwhile
  /// hardly waits. Killed half-way it leaves a session that begins later.
  ///
  /// - Parameters:
  ///   - wall: in microseconds since 1970.
  ///   - progress: called in each step with the entries taken so far.
  /// - Throws: `HistoryError` where the file cannot be written.
  public func prune(before wall: Int64, progress: (Int64) -> Void = { _ in }) throws(HistoryError) -> PruneReport {
    var report = PruneReport()
    do {
      for session in try sessions().reversed() {
        let end = session.endedMicroseconds ?? session.beganMicroseconds + session.lengthMicroseconds
        if end < wall, try session.endedMicroseconds != nil || !isBeingWritten(session.id) {
          report.entries += try remove(session, through: .max, at: .never, &report, progress)
          try step(&report) { db in
            try db.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [session.id])
            return 0
          }
          report.sessions += 1
        } else if session.beganMicroseconds < wall, let frame = try lastFrame(of: session, before: wall) {
          let taken = try remove(session, through: frame.sequence, at: frame.at, &report, progress)
          report.entries += taken
          if taken > 0 { report.shortened += 1 }
        }
      }
    } catch { throw HistoryError(doing: "cannot prune the history \(path)", error) }
    return report
  }

  /// The last moment before `wall` at which there is a key frame of each kind.
  private func lastFrame(of session: SessionSummary, before wall: Int64) throws -> (sequence: Int64, at: Instant)? {
    try database.read { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT min(sequence), min(at_us) FROM (
            SELECT max(sequence) AS sequence, max(at_us) AS at_us FROM keyframe
            WHERE session = ? AND at_us < ? GROUP BY kind)
          """, arguments: [session.id, wall - session.beganMicroseconds]
      ).flatMap { row in
        guard let sequence = row[0] as Int64? else { return nil }
        return (sequence, Instant(microseconds: row[1]))
      }
    }
  }

  /// Takes away a session's rows through an entry.
  ///
  /// - Returns: how many entries went.
  private func remove(
    _ session: SessionSummary, through last: Int64, at instant: Instant, _ report: inout PruneReport,
    _ progress: (Int64) -> Void
  ) throws -> Int64 {
    let id = session.id
    var entries: Int64 = 0
    let before = report.entries
    try drain(&report, most: 8) { db, limit in
      let rows = try Row.fetchAll(
        db, sql: "SELECT rowid, last - first + 1 FROM stretch WHERE session = ? AND last <= ? ORDER BY first LIMIT ?",
        arguments: [id, last, limit])
      for row in rows {
        try db.execute(sql: "DELETE FROM stretch WHERE rowid = ?", arguments: [row[0] as Int64])
        entries += row[1] as Int64
      }
      progress(before + entries)
      return rows.count
    }
    try drain(&report, most: 4) { db, limit in
      try db.execute(
        sql: """
          DELETE FROM keyframe WHERE rowid IN
            (SELECT rowid FROM keyframe WHERE session = ? AND sequence < ? LIMIT ?)
          """, arguments: [id, last, limit])
      return db.changesCount
    }
    let isAll = last == .max
    for (table, key, condition) in [
      ("cell", "cell", isAll ? "" : "AND ended_us <= \(instant.microseconds)"),
      ("marker", "sequence", isAll ? "" : "AND sequence <= \(last)"),
      ("action", "sequence", isAll ? "" : "AND sequence <= \(last)"),
      ("usage", "(notebook, at_us)", isAll ? "" : "AND at_us <= \(instant.microseconds)"),
      // The names of closed notebooks are what key frames refer to.
      ("notebook", "notebook", isAll ? "" : "AND 0"),
    ] {
      let columns = key.trimmingCharacters(in: ["(", ")"])
      try drain(&report, most: 400) { db, limit in
        try db.cachedStatement(
          sql: """
            DELETE FROM \(table) WHERE session = ?1 AND \(key) IN
              (SELECT \(columns) FROM \(table) WHERE session = ?1 \(condition) LIMIT ?2)
            """
        ).execute(arguments: [id, limit])
        return db.changesCount
      }
    }
    return entries
  }

  /// Repeats a step until it finds nothing more; its size follows how long it takes.
  private func drain(
    _ report: inout PruneReport, most: Int, _ body: (Database, Int) throws -> Int
  ) throws {
    var limit = most
    while true {
      let milliseconds = report.longestStepMilliseconds
      report.longestStepMilliseconds = 0
      let count = try step(&report) { db in try body(db, limit) }
      limit = report.longestStepMilliseconds > 4 ? max(limit / 2, 1) : min(limit + limit / 4 + 1, most * 4)
      report.longestStepMilliseconds = max(report.longestStepMilliseconds, milliseconds)
      if count == 0 { return }
    }
  }

  /// One short transaction, and a pause in which a recording session gets its turn.
  @discardableResult
  private func step(_ report: inout PruneReport, _ body: (Database) throws -> Int) throws -> Int {
    var taken = 0.0
    let count = try database.write { db in
      let began = ContinuousClock.now
      defer { taken = (ContinuousClock.now - began).milliseconds }
      return try body(db)
    }
    report.steps += 1
    report.longestStepMilliseconds = max(report.longestStepMilliseconds, taken)
    usleep(UInt32(min(max(taken * 1000, 1000), 20_000)))
    return count
  }
}

extension Duration {
  var milliseconds: Double {
    Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
  }
}
