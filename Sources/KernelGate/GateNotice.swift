import Domain
import JupyterWire

/// What the author of a held cell sees of its wait: an output of the cell that is taken away when the wait is over.
extension Gate {
  /// The cell whose author is told; nil where none is held, or nobody wants to know.
  private var toldCell: (cell: ShellQueue<Request>.Cell, held: AuthorNotice.Held)? {
    guard let key = queue.headKey, let (cell, since) = queue.head else { return nil }
    let request = cell.payload
    guard
      telling.tells(
        cell: request.tells, isNamed: request.namesCell || session != nil, allowsInput: request.allowsInput)
    else { return nil }
    return (cell, AuthorNotice.Held(key: key, messageID: cell.messageID, since: since))
  }

  var noticeWake: Instant {
    toldCell.map { notice.wake($0.held, after: Span(seconds: telling.afterSeconds)) } ?? .never
  }

  /// Shows where the held cell stands, when that is due.
  func tellAuthor(at now: Instant) {
    guard let (cell, held) = toldCell, let act = notice.tick(held, after: Span(seconds: telling.afterSeconds), at: now)
    else { return }
    switch act {
    case .show(let text): display(text, again: false, in: cell)
    case .update(let text): display(text, again: true, in: cell)
    }
  }

  private func display(_ text: String, again: Bool, in cell: ShellQueue<Request>.Cell) {
    let frames = voice.display(
      text, named: "celltop-\(cell.messageID)", again: again, parent: cell.payload.header, stamp: stamp())
    publish(frames, topic: again ? "update_display_data" : "display_data")
  }

  /// Takes the notice of a cell away that waits no more.
  func clearNotice(of cell: ShellQueue<Request>.Cell) {
    guard notice.ended(cell.messageID) else { return }
    publish(voice.clearOutput(parent: cell.payload.header, stamp: stamp()), topic: "clear_output")
  }
}
