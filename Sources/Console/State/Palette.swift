import Canvas
import Domain
import Projections
import Verbs

// The palette: the orders by name, and the console's own words.
extension ConsoleState {
  /// What a line of the palette may begin with.
  static let paletteWords: [GrammarWord] =
    Grammar.words + [
      GrammarWord("undo", summary: "take the last order back"),
      GrammarWord("redo", summary: "do again what was undone"),
      GrammarWord("edit", summary: "choose cores and GPUs on a grid"),
      GrammarWord("tag", summary: "tag or untag the row"),
      GrammarWord("explain", summary: "why it waits"),
      GrammarWord("copy", summary: "copy what is known of the row"),
      GrammarWord("theme", takes: "[NAME]", summary: "choose a theme", example: "theme nord"),
      GrammarWord("read-only", summary: "give no orders any more, or give them again"),
      GrammarWord("seek", others: ["go"], takes: "TIME", summary: "go to a time", example: "seek 45%"),
      GrammarWord("speed", takes: "N", summary: "a replay's speed", example: "speed 8"),
      GrammarWord("what-if", takes: "CHANGES", summary: "on other terms", example: "what-if policy=dynamic,gpus=4"),
      GrammarWord("mark", summary: "mark this moment"),
      GrammarWord("changes", summary: "what changed since the mark"),
      GrammarWord("sessions", summary: "the recorded sessions"),
      GrammarWord("open", takes: "SESSION", summary: "open a recorded session", example: "open 3"),
      GrammarWord("history", summary: "into the past of this session"),
      GrammarWord("live", summary: "back to the live session"),
      GrammarWord("dump", takes: "FILE", summary: "write the screen into a file", example: "dump screen.txt"),
      GrammarWord("figures", summary: "what drawing has cost"),
      GrammarWord("quit", others: ["q"], summary: "leave"),
    ]

  /// The longest history that is kept, in lines.
  public static let paletteHistoryMost = 500

  mutating func run(palette text: String) -> [Intent] {
    guard let typed = text.split(separator: " ").first.map(String.init) else { return [] }
    var intents: [Intent] = []
    if paletteHistory.last != text {
      paletteHistory.append(text)
      if paletteHistory.count > Self.paletteHistoryMost { paletteHistory.removeFirst() }
      intents.append(.remember(text))
    }
    do throws(ParseError) {
      let word = try Grammar.word(typed, among: Self.paletteWords)
      if Grammar.words.contains(word) { return intents + give(try Line(parsing: text)) }
      let argument = text.split(separator: " ", maxSplits: 1).dropFirst().first.map { $0.drop { $0 == " " } } ?? ""
      return intents + (try run(word, String(argument)))
    } catch {
      say(.warning, error.description)
      return intents
    }
  }

  private mutating func run(_ word: GrammarWord, _ argument: String) throws(ParseError) -> [Intent] {
    func needs(_ what: String) -> ParseError {
      ParseError(reading: "the command", text: word.name, because: "it needs \(what)", mend: word.example)
    }
    switch word.name {
    case "seek": return seek(argument)
    case "dump":
      if argument.isEmpty { throw needs("a file") }
      return [.dump(argument)]
    case "speed":
      guard let value = Double(argument), value > 0 else { throw needs("a number") }
      guard transport != nil else {
        say(.warning, "this session is live; only a replay has a speed")
        return []
      }
      return [.replay(.setSpeed(value))]
    case "what-if":
      if argument.isEmpty { throw needs("changes") }
      return askWhatIf(argument)
    case "open":
      guard let number = Int64(argument), number > 0 else { throw needs("a session's number") }
      return [.open(session: number)]
    case "theme": return argument.isEmpty ? perform(.themes) : [.keepTheme(argument)]
    case "read-only": return toggleReadOnly()
    case "figures": return [.tellFigures]
    default:
      let actions: [String: KeyAction] = [
        "undo": .undo, "redo": .redo, "edit": .editor, "tag": .tag, "explain": .explain, "copy": .copy, "mark": .mark,
        "changes": .changes, "sessions": .sessions, "history": .intoHistory, "live": .backToLive, "quit": .quit,
      ]
      return actions[word.name].map { perform($0) } ?? []
    }
  }

  /// A mode in which no orders are given; one that was asked for at the start stays.
  private mutating func toggleReadOnly() -> [Intent] {
    guard session.mode != .replay, !session.isReadOnlyForGood else {
      say(.warning, session.mode == .replay ? "a replay is read-only" : "this console was opened read-only")
      return []
    }
    session.isReadOnly.toggle()
    say(
      .good, session.isReadOnly ? "read-only: no orders are given until :read-only again" : "orders may be given again")
    return []
  }

  // MARK: Completion and history

  /// Completes the last word as far as all candidates agree.
  mutating func complete(_ prompt: Prompt) -> Prompt {
    guard prompt.purpose == .command else { return prompt }
    var prompt = prompt
    let completion = completion(of: prompt.text)
    let typed = prompt.text.dropFirst(completion.before.count)
    guard completion.common.count > typed.count || completion.candidates.count == 1 else { return prompt }
    prompt.text = completion.before + completion.common
    if completion.candidates.count == 1,
      Self.paletteWords.contains(where: { $0.name == completion.common && !$0.takes.isEmpty })
    {
      prompt.text += " "
    }
    return prompt
  }

  func completion(of text: String) -> Completion {
    Grammar.completion(of: text, on: shown, among: Self.paletteWords, policies: policies)
  }

  /// The line before or after the present one in what was typed earlier.
  mutating func recall(_ prompt: Prompt, by step: Int) -> Prompt {
    guard prompt.purpose == .command, !paletteHistory.isEmpty else { return prompt }
    var prompt = prompt
    let place = (prompt.recalled ?? paletteHistory.count) + step
    guard place >= 0 else { return prompt }
    prompt.recalled = place < paletteHistory.count ? place : nil
    prompt.text = place < paletteHistory.count ? paletteHistory[place] : ""
    return prompt
  }
}
