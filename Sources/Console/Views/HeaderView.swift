import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The top line: what node, what mode, what time, how much is allotted, what the notebooks do, who may do what.
  func drawHeader(_ grid: inout Grid, _ rect: Rect) {
    let overview = Overview(shown)
    grid.setGround(.status, in: rect)
    let isNarrow = rect.columns < 100
    var parts: [(String, Role)] = []
    if rect.columns >= 40 { parts.append((" \(overview.nodeName.printable(at: isNarrow ? 12 : 24)) ", .textStrong)) }
    parts += modeParts(isNarrow)
    parts.append((" \(session.timeOfDay(shownNow)) ", .text))
    parts.append(("│ cpu ", .statusLabel))
    parts.append(("\(overview.coresAllotted)/\(overview.cores)", load(overview.coresAllotted, overview.cores)))
    if overview.gpus > 0 {
      parts.append((" gpu ", .statusLabel))
      parts.append(("\(overview.gpusAllotted)/\(overview.gpus)", load(overview.gpusAllotted, overview.gpus)))
    }
    parts.append((" │ ", .statusLabel))
    if !isNarrow { parts.append(("nb \(overview.notebooks) ", .text)) }
    parts.append(("run \(overview.running) ", .stateRunning))
    parts.append(("think \(overview.thinking) ", .stateThinking))
    parts.append(("q \(overview.queued) ", overview.queued > 0 ? .stateQueued : .text))
    if overview.suspended > 0 { parts.append(("susp \(overview.suspended) ", .stateSuspended)) }
    if overview.starting > 0 { parts.append(("start \(overview.starting) ", .stateStarting)) }
    if !isNarrow { parts.append(("│ \(overview.policy) │ done \(overview.cellsEnded) ", .statusLabel)) }
    if overview.faults > 0 { parts.append((" FAULTS \(overview.faults) ", .error)) }
    if trouble != nil { parts.append((" NOT RECORDED ", .error)) }
    let right = accessText + " [?] "
    let rightWidth = cellWidth(of: right)
    let hasRoom = rect.columns > rightWidth + 56
    grid.draw(parts: parts, at: rect.origin, columns: hasRoom ? rect.columns - rightWidth : rect.columns)
    if hasRoom {
      grid.draw(
        right, at: Point(column: rect.endColumn - rightWidth, row: rect.row),
        role: session.isReadOnly || session.mode == .replay ? .statusReadonly : .statusLabel)
    }
  }

  private func modeParts(_ isNarrow: Bool) -> [(String, Role)] {
    let frozenText = frozen == nil ? "" : " FROZEN"
    switch session.mode {
    case .live: return [("● LIVE\(frozenText)", .statusLive)]
    case .simulated: return [("● SIMULATED\(frozenText)", .statusSimulated)]
    case .replay: return [("REPLAY \(isNarrow ? "" : "of session ")\(session.number)\(frozenText)", .statusReplay)]
    }
  }

  private var accessText: String {
    switch session.mode {
    case .replay: "look only"
    case .live, .simulated: session.isReadOnly ? "ro:\(session.user)" : "rw:\(session.user)"
    }
  }

  private func load(_ part: Int, _ whole: Int) -> Role {
    whole > 0 ? .load(Double(part) / Double(whole)) : .text
  }

  /// The last lines: a message, or what the keys do.
  func drawFlash(_ grid: inout Grid, _ rect: Rect) {
    if case .prompt(let prompt) = layer {
      let label =
        switch prompt.purpose {
        case .filter: "/"
        case .command: ":"
        case .seek: "go to: "
        }
      let end = grid.draw(label + prompt.text, at: rect.origin, role: .input, columns: rect.columns - 1)
      grid.put(" ", at: Point(column: end, row: rect.row), role: .inputCursor)
      let hint = promptHint(prompt)
      grid.draw(hint, at: Point(column: end + 2, row: rect.row), role: .textDim, columns: rect.endColumn - end - 2)
      return
    }
    if case .confirmQuit = layer {
      let ask = "leave? this ends the engine; gates go on without it. y leaves, any other key stays"
      grid.draw(ask, at: rect.origin, role: .flashWarning, columns: rect.columns)
      return
    }
    if let flash, flash.until >= clock {
      let role: Role = flash.level == .good ? .flashGood : .flashWarning
      let mark = flash.level == .good ? "ok: " : "!  "
      grid.draw(" " + mark + flash.text, at: rect.origin, role: role, columns: rect.columns)
    } else if let trouble {
      grid.draw(" !  " + trouble, at: rect.origin, role: .flashError, columns: rect.columns)
    }
  }

  private func promptHint(_ prompt: Prompt) -> String {
    switch prompt.purpose {
    case .filter: return "name, user or state; Enter keeps, Esc clears"
    case .seek: return "13:41:07, 2:30, 150s or 45%"
    case .command:
      let typed = prompt.text.split(separator: " ").first.map(String.init) ?? ""
      let fitting = Self.paletteCommands.filter { typed.isEmpty || $0.name.hasPrefix(typed) }
      return fitting.map { $0.takes.isEmpty ? $0.name : "\($0.name) \($0.takes)" }.joined(separator: " · ")
    }
  }

  func drawKeyBar(_ grid: inout Grid, _ rect: Rect) {
    let live: [(String, String)] = [
      ("?", "help"), ("x", "suspend"), ("P", "pin"), ("[ ]", "prio"), ("h", "hold"), ("r", "release"), ("w", "why"),
      ("z", "undo"), ("/", "filter"), (":", "cmd"), ("Tab", "pane"), ("e", "zoom"), ("q", "quit"),
    ]
    let replay: [(String, String)] = [
      ("Space", "play"), (", .", "step"), ("{ }", "speed"), ("←→", "5s"), ("[ ]", "marker"), ("g", "go to"),
      ("w", "why"), ("Tab", "pane"), ("e", "zoom"), ("?", "help"), ("q", "quit"),
    ]
    var parts: [(String, Role)] = []
    for (key, label) in transport == nil ? live : replay {
      let shown = key == "←→" && grid.glyphs.repertoire == .ascii ? "<- ->" : key
      parts.append((" \(shown)", .keybarKey))
      parts.append((" \(label) ", .keybarLabel))
    }
    grid.draw(parts: parts, at: rect.origin, columns: rect.columns)
  }
}
