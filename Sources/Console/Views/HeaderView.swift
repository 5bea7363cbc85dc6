import Canvas
import Domain
import Projections
import Verbs

/// A part of the top line; where there is no room for all, the least important ones are left out whole.
private struct HeaderPart {
  /// 0 is never left out.
  var rank: Int
  var texts: [(String, Role)]
  var columns: Int { texts.reduce(0) { $0 + cellWidth(of: $1.0) } }
}

extension ConsoleState {
  /// The top line: what node, what mode, what time, how much is allotted, what the notebooks do, who may do what.
  func drawHeader(_ grid: inout Grid, _ rect: Rect, _ keys: KeyMap) {
    grid.setGround(.status, in: rect)
    let parts = headerParts(Overview(shown), isNarrow: rect.columns < 100)
    let access = HeaderPart(
      rank: 3, texts: [("  " + accessText + " [\(keys.shortest(for: .help) ?? "")] ", .statusLabel)])
    // What matters most first, as long as it fits whole.
    var left = rect.columns
    let ranks = (parts + [access]).sorted { $0.rank < $1.rank }.filter { part in
      guard part.rank == 0 || part.columns <= left else { return false }
      left -= part.columns
      return true
    }.map(\.rank)
    grid.draw(parts: parts.filter { ranks.contains($0.rank) }.flatMap(\.texts), at: rect.origin, columns: rect.columns)
    guard ranks.contains(access.rank) else { return }
    let role: Role = session.isReadOnly || session.mode == .replay ? .statusReadonly : .statusLabel
    let at = Point(column: rect.endColumn - access.columns, row: rect.row)
    grid.draw(access.texts[0].0, at: at, role: role)
  }

  private func headerParts(_ overview: Overview, isNarrow: Bool) -> [HeaderPart] {
    var parts = [HeaderPart(rank: 9, texts: [(" \(overview.nodeName.printable(at: isNarrow ? 12 : 24))", .textStrong)])]
    parts.append(HeaderPart(rank: 0, texts: modeTexts(isNarrow)))
    if frozen != nil { parts.append(HeaderPart(rank: 0, texts: [(" FROZEN", .warning)])) }
    if overview.faults > 0 { parts.append(HeaderPart(rank: 0, texts: [(" FAULTS \(overview.faults)", .error)])) }
    if away != nil, session.hasServer { parts.append(HeaderPart(rank: 0, texts: [(" SERVER AWAY", .error)])) }
    if trouble != nil { parts.append(HeaderPart(rank: 0, texts: [(" NOT RECORDED", .error)])) }
    parts.append(HeaderPart(rank: 1, texts: [(" \(session.timeOfDay(shownNow))", .text)]))
    var resources: [(String, Role)] = [
      (" │ cpu ", .statusLabel),
      ("\(overview.coresAllotted)/\(overview.cores)", load(overview.coresAllotted, overview.cores)),
    ]
    if overview.gpus > 0 {
      resources.append((" gpu ", .statusLabel))
      resources.append(("\(overview.gpusAllotted)/\(overview.gpus)", load(overview.gpusAllotted, overview.gpus)))
    }
    parts.append(HeaderPart(rank: 2, texts: resources + [(" │", .statusLabel)]))
    if overview.memoryMost > .zero, !isNarrow {
      let share = Double(overview.memory.count) / Double(overview.memoryMost.count)
      let percent = Int((min(share, 9.99) * 100).rounded())
      parts.append(
        HeaderPart(rank: 13, texts: [(" mem ", .statusLabel), ("\(percent)%", .load(share)), (" │", .statusLabel)]))
    }
    if !isNarrow { parts.append(HeaderPart(rank: 10, texts: [(" nb \(overview.notebooks)", .text)])) }
    parts.append(HeaderPart(rank: 4, texts: [(" run \(overview.running)", .stateRunning)]))
    parts.append(HeaderPart(rank: 7, texts: [(" think \(overview.thinking)", .stateThinking)]))
    let queued: Role = overview.queued > 0 ? .stateQueued : .text
    parts.append(HeaderPart(rank: 5, texts: [(" q \(overview.queued)", queued)]))
    if overview.suspended > 0 {
      parts.append(HeaderPart(rank: 6, texts: [(" susp \(overview.suspended)", .stateSuspended)]))
    }
    if overview.starting > 0 {
      parts.append(HeaderPart(rank: 8, texts: [(" start \(overview.starting)", .stateStarting)]))
    }
    if !isNarrow {
      if !overview.policy.isEmpty {
        parts.append(HeaderPart(rank: 11, texts: [(" │ \(overview.policy)", .statusLabel)]))
      }
      parts.append(HeaderPart(rank: 12, texts: [(" │ done \(overview.cellsEnded)", .statusLabel)]))
    }
    return parts
  }

