import ArgumentParser
import Domain
import Foundation

/// What is told for a first word that is no command, and for an option that the console does not take.
///
/// Left to itself the parser would blame the command that opens the console for either, and suggest whichever of its options
/// is least unlike.
enum Misuse {
  /// The words of `celltop --help`.
  static var commands: [String] {
    Celltop.configuration.subcommands.map { $0.configuration.commandName ?? "\($0)" }
  }

  /// The text for arguments that could not be read; nil where the parser's own is right.
  static func text(_ arguments: [String], parser: String) -> String? {
    if let told = unknownFormat(arguments) { return told }
    guard let first = arguments.first, !commands.contains(first), first != "help" else { return nil }
    if !first.hasPrefix("-") {
      let near = commands.filter { distance(first, $0) <= max(1, first.count / 3) }
      let hint = near.first.map { " Did you mean '\($0)'?" } ?? ""
      return
        "celltop: there is no command '\(first.printable(at: 40))'.\(hint) There are \(commands.joined(separator: ", ")). "
        + "'celltop --help' says what they do."
    }
    guard let start = parser.range(of: "Unknown option '"), let end = parser[start.upperBound...].firstIndex(of: "'")
    else {
      return nil
    }
    let option = String(parser[start.upperBound..<end])
    let options = parser.matches(of: /\[(--[a-z-]+)/).map { String($0.1) }
    let near = options.filter { distance(option, $0) <= 2 }
    let hint = near.first.map { " Did you mean '\($0)'?" } ?? ""
    return
      "celltop: unknown option '\(option.printable(at: 40))'.\(hint) Without a command celltop opens the console, which takes "
      + "\(options.joined(separator: ", ")); 'celltop --help' lists the commands, and each has options of its own."
  }

  /// For a format that `trace import` and `trace export` do not know: the parser would blame the option behind it.
  private static func unknownFormat(_ arguments: [String]) -> String? {
    guard arguments.count > 2, arguments[0] == "trace" else { return nil }
    let (verb, word) = (arguments[1], arguments[2])
    guard verb == "import" || verb == "export", !word.hasPrefix("-") else { return nil }
    let known = (verb == "import" ? TraceImport.configuration : TraceExport.configuration).subcommands.map {
      $0.configuration.commandName ?? "\($0)"
    }
    guard !known.contains(word) else { return nil }
    return
      "celltop: 'trace \(verb)' knows no format '\(word.printable(at: 40))'. It knows \(known.joined(separator: ", "))."
  }

  /// How many letters have to be put in, left out or exchanged to make one of the other (Levenshtein).
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.prefix(60)), Array(b.prefix(60)))
    var row = Array(0...b.count)
    for (i, one) in a.enumerated() {
      var before = row[0]
      row[0] = i + 1
      for (j, other) in b.enumerated() {
        let kept = one == other ? before : before + 1
        before = row[j + 1]
        row[j + 1] = min(kept, before + 1, row[j] + 1)
      }
    }
    return row[b.count]
  }
}
