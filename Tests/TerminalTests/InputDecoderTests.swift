import Chance
import Canvas
import Testing

@testable import Terminal

@Suite("The input decoder")
struct InputDecoderTests {
  /// What bytes give that arrive at once, with all waiting afterwards.
  private func decoded(_ bytes: some Sequence<UInt8>) -> [KeyEvent] {
    var decoder = InputDecoder()
    let events = decoder.feed(bytes, at: .zero)
    return events + decoder.expire(at: .seconds(1))
  }

  /// The same, one byte at a time.
  private func decodedBytewise(_ bytes: some Sequence<UInt8>) -> [KeyEvent] {
    var decoder = InputDecoder()
    let events = bytes.enumerated().flatMap { decoder.feed([$1], at: .milliseconds($0)) }
    return events + decoder.expire(at: .seconds(10))
  }

  @Test(
    "reads keys, at once or in pieces",
    arguments: [
      ("q", ["q"]), ("G", ["G"]), ("ä日😀", ["ä", "日", "😀"]), (" ", ["space"]), ("\r", ["enter"]), ("\n", ["enter"]),
      ("\t", ["tab"]), ("\u{7F}", ["backspace"]), ("\u{08}", ["backspace"]), ("\u{12}", ["ctrl-r"]),
      ("\u{00}", ["ctrl-space"]), ("\u{1D}", ["ctrl-]"]), ("\u{1B}", ["escape"]),
      ("\u{1B}\u{1B}", ["escape", "escape"]),
      ("\u{1B}x", ["alt-x"]), ("\u{1B}ä", ["alt-ä"]), ("\u{1B}[", ["alt-["]), ("\u{1B}O", ["alt-O"]),
      ("\u{1B}\r", ["alt-enter"]), ("\u{1B}[A", ["up"]), ("\u{1B}OB", ["down"]), ("\u{1B}[1;2D", ["shift-left"]),
      ("\u{1B}[1;2C", ["shift-right"]), ("\u{1B}[1;5A", ["ctrl-up"]), ("\u{1B}[1;9B", ["alt-down"]),
      ("\u{1B}[a", ["shift-up"]), ("\u{1B}Oa", ["ctrl-up"]), ("\u{1B}[Z", ["shift-tab"]), ("\u{1B}[H", ["home"]),
      ("\u{1B}OF", ["end"]), ("\u{1B}[1~", ["home"]), ("\u{1B}[8~", ["end"]), ("\u{1B}[2~", ["insert"]),
      ("\u{1B}[3~", ["delete"]), ("\u{1B}[5~", ["pageup"]), ("\u{1B}[6;5~", ["ctrl-pagedown"]), ("\u{1B}OM", ["enter"]),
      ("\u{1B}Oj", ["*"]), ("\u{1B}[13;5u", ["ctrl-enter"]), ("\u{1B}[27;5;9~", ["ctrl-tab"]),
      ("\u{1B}[106;5u", ["ctrl-j"]),
    ])
  func keys(text: String, names: [String]) throws {
    let expected = try names.map { KeyEvent.key(try #require(KeyPress(named: $0), "\($0)")) }
    #expect(decoded(text.utf8) == expected)
    #expect(decodedBytewise(text.utf8) == expected)
  }

  @Test("reads the function keys of xterm, rxvt and the Linux console, with modifiers")
  func functionKeys() {
    let xterm = ["OP", "OQ", "OR", "OS", "[15~", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~"]
    let others = ["[[A", "[[B", "[[C", "[[D", "[[E"]
    let rxvt = ["[11~", "[12~", "[13~", "[14~"]
    for (index, keys) in (xterm + others + rxvt).enumerated() {
      let number = index < 12 ? index + 1 : index < 17 ? index - 11 : index - 16
      #expect(decoded(("\u{1B}" + keys).utf8) == [.key(KeyPress(.function(number)))], "\(keys)")
    }
    #expect(decoded("\u{1B}[1;2P".utf8) == [.key(KeyPress(.function(1), .shift))])
    #expect(decoded("\u{1B}[24;6~".utf8) == [.key(KeyPress(.function(12), [.shift, .control]))])
  }

  @Test(
    "reads the mouse",
    arguments: [
      ("\u{1B}[<0;1;1M", MouseEvent(.press(.left), at: Point(column: 0, row: 0))),
      ("\u{1B}[<2;240;50M", MouseEvent(.press(.right), at: Point(column: 239, row: 49))),
      ("\u{1B}[<0;5;6m", MouseEvent(.release, at: Point(column: 4, row: 5))),
      ("\u{1B}[<32;5;6M", MouseEvent(.drag(.left), at: Point(column: 4, row: 5))),
      ("\u{1B}[<64;5;6M", MouseEvent(.wheelUp, at: Point(column: 4, row: 5))),
      ("\u{1B}[<65;5;6M", MouseEvent(.wheelDown, at: Point(column: 4, row: 5))),
      ("\u{1B}[<20;5;6M", MouseEvent(.press(.left), at: Point(column: 4, row: 5), modifiers: [.shift, .control])),
      ("\u{1B}[M !!", MouseEvent(.press(.left), at: Point(column: 0, row: 0))),
    ])
  func mouse(text: String, event: MouseEvent) {
    #expect(decoded(text.utf8) == [.mouse(event)])
    #expect(decodedBytewise(text.utf8) == [.mouse(event)])
  }

  @Test("keeps a paste apart from keys, and reads on after it")
  func paste() {
    let text = "\u{1B}[200~x q\u{1B}[A\nä\u{1B}[201~j"
    let expected: [KeyEvent] = [.paste("x q\u{1B}[A\nä"), .key(KeyPress(.character("j")))]
    #expect(decoded(text.utf8) == expected)
    #expect(decodedBytewise(text.utf8) == expected)
  }

  @Test("cuts a paste without measure, and ends one that never ends")
  func longPaste() {
    let long = "\u{1B}[200~" + String(repeating: "a", count: 100_000) + "\u{1B}[201~j"
    #expect(
      decoded(long.utf8) == [
        .paste(String(repeating: "a", count: InputDecoder.pasteBytesMax)), .key(KeyPress(.character("j"))),
      ])
    var decoder = InputDecoder()
    #expect(decoder.feed("\u{1B}[200~abc".utf8, at: .zero) == [])
    #expect(decoder.deadline == InputDecoder.silenceTimeout)
    #expect(decoder.expire(at: .milliseconds(499)) == [])
    #expect(decoder.expire(at: .milliseconds(500)) == [.paste("abc")])
    #expect(decoder.feed("j".utf8, at: .seconds(1)) == [.key(KeyPress(.character("j")))])
  }

  @Test("takes an escape for the key after 25 ms, and not before")
  func escapeTimeout() {
    var decoder = InputDecoder()
    #expect(decoder.feed([0x1B], at: .seconds(1)) == [])
    #expect(decoder.deadline == .milliseconds(1025))
    #expect(decoder.expire(at: .milliseconds(1024)) == [])
    #expect(decoder.expire(at: .milliseconds(1025)) == [.key(KeyPress(.escape))])
    #expect(decoder.deadline == nil)
    #expect(decoder.feed([0x1B], at: .seconds(2)) == [])
    #expect(decoder.feed("[A".utf8, at: .milliseconds(2010)) == [.key(KeyPress(.up))])
  }

  @Test("drops a broken sequence whole, so that its rest is no command")
  func brokenSequences() {
    var decoder = InputDecoder()
    #expect(decoder.feed("\u{1B}[1;".utf8, at: .zero) == [])
    #expect(decoder.feed("x".utf8, at: .seconds(2)) == [.key(KeyPress(.character("x")))])
    let answers = "\u{1B}[?2026;2$y\u{1B}[?62;22c\u{1B}[0n\u{1B}[I\u{1B}[O\u{1B}[999~j"
    #expect(decoded(answers.utf8) == [.key(KeyPress(.character("j")))])
  }

  @Test("shows a replacement for bytes that are not UTF-8")
  func invalid() {
    let replaced = KeyEvent.key(KeyPress(.character("\u{FFFD}")))
    #expect(decoded([0xFF, 0x61]) == [replaced, .key(KeyPress(.character("a")))])
    #expect(decoded([0xE6, 0x97, 0x61]) == [replaced, .key(KeyPress(.character("a")))])
    #expect(decoded([0xE6, 0x97]) == [replaced])
    #expect(decoded([0xED, 0xA0, 0x80]).last == replaced)
    #expect(decoded([0xC0, 0x80]) == [replaced, replaced])
  }

  @Test("understands the next key after any rubbish, however divided", arguments: UInt64(1)...200)
  func fuzz(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let alphabet: [UInt8] = [
      0x1B, 0x5B, 0x4F, 0x3C, 0x3B, 0x4D, 0x6D, 0x7E, 0x32, 0x30, 0x31, 0x24, 0x9B, 0xE6, 0x97, 0xF0,
    ]
    var decoder = InputDecoder()
    var time = Duration.zero
    for _ in 0..<300 {
      let count = Int(random.next() % 12)
      let bytes = (0..<count).map { _ in
        random.next() % 2 == 0 ? alphabet[Int(random.next() % 16)] : UInt8(truncatingIfNeeded: random.next())
      }
      _ = decoder.feed(bytes, at: time)
      time += .milliseconds(Int(random.next() % 60))
      _ = decoder.expire(at: time)
    }
    // After silence, nothing waits and a key is a key.
    time += .seconds(1)
    _ = decoder.expire(at: time)
    #expect(decoder.deadline == nil, "seed \(seed)")
    #expect(decoder.feed("q".utf8, at: time) == [.key(KeyPress(.character("q")))], "seed \(seed)")
  }

  @Test("gives the same events for the same bytes in any division", arguments: UInt64(1)...100)
  func divisions(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let pieces = [
      "q", "\u{1B}[A", "\u{1B}[1;2D", "ä", "\u{1B}[<0;10;10M", "\u{1B}OP", "\u{1B}x", "\u{1B}[200~p\u{1B}[201~",
      "\u{1B}[?1c",
    ]
    let text = (0..<30).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined()
    var decoder = InputDecoder()
    var events: [KeyEvent] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = min(rest.count, 1 + Int(random.next() % 7))
      events += decoder.feed(rest.prefix(count), at: .zero)
      rest = rest.dropFirst(count)
    }
    #expect(events == decoded(text.utf8), "seed \(seed)")
  }
}
