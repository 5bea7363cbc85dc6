import Testing

@testable import Domain

@Suite("Text from outside, as it is shown and as it is kept")
struct HostileTextTests {
  @Test(
    "shows nothing that moves a cursor, turns a line around or hides",
    arguments: [
      ("a\u{1B}[2Jb", "a?[2Jb"), ("a\nb\tc", "a?b?c"), ("a\u{7F}\u{9B}b", "a??b"), ("a\u{202E}b", "a?b"),
      ("a\u{2066}b", "a?b"),
      ("a\u{200B}b\u{FEFF}", "a?b?"), ("a\u{2028}b", "a?b"), ("a\u{E0041}b", "a?b"), ("❤\u{FE0F} a", "❤ a"),
      ("a\u{FE0F}", "a?"), ("naïve 日本 é 😀", "naïve 日本 é 😀"),
    ])
  func shown(text: String, expected: String) {
    #expect(text.printable(at: 80) == expected)
    #expect(!text.printable(at: 80).unicodeScalars.contains(where: isHostile))
  }

  @Test("is no longer than it may be")
  func length() {
    #expect("abcdef".printable(at: 4) == "abc…")
    #expect(String(repeating: "\u{202E}", count: 10_000).printable(at: 10).count == 10)
    #expect("abcdef".kept(at: 6) == "abcdef")
  }

  @Test("is kept as it is but for its controls: a path whose script needs joiners is still that path")
  func kept() {
    #expect("/home/ana/می\u{200C}خواهم.ipynb".kept(at: 80) == "/home/ana/می\u{200C}خواهم.ipynb")
    #expect("a\u{1B}\nb\u{9B}".kept(at: 80) == "a??b?")
  }

  @Test("does not get into an error message by way of its reason or its example")
  func errors() {
    let error = ParseError(reading: "the notebook", text: "a", because: "it could be b\u{202E}c", mend: "x\u{1B}[m")
    #expect(!error.description.unicodeScalars.contains(where: isHostile))
  }
}
