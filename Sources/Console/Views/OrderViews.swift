import Canvas
import Domain
import Projections
import Verbs

// What is asked before an order: menus, questions, the grid of cores and GPUs, the themes.
extension ConsoleState {
  func drawMenu(_ grid: inout Grid, _ screen: Rect, _ menu: PreemptMenu) {
    let names = menu.facts.map(\.name)
    let victims = stake(menu.facts.compactMap { facts in try? Act.suspend.verb(for: facts) })
    var lines = victims.prefix(4).enumerated().map { DialogLine($0.element, .text, rank: $0.offset == 0 ? 1 : 4) }
    if names.count > 4 { lines.append(DialogLine("and \(names.count - 4) more", .textDim)) }
    for (place, choice) in menu.choices.enumerated() {
      let isHere = place == menu.cursor
      lines.append(
        DialogLine(
          "\(isHere ? ">" : " ") \(choice.key)  \(choice.words)", isHere ? .dialogChoiceSelected : .dialogChoice,
          rank: isHere ? 0 : 2, short: "\(isHere ? ">" : " ") \(choice.key)  \(choice.act.text)"))
    }
    lines += previewLines()
    draw(&grid, screen, "GIVE WAY · Enter or the letter does it · Esc leaves", lines)
  }

  func drawConfirmation(_ grid: inout Grid, _ screen: Rect, _ asked: Confirmation) {
    var lines: [DialogLine] = []
    let isMany = asked.verbs.count > 1 && asked.line.act.isAboutNotebooks
    let what =
      isMany
      ? asked.what ?? asked.line.act.text : asked.verbs.map { shown.sentence($0) }.joined(separator: ", ")
    lines.append(
      DialogLine(
        what + (isMany ? " on \(asked.verbs.count) notebooks:" : "?"), .dialogDanger, rank: 1,
        short: isMany ? "\(asked.what ?? asked.line.act.word) on \(asked.verbs.count)?" : nil))
    if asked.line.act.isAboutNotebooks {
      lines += stake(asked.verbs).prefix(6).enumerated().map {
        DialogLine("  " + $0.element, .text, rank: $0.offset == 0 ? 3 : 5)
      }
      if asked.verbs.count > 6 { lines.append(DialogLine("  and \(asked.verbs.count - 6) more", .textDim, rank: 5)) }
    }
    if asked.line.act.isDestructive {
      lines.append(
        DialogLine(
          "What these cells have worked off is lost.", .dialogDanger, rank: 2, short: "their work is lost"))
    }
    for refused in asked.refused.prefix(2) {
      lines.append(DialogLine("left out: \(refused.refusal.text)", .textDim, rank: 6))
    }
    if asked.refused.count > 2 {
      lines.append(DialogLine("left out: \(asked.refused.count - 2) more", .textDim, rank: 6))
    }
    if !asked.line.why.isEmpty { lines.append(DialogLine("because \(asked.line.why)", .textDim, rank: 6)) }
    lines += previewLines()
    let isRefused = asked.word == nil && refusal(of: asked) != nil
    if isRefused {
      lines.append(DialogLine("Any key leaves; nothing is done.", .textStrong, rank: 0, short: "any key leaves"))
    } else if let word = asked.word {
      // Where it is short, what was typed wrong is seen by its end.
      let typed = asked.typed.suffix(word.count + 1)
      lines.append(
        DialogLine(
          "Type \(word) and Enter to do it; anything else leaves: \(asked.typed)_", .textStrong, rank: 0,
          short: "Type \(word): \(typed)_"))
    } else {
      lines.append(
        DialogLine("y does it, any other key does not. [y/N]", .textStrong, rank: 0, short: "y does it [y/N]"))
    }
    draw(&grid, screen, isRefused ? "REFUSED" : "REALLY?", lines)
  }

