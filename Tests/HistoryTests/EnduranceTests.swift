import Domain
import Engine
import Foundation
import GRDB
import Projections
import Testing

@testable import History

@Suite("A history in trouble") struct EnduranceTests {
  private static let heading = TemporaryHistory.heading

  private func sql(_ store: HistoryStore, _ text: String) throws {
    try store.database.writeWithoutTransaction { try $0.execute(sql: text) }
  }

  /// Takes `rounds` inputs of a session and tries to write them.
  private func go(_ played: inout Played, _ rounds: Int, _ writer: SessionWriter) -> Bool {
    played.play(rounds) { writer.take($0, at: $1, after: $2, bringing: $3) }
    let frames = played.frames
    return writer.flush(insists: true, frames: { frames })
  }

  @Test("waits while the disk is full, says so, loses nothing, and writes all once there is room")
  func fullDisk() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try SessionWriter(store, Self.heading, retrySpan: .zero)
    var played = try Played(seed: 1)
    #expect(go(&played, 200, writer))
    let written = try store.recorded().last
    let pages = try store.database.read { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 }
    try sql(store, "PRAGMA max_page_count = \(pages)")
    var isRefused = false
    for _ in 0..<40 { isRefused = !go(&played, 100, writer) || isRefused }
    #expect(isRefused)
    #expect(writer.trouble?.contains("full") == true, "\(writer.trouble ?? "nil")")
    #expect(writer.entriesWaiting > 0)
    #expect(try store.recorded().last >= written)
    #expect(try store.verify(folds: [SchedulerState.self]).faults == [])
    try sql(store, "PRAGMA max_page_count = 1000000")
    #expect(go(&played, 10, writer))
    #expect(writer.trouble == nil && writer.entriesWaiting == 0 && writer.entriesLost == 0)
    writer.end(atMicroseconds: 1_800_000_000_000_000, digest: played.digest)
    #expect(try store.entries(of: writer.session) == played.entries)
    #expect(try store.verify(folds: [SchedulerState.self, Board.self]).faults == [])
  }

  @Test("waits while the file may not be written, and while another program holds it")
  func refused() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try SessionWriter(store, Self.heading, retrySpan: .zero)
    var played = try Played(seed: 2)
    #expect(go(&played, 50, writer))
    try sql(store, "PRAGMA query_only = 1")
    #expect(!go(&played, 50, writer))
    #expect(writer.trouble?.contains("Mend its permissions") == true, "\(writer.trouble ?? "nil")")
    // The next try opens the file anew.
    #expect(go(&played, 50, writer))
    let other = try DatabaseQueue(path: place.path)
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      #expect(!go(&played, 50, writer))
      #expect(writer.trouble?.contains("Another program holds it") == true, "\(writer.trouble ?? "nil")")
      try db.execute(sql: "COMMIT")
    }
    #expect(go(&played, 50, writer))
    #expect(try store.entries(of: writer.session) == played.entries)
  }

  @Test("reads a file that may not be written, and refuses to record there with a reason")
  func readOnly() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 3)
    try place.record(&played, rounds: 100, into: place.open())
    try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: place.path)
    #expect(try HistoryStore(reading: place.path).entries(of: 1) == played.entries)
    let elsewhere = SessionWriter(path: "/dev/null/history.sqlite", Self.heading, retrySpan: .zero)
    #expect(elsewhere.trouble?.contains("cannot") == true && elsewhere.session == 0)
    #expect { try HistoryStore(reading: place.folder + "/none.sqlite") } throws: {
      "\($0)".contains("there is no history")
    }
  }

  @Test("waits at a file of a newer celltop, and records from the first entry on once it is gone")
  func newer() throws {
    let place = TemporaryHistory()
    _ = try place.open()
    let other = try DatabaseQueue(path: place.path)
    try other.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99: from the future')") }
    let writer = SessionWriter(path: place.path, Self.heading, retrySpan: .zero)
    var played = try Played(seed: 4)
    #expect(!go(&played, 50, writer))
    #expect(writer.trouble?.contains("newer celltop") == true && writer.session == 0)
    #expect { try HistoryStore(reading: place.path) } throws: { "\($0)".contains("newer celltop") }
    try other.write { try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '99%'") }
    #expect(go(&played, 50, writer))
    #expect(try place.open().entries(of: writer.session) == played.entries)
  }

  @Test("waits at a damaged file, leaves it as it is, and goes on in a new one once it was moved away")
  func damaged() throws {
    let place = TemporaryHistory()
    let writer = SessionWriter(path: place.path, Self.heading, retrySpan: .zero)
    var played = try Played(seed: 5)
    for _ in 0..<10 { #expect(go(&played, 300, writer)) }
    let kept = played.entries.count
    // Nobody else has it open: the log beside it is folded in and gone.
    try sql(try place.open(), "PRAGMA wal_checkpoint(TRUNCATE)")
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: place.path))
    try handle.write(contentsOf: Data(repeating: 0x55, count: 40_000))
    try handle.close()
    let damage = try Data(contentsOf: URL(fileURLWithPath: place.path)).prefix(40_000)
    #expect(!go(&played, 100, writer))
    #expect(writer.trouble?.contains("damaged") == true || writer.trouble?.contains("Move it away") == true)
    #expect(!go(&played, 10, writer))
    #expect(try Data(contentsOf: URL(fileURLWithPath: place.path)).prefix(40_000) == damage)
    for end in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: place.path + end) {
      try FileManager.default.moveItem(atPath: place.path + end, toPath: place.path + ".bad" + end)
    }
    #expect(go(&played, 100, writer), "\(writer.trouble ?? "")")
    #expect(go(&played, 100, writer))
    let session = try place.open().recorded()
    // What was written went with the file; what waited is here, with the stretch that it continues.
    #expect(session.first > 1 && session.first <= Int64(kept) + 1)
    #expect(try session.entries(from: session.first) == Array(played.entries.dropFirst(Int(session.first) - 1)))
    #expect(
      try session.fold(SchedulerState.self, through: .max).forgettingTheClosed
        == played.engine.state.forgettingTheClosed)
    writer.end(atMicroseconds: 1_800_000_000_000_000, digest: played.digest)
    #expect(try place.open().session(nil).digest == nil)
    #expect(try place.open().verify(folds: [SchedulerState.self, Board.self]).faults == [])
  }

  @Test("bounds what waits, and goes on as another session without a gap when it was too much")
  func bounded() throws {
    let place = TemporaryHistory()
    try FileManager.default.createDirectory(atPath: place.folder, withIntermediateDirectories: true)
    try Data("in the way".utf8).write(to: URL(fileURLWithPath: place.folder + "/sub"))
    let path = place.folder + "/sub/history.sqlite"
    let writer = SessionWriter(path: path, Self.heading, retrySpan: .zero, pendingBytesMost: 100_000)
    var played = try Played(seed: 6)
    for _ in 0..<40 { #expect(!go(&played, 200, writer)) }
    #expect(writer.entriesLost > 0)
    try FileManager.default.removeItem(atPath: place.folder + "/sub")
    #expect(go(&played, 200, writer))
    #expect(go(&played, 200, writer))
    let session = try HistoryStore(reading: path).recorded()
    #expect(session.first == writer.entriesLost + 1)
    #expect(try session.entries(from: session.first) == Array(played.entries.dropFirst(Int(writer.entriesLost))))
    let found = try session.fold(Board.self, through: .max)
    #expect(found.sequence == played.board.sequence && found.notebooks.count == played.board.notebooks.count)
    #expect { try session.fold(Board.self, through: session.first + 5) } throws: {
      "\($0)".contains("no key frame tells what was before")
    }
  }

  @Test("lets two celltops record into one file at once, each its own session")
  func two() async throws {
    let place = TemporaryHistory()
    _ = try place.open()
    let path = place.path
    let sessions = try await withThrowingTaskGroup(of: (Int64, [Entry]).self) { group in
      for seed in 1...2 as ClosedRange<UInt64> {
        group.addTask {
          // Connections of its own, as another process has.
          let store = try HistoryStore(path: path)
          let writer = try SessionWriter(store, Self.heading, retrySpan: .zero)
          var played = try Played(seed: seed)
          for _ in 0..<150 {
            played.play(8) { writer.take($0, at: $1, after: $2, bringing: $3) }
            while !writer.flush(insists: true) {}
          }
          return (writer.session, played.entries)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(sessions.map(\.0)).count == 2)
    let store = try place.open()
    for (id, entries) in sessions { #expect(try store.entries(of: id) == entries) }
    #expect(try store.verify(folds: [SchedulerState.self]).faults == [])
  }
}

@Suite("Upkeep of the history") struct UpkeepTests {
  @Test("takes old sessions away, shortens a long one to a key frame, and lets nobody's recording go")
  func prune() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    var (old, long) = (try Played(seed: 1), try Played(seed: 2))
    try place.record(&old, rounds: 300, into: store)
    let writer = try place.record(&long, rounds: 5000, into: store, framesEvery: 150, ends: false)
    let middle = long.engine.state.now.microseconds / 2
    try store.database.write { db in
      try db.execute(
        sql:
          "UPDATE session SET began_us = began_us - 90000000000000, ended_us = ended_us - 90000000000000 WHERE id = 1")
    }
    let wall = TemporaryHistory.heading.beganMicroseconds + middle
    let plans = try store.pruning(before: wall)
    #expect(plans.map(\.session) == [1, writer.session] && plans.map(\.isWhole) == [true, false])
    #expect(try store.sessions().count == 2 && plans == (try store.pruning(before: wall)), "nothing is gone yet")
    let report = try store.prune(before: wall)
    #expect(plans.reduce(0) { $0 + $1.entries } == report.entries)
    #expect(try store.pruning(before: wall).isEmpty)
    #expect(report.sessions == 1 && report.shortened == 1 && report.entries > Int64(old.entries.count))
    let session = try store.recorded()
    #expect(try store.sessions().map(\.id) == [writer.session])
    #expect(session.first > 100 && session.last == Int64(long.entries.count))
    for share in [0.55, 0.7, 1] {
      let sequence = try session.sequence(at: Instant(seconds: session.end.seconds * share))
      var expected = SchedulerState()
      for entry in long.entries.prefix(Int(sequence)) { expected.apply(entry) }
      #expect(
        try session.fold(SchedulerState.self, through: sequence).forgettingTheClosed == expected.forgettingTheClosed)
    }
    // The recording goes on as if nothing had happened.
    long.play(50) { writer.take($0, at: $1, after: $2, bringing: $3) }
    #expect(writer.flush())
    #expect(try session.entries(from: session.first) == Array(long.entries.dropFirst(Int(session.first) - 1)))
    #expect(try store.verify(folds: [SchedulerState.self]).faults == [])
    // Even of everything, a session that this process records keeps its tail; once it has ended, it goes.
    _ = try store.prune(before: .max / 4)
    #expect(try store.sessions().count == 1)
    writer.end(atMicroseconds: 1_700_000_900_000_000, digest: long.digest)
    _ = try store.prune(before: .max / 4)
    #expect(try store.sessions().isEmpty)
    for table in ["stretch", "keyframe", "notebook", "cell", "usage", "marker", "action"] {
      #expect(try store.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") } == 0, "\(table)")
    }
  }

  @Test("gives unused room back, copies whole while others record, and the copy opens like the original")
  func compactAndBackUp() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    var (old, live) = (try Played(seed: 1), try Played(seed: 2))
    try place.record(&old, rounds: 3000, into: store)
    let writer = try place.record(&live, rounds: 300, into: store, ends: false)
    _ = try store.prune(before: TemporaryHistory.heading.beganMicroseconds + 100_000_000_000_000)
    #expect(try store.sessions().map(\.id) == [writer.session])
    let before = try store.size()
    #expect(before.unused > 100_000)
    let given = try store.compact()
    let after = try store.size()
    #expect(given > 100_000 && after.unused < before.unused / 10)
    let copy = place.folder + "/copy.sqlite"
    live.play(20) { writer.take($0, at: $1, after: $2, bringing: $3) }
    #expect(writer.flush())
    try HistoryStore(reading: place.path).backUp(to: copy)
    let copied = live.entries
    live.play(20) { writer.take($0, at: $1, after: $2, bringing: $3) }
    #expect(writer.flush())
    #expect(try HistoryStore(reading: copy).entries(of: writer.session) == copied)
    #expect(try HistoryStore(path: copy).verify(folds: [SchedulerState.self]).faults == [])
    #expect { try store.backUp(to: copy) } throws: { "\($0)".contains("is there already") }
    #expect(try store.entries(of: writer.session) == live.entries)
  }

  @Test("finds a flipped byte in a stretch, in a key frame, and a digest that is another")
  func verify() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    var played = try Played(seed: 1)
    try place.record(&played, rounds: 1000, into: store)
    #expect(try store.verify(folds: [SchedulerState.self, Board.self]).faults == [])
    func faults(after sql: String) throws -> [String] {
      try store.database.write { try $0.execute(sql: sql) }
      return try store.verify(folds: [SchedulerState.self, Board.self]).faults
    }
    #expect(try faults(after: "UPDATE session SET digest = 'x'").count == 1)
    // A frame with a good digest of its own that tells of another state.
    let other = PackedFrame(SchedulerState()).bytes
    try store.database.write { db in
      try db.execute(
        sql: "UPDATE keyframe SET frame = ?, digest = ? WHERE rowid = (SELECT min(rowid) FROM keyframe WHERE kind = 1)",
        arguments: [Data(other), SessionRows.digest(of: other)])
    }
    #expect(try store.verify(folds: [SchedulerState.self]).faults.contains { $0.contains("key frame 1 at entry") })
    #expect(
      try faults(after: "UPDATE stretch SET log = zeroblob(length(log)) WHERE first = 1")
        .contains { $0.contains("is damaged: its digest is another") })
    #expect { try store.entries(of: 1) } throws: { "\($0)".contains("entries 1 to") && "\($0)".contains("is damaged") }
  }

  @Test("tells the orders that can be read where one stretch is damaged")
  func ordersBesideDamage() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    var played = try Played(seed: 3)
    try place.record(&played, rounds: 1000, into: store)
    let before = try store.recorded(1).orders(last: 10_000)
    let damaged = try #require(
      try store.database.write { db in
        try db.execute(
          sql:
            "UPDATE stretch SET log = zeroblob(length(log)) WHERE first = (SELECT max(first) FROM stretch WHERE session = 1)"
        )
        return try Int64.fetchOne(db, sql: "SELECT max(first) FROM stretch WHERE session = 1")
      })
    let after = try store.recorded(1).orders(last: 10_000)
    #expect(after == before.filter { $0.sequence < damaged } && !after.isEmpty && after.count < before.count)
  }
}
