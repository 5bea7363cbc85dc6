import Domain
import Foundation
import GRDB
import Testing

@testable import History

/// A history in a folder of its own, removed with it.
final class TemporaryHistory {
  let folder = NSTemporaryDirectory() + "celltop-history-" + UUID().uuidString
  var path: String { folder + "/history.sqlite" }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func open() throws -> HistoryStore { try HistoryStore(path: path) }

  func writer(_ store: HistoryStore) throws -> SessionWriter {
    try SessionWriter(
      store, .init(kind: "live", host: "node7", user: "ana", beganMicroseconds: 1_700_000_000_000_000),
      retrySpan: .zero)
  }
}

private func entry(_ sequence: Int64, _ event: Event) -> Entry {
  Entry(sequence: sequence, at: Instant(microseconds: sequence * 10), event: event)
}

@Suite struct HistoryTests {
  @Test("gives back the entries and inputs that were written, in order")
  func roundTrip() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try place.writer(store)
    let entries = (1...500).map { entry(Int64($0), .backlogChanged(NotebookID(3), Int32($0))) }
    for (index, one) in entries.enumerated() {
      writer.take(.timer, at: one.at, after: Int64(index), bringing: [one])
    }
    #expect(writer.flush())
    #expect(try store.entries(of: writer.session) == entries)
    #expect(try store.entries(of: writer.session, from: 100, limit: 3) == Array(entries[99..<102]))
    let inputs = try store.recorded(writer.session).inputs()
    #expect(inputs.count == 500)
    #expect(inputs[7].after == 7 && inputs[7].input == .timer)
  }

  @Test("lists sessions newest first, and tells one that was cut short from one that ended")
  func list() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let cut = try place.writer(store)
    cut.take(.timer, at: .zero, after: 0, bringing: [entry(1, .policyChanged("fcfs"))])
    cut.flush()
    let ended = try place.writer(store)
    ended.take(
      .timer, at: .zero, after: 0, bringing: [entry(1, .policyChanged("fcfs")), entry(2, .held(NotebookID(0)))])
    ended.end(atMicroseconds: 1_700_000_100_000_000, digest: "d")
    let sessions = try store.sessions()
    #expect(sessions.map(\.id) == [ended.session, cut.session])
    #expect(sessions.map(\.entries) == [2, 1])
    #expect(sessions.map(\.endedMicroseconds) == [1_700_000_100_000_000, nil])
    #expect(sessions[0].lengthMicroseconds == 20)
  }

  @Test("keeps operators' actions where a question is one line of SQL")
  func actions() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try place.writer(store)
    let command = Command(id: CommandID(1), author: "ana", why: "demo", verb: .hold(NotebookID(4)))
    let refusal = Refusal(.stale, "the cell has ended")
    writer.take(
      .command(command), at: .zero, after: 0,
      bringing: [entry(1, .commandAccepted(command)), entry(2, .commandRefused(command, refusal))])
    writer.flush()
    let rows = try store.database.read {
      try Row.fetchAll($0, sql: "SELECT author, verb, notebook, why, refused FROM action ORDER BY sequence")
    }
    #expect(rows.map { $0["author"] as String } == ["ana", "ana"])
    #expect(rows.map { $0["verb"] as String } == ["hold", "hold"])
    #expect(rows.map { $0["notebook"] as Int? } == [4, 4])
    #expect(rows.map { $0["refused"] as String? } == [nil, "the cell has ended"])
    #expect(try store.sessions()[0].actions == 2)
  }

  @Test("calls a gap in the sequence an error, never a shorter session")
  func gap() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try place.writer(store)
    for number in 1...6000 as ClosedRange<Int64> {
      writer.take(.timer, at: .zero, after: number - 1, bringing: [entry(number, .invariantBroken("x\(number)"))])
    }
    #expect(writer.flush())
    let firsts = try store.database.read { try Int64.fetchAll($0, sql: "SELECT first FROM stretch ORDER BY first") }
    #expect(firsts.count > 3)
    try store.database.write { try $0.execute(sql: "DELETE FROM stretch WHERE first = ?", arguments: [firsts[1]]) }
    #expect { try store.entries(of: writer.session) } throws: {
      "\($0)" == "session \(writer.session) has a gap: entry \(firsts[1]) is missing before \(firsts[2])"
    }
  }

  @Test("says which session is missing, and which there are")
  func unknownSession() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    #expect { try store.session(nil) } throws: { "\($0)".contains("holds no session yet") }
    let writer = try place.writer(store)
    writer.take(.timer, at: .zero, after: 0, bringing: [entry(1, .policyChanged("fcfs"))])
    writer.flush()
    #expect(try store.session(nil).id == writer.session)
    #expect { try store.session(99) } throws: { "\($0)".contains("has no session 99: it holds \(writer.session) to") }
  }

  @Test("refuses a damaged file and one of a newer celltop, and leaves them as they are")
  func damagedAndNewer() throws {
    let place = TemporaryHistory()
    try FileManager.default.createDirectory(atPath: place.folder, withIntermediateDirectories: true)
    try Data(repeating: 0x41, count: 9000).write(to: URL(fileURLWithPath: place.path))
    #expect { try place.open() } throws: { "\($0)".contains("is damaged") }
    #expect(try Data(contentsOf: URL(fileURLWithPath: place.path)) == Data(repeating: 0x41, count: 9000))
    try FileManager.default.removeItem(atPath: place.path)
    _ = try place.open()
    let queue = try DatabaseQueue(path: place.path)
    try queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99: from the future')") }
    try queue.close()
    #expect { try place.open() } throws: { "\($0)".contains("newer celltop") }
  }

  @Test("says what is wrong with a place: a folder for the file, no folder for a copy, a file system for reading only")
  func places() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    for open in [
      { _ = try HistoryStore(path: place.folder) }, { _ = try HistoryStore(reading: place.folder) },
      { _ = try HistoryStore.look(at: place.folder) },
    ] as [() throws -> Void] {
      #expect { try open() } throws: {
        "\($0)".contains("\(place.folder) is a folder") && "\($0)".contains("CELLTOP_HISTORY")
      }
    }
    #expect { try store.backUp(to: place.folder + "/none/copy") } throws: {
      "\($0)".contains("there is no folder \(place.folder)/none")
    }
    let mounted = HistoryError(folderOf: "/ro/a/history.sqlite", Folder.Failure(path: "/ro/a", code: EROFS))
    #expect(mounted.description.hasSuffix("(/ro/a: Read-only file system). Name another file with CELLTOP_HISTORY"))
    #expect(
      HistoryError(unwritable: "/ro/h", EROFS).description.hasSuffix("(Read-only file system). Set CELLTOP_HISTORY"))
    #expect(HistoryError(unwritable: "/h", EACCES).description.contains("Mend its permissions"))
  }

  @Test("goes on when the file cannot be written, says so, and writes all of it once it can")
  func unwritable() throws {
    let place = TemporaryHistory()
    let store = try place.open()
    let writer = try place.writer(store)
    try store.database.write { try $0.execute(sql: "ALTER TABLE stretch RENAME TO hidden") }
    writer.take(.timer, at: .zero, after: 0, bringing: [entry(1, .policyChanged("fcfs"))])
    #expect(!writer.flush())
    #expect(writer.trouble?.contains("cannot write the history") == true)
    try store.database.write { try $0.execute(sql: "ALTER TABLE hidden RENAME TO stretch") }
    writer.take(.timer, at: .zero, after: 1, bringing: [entry(2, .held(NotebookID(0)))])
    #expect(writer.flush())
    #expect(writer.trouble == nil)
    #expect(try store.entries(of: writer.session).map(\.sequence) == [1, 2])
  }
}
