import Domain
import Engine
import Foundation
import GRDB
import Projections
import Testing

@testable import History

/// `Fixtures/history-v1.sqlite` was written by celltop 0.1.0 as of schema 1: a row an entry. Session 1 ended, session 2 was
/// cut short, session 3 has no cell.
@Suite("A history of schema 1") struct MigrationTests {
  private func fixture() throws -> TemporaryHistory {
    let place = TemporaryHistory()
    try FileManager.default.createDirectory(atPath: place.folder, withIntermediateDirectories: true)
    let folder = (#filePath as NSString).deletingLastPathComponent
    try FileManager.default.copyItem(atPath: folder + "/Fixtures/history-v1.sqlite", toPath: place.path)
    return place
  }

  /// What happened, without what was said of it.
  private static func decisions(_ entries: [Entry]) -> [Event] {
    entries.map(\.event).filter { if case .cellWaits = $0 { false } else { true } }
  }

  @Test("is brought up to date with every entry, input and order, and decides again as it did")
  func convert() throws {
    let place = try fixture()
    let store = try place.open()
    let sessions = try store.sessions()
    #expect(sessions.map(\.id) == [3, 2, 1])
    #expect(sessions.map(\.entries) == [10, 225, 210] && sessions.map(\.actions) == [0, 24, 25])
    #expect(sessions.map(\.digest) == [nil, nil, "4fb54ba90382c522"])
    #expect(sessions.map(\.note) == ["", "demo", ""])
    #expect(try store.verify(folds: [SchedulerState.self]).faults == [])
    // What waiting cells are told has changed since, and what `dynamic` decides; first come, first served has not.
    let session = try store.recorded(1)
    var engine = try Scheduler(policy: "fcfs", from: .standard)
    var again: [Entry] = []
    for input in try session.inputs() { again += engine.entries(for: input.input, at: input.at) }
    #expect(try Self.decisions(session.entries()) == Self.decisions(again))
    #expect(try store.recorded(2).inputs().count == 85)
    let board = try store.recorded(1).fold(Board.self, through: .max)
    let cells = try store.database.read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM cell WHERE session = 1 AND outcome IS NOT NULL")
    }
    #expect(cells == board.notebooks.reduce(0) { $0 + $1.cellsEnded } && board.notebooks[3].name == "naïve Größe")
    #expect(try store.database.read { try !$0.tableExists("entry") && !$0.tableExists("input") })
    // Once is enough: the second opening finds it done.
    #expect(try place.open().sessions() == sessions)
  }

  @Test("can be looked at without being recorded into, and gives its room back when it is compacted")
  func reading() throws {
    let place = try fixture()
    #expect(try HistoryStore(reading: place.path).entries(of: 1).count == 210)
    let store = try place.open()
    try store.compact()
    #expect(try store.database.read { try Int.fetchOne($0, sql: "PRAGMA auto_vacuum") } == 2)
    #expect(try store.entries(of: 2).count == 225)
  }

  @Test("is kept up to what cannot be read, and the session's note says so")
  func damaged() throws {
    let place = try fixture()
    let queue = try DatabaseQueue(path: place.path)
    try queue.write { db in
      try db.execute(sql: "UPDATE entry SET event = x'7f' WHERE session = 1 AND sequence = 100")
      try db.execute(sql: "DELETE FROM entry WHERE session = 2 AND sequence = 50")
    }
    try queue.close()
    let store = try place.open()
    #expect(try store.entries(of: 1).count == 99 && store.entries(of: 2).count == 49)
    #expect(try store.session(1).note == "(cut: entry 100: there is no event 127)")
    #expect(try store.session(2).note == "demo (cut: entry 50: entry 50 is missing)")
    #expect(try store.session(1).digest == nil)
    #expect(try store.verify(folds: [SchedulerState.self]).faults == [])
  }
}
