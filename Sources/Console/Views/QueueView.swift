import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The waiting cells, first to start first, each with its reason and its expected start; says so when there are none.
  func drawQueue(_ grid: inout Grid, _ rect: Rect) {
    let table = QueueTable(shown)
    let inner = grid.pane(rect, title: "QUEUE \(table.rows.count)", focused: focus == .queue)
    guard !table.rows.isEmpty else {
      grid.draw(
        "nobody waits", at: Point(column: inner.column + 1, row: inner.row), role: .textDim, columns: inner.columns - 1)
      return
    }
    let perRow = inner.rows >= table.rows.count * 2 && inner.columns < 100 ? 2 : 1
    let fitting = max(inner.rows / perRow, 1)
    let isCut = table.rows.count > fitting
    let shownRows = isCut ? max(fitting - 1, 1) : table.rows.count
    for (index, row) in table.rows.prefix(shownRows).enumerated() {
      let line = inner.line(index * perRow)
      drawQueueRow(&grid, line, row, place: index + 1, hasSecondLine: perRow == 2, inner.line(index * perRow + 1))
    }
    if isCut, inner.rows > 1 {
      grid.draw(
        "… and \(table.rows.count - shownRows) more", at: Point(column: inner.column + 3, row: inner.endRow - 1),
        role: .textDim, columns: inner.columns - 3)
    }
  }

  private func drawQueueRow(
    _ grid: inout Grid, _ line: Rect, _ row: QueueTable.Row, place: Int, hasSecondLine: Bool, _ second: Rect
  ) {
    if row.notebook == selected { grid.setGround(.tableRowSelected, in: hasSecondLine ? line.joined(second) : line) }
    grid.draw("\(place)", at: line.origin, role: .textDim, columns: 2, alignment: .trailing)
    let waited = (shownNow - row.since).clock
    var head: [(String, Role)] = [
      ("\(row.notebook.mark.letter) ", row.notebook.mark.role),
      ("\(row.name)[\(row.cell.id.number)] ", row.notebook.mark.role),
    ]
    if row.priority != 0 { head.append(("pri \(row.priority) ", .textStrong)) }
    head.append((row.state == .suspended ? "suspended \(waited) " : "waits \(waited) ", row.state.role))
    let expected = row.wait?.expected.map(expectedText) ?? ""
    let reason: [(String, Role)] = [(row.reason, .text), (expected, .textAccent)]
    let start = Point(column: line.column + 3, row: line.row)
    if hasSecondLine {
      grid.draw(parts: head, at: start, columns: line.columns - 3)
      grid.draw(
        parts: reason, at: Point(column: second.column + 5, row: second.row), columns: second.columns - 5)
    } else {
      grid.draw(parts: head + reason, at: start, columns: line.columns - 3)
    }
  }

  /// ` → in 0:40 (0:20–1:30)`.
  func expectedText(_ expected: ExpectedStart) -> String {
    func left(_ instant: Instant) -> String { max(instant - shownNow, .zero).clock }
    let range = expected.early == expected.late ? "" : " (\(left(expected.early))–\(left(expected.late)))"
    return "; in about \(left(expected.median))\(range)"
  }
}

extension Rect {
  /// The rectangle with the rows of another that lies below it.
  func joined(_ below: Rect) -> Rect { Rect(column: column, row: row, columns: columns, rows: rows + below.rows) }
}
