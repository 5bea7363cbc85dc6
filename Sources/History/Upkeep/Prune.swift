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

/// What pruning would take of a session.
public struct PrunePlan: Sendable, Hashable, Codable {
  public var session: Int64
  /// Whether it would be gone altogether, and not lose its beginning alone.
  public var isWhole: Bool
  /// How many entries would go.
  public var entries: Int64
}

extension HistoryStore {
  /// What `prune` would take away, the oldest session first. Nothing is changed.
  ///
  /// - Parameter wall: in microseconds since 1970.
  /// - Throws: `HistoryError` where the file cannot be read.
  public func pruning(before wall: Int64) throws(HistoryError) -> [PrunePlan] {
    var plans: [PrunePlan] = []
    do {
      for session in try sessions().reversed() {
        if try isOver(session, before: wall) {
          let entries = try countEntries(of: session.id, through: .max)
          plans.append(PrunePlan(session: session.id, isWhole: true, entries: entries))
        } else if session.beganMicroseconds < wall, let frame = try lastFrame(of: session, before: wall) {
          let entries = try countEntries(of: session.id, through: frame.sequence)
          if entries > 0 { plans.append(PrunePlan(session: session.id, isWhole: false, entries: entries)) }
        }
      }
    } catch { throw HistoryError(doing: "cannot read the history \(path)", error) }
    return plans
  }

  /// How many entries of a session lie in stretches that end by `last`.
  private func countEntries(of session: Int64, through last: Int64) throws -> Int64 {
    try database.read { db in
      try Int64.fetchOne(
        db, sql: "SELECT sum(last - first + 1) FROM stretch WHERE session = ? AND last <= ?",
        arguments: [session, last]) ?? 0
    }
  }

  /// Whether a session had ended by then, and nobody writes it.
  private func isOver(_ session: SessionSummary, before wall: Int64) throws -> Bool {
    let end = session.endedMicroseconds ?? session.beganMicroseconds + session.lengthMicroseconds
    guard end < wall else { return false }
    if session.endedMicroseconds != nil { return true }
    return try !isBeingWritten(session.id)
  }

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
        if try isOver(session, before: wall) {
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
        db,
        sql: """
          SELECT rowid, last - first + 1 FROM stretch WHERE session = ?1 AND first <= ?2 AND last <= ?2
          ORDER BY first LIMIT ?3
          """, arguments: [id, last, limit])
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
    let upTo = isAll ? "" : "AND sequence <= \(last)"
    var tables = [("marker", "sequence", upTo), ("action", "sequence", upTo)]
    if isAll {
      tables += [("cell", "cell", ""), ("usage", "(notebook, at_us)", ""), ("notebook", "notebook", "")]
    } else {
      // Notebooks stay: the names of closed ones are what key frames refer to.
      try removeCells(of: id, through: last, at: instant, &report)
      try removeUsage(of: id, at: instant, &report)
    }
    for (table, key, condition) in tables {
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

  /// Takes away the cells that had ended by an instant. They are looked through by number, each once, as far as they had
  /// been submitted by then: a search for what is left would look through all the rest of the session at its end.
  private func removeCells(
    of session: Int64, through last: Int64, at instant: Instant, _ report: inout PruneReport
  ) throws {
    var from: Int64 = .min
    try drain(&report, most: 400) { db, limit in
      let cells = try Row.fetchAll(
        db.cachedStatement(sql: "SELECT cell, queued FROM cell WHERE session = ? AND cell > ? ORDER BY cell LIMIT ?"),
        arguments: [session, from, limit])
      guard let end = cells.prefix(while: { ($0[1] as Int64) <= last }).last else { return 0 }
      let to: Int64 = end[0]
      try db.cachedStatement(sql: "DELETE FROM cell WHERE session = ? AND cell > ? AND cell <= ? AND ended_us <= ?")
        .execute(arguments: [session, from, to, instant.microseconds])
      from = to
      return cells.count
    }
  }

  /// Takes away what notebooks used until an instant, one notebook after the other.
  private func removeUsage(of session: Int64, at instant: Instant, _ report: inout PruneReport) throws {
    var notebook: Int64 = -1
    try drain(&report, most: 400) { db, limit in
      if notebook >= 0 {
        try db.cachedStatement(
          sql: """
            DELETE FROM usage WHERE session = ?1 AND notebook = ?2 AND at_us IN
              (SELECT at_us FROM usage WHERE session = ?1 AND notebook = ?2 AND at_us <= ?3 LIMIT ?4)
            """
        ).execute(arguments: [session, notebook, instant.microseconds, limit])
        if db.changesCount > 0 { return db.changesCount }
      }
      let next = try Int64.fetchOne(
        db.cachedStatement(sql: "SELECT min(notebook) FROM usage WHERE session = ? AND notebook > ?"),
        arguments: [session, notebook])
      guard let next else { return 0 }
      notebook = next
      return 1
    }
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
