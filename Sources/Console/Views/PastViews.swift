import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The recorded sessions, newest first.
  func drawSessions(_ grid: inout Grid, _ screen: Rect, _ list: SessionList) {
    let rows = min(max(list.rows.count, 1) + 3, screen.rows)
    let rect = Self.centred(in: screen, columns: min(100, screen.columns), rows: rows)
    let inner = dialog(&grid, rect, "SESSIONS · Enter opens · Esc closes")
    guard !list.rows.isEmpty else {
      grid.draw("no session has been recorded yet", at: inner.origin, role: .textDim, columns: inner.columns)
      return
    }
    drawSessionLine(
      &grid, inner.line(0), ["NO", "BEGAN", "LENGTH", "KIND", "USER", "ENTRIES", "ORDERS", "NOTE"], .tableHeader)
    let body = inner.droppingRows(1)
    let first = max(0, min(list.cursor - body.rows / 2, list.rows.count - body.rows))
    for (index, row) in list.rows.dropFirst(first).prefix(max(body.rows, 0)).enumerated() {
      let line = body.line(index)
      if first + index == list.cursor { grid.setGround(.dialogChoiceSelected, in: line) }
      let here = row.number == session.number ? "\(row.number) ←" : "\(row.number)"
      drawSessionLine(
        &grid, line,
        [here, row.began, row.length.clock, row.kind, row.user, "\(row.entries)", "\(row.actions)", row.note], .dialog)
    }
  }

  private func drawSessionLine(_ grid: inout Grid, _ line: Rect, _ texts: [String], _ role: Role) {
    let widths = [6, 17, 8, 10, 9, 9, 7]
    // What has no room is left out whole, the least important first; the number and the beginning stay.
    let order = line.columns >= 78 ? Array(0..<8) : line.columns >= 58 ? [0, 1, 2, 3, 5, 6] : [0, 1, 2]
    var column = line.column + 1
    for place in order where column < line.endColumn {
      let width = place < widths.count ? widths[place] : line.endColumn - column
      grid.draw(
        texts[place], at: Point(column: column, row: line.row), role: role,
        columns: min(width - 1, line.endColumn - column))
      column += width
    }
  }

  /// What changed between the marked moment and the one that is shown, in words.
  func changeLines() -> [String] {
    guard let marked else { return ["No moment is marked; M marks this one."] }
    return changeLines(BoardChanges(between: (marked.board, marked.now), and: (shown, shownNow)))
  }

  /// What changed between two moments, in words.
  public func changeLines(_ changes: BoardChanges) -> [String] {
    var lines = [
      "From \(session.timeOfDay(changes.from)) to \(session.timeOfDay(changes.to)), \((changes.to - changes.from).clock): "
        + "\(counted(changes.cellsEnded, "cell")) ended, \(counted(changes.actions, "order")), "
        + "\(counted(changes.preemptions, "preemption"))."
    ]
    lines += changes.session.map { "The session: \($0)." }
    for change in changes.notebooks {
      let before = change.before?.word ?? "not open"
      var parts = [before == change.after.word ? change.after.word : "\(before) → \(change.after.word)"]
      if change.cellsEnded > 0 { parts.append("\(counted(change.cellsEnded, "cell")) ended") }
      if change.cellsFailed > 0 { parts.append("\(change.cellsFailed) not well") }
      if change.ran > .zero { parts.append("ran \(change.ran.clock)") }
      if change.waited > .zero { parts.append("waited \(change.waited.clock)") }
      lines.append("\(change.name): " + (parts + change.orders).joined(separator: ", "))
    }
    if changes.notebooks.isEmpty, changes.session.isEmpty { lines.append("Nothing changed.") }
    return lines
  }

  func drawChanges(_ grid: inout Grid, _ screen: Rect) {
    let lines = changeLines()
    let rect = Self.centred(
      in: screen, columns: min(100, screen.columns), rows: min(lines.count + 4, screen.rows))
    var inner = dialog(&grid, rect, "CHANGES · any key closes").inset(columns: 1, rows: 0)
    for (index, line) in lines.enumerated() where inner.rows > 0 {
      if inner.rows == 1, index + 1 < lines.count {
        grid.draw("… and \(lines.count - index) more", at: inner.origin, role: .textDim, columns: inner.columns)
        return
      }
      inner = inner.droppingRows(grid.drawWrapped(line, in: inner, role: .dialog))
    }
  }
}

// MARK: Two worlds

extension ConsoleState {
  /// The table above, the two timelines one above the other below it; small screens give the room to the table.
  func compare(_ body: Rect, in layout: inout ScreenLayout) {
    guard let alternative, body.rows >= 14 else {
      layout.sideBySide = body
      return
    }
    let wanted = max(
      alternative.table.measures.count, alternative.table.users.count + alternative.table.notebooks.count + 2)
    let table = min(wanted + 2 + alternative.table.notes.count, body.rows / 2)
    let half = (body.rows - table) / 2
    let rows = body.splitRows([.fixed(table), .fixed(half), .share(1)])
    (layout.sideBySide, layout.timeline, layout.otherTimeline) = (rows[0], rows[1], rows[2])
  }

