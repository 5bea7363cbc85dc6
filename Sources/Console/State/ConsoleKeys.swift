import Canvas
import Domain
import Projections

extension ConsoleState {
  /// Takes a key, a mouse event or a paste; gives what is to be done beyond the console itself.
  public mutating func handle(_ event: KeyEvent, keys: KeyMap = .standard) -> [Intent] {
    switch event {
    case .key(let press): return handle(press, keys: keys)
    case .mouse(let mouse): return handle(mouse, keys: keys)
    case .paste(let text):
      guard case .prompt(var prompt) = layer else { return [] }
      prompt.text = String((prompt.text + text.printable(at: Prompt.lengthMost)).prefix(Prompt.lengthMost))
      return edit(prompt)
    }
  }

  private mutating func handle(_ press: KeyPress, keys: KeyMap) -> [Intent] {
    switch layer {
    case .prompt(let prompt): return type(press, into: prompt)
    case .confirmQuit:
      layer = nil
      if press == KeyPress(.character("d")) { return [.detach] }
      return press == KeyPress(.character("y")) ? [.quit] : []
    case .help(let page):
      // A key that only turns the page or closes must never give an order as well.
      let action = keys.action(for: press)
      let turn = action.map { [.down, .pageDown, .play].contains($0) ? 1 : [.up, .pageUp].contains($0) ? -1 : 0 } ?? 0
      layer = turn == 0 ? nil : .help(page: max(page + turn, 0))
      return []
    case .explain, .changes:
      layer = nil
      return []
    case .sessions(let list): return browse(list, keys.action(for: press), press)
    case .menu(let menu): return handle(press, in: menu, keys.action(for: press))
    case .confirm(let confirmation): return handle(press, in: confirmation)
    case .editor(let editor): return handle(press, in: editor)
    case .themes(let picker): return handle(press, in: picker, keys.action(for: press))
    case .columns(let column): return choose(column, keys.action(for: press), press)
    case nil: break
    }
    guard let action = keys.action(for: press) else { return [] }
    return perform(action)
  }

  /// Does what a key means.
  mutating func perform(_ action: KeyAction) -> [Intent] {
    switch action {
    case .quit:
      if session.confirmsQuit { layer = .confirmQuit } else { return [.quit] }
    case .help: layer = .help(page: 0)
    case .palette: layer = .prompt(Prompt(purpose: .command))
    case .filter:
      layer = .prompt(
        focus == .events
          ? Prompt(purpose: .filterEvents, text: eventsView.filter) : Prompt(purpose: .filter, text: filter))
    case .nextPane, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6, .layoutNext, .layoutPrevious, .tree, .columns,
      .follow, .details, .back:
      return arrange(by: action)
    case .zoom: isZoomed.toggle()
    case .down: return move(by: 1)
    case .up: return move(by: -1)
    case .first: return move(by: -1_000_000)
    case .last: return move(by: 1_000_000)
    case .pageDown: return move(by: 10)
    case .pageUp: return move(by: -10)
    case .sortNext: turnSort(by: 1)
    case .sortPrevious: turnSort(by: -1)
    case .sortInvert: isSortInverted.toggle()
    case .explain:
      guard let selected else { break }
      layer = .explain(selected)
      let verbs = remedy(for: selected)
      return verbs.isEmpty ? [] : [.preview(verbs)]
    case .redo, .callOff, .editor, .drain, .demand, .policy: return order(action)
    case .tag, .tagRange, .untag, .copy, .themes, .reload: return act(action)
    case .narrower: window = max(window - 1, 0)
    case .wider: window = min(window + 1, Self.windows.count - 1)
    case .freeze: frozen = frozen == nil ? (board, now) : nil
    case .toggleMouse: return [.toggleMouse]
    case .redraw: return [.redraw]
    case .raise, .lower:
      let direction = action == .raise ? 1 : -1
      return transport == nil ? changePriority(by: Int32(direction)) : [.replay(.seekMarker(direction))]
    case .preempt, .pin, .hold, .release, .interrupt, .undo: return order(action)
    case .back5, .forward5, .backTenth, .forwardTenth:
      return focus == .timeline && layer == nil ? moveTimeline(action) : move(transport: action)
    case .play where transport == nil: return act(.tag)
    case .play, .stepBack, .stepForward, .slower, .faster, .go, .searchNext, .searchPrevious, .mark, .changes, .whatIf:
      return move(transport: action)
    case .sessions: return [.listSessions]
    case .intoHistory:
      if session.mode == .replay {
        say(.warning, "this is the past already; L goes back to the live session")
      } else {
        return [.enterHistory]
      }
    case .backToLive:
      if session.mode == .replay { return [.leaveHistory] }
      say(.warning, "this session is live")
    }
    return []
  }

