import Canvas
import TOMLKit

/// A theme file's contents, before what it inherits is known.
struct ThemeText {
  /// The theme that it completes, if any.
  let inherits: String?
  /// What the file itself says.
  let theme: Theme

  /// Reads TOML in the form of `Themes/*.toml`: `inherits`, `[palette]`, `[style]`, `[gradient]`.
  ///
  /// - Throws: ``ThemeError`` with everything that is wrong in this file alone.
  init(_ text: String, name: String) throws(ThemeError) {
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      let place = "line \(error.source.begin.line), column \(error.source.begin.column)"
      throw ThemeError(theme: name, problems: ["\(place) is not TOML: \(error.description)."])
    } catch {
      throw ThemeError(theme: name, problems: ["it is not TOML: \(error)."])
    }
    var reader = ThemeReader()
    theme = Theme(
      name: name, palette: reader.palette(table["palette"]), rules: reader.rules(table["style"]),
      gradients: reader.gradients(table["gradient"]))
    inherits = reader.inherits(table["inherits"])
    reader.checkKeys(of: table, allowed: ["inherits", "palette", "style", "gradient"], place: "the file")
    guard reader.problems.isEmpty else { throw ThemeError(theme: name, problems: reader.problems) }
  }
}

/// Turns TOML values into a theme's parts, and remembers what is wrong with them.
private struct ThemeReader {
  private(set) var problems: [String] = []

