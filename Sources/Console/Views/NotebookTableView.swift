import Canvas
import Domain
import Projections

/// A column of the notebook table as it is drawn.
struct DrawnColumn {
  var column: TableColumn
  var heading: String
  /// The greater, the sooner it is left out; 0 never is.
  var rank: Int
  var width: Int
  var isRight = false
}

/// Where the parts of the notebook table are.
struct TableLayout {
  /// The columns, each with its first cell.
  var columns: [(drawn: DrawnColumn, start: Int)]
  var header: Rect?
  var body: Rect
  /// The first row shown.
  var first: Int
  /// Where the last minute of each row is drawn; nil where there is no room.
  var recent: (start: Int, columns: Int)?
}

extension ConsoleState {
  /// The length of time that a row's small timeline tells.
  static let recentSpan = Span(seconds: 60)

  /// The notebooks, a row each; the selected one is marked by a sign and a ground, never by colour alone.
  func drawNotebooks(_ grid: inout Grid, _ rect: Rect, sparks: Bool) {
    let board = shown
    let total = board.openNotebooks.count
    let shownCount = table.notebooks.count
    var title = filter.isEmpty ? "NOTEBOOKS \(shownCount)" : "NOTEBOOKS \(shownCount)/\(total)"
    title += " " + String(Character(grid.glyphs[isSortAscending ? .ascending : .descending])) + sort.title
    let marks = [tagged.isEmpty ? "" : "\(tagged.count) tagged", filter.isEmpty ? "" : "/" + filter]
    let inner = grid.pane(
      rect, title: title, detail: marks.filter { !$0.isEmpty }.joined(separator: " · "), focused: focus == .notebooks)
    guard inner.rows > 0 else { return }
    let layout = tableLayout(rect, sparks: sparks)
    if let header = layout.header { drawTableHeader(&grid, header, layout) }
    guard !table.rows.isEmpty else {
      let text =
        total > 0
        ? "no notebook matches /\(filter); Esc clears it"
        : session.mode == .live ? "no notebook yet: start a kernel whose name ends in (celltop)" : "no notebook yet"
      let body = layout.body
      grid.draw(text, at: Point(column: body.column + 4, row: body.row), role: .textDim, columns: body.columns - 4)
      return
    }
    let rows = table.rows.dropFirst(layout.first).prefix(layout.body.rows)
    for (index, row) in rows.enumerated() {
      let line = layout.body.line(index)
      switch row {
      case .user(let user): drawUser(&grid, line, user, isSelected: row == cursor)
      case .notebook(let id): drawRow(&grid, line, board.notebooks[Int(id.number)], layout, isSelected: row == cursor)
      }
    }
    drawRecent(&grid, rows, layout, board)
  }

  /// Where the parts of the table are in the pane's rectangle; the same for drawing and for the mouse.
  func tableLayout(_ rect: Rect, sparks: Bool) -> TableLayout {
    let inner = rect.droppingRows(1)
    let hasHeader = inner.rows > 1
    let body = inner.droppingRows(hasHeader ? 1 : 0)
    var (columns, left) = fittingColumns(width: inner.columns)
    var layout = TableLayout(columns: [], header: hasHeader ? inner.line(0) : nil, body: body, first: 0)
    if sparks, left >= 13 {
      let count = min(left - 1, 30)
      layout.recent = (inner.endColumn - count, count)
      left -= count + 1
    }
    let wider: [(TableColumn, Int)] = [
      (.name, 24), (.cores, 16), (.pin, 11), (.owner, 12), (.gpus, 8), (.name, 40),
    ]
    for (column, most) in wider {
      guard left > 0, let index = columns.firstIndex(where: { $0.column == column }) else { continue }
      let more = min(left, max(most - columns[index].width, 0))
      columns[index].width += more
      left -= more
    }
    var start = inner.column + leadColumns
    for column in columns {
      layout.columns.append((column, start))
      start += column.width + 1
    }
    let place = cursor.flatMap { table.rows.firstIndex(of: $0) } ?? 0
    layout.first = max(0, min(place - body.rows / 2, table.rows.count - body.rows))
    return layout
  }

