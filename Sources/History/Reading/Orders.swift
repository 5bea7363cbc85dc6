import Domain
import GRDB

/// An order that a session recorded, and what became of it.
public struct RecordedOrder: Sendable, Hashable {
  /// The entry that records it.
  public var sequence: Int64
  /// Who gave it, why, and what it was.
  public var command: Command
  /// Why it was not obeyed; nil where it was.
  public var refusal: Refusal?
}

/// Who gave an order, and the entry that records it.
public struct OrderAuthor: Sendable, Hashable {
  public var name: String
  public var sequence: Int64
}

extension RecordedSession {
  /// The last orders of the session, in order. Those in a stretch that is damaged are left out.
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
      guard let entry = try? entries(from: sequence, limit: 1).first else { continue }
      if case .commandAccepted(let command) = entry.event {
        found.append(RecordedOrder(sequence: entry.sequence, command: command))
      } else if case .commandRefused(let command, let refusal) = entry.event {
        found.append(RecordedOrder(sequence: entry.sequence, command: command, refusal: refusal))
      }
    }
    return found
  }

  /// Who gave the last order of each kind that was obeyed, by notebook and by the verb's word.
  ///
  /// - Throws: `HistoryError` where the file cannot be read.
  public func authorsOfOrders() throws(HistoryError) -> [NotebookID: [String: OrderAuthor]] {
    let id = id
    return try store.reading { db in
      var authors: [NotebookID: [String: OrderAuthor]] = [:]
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT notebook, verb, author, sequence FROM action
          WHERE session = ? AND refused IS NULL AND notebook IS NOT NULL ORDER BY sequence
          """, arguments: [id])
      while let row = try rows.next() {
        authors[NotebookID(row[0]), default: [:]][row[1]] = OrderAuthor(name: row[2], sequence: row[3])
      }
      return authors
    }
  }
}
