import Canvas
import Domain
import Projections

// Tags, copies and themes: what the keys do beside orders and panes.
extension ConsoleState {
  mutating func act(_ action: KeyAction) -> [Intent] {
    if action == .copy { return copy() }
    if action == .themes { return [.listThemes] }
    if action == .reload { return [.reload] }
    if action == .tagRange { tagRange() }
    if action == .untag {
      say(
        tagged.isEmpty ? .warning : .good, tagged.isEmpty ? "nothing is tagged; Space tags" : "\(tagged.count) untagged"
      )
      tagged = []
      tagAnchor = nil
    }
    if action == .tag { tagRow() }
    return []
  }

  private mutating func tagRow() {
    guard !isStray() else { return }
    guard let selected else { return say(.warning, "no notebook is selected") }
    if tagged.remove(selected) == nil { tagged.insert(selected) }
    tagAnchor = selected
    _ = perform(.down)
    say(.good, tagged.isEmpty ? "nothing is tagged" : "\(tagged.count) tagged; orders go to them, U untags")
  }

  /// Tags the rows from the last tag, or from the first row that is tagged, to the cursor.
  private mutating func tagRange() {
    guard let selected, let here = rowOrder.firstIndex(of: selected) else {
      say(.warning, "no notebook is selected")
      return
    }
    guard let anchor = tagAnchor, let there = rowOrder.firstIndex(of: anchor) else {
      tagAnchor = selected
      tagged.insert(selected)
      say(.good, "the range begins here; move, and v again tags up to the cursor")
      return
    }
    tagged.formUnion(rowOrder[min(here, there)...max(here, there)])
    say(.good, "\(tagged.count) tagged; orders go to them, U untags")
  }

  /// Copies what is known of the row, or the events where they have the focus.
  private mutating func copy() -> [Intent] {
    let text: String
    if focus == .events {
      text = shown.events.suffix(50).map { "\(session.timeOfDay($0.at)) \(shown.sentence($0))" }.joined(separator: "\n")
    } else if let selected {
      text = explanation(of: selected).joined(separator: "\n")
    } else {
      say(.warning, "no notebook is selected")
      return []
    }
    let clean = String(String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\n" || !isHostile($0) ? $0 : "?" }))
    say(.good, "copied \(clean.split(separator: "\n").count) lines, where the terminal allows it (OSC 52)")
    return [.copy(clean)]
  }
}

/// The themes to choose from; each is shown as soon as the cursor is on it.
public struct ThemePicker: Sendable, Hashable {
  var names: [String]
  var cursor: Int
  /// The one that comes back with Escape.
  var before: String
}

extension ConsoleState {
  /// Shows the themes to choose from.
  public mutating func show(themes names: [String], current: String) {
    layer = .themes(ThemePicker(names: names, cursor: names.firstIndex(of: current) ?? 0, before: current))
  }

  mutating func handle(_ press: KeyPress, in picker: ThemePicker, _ action: KeyAction?) -> [Intent] {
    var picker = picker
    let name = { (picker: ThemePicker) in
      picker.names.indices.contains(picker.cursor) ? picker.names[picker.cursor] : ""
    }
    if press.key == .enter {
      layer = nil
      return [.keepTheme(name(picker))]
    }
    let count = picker.names.count
    let steps: [KeyAction: Int] = [.down: 1, .up: -1, .pageDown: 10, .pageUp: -10, .first: -count, .last: count]
    guard let step = action.flatMap({ steps[$0] }) else {
      layer = nil
      return [.showTheme(picker.before)]
    }
    picker.cursor = min(max(picker.cursor + step, 0), max(count - 1, 0))
    layer = .themes(picker)
    return [.showTheme(name(picker))]
  }
}