  /// Cells before the first column: the cursor, the tag, the letter (with a number where letters have begun again), a blank.
  private var leadColumns: Int { hasRepeatedLetters ? 5 : 4 }

  /// The columns that fit, the least important left out whole, and how many cells are left.
  private func fittingColumns(width: Int) -> ([DrawnColumn], left: Int) {
    let hasGPUs = shown.nodes.contains { !$0.node.gpus.isEmpty }
    var columns = Self.allColumns.filter { drawn in
      drawn.column == .name || (!hiddenColumns.contains(drawn.column) && (drawn.column != .gpus || hasGPUs))
    }
    func used() -> Int { columns.reduce(leadColumns - 1) { $0 + $1.width + 1 } }
    while used() > width, let most = columns.map(\.rank).max(), most > 0 { columns.removeAll { $0.rank == most } }
    let left = width - used()
    if left < 0, let name = columns.firstIndex(where: { $0.column == .name }) {
      columns[name].width = max(columns[name].width + left, 1)
    }
    return (columns, max(left, 0))
  }

  private static let allColumns = [
    DrawnColumn(column: .number, heading: "NO", rank: 14, width: 4, isRight: true),
    DrawnColumn(column: .name, heading: "NAME", rank: 0, width: 12),
    DrawnColumn(column: .owner, heading: "OWNER", rank: 6, width: 8),
    DrawnColumn(column: .state, heading: "STATE", rank: 1, width: 11),
    DrawnColumn(column: .time, heading: "TIME", rank: 2, width: 7, isRight: true),
    DrawnColumn(column: .priority, heading: "PRI", rank: 4, width: 4, isRight: true),
    DrawnColumn(column: .cores, heading: "CPU", rank: 3, width: 7),
    DrawnColumn(column: .gpus, heading: "GPU", rank: 5, width: 4),
    DrawnColumn(column: .used, heading: "USED", rank: 9, width: 6, isRight: true),
    DrawnColumn(column: .memory, heading: "MEM", rank: 10, width: 6, isRight: true),
    DrawnColumn(column: .pin, heading: "PIN", rank: 7, width: 5),
    DrawnColumn(column: .behind, heading: "BEHIND", rank: 11, width: 6, isRight: true),
    DrawnColumn(column: .done, heading: "DONE", rank: 8, width: 5, isRight: true),
    DrawnColumn(column: .ran, heading: "RAN", rank: 13, width: 7, isRight: true),
    DrawnColumn(column: .waited, heading: "WAITED", rank: 12, width: 7, isRight: true),
  ]

  private func drawTableHeader(_ grid: inout Grid, _ rect: Rect, _ layout: TableLayout) {
    grid.setGround(.tableHeader, in: rect)
    for (column, start) in layout.columns {
      let role: Role = column.column == sort ? .tableHeaderSorted : .tableHeader
      grid.draw(
        column.heading, at: Point(column: start, row: rect.row), role: role,
        columns: min(column.width, rect.endColumn - start), alignment: column.isRight ? .trailing : .leading)
    }
    guard let recent = layout.recent else { return }
    let text = "\(Self.recentSpan.short) AGO"
    grid.draw(text, at: Point(column: recent.start, row: rect.row), role: .tableHeader, columns: recent.columns)
  }

