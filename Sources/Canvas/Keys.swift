/// A key without its modifiers.
public enum Key: Hashable, Sendable {
  /// A key that writes something, as written: `G` is shift and g. Space is a character, too.
  case character(Character)
  /// F1 and so on.
  case function(Int)
  case up, down, left, right, home, end, pageUp, pageDown, insert, delete
  case backspace, tab, enter, escape
}

/// The keys held down with another.
public struct Modifiers: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// Shift, where the terminal says so: with arrows and function keys, never with characters.
  public static let shift = Modifiers(rawValue: 1)
  /// Alt or Meta.
  public static let alt = Modifiers(rawValue: 2)
  /// Control.
  public static let control = Modifiers(rawValue: 4)
}

/// A key with its modifiers. Written and read as `q`, `G`, `F9`, `ctrl-r`, `shift-left`, `alt-x`, `space`, `minus`.
public struct KeyPress: Hashable, Sendable, CustomStringConvertible {
  /// The key.
  public let key: Key
  /// What is held with it.
  public let modifiers: Modifiers

  /// Makes a key press.
  public init(_ key: Key, _ modifiers: Modifiers = []) {
    self.key = key
    self.modifiers = modifiers
  }

  /// Reads a key as a key map names it; nil when there is no such key.
  public init?(named name: String) {
    var rest = name[...]
    var modifiers: Modifiers = []
    for (prefix, modifier) in KeyPress.prefixes {
      if rest.hasPrefix(prefix), rest.count > prefix.count {
        rest.removeFirst(prefix.count)
        modifiers.insert(modifier)
      }
    }
    guard let key = KeyPress.key(named: String(rest)) else { return nil }
    self.init(key, modifiers)
  }

  /// The name that ``init(named:)`` reads.
  public var description: String {
    let held = KeyPress.prefixes.filter { modifiers.contains($0.modifier) }.map(\.prefix).joined()
    return held + KeyPress.name(of: key)
  }

  private static let prefixes: [(prefix: String, modifier: Modifiers)] = [
    ("ctrl-", .control), ("alt-", .alt), ("shift-", .shift),
  ]

  private static let named: [(name: String, key: Key)] = [
    ("up", .up), ("down", .down), ("left", .left), ("right", .right), ("home", .home), ("end", .end),
    ("pageup", .pageUp), ("pagedown", .pageDown), ("insert", .insert), ("delete", .delete),
    ("backspace", .backspace), ("tab", .tab), ("enter", .enter), ("escape", .escape),
    ("space", .character(" ")), ("minus", .character("-")),
  ]

  private static func key(named name: String) -> Key? {
    if let key = named.first(where: { $0.name == name })?.key { return key }
    if name.count == 1, let character = name.first { return .character(character) }
    if name.hasPrefix("F"), let number = Int(name.dropFirst()), (1...24).contains(number) { return .function(number) }
    return nil
  }

  private static func name(of key: Key) -> String {
    if let name = named.first(where: { $0.key == key })?.name { return name }
    switch key {
    case .character(let character): return String(character)
    case .function(let number): return "F\(number)"
    case .up, .down, .left, .right, .home, .end, .pageUp, .pageDown, .insert, .delete, .backspace, .tab, .enter,
      .escape:
      return ""
    }
  }
}

/// What the mouse did.
public struct MouseEvent: Hashable, Sendable {
  /// A button.
  public enum Button: Hashable, Sendable {
    case left, middle, right
  }

  /// The kind of event.
  public enum Action: Hashable, Sendable {
    /// A button went down.
    case press(Button)
    /// It went up; which one is known from the press.
    case release
    /// The mouse moved with a button down.
    case drag(Button)
    /// The wheel turned by one notch, up or down.
    case wheelUp, wheelDown
  }

  /// What happened.
  public let action: Action
  /// Where, counted from 0 at the top left.
  public let point: Point
  /// The keys held.
  public let modifiers: Modifiers

  /// Makes a mouse event.
  public init(_ action: Action, at point: Point, modifiers: Modifiers = []) {
    self.action = action
    self.point = point
    self.modifiers = modifiers
  }
}

/// What a person did at the terminal.
public enum KeyEvent: Hashable, Sendable {
  /// A key was pressed.
  case key(KeyPress)
  /// The mouse did something.
  case mouse(MouseEvent)
  /// A text was pasted: never to be read as keys. At most 64 KiB; what is over is cut.
  case paste(String)
}
