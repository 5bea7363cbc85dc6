import Foundation

/// Why a notebook cannot be made smaller, and how to mend it.
public struct SizingError: Error, Equatable, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}

/// What makes the bundled notebooks larger or smaller: `Docs/Notebooks/sizes.json`.
///
/// A rule names a cell and a text that occurs in it once, with an `@` before the number that is multiplied. Papermill's
/// parameter cells would do the same, but would be one more cell in notebooks that people read.
public struct SizingRules: Sendable {
  struct Rule: Sendable {
    var cell: String
    var text: String
    var exponent = 1.0
    var least = 1.0
  }

  private struct File: Decodable {
    var note: String?
    var rules: [String: [[String]]]
  }

  private let rules: [String: [Rule]]

  /// - Parameter json: the file.
  /// - Throws: `SizingError` that names the rule which cannot be read.
  public init(_ json: Data) throws(SizingError) {
    let file: File
    do { file = try JSONDecoder().decode(File.self, from: json) } catch {
      throw SizingError("cannot read the sizes of the notebooks: \(error.localizedDescription)")
    }
    var rules: [String: [Rule]] = [:]
    for (name, lines) in file.rules {
      var list: [Rule] = []
      for line in lines { list.append(try Self.rule(line, of: name)) }
      rules[name] = list
    }
    self.rules = rules
  }

  /// No rules: every notebook is played as it is.
  public init() { rules = [:] }

  private static func rule(_ line: [String], of name: String) throws(SizingError) -> Rule {
    guard line.count >= 2, line[1].filter({ $0 == "@" }).count == 1 else {
      throw SizingError("a rule of \(name) is not [cell, text with one @, …]")
    }
    var rule = Rule(cell: line[0], text: line[1])
    for option in line.dropFirst(2) {
      if option.hasPrefix("^"), let value = Double(option.dropFirst()) {
        rule.exponent = value
      } else if option.hasPrefix(">="), let value = Double(option.dropFirst(2)) {
        rule.least = value
      } else {
        throw SizingError("a rule of \(name) has '\(option)'; there are ^POWER and >=LEAST")
      }
    }
    return rule
  }

  /// The notebook at another size.
  ///
  /// - Parameters:
  ///   - notebook: a file in nbformat 4.
  ///   - document: its name without folder and ending.
  ///   - size: 1 leaves it as it is.
  ///   - reserve: nil leaves the cells' demands; else every cell demands so many cores, no more and no fewer, as somebody
  ///     who reserves must.
  /// - Throws: `SizingError` where a rule does not fit the notebook.
  public func sized(
    _ notebook: Data, document: String, size: Double, reserving reserve: Int? = nil
  ) throws(SizingError) -> Data {
    guard var json = (try? JSONSerialization.jsonObject(with: notebook)) as? [String: Any],
      var cells = json["cells"] as? [[String: Any]]
    else { throw SizingError("\(document) is not a notebook in format 4") }
    for rule in size == 1 ? [] : rules[document] ?? [] {
      guard let place = cells.firstIndex(where: { $0["id"] as? String == rule.cell }) else {
        throw SizingError("\(document) has no cell '\(rule.cell)'; mend Docs/Notebooks/sizes.json")
      }
      cells[place]["source"] = try Self.apply(rule, to: Self.source(cells[place]), of: document, size: size)
    }
    for place in cells.indices where cells[place]["cell_type"] as? String == "code" {
      guard let reserve else { break }
      cells[place]["source"] = Self.reserving(reserve, Self.source(cells[place]))
    }
    json["cells"] = cells
    do { return try JSONSerialization.data(withJSONObject: json, options: [.sortedKeys]) } catch {
      throw SizingError("\(document) cannot be written: \(error.localizedDescription)")
    }
  }

  private static func source(_ cell: [String: Any]) -> String {
    (cell["source"] as? String) ?? (cell["source"] as? [String])?.joined() ?? ""
  }

  private static func apply(
    _ rule: Rule, to source: String, of document: String, size: Double
  ) throws(SizingError) -> String {
    let halves = rule.text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
    let digits = halves[1].prefix { $0.isNumber || $0 == "_" }
    guard let number = Double(digits.filter { $0 != "_" }) else {
      throw SizingError("no number stands behind the @ of '\(rule.text)' (\(document))")
    }
    let plain = halves[0] + halves[1]
    guard source.components(separatedBy: plain).count == 2 else {
      throw SizingError(
        "'\(plain)' does not occur exactly once in cell '\(rule.cell)' of \(document); mend Docs/Notebooks/sizes.json")
    }
    let value = max(rule.least, (number * pow(size, rule.exponent)).rounded())
    return source.replacingOccurrences(
      of: plain, with: halves[0] + String(Int(value)) + halves[1].dropFirst(digits.count))
  }

  private static func reserving(_ cores: Int, _ source: String) -> String {
    let line = "#celltop: cores=\(cores)\n"
    guard source.hasPrefix("#celltop:") else { return line + source }
    return line + (source.firstIndex(of: "\n").map { String(source[source.index(after: $0)...]) } ?? "")
  }

  /// The code cells of a notebook, in order: their ids, and the demand that their first line states.
  public static func cells(of notebook: Data) -> [(id: String, source: String)] {
    guard let json = (try? JSONSerialization.jsonObject(with: notebook)) as? [String: Any],
      let cells = json["cells"] as? [[String: Any]]
    else { return [] }
    return cells.filter { $0["cell_type"] as? String == "code" }
      .map { (id: $0["id"] as? String ?? "", source: source($0)) }
      .filter { !$0.source.allSatisfy(\.isWhitespace) }
  }
}