  private func drawRow(
    _ grid: inout Grid, _ rect: Rect, _ facts: NotebookFacts, _ layout: TableLayout, isSelected: Bool
  ) {
    if isSelected {
      grid.setGround(.tableRowSelected, in: rect)
      grid.put(.selection, at: rect.origin, role: .textAccent)
    }
    let id = facts.notebook.id
    let isTagged = tagged.contains(id)
    if isTagged, rect.columns > 1 {
      grid.put(.tag, at: Point(column: rect.column + 1, row: rect.row), role: .tableRowTagged)
    }
    if rect.columns > 2 {
      let columns = rect.columns > 3 ? 2 : 1
      grid.draw(
        id.mark.text(columns: columns), at: Point(column: rect.column + 2, row: rect.row),
        role: id.mark.role, columns: columns)
    }
    for (column, start) in layout.columns {
      let (text, role) = text(of: column.column, facts, grid.glyphs)
      let indent = isTree && column.column == .name ? min(2, column.width - 1) : 0
      grid.draw(
        text, at: Point(column: start + indent, row: rect.row),
        role: isTagged && column.column == .name ? .tableRowTagged : role,
        columns: min(column.width - indent, rect.endColumn - start - indent),
        alignment: column.isRight ? .trailing : .leading)
    }
  }

  /// A user above his notebooks: how many, what they do, what they hold.
  private func drawUser(_ grid: inout Grid, _ rect: Rect, _ user: String, isSelected: Bool) {
    if isSelected {
      grid.setGround(.tableRowSelected, in: rect)
      grid.put(.selection, at: rect.origin, role: .textAccent)
    }
    let isFolded = folded.contains(user)
    let board = shown
    var counts = [Int](repeating: 0, count: NotebookState.allCases.count)
    var (cores, gpus) = (0, 0)
    for id in table.members[user] ?? [] {
      let (state, held) = board.notebooks.look(at: id) { ($0.pointee.state, $0.pointee.cell?.allotment) }
      counts[Int(state.rawValue)] += 1
      guard let allotment = held else { continue }
      cores += allotment.cores.count
      gpus += allotment.gpus.count
    }
    var parts: [(String, Role)] = [
      (isFolded ? "▶ " : "▼ ", .textDim), (user, .textStrong),
      (" \(table.members[user]?.count ?? 0)", .text),
    ]
    let states: [(NotebookState, String)] = [
      (.running, "run"), (.queued, "queued"), (.suspended, "suspended"), (.thinking, "think"),
    ]
    for (state, word) in states where counts[Int(state.rawValue)] > 0 {
      parts.append(("  \(word) \(counts[Int(state.rawValue)])", state.role))
    }
    if cores > 0 { parts.append(("  \(cores) core\(cores == 1 ? "" : "s")", .text)) }
    if gpus > 0 { parts.append(("  \(gpus) GPU\(gpus == 1 ? "" : "s")", .text)) }
    grid.draw(
      parts: parts, at: Point(column: rect.column + 2, row: rect.row), columns: max(rect.columns - 2, 0))
  }

  /// What each of the shown notebooks did in the last minute.
  private func drawRecent(
    _ grid: inout Grid, _ rows: ArraySlice<TableRow>, _ layout: TableLayout, _ board: Board
  ) {
    guard let recent = layout.recent else { return }
    let ids = rows.compactMap { if case .notebook(let id) = $0 { id } else { nil } }
    let stride = TimeScale.stride(window: Self.recentSpan, columns: recent.columns, speed: transport?.speed ?? 1)
    let scale = TimeScale(window: Self.recentSpan, columns: recent.columns, end: shownNow, stride: stride)
    let timeline = Timeline(board, of: ids, scale: scale, now: shownNow)
    var lines = timeline.rows.makeIterator()
    for (index, row) in rows.enumerated() {
      guard case .notebook = row, let line = lines.next() else { continue }
      for (offset, state) in line.states.enumerated() {
        guard let state else { continue }
        let at = Point(column: recent.start + offset, row: layout.body.row + index)
        grid.put(state.trace.glyph, at: at, role: state.trace.role)
      }
    }
  }
}

