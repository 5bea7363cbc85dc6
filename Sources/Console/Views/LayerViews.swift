import Canvas
import Domain
import Projections
import Verbs

extension ConsoleState {
  /// What lies over the panes: help, or an explanation.
  func drawLayer(_ grid: inout Grid, _ screen: Rect, keys: KeyMap) {
    switch layer {
    case .help(let page): drawHelp(&grid, screen, keys, page)
    case .explain(let id): drawExplanation(&grid, screen, id)
    case .changes: drawChanges(&grid, screen)
    case .sessions(let list): drawSessions(&grid, screen, list)
    case .menu(let menu): drawMenu(&grid, screen, menu)
    case .confirm(let asked): drawConfirmation(&grid, screen, asked)
    case .editor(let editor): drawEditor(&grid, screen, editor)
    case .themes(let picker): drawThemes(&grid, screen, picker)
    case .columns(let column): drawColumnList(&grid, screen, column)
    case .prompt, .confirmQuit, nil: break
    }
  }

  private func drawHelp(_ grid: inout Grid, _ screen: Rect, _ keys: KeyMap, _ page: Int) {
    let isReplay = transport != nil
    let lines = KeyAction.allCases.filter { $0.isForReplay == nil || $0.isForReplay == isReplay }.map { action in
      // Live, the key that plays a replay tags.
      let shared = action == .tag && !isReplay ? keys.keys(for: .play) : []
      let refusal = roleRefusal(of: action)
      // In parentheses, for where dim looks like any other.
      let words = refusal == nil ? action.words : "(\(action.words))"
      return ((shared + keys.keys(for: action)).joined(separator: " "), words, refusal)
    }
    let keyWidth = min(lines.map { cellWidth(of: $0.0) }.max() ?? 0, max(screen.columns / 3, 4))
    let lineWidth = keyWidth + 1 + (lines.map { cellWidth(of: $0.1) }.max() ?? 0)
    let columns = min(max((screen.columns - 4) / (lineWidth + 2), 1), 2)
    let rows = min((lines.count + columns - 1) / columns, max(screen.rows - 2, 1))
    let pages = (lines.count + columns * rows - 1) / (columns * rows)
    let width = min(columns * (lineWidth + 2) + 2, screen.columns)
    let rect = Self.centred(in: screen, columns: width, rows: min(rows + 2, screen.rows))
    let page = page % pages
    let refusal = lines.compactMap { $0.2 }.first.map { " · (…): \($0)" } ?? ""
    let title =
      (pages > 1 ? "KEYS \(page + 1)/\(pages) · Space: more · others close" : "KEYS · any key closes") + refusal
    let inner = dialog(&grid, rect, title)
    for (index, line) in lines.dropFirst(page * columns * rows).prefix(columns * rows).enumerated() {
      let at = Point(column: inner.column + 1 + index / rows * (lineWidth + 2), row: inner.row + index % rows)
      grid.draw(
        line.0, at: at, role: line.2 == nil ? .helpKey : .keybarDisabled,
        columns: min(keyWidth, inner.endColumn - at.column))
      let words = Point(column: at.column + keyWidth + 1, row: at.row)
      grid.draw(
        line.1, at: words, role: line.2 == nil ? .helpText : .keybarDisabled, columns: inner.endColumn - words.column)
    }
  }

