import Canvas
import Domain
import Projections

extension ConsoleState {
  /// Where the queue's rows are in the pane's rectangle: rows a cell, the first cell shown, how many.
  func queueLayout(_ rect: Rect) -> (inner: Rect, perRow: Int, first: Int, count: Int, isCut: Bool) {
    let inner = rect.droppingRows(1)
    let total = table.waiting.cells.count
    let perRow = inner.rows >= total * 2 && inner.columns < 100 ? 2 : 1
    let fitting = max(inner.rows / perRow, 1)
    let isCut = total > fitting
    let count = isCut ? max(inner.rows > 1 ? fitting - 1 : fitting, 1) : total
    let place = selected.flatMap { id in table.waiting.cells.firstIndex { $0.notebook == id } } ?? 0
    return (inner, perRow, max(0, min(place - count / 2, total - count)), count, isCut)
  }

  /// The waiting cells, first to start first, each with its reason and its expected start; says so when there are none.
  func drawQueue(_ grid: inout Grid, _ rect: Rect) {
    let waiting = table.waiting.cells
    let inner = grid.pane(
      rect, title: "QUEUE \(waiting.count)", detail: rect.columns >= 60 ? "first to start first" : "",
      focused: focus == .queue)
    guard inner.rows > 0 else { return }
    guard !waiting.isEmpty else {
      grid.draw(
        "nobody waits", at: Point(column: inner.column + 1, row: inner.row), role: .textDim, columns: inner.columns - 1)
      return
    }
    let layout = queueLayout(rect)
    let rows = QueueTable(shown, waiting.dropFirst(layout.first).prefix(layout.count)).rows
    let placeWidth = max(2, String(waiting.count).count)
    for (index, row) in rows.enumerated() {
      let lines = (
        inner.line(index * layout.perRow), layout.perRow == 2 ? inner.line(index * layout.perRow + 1) : nil
      )
      drawQueueRow(&grid, lines, row, place: layout.first + index + 1, placeWidth)
    }
    if layout.isCut, inner.rows > 1 {
      let left = waiting.count - rows.count
      let text =
        layout.first > 0 ? "… \(layout.first) before, \(left - layout.first) after" : "… and \(left) more"
      grid.draw(
        text, at: Point(column: inner.column + 3, row: inner.endRow - 1), role: .textDim, columns: inner.columns - 3)
    }
  }

  private func drawQueueRow(
    _ grid: inout Grid, _ lines: (Rect, Rect?), _ row: QueueTable.Row, place: Int, _ placeWidth: Int
  ) {
    let line = lines.0
    if row.notebook == selected { grid.setGround(.tableRowSelected, in: lines.1.map(line.joined) ?? line) }
    grid.draw("\(place)", at: line.origin, role: .textDim, columns: placeWidth, alignment: .trailing)
    let waited = (shownNow - row.since).clock
    var tail: [(String, Role)] = [("[\(row.cell.id.number)] ", row.notebook.mark.role)]
    if row.priority != 0 { tail.append(("pri \(row.priority) ", .textStrong)) }
    tail.append((row.state == .suspended ? "suspended \(waited) " : "waits \(waited) ", row.state.role))
    // A long name gives way to how long it waits and, on one line, to why.
    let nameRoom = line.columns - placeWidth - 3 - tail.reduce(0) { $0 + cellWidth(of: $1.0) }
    let name = truncated(
      row.name, toColumns: max(lines.1 == nil ? min(nameRoom, 20) : nameRoom, 4), in: grid.glyphs.repertoire)
    let head = [("\(row.notebook.mark.text) ", row.notebook.mark.role), (name, row.notebook.mark.role)] + tail
    let expected = row.wait?.expected.map { expectedText($0, isBrief: true) + ": " } ?? ""
    // The engine of a replay says nothing more.
    let why = row.wait == nil && session.mode == .replay ? QueueTable.unrecorded : row.reason
    let reason: [(String, Role)] = [(expected, .textAccent), (why + remedy(row.wait), .text)]
    let start = Point(column: line.column + placeWidth + 1, row: line.row)
    let room = line.columns - placeWidth - 1
    if let second = lines.1 {
      grid.draw(parts: head, at: start, columns: room)
      grid.draw(
        parts: reason, at: Point(column: second.column + 5, row: second.row), columns: second.columns - 5)
    } else {
      grid.draw(parts: head + reason, at: start, columns: room)
    }
  }

  /// The key that ends a wait which an operator caused, where orders may be given.
  private func remedy(_ wait: Wait?) -> String {
    guard session.mode != .replay, !session.isReadOnly else { return "" }
    return wait?.cause == .held ? "; r releases it" : wait?.cause == .operatorSuspended ? "; x resumes it" : ""
  }

  /// `in about 0:40 (0:20–1:30)`, `at any moment (within 1:30)`, or `overdue by 0:14` where the cells ahead take longer than
  /// foreseen. In brief, a range so wide that it says little is `in about 0:40, unsure`.
  func expectedText(_ expected: ExpectedStart, isBrief: Bool = false) -> String {
    func left(_ instant: Instant) -> String { max(instant - shownNow, .zero).clock }
    if expected.late <= shownNow { return "overdue by \((shownNow - expected.median).clock)" }
    if expected.median < shownNow + Span(seconds: 1) {
      return "at any moment (within \(left(expected.late + Span(seconds: 1))))"
    }
    let least = max((expected.early - shownNow).seconds, 30)
    if isBrief, (expected.late - shownNow).seconds > 20 * least { return "in about \(left(expected.median)), unsure" }
    let range = expected.early == expected.late ? "" : " (\(left(expected.early))–\(left(expected.late)))"
    return "in about \(left(expected.median))\(range)"
  }
}

extension Rect {
  /// The rectangle with the rows of another that lies below it.
  func joined(_ below: Rect) -> Rect { Rect(column: column, row: row, columns: columns, rows: rows + below.rows) }
}
