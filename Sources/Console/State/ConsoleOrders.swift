import Domain
import Projections

// Orders: bound to the identity and the cell that are on the screen, never to a row.
extension ConsoleState {
  /// What the keys of orders do to the selected notebook.
  mutating func order(_ action: KeyAction) -> [Intent] {
    if action == .undo { return undo() }
    guard let facts = target() else { return [] }
    let id = facts.notebook.id
    switch action {
    case .preempt: return preemptOrResume(facts)
    case .pin:
      if let pin = facts.pin { return give(.unpin(id), "\(facts.name) unpinned", undo: .pin(id, pin)) }
      guard let allotment = facts.cell?.allotment else {
        say(.warning, "\(facts.name) is on no core now; pin it by :pin 0-1")
        return []
      }
      return give(
        .pin(id, Pin(node: allotment.node, cores: allotment.cores)), "\(facts.name) pinned to cores \(allotment.cores)",
        undo: .unpin(id))
    case .hold:
      guard !isHeldAsAsked(facts) else {
        say(.warning, "\(facts.name) is held already; r releases it")
        return []
      }
      return give(.hold(id), "\(facts.name) held", undo: .release(id))
    case .release:
      guard isHeldAsAsked(facts) else {
        say(.warning, "\(facts.name) is not held")
        return []
      }
      return give(.release(id), "\(facts.name) released", undo: .hold(id))
    case .interrupt:
      guard let cell = facts.cell, facts.state == .running || facts.state == .suspended else {
        say(.warning, "\(facts.name) is \(facts.state.word); only a running cell can be interrupted")
        return []
      }
      return give(.interrupt(id, cell: cell.cell.id), "\(facts.name)[\(cell.cell.id.number)] interrupted", undo: nil)
    case .quit, .help, .palette, .filter, .nextPane, .back, .zoom, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6,
      .layoutNext, .layoutPrevious, .down, .up, .first, .last, .pageDown, .pageUp, .details, .sortNext, .sortPrevious,
      .sortInvert, .tree, .columns, .follow, .raise, .lower, .explain, .undo, .narrower, .wider, .freeze,
      .toggleMouse, .redraw, .play, .stepBack, .stepForward, .slower, .faster, .back5, .forward5, .backTenth,
      .forwardTenth, .go, .searchNext, .searchPrevious, .mark, .changes, .whatIf, .sessions, .intoHistory, .backToLive:
      return []
    }
  }

  private mutating func preemptOrResume(_ facts: NotebookFacts) -> [Intent] {
    let id = facts.notebook.id
    guard let cell = facts.cell?.cell.id else {
      say(.warning, "\(facts.name) is \(facts.state.word); there is no cell to suspend")
      return []
    }
    switch facts.state {
    case .running:
      return give(
        .suspend(id, cell: cell), "\(facts.name)[\(cell.number)] suspended", undo: .resume(id, cell: cell))
    case .suspended:
      return give(.resume(id, cell: cell), "\(facts.name)[\(cell.number)] may go on", undo: nil)
    case .queued:
      say(.warning, "\(facts.name) waits already; h holds it there")
      return []
    case .starting, .thinking, .gone:
      say(.warning, "\(facts.name) is \(facts.state.word); there is no cell to suspend")
      return []
    }
  }

  mutating func changePriority(by step: Int32) -> [Intent] {
    guard let facts = target() else { return [] }
    // Keys may come faster than answers: each one counts from what was last asked for.
    var priority = facts.priority
    for order in awaited {
      if case .setPriority(facts.notebook.id, let asked) = order.verb { priority = asked }
    }
    return setPriority(facts, from: priority, to: priority + step)
  }

