import Domain
import GateLink
import Synchronization

/// The code of the cells in hand, where the server was configured to be told: in memory alone, and never in the history.
final class CodeBook: Sendable {
  private let texts = Mutex<[NotebookID: (key: UInt64, text: String)]>([:])

  /// Keeps the code of a notebook's newest cell.
  func take(_ text: String, of id: NotebookID, key: UInt64) {
    let text = CodeText.beginning(of: text)
    texts.withLock { $0[id] = (key, text) }
  }

  func forget(_ id: NotebookID) { texts.withLock { $0[id] = nil } }

  /// The code of a notebook's cell, by its gate's key; nil where it was not told.
  func text(of id: NotebookID, key: UInt64) -> String? {
    texts.withLock { texts in texts[id].flatMap { $0.key == key ? $0.text : nil } }
  }
}
