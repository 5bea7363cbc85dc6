import Canvas
import Domain
import Projections
import Verbs

/// What an operator chooses from when a running cell is to give way.
public struct PreemptMenu: Sendable, Hashable {
  /// The graces that can be chosen.
  static let graces: [Span] = [5, 10, 20, 30, 60, 120, 300, 600].map { Span(seconds: Double($0)) }

  /// Whom it is about, by identity.
  var targets: [NotebookID]
  /// The board's notebooks as they were when it was opened: an order names the cells that the operator saw.
  var facts: [NotebookFacts]
  var cursor = 0
  var grace = 2

  /// What can be chosen: a letter, the act, and words.
  var choices: [(key: Character, act: Act, words: String)] {
    let grace = Self.graces[grace]
    let seconds = Int(grace.seconds)
    var choices: [(Character, Act, String)] = [
      ("s", .suspend, "suspend now"),
      ("g", .suspendAfter(grace), "suspend after \(seconds) s  (- and + change it)"),
      ("e", .suspendAtEnd, "let the cell end, then hold the notebook"),
    ]
    if facts.contains(where: { $0.planned != nil }) { choices.append(("c", .callOff, "call off what is planned")) }
    choices.append(("i", .interrupt, "interrupt: the cell's work is lost"))
    return choices
  }
}

/// A question before an order is given; the default is not to.
public struct Confirmation: Sendable, Hashable {
  var line: Line
  var verbs: [Verb]
  var refused: [Orders.Refused]
  /// What has to be typed where there are more victims than a key may answer for.
  var word: String?
  var typed = ""
  /// What is done to several, where the line's own words do not say it.
  var what: String?
  /// The orders that undo them; nil finds them from how things stand.
  var takingBack: [Verb]?

  /// From more victims than this on the word has to be typed.
  static let victimsMost = 3
}

extension ConsoleState {
  /// What would be lost or held up: how long each of the cells has run.
  func stake(_ verbs: [Verb]) -> [String] {
    verbs.compactMap { verb in
      guard let id = verb.notebook, let facts = shown[id] else { return nil }
      guard let cell = facts.cell, cell.started != nil else {
        return "\(facts.name) of \(facts.notebook.user), \(facts.state.word)"
      }
      return
        "\(facts.name)[\(cell.cell.id.number)] of \(facts.notebook.user), \(facts.state.word), ran \(cell.ran(at: shownNow).clock)"
    }
  }

  /// The selected notebooks, for acts that name nobody.
  var selection: Selection {
    Selection(cursor: selected, tagged: rowsTagged, filtered: rowOrder)
  }

  /// The tagged notebooks in the order of the rows.
  var rowsTagged: [NotebookID] {
    guard !tagged.isEmpty else { return [] }
    return shown.notebooks.filter { $0.state != .gone && tagged.contains($0.notebook.id) }.map(\.notebook.id)
  }

  /// Gives the orders of a line, or asks first where they are destructive or many.
  mutating func give(_ line: Line) -> [Intent] {
    guard mayOrder() else { return [] }
    if line.act.isAboutNotebooks, line.whom == .shown, isStray() { return [] }
    let orders: Orders
    do throws(ParseError) { orders = try line.orders(on: shown, selection) } catch {
      say(.warning, error.description)
      return []
    }
    guard !orders.verbs.isEmpty else {
      say(.warning, orders.refused.first?.refusal.text ?? "nobody is meant")
      return []
    }
    guard mayGive(orders.verbs) else { return [] }
    if case .policy(let name) = line.act, let why = refusal(ofPolicy: name) {
      say(.warning, why)
      return []
    }
    let isManyfold = orders.verbs.count > 1
    // What is about the node is everybody's, by whichever way it is ordered.
    guard line.act.isDestructive || isManyfold || !line.act.isAboutNotebooks else {
      return give(orders.verbs, why: line.why)
    }
    return ask(
      Confirmation(
        line: line, verbs: orders.verbs, refused: orders.refused,
        word: orders.verbs.count > Confirmation.victimsMost ? line.act.word : nil))
  }

  /// Why there can be no switch to a policy of that name, which options may follow; nil where it is one that there is, or nobody
  /// said which there are.
  private func refusal(ofPolicy name: String) -> String? {
    let base = String(name.prefix { $0 != ":" })
    guard !policies.isEmpty, !policies.contains(base) else { return nil }
    return "there is no policy '\(base.printable(at: 40))'; there are \(policies.joined(separator: ", "))"
  }

  /// Opens the menu for cells that are to give way; a suspended one goes on at once.
  mutating func openPreemptMenu() -> [Intent] {
    guard mayOrder(), !isStray() else { return [] }
    let targets = tagged.isEmpty ? selected.map { [$0] } ?? [] : rowsTagged
    guard mayGive(targets.map { .hold($0) }) else { return [] }
    let facts = targets.compactMap { shown[$0] }
    guard let first = facts.first else {
      say(.warning, "no notebook is selected")
      return []
    }
    if facts.count == 1, first.state == .suspended { return give(Line(.resume)) }
    guard facts.contains(where: { $0.state == .running || $0.planned != nil }) else {
      say(
        .warning,
        first.state == .queued
          ? "\(first.name) waits already; h holds it there"
          : "\(first.name) is \(first.state.word); there is no cell to suspend")
      return []
    }
    let menu = PreemptMenu(targets: targets, facts: facts)
    layer = .menu(menu)
    return ask(menu)
  }

