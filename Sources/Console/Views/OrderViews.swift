import Canvas
import Domain
import Projections
import Verbs

// What is asked before an order: menus, questions, the grid of cores and GPUs, the themes.
extension ConsoleState {
  func drawMenu(_ grid: inout Grid, _ screen: Rect, _ menu: PreemptMenu) {
    let names = menu.facts.map(\.name)
    var lines: [(String, Role)] = stake(menu.facts.compactMap { facts in try? Act.suspend.verb(for: facts) }).prefix(4)
      .map {
        ($0, .text)
      }
    if names.count > 4 { lines.append(("and \(names.count - 4) more", .textDim)) }
    for (place, choice) in menu.choices.enumerated() {
      let isHere = place == menu.cursor
      lines.append(
        ("\(isHere ? ">" : " ") \(choice.key)  \(choice.words)", isHere ? .dialogChoiceSelected : .dialogChoice))
    }
    lines += previewLines()
    draw(&grid, screen, "GIVE WAY · Enter or the letter does it · Esc leaves", lines)
  }

  func drawConfirmation(_ grid: inout Grid, _ screen: Rect, _ asked: Confirmation) {
    var lines: [(String, Role)] = []
    let isMany = asked.verbs.count > 1
    let what = asked.verbs.first.map { isMany ? asked.line.act.text : shown.sentence($0) } ?? ""
    lines.append((what + (isMany ? " on \(asked.verbs.count) notebooks:" : "?"), .dialogDanger))
    if asked.line.act.isAboutNotebooks {
      lines += stake(asked.verbs).prefix(6).map { ("  " + $0, .text) }
      if asked.verbs.count > 6 { lines.append(("  and \(asked.verbs.count - 6) more", .textDim)) }
    }
    if asked.line.act.isDestructive { lines.append(("What these cells have worked off is lost.", .dialogDanger)) }
    for refused in asked.refused.prefix(2) { lines.append(("left out: \(refused.refusal.text)", .textDim)) }
    if asked.refused.count > 2 { lines.append(("left out: \(asked.refused.count - 2) more", .textDim)) }
    if !asked.line.why.isEmpty { lines.append(("because \(asked.line.why)", .textDim)) }
    lines += previewLines()
    if let word = asked.word {
      lines.append(("Type \(word) and Enter to do it; anything else leaves: \(asked.typed)_", .textStrong))
    } else {
      lines.append(("y does it, any other key does not. [y/N]", .textStrong))
    }
    draw(&grid, screen, "REALLY?", lines)
  }

  /// What the orders are likely to bring, or that it is being looked into.
  func previewLines() -> [(String, Role)] {
    guard let preview = previewAsked else {
      return session.mode == .live || session.mode == .simulated ? [("Looking ahead…", .textDim)] : []
    }
    return preview.sentences(naming: shown.name).map { ($0, .textAccent) }
  }

