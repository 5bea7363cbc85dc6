import Canvas
import TOMLKit

/// Why a file of keys cannot be used: all that is wrong in it, each with its line and how to mend it.
public struct KeyFileError: Error, Hashable, CustomStringConvertible {
  public var path: String
  public var problems: [String]

  /// The first mistake, and how many there are besides: for a line on the screen.
  public var first: String {
    let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
    return (problems.first.map { "\(path): \($0)" } ?? path) + more
  }

  public var description: String { problems.map { "\(path): \($0)" }.joined(separator: "\n") }
}

extension KeyMap {
  /// The keys of the design with those of a file over them:
  ///
  /// ```toml
  /// [keys]
  /// hold = "h"                 # an action's name, and its key
  /// raise = ["]", "F7"]        # or several; the design's own keys of the action no longer mean it
  /// interrupt = []             # or none
  /// ```
  ///
  /// A key that the file gives to an action is taken from the one that had it, if that keeps another; where two actions of
  /// the file want the same key, or one is left without any that the file did not take it from by name, it is told.
  ///
  /// - Throws: ``KeyFileError`` with the line of each mistake and what is possible there.
  public init(parsing text: String, path: String) throws(KeyFileError) {
    let table: TOMLTable
    do { table = try TOMLTable(string: text) } catch let error as TOMLParseError {
      throw KeyFileError(path: path, problems: ["line \(error.source.begin.line) is not TOML: \(error.description)"])
    } catch { throw KeyFileError(path: path, problems: ["it is not TOML: \(error)"]) }
    var reader = KeyFileReader(lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    let changes = reader.changes(table)
    guard reader.problems.isEmpty else { throw KeyFileError(path: path, problems: reader.problems) }
    let map = KeyMap(.standard, with: changes)
    func taker(of action: KeyAction) -> KeyAction? {
      changes.first { change in change.keys.contains { KeyMap.standard.action(for: $0) == action } }?.action
    }
    // Help and leaving must stay reachable, or nobody finds the way out.
    for action in [KeyAction.help, .quit] where map.keys(for: action).isEmpty {
      let cause = changes.contains { $0.action == action } ? action : taker(of: action) ?? action
      reader.problems.append(
        "\(reader.place(of: cause.rawValue)): '\(action.rawValue)' is left without a key. Give it one: "
          + "\(action.rawValue) = \"ctrl-g\"")
    }
    for action in KeyAction.allCases
    where map.keys(for: action).isEmpty && !changes.contains(where: { $0.action == action }) {
      let taker = taker(of: action)
      reader.problems.append(
        "\(reader.place(of: taker?.rawValue ?? "keys")): '\(taker?.rawValue ?? "another action")' takes the only key of '\(action.rawValue)' (\(action.words)). "
          + "Give that one another, or none: \(action.rawValue) = []")
    }
    guard reader.problems.isEmpty else { throw KeyFileError(path: path, problems: reader.problems) }
    self = map
  }
}

extension KeyMap {
  /// The keys as a file of keys that gives them again: every action by its name, with what it does. A beginning for one's own.
  public var file: String {
    func quoted(_ key: String) -> String { "\"" + key.flatMap { "\\\"".contains($0) ? "\\\($0)" : "\($0)" } + "\"" }
    let lines = KeyAction.allCases.map { action -> String in
      let names = keys(for: action).map(quoted)
      let value = names.count == 1 ? names[0] : "[" + names.joined(separator: ", ") + "]"
      return "\(action.rawValue) = \(value)".padded(to: 39) + " # \(action.words)"
    }
    return (["[keys]"] + lines).joined(separator: "\n") + "\n"
  }
}

/// Turns a file's values into keys, and remembers what is wrong with them.
private struct KeyFileReader {
  let lines: [String]
  var problems: [String] = []

  mutating func changes(_ table: TOMLTable) -> [(action: KeyAction, keys: [KeyPress])] {
    for key in table.keys.sorted() where key != "keys" {
      problems.append("\(place(of: key)): there is no '\(key)' here. There is [keys].")
    }
    guard let own = table["keys"] else { return [] }
    guard let keys = own.table else {
      problems.append(
        "\(place(of: "keys")): [keys] is not a table. Write it as a line of its own, with its entries below.")
      return []
    }
    var changes: [(action: KeyAction, keys: [KeyPress])] = []
    var taken: [KeyPress: KeyAction] = [:]
    for name in keys.keys.sorted() {
      guard let action = KeyAction(rawValue: name) else {
        problems.append("\(place(of: name)): there is no action '\(name)'. \(Self.near(name))")
        continue
      }
      guard let presses = presses(keys[name], name) else { continue }
      for press in presses {
        if let other = taken[press] {
          problems.append(
            "\(place(of: name)): '\(press)' is given to '\(other.rawValue)' as well. A key can mean one thing.")
        }
        taken[press] = action
      }
      changes.append((action, presses))
    }
    return changes
  }

  private mutating func presses(_ value: (any TOMLValueConvertible)?, _ name: String) -> [KeyPress]? {
    var names: [String?] = []
    if let text = value?.string {
      names = [text]
    } else if let array = value?.array {
      names = (0..<array.count).map { array[$0].string }
    } else {
      names = [nil]
    }
    var presses: [KeyPress] = []
    for text in names {
      guard let text, let press = KeyPress(named: text) else {
        problems.append(
          "\(place(of: name)): \(text.map { "'\($0.prefix(40))'" } ?? "that") is no key. Keys are written like q, G, F9, ctrl-r, alt-x, "
            + "shift-left, space, minus, tab, enter, escape, up, pagedown, insert.")
        return nil
      }
      presses.append(press)
    }
    return presses
  }

  /// The line in which a key of the file stands.
  func place(of key: String) -> String {
    let index = lines.firstIndex { line in
      var text = line.drop { " \t[\"'".contains($0) }
      // As in `keys.hold = "h"`.
      if text.hasPrefix("keys.") { text = text.dropFirst("keys.".count).drop { "\"'".contains($0) } }
      guard text.hasPrefix(key) else { return false }
      return text.dropFirst(key.count).first { !" \t\"'".contains($0) }.map { $0 == "=" || $0 == "]" } ?? false
    }
    return index.map { "line \($0 + 1)" } ?? "[keys]"
  }

  /// The actions whose names begin as a wrong one does, or all.
  private static func near(_ name: String) -> String {
    let all = KeyAction.allCases.map(\.rawValue)
    let near = all.filter { $0.lowercased().hasPrefix(name.prefix(2).lowercased()) }
    let names = (near.isEmpty ? all : near).joined(separator: ", ")
    return "There are \(names)\(near.isEmpty ? "." : " and others: 'celltop keys' lists them.")"
  }
}
