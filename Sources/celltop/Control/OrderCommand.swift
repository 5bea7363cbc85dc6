import ArgumentParser
import Domain
import Foundation
import Projections
import ServerLink
import Verbs

/// `celltop ctl VERB …`: gives one order, to one notebook or several.
struct OrderCommand<Word: OrderWord>: ParsableCommand {
  static var configuration: CommandConfiguration {
    let word = Word.word
    return CommandConfiguration(
      commandName: word.name, abstract: word.summary.prefix(1).uppercased() + word.summary.dropFirst() + ".",
      usage:
        "celltop ctl \(word.usage)\(word.isAboutNotebooks ? " on NOTEBOOK[,…]" : "") [because WHY] [--json] [--dry-run] [--key KEY]",
      aliases: word.others)
  }

  @Argument(
    parsing: .allUnrecognized, help: "What follows the word, as on the console's command line.",
    completion: .custom { words, index, _ in OrderLine.completion(of: words, at: index) })
  var rest: [String] = []

  @Option(help: "Why: it is kept in the history, and shown beside the order.")
  var why: String?

  @Flag(help: "Say what would be ordered, and order nothing.")
  var dryRun = false

  @Option(
    help: """
      Names the order, from 1 to \(Order.keyMost): given again it is not done again, and gets the first answer. Where one \
      line orders several things, they are numbered from it on.
      """)
  var key: UInt64?

  @OptionGroup var control: ControlOptions

  func validate() throws {
    if let key, !(1...Order.keyMost).contains(key) {
      throw ValidationError("--key is a number from 1 to \(Order.keyMost)")
    }
    _ = try line()
  }

  func run() throws {
    try control.reporting {
      var report = OrderReport(isDryRun: dryRun)
      let line = try self.line()
      let (connection, fold) = try control.board()
      let orders = try line.orders(on: fold.board)
      for refused in orders.refused {
        report.add(fold.board.name(of: refused.notebook), line.act.word, refused.refusal)
      }
      let first = key ?? ServerConnection.newKey()
      for (number, verb) in orders.verbs.enumerated() {
        let sentence = fold.board.sentence(verb)
        if dryRun {
          report.add(sentence, verb)
          continue
        }
        let key = (first - 1 &+ UInt64(number)) % Order.keyMost + 1
        do throws(AttachError) {
          let answer = try connection.command(
            Order(key: key, verb: verb, why: line.why, instance: connection.welcome.instance))
          report.add(sentence, verb, answer)
        } catch {
          throw ToolError(
            "\(error). Whether '\(sentence)' was obeyed is not known; say it again with --key \(key), which does it once"
          )
        }
      }
      if control.json { try control.print(report) } else { print(report.text) }
      if !report.isDone { throw ExitCode(1) }
    }
  }

  /// The order as the grammar reads it.
  private func line() throws -> Line {
    do throws(ParseError) {
      var line = try OrderLine.read([Word.name] + rest)
      if let why { line.why = why.printable(at: 200) }
      return line
    } catch { throw ValidationError("\(error)") }
  }
}

/// Words of a shell's command line as one line of the grammar.
enum OrderLine {
  /// - Throws: `ParseError`, also where it does not say whom it means: ctl has no cursor.
  static func read(_ words: [String]) throws(ParseError) -> Line {
    var line = try Line(parsing: words.map(quoted).joined(separator: " "))
    guard line.act.isAboutNotebooks else { return line }
    switch line.whom {
    case .all: break
    case .these(let names): line.whom = .these(names.map(absolute))
    case .shown, .tagged, .filtered:
      throw ParseError(
        reading: "the command", text: line.text, because: "it does not say which notebook",
        mend: "\(line.act.text) on churn")
    }
    return line
  }

  /// An order as a shell takes it. Authors choose the names of their notebooks: what a shell or `ctl` would not read as one plain
  /// word is told by its number.
  static func forShell(_ verb: Verb, on board: Board) -> String {
    let line = verb.line(on: board)
    guard let id = verb.notebook else { return "celltop ctl \(line.text)" }
    let name = board.word(naming: id)
    func isPlain(_ letter: Unicode.Scalar) -> Bool {
      letter.isASCII && (letter.properties.isAlphabetic || letter.properties.numericType != nil)
    }
    let isWord =
      name.unicodeScalars.first.map(isPlain) ?? false
      && name.unicodeScalars.allSatisfy { isPlain($0) || "._-".unicodeScalars.contains($0) }
      && Grammar.quoted(name) == name
    return "celltop ctl \(line.act.text) on \(isWord ? name : "'#\(id.number)'")"
  }

