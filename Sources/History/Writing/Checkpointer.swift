import Foundation
import GRDB
import GRDBSQLite
import Synchronization

/// Moves what was committed from SQLite's log into the file itself on a queue of its own, so that no commit waits for it.
///
/// By itself SQLite does so within the commit that fills the log, and waits for the disk twice: measured at 200 cells a second,
/// 5 to 25 ms twice a second. Here the bulk is moved while others write (`PASSIVE`); then, with little left, the rest with
/// the writer kept out (`RESTART`), so that the log begins anew (sqlite.org/wal.html, section 2.2).
final class Checkpointer: Sendable {
  /// How many pages the log has when it is worth moving: 32 MB at 4,096 bytes each.
  static let pagesLeast: Int32 = 8192
  /// How often the writer is asked for a moment.
  private static let triesMost = 100

  private let path: String
  private let pagesLeast: Int32
  private let queue = DispatchQueue(label: "celltop.history.checkpoint", qos: .utility)
  private let isAtWork = Atomic(false)
  /// How often the log was moved as a whole.
  let wholeMoves = Atomic(0)

  init(path: String, pagesLeast: Int32 = Checkpointer.pagesLeast) {
    self.path = path
    self.pagesLeast = pagesLeast
  }

  /// Is told of each commit of this connection, in place of SQLite's own checkpoints. Must outlive the connection.
  func attach(to db: Database) throws {
    guard let connection = db.sqliteConnection else { throw DatabaseError(message: "the connection is closed") }
    let context = Unmanaged.passUnretained(self).toOpaque()
    sqlite3_wal_hook(
      connection,
      { context, _, _, pages in
        guard let context else { return SQLITE_OK }
        Unmanaged<Checkpointer>.fromOpaque(context).takeUnretainedValue().committed(pages: pages)
        return SQLITE_OK
      }, context)
  }

  /// Waits until nothing is under way.
  func finish() { queue.sync {} }

  private func committed(pages: Int32) {
    guard pages >= pagesLeast, !isAtWork.exchange(true, ordering: .acquiringAndReleasing) else { return }
    queue.async { [self] in
      // What cannot be done now is tried again after a later commit; nothing is lost meanwhile.
      try? move()
      isAtWork.store(false, ordering: .releasing)
    }
  }

  private func move() throws {
    var configuration = Configuration()
    configuration.label = "celltop.history.checkpoint"
    configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = NORMAL") }
    let database = try DatabaseQueue(path: path, configuration: configuration)
    try database.writeWithoutTransaction { db in
      _ = try db.checkpoint(.passive)
      for _ in 0..<Self.triesMost {
        do {
          _ = try db.checkpoint(.restart)
          wholeMoves.add(1, ordering: .relaxed)
          return
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
          // The writer writes, or somebody reads what is old: soon nobody does.
          usleep(500)
        }
      }
    }
  }
}
