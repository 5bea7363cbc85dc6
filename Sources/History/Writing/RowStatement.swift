import GRDB
import GRDBSQLite

/// A prepared statement that is bound and run by SQLite's own calls: the hot path of recording, where building an array
/// of values for each row costs as much as SQLite itself.
struct RowStatement {
  private let owner: Statement
  private let handle: OpaquePointer
  private let connection: OpaquePointer

  init(_ db: Database, _ sql: String) throws {
    owner = try db.cachedStatement(sql: sql)
    handle = owner.sqliteStatement
    guard let connection = db.sqliteConnection else { throw DatabaseError(message: "the connection is closed") }
    self.connection = connection
  }

  @inline(__always) func bind(_ place: Int32, _ value: Int64) { sqlite3_bind_int64(handle, place, value) }

  @inline(__always) func bind(_ place: Int32, _ value: Int64?) {
    if let value { bind(place, value) } else { sqlite3_bind_null(handle, place) }
  }

  /// Binds a text; SQLite copies it.
  func bind(_ place: Int32, _ text: String?) {
    guard var text else {
      sqlite3_bind_null(handle, place)
      return
    }
    _ = text.withUTF8 { buffer in
      buffer.withMemoryRebound(to: CChar.self) { characters in
        // An empty text must not be bound by a nil pointer, which means NULL.
        if let start = characters.baseAddress {
          sqlite3_bind_text(handle, place, start, Int32(characters.count), Self.copies)
        } else {
          sqlite3_bind_text(handle, place, "", 0, Self.copies)
        }
      }
    }
  }

  /// Binds bytes, which must live until `run` has been called.
  func bind(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
    if let start = bytes.baseAddress, !bytes.isEmpty {
      sqlite3_bind_blob(handle, place, start, Int32(bytes.count), nil)
    } else {
      sqlite3_bind_zeroblob(handle, place, 0)
    }
  }

  /// Runs the statement for what was bound.
  ///
  /// - Throws: `DatabaseError`.
  func run() throws {
    let code = sqlite3_step(handle)
    sqlite3_reset(handle)
    guard code == SQLITE_DONE else {
      throw DatabaseError(
        resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection)),
        message: String(cString: sqlite3_errmsg(connection)))
    }
  }

  /// SQLITE_TRANSIENT, a macro that Swift does not see.
  private static var copies: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}