  private mutating func move(transport action: KeyAction) -> [Intent] {
    guard let facts = transport else {
      say(.warning, "this session is live; '\(action.words)' is for replays (celltop replay)")
      return []
    }
    switch action {
    case .play: return [.replay(.togglePlaying)]
    case .stepBack: return [.replay(.step(-1))]
    case .stepForward: return [.replay(.step(1))]
    case .slower: return [.replay(.changeSpeed(-1))]
    case .faster: return [.replay(.changeSpeed(1))]
    case .back5: return [.replay(.seek(now - Span(seconds: 5)))]
    case .forward5: return [.replay(.seek(now + Span(seconds: 5)))]
    case .backTenth: return [.replay(.seek(now - Span(microseconds: facts.end.microseconds / 10)))]
    case .forwardTenth: return [.replay(.seek(now + Span(microseconds: facts.end.microseconds / 10)))]
    case .go: layer = .prompt(Prompt(purpose: .seek))
    case .searchNext, .searchPrevious:
      guard let lastSearch else {
        say(.warning, "nothing has been searched for; g takes /name, user:ana, wait>60")
        return []
      }
      return [.replay(.search(lastSearch, action == .searchNext ? 1 : -1))]
    case .mark:
      marked = (board, now)
      say(.good, "marked \(session.timeOfDay(now)); c tells what changed since")
    case .changes:
      if marked == nil { say(.warning, "no moment is marked; M marks this one") } else { layer = .changes }
    case .whatIf:
      if alternative != nil, alternative?.isShown == false {
        alternative?.isShown = true
      } else {
        layer = .prompt(Prompt(purpose: .whatIf))
      }
    case .quit, .help, .palette, .filter, .nextPane, .back, .zoom, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6,
      .layoutNext, .layoutPrevious, .down, .up, .first, .last, .pageDown, .pageUp, .details, .sortNext, .sortPrevious,
      .sortInvert, .tree, .columns, .follow, .raise, .lower, .preempt, .pin, .hold, .release, .interrupt, .explain,
      .undo, .narrower, .wider, .freeze, .toggleMouse, .redraw, .sessions, .intoHistory, .backToLive, .redo, .callOff,
      .editor, .drain, .demand, .policy, .tag, .tagRange, .untag, .copy, .themes, .reload:
      break
    }
    return []
  }

  /// Asks for a world in which something is different from the moment on the screen.
  mutating func askWhatIf(_ text: String) -> [Intent] {
    guard transport != nil else {
      say(.warning, "this session is live; go into its history (H), to the moment from which it shall be different")
      return []
    }
    return [.whatIf(text, from: now)]
  }

  mutating func say(_ level: Flash.Level, _ text: String, for span: Span = Flash.span) {
    flash = Flash(level, text, until: clock + span)
  }
}

// MARK: Prompts

extension ConsoleState {
  private mutating func type(_ press: KeyPress, into prompt: Prompt) -> [Intent] {
    var prompt = prompt
    switch press.key {
    case .escape:
      layer = nil
      if prompt.purpose == .filter { filter = "" }
      if prompt.purpose == .filterEvents { eventsView.filter = "" }
      return []
    case .enter:
      layer = nil
      return finish(prompt)
    case .backspace:
      if prompt.text.isEmpty {
        layer = nil
        return []
      }
      prompt.text.removeLast()
    case .character(let character):
      if press.modifiers == .control, character == "c" { return type(KeyPress(.escape), into: prompt) }
      if press.modifiers == .control, character == "u" { prompt.text = "" }
      if press.modifiers.isEmpty, prompt.text.count < Prompt.lengthMost { prompt.text.append(character) }
    case .tab: return edit(complete(prompt))
    case .up, .down: return edit(recall(prompt, by: press.key == .up ? -1 : 1))
    case .function, .left, .right, .home, .end, .pageUp, .pageDown, .insert, .delete: break
    }
    return edit(prompt)
  }

  private mutating func edit(_ prompt: Prompt) -> [Intent] {
    layer = .prompt(prompt)
    if prompt.purpose == .filter { filter = prompt.text }
    if prompt.purpose == .filterEvents { eventsView.filter = prompt.text }
    return []
  }

  private mutating func finish(_ prompt: Prompt) -> [Intent] {
    switch prompt.purpose {
    case .filter:
      filter = prompt.text
      if details != nil, table.rows.isEmpty {
        say(.warning, "no notebook matches /\(prompt.text); the page stays, and Esc goes back to the table")
      }
      return []
    case .filterEvents:
      eventsView.filter = prompt.text
      return []
    case .seek: return prompt.text.allSatisfy { $0 == " " } ? [] : seek(prompt.text)
    case .command: return run(palette: prompt.text)
    case .whatIf: return prompt.text.allSatisfy { $0 == " " } ? [] : askWhatIf(prompt.text)
    }
  }

