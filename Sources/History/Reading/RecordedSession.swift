import Domain
import Foundation
import GRDB
import Synchronization

/// A recorded session, read as far as it is asked for.
///
/// Opening costs a few look-ups, whatever the session's length. A moment is found by its number, its instant or its share
/// of the session; a fold (the engine's state, a board) as of then is read from the nearest key frame before it and the
/// entries that follow. Safe to use from several threads.
public final class RecordedSession: Sendable {
  public let store: HistoryStore
  /// As it was when the session was opened; a session that goes on grows beyond it.
  public let summary: SessionSummary
  /// What is left of closed notebooks, read once where a key frame wants it.
  private let closed = Mutex<ClosedNotebooks?>(nil)

  init(_ store: HistoryStore, _ summary: SessionSummary) {
    self.store = store
    self.summary = summary
  }

  public var id: Int64 { summary.id }
  /// The first entry that there is.
  public var first: Int64 { summary.first }
  /// The last entry that there was when the session was opened; less than `first` where there is none.
  public var last: Int64 { summary.entries }
  /// The instant of the last entry.
  public var end: Instant { Instant(microseconds: summary.lengthMicroseconds) }
}

// MARK: Entries and inputs

extension RecordedSession {
  /// Entries from `start` on, `limit` at the most, in order; those that were added since the session was opened as well.
  ///
  /// - Throws: `HistoryError` where the file cannot be read, a stretch is damaged, or an entry is missing: a gap in the
  ///   sequence is an error.
  public func entries(from start: Int64 = 1, limit: Int = .max) throws(HistoryError) -> [Entry] {
    var entries: [Entry] = []
    guard limit > 0 else { return [] }
    try forEach(from: start) { entry in
      entries.append(entry)
      return entries.count < limit
    }
    return entries
  }

  /// Calls `body` with each entry from `start` through `end`, in order, until it gives false.
  ///
  /// - Throws: `HistoryError` as `entries`.
  public func forEach(
    from start: Int64 = 1, through end: Int64 = .max, _ body: (Entry) throws -> Bool
  ) throws(HistoryError) {
    guard start <= end else { return }
    try forEachStretch(from: start, through: end) { log in
      while let entry = try log.nextEntry() {
        if entry.sequence < start { continue }
        if entry.sequence > end { return false }
        if try !body(entry) { return false }
      }
      return true
    }
  }

  /// Inputs that came when entry `after` was the last one, or later; `limit` at the most, in order.
  ///
  /// - Throws: `HistoryError` as `entries`.
  public func inputs(after: Int64 = 0, limit: Int = .max) throws(HistoryError) -> [RecordedInput] {
    var inputs: [RecordedInput] = []
    guard limit > 0 else { return [] }
    try forEachInput(after: after) { input, _ in
      inputs.append(input)
      return inputs.count < limit
    }
    return inputs
  }

  /// Calls `body` with each input that came when entry `after` was the last one, or later, and with the entries that it
  /// brought, in order, until it gives false.
  ///
  /// - Throws: `HistoryError` as `entries`.
  public func forEachInput(
    after: Int64 = 0, _ body: (RecordedInput, [Entry]) throws -> Bool
  ) throws(HistoryError) {
    try forEachStretch(from: max(after, 1), through: .max) { log in
      while let item = try log.next() {
        guard case .input(let input, let at, let sequence, let count) = item, sequence >= after else { continue }
        var entries: [Entry] = []
        for _ in 0..<count { if let entry = try log.nextEntry() { entries.append(entry) } }
        if try !body(RecordedInput(at: at, after: sequence, input: input), entries) { return false }
      }
      return true
    }
  }

  /// The stretches that hold entries `start` through `end`, checked and opened.
  private func forEachStretch(
    from start: Int64, through end: Int64, _ body: (inout LogUnpacker) throws -> Bool
  ) throws(HistoryError) {
    let id = id
    try store.reading { db in
      let from =
        try Int64.fetchOne(
          db, sql: "SELECT first FROM stretch WHERE session = ? AND first <= ? ORDER BY first DESC LIMIT 1",
          arguments: [id, start]) ?? 0
      let cursor = try Row.fetchCursor(
        db,
        sql: """
          SELECT first, last, format, digest, log FROM stretch WHERE session = ? AND first BETWEEN ? AND ?
          ORDER BY first
          """, arguments: [id, from, end])
      var expected: Int64?
      while let row = try cursor.next() {
        let (first, last): (Int64, Int64) = (row[0], row[1])
        if let expected, first != expected {
          throw HistoryError("session \(id) has a gap: entry \(expected) is missing before \(first)")
        }
        expected = last + 1
        let goesOn = try row.withUnsafeData(atIndex: 4) { data in
          try (data ?? Data()).withUnsafeBytes { bytes in
            guard SessionRows.digest(bytes) == (row[3] as Int64) else {
              throw HistoryError(
                "session \(id): the stretch of entries \(first) to \(last) is damaged: its digest is another")
            }
            do {
              var log = try LogUnpacker(bytes, first: first, format: row[2])
              return try body(&log)
            } catch let error as PackError {
              throw HistoryError("session \(id): the stretch of entries \(first) to \(last) cannot be read: \(error)")
            }
          }
        }
        if !goesOn { return }
      }
    }
  }
}

// MARK: Moments