  /// What the orders are likely to bring, or that it is being looked into.
  func previewLines() -> [DialogLine] {
    guard let preview = previewAsked else {
      return session.mode == .live || session.mode == .simulated ? [DialogLine("Looking ahead…", .textDim)] : []
    }
    return preview.sentences(naming: shown.name).map { DialogLine($0, .textAccent) }
  }

  /// The grid of cores and GPUs. What has no room is scrolled to, and its frame says how many places that are; how to leave stands on
  /// every screen.
  func drawEditor(_ grid: inout Grid, _ screen: Rect, _ editor: PlaceEditor) {
    let perRow = editor.columns(within: screen.columns)
    let width = min(max(perRow * editor.placeWidth, 64) + 4, screen.columns)
    let whole = editor.gridRows(perRow: perRow, headings: true)
    let rect = Self.centred(in: screen, columns: width, rows: min(whole.count + 5, screen.rows))
    let titles =
      switch editor.purpose {
      case .pin(let id): ["CORES AND GPUS of \(shown.name(of: id).printable(at: 30))"]
      case .drain: ["DRAINED CORES AND GPUS", "DRAIN"]
      }
    let inner = dialog(&grid, rect, Self.fitting(titles, in: rect.columns - 6)).inset(columns: 1, rows: 0)
    let footRows = inner.rows >= 6 ? 3 : inner.rows >= 4 ? 2 : inner.rows >= 2 ? 1 : 0
    let body = Rect(
      column: inner.column, row: inner.row, columns: inner.columns, rows: max(inner.rows - footRows, min(inner.rows, 1))
    )
    let rows = whole.count <= body.rows || body.rows >= 5 ? whole : editor.gridRows(perRow: perRow, headings: false)
    let cursorRow =
      rows.firstIndex { if case .places(let range) = $0 { range.contains(editor.cursor) } else { false } } ?? 0
    let first = max(0, cursorRow - body.rows + 1)
    let owners = owners(on: editor.node)
    for (index, row) in rows.dropFirst(first).prefix(body.rows).enumerated() {
      drawGridRow(&grid, body.line(index), editor, row, owners)
    }
    let hidden = editor.count - rows.dropFirst(first).prefix(body.rows).reduce(0) { $0 + $1.count }
    if hidden > 0 {
      let at = Point(column: rect.column + 2, row: rect.endRow - 1)
      grid.draw(" +\(hidden) more ", at: at, role: .dialogTitle, columns: rect.columns - 4)
    }
    // How to answer stays longest, then what is chosen.
    let here = editor.owner(at: editor.cursor, owners).map { "here: \(shown.name(of: $0))" } ?? "here: idle"
    let foot = [(chosenText(editor), Role.textStrong), (here, .textDim), (hint(editor, inner.columns), .textDim)]
    let kept = footRows == 3 ? foot : footRows == 2 ? [foot[0], foot[2]] : footRows == 1 ? [foot[2]] : []
    for (index, line) in kept.enumerated() {
      grid.draw(
        line.0, at: Point(column: inner.column, row: body.endRow + index), role: line.1, columns: inner.columns)
    }
  }

  private func drawGridRow(
    _ grid: inout Grid, _ line: Rect, _ editor: PlaceEditor, _ row: PlaceEditor.GridRow, _ owners: PlaceEditor.Owners
  ) {
    switch row {
    case .heading(let text): grid.draw(text, at: line.origin, role: .tableHeader, columns: line.columns)
    case .places(let range):
      for (column, place) in range.enumerated() {
        let isCore = place < editor.cores.count
        let number = isCore ? editor.cores[place] : editor.gpus[place - editor.cores.count]
        let isChosen = isCore ? editor.chosenCores.contains(number) : editor.chosenGPUs.contains(number)
        let at = Point(column: line.column + column * editor.placeWidth, row: line.row)
        draw(&grid, at, editor, number, isChosen, editor.cursor == place, editor.owner(at: place, owners))
      }
    }
  }

