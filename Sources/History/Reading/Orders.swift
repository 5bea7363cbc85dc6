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
  /// The notebook that it was about: whose it was and of which document; nil where it was about none, or nothing is left of it.
  public var notebook: Notebook?
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
    let notebooks = try notebooks(Set(found.compactMap(\.command.verb.notebook)))
    for place in found.indices {
      found[place].notebook = found[place].command.verb.notebook.flatMap { notebooks[$0] }
    }
    return found
  }

  /// Whose these notebooks were, and of which document.
  private func notebooks(_ ids: Set<NotebookID>) throws(HistoryError) -> [NotebookID: Notebook] {
    guard !ids.isEmpty else { return [:] }
    let session = id
    return try store.reading { db in
      let statement = try db.makeStatement(
        sql: "SELECT node, user, path, kernel, gate FROM notebook WHERE session = ? AND notebook = ?")
      var found: [NotebookID: Notebook] = [:]
      for id in ids {
        guard let row = try Row.fetchOne(statement, arguments: [session, Int64(id.number)]) else { continue }
        found[id] = Notebook(id: id, node: NodeID(row[0]), user: row[1], path: row[2], kernel: row[3], gate: row[4])
      }
      return found
    }
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