  func drawAlternative(_ grid: inout Grid, _ layout: ScreenLayout, _ alternative: Alternative) {
    let table = alternative.table
    if let rect = layout.sideBySide { drawSideBySide(&grid, rect, table) }
    // The same rows in both: who is there in either world.
    var rows = rowOrder
    for facts in alternative.board.notebooks where facts.state != .gone && !rows.contains(facts.notebook.id) {
      if filter.isEmpty { rows.append(facts.notebook.id) }
    }
    if let rect = layout.timeline {
      drawTimeline(&grid, rect, of: shown, rows: rows, title: "AS IT WAS -\(Self.windows[window].short) … now")
    }
    if let rect = layout.otherTimeline {
      drawTimeline(&grid, rect, of: alternative.board, rows: rows, title: "WHAT IF \(table.changes)")
    }
  }

  private func drawSideBySide(_ grid: inout Grid, _ rect: Rect, _ table: SideBySide) {
    let title = "WHAT IF \(table.changes) · from \(session.timeOfDay(table.from))"
    let inner = grid.pane(rect, title: title, detail: rect.columns >= 100 ? "Esc: the session as it was" : "")
    let notes = min(table.notes.count, max(inner.rows - 6, 0))
    let body = Rect(column: inner.column, row: inner.row, columns: inner.columns, rows: inner.rows - notes)
    guard body.rows > 0 else { return }
    if body.columns >= 90 {
      let columns = body.splitColumns([.fixed(46), .fixed(1), .share(1)])
      drawMeasures(&grid, columns[0], table)
      drawPeople(&grid, columns[2], table)
    } else if body.rows > table.measures.count + 3 {
      let rows = body.splitRows([.fixed(table.measures.count + 1), .share(1)])
      drawMeasures(&grid, rows[0], table)
      drawPeople(&grid, rows[1], table)
    } else {
      let few = min(max(body.rows / 2, 1), table.measures.count + 1)
      let rows = body.splitRows([.fixed(few), .share(1)])
      drawMeasures(&grid, rows[0], table)
      drawPeople(&grid, rows[1], table)
    }
    for (index, note) in table.notes.prefix(notes).enumerated() {
      grid.draw(
        note, at: Point(column: inner.column + 1, row: body.endRow + index), role: .warning, columns: inner.columns - 1)
    }
  }

  private func drawMeasures(_ grid: inout Grid, _ rect: Rect, _ table: SideBySide) {
    guard rect.rows > 0 else { return }
    let name = min(18, max(rect.columns - 24, 6))
    let width = max(min((rect.columns - name - 3) / 2, 12), 3)
    func line(_ row: Int, _ texts: (String, String, String), _ roles: (Role, Role, Role)) {
      let line = rect.line(row)
      grid.draw(texts.0, at: Point(column: line.column + 1, row: line.row), role: roles.0, columns: name)
      grid.draw(
        texts.1, at: Point(column: line.column + name + 1, row: line.row), role: roles.1, columns: width,
        alignment: .trailing)
      grid.draw(
        texts.2, at: Point(column: line.column + name + width + 2, row: line.row), role: roles.2, columns: width,
        alignment: .trailing)
    }
    line(0, ("", "as it was", "what if"), (.tableHeader, .tableHeader, .tableHeader))
    for (index, measure) in table.measures.prefix(rect.rows - 1).enumerated() {
      line(
        index + 1, (measure.name, measure.recorded, measure.again + measure.verdict.sign),
        (.text, .text, measure.verdict.role))
    }
  }

  private func drawPeople(_ grid: inout Grid, _ rect: Rect, _ table: SideBySide) {
    guard rect.rows > 0 else { return }
    let heads = [("USERS", table.users), ("NOTEBOOKS", table.notebooks)]
    let name = min(max(rect.columns - 38, 8), 28)
    var row = 0
    for (head, people) in heads where row < rect.rows {
      // Users first; what is left of the room is the notebooks'.
      let room = rect.rows - row - 1
      guard room > 0 || row == 0 else { return }
      drawPerson(
        &grid, rect.line(row), (head, "CELLS", "WAITED", "WHAT IF", "GAINS OR LOSES"), .tableHeader, .tableHeader, name)
      for (index, person) in people.prefix(max(room, 0)).enumerated() {
        let texts = (person.name, person.cells, person.recorded, person.again, person.change + person.verdict.sign)
        drawPerson(&grid, rect.line(row + 1 + index), texts, .text, person.verdict.role, name)
      }
      row += 1 + min(people.count, max(room, 0))
    }
  }

  private func drawPerson(
    _ grid: inout Grid, _ line: Rect, _ texts: (String, String, String, String, String), _ role: Role, _ last: Role,
    _ name: Int
  ) {
    var column = line.column + 1
    grid.draw(
      texts.0, at: Point(column: column, row: line.row), role: role, columns: min(name, line.endColumn - column))
    column += name + 1
    for (text, width) in [(texts.1, 5), (texts.2, 8), (texts.3, 8)] where column + width <= line.endColumn {
      grid.draw(text, at: Point(column: column, row: line.row), role: role, columns: width, alignment: .trailing)
      column += width + 1
    }
    guard column < line.endColumn else { return }
    grid.draw(texts.4, at: Point(column: column + 1, row: line.row), role: last, columns: line.endColumn - column - 1)
  }
}

extension SideBySide.Verdict {
  fileprivate var role: Role {
    switch self {
    case .better: .good
    case .worse: .warning
    case .same: .text
    }
  }

  /// Colour never says it alone.
  fileprivate var sign: String {
    switch self {
    case .better: " +"
    case .worse: " -"
    case .same: "  "
    }
  }
}
