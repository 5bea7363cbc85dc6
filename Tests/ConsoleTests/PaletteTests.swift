import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("The palette and the prompts") struct PaletteTests {
  private static let names = ConsoleState.paletteWords.map(\.name).joined(separator: ", ")

  private static let errors: [(String, String)] = [
    ("fly", "cannot read the command 'fly': there is none of that name. Write it like \(names)"),
    ("priority", "cannot read the command 'priority': it needs a number. Write it like priority 5"),
    ("priority high", "cannot read the command 'priority': it needs a number. Write it like priority 5"),
    ("pin 0,x", "cannot read the core list '0,x': 'x' is neither a number nor a range. Write it like 0-3,8"),
    ("drain", "cannot read the command 'drain': it needs cores or GPUs. Write it like drain 0-3"),
    ("undrain 3-1", "cannot read the core list '3-1': '3-1' runs backwards. Write it like 0-3,8"),
    ("policy", "cannot read the command 'policy': it needs a name. Write it like policy dynamic"),
    ("dump", "cannot read the command 'dump': it needs a file. Write it like dump screen.txt"),
    ("speed", "cannot read the command 'speed': it needs a number. Write it like speed 8"),
    ("speed -1", "cannot read the command 'speed': it needs a number. Write it like speed 8"),
    ("speed 2", "this session is live; only a replay has a speed"),
    ("seek 10s", "this session is live; only a replay can go to another time"),
    ("resume", "digits is running: nothing to resume"), ("unpin", "digits is not pinned"),
    ("hold on tagged", "cannot read the command 'hold': no notebook is tagged. Write it like hold on churn"),
  ]

  @Test("says what is wrong with a command and how to mend it")
  func wrong() {
    for (command, text) in Self.errors {
      var state = RichSession.live()
      state.select(RichSession.digits)
      #expect(state.command(command).isEmpty, "\(command)")
      #expect(state.flash?.text == text, "\(command)")
      #expect(state.flash?.level == .warning)
    }
  }

  @Test("gives the orders of the keys by name")
  func right() {
    let id = RichSession.digits
    let cell = RichSession.board[id]?.cell?.cell.id ?? CellID(0)
    let table: [(String, [Verb])] = [
      ("suspend", [.suspend(id, cell: cell)]), ("hold", [.hold(id)]), ("hold on digits because demo", [.hold(id)]),
      ("suspend after 1m", [.suspendAfter(id, cell: cell, Span(seconds: 60))]),
      ("priority -5", [.setPriority(id, -5)]),
      ("pin 0-1,5", [.pin(id, Pin(node: NodeID(0), cores: CoreSet([0, 1, 5])))]), ("", []), ("   ", []),
    ]
    for (command, verbs) in table {
      var state = RichSession.live()
      state.select(id)
      #expect(state.command(command).verbs == verbs, "\(command)")
      #expect(state.flash == nil)
    }
  }

  @Test("pins again with the former pin as the way back")
  func pinAgain() {
    var state = RichSession.live()
    state.select(RichSession.svc)
    let former = RichSession.board[RichSession.svc]?.pin
    #expect(!state.command("pin 12").isEmpty)
    #expect(state.press("z").verbs == former.map { [.pin(RichSession.svc, $0)] })
  }

  @Test("offers the commands that begin with what is typed")
  func hints() {
    var state = RichSession.live()
    state.press(":")
    state.type("p")
    let line = state.screen(size: Size(columns: 120, rows: 40)).text.split(
      separator: "\n", omittingEmptySubsequences: false)[38]
    #expect(line.hasPrefix(":p  priority N · pin [[cores] LIST] [gpus LIST] [alone] · policy NAME"))
  }

  /// Begins at 14:00:00, and is 20:10 long.
  private static let seeks: [(String, Intent)] = [
    ("45%", .replay(.seekShare(0.45))), ("0 %", .replay(.seekShare(0))), ("100%", .replay(.seekShare(1))),
    ("2:30", .replay(.seek(Instant(seconds: 150)))), ("150s", .replay(.seek(Instant(seconds: 150)))),
    ("1.5s", .replay(.seek(Instant(seconds: 1.5)))), ("14:00:00", .replay(.seek(.zero))),
    ("14:20:10", .replay(.seek(Instant(seconds: 1210)))), ("20:10", .replay(.seek(Instant(seconds: 1210)))),
  ]

  @Test("goes to a share, an offset or a time of day")
  func seek() {
    for (text, intent) in Self.seeks {
      var state = RichSession.replay()
      state.press("g")
      state.type(text)
      #expect(state.press("enter") == [intent], "\(text)")
      #expect(state.flash == nil)
      #expect(state.command("seek \(text)") == [intent])
    }
  }

  @Test(
    "says what is wrong with a time",
    arguments: [
      "half past", "101%", "-1%", "nan%", "2:60", "14:61:00", "24:00:00", "1:2:3:4", ":", "-5s", "1e99s",
      "99999999999999999999",
    ])
  func unreadable(text: String) {
    var state = RichSession.replay()
    #expect(state.go(to: text).isEmpty)
    let why = text.hasSuffix("%") ? "a share is from 0% to 100%" : "it is neither a time nor a share"
    #expect(
      state.flash?.text
        == "cannot read the time '\(text)': \(why). Write it like 13:41:07, 2:30, 150s, 45%, action, error, /name, user:ana or wait>60"
    )
  }

  @Test(
    "says where the session lies when a time is outside of it", arguments: ["13:59:59", "14:20:11", "20:11", "9999s"])
  func outside(text: String) {
    var state = RichSession.replay()
    #expect(state.go(to: text).isEmpty)
    #expect(
      state.flash?.text == "'\(text)' is not within the session: it goes from 14:00:00 to 14:20:10, 20:10 in all")
  }

  @Test("moves a replay by its keys")
  func transport() {
    let now = RichSession.now
    let table: [(String, ReplayOrder)] = [
      ("space", .togglePlaying), (",", .step(-1)), (".", .step(1)), ("{", .changeSpeed(-1)), ("}", .changeSpeed(1)),
      ("left", .seek(now - Span(seconds: 5))), ("right", .seek(now + Span(seconds: 5))),
      ("shift-left", .seek(now - Span(seconds: 121))), ("shift-right", .seek(now + Span(seconds: 121))),
      ("]", .seekMarker(1)), ("F7", .seekMarker(1)), ("[", .seekMarker(-1)), ("F8", .seekMarker(-1)),
    ]
    for (key, order) in table {
      var replay = RichSession.replay()
      #expect(replay.press(key) == [.replay(order)], "\(key)")
      guard !["]", "[", "F7", "F8", "space"].contains(key) else { continue }
      var live = RichSession.live()
      #expect(live.press(key).isEmpty)
      #expect(live.flash?.text.hasPrefix("this session is live; '") == true, "\(key)")
    }
  }

  @Test("sets a replay's speed by number, and leaves an empty prompt without a word")
  func speedAndEmpty() {
    var state = RichSession.replay()
    #expect(state.command("speed 8") == [.replay(.setSpeed(8))])
    #expect(state.press("g", "enter").isEmpty)
    #expect(state.flash == nil)
  }
}
