import Domain
import GRDB

/// A moment of a recorded session worth jumping to.
public struct RecordedMarker: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
    /// Somebody gave an order.
    case action
    /// A cell was suspended for another.
    case preemption
    /// A cell started a minute or more after its submission.
    case wait
    /// A cell ended in error, or was lost.
    case error
    /// A fault of ours: the policy decided wrongly, or the books did not add up.
    case fault
  }

  public var sequence: Int64
  public var at: Instant
  public var kind: Kind
  public var notebook: NotebookID?

  public init(sequence: Int64, at: Instant, kind: Kind, notebook: NotebookID?) {
    self.sequence = sequence
    self.at = at
    self.kind = kind
    self.notebook = notebook
  }
}

/// Which way to look from a moment.
public enum SeekDirection: Sendable, Hashable { case next, previous }

extension RecordedSession {
  /// Markers in order, from entry `start` on, `limit` at the most.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func markers(
    _ kinds: Set<RecordedMarker.Kind> = Set(RecordedMarker.Kind.allCases), from start: Int64 = 1, limit: Int = .max
  ) throws(HistoryError) -> [RecordedMarker] {
    let id = id
    return try store.reading { db in
      try Self.markers(
        db, "session = ? AND sequence >= ? AND \(Self.list(kinds)) ORDER BY sequence LIMIT ?", [id, start, limit])
    }
  }

  /// The nearest marker after or before an entry; nil where there is none.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func marker(
    _ direction: SeekDirection, of sequence: Int64,
    _ kinds: Set<RecordedMarker.Kind> = Set(RecordedMarker.Kind.allCases)
  ) throws(HistoryError) -> RecordedMarker? {
    let id = id
    let (sign, order) = direction == .next ? (">", "ASC") : ("<", "DESC")
    return try store.reading { db in
      try Self.markers(
        db, "session = ? AND sequence \(sign) ? AND \(Self.list(kinds)) ORDER BY sequence \(order) LIMIT 1",
        [id, sequence]
      ).first
    }
  }

  private static func list(_ kinds: Set<RecordedMarker.Kind>) -> String {
    "kind IN (\(kinds.map { "'\($0.rawValue)'" }.sorted().joined(separator: ", ")))"
  }

  private static func markers(_ db: Database, _ condition: String, _ arguments: StatementArguments) throws
    -> [RecordedMarker]
  {
    try Row.fetchAll(
      db, sql: "SELECT sequence, at_us, kind, notebook FROM marker WHERE \(condition)", arguments: arguments
    ).compactMap { row in
      RecordedMarker.Kind(rawValue: row[2]).map {
        RecordedMarker(
          sequence: row[0], at: Instant(microseconds: row[1]), kind: $0,
          notebook: (row[3] as Int32?).map(NotebookID.init))
      }
    }
  }
}
