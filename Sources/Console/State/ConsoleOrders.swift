import Domain
import Projections
import Verbs

// Orders: bound to the identity and the cell that are on the screen, never to a row.
extension ConsoleState {
  /// What the keys of orders do to the tagged notebooks, or to the selected one.
  mutating func order(_ action: KeyAction) -> [Intent] {
    if action == .undo { return undo() }
    if action == .redo { return redo() }
    if action == .preempt { return openPreemptMenu() }
    if action == .callOff { return give(Line(.callOff)) }
    if action == .editor { return openEditor() }
    if action == .drain { return openDrain() }
    if action == .policy { return openLine("policy ", for: [.setPolicy(shown.policy)]) }
    guard let facts = target() else { return [] }
    if action == .demand {
      return openLine(
        "demand ", for: (tagged.isEmpty ? [facts.notebook.id] : rowsTagged).map { .overrideDemand($0, nil) })
    }
    if action == .pin {
      return give(Line(tagged.isEmpty && facts.pin != nil ? .unpin : .pin(CoreSet(), GPUSet(), alone: false)))
    }
    if action == .hold, tagged.isEmpty, isHeldAsAsked(facts) {
      say(.warning, "\(facts.name) is held already; r releases it")
      return []
    }
    if action == .release, tagged.isEmpty, !isHeldAsAsked(facts) {
      say(.warning, "\(facts.name) is not held")
      return []
    }
    let acts: [KeyAction: Act] = [.hold: .hold, .release: .release, .interrupt: .interrupt]
    return acts[action].map { give(Line($0)) } ?? []
  }

  /// Opens the palette with the beginning of an order, where one may give such orders; Enter gives it as a line that was typed.
  private mutating func openLine(_ text: String, for verbs: [Verb]) -> [Intent] {
    guard mayOrder(), mayGive(verbs) else { return [] }
    layer = .prompt(Prompt(purpose: .command, text: text))
    return []
  }

  mutating func changePriority(by step: Int32) -> [Intent] {
    guard let facts = target() else { return [] }
    guard tagged.isEmpty else {
      return changePriorities(of: rowsTagged.compactMap { shown[$0] }, by: step)
    }
    // Keys may come faster than answers: each one counts from what was last asked for.
    let before = priorityAsked(facts)
    guard (-100...100).contains(before + step) else {
      say(.warning, "a priority is from -100 to 100; \(facts.name) has \(before)")
      return []
    }
    return give(
      [.setPriority(facts.notebook.id, before + step)], why: "", takingBack: [.setPriority(facts.notebook.id, before)])
  }

  /// Asks, as of any order on several notebooks, and leaves those out whose priority goes no further.
  private mutating func changePriorities(of several: [NotebookFacts], by step: Int32) -> [Intent] {
    let line = Line(.priority(step))
    var asked = Confirmation(line: line, verbs: [], refused: [], word: nil)
    asked.what = step > 0 ? "priority +\(step)" : "priority \(step)"
    asked.takingBack = []
    for one in several {
      let (id, before) = (one.notebook.id, priorityAsked(one))
      guard (-100...100).contains(before + step) else {
        asked.refused.append(
          Orders.Refused(
            notebook: id, refusal: Refusal(.wrongState, "\(one.name) has \(before); a priority is from -100 to 100")))
        continue
      }
      asked.verbs.append(.setPriority(id, before + step))
      asked.takingBack?.append(.setPriority(id, before))
    }
    guard !asked.verbs.isEmpty else {
      say(.warning, asked.refused.first?.refusal.text ?? "nobody is meant")
      return []
    }
    guard mayGive(asked.verbs) else { return [] }
    guard asked.verbs.count > 1 else { return give(asked.verbs, why: "", takingBack: asked.takingBack) }
    if asked.verbs.count > Confirmation.victimsMost { asked.word = line.act.word }
    return ask(asked)
  }

  /// The priority that it has, or will have once the orders are obeyed that are on their way.
  private func priorityAsked(_ facts: NotebookFacts) -> Int32 {
    var priority = facts.priority
    for order in awaited { if case .setPriority(facts.notebook.id, let asked) = order.verb { priority = asked } }
    return priority
  }

  /// Whether it is held, or will be once the orders are obeyed that are on their way.
  private func isHeldAsAsked(_ facts: NotebookFacts) -> Bool {
    var isHeld = facts.isHeld
    for order in awaited {
      if order.verb == .hold(facts.notebook.id) { isHeld = true }
      if order.verb == .release(facts.notebook.id) { isHeld = false }
    }
    return isHeld
  }

  /// Whether the user's role allows all of these; else says why not.
  mutating func mayGive(_ verbs: [Verb]) -> Bool { verbs.allSatisfy { mayGive($0) } }

  /// The selected notebook, where orders may be given at all; else says why not.
  mutating func target() -> NotebookFacts? {
    guard mayOrder(), !isStray() else { return nil }
    guard let id = selected ?? rowsTagged.first, let facts = shown[id] else {
      say(.warning, "no notebook is selected")
      return nil
    }
    return facts
  }

  /// Whether the user's role allows the order; else says why not.
  private mutating func mayGive(_ verb: Verb) -> Bool {
    guard let why = roleRefusal(of: verb) else { return true }
    say(.warning, why)
    return false
  }

