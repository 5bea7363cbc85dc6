import Canvas
import Domain
import Projections

/// A column of the notebook table.
private struct Column {
  var title: String
  /// The greater, the sooner it is left out; 0 never is.
  var rank: Int
  var width: Int
  var isRight = false
  var sort: SortKey?
  var text: (NotebookFacts) -> (String, Role)
}

extension ConsoleState {
  /// The notebooks, a row each; the selected one is marked by a sign and a ground, never by colour alone.
  func drawNotebooks(_ grid: inout Grid, _ rect: Rect) {
    let rows = rowOrder
    let total = shown.notebooks.lazy.filter { $0.state != .gone }.count
    var title = filter.isEmpty ? "NOTEBOOKS \(rows.count)" : "NOTEBOOKS \(rows.count)/\(total)"
    title += " " + String(Character(grid.glyphs[isSortAscending ? .ascending : .descending])) + sort.title
    let inner = grid.pane(
      rect, title: title, detail: filter.isEmpty ? "" : "/" + filter, focused: focus == .notebooks)
    guard inner.rows > 0 else { return }
    let columns = columns(width: inner.columns)
    let hasHeader = inner.rows > 1
    if hasHeader { drawTableHeader(&grid, inner.line(0), columns) }
    let body = inner.droppingRows(hasHeader ? 1 : 0)
    guard !rows.isEmpty else {
      let text =
        total > 0
        ? "no notebook matches /\(filter); Esc clears it"
        : session.mode == .live ? "no notebook yet: start a kernel whose name ends in (celltop)" : "no notebook yet"
      grid.draw(text, at: Point(column: body.column + 4, row: body.row), role: .textDim, columns: body.columns - 4)
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
      let (text, role) = column.text(facts)
      grid.draw(
        text, at: Point(column: at, row: rect.row), role: role, columns: column.width,
        alignment: column.isRight ? .trailing : .leading)
      at += column.width + 1
    }
  }

  /// The columns that fit, the least important left out whole; names get what is left, as far as they need it, then
  /// the lists of cores.
  private func columns(width: Int) -> [Column] {
    var columns = allColumns()
    let hasGPUs = shown.nodes.contains { !$0.node.gpus.isEmpty }
    if !hasGPUs { columns.removeAll { $0.title == "GPU" } }
    func used() -> Int { columns.reduce(3) { $0 + $1.width + 1 } }
    while used() > width, let most = columns.map(\.rank).max(), most > 0 { columns.removeAll { $0.rank == most } }
    var left = width - used()
    let longest = shown.notebooks.lazy.filter { $0.state != .gone }.map { cellWidth(of: $0.name) }.max() ?? 0
    if left < 0 { columns[0].width = max(columns[0].width + left, 1) }
    for (title, most) in [("NAME", min(longest, 40)), ("CPU", 16), ("PIN", 11), ("OWNER", 12), ("GPU", 8)] {
      guard left > 0, let index = columns.firstIndex(where: { $0.title == title }) else { continue }
      let more = min(left, max(most - columns[index].width, 0))
      columns[index].width += more
      left -= more
    }
    return columns
  }

  private func allColumns() -> [Column] {
    [
      Column(title: "NAME", rank: 0, width: 12, sort: .name) { ($0.name, $0.notebook.id.mark.role) },
      Column(title: "OWNER", rank: 6, width: 8) { ($0.notebook.user, .text) },
      Column(title: "STATE", rank: 1, width: 11, sort: .state) { (Self.stateText($0), $0.state.role) },
      Column(title: "TIME", rank: 2, width: 7, isRight: true) { [shownNow] in ((shownNow - $0.since).clock, .text) },
      Column(title: "PRI", rank: 4, width: 4, isRight: true, sort: .priority) {
        ("\($0.priority)", $0.priority == 0 ? .textDim : .textStrong)
      },
      Column(title: "CPU", rank: 3, width: 7, sort: .cores) { (Self.coresText($0), .text) },
      Column(title: "GPU", rank: 5, width: 4) { ($0.cell?.allotment?.gpus.description ?? "", .text) },
      Column(title: "USED", rank: 9, width: 6, isRight: true) {
        ($0.state == .running ? $0.usage.map { Self.hundredths($0.millicores) } ?? "" : "", .text)
      },
      Column(title: "MEM", rank: 10, width: 6, isRight: true) { ($0.usage.map(\.memory.short) ?? "", .text) },
      Column(title: "PIN", rank: 7, width: 5) { ($0.pin.map(Self.pinText) ?? "", .corePinned) },
      Column(title: "BEHIND", rank: 11, width: 6, isRight: true) { ($0.backlog > 0 ? "\($0.backlog)" : "", .text) },
      Column(title: "DONE", rank: 8, width: 5, isRight: true) { ("\($0.cellsEnded)", .text) },
      Column(title: "RAN", rank: 13, width: 7, isRight: true) { [shownNow] in
        (($0.ran + ($0.cell?.ran(at: shownNow) ?? .zero)).clock, .text)
      },
      Column(title: "WAITED", rank: 12, width: 7, isRight: true, sort: .waited) { [shownNow] in
        ($0.waited(at: shownNow).clock, .text)
      },
    ]
  }

  private static func pinText(_ pin: Pin) -> String {
    let parts = [pin.cores.description, pin.gpus.isEmpty ? "" : "G\(pin.gpus)"]
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
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
    guard facts.isHeld else { return "\(letter) \(facts.state.word)" }
    return facts.state == .running ? "\(letter) run, held" : "\(letter) held"
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
