import Domain

/// A line of orders, read: what is to be done, to whom, and why.
public struct Line: Hashable, Sendable {
  public var act: Act
  public var whom: Whom
  /// The author's reason; empty where none was given.
  public var why: String

  public init(_ act: Act, on whom: Whom = .shown, because why: String = "") {
    self.act = act
    self.whom = whom
    self.why = why
  }

  /// The notebooks that a line is about.
  public enum Whom: Hashable, Sendable {
    /// The tagged ones, or the one under the cursor where none is tagged.
    case shown
    case tagged
    /// Those that the filter leaves.
    case filtered
    case all
    /// Names, numbers, `user:NAME` and `state:STATE`, as they were written.
    case these([String])
  }

  /// The longest line that is read, in characters.
  public static let lengthMost = 1000

  /// Reads `VERB [ARGUMENTS] [on WHOM] [because WHY]`.
  ///
  /// - Throws: `ParseError` that says which part is wrong and how to write it.
  public init(parsing text: String) throws(ParseError) {
    guard text.count <= Self.lengthMost else {
      throw ParseError(reading: "the command", text: text, because: "it is too long", mend: "hold")
    }
    var words = try Grammar.split(text)
    guard let first = words.first else {
      throw ParseError(reading: "the command", text: text, because: "it is empty", mend: "hold")
    }
    why = ""
    if let place = words.dropFirst().firstIndex(where: { $0.isWord("because") }) {
      why = words[(place + 1)...].map(\.text).joined(separator: " ").printable(at: 200)
      guard !why.isEmpty else {
        throw ParseError(
          reading: "the command", text: text, because: "'because' tells no reason", mend: "hold because demo")
      }
      words.removeSubrange(place...)
    }
    whom = .shown
    if let place = words.dropFirst().firstIndex(where: { $0.isWord("on") }) {
      whom = try Self.whom(words[(place + 1)...])
      words.removeSubrange(place...)
    }
    let word = try Grammar.word(first.text)
    act = try Act(word, words.dropFirst().map(\.text))
    guard act.isAboutNotebooks || whom == .shown else {
      throw ParseError(
        reading: "the command", text: word.name, because: "it is about no notebook, and takes no 'on'",
        mend: word.example)
    }
  }

  private static func whom(_ words: ArraySlice<LineWord>) throws(ParseError) -> Whom {
    if words.count == 1, let word = words.first, word.isBare {
      if word.text == "tagged" { return .tagged }
      if word.text == "filtered" { return .filtered }
      if word.text == "all" { return .all }
    }
    // Words without a comma between them are one name with blanks.
    var names = [""]
    for word in words {
      for (number, part) in word.parts.enumerated() {
        if number > 0 {
          names.append(part)
        } else {
          names[names.count - 1] += (names[names.count - 1].isEmpty || part.isEmpty ? "" : " ") + part
        }
      }
    }
    names.removeAll(where: \.isEmpty)
    guard !names.isEmpty else {
      throw ParseError(
        reading: "the command", text: words.map(\.text).joined(separator: " "), because: "'on' names nobody",
        mend: "hold on churn,digits")
    }
    return .these(names)
  }

  /// As it is written; reading it again gives the same line.
  public var text: String {
    var text = act.text
    switch whom {
    case .shown: break
    case .tagged: text += " on tagged"
    case .filtered: text += " on filtered"
    case .all: text += " on all"
    case .these(let names):
      text += " on " + names.map(Grammar.quoted).joined(separator: ",")
    }
    return why.isEmpty ? text : text + " because " + why
  }
}

extension Act {
  /// Reads what follows a word.
  ///
  /// - Throws: `ParseError` that says what is missing or too much.
  init(_ word: GrammarWord, _ arguments: [String]) throws(ParseError) {
    func needs(_ what: String) -> ParseError {
      ParseError(reading: "the command", text: word.name, because: "it needs \(what)", mend: word.example)
    }
    let plain: [String: Act] = [
      "call-off": .callOff, "resume": .resume, "interrupt": .interrupt, "unpin": .unpin, "hold": .hold,
      "release": .release,
    ]
    if let act = plain[word.name] {
      guard arguments.isEmpty else {
        throw ParseError(
          reading: "the command", text: word.name,
          because: "nothing follows it but 'on' and 'because', and not '\(arguments[0].printable(at: 40))'",
          mend: "\(word.name) on churn because demo")
      }
      self = act
      return
    }
    switch word.name {
    case "suspend": self = try Self.suspension(arguments, word)
    case "priority":
      guard arguments.count == 1, let value = Int32(arguments[0]) else { throw needs("a number") }
      guard (-100...100).contains(value) else {
        throw ParseError(
          reading: "the priority", text: arguments[0], because: "it is not from -100 to 100", mend: word.example)
      }
      self = .priority(value)
    case "policy":
      guard arguments.count == 1 else { throw needs("a name") }
      self = .policy(arguments[0].printable(at: 200))
    case "demand": self = .demand(try Self.demand(arguments, word))
    default:
      var places = arguments
      let alone = word.name == "pin" && places.last == "alone"
      if alone { places.removeLast() }
      let (cores, gpus) = try Self.places(places, word)
      guard word.name == "pin" || !(cores.isEmpty && gpus.isEmpty) else { throw needs("cores or GPUs") }
      switch word.name {
      case "pin": self = .pin(cores, gpus, alone: alone)
      case "drain": self = .drain(cores, gpus)
      default: self = .undrain(cores, gpus)
      }
    }
  }

  private static func suspension(_ arguments: [String], _ word: GrammarWord) throws(ParseError) -> Act {
    switch arguments {
    case [], ["now"]: return .suspend
    case ["at-end"], ["at", "end"], ["at", "cell", "end"]: return .suspendAtEnd
    case let two where two.count == 2 && two[0] == "after":
      let grace = try Span(parsing: two[1])
      guard Verb.graces.contains(grace) else {
        throw ParseError(reading: "the grace", text: two[1], because: "it is not from 1 s to 24 h", mend: word.example)
      }
      return .suspendAfter(grace)
    default:
      throw ParseError(
        reading: "the command", text: (["suspend"] + arguments).joined(separator: " "),
        because: "after it comes nothing, 'now', 'after' with a time, or 'at-end'", mend: word.example)
    }
  }

  private static func demand(_ arguments: [String], _ word: GrammarWord) throws(ParseError) -> DemandComment? {
    if arguments == ["own"] { return nil }
    guard !arguments.isEmpty else {
      throw ParseError(reading: "the command", text: word.name, because: "it needs a demand", mend: word.example)
    }
    var demand = DemandComment()
    for argument in arguments { try demand.read(word: argument) }
    return demand
  }

  /// `0-3`, `cores 0-3`, `gpus 1`, or both.
  private static func places(
    _ arguments: [String], _ word: GrammarWord
  ) throws(ParseError) -> (CoreSet, GPUSet) {
    var (cores, gpus) = (CoreSet(), GPUSet())
    var rest = arguments[...]
    while let next = rest.popFirst() {
      switch next {
      case "cores", "core", "gpus", "gpu":
        guard let list = rest.popFirst() else {
          throw ParseError(
            reading: "the command", text: word.name, because: "'\(next)' needs a list", mend: word.example)
        }
        if next.hasPrefix("c") {
          cores.formUnion(try CoreSet(parsing: list))
        } else {
          gpus.formUnion(try GPUSet(parsing: list))
        }
      default: cores.formUnion(try CoreSet(parsing: next))
      }
    }
    return (cores, gpus)
  }
}
