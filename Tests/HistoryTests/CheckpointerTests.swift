import Engine
import Foundation
import GRDB
import Projections
import Synchronization
import Testing

@testable import History

@Suite struct CheckpointerTests {
  @Test("moves the log into the file beside the commits, whole, while a session is recorded")
  func movesAside() throws {
    let place = TemporaryHistory()
    let checkpointer = Checkpointer(path: place.path, pagesLeast: 64)
    let store = try HistoryStore(path: place.path, checkpointer: checkpointer)
    let writer = try place.writer(store)
    var played = try Played(seed: 7)
    let log = place.path + "-wal"
    var longest: UInt64 = 0
    var rounds = 0
    while checkpointer.wholeMoves.load(ordering: .relaxed) < 3, rounds < 20_000 {
      played.play(1) { input, at, after, entries in
        writer.take(input, at: at, after: after, bringing: entries)
        #expect(writer.flush())
      }
      rounds += 1
      let facts = try FileManager.default.attributesOfItem(atPath: log)
      longest = max(longest, (facts[.size] as? UInt64) ?? 0)
    }
    checkpointer.finish()
    #expect(checkpointer.wholeMoves.load(ordering: .relaxed) >= 3)
    // It began anew, again and again: a log that only grows would hold every page of every commit.
    #expect(longest < 64 << 20, "the log had \(longest) bytes after \(rounds) commits")
    writer.end(atMicroseconds: 1_800_000_000_000_000, digest: played.digest)
    #expect(try store.verify(folds: [SchedulerState.self, Board.self]).faults == [])
    #expect(try store.entries(of: writer.session, limit: .max) == played.entries)
  }

  @Test("lets commits go on while somebody reads what is old, and moves the rest when nobody does")
  func reader() throws {
    let place = TemporaryHistory()
    let checkpointer = Checkpointer(path: place.path, pagesLeast: 64)
    let store = try HistoryStore(path: place.path, checkpointer: checkpointer)
    let writer = try place.writer(store)
    var played = try Played(seed: 8)
    func record(_ rounds: Int) {
      played.play(rounds) { input, at, after, entries in
        writer.take(input, at: at, after: after, bringing: entries)
        #expect(writer.flush())
      }
    }
    record(10)
    // What was moved before somebody reads says nothing.
    checkpointer.finish()
    let moved = checkpointer.wholeMoves.load(ordering: .relaxed)
    let other = try DatabaseQueue(path: place.path)
    try other.inDatabase { db in
      try db.execute(sql: "BEGIN")
      let before = try Int.fetchOne(db, sql: "SELECT count(*) FROM stretch")
      record(300)
      checkpointer.finish()
      #expect(checkpointer.wholeMoves.load(ordering: .relaxed) == moved)
      #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM stretch") == before)
      try db.execute(sql: "COMMIT")
    }
    var rounds = 0
    while checkpointer.wholeMoves.load(ordering: .relaxed) == moved, rounds < 20_000 {
      record(1)
      rounds += 1
    }
    #expect(checkpointer.wholeMoves.load(ordering: .relaxed) > moved)
  }
}
