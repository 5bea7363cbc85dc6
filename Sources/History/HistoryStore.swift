import Domain
import Foundation
import GRDB

/// A file of sessions: every input and every entry, in order. SQLite in WAL mode, so that others may read while one
/// celltop writes.
///
/// Safe to use from several threads: GRDB's pool serialises the writes.
public final class HistoryStore: Sendable {
  public let path: String
  let pool: DatabasePool

  /// Opens the file, or makes it with its folder; brings an older one's schema up to date.
  ///
  /// - Throws: `HistoryError` that names the file, says what is wrong and how to mend it.
  public init(path: String) throws(HistoryError) {
    self.path = path
    do {
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      var configuration = Configuration()
      configuration.label = "celltop.history"
      // The engine's thread waits for it: longer than another writer's commit takes, shorter than people notice.
      configuration.busyMode = .timeout(0.25)
      configuration.prepareDatabase { db in
        // A commit survives the death of this process at any moment; only a power cut may take the last ones.
        try db.execute(sql: "PRAGMA synchronous = NORMAL")
      }
      pool = try DatabasePool(path: path, configuration: configuration)
      try Self.refuseNewer(pool, path)
      try HistorySchema.migrator.migrate(pool)
    } catch let error as HistoryError {
      throw error
    } catch {
      throw HistoryError(opening: path, error)
    }
  }

  private static func refuseNewer(_ pool: DatabasePool, _ path: String) throws {
    let isNewer = try pool.read { try HistorySchema.migrator.hasBeenSuperseded($0) }
    if isNewer {
      throw HistoryError(
        "the history \(path) was written by a newer celltop. Use that one, or name another file with CELLTOP_HISTORY")
    }
  }

  /// Where the history is kept: `CELLTOP_HISTORY` where set, else `celltop/history.sqlite` in the XDG data folder.
  public static func standardPath(environment: [String: String]) -> String {
    if let path = environment["CELLTOP_HISTORY"], !path.isEmpty { return path }
    let home = environment["HOME"] ?? "/tmp"
    let given = environment["XDG_DATA_HOME"] ?? ""
    let data = given.hasPrefix("/") ? given : home + "/.local/share"
    return data + "/celltop/history.sqlite"
  }
}

/// What can go wrong with the history, in words for its user.
public struct HistoryError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }

  init(opening path: String, _ error: any Error) {
    if let error = error as? DatabaseError {
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT:
        self.init("the history \(path) is damaged (\(Self.plain(error))). Move it away, and a new one is made")
      case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
        self.init(
          "cannot write the history \(path) (\(Self.plain(error))). Mend its permissions, or set CELLTOP_HISTORY")
      default: self.init("cannot open the history \(path): \(Self.plain(error))")
      }
    } else {
      self.init("cannot open the history \(path): \(error.localizedDescription)")
    }
  }

  init(doing what: String, _ error: any Error) {
    self.init("\(what): \((error as? DatabaseError).map(Self.plain) ?? "\(error)")")
  }

  private static func plain(_ error: DatabaseError) -> String { error.message ?? "\(error.resultCode)" }
}

/// The tables, by version; an older file is brought up to date, step by step.
enum HistorySchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: sessions, inputs, entries, actions") { db in
      try db.execute(
        sql: """
          CREATE TABLE session (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            host TEXT NOT NULL,
            user TEXT NOT NULL,
            began_us INTEGER NOT NULL,
            ended_us INTEGER,
            digest TEXT,
            note TEXT NOT NULL DEFAULT ''
          ) STRICT;
          CREATE TABLE entry (
            session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
            sequence INTEGER NOT NULL,
            at_us INTEGER NOT NULL,
            event BLOB NOT NULL,
            PRIMARY KEY (session, sequence)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE input (
            session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            at_us INTEGER NOT NULL,
            after_sequence INTEGER NOT NULL,
            input BLOB NOT NULL,
            PRIMARY KEY (session, ordinal)
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE action (
            session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
            sequence INTEGER NOT NULL,
            at_us INTEGER NOT NULL,
            author TEXT NOT NULL,
            verb TEXT NOT NULL,
            notebook INTEGER,
            why TEXT NOT NULL,
            refused TEXT,
            PRIMARY KEY (session, sequence)
          ) STRICT, WITHOUT ROWID;
          """)
    }
    return migrator
  }
}