// What the columns say of a notebook.
extension ConsoleState {
  private func text(of column: TableColumn, _ facts: NotebookFacts, _ glyphs: GlyphSet) -> (String, Role) {
    switch column {
    case .number: ("\(facts.notebook.id.number)", .textDim)
    case .name: (facts.name, facts.notebook.id.mark.role)
    case .owner: (facts.notebook.user, .text)
    case .state: Self.state(facts, glyphs)
    case .time: ((shownNow - facts.since).clock, .text)
    case .priority: ("\(facts.priority)", facts.priority == 0 ? .textDim : .textStrong)
    case .cores: (Self.coresText(facts), .text)
    case .gpus: (facts.cell?.allotment?.gpus.description ?? "", .text)
    case .used: (facts.state == .running ? facts.usage.map { Self.hundredths($0.millicores) } ?? "" : "", .text)
    case .memory: (facts.usage.map(\.memory.short) ?? "", .text)
    case .pin: (facts.pin.map(Self.pinText) ?? "", .corePinned)
    case .behind: (facts.backlog > 0 ? "\(facts.backlog)" : "", .text)
    case .done: ("\(facts.cellsEnded)", .text)
    case .ran: ((facts.ran + (facts.cell?.ran(at: shownNow) ?? .zero)).clock, .text)
    case .waited: (facts.waited(at: shownNow).clock, .text)
    }
  }

  private static func pinText(_ pin: Pin) -> String {
    let parts = [pin.cores.description, pin.gpus.isEmpty ? "" : "G\(pin.gpus)"]
    return parts.filter { !$0.isEmpty }.joined(separator: " ")
  }

  /// The state with the mark that its theme gives it, so that colour never says it alone.
  private static func state(_ facts: NotebookFacts, _ glyphs: GlyphSet) -> (String, Role) {
    let isHeld = facts.isHeld && facts.state != .running
    let role = isHeld ? .stateHeld : facts.state.role
    let word = isHeld ? "held" : facts.isHeld ? "run, held" : facts.state.word
    return ("\(Character(glyphs.mark(for: role))) \(word)", role)
  }

  private static func coresText(_ facts: NotebookFacts) -> String {
    guard let allotment = facts.cell?.allotment else { return "" }
    return allotment.cores.description + (allotment.shared ? "*" : "")
  }

  static func hundredths(_ millicores: Int32) -> String {
    let value = (millicores + 5) / 10
    return "\(value / 100).\(value % 100 < 10 ? "0" : "")\(value % 100)"
  }
}

// The list of columns.
extension ConsoleState {
  func drawColumnList(_ grid: inout Grid, _ screen: Rect, _ chosen: TableColumn) {
    let all = TableColumn.allCases
    let titles = ["COLUMNS · Space: show · Enter: sort · I: invert", "COLUMNS · Space Enter I", "COLUMNS"]
    let title = titles.first { cellWidth(of: $0) + 6 <= screen.columns } ?? "COLUMNS"
    let rect = Self.centred(
      in: screen, columns: min(max(cellWidth(of: title) + 6, 46), screen.columns), rows: min(all.count + 2, screen.rows)
    )
    let inner = dialog(&grid, rect, title)
    let first = max(0, min(chosen.rawValue - inner.rows / 2, all.count - inner.rows))
    for (index, column) in all.dropFirst(first).prefix(inner.rows).enumerated() {
      let line = inner.line(index)
      if column == chosen { grid.setGround(.dialogChoiceSelected, in: line) }
      let isShown = column == .name || !hiddenColumns.contains(column)
      let arrow = String(Character(grid.glyphs[isSortAscending ? .ascending : .descending]))
      let parts: [(String, Role)] = [
        (column == chosen ? ">" : " ", .textAccent), (isShown ? "[x] " : "[ ] ", .dialog),
        (column.title.padded(to: 10), .dialog), (column == sort ? arrow + " " : "  ", .textAccent),
        (column.words, .textDim),
      ]
      grid.draw(parts: parts, at: line.origin, columns: line.columns)
    }
  }
}

extension String {
  /// The text with spaces behind it up to a width.
  func padded(to columns: Int) -> String {
    let width = cellWidth(of: self)
    return width < columns ? self + String(repeating: " ", count: columns - width) : self
  }
}
