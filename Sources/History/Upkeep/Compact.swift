import Foundation
import GRDB

extension HistoryStore {
  /// The file's size, and how much of it is unused, in bytes.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func size() throws(HistoryError) -> (bytes: Int64, unused: Int64) {
    try reading { db in
      let page = try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0
      let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
      let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
      return (pages * page, free * page)
    }
  }

  /// Gives the disk back what is unused, in small steps, so that a session which is being recorded hardly waits. A file made
  /// by an older celltop is written anew once, which nobody may record into meanwhile.
  ///
  /// - Returns: the bytes given back.
  /// - Throws: `HistoryError` where the file cannot be written, or is being recorded into and has to be written anew.
  @discardableResult
  public func compact(progress: (_ unused: Int64) -> Void = { _ in }) throws(HistoryError) -> Int64 {
    let before = try size()
    do {
      let mode = try database.read { try Int.fetchOne($0, sql: "PRAGMA auto_vacuum") }
      if mode == 2 {
        var unused = before.unused
        while unused > 0 {
          try database.write { try $0.execute(sql: "PRAGMA incremental_vacuum(64)") }
          usleep(1000)
          let left = try size().unused
          // Pages that cannot be moved stay.
          if left >= unused { break }
          unused = left
          progress(unused)
        }
      } else {
        for session in try sessions() where session.endedMicroseconds == nil {
          guard try !isBeingWritten(session.id) else {
            throw HistoryError(
              "the history \(path) must be written anew, and session \(session.id) is being recorded. End it first")
          }
        }
        try database.writeWithoutTransaction { db in
          try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
          try db.execute(sql: "VACUUM")
        }
      }
      try database.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
      return before.bytes - (try size().bytes)
    } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
      // The log is folded in by whoever closes the file last.
      return before.bytes - (try size().bytes)
    } catch { throw HistoryError(doing: "cannot compact the history \(path)", error) }
  }

  /// Copies the history as it is at this moment into a file that is not there yet, while others record: the copy is whole,
  /// compact, and opens like the original.
  ///
  /// - Throws: `HistoryError` where the copy exists already or cannot be written.
  public func backUp(to copy: String) throws(HistoryError) {
    guard !FileManager.default.fileExists(atPath: copy) else {
      throw HistoryError("\(copy) is there already, and a backup overwrites nothing. Name another file")
    }
    let folder = (copy as NSString).deletingLastPathComponent
    guard folder.isEmpty || FileManager.default.fileExists(atPath: folder) else {
      throw HistoryError(
        "cannot copy the history to \(copy): there is no folder \(folder). Make it, or name another file")
    }
    let unfinished = copy + ".unfinished"
    try? FileManager.default.removeItem(atPath: unfinished)
    do {
      try database.writeWithoutTransaction { db in
        try db.execute(sql: "VACUUM INTO ?", arguments: [unfinished])
      }
      try FileManager.default.moveItem(atPath: unfinished, toPath: copy)
    } catch {
      try? FileManager.default.removeItem(atPath: unfinished)
      throw HistoryError(doing: "cannot back the history \(path) up into \(copy)", error)
    }
  }
}