  /// Why a notebook is where it is, in words.
  func explanation(of id: NotebookID) -> [String] {
    guard let facts = shown[id] else { return ["This notebook is not known at this moment."] }
    let since = (shownNow - facts.since).clock
    var lines = ["\(facts.name) of \(facts.notebook.user) has been \(facts.state.word) for \(since)."]
    if let pin = facts.pin { lines.append("It is pinned to \(pin.sentence).") }
    if facts.isHeld, facts.cell?.wait?.cause != .held {
      let whom = facts.cell?.started == nil ? "none of its cells" : "no further cell of it"
      lines.append("It is held: \(whom) starts until it is released.")
    }
    guard let cell = facts.cell else {
      lines.append(idleText(facts.state))
      return lines
    }
    if session.mode == .replay, cell.wait != nil {
      lines.append("W asks what would have happened on other terms from this moment on.")
    }
    lines.append("Cell \(cell.cell.id.number) asks for \(cell.cell.demand.sentence).")
    if let allotment = cell.allotment {
      let before = cell.suspended(at: shownNow)
      lines.append(
        "It runs on \(allotment.sentence), for \(cell.ran(at: shownNow).clock) so far"
          + (before > .zero ? ", and was suspended for \(before.clock)." : "."))
    } else if facts.state == .suspended {
      lines.append(
        "It ran for \(cell.ran(at: shownNow).clock), was suspended for \(cell.suspended(at: shownNow).clock) so far, holds no core or "
          + "GPU now, and keeps its memory.")
    }
    if let wait = cell.wait {
      lines.append(waitSentence(wait, of: id))
      if let order = orderSentence(wait, of: id) { lines.append(order) }
      if let expected = wait.expected {
        lines.append("It is expected to start \(expectedText(expected)).")
      } else if wait.cause != .held, wait.cause != .operatorSuspended {
        lines.append("When it will start cannot be said: too little is known of the cells before it.")
      }
      if session.mode != .replay, !session.isReadOnly { lines += remedies(wait, of: id) }
    } else if cell.allotment == nil {
      lines.append(
        session.mode == .replay ? "No reason for its wait is recorded." : "Why it waits is being looked at.")
    }
    if let forecast = cell.cell.forecast {
      lines.append(
        "Such a cell runs \(forecast.run.p50.clock) (half of them \(forecast.run.p25.clock) to \(forecast.run.p75.clock))."
      )
    }
    return lines
  }

  /// What it waits for; first of all for those before it in the line, where what is missing would be theirs.
  private func waitSentence(_ wait: Wait, of id: NotebookID) -> String {
    let clause = wait.clause(naming: shown.name)
    let place = table.waiting.cells.firstIndex { $0.notebook == id } ?? 0
    let before = table.waiting.cells.prefix(place).filter { shown[$0.notebook].map { !$0.isStoppedByHold } ?? false }
    switch wait.cause {
    case .cores, .gpus, .memory, .gpuMemory:
      guard let first = before.first else { break }
      let others = before.count - 1
      let more = others == 0 ? "" : others == 1 ? " and one other" : " and \(others) others"
      return
        "It waits behind \(shown.name(of: first.notebook))\(more), number \(wait.place) in the line, and \(clause)."
    case .turn, .held, .operatorSuspended, .pin, .drain, .seenGPUs, .anticipation: break
    }
    return "It waits: \(clause). It is number \(wait.place) in the line."
  }

  /// Who ordered what keeps it from starting, and why, as far as the events that are kept tell; nil where they do not.
  private func orderSentence(_ wait: Wait, of id: NotebookID) -> String? {
    guard wait.cause == .held || wait.cause == .operatorSuspended else { return nil }
    // What is in force, and what is planned: a plan that comes true is in force, one that was called off has done nothing.
    var (given, planned): (Command?, Command?) = (nil, nil)
    for entry in shown.events {
      switch (entry.event, wait.cause) {
      case (.commandAccepted(let command), _) where command.verb.notebook == id:
        switch (command.verb, wait.cause) {
        case (.hold, .held), (.suspend, .operatorSuspended): given = command
        case (.suspendAtEnd, .held), (.suspendAfter, .operatorSuspended): planned = command
        case (.callOff, _): planned = nil
        default: break
        }
      case (.held(id), .held), (.cellSuspended(_, id, Reason(.operatorSuspended)), .operatorSuspended):
        if given == nil { (given, planned) = (planned, nil) }
      case (.released(id), .held), (.cellResumed(_, id, _, _), .operatorSuspended),
        (.cellEnded(_, id, _), .operatorSuspended):
        given = nil
      default: break
      }
    }
    guard let given else { return nil }
    let why = given.why.isEmpty ? "" : ": \(given.why.printable(at: 200))"
    return "\(given.author.printable(at: 64)) ordered it\(why)."
  }

