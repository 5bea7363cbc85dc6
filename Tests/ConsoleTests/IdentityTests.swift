import Canvas
import Domain
import Projections
import Testing
import Verbs

@testable import Console

@Suite("Orders reach whom they were meant for") struct IdentityTests {
  private static func closing(_ id: NotebookID, in state: inout ConsoleState) {
    var board = state.board
    board.apply(Entry(sequence: board.sequence + 1, at: state.now, event: .notebookClosed(id)))
    state.show(board, at: state.now)
  }

  @Test(
    "where the selected notebook goes the cursor is on its neighbour, and a key that was on its way is not obeyed there",
    arguments: ["h", "]", "P", "x", "i", "a", "d", "space", "X"])
  func gone(_ key: String) throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let place = try #require(state.rowOrder.firstIndex(of: RichSession.digits))
    state.show(state.board, at: state.now)
    Self.closing(RichSession.digits, in: &state)
    let neighbour = state.rowOrder[place]
    #expect(state.selected == neighbour)
    // The next board changes nothing about it.
    state.show(state.board, at: state.now)
    #expect(state.press(key).isEmpty && state.layer == nil && state.tagged.isEmpty)
    let name = state.board.name(of: neighbour)
    #expect(
      state.flash?.text
        == "digits has left the table, and nothing was done; the cursor is on \(name) now: once more, if that is meant")
    #expect(state.selected == neighbour)
    // Who presses again means it.
    state.flash = nil
    state.press(key)
    #expect(state.flash?.text.contains("has left the table") != true)
  }

  @Test("two seconds later, or after a step, a key means the row that is under the cursor")
  func seen() throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    Self.closing(RichSession.digits, in: &state)
    state.clock = state.clock + Span(seconds: 2.1)
    let neighbour = try #require(state.selected)
    #expect(state.press("h").verbs == [.hold(neighbour)])
  }

  @Test("a step that was on its way is counted from the row that is gone")
  func steps() throws {
    for (last, key) in [(false, "j"), (false, "k"), (true, "j"), (true, "k")] {
      var state = RichSession.live()
      let rows = state.rowOrder
      let place = last ? rows.count - 1 : 2
      state.select(rows[place])
      Self.closing(rows[place], in: &state)
      state.press(key)
      let wanted = key == "j" ? min(place + 1, rows.count - (last ? 2 : 1)) : place - 1
      #expect(state.selected == rows[wanted], "\(key) from \(place) of \(rows.count)")
      let verb = state.press("P").verbs.first
      #expect(verb == nil || verb?.notebook == rows[wanted])
      #expect(state.flash?.text.contains("has left the table") != true)
    }
  }

  @Test("a line of the palette that names nobody is not obeyed on a neighbour, however long it was typed")
  func typed() throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press(":")
    state.type("hold")
    Self.closing(RichSession.digits, in: &state)
    state.clock = state.clock + Span(seconds: 60)
    state.show(state.board, at: state.now)
    #expect(state.press("enter").verbs.isEmpty)
    #expect(state.flash?.text.contains("digits has left the table, and nothing was done") == true)
    let neighbour = try #require(state.selected)
    #expect(state.command("hold").verbs == [.hold(neighbour)])
  }

  @Test("details of a notebook that goes are closed, and it is said who is under the cursor now")
  func goneDetails() throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press("enter")
    Self.closing(RichSession.digits, in: &state)
    let neighbour = try #require(state.selected)
    #expect(state.details == nil)
    #expect(
      state.flash?.text
        == "digits has left the table; the cursor is on \(state.board.name(of: neighbour)) now")
    #expect(state.press("h").verbs.isEmpty && state.press("h").verbs == [.hold(neighbour)])
  }

  @Test("the same where its state leaves the filter; nobody is under the cursor where nobody is left")
  func filtered() throws {
    var state = RichSession.live()
    state.press("/")
    state.type("run")
    state.press("enter")
    while let first = state.selected, let cell = state.board[first]?.cell?.cell.id {
      var board = state.board
      board.apply(
        Entry(sequence: board.sequence + 1, at: state.now, event: .cellEnded(cell, first, .ok)))
      state.show(board, at: state.now)
      #expect(!state.rowOrder.contains(first))
      #expect(state.selected == state.rowOrder.first)
      #expect(state.press("h").verbs.isEmpty)
    }
    #expect(state.selected == nil && state.rowOrder.isEmpty)
    #expect(state.press("h").verbs.isEmpty && state.flash?.text == "no notebook is selected")
  }

  @Test("a server that was started anew takes tags, questions and what could be undone along")
  func anew() throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press("]")
    state.press("space")
    state.press("home", "space", "h")
    #expect(state.layer != nil && !state.tagged.isEmpty)
    let here = try #require(state.selected)
    var facts = state.session
    facts.number += 1
    state.turn(to: facts, isAnother: true)
    #expect(state.layer == nil && state.tagged.isEmpty)
    #expect(state.session.number == facts.number)
    #expect(state.flash?.text.contains("started anew") == true)
    state.show(state.board, at: state.now)
    #expect(state.selected == here)
    #expect(state.press("z").isEmpty)
    #expect(state.flash?.text == "there is nothing to undo; an order can be undone for 10 s")
  }

  @Test(
    "after a server was started anew the cursor is on the same document, whatever its number is, or on a neighbour where it stays away",
    arguments: [true, false])
  func anewCursor(isBack: Bool) throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    try #require(state.rowOrder.firstIndex(of: RichSession.digits) == 1)
    state.show(state.board, at: state.now)
    state.turn(to: state.session, isAnother: true)
    var tape = Tape(node: Node(id: NodeID(0), name: "node7", cores: CoreSet(0..<16)))
    state.show(tape.board, at: tape.now)
    // Another user's document of that name is another one.
    _ = tape.open("digits", user: "eve", at: 1)
    state.show(tape.board, at: tape.now)
    #expect(state.selected == nil && state.press("h").verbs.isEmpty)
    let second = tape.open(isBack ? "digits" : "report", user: "ben", at: 2)
    state.show(tape.board, at: tape.now)
    #expect(state.selected == (isBack ? second : nil))
    if !isBack {
      state.clock = state.clock + SoughtNotebook.span
      state.show(tape.board, at: tape.now)
      #expect(state.selected == second && state.press("h").verbs.isEmpty)
      #expect(state.flash?.text.contains("digits has left the table, and nothing was done") == true)
    }
    #expect(state.press("h").verbs == [.hold(second)])
  }

  @Test("an order to look only outlives what the server says of its session")
  func lookOnly() {
    var state = RichSession.live(isReadOnly: true)
    var facts = state.session
    facts.isReadOnly = false
    state.turn(to: facts, isAnother: true)
    #expect(state.session.isReadOnly)
  }

  @Test("asks before the priority of several is changed, and takes back what each had")
  func severalPriorities() {
    var state = RichSession.live()
    state.press("home", "space", "space")
    let ids = Array(state.rowOrder.prefix(2))
    let before = ids.map { state.board[$0]?.priority ?? 0 }
    let up = zip(ids, before).map { Verb.setPriority($0, $1 + 1) }
    #expect(state.press("]") == [.preview(up)])
    #expect(state.screen(size: Size(columns: 120, rows: 40)).text.contains("priority +1 on 2 notebooks"))
    #expect(state.press("y").verbs == up)
    #expect(state.press("z").verbs == zip(ids, before).map { .setPriority($0, $1) })
  }

  @Test("one refusal among several answers stays to be read, whichever comes last", arguments: [0, 1])
  func partly(_ place: Int) {
    var state = RichSession.live()
    state.press("home", "space", "space", "h")
    let orders = state.press("y")
    let commands = orders.compactMap { if case .order(let command) = $0 { command } else { nil } }
    #expect(commands.count == 2)
    for (index, command) in commands.enumerated() {
      state.take(answerTo: command.id, index == place ? Refusal(.wrongState, "it is gone") : nil)
    }
    #expect(state.flash?.text.contains("1 of 2 refused") == true, "\(state.flash?.text ?? "")")
    #expect(state.flash?.text.contains("it is gone") == true)
  }
}
