import Domain
import Foundation
import GRDB

/// Appends one session's inputs and entries. Used from one thread, the engine's.
///
/// Each `flush` is one transaction: afterwards the effects of its entries may be carried out. Where the file cannot be
/// written, scheduling goes on: what is unwritten waits here, is tried again after `retrySpan`, and `trouble` says why.
public final class SessionWriter {
  /// The most entries that wait for a file that cannot be written; beyond it the recording ends at the last written one.
  public static let pendingMost = 200_000

  public let session: Int64
  /// Why the last flush did not reach the file; nil where it did.
  public private(set) var trouble: String?
  /// True once entries had to be given up; nothing is written after that, so that sequences keep having no gaps.
  public private(set) var hasGivenUp = false

  private let store: HistoryStore
  private var inputs: [(ordinal: Int64, at: Instant, after: Int64, bytes: [UInt8])] = []
  private var entries: [Entry] = []
  private var nextOrdinal: Int64 = 1
  /// How long a file that could not be written is left alone: the whole backlog is tried each time.
  private let retrySpan: Duration
  private var retryFrom: ContinuousClock.Instant?

  /// Begins a session.
  ///
  /// - Parameters:
  ///   - kind: `live` or `simulated`.
  ///   - beganMicroseconds: wall time of the session's beginning, since 1970.
  /// - Throws: `HistoryError` where the file cannot be written.
  public init(
    _ store: HistoryStore, kind: String, host: String, user: String, beganMicroseconds: Int64, note: String = "",
    retrySpan: Duration = .seconds(3)
  ) throws(HistoryError) {
    self.store = store
    self.retrySpan = retrySpan
    do {
      session = try store.pool.write { db in
        try db.execute(
          sql: "INSERT INTO session (kind, host, user, began_us, note) VALUES (?, ?, ?, ?, ?)",
          arguments: [kind, host, user, beganMicroseconds, note])
        return db.lastInsertedRowID
      }
    } catch { throw HistoryError(doing: "cannot begin a session in the history \(store.path)", error) }
  }

  /// Takes an input and the entries that it brought; `flush` writes them.
  public func take(_ input: Input, at instant: Instant, after sequence: Int64, bringing new: [Entry]) {
    guard !hasGivenUp else { return }
    var sink = PackBytes()
    sink.append(input)
    inputs.append((nextOrdinal, instant, sequence, sink.bytes))
    nextOrdinal += 1
    entries += new
  }

  /// Writes all that was taken, in one transaction; soon after a failure only where it `insists`.
  ///
  /// - Returns: true where everything is in the file.
  @discardableResult
  public func flush(insists: Bool = false) -> Bool {
    guard !inputs.isEmpty || !entries.isEmpty else { return trouble == nil }
    if !insists, let retryFrom, ContinuousClock.now < retryFrom { return false }
    do {
      try store.pool.writeWithoutTransaction { db in
        try db.inTransaction(.immediate) {
          try insert(db)
          return .commit
        }
      }
      inputs.removeAll(keepingCapacity: true)
      entries.removeAll(keepingCapacity: true)
      trouble = nil
      retryFrom = nil
      return true
    } catch {
      retryFrom = ContinuousClock.now + retrySpan
      trouble = HistoryError(doing: "cannot write the history \(store.path)", error).description
      if entries.count > Self.pendingMost {
        hasGivenUp = true
        trouble = "the history \(store.path) could not be written for too long; the recording ends before it"
        inputs = []
        entries = []
      }
      return false
    }
  }

  private func insert(_ db: Database) throws {
    let entryStatement = try db.cachedStatement(
      sql: "INSERT INTO entry (session, sequence, at_us, event) VALUES (?, ?, ?, ?)")
    var sink = PackBytes()
    for entry in entries {
      sink.bytes.removeAll(keepingCapacity: true)
      sink.append(entry.event)
      entryStatement.setUncheckedArguments([session, entry.sequence, entry.at.microseconds, Data(sink.bytes)])
      try entryStatement.execute()
      if case .commandAccepted(let command) = entry.event { try insert(command, refused: nil, entry, db) }
      if case .commandRefused(let command, let refusal) = entry.event {
        try insert(command, refused: refusal.text, entry, db)
      }
    }
    let inputStatement = try db.cachedStatement(
      sql: "INSERT INTO input (session, ordinal, at_us, after_sequence, input) VALUES (?, ?, ?, ?, ?)")
    for input in inputs {
      inputStatement.setUncheckedArguments([
        session, input.ordinal, input.at.microseconds, input.after, Data(input.bytes),
      ])
      try inputStatement.execute()
    }
  }

  private func insert(_ command: Command, refused: String?, _ entry: Entry, _ db: Database) throws {
    try db.cachedStatement(
      sql: """
        INSERT INTO action (session, sequence, at_us, author, verb, notebook, why, refused)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      session, entry.sequence, entry.at.microseconds, command.author, command.verb.word,
      command.verb.notebook.map { Int64($0.number) }, command.why, refused,
    ])
  }

  /// Writes what is left and marks the session as ended, with the digest of all its entries; a session of which
  /// something could not be written stays marked as cut short.
  public func end(atMicroseconds wall: Int64, digest: String) {
    guard flush(insists: true), !hasGivenUp else { return }
    // A session that cannot be marked as ended is shown as cut short, which it was.
    try? store.pool.write { db in
      try db.execute(
        sql: "UPDATE session SET ended_us = ?, digest = ? WHERE id = ?", arguments: [wall, digest, session])
    }
  }
}
