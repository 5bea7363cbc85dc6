import Domain

/// A word of a line: what stands between blanks, or in double quotes.
struct LineWord: Hashable {
  /// What stands between the commas that are not in quotes; one part where there is none.
  var parts: [String]
  /// No part of it stood in quotes, so that it may be a word of the grammar.
  var isBare: Bool

  var text: String { parts.joined(separator: ",") }

  /// Whether it is this word of the grammar.
  func isWord(_ word: String) -> Bool { isBare && text == word }
}

extension Grammar {
  /// Words that mean themselves only in quotes.
  private static let reserved: Set<String> = ["on", "because", "tagged", "filtered", "all"]

  /// A line's words: separated by blanks, those in double quotes kept together. In quotes `\"` is a quote and `\\` a backslash.
  ///
  /// - Throws: `ParseError` where a quote is not closed.
  static func split(_ text: String) throws(ParseError) -> [LineWord] {
    var words: [LineWord] = []
    var word: LineWord?
    var isQuoted = false
    var characters = text.makeIterator()
    var waiting: Character?
    func add(_ character: Character) { word = (word ?? LineWord(parts: [""], isBare: true)).adding(character) }
    while let character = waiting ?? characters.next() {
      waiting = nil
      if isQuoted, character == "\\" {
        let next = characters.next()
        if let next, next == "\"" || next == "\\" {
          add(next)
        } else {
          add(character)
          waiting = next
        }
      } else if character == "\"" {
        isQuoted.toggle()
        word = word ?? LineWord(parts: [""], isBare: false)
        word?.isBare = false
      } else if isQuoted {
        add(character)
      } else if character == " " || character == "\t" {
        if let word { words.append(word) }
        word = nil
      } else if character == "," {
        word = word ?? LineWord(parts: [""], isBare: true)
        word?.parts.append("")
      } else {
        add(character)
      }
    }
    guard !isQuoted else {
      throw ParseError(reading: "the line", text: text, because: "a quote is not closed", mend: "hold on \"my book\"")
    }
    if let word { words.append(word) }
    return words
  }

  /// A name as it stands in a line: in quotes where it would be read as something else without them.
  public static func quoted(_ name: String) -> String {
    let isPlain =
      !name.isEmpty && !reserved.contains(name)
      && !name.contains { $0 == " " || $0 == "\t" || $0 == "\"" || $0 == "," }
    guard !isPlain else { return name }
    return "\"" + name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  /// Where the word begins that is being typed: after the last blank or comma that stands in no quotes.
  static func wordBegin(in text: String) -> String.Index {
    var begin = text.startIndex
    var isQuoted = false
    var isEscaped = false
    for place in text.indices {
      let character = text[place]
      if isEscaped {
        isEscaped = false
      } else if character == "\\", isQuoted {
        isEscaped = true
      } else if character == "\"" {
        isQuoted.toggle()
      } else if !isQuoted, character == " " || character == "," {
        begin = text.index(after: place)
      }
    }
    return begin
  }
}

extension LineWord {
  fileprivate func adding(_ character: Character) -> LineWord {
    var word = self
    word.parts[word.parts.count - 1].append(character)
    return word
  }
}
