import Domain
import GRDB

/// What cells to look for: `/churn` (a part of the notebook's path), `user:ana`, `wait>60` (seconds), `run>10`,
/// `outcome:error`; several words must all hold.
public struct CellQuery: Sendable, Hashable {
  /// A part of the document's path, in any case of letters.
  public var notebook: String?
  public var user: String?
  public var outcome: String?
  public var waitedMoreThan: Span?
  public var ranMoreThan: Span?

  public init() {}

  /// - Throws: `ParseError` that says which word is not understood.
  public init(parsing text: String) throws(ParseError) {
    for word in text.split(separator: " ").map(String.init) {
      if word.hasPrefix("/"), word.count > 1 {
        notebook = String(word.dropFirst())
      } else if word.hasPrefix("user:"), word.count > 5 {
        user = String(word.dropFirst(5))
      } else if word.hasPrefix("outcome:"),
        let known = CellOutcome.allCases.first(where: { $0.word == word.dropFirst(8) })
      {
        outcome = known.word
      } else if word.hasPrefix("wait>"), let span = try? Span(parsing: String(word.dropFirst(5))) {
        waitedMoreThan = span
      } else if word.hasPrefix("run>"), let span = try? Span(parsing: String(word.dropFirst(4))) {
        ranMoreThan = span
      } else {
        throw ParseError(
          reading: "the search", text: word, because: "it is no search for a notebook, a user, a wait or a run",
          mend: "/churn, user:ana, wait>60, run>10m or outcome:error")
      }
    }
    guard self != CellQuery() else {
      throw ParseError(
        reading: "the search", text: text, because: "it is empty", mend: "/churn, user:ana, wait>60 or run>10m")
    }
  }
}

/// A cell that was looked for.
public struct FoundCell: Sendable, Hashable {
  /// The entry by which it came into the books, and its instant: where to go to.
  public var sequence: Int64
  public var at: Instant
  public var cell: CellID
  public var notebook: NotebookID
  public var user: String
  public var path: String
  public var started: Instant?
  public var ended: Instant?
  public var outcome: String?
}

extension RecordedSession {
  /// Cells that match, in order of submission, from entry `start` on, `limit` at the most.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func cells(matching query: CellQuery, from start: Int64 = 1, limit: Int = .max) throws(HistoryError)
    -> [FoundCell]
  {
    try find(query, "c.cell >= ?", from: start, direction: .next, limit: limit)
  }

  /// The nearest matching cell submitted after or before an entry; nil where there is none.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func cell(_ direction: SeekDirection, of sequence: Int64, matching query: CellQuery) throws(HistoryError)
    -> FoundCell?
  {
    switch direction {
    case .next: try find(query, "c.cell >= ?", from: sequence + 1, direction: direction, limit: 1).first
    case .previous: try find(query, "c.cell < ?", from: sequence, direction: direction, limit: 1).first
    }
  }

  private func find(
    _ query: CellQuery, _ place: String, from start: Int64, direction: SeekDirection, limit: Int
  ) throws(HistoryError) -> [FoundCell] {
    var conditions = ["c.session = ?", place]
    var values: [any DatabaseValueConvertible] = []
    if let notebook = query.notebook {
      conditions.append("instr(lower(n.path), lower(?)) > 0")
      values.append(notebook)
    }
    if let user = query.user {
      conditions.append("n.user = ?")
      values.append(user)
    }
    if let outcome = query.outcome {
      conditions.append("c.outcome = ?")
      values.append(outcome)
    }
    if let waited = query.waitedMoreThan {
      conditions.append("coalesce(c.started_us, c.ended_us, \(end.microseconds)) - c.submitted_us > ?")
      values.append(waited.microseconds)
    }
    if let ran = query.ranMoreThan {
      conditions.append("c.ran_us > ?")
      values.append(ran.microseconds)
    }
    let (id, sql) = (
      id,
      """
      SELECT c.queued, c.submitted_us, c.cell, c.notebook, n.user, n.path, c.started_us, c.ended_us, c.outcome
      FROM cell c CROSS JOIN notebook n ON n.session = c.session AND n.notebook = c.notebook
      WHERE \(conditions.joined(separator: " AND ")) ORDER BY c.cell \(direction == .next ? "ASC" : "DESC") LIMIT ?
      """
    )
    return try store.reading { db in
      let from = try Self.firstCell(db, session: id, queuedFrom: start)
      return try Row.fetchAll(
        db, sql: sql, arguments: StatementArguments([id, from] + values + [limit])
      ).map { row in
        FoundCell(
          sequence: row[0], at: Instant(microseconds: row[1]), cell: CellID(row[2]), notebook: NotebookID(row[3]),
          user: row[4], path: row[5], started: (row[6] as Int64?).map(Instant.init(microseconds:)),
          ended: (row[7] as Int64?).map(Instant.init(microseconds:)), outcome: row[8])
      }
    }
  }

  /// The least cell that came into the books by entry `start` or later: cells are numbered in that order.
  private static func firstCell(_ db: Database, session: Int64, queuedFrom start: Int64) throws -> Int64 {
    var low: Int64 = 0
    var high =
      (try Int64.fetchOne(
        db, sql: "SELECT cell FROM cell WHERE session = ? ORDER BY cell DESC LIMIT 1", arguments: [session]) ?? 0) + 1
    let statement = try db.cachedStatement(
      sql: "SELECT cell, queued FROM cell WHERE session = ? AND cell >= ? ORDER BY cell LIMIT 1")
    while low < high {
      let middle = low + (high - low) / 2
      guard let row = try Row.fetchOne(statement, arguments: [session, middle]) else {
        high = middle
        continue
      }
      if (row[1] as Int64) >= start { high = middle } else { low = (row[0] as Int64) + 1 }
    }
    return low
  }
}
