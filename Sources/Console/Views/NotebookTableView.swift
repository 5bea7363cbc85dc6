import Canvas
import Domain
import Projections

/// A column of the notebook table.
private struct Column {
  var title: String
  var width: Int
  var isRight = false
  var sort: SortKey?
  /// The narrowest table that shows it.
  var from = 0
  var text: (NotebookFacts, Instant) -> (String, Role)
}

extension ConsoleState {
  /// The notebooks, a row each; the selected one is marked by a sign and a ground, never by colour alone.
  func drawNotebooks(_ grid: inout Grid, _ rect: Rect) {
    let rows = rowOrder
    let total = shown.notebooks.lazy.filter { $0.state != .gone }.count
    var title = filter.isEmpty ? "NOTEBOOKS \(rows.count)" : "NOTEBOOKS \(rows.count)/\(total)"
    title += " " + String(Character(grid.glyphs[isSortInverted ? .ascending : .descending])) + sort.title
    let inner = grid.pane(
      rect, title: title, detail: filter.isEmpty ? "" : "/" + filter, focused: focus == .notebooks)
    guard inner.rows > 0 else { return }
    let columns = Self.columns(width: inner.columns)
    let hasHeader = inner.rows > 1
    if hasHeader { drawTableHeader(&grid, inner.line(0), columns) }
    let body = inner.droppingRows(hasHeader ? 1 : 0)
    guard !rows.isEmpty else {
      let text =
        total > 0
        ? "no notebook matches /\(filter); Esc clears it"
        : "no notebook yet: start a kernel whose name ends in (celltop)"
      grid.draw(text, at: Point(column: body.column + 3, row: body.row), role: .textDim, columns: body.columns - 3)
      return
    }
    let place = selected.flatMap { rows.firstIndex(of: $0) } ?? 0
    let first = max(0, min(place - body.rows / 2, rows.count - body.rows))
    for (index, id) in rows.dropFirst(first).prefix(body.rows).enumerated() {
      guard let facts = shown[id] else { continue }
      drawRow(&grid, body.line(index), facts, columns, isSelected: id == selected)
    }
  }

  private func drawTableHeader(_ grid: inout Grid, _ rect: Rect, _ columns: [Column]) {
    grid.setGround(.tableHeader, in: rect)
    var at = rect.column + 4
    for column in columns {
      let role: Role = column.sort == sort ? .tableHeaderSorted : .tableHeader
      grid.draw(
        column.title, at: Point(column: at, row: rect.row), role: role, columns: column.width,
        alignment: column.isRight ? .trailing : .leading)
      at += column.width + 1
    }
  }

  private func drawRow(
    _ grid: inout Grid, _ rect: Rect, _ facts: NotebookFacts, _ columns: [Column], isSelected: Bool
  ) {
    if isSelected {
      grid.setGround(.tableRowSelected, in: rect)
      grid.put(.selection, at: rect.origin, role: .textAccent)
    }
    let mark = facts.notebook.id.mark
    grid.put(
      mark.letter.unicodeScalars.first ?? "?", at: Point(column: rect.column + 2, row: rect.row), role: mark.role)
    var at = rect.column + 4
    for column in columns {
      let (text, role) = column.text(facts, shownNow)
      grid.draw(
        text, at: Point(column: at, row: rect.row), role: role, columns: column.width,
        alignment: column.isRight ? .trailing : .leading)
      at += column.width + 1
    }
  }

  private static func columns(width: Int) -> [Column] {
    var columns: [Column] = [
      Column(title: "NAME", width: 16, sort: .name) { facts, _ in (facts.name, facts.notebook.id.mark.role) },
      Column(title: "OWNER", width: 8, from: 70) { facts, _ in (facts.notebook.user, .text) },
      Column(title: "STATE", width: 11, sort: .state) { facts, _ in (stateText(facts), facts.state.role) },
      Column(title: "TIME", width: 7, isRight: true) { facts, now in ((now - facts.since).clock, .text) },
      Column(title: "PRI", width: 4, isRight: true, sort: .priority) { facts, _ in
        ("\(facts.priority)", facts.priority == 0 ? .textDim : .textStrong)
      },
      Column(title: "CPU", width: 7, sort: .cores) { facts, _ in (coresText(facts), .text) },
      Column(title: "USED", width: 5, isRight: true, from: 76) { facts, _ in
        (facts.state == .running ? facts.usage.map { hundredths($0.millicores) } ?? "" : "", .text)
      },
      Column(title: "MEM", width: 6, isRight: true, from: 84) { facts, _ in
        (facts.usage.map(\.memory.short) ?? "", .text)
      },
      Column(title: "GPU", width: 4, from: 90) { facts, _ in (facts.cell?.allotment?.gpus.description ?? "", .text) },
      Column(title: "PIN", width: 5, from: 60) { facts, _ in (facts.pin?.cores.description ?? "", .corePinned) },
      Column(title: "BEHIND", width: 6, isRight: true, from: 100) { facts, _ in
        (facts.backlog > 0 ? "\(facts.backlog)" : "", .text)
      },
      Column(title: "DONE", width: 5, isRight: true, from: 64) { facts, _ in ("\(facts.cellsEnded)", .text) },
      Column(title: "RAN", width: 7, isRight: true, from: 108) { facts, now in
        ((facts.ran + (facts.cell?.ran(at: now) ?? .zero)).clock, .text)
      },
      Column(title: "WAITED", width: 7, isRight: true, sort: .waited, from: 116) { facts, _ in
        (facts.waited.clock, .text)
      },
    ]
    columns.removeAll { $0.from > width }
    let used = columns.reduce(4) { $0 + $1.width + 1 }
    if let name = columns.indices.first { columns[name].width += min(max(width - used, -6), 24) }
    return columns
  }

  private static func stateText(_ facts: NotebookFacts) -> String {
    let letter: String
    switch facts.state {
    case .starting: letter = "S"
    case .thinking: letter = "T"
    case .queued: letter = "Q"
    case .running: letter = "R"
    case .suspended: letter = "Z"
    case .gone: letter = "-"
    }
    return facts.isHeld ? "\(letter) held" : "\(letter) \(facts.state.word)"
  }

  private static func coresText(_ facts: NotebookFacts) -> String {
    guard let allotment = facts.cell?.allotment else { return "" }
    return allotment.cores.description + (allotment.shared ? "*" : "")
  }

  private static func hundredths(_ millicores: Int32) -> String {
    let value = (millicores + 5) / 10
    return "\(value / 100).\(value % 100 < 10 ? "0" : "")\(value % 100)"
  }
}
