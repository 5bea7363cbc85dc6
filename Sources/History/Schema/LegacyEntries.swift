import Domain
import Foundation
import GRDB

/// Brings the sessions of schema 1, a row an entry and a row an input, into stretches and tables.
///
/// The digest of a session that ended is made anew from its entries: schema 1 knew another definition.
///
/// A session of which an entry or an input cannot be read, or is missing, is kept up to there, and its note says so.
enum LegacyEntries {
  static func convert(_ db: Database) throws {
    for session in try Int64.fetchAll(db, sql: "SELECT id FROM session ORDER BY id") {
      if let cut = try convert(session, db) {
        try db.execute(
          sql: "UPDATE session SET digest = NULL, ended_us = NULL, note = trim(note || ' ' || ?) WHERE id = ?",
          arguments: ["(cut: \(cut))", session])
      }
    }
    try db.execute(sql: "DROP TABLE entry; DROP TABLE input")
  }

  /// - Returns: why the session had to be cut; nil where all of it was kept.
  private static func convert(_ session: Int64, _ db: Database) throws -> String? {
    let entries = try Row.fetchCursor(
      db, sql: "SELECT sequence, at_us, event FROM entry WHERE session = ? ORDER BY sequence", arguments: [session])
    let inputs = try Row.fetchCursor(
      db, sql: "SELECT at_us, after_sequence, input FROM input WHERE session = ? ORDER BY ordinal",
      arguments: [session])
    let rows = SessionRows(session: session, db: db)
    var packer = LogPacker(after: 0)
    var projector = Projector()
    // The actions are there already.
    var next = try entries.next()
    var cut: String?
    var digest = Digest()
    func bring(through last: Int64) -> [Entry] {
      var brought: [Entry] = []
      while cut == nil, let row = next, (row[0] as Int64) <= last {
        let expected = packer.last + Int64(brought.count) + 1
        do {
          guard (row[0] as Int64) == expected else { throw PackError("entry \(expected) is missing") }
          let event = try Event(packed: row[2] as Data)
          brought.append(Entry(sequence: expected, at: Instant(microseconds: row[1]), event: event))
          next = try entries.next()
        } catch { cut = "entry \(expected): \(error)" }
      }
      return brought
    }
    func append(_ input: Input?, at instant: Instant, _ brought: [Entry]) throws {
      packer.append(input, at: instant, bringing: brought[...])
      for entry in brought {
        projector.apply(entry)
        digest.absorb(entry)
      }
      guard packer.bytes.bytes.count >= SessionWriter.stretchBytes, packer.count > 0 else { return }
      try rows.write(LogStretch(packer))
      packer.begin(after: packer.last)
    }
    // A cursor gives the same row again and again: what is looked at after the next one is a copy.
    var input = try inputs.next()?.copy()
    while let row = input, cut == nil {
      let following = try inputs.next()?.copy()
      // An input's entries are those before the next input.
      let last = (following?[1] as Int64?) ?? .max
      let early = bring(through: row[1])
      if !early.isEmpty { try append(nil, at: early[0].at, early) }
      let brought = bring(through: last)
      do {
        try append(try Input(packed: row[2] as Data), at: Instant(microseconds: row[0]), brought)
      } catch let error as PackError {
        cut = "the input after entry \(packer.last): \(error)"
      }
      input = following
    }
    let rest = bring(through: .max)
    if !rest.isEmpty { try append(nil, at: rest[0].at, rest) }
    if !packer.isEmpty { try rows.write(LogStretch(packer)) }
    try rows.write(projector)
    try db.execute(
      sql: "UPDATE session SET digest = ? WHERE id = ? AND digest IS NOT NULL",
      arguments: [digest.hexadecimal, session])
    return cut
  }
}