  private static let ansiNames = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]

  mutating func inherits(_ value: (any TOMLValueConvertible)?) -> String? {
    guard let value else { return nil }
    if let name = value.string, !name.isEmpty { return name }
    problems.append("inherits is not the name of a theme. Write it like inherits = \"base-dark\".")
    return nil
  }

  mutating func palette(_ value: (any TOMLValueConvertible)?) -> [String: ThemeColor] {
    var colors: [String: ThemeColor] = [:]
    for (name, value) in entries(of: value, place: "[palette]") {
      colors[name] = color(value, place: "[palette] \(name)")
    }
    return colors
  }

  mutating func rules(_ value: (any TOMLValueConvertible)?) -> [String: StyleRule] {
    var rules: [String: StyleRule] = [:]
    for (name, value) in entries(of: value, place: "[style]") {
      let place = "[style] \"\(name)\""
      guard Theme.isRuleName(name) else {
        problems.append("\(place): there is no such role. \(suggestion(for: name))")
        continue
      }
      guard let table = value.table else {
        problems.append("\(place) is not a table. Write it like { fg = \"run\", attr = [\"bold\"] }.")
        continue
      }
      checkKeys(of: table, allowed: ["fg", "bg", "attr", "mono", "glyph", "ascii"], place: place)
      rules[name] = StyleRule(
        foreground: colorName(table["fg"], place: "\(place) fg"),
        background: colorName(table["bg"], place: "\(place) bg"),
        attributes: attributes(table["attr"], place: "\(place) attr"),
        monoAttributes: attributes(table["mono"], place: "\(place) mono"),
        glyph: mark(table["glyph"], in: .utf8, place: "\(place) glyph"),
        ascii: mark(table["ascii"], in: .ascii, place: "\(place) ascii"))
    }
    return rules
  }

  mutating func gradients(_ value: (any TOMLValueConvertible)?) -> [String: Gradient] {
    var gradients: [String: Gradient] = [:]
    for (name, value) in entries(of: value, place: "[gradient]") {
      let place = "[gradient] \(name)"
      guard Theme.gradientNames.contains(name) else {
        problems.append("\(place): there is no such gradient. There is \(Theme.gradientNames.joined(separator: ", ")).")
        continue
      }
      guard let table = value.table else {
        problems.append("\(place) is not a table with stops, c256 and c16.")
        continue
      }
      checkKeys(of: table, allowed: ["stops", "space", "c256", "c16"], place: place)
      if let space = table["space"], space.string != "oklab" {
        problems.append("\(place) space: colours are mixed in \"oklab\" only. Leave it out or write that.")
      }
      let stops = list(table["stops"]).compactMap { $0.string.flatMap(RGB.init(hex:)) }
      let c256 = list(table["c256"]).compactMap { $0.int.flatMap(UInt8.init(exactly:)) }
      let c16 = list(table["c16"]).compactMap { $0.string.flatMap(ThemeReader.ansi) }
      let isWhole =
        stops.count == list(table["stops"]).count && c256.count == list(table["c256"]).count
        && c16.count == list(table["c16"]).count
      if isWhole, let gradient = Gradient(stops: stops, c256: c256, c16: c16) {
        gradients[name] = gradient
      } else {
        problems.append(
          "\(place) needs colours for every depth. Write it like { stops = [\"#81A1C1\", \"#BF616A\"], "
            + "c256 = [110, 131], c16 = [\"cyan\", \"red\"] }.")
      }
    }
    return gradients
  }

  mutating func checkKeys(of table: TOMLTable, allowed: [String], place: String) {
    for key in table.keys.sorted() where !allowed.contains(key) {
      problems.append("\(place) has the unknown key '\(key)'. Known are \(allowed.joined(separator: ", ")).")
    }
  }

  // MARK: Values

  private mutating func entries(
    of value: (any TOMLValueConvertible)?, place: String
  ) -> [(String, any TOMLValueConvertible)] {
    guard let value else { return [] }
    guard let table = value.table else {
      problems.append("\(place) is not a table. Write it as a line of its own, with its entries below.")
      return []
    }
    // In the order of the names, so that problems are always reported in the same one.
    return table.keys.sorted().compactMap { key in table[key].map { (key, $0) } }
  }

  private func list(_ value: (any TOMLValueConvertible)?) -> [any TOMLValueConvertible] {
    guard let array = value?.array else { return [] }
    return (0..<array.count).map { array[$0] }
  }

  private mutating func color(_ value: any TOMLValueConvertible, place: String) -> ThemeColor? {
    if let name = value.string {
      if name == "default" { return .terminalDefault }
      if let index = ThemeReader.ansi(name) { return .ansi(index) }
    } else if let table = value.table {
      checkKeys(of: table, allowed: ["rgb", "c256", "c16"], place: place)
      if let rgb = table["rgb"]?.string.flatMap(RGB.init(hex:)),
        let c256 = table["c256"]?.int.flatMap(UInt8.init(exactly:)),
        let c16 = table["c16"]?.string.flatMap(ThemeReader.ansi)
      {
        return .designed(rgb, c256: c256, c16: c16)
      }
    }
    problems.append(
      "\(place) is not a colour for every kind of terminal. Write it like { rgb = \"#A3BE8C\", c256 = 108, "
        + "c16 = \"green\" }, or name one of the terminal's own: \"green\", \"bright-green\", \"default\".")
    return nil
  }

  private mutating func colorName(_ value: (any TOMLValueConvertible)?, place: String) -> String? {
    guard let value else { return nil }
    if let name = value.string { return name }
    problems.append("\(place) is not the name of a colour of the palette.")
    return nil
  }

  private mutating func attributes(_ value: (any TOMLValueConvertible)?, place: String) -> Attributes? {
    guard let value else { return nil }
    let names = value.string.map { [$0] } ?? value.array.map { _ in list(value).map { $0.string ?? "?" } }
    guard let names else {
      problems.append("\(place) is neither an attribute nor a list. Write it like [\"bold\", \"underline\"].")
      return nil
    }
    var result: Attributes = []
    for name in names {
      if let known = Attributes.names.first(where: { $0.name == name }) {
        result.insert(known.attribute)
      } else {
        let all = Attributes.names.map(\.name).joined(separator: ", ")
        problems.append("\(place): there is no attribute '\(name)'. There are \(all).")
      }
    }
    return result
  }

  private mutating func mark(
    _ value: (any TOMLValueConvertible)?, in repertoire: Repertoire, place: String
  ) -> Unicode.Scalar? {
    guard let value else { return nil }
    if let text = value.string, text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first,
      GlyphSet.isMark(scalar, in: repertoire)
    {
      return scalar
    }
    let kind = repertoire == .ascii ? "ASCII character" : "character that is one cell wide"
    problems.append("\(place) is not a single \(kind).")
    return nil
  }

  /// `green` is 2, `bright-green` 10.
  private static func ansi(_ name: String) -> UInt8? {
    let isBright = name.hasPrefix("bright-")
    guard let index = ansiNames.firstIndex(of: isBright ? String(name.dropFirst(7)) : name) else { return nil }
    return UInt8(index + (isBright ? 8 : 0))
  }

  /// The roles that begin as a wrong name does.
  private func suggestion(for name: String) -> String {
    let first = name.prefix { $0 != "." }
    let near = Role.allCases.map(\.name).filter { $0 == first || $0.hasPrefix("\(first).") }
    if near.isEmpty {
      let tops = Role.allCases.map { String($0.name.prefix { $0 != "." }) }
      let unique = tops.enumerated().filter { tops.firstIndex(of: $1) == $0 }.map(\.element)
      return "Roles begin with one of \(unique.joined(separator: ", "))."
    }
    return "There are \(near.joined(separator: ", "))."
  }
}
