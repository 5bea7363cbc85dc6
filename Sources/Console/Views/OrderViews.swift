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
    if let word = asked.word {
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
    draw(&grid, screen, "REALLY?", lines)
  }

  /// What the orders are likely to bring, or that it is being looked into.
  func previewLines() -> [DialogLine] {
    guard let preview = previewAsked else {
      return session.mode == .live || session.mode == .simulated ? [DialogLine("Looking ahead…", .textDim)] : []
    }
    return preview.sentences(naming: shown.name).map { DialogLine($0, .textAccent) }
  }

  func drawEditor(_ grid: inout Grid, _ screen: Rect, _ editor: PlaceEditor) {
    let perRow = editor.columns(within: screen.columns)
    let placeWidth = editor.placeWidth
    let width = min(max(perRow * placeWidth, 64) + 4, screen.columns)
    let coreRows = (editor.cores.count + perRow - 1) / perRow
    let gpuRows = (editor.gpus.count + perRow - 1) / perRow
    let wanted = coreRows + gpuRows + (gpuRows > 0 ? 2 : 1) + 5
    let rect = Self.centred(in: screen, columns: width, rows: min(wanted, screen.rows))
    let (title, isPin): (String, Bool) =
      switch editor.purpose {
      case .pin(let id): ("CORES AND GPUS of \(shown.name(of: id).printable(at: 30))", true)
      case .drain: ("DRAINED CORES AND GPUS", false)
      }
    let inner = dialog(&grid, rect, title).inset(columns: 1, rows: 0)
    let owners = owners(on: editor.node)
    let room = max(inner.rows - 3, 1)
    let cursorRow =
      editor.cursor < editor.cores.count
      ? 1 + editor.cursor / perRow
      : 2 + coreRows + (editor.cursor - editor.cores.count) / perRow
    let first = max(0, cursorRow - room + 1)
    func line(_ row: Int) -> Int? { (first..<first + room).contains(row) ? inner.row + row - first : nil }
    if let row = line(0) { grid.draw("cores", at: Point(column: inner.column, row: row), role: .tableHeader) }
    for (place, core) in editor.cores.enumerated() {
      guard let row = line(1 + place / perRow) else { continue }
      let at = Point(column: inner.column + place % perRow * placeWidth, row: row)
      draw(
        &grid, at, editor, core, editor.chosenCores.contains(core), editor.cursor == place, owners.cores[core])
    }
    if !editor.gpus.isEmpty, let row = line(1 + coreRows) {
      grid.draw("GPUs", at: Point(column: inner.column, row: row), role: .tableHeader)
    }
    for (place, gpu) in editor.gpus.enumerated() {
      guard let row = line(2 + coreRows + place / perRow) else { continue }
      let at = Point(column: inner.column + place % perRow * placeWidth, row: row)
      let isHere = editor.cursor == editor.cores.count + place
      draw(&grid, at, editor, gpu, editor.chosenGPUs.contains(gpu), isHere, owners.gpus[gpu])
    }
    let foot = inner.endRow - 3
    let none = isPin ? "any" : "none"
    let chosen =
      "\(isPin ? "chosen" : "drained"): cores \(editor.chosenCores.isEmpty ? none : "\(editor.chosenCores)")"
      + (editor.gpus.isEmpty ? "" : ", GPUs \(editor.chosenGPUs.isEmpty ? none : "\(editor.chosenGPUs)")")
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
      "Space toggles · \(isPin ? "o keeps others off · " : "")n none · Tab GPUs · Enter \(isPin ? "applies" : "asks") · Esc leaves",
      at: Point(column: inner.column, row: foot + 2), role: .textDim, columns: inner.columns)
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
