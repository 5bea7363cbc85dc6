import Foundation
import GRDB

/// A file of sessions: every input and every entry, in order, and tables that answer questions. SQLite in WAL mode, so
/// that others may read while one celltop writes; `Docs/HISTORY.md` describes the tables.
///
/// Safe to use from several threads: GRDB serialises the writes.
public final class HistoryStore: Sendable {
  /// What a commit survives.
  public enum Durability: Sendable {
    /// The death of this process at any moment; a power cut may take the last commits.
    case processDeath
    /// A power cut as well, at the price of waiting for the disk at each commit.
    case powerCut
  }

  public let path: String
  let database: any DatabaseWriter
  /// Moves the log into the file beside the commits; nil where the commits do.
  let checkpointer: Checkpointer?
  private let opened: FileIdentity?

  /// How long another program's commit is waited for, in milliseconds: longer than a commit takes, shorter than people
  /// notice, because the engine's thread waits.
  static let busyMillisecondsMost = 250

  /// Opens the file for writing, or makes it with its folder; brings an older one's schema up to date.
  ///
  /// - Parameter checkpointer: moves the log into the file beside the commits, for those who may not wait; nil lets the commits
  ///   do it.
  /// - Throws: `HistoryError` that names the file, says what is wrong and how to mend it.
  public convenience init(path: String, durability: Durability = .processDeath) throws(HistoryError) {
    try self.init(path: path, durability: durability, checkpointer: nil)
  }

  init(path: String, durability: Durability = .processDeath, checkpointer: Checkpointer?) throws(HistoryError) {
    self.path = path
    self.checkpointer = checkpointer
    do {
      try Self.refuseFolder(path)
      // Empty where the path is a bare name: the folder is the present one.
      try Folder.make((path as NSString).deletingLastPathComponent)
      let isNew = !FileManager.default.fileExists(atPath: path)
      var configuration = Self.configuration
      configuration.prepareDatabase { db in
        try db.execute(sql: "PRAGMA synchronous = \(durability == .powerCut ? "FULL" : "NORMAL")")
        if !db.configuration.readonly { try checkpointer?.attach(to: db) }
        // Takes effect in a file without tables only; it lets compaction work in small steps.
        if isNew, !db.configuration.readonly { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
      }
      database = try DatabasePool(path: path, configuration: configuration)
      try Self.refuseNewer(database, path)
      try HistorySchema.migrator.migrate(database)
      opened = Self.identity(path)
    } catch {
      throw HistoryError(opening: path, error)
    }
  }

  /// Opens an existing file to look at it. A file that this user may write is brought up to date first; one that may not
  /// be written is read as it is.
  ///
  /// - Throws: `HistoryError` as above, and where a file of an older schema may not be written.
  public init(reading path: String) throws(HistoryError) {
    self.path = path
    checkpointer = nil
    do {
      try Self.refuseFolder(path)
      guard FileManager.default.fileExists(atPath: path) else {
        throw HistoryError("there is no history \(path). Start a session with 'celltop demo', or set CELLTOP_HISTORY")
      }
      var configuration = Self.configuration
      configuration.readonly = true
      // A queue: a pool would want to write the file's mode.
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try Self.refuseNewer(queue, path)
      if try queue.read({ try HistorySchema.migrator.hasCompletedMigrations($0) }) {
        database = queue
        opened = Self.identity(path)
        return
      }
      try queue.close()
      database = try DatabasePool(path: path, configuration: Self.configuration)
      opened = Self.identity(path)
      try HistorySchema.migrator.migrate(database)
    } catch {
      throw HistoryError(opening: path, error)
    }
  }

  /// How many sessions the file holds; nil where there is none yet and a session could make it. Nothing is made or changed.
  ///
  /// - Throws: `HistoryError` where a session could not record in it.
  public static func look(at path: String) throws(HistoryError) -> Int? {
    let folder = (path as NSString).deletingLastPathComponent
    if let failure = Folder.obstacle(to: folder) { throw HistoryError(folderOf: path, failure) }
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    try refuseFolder(path)
    guard access(path, R_OK | W_OK) == 0 else {
      throw HistoryError(unwritable: path, errno)
    }
    do {
      var configuration = Self.configuration
      configuration.readonly = true
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try refuseNewer(queue, path)
      return try queue.read { db in
        try db.tableExists("session") ? try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM session") ?? 0 : 0
      }
    } catch {
      throw HistoryError(opening: path, error)
    }
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "celltop.history"
    // SQLite's own waiting sleeps up to 100 ms at a time; this one gets in between two of another's short transactions.
    configuration.busyMode = .callback { tries in
      usleep(500)
      return tries < busyMillisecondsMost * 2
    }
    return configuration
  }

  private static func refuseFolder(_ path: String) throws(HistoryError) {
    var facts = stat()
    guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else { return }
    throw HistoryError("the history is a file, and \(path) is a folder. Name a file in it with CELLTOP_HISTORY")
  }

  private static func refuseNewer(_ database: any DatabaseReader, _ path: String) throws {
    if try database.read({ try HistorySchema.migrator.hasBeenSuperseded($0) }) {
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

  func reading<Value>(_ body: (Database) throws -> Value) throws(HistoryError) -> Value {
    do { return try database.read(body) } catch { throw HistoryError(doing: "cannot read the history \(path)", error) }
  }
}

extension HistoryStore {
  /// Whether the file at the path is still the one that was opened: it may have been moved away or replaced.
  var isInPlace: Bool { Self.identity(path) == opened }

  static func identity(_ path: String) -> FileIdentity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  /// Which file of the machine it is.
  struct FileIdentity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
  }

  /// Whether the file holds that session up to exactly that entry.
  func holds(_ session: Int64, began: Int64, through last: Int64) throws(HistoryError) -> Bool {
    try reading { db in
      let there = try Int64.fetchOne(db, sql: "SELECT began_us FROM session WHERE id = ?", arguments: [session])
      let held = try Int64.fetchOne(
        db, sql: "SELECT last FROM stretch WHERE session = ? ORDER BY first DESC LIMIT 1", arguments: [session])
      return there == began && held ?? 0 == last
    }
  }
}
