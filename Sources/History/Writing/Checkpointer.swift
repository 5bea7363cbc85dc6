import Foundation
import GRDB
import GRDBSQLite
import Synchronization

/// Moves what was committed from SQLite's log into the file itself on a queue of its own, so that no commit waits for it.
///
/// By itself SQLite does so within the commit that fills the log, and waits for the disk twice: measured at 200 cells a second,
/// 5 to 25 ms twice a second. Here the log is moved while others write (`PASSIVE`), again and again, each time what was committed
/// meanwhile: one of these falls between two commits and finds everything moved, and with the next commit the log begins anew. Nobody
/// has waited. Where commits leave no such gap, the rest is moved in the end with the writer kept out (`RESTART`), which takes two
/// waits for the disk (sqlite.org/wal.html, sections 2.2 and 4).
final class Checkpointer: Sendable {
  /// How many pages the log has when it is worth moving: 32 MB at 4,096 bytes each.
  static let pagesLeast: Int32 = 8192
  /// How often a gap between two commits is looked for: a try takes as long as the disk, a few milliseconds, and of 400 commits a
  /// second one in seven leaves as much time.
  private static let gapsMost = 40
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
      for _ in 0..<Self.gapsMost {
        let found = try db.checkpoint(.passive)
        guard found.checkpointedFrameCount < found.walFrameCount else {
          wholeMoves.add(1, ordering: .relaxed)
          return
        }
      }
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
