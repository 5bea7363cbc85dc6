import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("What the keys do") struct KeyTests {
  /// A change that a person can see, or an intent.
  private static func isFelt(_ before: ConsoleState, _ after: ConsoleState, _ intents: [Intent]) -> Bool {
    !intents.isEmpty || before.layer != after.layer || before.flash != after.flash || before.focus != after.focus
      || before.isZoomed != after.isZoomed || before.selected != after.selected || before.sort != after.sort
      || before.isSortInverted != after.isSortInverted || before.filter != after.filter
      || before.window != after.window || (before.frozen == nil) != (after.frozen == nil)
      || before.timeline != after.timeline || before.details != after.details || before.arrangement != after.arrangement
  }

  @Test(
    "answers every bound key, live, read-only and replayed: nothing is ignored in silence",
    arguments: KeyAction.allCases)
  func nothingSilent(action: KeyAction) {
    for name in KeyMap.standard.keys(for: action) {
      for start in [RichSession.live(), RichSession.live(isReadOnly: true), RichSession.replay()] {
        var before = start
        before.select(RichSession.tune)
        before.filter = "e"
        var after = before
        let intents = after.press(name)
        #expect(Self.isFelt(before, after, intents), "\(name) in \(start.session.mode)")
      }
    }
  }

  @Test("binds every action to a key, and no key to two")
  func bindings() {
    let keys = KeyAction.allCases.flatMap { KeyMap.standard.keys(for: $0) }
    #expect(KeyAction.allCases.allSatisfy { !KeyMap.standard.keys(for: $0).isEmpty })
    #expect(keys.count == KeyMap.standard.count)
    #expect(Set(keys).count == keys.count)
  }

  @Test(
    "lists every bound key in the help, live and replayed, however small the screen",
    arguments: [
      Size(columns: 200, rows: 50), Size(columns: 80, rows: 24), Size(columns: 60, rows: 15),
      Size(columns: 40, rows: 12),
    ])
  func help(size: Size) {
    for start in [RichSession.live(), RichSession.replay()] {
      var state = start
      state.press("?")
      var text = ""
      for _ in 0..<12 {
        text += state.screen(size: size).text + "\n"
        state.press("space")
      }
      for action in KeyAction.allCases where action.isForReplay == nil || action.isForReplay == (start.transport != nil)
      {
        let keys = KeyMap.standard.keys(for: action).joined(separator: " ")
        #expect(text.contains(size.columns >= 60 ? keys + " " : String(keys.prefix(5))), "\(action)")
        if size.columns >= 60 { #expect(text.contains(action.words), "\(action)") }
      }
    }
  }

  @Test("closes help and explanations with any key, and gives no order with it")
  func layersCloseOnly() {
    for opening in ["?", "w"] {
      for key in ["x", "P", "h", "]", "q", "escape", "enter", "z"] {
        var state = RichSession.live()
        state.select(RichSession.churn)
        state.press(opening)
        #expect(state.press(key).isEmpty, "\(opening) \(key)")
        #expect(state.layer == nil)
      }
    }
  }

  @Test("moves the cursor, and stops at both ends")
  func movement() {
    var state = RichSession.live()
    let rows = state.rowOrder
    let script: [(String, Int)] = [
      ("j", 1), ("down", 2), ("k", 1), ("up", 0), ("k", 0), ("G", 7), ("j", 7), ("home", 0), ("pagedown", 7),
      ("pageup", 0), ("end", 7),
    ]
    for (key, place) in script {
      state.press(key)
      #expect(state.selected == rows[place], "after \(key)")
    }
    state.press("home")
    #expect(state.handle(.mouse(MouseEvent(.wheelDown, at: Point(column: 0, row: 0)))).isEmpty)
    #expect(state.selected == rows[3])
  }

  @Test("moves along the queue where the queue has the focus")
  func queueMovement() {
    var state = RichSession.live()
    state.press("tab")
    #expect(state.focus == .queue)
    var visited: [NotebookID?] = []
    for _ in 0..<5 {
      state.press("j")
      visited.append(state.selected)
    }
    #expect(visited == [RichSession.tune, RichSession.twin, RichSession.report, RichSession.embed, RichSession.embed])
  }

  @Test("goes round the panes, zooms one and comes back")
  func panes() {
    var state = RichSession.live()
    var seen: [Pane] = []
    for _ in Pane.allCases {
      state.press("tab")
      seen.append(state.focus)
    }
    #expect(seen == [.queue, .timeline, .node, .events, .graphs, .notebooks])
    let size = Size(columns: 200, rows: 50)
    state.press("e")
    #expect(state.isZoomed)
    #expect(state.layout(size).queue == nil)
    state.press("escape")
    #expect(!state.isZoomed)
    #expect(state.layout(size).queue != nil)
  }

  @Test("sorts by each key, both ways round, with the cursor on the same notebook")
  func sorting() {
    var state = RichSession.live()
    state.select(RichSession.svc)
    var titles: [String] = []
    for _ in 1..<TableColumn.allCases.count {
      state.press(">")
      titles.append(state.flash?.text ?? "")
      #expect(state.selected == RichSession.svc)
    }
    #expect(titles == TableColumn.allCases.dropFirst().map { "sorted by \($0.title)" })
    state.press(">")
    #expect(state.sort == .number)
    while state.sort != .cores { state.press("<") }
    #expect(state.rowOrder.prefix(2) == [RichSession.churn, RichSession.digits])
    state.press("I")
    #expect(state.rowOrder.suffix(2) == [RichSession.digits, RichSession.churn])
  }

  @Test("filters as it is typed; Enter keeps, Esc clears")
  func filter() {
    var state = RichSession.live()
    state.press("/")
    state.type("chu")
    #expect(state.rowOrder == [RichSession.churn, RichSession.twin])
    state.type("x")
    #expect(state.rowOrder.isEmpty)
    state.press("backspace", "enter")
    #expect(state.filter == "chu")
    #expect(state.layer == nil)
    state.press("F4", "escape")
    #expect(state.filter.isEmpty)
    state.press("/")
    state.type("CARLA")
    state.press("enter")
    #expect(state.rowOrder == [RichSession.tune, RichSession.report])
    state.press("escape")
    #expect(state.rowOrder.count == 8)
    state.press("/")
    state.type("suspended")
    #expect(state.rowOrder == [RichSession.embed])
  }

  @Test("edits prompts: backspace leaves an empty one, ctrl-u empties, ctrl-c cancels, a paste is no key")
  func prompts() {
    var state = RichSession.live()
    state.press(":")
    state.type("pin")
    state.press("ctrl-u")
    #expect(state.layer == .prompt(Prompt(purpose: .command)))
    state.press("backspace")
    #expect(state.layer == nil)
    state.press(":")
    state.type("quit")
    #expect(state.press("ctrl-c").isEmpty)
    #expect(state.layer == nil)
    state.press("/")
    #expect(state.handle(.paste("svc\u{1B}[2J\nq")).isEmpty)
    #expect(state.filter == "svc?[2J?q")
    #expect(state.handle(.paste(String(repeating: "x", count: 5000))).isEmpty)
    #expect(state.filter.count == Prompt.lengthMost)
    state.press("escape")
    #expect(state.handle(.paste("xxq")).isEmpty)
    #expect(state.layer == nil)
  }

  @Test("freezes what is shown while the session goes on")
  func freeze() {
    var state = RichSession.live()
    let size = Size(columns: 120, rows: 40)
    state.press("p")
    let picture = state.screen(size: size)
    #expect(picture.text.contains("FROZEN"))
    var later = RichSession.board
    later.apply(
      Entry(sequence: later.sequence + 1, at: Instant(seconds: 640), event: .notebookClosed(RichSession.churn)))
    state.show(later, at: Instant(seconds: 640))
    #expect(state.screen(size: size) == picture)
    state.press("p")
    #expect(!state.rowOrder.contains(RichSession.churn))
  }

  @Test("changes the timeline's length between the least and the most")
  func windows() {
    var state = RichSession.live()
    for _ in 0..<20 { state.press("=") }
    #expect(state.window == 0)
    for _ in 0..<20 { state.press("minus") }
    #expect(state.window == ConsoleState.windows.count - 1)
    #expect(state.screen(size: Size(columns: 120, rows: 40)).text.contains("TIMELINE -24h"))
  }

  @Test("asks before it ends an engine, and takes only y for yes")
  func quitting() {
    var state = RichSession.live()
    #expect(state.press("q") == [.quit])
    #expect(state.press("ctrl-c") == [.quit])
    state = RichSession.live(confirmsQuit: true)
    for key in ["n", "enter", "escape", "q", "space", "ctrl-c"] {
      #expect(state.press("q").isEmpty)
      #expect(state.layer == .confirmQuit)
      #expect(state.press(key).isEmpty, "\(key)")
      #expect(state.layer == nil)
    }
    #expect(state.press("q", "y") == [.quit])
  }

  @Test("asks the driver for what only it can do")
  func drivers() {
    var state = RichSession.live()
    #expect(state.press("m") == [.toggleMouse])
    #expect(state.press("ctrl-l") == [.redraw])
    #expect(state.command("dump a b.txt") == [.dump("a b.txt")])
  }

  @Test("goes to a time of day on the day that is nearest to what is shown, however many days there are")
  func days() {
    var state = RichSession.replay()
    let day = 86_400.0
    let table: [(shown: Double, end: Double, at: Double, days: Double)] = [
      (0, 3 * day, 3600, 0), (2.1 * day, 3 * day, 3600, 2), (1.5 * day, 1.5 * day, 3600, 1),
      (1.5 * day, 1.5 * day, 80_000, 0), (3 * day, 3 * day, 86_399, 2), (0.9 * day, 3 * day, 60, 1),
    ]
    for (shown, end, at, days) in table {
      state.transport?.end = Instant(seconds: end)
      state.show(state.board, at: Instant(seconds: shown))
      let text = state.session.timeOfDay(Instant(seconds: at))
      #expect(state.go(to: text) == [.replay(.seek(Instant(seconds: at + days * day)))], "\(text) at \(shown)")
    }
  }
}