  /// The arguments of `celltop ctl` with its first word spelled out, where that is a beginning which fits one alone, as on the
  /// console's command line. What fits several or none is left for the parser to refuse.
  static func spelledOut(_ arguments: [String]) -> [String] {
    guard arguments.count > 1, arguments[0] == "ctl", let first = arguments[1].first, first.isLetter else {
      return arguments
    }
    // What ends the server is written out.
    let looks = ControlCommand.looks.filter { $0 != "shutdown" }.map { GrammarWord($0, summary: "") }
    guard let word = try? Grammar.word(arguments[1], among: looks + Grammar.words) else { return arguments }
    return ["ctl", word.name] + arguments.dropFirst(2)
  }

  /// A shell has taken the quotes off; the grammar wants them where there are blanks or quotes. Commas separate names here too:
  /// one that has a comma is named by its number.
  private static func quoted(_ word: String) -> String {
    guard word.isEmpty || word.contains(where: { $0 == " " || $0 == "\t" || $0 == "\"" }) else { return word }
    return word.split(separator: ",", omittingEmptySubsequences: false).map { Grammar.quoted(String($0)) }
      .joined(separator: ",")
  }

  /// `./a.ipynb` as the server knows it.
  private static func absolute(_ name: String) -> String {
    guard name.hasPrefix("./") || name.hasPrefix("../") || (name.hasSuffix(".ipynb") && name.contains("/")) else {
      return name
    }
    return URL(fileURLWithPath: name).standardizedFileURL.path
  }

  /// What the word at the cursor could be, asked of the server; nothing where none answers at once.
  static func completion(of words: [String], at index: Int) -> [String] {
    guard let place = words.firstIndex(of: "ctl"), place + 1 < words.count, index <= words.count else { return [] }
    let typed = index < words.count ? words[index] : ""
    let before = words[(place + 1)..<max(place + 1, min(index, words.count))].filter { !$0.hasPrefix("--") }
    var options = ControlOptions()
    options.socket = nil
    let board = (try? options.board(secondsMost: 1))?.fold.board ?? Board()
    let text = before.joined(separator: " ") + " " + typed
    let found = Grammar.completion(of: text, on: board, policies: LiveRun.policies)
    // A list is one word of the shell: what stands before its last comma stays.
    let head = typed.lastIndex(of: ",").map { String(typed[...$0]) } ?? ""
    // bash puts on the line what it is given; zsh and fish quote it themselves.
    let quotes = !["zsh", "fish"].contains(ProcessInfo.processInfo.environment["SAP_SHELL"] ?? "")
    // Tags and a filter are a console's.
    return found.candidates.filter { $0 != "tagged" && $0 != "filtered" }.map { offered in
      let name = (try? Line(parsing: "hold on \(offered)")).flatMap {
        if case .these(let names) = $0.whom { names.first } else { nil }
      }
      return head + (quotes ? offered : name ?? offered).trimmingCharacters(in: .whitespaces)
    }
  }
}

/// What became of an order's parts.
struct OrderReport: Encodable {
  struct Part: Encodable {
    var order: String
    var sentence: String
    /// Nil in a dry run.
    var accepted: Bool?
    var key: UInt64?
    var sequence: Int64?
    var cause: String?
    var text: String?
  }

  var isDryRun: Bool
  private(set) var orders: [Part] = []

  init(isDryRun: Bool) { self.isDryRun = isDryRun }

  var isDone: Bool { !orders.contains { $0.accepted == false } }

  mutating func add(_ name: String, _ word: String, _ refusal: Refusal) {
    orders.append(
      Part(
        order: word, sentence: "\(word) \(name)", accepted: false, cause: "\(refusal.cause)", text: refusal.text))
  }

  mutating func add(_ sentence: String, _ verb: Verb, _ answer: Answered? = nil) {
    orders.append(
      Part(
        order: verb.word, sentence: sentence, accepted: answer?.accepted, key: answer?.key, sequence: answer?.sequence,
        cause: answer?.cause, text: answer?.text))
  }

  var text: String {
    orders.map { part in
      switch part.accepted {
      case true?: "\(part.sentence): done"
      case false?: "\(part.sentence): refused: \(part.text ?? "no reason was given")"
      case nil: "\(part.sentence): would be ordered"
      }
    }.map { $0.printable(at: 1000) }.joined(separator: "\n")
  }
}