  /// Goes to `45%`, to a time of day `13:41:07`, or to `2:30` or `150s` after the beginning.
  mutating func seek(_ text: String) -> [Intent] {
    guard let end = transport?.end else {
      say(.warning, "this session is live; only a replay can go to another time")
      return []
    }
    // What was wrong with the last one is not wrong with this one.
    if flash?.level == .warning { flash = nil }
    func go(to instant: Instant) -> [Intent] {
      if instant <= end { return [.replay(.seek(instant))] }
      let length = "\(session.timeOfDay(.zero)) to \(session.timeOfDay(end)), \((end - .zero).clock) in all"
      say(.warning, "'\(text.printable(at: 40))' is not within the session: it goes from \(length)")
      return []
    }
    do {
      switch try SeekTarget(parsing: text) {
      case .marker(let kind): return [.replay(.seekMarkerOf(kind, 1))]
      case .search(let query):
        lastSearch = query
        return [.replay(.search(query, 1))]
      case .share(let share): return [.replay(.seekShare(share))]
      case .offset(let span): return go(to: Instant.zero + span)
      case .timeOfDay(let seconds):
        let began = Int(session.beganWallMicroseconds / 1_000_000) + session.utcOffsetSeconds
        let offset = ((seconds - began % 86_400) % 86_400 + 86_400) % 86_400
        // A session may be days long: the one of its days on which that time is nearest to what is shown.
        let days = Int(((now.seconds - Double(offset)) / 86_400).rounded())
        let daysMost = max(Int((end.seconds + 1 - Double(offset)) / 86_400), 0)
        // The last second of the session is part of it, whatever its microseconds.
        let instant = Instant(seconds: Double(offset + min(max(days, 0), daysMost) * 86_400))
        return go(to: instant.seconds < end.seconds + 1 ? min(instant, end) : instant)
      }
    } catch {
      say(.warning, "\(error)")
      return []
    }
  }
}

/// Where a replay is asked to go.
enum SeekTarget: Equatable {
  case share(Double)
  case offset(Span)
  /// Seconds after midnight.
  case timeOfDay(Int)
  /// The next marker of a kind.
  case marker(Marker.Kind)
  /// The next cell that matches, as the history's search reads it.
  case search(String)

  init(parsing text: String) throws(ParseError) {
    let trimmed = text.filter { $0 != " " }
    func fail(_ why: String) -> ParseError {
      ParseError(
        reading: "the time", text: text, because: why,
        mend: "13:41:07, 2:30, 150s, 45%, action, error, /name, user:ana or wait>60")
    }
    let words: [String: Marker.Kind] = [
      "action": .action, "preempt": .preemption, "preemption": .preemption, "wait": .wait, "error": .error,
      "fault": .fault,
    ]
    if let kind = words[trimmed] {
      self = .marker(kind)
      return
    }
    if ["/", "user:", "wait>", "run>", "outcome:"].contains(where: trimmed.hasPrefix) {
      self = .search(text)
      return
    }
    // A digit is a tenth of the session: 3 is 30 %.
    if trimmed.count == 1, let first = trimmed.first, first.isASCII, let digit = first.wholeNumberValue {
      self = .share(Double(digit) / 10)
      return
    }
    if trimmed.hasSuffix("%") {
      guard let value = Double(trimmed.dropLast()), (0...100).contains(value) else {
        throw fail("a share is from 0% to 100%")
      }
      self = .share(value / 100)
      return
    }
    if trimmed.hasSuffix("s"), let value = Double(trimmed.dropLast()), (0...1e9).contains(value) {
      self = .offset(Span(seconds: value))
      return
    }
    let parts = trimmed.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    guard numbers.count == parts.count, numbers.allSatisfy({ (0...100_000).contains($0) }) else {
      throw fail("it is neither a time nor a share")
    }
    switch numbers.count {
    case 2 where numbers[1] < 60: self = .offset(Span(seconds: Double(numbers[0] * 60 + numbers[1])))
    case 3 where numbers[0] < 24 && numbers[1] < 60 && numbers[2] < 60:
      self = .timeOfDay(numbers[0] * 3600 + numbers[1] * 60 + numbers[2])
    default: throw fail("it is neither a time nor a share")
    }
  }
}

extension ConsoleState {
  /// The instant that a text names: `13:41:07`, `2:30`, `150s` or `45%`.
  ///
  /// - Throws: `ParseError` where it names none, or none of the session's.
  public func instant(of text: String) throws(ParseError) -> Instant {
    var copy = self
    copy.flash = nil
    for case .replay(let order) in copy.seek(text) {
      switch order {
      case .seek(let instant): return instant
      case .seekShare(let share): return Instant(seconds: (transport?.end.seconds ?? 0) * share)
      case .togglePlaying, .step, .changeSpeed, .setSpeed, .seekMarker, .seekMarkerOf, .search: break
      }
    }
    var error = ParseError(
      reading: "the time", text: text, because: "it is no time of the session", mend: "13:41:07, 2:30, 150s or 45%")
    if let flash = copy.flash { error.description = flash.text }
    throw error
  }

  /// Goes to a time as the `go` prompt would; `flash` says what was wrong with it.
  public mutating func go(to text: String) -> [Intent] { seek(text) }
}