  private func idleText(_ state: NotebookState) -> String {
    switch state {
    case .starting: "Its kernel has not answered yet; no cell is submitted, and it holds no core."
    case .gone: "Its kernel has ended."
    case .thinking, .queued, .running, .suspended: "Its author thinks; no cell is submitted, and it holds no core."
    }
  }

  /// The rule by which the line is ordered, by the policy's name.
  private var ruleText: String? {
    let rules = [
      "fcfs": "first come, first served", "sjf": "the shortest first",
      "backfill": "first come, and others fill the gaps",
      "dynamic": "the least work left for its size first, by priority, and nobody for ever",
      "fairshare": "whose user has had the least first", "partition": "each notebook within its own part",
      "reservation": "a notebook holds what it will ever need", "os": "everyone at once",
    ]
    return rules[String(shown.policy.prefix { $0 != ":" })]
  }

  private static let remedyBegins = "The smallest order"

  /// What an operator could do about a wait: the smallest order, and what it would bring.
  private func remedies(_ wait: Wait, of id: NotebookID) -> [String] {
    var lines = ruleText.map { ["The rule (\(shown.policy)): \($0)."] } ?? []
    let asked = remedy(for: id)
    guard !asked.isEmpty else { return lines + [noRemedy(wait)] }
    let preview = previewAsked
    // What is not this user's to order was not looked into.
    if let refused = preview?.refusals.first(where: { $0.refusal.cause == .notAllowed }) {
      return lines + ["What would help is not yours to order: \(refused.refusal.text)."]
    }
    // An order may do what those after it were for: a cell that gives way to a higher priority need not be suspended.
    let verbs = preview?.obeyed ?? asked
    guard !verbs.isEmpty else { return lines + [noRemedy(wait)] }
    let texts = verbs.map { $0.line(on: shown).text }.joined(separator: ", then ")
    lines.append("\(Self.remedyBegins)\(verbs.count == 1 ? " that helps" : "s that help"): \(texts)")
    if let preview { lines += preview.sentences(leavesOut: true, naming: shown.name) }
    return lines
  }

  /// Why no order would let it start now.
  private func noRemedy(_ wait: Wait) -> String {
    switch wait.cause {
    case .cores, .gpus, .memory, .gpuMemory, .pin, .seenGPUs:
      "No order frees what it needs at once: it starts as others end."
    case .turn, .anticipation, .held, .operatorSuspended, .drain: "No order is known that would let it start sooner."
    }
  }

  private func drawExplanation(_ grid: inout Grid, _ screen: Rect, _ id: NotebookID) {
    let texts = explanation(of: id)
    // Who it is about stands first; then why it waits and what would help, before what is good to know.
    let remedy = texts.lastIndex { $0.hasPrefix(Self.remedyBegins) } ?? texts.endIndex
    let lines = texts.enumerated().map { place, text in
      let rank = place == 0 ? 1 : place == remedy ? 2 : text.hasPrefix("It waits") ? 3 : place > remedy ? 4 : 5
      return DialogLine(text, .dialog, rank: rank)
    }
    draw(&grid, screen, "WHY · any key closes", lines, columns: 84)
  }

  func dialog(_ grid: inout Grid, _ rect: Rect, _ title: String) -> Rect {
    grid.fill(rect)
    grid.setGround(.dialog, in: rect)
    return grid.box(rect, title: title, titleRole: .dialogTitle)
  }

  static func centred(in screen: Rect, columns: Int, rows: Int) -> Rect {
    Rect(
      column: screen.column + (screen.columns - columns) / 2, row: screen.row + (screen.rows - rows) / 2,
      columns: columns, rows: rows)
  }
}