  private func modeTexts(_ isNarrow: Bool) -> [(String, Role)] {
    switch session.mode {
    case .live: session.hasServer ? [(" ● LIVE", .statusLive)] : [(" NO SERVER", .error)]
    case .simulated: [(" ● SIMULATED", .statusSimulated)]
    case .replay: [(" REPLAY \(isNarrow ? "" : "of session ")\(session.number)", .statusReplay)]
    }
  }

  private var accessText: String {
    switch session.mode {
    case .replay: "look only"
    case .live, .simulated: "\(session.isReadOnly ? "ro" : session.ordersOwnOnly ? "own" : "rw"):\(session.user)"
    }
  }

  private func load(_ part: Int, _ whole: Int) -> Role {
    whole > 0 ? .load(Double(part) / Double(whole)) : .text
  }

  /// The last lines: a message, or what the keys do.
  func drawFlash(_ grid: inout Grid, _ rect: Rect, _ keys: KeyMap = .standard) {
    if case .prompt(let prompt) = layer {
      let label =
        switch prompt.purpose {
        case .filter: "/"
        case .filterEvents: "events /"
        case .command: ":"
        case .seek: "go to: "
        case .whatIf: "what if: "
        }
      let typed = Self.tail(prompt.text, columns: rect.columns - 1 - cellWidth(of: label))
      let end = grid.draw(label + typed, at: rect.origin, role: .input, columns: rect.columns - 1)
      grid.put(" ", at: Point(column: end, row: rect.row), role: .inputCursor)
      let hint = promptHint(prompt)
      grid.draw(hint, at: Point(column: end + 2, row: rect.row), role: .textDim, columns: rect.endColumn - end - 2)
      return
    }
    if case .confirmQuit = layer {
      let ask =
        rect.columns >= 80
        ? "leave? d: the engine goes on without a screen. y: it ends, kernels run on. else: stay"
        : rect.columns >= 40 ? "leave? d keeps the engine, y ends it" : "leave? y/N"
      grid.draw(ask, at: rect.origin, role: .flashWarning, columns: rect.columns)
      return
    }
    let message = flash.flatMap { $0.until >= clock ? $0 : nil }
    let told: (text: String, role: Role)? =
      if let flash = message {
        flash.level == .good ? ("ok: " + flash.text, .flashGood) : ("!  " + flash.text, .flashWarning)
      } else {
        (away ?? trouble).map { ("!  " + $0, .flashError) }
      }
    tell(&grid, rect, told, undoText(keys))
  }

  /// How long the last order can still be taken back, and by which key; nil where there is nothing to take back.
  private func undoText(_ keys: KeyMap) -> String? {
    guard let last = undoable.last, last.until > clock, last.canBeTakenBack, let key = keys.shortest(for: .undo) else {
      return nil
    }
    // While the server is away, what it has not answered was not done.
    let isUnanswered = last.pairs.contains { pair in awaited.contains { $0.id == pair.id } }
    guard away == nil || !isUnanswered else { return nil }
    return "\(key) undo \(((last.until - clock).microseconds + 999_999) / 1_000_000) s"
  }

  /// Draws a message, over the key bar as well where one line is too short for it, and at the right of its last line how long
  /// the last order can be taken back.
  private func tell(_ grid: inout Grid, _ rect: Rect, _ told: (text: String, role: Role)?, _ left: String?) {
    let leftColumns = left.map { cellWidth(of: $0) + 1 } ?? 0
    let needed = told.map { cellWidth(of: $0.text) + 1 } ?? 0
    var last = rect
    if let told, needed + (left == nil ? 0 : leftColumns + 2) > rect.columns {
      let both = Rect(column: rect.column, row: rect.row, columns: rect.columns, rows: 2)
      last = both.line(1)
      grid.fill(both)
      let lines = wrapped(told.text, toColumns: rect.columns - 1)
      grid.draw(lines.first ?? "", at: Point(column: 1, row: rect.row), role: told.role, columns: rect.columns - 1)
      let room = Rect(column: 1, row: last.row, columns: max(rect.columns - 1 - leftColumns, 1), rows: 1)
      grid.drawWrapped(lines.dropFirst().joined(separator: " "), in: room, role: told.role)
    } else if let told {
      grid.draw(" " + told.text, at: rect.origin, role: told.role, columns: rect.columns)
    }
    guard let left, leftColumns <= rect.columns else { return }
    let at = Point(column: rect.endColumn - leftColumns, row: last.row)
    grid.draw(left, at: at, role: .textAccent, columns: leftColumns)
  }