  /// Why the user's role does not allow an order, as far as a console can know; nil where it does.
  func roleRefusal(of verb: Verb) -> String? {
    guard session.ordersOwnOnly else { return nil }
    return verb.refusal(toAuthor: session.user, owner: verb.notebook.flatMap { shown[$0]?.notebook.user })?.text
  }

  /// Why a key that orders does nothing for this user and the selected notebook, and is shown as disabled; nil where it works.
  func roleRefusal(of action: KeyAction) -> String? {
    guard session.mode != .replay, let reach = action.reach else { return nil }
    if session.isReadOnly {
      return session.isReadOnlyForGood ? "you may look here, and order nothing" : "this console is read-only"
    }
    switch reach {
    case .given: return nil
    case .node: return roleRefusal(of: action == .policy ? .setPolicy("") : .drain(NodeID(0), CoreSet(), GPUSet()))
    case .selection: return (selected ?? rowsTagged.first).flatMap { roleRefusal(of: .hold($0)) }
    }
  }

  /// Whether orders may be given; else says why not.
  mutating func mayOrder() -> Bool {
    if session.mode == .replay {
      say(.warning, "this is a replay: what is past cannot be ordered about")
      return false
    }
    if session.isReadOnly {
      say(.warning, "this console is read-only")
      return false
    }
    return true
  }

  /// Gives orders, together: they are undone together.
  ///
  /// - Parameter takingBack: the orders that undo them; nil finds them from how things stand.
  mutating func give(_ verbs: [Verb], why: String, takingBack: [Verb]? = nil, saying: String? = nil) -> [Intent] {
    guard mayOrder(), let first = verbs.first, mayGive(verbs) else { return [] }
    let board = shown
    var text = saying ?? ""
    if text.isEmpty {
      let isAboutNode = verbs.allSatisfy { $0.notebook == nil }
      text =
        verbs.count == 1 || isAboutNode
        ? verbs.map { $0.done(on: board) }.joined(separator: ", ") : "\(first.word): \(verbs.count) notebooks"
      if case .setPriority(let id, let value) = first, verbs.count == 1,
        case .setPriority(_, let before)? = takingBack?.first
      {
        text = "\(board.name(of: id)): priority \(before) → \(value)"
      }
    }
    let isNew = saying == nil
    if isNew { redoable = [] }
    var intents: [Intent] = []
    var pairs: [Undo.Pair] = []
    var longest = Undo.span
    let batch = Awaited.Batch(first: nextCommand, count: verbs.count)
    for (place, verb) in verbs.enumerated() {
      let id = CommandID(nextCommand)
      nextCommand += 1
      awaited.append(Awaited(id: id, verb: verb, text: text, batch: batch))
      if awaited.count > 512 { awaited.removeFirst() }
      let back = takingBack.map { $0[place] } ?? verb.undoing(on: board)
      // What cannot be had back is remembered as such; what changes nothing is nothing to take back.
      if back != nil || verb.line(on: board).act.isDestructive {
        pairs.append(Undo.Pair(id: id, forward: verb, backward: back))
      }
      if case .suspendAfter(_, _, let grace) = verb { longest = max(longest, grace) }
      intents.append(.order(Command(id: id, author: session.user, why: why, verb: verb)))
    }
    undoable.removeAll { $0.until < clock }
    if !pairs.isEmpty, why != "undo" { undoable.append(Undo(pairs: pairs, text: text, until: clock + longest)) }
    return intents
  }

  private mutating func undo() -> [Intent] {
    guard mayOrder() else { return [] }
    undoable.removeAll { $0.until < clock }
    guard var last = undoable.last else {
      say(.warning, "there is nothing to undo; an order can be undone for 10 s")
      return []
    }
    // Whoever wants back what has just been done must not be given back something else.
    guard last.canBeTakenBack else {
      say(.warning, "the last order cannot be undone: \(last.text); what was ordered before it stands")
      return []
    }
    undoable.removeLast()
    last.until = clock + Undo.redoSpan
    redoable.append(last)
    return give(last.pairs.compactMap(\.backward), why: "undo", saying: "undone: \(last.text)")
  }

  private mutating func redo() -> [Intent] {
    guard mayOrder() else { return [] }
    redoable.removeAll { $0.until < clock }
    guard let last = redoable.popLast() else {
      say(.warning, "there is nothing to do again; z undoes, Z does again what was undone")
      return []
    }
    return give(
      last.pairs.map(\.forward), why: "redo", takingBack: last.pairs.compactMap(\.backward),
      saying: "again: \(last.text)")
  }
}

/// Orders that were given together, and can be taken back together or not at all.
struct Undo: Sendable, Hashable {
  struct Pair: Sendable, Hashable {
    var id: CommandID
    var forward: Verb
    /// Nil where nothing takes it back: an interrupt.
    var backward: Verb?
  }

  /// How long an order can be taken back.
  static let span = Span(seconds: 10)
  /// How long what was taken back can be done again.
  static let redoSpan = Span(seconds: 30)

  var pairs: [Pair]
  var text: String
  var until: Instant

  var canBeTakenBack: Bool { pairs.allSatisfy { $0.backward != nil } }
}
