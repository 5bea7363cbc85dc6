import Canvas
import Domain
import Projections

extension ConsoleState {
  /// What lies over the panes: help, or an explanation.
  func drawLayer(_ grid: inout Grid, _ screen: Rect, keys: KeyMap) {
    switch layer {
    case .help: drawHelp(&grid, screen, keys)
    case .explain(let id): drawExplanation(&grid, screen, id)
    case .prompt, .confirmQuit, nil: break
    }
  }

  private func drawHelp(_ grid: inout Grid, _ screen: Rect, _ keys: KeyMap) {
    let isReplay = transport != nil
    let lines = KeyAction.allCases.filter { $0.isForReplay == nil || $0.isForReplay == isReplay }.map { action in
      (keys.keys(for: action).joined(separator: " "), action.words)
    }
    let columns = screen.columns >= 100 ? 2 : 1
    let rows = (lines.count + columns - 1) / columns
    let rect = Self.centred(in: screen, columns: min(columns * 58, screen.columns), rows: min(rows + 2, screen.rows))
    let inner = dialog(&grid, rect, "KEYS · any key closes")
    let fitting = max(inner.rows, 1)
    for (index, line) in lines.enumerated() {
      let row = index % max(rows, 1)
      guard row < fitting else { continue }
      let at = Point(column: inner.column + 1 + index / max(rows, 1) * 57, row: inner.row + row)
      grid.draw(line.0, at: at, role: .helpKey, columns: 16)
      grid.draw(
        line.1, at: Point(column: at.column + 17, row: at.row), role: .helpText,
        columns: min(40, inner.endColumn - at.column - 17))
    }
  }

  /// Why a notebook is where it is, in words.
  func explanation(of id: NotebookID) -> [String] {
    guard let facts = shown[id] else { return ["This notebook is not known at this moment."] }
    var lines = ["\(facts.name) of \(facts.notebook.user) is \(facts.state.word) since \((shownNow - facts.since).clock)."]
    guard let cell = facts.cell else {
      lines.append("Its author thinks; no cell is submitted, and it holds no core.")
      return lines
    }
    lines.append("Cell \(cell.cell.id.number) asks for \(cell.cell.demand.sentence).")
    if let allotment = cell.allotment {
      lines.append("It runs on \(allotment.sentence), for \(cell.ran(at: shownNow).clock) so far.")
    }
    if let wait = cell.wait {
      lines.append("It waits: \(wait.clause(naming: shown.name)). It is number \(wait.place) in the line.")
      if let expected = wait.expected {
        lines.append("Expected to start\(expectedText(expected).dropFirst(1)).")
      } else {
        lines.append("When it will start cannot be said: too little is known of the cells before it.")
      }
      lines += remedies(id, wait)
    }
    if let forecast = cell.cell.forecast {
      lines.append(
        "Such a cell runs \(forecast.run.p50.clock) (half of them \(forecast.run.p25.clock) to \(forecast.run.p75.clock)).")
    }
    return lines
  }

  /// What an operator could do about a wait.
  private func remedies(_ id: NotebookID, _ wait: Wait) -> [String] {
    switch wait.cause {
    case .held: ["Release it with r."]
    case .operatorSuspended: ["Resume it with x."]
    case .cores, .gpus, .memory, .gpuMemory, .pin:
      wait.holders.first.map { ["Suspending \(shown.name(of: $0)) (x on its row) would free what it needs."] } ?? []
    case .turn: ["A higher priority (]) would bring it before those of lower priority."]
    case .drain: ["Undraining the cores (:undrain) would let it start."]
    case .anticipation: []
    }
  }

  private func drawExplanation(_ grid: inout Grid, _ screen: Rect, _ id: NotebookID) {
    let lines = explanation(of: id)
    let columns = min(84, screen.columns)
    let rows = lines.reduce(2) { $0 + max(1, (cellWidth(of: $1) + columns - 5) / max(columns - 4, 1)) }
    let rect = Self.centred(in: screen, columns: columns, rows: min(rows + 1, screen.rows))
    var inner = dialog(&grid, rect, "WHY · any key closes").inset(columns: 1, rows: 0)
    for line in lines where inner.rows > 0 {
      inner = inner.droppingRows(grid.drawWrapped(line, in: inner, role: .dialog))
    }
  }

  private func dialog(_ grid: inout Grid, _ rect: Rect, _ title: String) -> Rect {
    grid.fill(rect)
    grid.setGround(.dialog, in: rect)
    return grid.box(rect, title: title, titleRole: .dialogTitle)
  }

  private static func centred(in screen: Rect, columns: Int, rows: Int) -> Rect {
    Rect(
      column: screen.column + (screen.columns - columns) / 2, row: screen.row + (screen.rows - rows) / 2,
      columns: columns, rows: rows)
  }
}
