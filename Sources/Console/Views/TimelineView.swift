import Canvas
import Domain
import Projections

extension ConsoleState {
  /// What each notebook did: a row a notebook, in the order of the table, the selected one always among them.
  func drawTimeline(_ grid: inout Grid, _ rect: Rect) {
    drawTimeline(&grid, rect, of: shown, rows: rowOrder, title: "TIMELINE -\(Self.windows[window].short) … now")
  }

  /// The same of any board: two of them one above the other show the same rows and the same instants.
  func drawTimeline(_ grid: inout Grid, _ rect: Rect, of board: Board, rows: [NotebookID], title: String) {
    let span = Self.windows[window]
    let inner = grid.pane(rect, title: title, detail: legend(grid, rect.columns), focused: focus == .timeline)
    guard inner.rows > 0, inner.columns > 8 else { return }
    // Below 40 columns a notebook is its letter.
    let label = rect.columns >= 120 ? 22 : rect.columns >= 40 ? 14 : 3
    guard !rows.isEmpty else {
      let text = filter.isEmpty ? "no notebook yet" : "no notebook matches /\(filter)"
      grid.draw(
        text, at: Point(column: inner.column + 1, row: inner.row), role: .textDim, columns: inner.columns - 1)
      return
    }
    let body = Rect(column: inner.column, row: inner.row, columns: inner.columns, rows: max(inner.rows - 1, 1))
    let place = selected.flatMap { rows.firstIndex(of: $0) } ?? 0
    let first = max(0, min(place - body.rows / 2, rows.count - body.rows))
    let visible = Array(rows.dropFirst(first).prefix(body.rows))
    let columns = inner.columns - label - 1
    let timeline = Timeline(board, of: visible, window: span, columns: columns, now: shownNow)
    for (index, row) in timeline.rows.enumerated() {
      drawTrace(&grid, body.line(index), row, of: board, label: label)
    }
    guard inner.rows > 1 else { return }
    let axis = inner.line(min(timeline.rows.count, inner.rows - 1))
    drawAxis(&grid, axis, timeline, label: label, columns: columns)
  }

  private func drawTrace(_ grid: inout Grid, _ line: Rect, _ row: Timeline.Row, of board: Board, label: Int) {
    guard let facts = board[row.notebook] else { return }
    let mark = row.notebook.mark
    if row.notebook == selected {
      grid.setGround(.tableRowSelected, in: Rect(column: line.column, row: line.row, columns: label, rows: 1))
    }
    grid.draw(
      parts: [(String(mark.letter), mark.role)] + (label > 3 ? [(" " + facts.name, mark.role)] : []),
      at: Point(column: line.column + 1, row: line.row), columns: max(label - 2, 1))
    for (index, state) in row.states.enumerated() {
      let at = Point(column: line.column + label + index, row: line.row)
      if let kind = row.marks[index] {
        switch kind {
        case .action: grid.put(.operatorAction, at: at, role: .timelineOperator)
        case .preemption: grid.put(.preempt, at: at, role: .timelinePreempt)
        case .error: grid.put("x", at: at, role: .error)
        case .wait: grid.put("w", at: at, role: .timelineQueued)
        case .fault: grid.put("f", at: at, role: .error)
        }
      } else if let state {
        grid.put(state.trace.glyph, at: at, role: state.trace.role)
      }
    }
  }

  /// Ticks at whole steps back from now: five or so.
  private func drawAxis(_ grid: inout Grid, _ line: Rect, _ timeline: Timeline, label: Int, columns: Int) {
    guard columns >= 24 else { return }
    let bucket = max(timeline.bucket.microseconds, 1)
    let window = bucket * Int64(columns) / 1_000_000
    let steps: [Int64] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600]
    let step = steps.first { window / $0 <= Int64(max(min(columns / 14, 6), 2)) } ?? 21_600
    let end = line.column + label + columns
    let now = session.timeOfDay(shownNow)
    for back in stride(from: step, through: window, by: Int(step)) {
      let tick = end - Int(back * 1_000_000 / bucket) - 1
      let text = "-" + Span(seconds: Double(back)).short
      guard tick >= line.column + label, tick + text.count + 2 < end - now.count else { continue }
      grid.draw(text, at: Point(column: tick, row: line.row), role: .timelineAxis)
    }
    grid.draw(now, at: Point(column: end - now.count, row: line.row), role: .timelineAxis)
  }

  private func legend(_ grid: Grid, _ columns: Int) -> String {
    guard columns >= 100 else { return "" }
    let parts: [(NotebookState, String)] = [
      (.running, "run"), (.thinking, "think"), (.queued, "queued"), (.suspended, "suspended"),
    ]
    let states = parts.map { "\(Character(grid.glyphs[$0.0.trace.glyph])) \($0.1)" }.joined(separator: "  ")
    return states + "  \(Character(grid.glyphs[.operatorAction])) operator  = - zoom"
  }
}
