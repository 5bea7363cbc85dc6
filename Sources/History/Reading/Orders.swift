import Domain
import GRDB

/// An order that a session recorded, and what became of it.
public struct RecordedOrder: Sendable, Hashable {
  public var sequence: Int64
  public var command: Command
  /// Why it was not obeyed; nil where it was.
  public var refusal: Refusal?
}

extension RecordedSession {
  /// The last orders of the session, in order.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func orders(last count: Int) throws(HistoryError) -> [RecordedOrder] {
    let id = id
    let sequences = try store.reading { db in
      try Int64.fetchAll(
        db, sql: "SELECT sequence FROM action WHERE session = ? ORDER BY sequence DESC LIMIT ?",
        arguments: [id, count])
    }
    var found: [RecordedOrder] = []
    for sequence in sequences.reversed() {
      guard let entry = try entries(from: sequence, limit: 1).first else { continue }
      if case .commandAccepted(let command) = entry.event {
        found.append(RecordedOrder(sequence: entry.sequence, command: command))
      } else if case .commandRefused(let command, let refusal) = entry.event {
        found.append(RecordedOrder(sequence: entry.sequence, command: command, refusal: refusal))
      }
    }
    return found
  }
}