  func drawEditor(_ grid: inout Grid, _ screen: Rect, _ editor: PlaceEditor) {
    let name = shown.name(of: editor.notebook)
    let width = min(PlaceEditor.columns * 4 + 4, screen.columns)
    let coreRows = (editor.cores.count + PlaceEditor.columns - 1) / PlaceEditor.columns
    let gpuRows = (editor.gpus.count + PlaceEditor.columns - 1) / PlaceEditor.columns
    let wanted = coreRows + gpuRows + (gpuRows > 0 ? 2 : 1) + 5
    let rect = Self.centred(in: screen, columns: width, rows: min(wanted, screen.rows))
    let inner = dialog(&grid, rect, "CORES AND GPUS of \(name.printable(at: 30))").inset(columns: 1, rows: 0)
    let owners = owners(on: editor.node)
    let room = max(inner.rows - 4, 1)
    let cursorRow =
      editor.cursor < editor.cores.count
      ? 1 + editor.cursor / PlaceEditor.columns
      : 2 + coreRows + (editor.cursor - editor.cores.count) / PlaceEditor.columns
    let first = max(0, cursorRow - room + 1)
    func line(_ row: Int) -> Int? { (first..<first + room).contains(row) ? inner.row + row - first : nil }
    if let row = line(0) { grid.draw("cores", at: Point(column: inner.column, row: row), role: .tableHeader) }
    for (place, core) in editor.cores.enumerated() {
      guard let row = line(1 + place / PlaceEditor.columns) else { continue }
      let at = Point(column: inner.column + place % PlaceEditor.columns * 4, row: row)
      draw(&grid, at, "\(core)", editor.chosenCores.contains(core), editor.cursor == place, owners.cores[core])
    }
    if !editor.gpus.isEmpty, let row = line(1 + coreRows) {
      grid.draw("GPUs", at: Point(column: inner.column, row: row), role: .tableHeader)
    }
    for (place, gpu) in editor.gpus.enumerated() {
      guard let row = line(2 + coreRows + place / PlaceEditor.columns) else { continue }
      let at = Point(column: inner.column + place % PlaceEditor.columns * 4, row: row)
      let isHere = editor.cursor == editor.cores.count + place
      draw(&grid, at, "\(gpu)", editor.chosenGPUs.contains(gpu), isHere, owners.gpus[gpu])
    }
    let foot = inner.endRow - 3
    let chosen =
      "chosen: cores \(editor.chosenCores.isEmpty ? "any" : "\(editor.chosenCores)")"
      + (editor.gpus.isEmpty ? "" : ", GPUs \(editor.chosenGPUs.isEmpty ? "any" : "\(editor.chosenGPUs)")")
      + (editor.alone ? ", others kept off" : "")
    guard foot > inner.row else { return }
    grid.draw(chosen, at: Point(column: inner.column, row: foot), role: .textStrong, columns: inner.columns)
    let here =
      editor.cursor < editor.cores.count
      ? owners.cores[editor.cores[editor.cursor]]
      : owners.gpus[editor.gpus.isEmpty ? 0 : editor.gpus[editor.cursor - editor.cores.count]]
    grid.draw(
      here.map { "here: \(shown.name(of: $0))" } ?? "here: idle", at: Point(column: inner.column, row: foot + 1),
      role: .textDim, columns: inner.columns)
    grid.draw(
      "Space toggles · o keeps others off · n none · Tab GPUs · Enter applies · Esc leaves",
      at: Point(column: inner.column, row: foot + 2), role: .textDim, columns: inner.columns)
  }

  /// A place of the grid: `[12A` is chosen and has notebook A on it.
  private func draw(
    _ grid: inout Grid, _ at: Point, _ number: String, _ isChosen: Bool, _ isHere: Bool, _ owner: NotebookID?
  ) {
    let mark = owner.map { String($0.mark.letter) } ?? "."
    let text = (isChosen ? "+" : " ") + String(repeating: " ", count: max(0, 2 - number.count)) + number.suffix(2)
    let role: Role = isHere ? .dialogChoiceSelected : isChosen ? .good : .dialogChoice
    grid.draw(text, at: at, role: role, columns: 3)
    grid.draw(mark, at: Point(column: at.column + 3, row: at.row), role: owner?.mark.role ?? .coreIdle, columns: 1)
  }

  private func owners(on node: NodeID) -> (cores: [Int: NotebookID], gpus: [Int: NotebookID]) {
    var owners: (cores: [Int: NotebookID], gpus: [Int: NotebookID]) = ([:], [:])
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
    var lines: [(String, Role)] = []
    for (place, name) in picker.names.enumerated().dropFirst(first).prefix(max(rows - 3, 1)) {
      let isHere = place == picker.cursor
      lines.append(("\(isHere ? ">" : " ") \(name)", isHere ? .dialogChoiceSelected : .dialogChoice))
    }
    lines.append(("Enter keeps · Esc goes back", .textDim))
    draw(&grid, screen, "THEMES", lines, columns: 34, atTheRight: true)
  }

  /// Draws lines in a dialog as high as they need.
  private func draw(
    _ grid: inout Grid, _ screen: Rect, _ title: String, _ lines: [(String, Role)], columns most: Int = 78,
    atTheRight: Bool = false
  ) {
    let columns = min(most, screen.columns)
    var aside = Grid(size: Size(columns: max(columns - 4, 1), rows: 8))
    let rows = lines.reduce(2) { $0 + max(aside.drawWrapped($1.0, in: aside.bounds), 1) }
    var rect = Self.centred(in: screen, columns: columns, rows: min(rows, screen.rows))
    if atTheRight { rect = Rect(column: screen.endColumn - columns, row: rect.row, columns: columns, rows: rect.rows) }
    var inner = dialog(&grid, rect, title).inset(columns: 1, rows: 0)
    for (line, role) in lines where inner.rows > 0 {
      inner = inner.droppingRows(grid.drawWrapped(line, in: inner, role: role))
    }
  }
}
