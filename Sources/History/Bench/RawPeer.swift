import Foundation
import GRDB
import GRDBSQLite

/// SQLite's own calls doing the inserts that a recording did, and nothing else: what a recording is measured against.
///
/// The rows are read from the recording, batch by batch, and inserted into another file of the same schema; only the
/// inserting is timed. There is nothing to pack, to project or to fold.
public struct RawPeer {
  private static let tables = ["stretch", "keyframe", "notebook", "cell", "marker", "action", "usage"]

  private let source: HistoryStore
  private let target: HistoryStore

  /// - Parameter path: a file that is not there yet.
  /// - Throws: `HistoryError` where it cannot be made.
  public init(copying source: HistoryStore, into path: String, durability: HistoryStore.Durability) throws(HistoryError)
  {
    self.source = source
    target = try HistoryStore(path: path, durability: durability)
  }

  /// Inserts every row of a session again, in transactions of about so many entries.
  ///
  /// - Parameter processor: gives the seconds that the processor has worked for this process.
  /// - Returns: how long the inserting took, by the clock and by the processor, and how many rows it was.
  /// - Throws: `HistoryError`.
  public func insertAgain(
    session: Int64, batch: Int64, processor: () -> Double
  ) throws(HistoryError) -> (taken: Duration, processor: Double, rows: Int) {
    do {
      let last = try source.session(session).entries
      let cells =
        try source.database.read { db in
          try Int64.fetchOne(
            db, sql: "SELECT cell FROM cell WHERE session = ? ORDER BY cell DESC LIMIT 1", arguments: [session])
        } ?? 0
      try target.database.write { db in
        try db.execute(
          sql: "INSERT INTO session (id, kind, host, user, began_us) VALUES (?, 'raw', '', '', 0)", arguments: [session]
        )
      }
      var taken = Duration.zero
      var worked = 0.0
      var rows = 0
      var through: Int64 = 0
      while through < last {
        let bound = through + batch
        // Cells are found by their own numbers, which grow with the entries'.
        let share = (through * cells / last, bound >= last ? cells : bound * cells / last)
        let read = try Self.tables.map { table in
          table == "cell"
            ? try self.rows(table, session, after: share.0, through: share.1)
            : try self.rows(table, session, after: through, through: bound)
        }
        through = bound
        let (began, beganProcessor) = (ContinuousClock.now, processor())
        try target.database.writeWithoutTransaction { db in
          try db.inTransaction(.immediate) {
            for (table, values) in zip(Self.tables, read) { try insert(values, into: table, db) }
            return .commit
          }
        }
        taken += ContinuousClock.now - began
        worked += processor() - beganProcessor
        rows += read.reduce(0) { $0 + $1.count }
      }
      return (taken, worked, rows)
    } catch { throw HistoryError(doing: "cannot insert again into \(target.path)", error) }
  }

  private enum Value {
    case null
    case integer(Int64)
    case text(String)
    case bytes([UInt8])
  }

  /// The rows that the entries of a batch left.
  private func rows(_ table: String, _ session: Int64, after: Int64, through: Int64) throws -> [[Value]] {
    let place =
      switch table {
      case "stretch": "first"
      case "notebook": "opened"
      case "cell": "cell"
      case "usage": "0"
      case _: "sequence"
      }
    return try source.database.read { db in
      let cursor = try Row.fetchCursor(
        db, sql: "SELECT * FROM \(table) WHERE session = ? AND \(place) > ? AND \(place) <= ?",
        arguments: [session, after, through])
      var rows: [[Value]] = []
      while let row = try cursor.next() {
        rows.append(
          row.databaseValues.map { value in
            switch value.storage {
            case .null: .null
            case .int64(let number): .integer(number)
            case .double(let number): .integer(Int64(number))
            case .string(let text): .text(text)
            case .blob(let data): .bytes([UInt8](data))
            }
          })
      }
      return rows
    }
  }

  private func insert(_ rows: [[Value]], into table: String, _ db: Database) throws {
    guard let first = rows.first else { return }
    let places = Array(repeating: "?", count: first.count).joined(separator: ", ")
    let statement = try RowStatement(db, "INSERT INTO \(table) VALUES (\(places))")
    for row in rows {
      try bind(row[...], at: 1, statement)
    }
  }

  /// Binds the values one by one, so that bytes live until the statement has run.
  private func bind(_ values: ArraySlice<Value>, at place: Int32, _ statement: RowStatement) throws {
    guard let value = values.first else { return try statement.run() }
    switch value {
    case .null: statement.bind(place, nil as Int64?)
    case .integer(let number): statement.bind(place, number)
    case .text(let text): statement.bind(place, text)
    case .bytes(let bytes):
      return try bytes.withUnsafeBytes { buffer in
        statement.bind(place, buffer)
        try bind(values.dropFirst(), at: place + 1, statement)
      }
    }
    try bind(values.dropFirst(), at: place + 1, statement)
  }

  /// Commits `count` transactions of one short row each.
  ///
  /// - Returns: how long each took, in microseconds, in order of length.
  /// - Throws: `HistoryError`.
  public func singleCommits(_ count: Int, bytes: Int) throws(HistoryError) -> [Double] {
    let row = [UInt8](repeating: 7, count: bytes)
    var times: [Double] = []
    do {
      try target.database.writeWithoutTransaction { db in
        try db.execute(sql: "CREATE TABLE IF NOT EXISTS single (number INTEGER PRIMARY KEY, log BLOB)")
        for number in 0..<count {
          let began = ContinuousClock.now
          try db.inTransaction(.immediate) {
            let statement = try RowStatement(db, "INSERT INTO single VALUES (?, ?)")
            statement.bind(1, Int64(number))
            try row.withUnsafeBytes { buffer in
              statement.bind(2, buffer)
              try statement.run()
            }
            return .commit
          }
          times.append((ContinuousClock.now - began).milliseconds * 1000)
        }
      }
    } catch { throw HistoryError(doing: "cannot commit into \(target.path)", error) }
    return times.sorted()
  }
}