  mutating func setPriority(_ facts: NotebookFacts, from before: Int32, to priority: Int32) -> [Intent] {
    guard (-100...100).contains(priority) else {
      say(.warning, "a priority is from -100 to 100; \(facts.name) has \(before)")
      return []
    }
    return give(
      .setPriority(facts.notebook.id, priority), "\(facts.name): priority \(before) → \(priority)",
      undo: .setPriority(facts.notebook.id, before))
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

  /// The selected notebook, where orders may be given at all; else says why not.
  mutating func target() -> NotebookFacts? {
    guard mayOrder() else { return nil }
    guard let selected, let facts = shown[selected] else {
      say(.warning, "no notebook is selected")
      return nil
    }
    return facts
  }

  /// Whether the user's role allows the order; else says why not.
  private mutating func mayGive(_ verb: Verb) -> Bool {
    guard session.ordersOwnOnly else { return true }
    guard let id = verb.notebook else {
      say(.warning, "'\(verb.word)' is about the whole node: only an operator may say so")
      return false
    }
    guard let facts = shown[id], facts.notebook.user != session.user else { return true }
    say(.warning, "\(facts.name) is \(facts.notebook.user)'s; you may order your own notebooks about")
    return false
  }

  private mutating func mayOrder() -> Bool {
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

  /// Gives an order; `text` tells the operator once it is accepted.
  mutating func give(_ verb: Verb, _ text: String, undo: Verb?, why: String = "") -> [Intent] {
    guard mayOrder(), mayGive(verb) else { return [] }
    let id = CommandID(nextCommand)
    nextCommand += 1
    awaited.append(Awaited(id: id, verb: verb, text: text))
    if awaited.count > 32 { awaited.removeFirst() }
    undoable.removeAll { $0.until < clock }
    if let undo { undoable.append(Undo(id: id, verb: undo, text: text, until: clock + Undo.span)) }
    return [.order(Command(id: id, author: session.user, why: why, verb: verb))]
  }

  private mutating func undo() -> [Intent] {
    guard mayOrder() else { return [] }
    undoable.removeAll { $0.until < clock }
    guard let last = undoable.popLast() else {
      say(.warning, "there is nothing to undo; an order can be undone for 10 s")
      return []
    }
    return give(last.verb, "undone: \(last.text)", undo: nil, why: "undo")
  }
}

// The palette: the same orders by name.
extension ConsoleState {
  /// The commands of the palette with what they take.
  static let paletteCommands: [(name: String, takes: String)] = [
    ("suspend", ""), ("resume", ""), ("interrupt", ""), ("priority", "N"), ("pin", "CORES"), ("unpin", ""),
    ("hold", ""), ("release", ""), ("drain", "CORES"), ("undrain", "CORES"), ("policy", "NAME"), ("seek", "TIME"),
    ("speed", "N"), ("what-if", "CHANGES"), ("mark", ""), ("changes", ""), ("sessions", ""), ("open", "SESSION"),
    ("history", ""), ("live", ""), ("dump", "FILE"), ("quit", ""),
  ]

  mutating func run(palette text: String) -> [Intent] {
    let words = text.split(separator: " ", maxSplits: 1).map(String.init)
    guard let name = words.first else { return [] }
    let argument = words.count > 1 ? String(words[1].drop { $0 == " " }) : ""
    do {
      return try run(name, argument)
    } catch {
      say(.warning, "\(error)")
      return []
    }
  }

  private mutating func run(_ name: String, _ argument: String) throws(ParseError) -> [Intent] {
    switch name {
    case "quit", "q": return perform(.quit)
    case "seek", "go": return seek(argument)
    case "dump": return argument.isEmpty ? try needs("a file", name, "dump screen.txt") : [.dump(argument)]
    case "speed":
      guard let value = Double(argument), value > 0 else { return try needs("a number", name, "speed 8") }
      guard transport != nil else {
        say(.warning, "this session is live; only a replay has a speed")
        return []
      }
      return [.replay(.setSpeed(value))]
    case "what-if":
      return argument.isEmpty
        ? try needs("changes", name, "what-if policy=dynamic,gpus=4") : askWhatIf(argument)
    case "mark": return perform(.mark)
    case "changes": return perform(.changes)
    case "sessions": return perform(.sessions)
    case "history": return perform(.intoHistory)
    case "live": return perform(.backToLive)
    case "open":
      guard let number = Int64(argument), number > 0 else { return try needs("a session's number", name, "open 3") }
      return [.open(session: number)]
    case "policy":
      return argument.isEmpty
        ? try needs("a name", name, "policy fcfs")
        : give(.setPolicy(argument), "policy \(argument)", undo: .setPolicy(shown.policy))
    case "drain", "undrain":
      let cores = try CoreSet(parsing: argument)
      guard !cores.isEmpty else { return try needs("cores", name, "\(name) 0-1") }
      return drain(cores, name == "drain")
    default: return try runOnNotebook(name, argument)
    }
  }

  /// Drains or undrains; taking it back touches only the cores that the order changes.
  private mutating func drain(_ cores: CoreSet, _ drains: Bool) -> [Intent] {
    let node = shown.nodes.first?.node.id ?? NodeID(0)
    let drained = shown.nodes.first?.drainedCores ?? CoreSet()
    let changed = drains ? cores.subtracting(drained) : cores.intersection(drained)
    guard !changed.isEmpty else {
      if mayOrder() { say(.warning, "cores \(cores): \(drains ? "drained already" : "not drained")") }
      return []
    }
    return drains
      ? give(.drain(node, cores, GPUSet()), "cores \(cores) drained", undo: .undrain(node, changed, GPUSet()))
      : give(.undrain(node, cores, GPUSet()), "cores \(cores) undrained", undo: .drain(node, changed, GPUSet()))
  }

  private mutating func runOnNotebook(_ name: String, _ argument: String) throws(ParseError) -> [Intent] {
    guard Self.paletteCommands.contains(where: { $0.name == name }) else {
      throw ParseError(
        reading: "the command", text: name, because: "there is none of that name",
        mend: Self.paletteCommands.map(\.name).joined(separator: ", "))
    }
    guard let facts = target() else { return [] }
    let id = facts.notebook.id
    switch name {
    case "priority":
      guard let value = Int32(argument) else { return try needs("a number", name, "priority 5") }
      return setPriority(facts, from: facts.priority, to: value)
    case "pin":
      let cores = try CoreSet(parsing: argument)
      guard !cores.isEmpty else { return try needs("cores", name, "pin 0-1") }
      let before = facts.pin.map { Verb.pin(id, $0) } ?? .unpin(id)
      return give(
        .pin(id, Pin(node: facts.notebook.node, cores: cores)), "\(facts.name) pinned to cores \(cores)", undo: before)
    case "unpin":
      guard facts.pin != nil else {
        say(.warning, "\(facts.name) is not pinned")
        return []
      }
      return order(.pin)
    case "suspend", "resume":
      guard (facts.state == .suspended) == (name == "resume") else {
        say(.warning, "\(facts.name) is \(facts.state.word): nothing to \(name)")
        return []
      }
      return preemptOrResume(facts)
    case "interrupt": return order(.interrupt)
    case "hold": return order(.hold)
    case "release": return order(.release)
    default: return []
    }
  }

  private func needs(_ what: String, _ name: String, _ example: String) throws(ParseError) -> [Intent] {
    throw ParseError(reading: "the command", text: name, because: "it needs \(what)", mend: example)
  }
}
