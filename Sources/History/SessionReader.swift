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
  /// The last entry's number; there are as many entries.
  public var entries: Int64
  /// The last entry's instant, in microseconds since the beginning.
  public var lengthMicroseconds: Int64
  /// How many operators' actions it holds.
  public var actions: Int64
  /// The digest of its entries, in hexadecimal; nil where the session was cut short or goes on.
  public var digest: String?
}

extension HistoryStore {
  /// The sessions, newest first.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func sessions() throws(HistoryError) -> [SessionSummary] {
    try reading { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT s.id, s.kind, s.host, s.user, s.began_us, s.ended_us, s.note,
            (SELECT sequence FROM entry WHERE session = s.id ORDER BY sequence DESC LIMIT 1),
            (SELECT at_us FROM entry WHERE session = s.id ORDER BY sequence DESC LIMIT 1),
            (SELECT count(*) FROM action WHERE session = s.id), s.digest
          FROM session s ORDER BY s.id DESC
          """
      ).map { row in
        SessionSummary(
          id: row[0], kind: row[1], host: row[2], user: row[3], beganMicroseconds: row[4], endedMicroseconds: row[5],
          note: row[6], entries: row[7] ?? 0, lengthMicroseconds: row[8] ?? 0, actions: row[9], digest: row[10])
      }
    }
  }

  /// The session of that number, or the newest that holds entries where none is given.
  ///
  /// - Throws: `HistoryError` that says which there are.
  public func session(_ id: Int64?) throws(HistoryError) -> SessionSummary {
    let all = try sessions()
    if let found = all.first(where: { id == nil ? $0.entries > 0 : $0.id == id }) { return found }
    if let id {
      let range = all.isEmpty ? "it holds none" : "it holds \(all.last!.id) to \(all[0].id)"
      throw HistoryError("the history \(path) has no session \(id): \(range). See 'celltop history list'")
    }
    throw HistoryError("the history \(path) holds no session yet. Start one with 'celltop demo'")
  }

  /// Entries of a session from `first` on, `limit` at the most, in order.
  ///
  /// - Throws: `HistoryError` where the file cannot be read, an entry cannot be understood, or one is missing: a gap in
  ///   the sequence is an error.
  public func entries(of session: Int64, from first: Int64 = 1, limit: Int = .max) throws(HistoryError) -> [Entry] {
    try reading { db in
      let cursor = try Row.fetchCursor(
        db,
        sql: "SELECT sequence, at_us, event FROM entry WHERE session = ? AND sequence >= ? ORDER BY sequence LIMIT ?",
        arguments: [session, first, limit])
      var entries: [Entry] = []
      var expected = first
      while let row = try cursor.next() {
        let sequence: Int64 = row[0]
        guard sequence == expected else {
          throw HistoryError("session \(session) has a gap: entry \(expected) is missing before \(sequence)")
        }
        expected += 1
        entries.append(
          Entry(sequence: sequence, at: Instant(microseconds: row[1]), event: try Self.event(row, session, sequence)))
      }
      return entries
    }
  }

  /// The inputs of a session, in order, each with the number of the last entry before it.
  ///
  /// - Throws: `HistoryError` as `entries`.
  public func inputs(of session: Int64) throws(HistoryError) -> [(at: Instant, after: Int64, input: Input)] {
    try reading { db in
      try Row.fetchAll(
        db, sql: "SELECT at_us, after_sequence, input FROM input WHERE session = ? ORDER BY ordinal",
        arguments: [session]
      ).map { row in
        let bytes: Data = row[2]
        do {
          return (Instant(microseconds: row[0]), row[1], try Input(packed: bytes))
        } catch {
          throw HistoryError("session \(session): an input after entry \(row[1] as Int64) cannot be read: \(error)")
        }
      }
    }
  }

  private static func event(_ row: Row, _ session: Int64, _ sequence: Int64) throws -> Event {
    do {
      return try row.withUnsafeData(atIndex: 2) { data in try Event(packed: data ?? Data()) }
    } catch {
      throw HistoryError("session \(session): entry \(sequence) cannot be read: \(error)")
    }
  }

  private func reading<Value>(_ body: (Database) throws -> Value) throws(HistoryError) -> Value {
    do {
      return try pool.read(body)
    } catch let error as HistoryError {
      throw error
    } catch {
      throw HistoryError(doing: "cannot read the history \(path)", error)
    }
  }
}