extension RecordedSession {
  /// The last entry at or before `instant`; `first` - 1 where there is none.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func sequence(at instant: Instant) throws(HistoryError) -> Int64 {
    let id = id
    let stretch: (first: Int64, last: Int64)? = try store.reading { db in
      // Stretches are in order of time as well as of number: halve the numbers.
      var (low, high) = (first, last + 1)
      var found: (Int64, Int64)?
      while low < high {
        let middle = low + (high - low) / 2
        guard
          let row = try Row.fetchOne(
            db.cachedStatement(
              sql: """
                SELECT first, last, first_us, last_us FROM stretch WHERE session = ? AND first <= ?
                ORDER BY first DESC LIMIT 1
                """), arguments: [id, middle])
        else { break }
        if (row[2] as Int64) <= instant.microseconds {
          found = (row[0], row[1])
          if (row[3] as Int64) > instant.microseconds { break }
          low = max((row[1] as Int64) + 1, middle + 1)
        } else {
          high = row[0]
        }
      }
      return found
    }
    guard let stretch else { return first - 1 }
    var result = stretch.first - 1
    try forEach(from: stretch.first, through: stretch.last) { entry in
      guard entry.at <= instant else { return false }
      result = entry.sequence
      return true
    }
    return result
  }

  /// The fold of all entries through `sequence`.
  ///
  /// - Throws: `HistoryError` where the file cannot be read, or where the session's beginning is missing and no key frame
  ///   stands before that entry.
  public func fold<Fold: KeyFrame>(_: Fold.Type = Fold.self, through sequence: Int64) throws(HistoryError) -> Fold {
    var fold: Fold = try nearestFrame(through: sequence)
    let next = fold.sequence + 1
    guard next >= first || sequence < first else {
      throw HistoryError(
        "session \(id) begins with entry \(first), and no key frame tells what was before. Seek to a later moment")
    }
    try forEach(from: next, through: sequence) { entry in
      fold.apply(entry)
      return true
    }
    return fold
  }

  /// The fold as of `instant`, all entries of that instant included.
  ///
  /// - Throws: `HistoryError` as above.
  public func fold<Fold: KeyFrame>(_: Fold.Type = Fold.self, at instant: Instant) throws(HistoryError) -> Fold {
    try fold(through: try sequence(at: instant))
  }

  /// The newest frame of that fold at or before an entry; the fold of nothing where there is none that can be read.
  private func nearestFrame<Fold: KeyFrame>(through sequence: Int64) throws(HistoryError) -> Fold {
    let id = id
    let found: (sequence: Int64, digest: Int64, bytes: Data)? = try store.reading { db in
      try Row.fetchOne(
        db,
        sql: """
          SELECT sequence, digest, frame FROM keyframe
          WHERE session = ? AND kind = ? AND sequence <= ? AND version BETWEEN ? AND ?
          ORDER BY sequence DESC LIMIT 1
          """,
        arguments: [
          id, Int64(Fold.frameKind), sequence, Int64(Fold.frameVersionLeast), Int64(Fold.frameVersion),
        ]
      ).map { ($0[0], $0[1], $0[2]) }
    }
    guard let found else { return Fold() }
    let left = try closedNotebooks()
    let fold = found.bytes.withUnsafeBytes { bytes -> Fold? in
      guard SessionRows.digest(bytes) == found.digest else { return nil }
      var source = PackSource(bytes)
      guard let fold = try? Fold(frame: &source, closed: { left[$0] }), source.isAtEnd else { return nil }
      return fold.sequence == found.sequence ? fold : nil
    }
    // A damaged frame costs time, not the session: the one before it serves.
    if let fold { return fold }
    return try nearestFrame(through: found.sequence - 1)
  }

  private func closedNotebooks() throws(HistoryError) -> ClosedNotebooks {
    if let known = closed.withLock({ $0 }) { return known }
    let id = id
    let read = try store.reading { db in try ClosedNotebooks(db, session: id) }
    // A session that goes on closes more of them.
    if summary.endedMicroseconds != nil { closed.withLock { $0 = read } }
    return read
  }
}

/// What is left of a session's closed notebooks, by number.
struct ClosedNotebooks: Sendable {
  private var known: [ClosedNotebook?] = []

  init(_ db: Database, session: Int64) throws {
    let cursor = try Row.fetchCursor(
      db,
      sql: """
        SELECT notebook, node, user, path, kernel, gate, priority, priority_first, opened_us, closed_us, cells, failed,
          waited_us, ran_us FROM notebook WHERE session = ? AND closed IS NOT NULL ORDER BY notebook
        """, arguments: [session])
    while let row = try cursor.next() {
      let number: Int32 = row[0]
      guard number >= 0, number >= known.count else { continue }
      while known.count < Int(number) { known.append(nil) }
      let notebook = Notebook(
        id: NotebookID(number), node: NodeID(row[1]), user: row[2], path: row[3], kernel: row[4], priority: row[7],
        gate: row[5])
      known.append(
        ClosedNotebook(
          notebook, opened: Instant(microseconds: row[8]), closed: Instant(microseconds: row[9]), priority: row[6],
          cellsEnded: row[10], cellsFailed: row[11], waited: Span(microseconds: row[12]),
          ran: Span(microseconds: row[13])))
    }
  }

  subscript(id: NotebookID) -> ClosedNotebook? {
    id.number >= 0 && Int(id.number) < known.count ? known[Int(id.number)] : nil
  }
}
