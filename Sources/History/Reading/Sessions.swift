import Domain
import Foundation
import GRDB

/// One recorded session, as `history list` shows it.
public struct SessionSummary: Sendable, Hashable, Codable {
  public var id: Int64
  /// `live` or `simulated`.
  public var kind: String
  public var host: String
  public var user: String
  /// Wall time of the beginning, in microseconds since 1970.
  public var beganMicroseconds: Int64
  /// Wall time of the end; nil where the session was cut short or goes on.
  public var endedMicroseconds: Int64?
  public var note: String
  /// The first entry's number: 1, or more where the beginning was pruned or could not be recorded.
  public var first: Int64
  /// The last entry's number; 0 where there is none.
  public var entries: Int64
  /// The last entry's instant, in microseconds since the beginning.
  public var lengthMicroseconds: Int64
  /// How many operators' actions it holds.
  public var actions: Int64
  /// The digest of its entries, in hexadecimal; nil where the session was cut short, goes on or lacks its beginning.
  public var digest: String?
}

extension HistoryStore {
  /// The sessions, newest first.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func sessions() throws(HistoryError) -> [SessionSummary] {
    try reading { db in try Self.summaries(db, of: nil) }
  }

  /// The session of that number, or the newest that holds entries where none is given.
  ///
  /// - Throws: `HistoryError` that says which there are.
  public func session(_ id: Int64?) throws(HistoryError) -> SessionSummary {
    if let id, let found = try reading({ db in try Self.summaries(db, of: id).first }) { return found }
    let all = try sessions()
    if let id {
      let range = all.isEmpty ? "it holds none" : "it holds \(all.last!.id) to \(all[0].id)"
      throw HistoryError("the history \(path) has no session \(id): \(range). See 'celltop history list'")
    }
    if let found = all.first(where: { $0.entries > 0 }) { return found }
    throw HistoryError("the history \(path) holds no session yet. Start one with 'celltop demo'")
  }

  /// Opens a session to look at it; none of its entries is read yet.
  ///
  /// - Parameter id: nil for the newest that holds entries.
  /// - Throws: `HistoryError` that says which sessions there are.
  public func recorded(_ id: Int64? = nil) throws(HistoryError) -> RecordedSession {
    RecordedSession(self, try session(id))
  }

  /// Entries of a session from `first` on, `limit` at the most, in order.
  ///
  /// - Throws: `HistoryError` where the file cannot be read, an entry cannot be understood, or one is missing: a gap in
  ///   the sequence is an error.
  public func entries(of session: Int64, from first: Int64 = 1, limit: Int = .max) throws(HistoryError) -> [Entry] {
    try recorded(session).entries(from: first, limit: limit)
  }

  private static func summaries(_ db: Database, of session: Int64?) throws -> [SessionSummary] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT s.id, s.kind, s.host, s.user, s.began_us, s.ended_us, s.note,
          (SELECT first FROM stretch WHERE session = s.id ORDER BY first LIMIT 1),
          (SELECT last FROM stretch WHERE session = s.id ORDER BY first DESC LIMIT 1),
          (SELECT last_us FROM stretch WHERE session = s.id ORDER BY first DESC LIMIT 1),
          (SELECT count(*) FROM action WHERE session = s.id), s.digest
        FROM session s WHERE ?1 IS NULL OR s.id = ?1 ORDER BY s.id DESC
        """, arguments: [session]
    ).map { row in
      SessionSummary(
        id: row[0], kind: row[1], host: row[2], user: row[3], beganMicroseconds: row[4], endedMicroseconds: row[5],
        note: row[6], first: row[7] ?? 1, entries: row[8] ?? 0, lengthMicroseconds: row[9] ?? 0, actions: row[10],
        digest: row[11])
    }
  }
}

/// An input with its place in the session.
public struct RecordedInput: Sendable, Hashable {
  public var at: Instant
  /// The last entry before it; those that it brought follow.
  public var after: Int64
  public var input: Input
}