  /// The end of a text that fits, so that what is being typed is always in sight.
  private static func tail(_ text: String, columns: Int) -> String {
    guard cellWidth(of: text) > columns else { return text }
    var tail = text[...]
    while cellWidth(of: String(tail)) >= max(columns, 1), !tail.isEmpty { tail.removeFirst() }
    return "…" + tail
  }

  private func promptHint(_ prompt: Prompt) -> String {
    switch prompt.purpose {
    case .filter: return (table.rows.isEmpty ? "no match: " : "") + "name, user or state; Enter keeps, Esc clears"
    case .filterEvents:
      return (eventPlaces().isEmpty ? "no match: " : "") + "what the line must say; Enter keeps, Esc clears"
    case .seek: return "13:41:07, 2:30, 45%, action, preempt, wait, error, /name, user:ana, wait>60"
    case .whatIf: return "policy=dynamic, cores=8, gpus=4, without=action:3, with=hold:name, same"
    case .command:
      // A word that is there already, and nothing after it: how the line goes on.
      if let word = Grammar.words.first(where: { prompt.text == $0.name + " " && !$0.takes.isEmpty }),
        word.name == "demand"
      {
        return "\(word.takes), such as \(word.example)"
      }
      let offered = completion(of: prompt.text)
      guard offered.before.allSatisfy({ $0 == " " }) else { return offered.candidates.joined(separator: " · ") }
      return Self.paletteWords.filter { offered.candidates.contains($0.name) }
        .map { $0.usage + (session.ordersOwnOnly && !$0.isAboutNotebooks ? " (operators only)" : "") }
        .joined(separator: " · ")
    }
  }

  /// The most useful keys, as many as fit whole; help and leaving come first. The keys are those of the map: an action without one is
  /// left out.
  func drawKeyBar(_ grid: inout Grid, _ rect: Rect, _ keys: KeyMap) {
    let live: [([KeyAction], String)] = [
      ([.help], "help"), ([.quit], "quit"), ([.preempt], "suspend"), ([.pin], "pin"), ([.lower, .raise], "prio"),
      ([.hold], "hold"), ([.release], "release"), ([.explain], "why"), ([.undo], "undo"), ([.filter], "filter"),
      ([.palette], "cmd"), ([.intoHistory], "history"), ([.nextPane], "pane"), ([.zoom], "zoom"),
      ([.drain], "drain"), ([.demand], "demand"), ([.policy], "policy"),
    ]
    let replay: [([KeyAction], String)] = [
      ([.help], "help"), ([.quit], "quit"), ([.play], "play"), ([.stepBack, .stepForward], "step"),
      ([.slower, .faster], "speed"), ([.back5, .forward5], "5s"), ([.lower, .raise], "marker"), ([.go], "go to"),
      ([.whatIf], "what if"), ([.backToLive], "live"), ([.sessions], "sessions"), ([.explain], "why"),
      ([.mark], "mark"),
      ([.changes], "changes"), ([.nextPane], "pane"), ([.zoom], "zoom"),
    ].filter { $0.0 != [.backToLive] || session.hasLive }
    var column = rect.column
    for (actions, label) in transport == nil ? live : replay {
      let names = actions.compactMap { keys.shortest(for: $0) }
      guard names.count == actions.count else { continue }
      let key = names.joined(separator: names.allSatisfy { "←→".contains($0) } ? "" : " ")
      // What the role does not allow is there, dim and in parentheses; the key itself says why.
      let isDisabled = transport == nil && actions.contains { $0.reach != nil && roleRefusal(of: $0) != nil }
      guard column + cellWidth(of: key + label) + 2 <= rect.endColumn else { break }
      column = grid.draw(
        (isDisabled ? "(" : " ") + key, at: Point(column: column, row: rect.row),
        role: isDisabled ? .keybarDisabled : .keybarKey)
      column = grid.draw(
        " " + label + (isDisabled ? ")" : " "), at: Point(column: column, row: rect.row),
        role: isDisabled ? .keybarDisabled : .keybarLabel)
    }
  }
}

extension KeyMap {
  /// The first key of an action as the key bar shows it; nil where it has none.
  fileprivate func shortest(for action: KeyAction) -> String? {
    guard let name = keys(for: action).first else { return nil }
    let short = [
      "left": "←", "right": "→", "up": "↑", "down": "↓", "tab": "Tab", "space": "Space", "enter": "Enter",
      "escape": "Esc",
      "minus": "-",
    ]
    return short[name] ?? name
  }
}