  /// Asks whether orders are meant, and what they would bring; what was found out about such orders earlier counts no more.
  mutating func ask(_ confirmation: Confirmation) -> [Intent] {
    preview = nil
    layer = .confirm(confirmation)
    return [.preview(confirmation.verbs)]
  }

  /// Asks what the highlighted choice would bring.
  private func ask(_ menu: PreemptMenu) -> [Intent] {
    let verbs = verbs(of: menu)
    return verbs.isEmpty ? [] : [.preview(verbs)]
  }

  func verbs(of menu: PreemptMenu) -> [Verb] {
    let act = menu.choices[menu.cursor].act
    return menu.facts.compactMap { facts in try? act.verb(for: facts) }
  }

  mutating func handle(_ press: KeyPress, in menu: PreemptMenu, _ action: KeyAction?) -> [Intent] {
    var menu = menu
    let choices = menu.choices
    if case .character(let character) = press.key, press.modifiers.isEmpty {
      if let place = choices.firstIndex(where: { $0.key == character }) {
        menu.cursor = place
        return choose(menu)
      }
      if character == "+" || character == "-" || character == "=" {
        menu.grace = min(max(menu.grace + (character == "-" ? -1 : 1), 0), PreemptMenu.graces.count - 1)
        menu.cursor = 1
        layer = .menu(menu)
        return ask(menu)
      }
    }
    if press.key == .enter { return choose(menu) }
    guard let step = [KeyAction.down: 1, .up: -1][action ?? .quit] else {
      layer = nil
      return []
    }
    menu.cursor = min(max(menu.cursor + step, 0), choices.count - 1)
    layer = .menu(menu)
    return ask(menu)
  }

  private mutating func choose(_ menu: PreemptMenu) -> [Intent] {
    let act = menu.choices[menu.cursor].act
    let verbs = verbs(of: menu)
    layer = nil
    guard !verbs.isEmpty else {
      do throws(Refusal) {
        for facts in menu.facts { _ = try act.verb(for: facts) }
      } catch { say(.warning, error.text) }
      return []
    }
    guard act.isDestructive || verbs.count > 1 else { return give(verbs, why: "") }
    return ask(
      Confirmation(
        line: Line(act), verbs: verbs, refused: [], word: verbs.count > Confirmation.victimsMost ? act.word : nil))
  }

  mutating func handle(_ press: KeyPress, in asked: Confirmation) -> [Intent] {
    var asked = asked
    func isYes(_ key: Key) -> Bool { key == .character("y") || key == .character("Y") }
    if asked.word == nil, let refusal = refusal(of: asked) {
      // Whatever was pressed: there is nothing to answer.
      layer = nil
      say(.warning, refusal)
      return []
    }
    guard let word = asked.word else {
      layer = nil
      guard isYes(press.key), press.modifiers.isEmpty else {
        say(.warning, "nothing was done")
        return []
      }
      return give(asked.verbs, why: asked.line.why, takingBack: asked.takingBack)
    }
    switch press.key {
    case .character(let character) where press.modifiers.isEmpty: asked.typed.append(character)
    case .backspace: if !asked.typed.isEmpty { asked.typed.removeLast() }
    case .enter where asked.typed == word:
      layer = nil
      return give(asked.verbs, why: asked.line.why, takingBack: asked.takingBack)
    case .character, .enter, .function, .up, .down, .left, .right, .home, .end, .pageUp, .pageDown, .insert, .delete,
      .tab, .escape:
      layer = nil
      say(.warning, "nothing was done")
      return []
    }
    asked.typed = String(asked.typed.prefix(40))
    layer = .confirm(asked)
    return []
  }

  /// Takes in what orders are likely to bring; one that nobody asks about any more is forgotten.
  public mutating func show(_ preview: Preview) { self.preview = preview }

  /// Why nothing of what is being asked about would be done, once that was found out; nil where something would.
  func refusal(of asked: Confirmation) -> String? {
    guard let preview, preview.verbs == asked.verbs, let first = preview.refusals.first else { return nil }
    guard Set(preview.refusals.map(\.order)).isSuperset(of: asked.verbs.indices) else { return nil }
    return first.refusal.text
  }

  /// What was found out about the orders that are being asked about; nil while it is looked into.
  var previewAsked: Preview? {
    let asked: [Verb]
    switch layer {
    case .menu(let menu): asked = verbs(of: menu)
    case .confirm(let confirmation): asked = confirmation.verbs
    case .explain(let id): asked = remedy(for: id)
    case .help, .prompt, .confirmQuit, .changes, .sessions, .columns, .editor, .themes, nil: asked = []
    }
    return preview?.verbs == asked ? preview : nil
  }
}