  private func chosenText(_ editor: PlaceEditor) -> String {
    let (word, none) = if case .pin = editor.purpose { ("chosen", "any") } else { ("drained", "none") }
    return "\(word): cores \(editor.chosenCores.isEmpty ? none : "\(editor.chosenCores)")"
      + (editor.gpus.isEmpty ? "" : ", GPUs \(editor.chosenGPUs.isEmpty ? none : "\(editor.chosenGPUs)")")
      + (editor.alone ? ", others kept off" : "")
  }

  /// The keys of the grid, in as many words as there is room for; Escape is always among them.
  private func hint(_ editor: PlaceEditor, _ columns: Int) -> String {
    let (alone, enter) = if case .pin = editor.purpose { ("o keeps others off · ", "applies") } else { ("", "asks") }
    return Self.fitting(
      [
        "Space toggles · \(alone)n none · Tab GPUs · Enter \(enter) · Esc leaves",
        "Space toggles · Enter \(enter) · Esc leaves", "Enter \(enter) · Esc leaves", "Enter · Esc back", "Esc back",
      ], in: columns)
  }

  /// The first text that fits, else the last.
  private static func fitting(_ texts: [String], in columns: Int) -> String {
    texts.first { cellWidth(of: $0) <= columns } ?? texts.last ?? ""
  }

  /// A place of the grid: `[12A` is chosen and has notebook A on it.
  private func draw(
    _ grid: inout Grid, _ at: Point, _ editor: PlaceEditor, _ number: Int, _ isChosen: Bool, _ isHere: Bool,
    _ owner: NotebookID?
  ) {
    let width = editor.placeWidth - editor.markColumns
    let text =
      (isChosen ? "+" : " ") + String(repeating: " ", count: max(0, width - 1 - "\(number)".count)) + "\(number)"
    let role: Role = isHere ? .dialogChoiceSelected : isChosen ? .good : .dialogChoice
    grid.draw(text, at: at, role: role, columns: width)
    grid.draw(
      owner?.mark.text ?? ".", at: Point(column: at.column + width, row: at.row), role: owner?.mark.role ?? .coreIdle,
      columns: editor.markColumns)
  }

  private func owners(on node: NodeID) -> PlaceEditor.Owners {
    var owners: PlaceEditor.Owners = ([:], [:])
    for facts in shown.notebooks {
      guard let allotment = facts.cell?.allotment, allotment.node == node else { continue }
      for core in allotment.cores { owners.cores[core] = facts.notebook.id }
      for gpu in allotment.gpus { owners.gpus[gpu] = facts.notebook.id }
    }
    return owners
  }

  func drawThemes(_ grid: inout Grid, _ screen: Rect, _ picker: ThemePicker) {
    let rows = min(picker.names.count + 3, max(screen.rows, 3))
    let first = max(0, min(picker.cursor - (rows - 3) / 2, picker.names.count - (rows - 3)))
    var lines: [DialogLine] = []
    for (place, name) in picker.names.enumerated().dropFirst(first).prefix(max(rows - 3, 1)) {
      let isHere = place == picker.cursor
      lines.append(
        DialogLine(
          "\(isHere ? ">" : " ") \(name)", isHere ? .dialogChoiceSelected : .dialogChoice, rank: isHere ? 0 : 2))
    }
    lines.append(DialogLine("Enter keeps · Esc goes back", .textDim))
    draw(&grid, screen, "THEMES", lines, columns: 34, atTheRight: true)
  }
}

extension PlaceEditor {
  /// Who is on each core and GPU.
  fileprivate typealias Owners = (cores: [Int: NotebookID], gpus: [Int: NotebookID])

  /// Who is on a place; nil for nobody, and where there is no such place.
  fileprivate func owner(at place: Int, _ owners: Owners) -> NotebookID? {
    if place < cores.count { return owners.cores[cores[place]] }
    return place < count ? owners.gpus[gpus[place - cores.count]] : nil
  }
}
