import Chance
import Domain
import Testing

@testable import Canvas

@Suite("Text in terminal cells")
struct TextTests {
  @Test(
    "counts the cells that a terminal uses",
    arguments: [
      ("", 0), ("abc", 3), ("日本", 4), ("한국어", 6), ("e\u{301}", 1), ("é", 1), ("😀", 2), ("ｱ", 1), ("Ａ", 2), ("•", 1),
      ("👍🏽", 4), ("\u{1100}\u{1161}\u{11A8}", 2), ("नि", 2), ("─", 1), ("█", 1),
    ])
  func width(text: String, cells: Int) {
    #expect(cellWidth(of: text) == cells)
  }

  @Test(
    "shows a visible replacement for what could deceive or steer the terminal",
    arguments: [
      ("a\u{1B}[31mb", "a�[31mb"), ("a\nb", "a�b"), ("a\tb", "a�b"), ("a\u{7F}b", "a�b"), ("a\u{9B}b", "a�b"),
      ("a\u{202E}b", "a�b"), ("a\u{2066}b", "a�b"), ("a\u{200B}b", "a�b"), ("👩\u{200D}💻", "👩�💻"), ("a\u{FE0F}b", "a�b"),
      ("a\u{E0041}b", "a�b"), ("a\u{E000}b", "a�b"), ("a\u{AD}b", "a�b"), ("a\u{2028}b", "a�b"), ("\u{301}a", "�a"),
    ])
  func hostile(text: String, shown: String) {
    #expect(truncated(text, toColumns: 40) == shown)
  }

  @Test("drops the emoji selector after an emoji, whose plain form has a known width")
  func emojiSelector() {
    #expect(truncated("❤\u{FE0F} model", toColumns: 40) == "❤ model")
    #expect(cellWidth(of: "❤\u{FE0F}") == 1)
  }

  @Test("keeps two marks on a letter and cuts a tower of them")
  func marks() {
    let tower = "a" + String(repeating: "\u{301}", count: 50) + "b"
    #expect(Array(truncated(tower, toColumns: 9).unicodeScalars) == ["a", "\u{301}", "\u{301}", "b"])
  }

  @Test(
    "cuts by cells and says so with an ellipsis",
    arguments: [
      ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("abcdef", 1, "…"), ("abcdef", 0, ""), ("日本語", 6, "日本語"),
      ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("日本語", 1, "…"), ("a日", 2, "a…"), ("", 3, ""),
    ])
  func truncation(text: String, columns: Int, shown: String) {
    #expect(truncated(text, toColumns: columns) == shown)
  }

  @Test("never exceeds the room, whatever the text", arguments: UInt64(1)...40)
  func fits(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<50 {
      let text = random.text(scalars: Int(random.next() % 20))
      let room = Int(random.next() % 12)
      for repertoire in Repertoire.allCases {
        let shown = truncated(text, toColumns: room, in: repertoire)
        #expect(cellWidth(of: shown) <= room, "seed \(seed): \(text.debugDescription)")
        #expect(!shown.unicodeScalars.contains(where: isHostile), "seed \(seed): \(text.debugDescription)")
      }
    }
  }

  @Test("shows question marks in ASCII, as many as the character has cells")
  func ascii() {
    #expect(truncated("naïve 日", toColumns: 20, in: .ascii) == "na?ve ??")
    #expect(truncated("abcdef", toColumns: 4, in: .ascii) == "abc~")
    #expect(truncated("● a·2 → 0–1 × 3 │ …", toColumns: 30, in: .ascii) == "* a.2 > 0-1 x 3 | ~")
  }

  @Test("has a glyph one cell wide in both repertoires for every picture")
  func glyphs() {
    for glyph in Glyph.allCases {
      #expect(GlyphSet.isMark(glyph.scalar(in: .utf8), in: .utf8), "\(glyph)")
      #expect(GlyphSet.isMark(glyph.scalar(in: .ascii), in: .ascii), "\(glyph)")
    }
  }

  @Test("breaks lines at spaces and keeps the text's own breaks")
  func wrapping() {
    #expect(wrapped("one two three\nfour", toColumns: 8) == ["one two", "three", "four"])
    #expect(wrapped("one", toColumns: 0).isEmpty)
  }
}

extension SplitMix {
  /// A text of scalars that layouts fear: controls, marks, wide ones, emoji, joiners, and plain letters.
  mutating func text(scalars count: Int) -> String {
    let ranges: [ClosedRange<UInt32>] = [
      0...0x20, 0x41...0x7E, 0x7F...0xA0, 0x300...0x36F, 0x1100...0x11FF, 0x200B...0x200F, 0x202A...0x202E,
      0x4E00...0x4E20, 0xFE00...0xFE0F, 0x1F600...0x1F64F, 0xE0100...0xE0110, 0x20000...0x20010,
    ]
    var text = String.UnicodeScalarView()
    for _ in 0..<count {
      let range = ranges[Int(next() % UInt64(ranges.count))]
      let value = range.lowerBound + UInt32(next() % UInt64(range.count))
      if let scalar = Unicode.Scalar(value) { text.append(scalar) }
    }
    return String(text)
  }
}
