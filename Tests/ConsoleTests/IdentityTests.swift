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
    "a key after the selected notebook has gone is not obeyed on its neighbour", arguments: ["h", "]", "P", "x", "i"])
  func gone(_ key: String) throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let place = try #require(state.rowOrder.firstIndex(of: RichSession.digits))
    state.show(state.board, at: state.now)
    Self.closing(RichSession.digits, in: &state)
    #expect(state.selected == nil)
    #expect(state.press(key).verbs.isEmpty)
    #expect(state.flash?.text == "no notebook is selected")
    // The next board changes nothing about it; whoever moves the cursor is where it was.
    state.show(state.board, at: state.now)
    #expect(state.selected == nil)
    state.press("j")
    #expect(state.selected == state.rowOrder[min(place, state.rowOrder.count - 1)])
  }

  @Test("the same where its state leaves the filter; what the operator asks for takes the cursor along")
  func filtered() {
    var state = RichSession.live()
    state.press("/")
    state.type("run")
    state.press("enter")
    let first = state.selected
    #expect(first != nil && state.rowOrder.first == first)
    guard let first, let cell = state.board[first]?.cell?.cell.id else { return }
    var board = state.board
    board.apply(
      Entry(sequence: board.sequence + 1, at: state.now, event: .cellEnded(cell, first, .ok)))
    state.show(board, at: state.now)
    #expect(!state.rowOrder.contains(first))
    #expect(state.selected == nil)
  }

  @Test("a server that was started anew takes tags, questions and what could be undone along")
  func anew() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press("]")
    state.press("space")
    state.press("home", "space", "h")
    #expect(state.layer != nil && !state.tagged.isEmpty)
    var facts = state.session
    facts.number += 1
    state.turn(to: facts, isAnother: true)
    #expect(state.layer == nil && state.tagged.isEmpty)
    #expect(state.session.number == facts.number)
    #expect(state.flash?.text.contains("started anew") == true)
    state.show(state.board, at: state.now)
    #expect(state.selected == nil && state.press("h").verbs.isEmpty)
    #expect(state.press("z").isEmpty)
    #expect(state.flash?.text == "there is nothing to undo; an order can be undone for 10 s")
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
