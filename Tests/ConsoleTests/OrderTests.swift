import Canvas
import Domain
import Foundation
import Projections
import Testing

@testable import Console

@Suite("Orders given at the console") struct OrderTests {
  private static func answered(_ state: inout ConsoleState, _ intents: [Intent], refusal: Refusal? = nil) {
    var board = state.board
    for case .order(let command) in intents {
      let event: Event = refusal.map { .commandRefused(command, $0) } ?? .commandAccepted(command)
      board.apply(Entry(sequence: board.sequence + 1, at: state.now, event: event))
      if refusal == nil, case .setPriority(let id, let value) = command.verb {
        board.apply(Entry(sequence: board.sequence + 1, at: state.now, event: .priorityChanged(id, value)))
      }
    }
    state.show(board, at: state.now)
  }

  private static func cell(of id: NotebookID) -> CellID { RichSession.board[id]?.cell?.cell.id ?? CellID(0) }

  /// Notebook, key, the orders given, and what is said instead where there are none.
  private static let table: [(NotebookID, String, [Verb], String)] = [
    (RichSession.digits, "x s", [.suspend(RichSession.digits, cell: cell(of: RichSession.digits))], ""),
    (RichSession.digits, "F9 enter", [.suspend(RichSession.digits, cell: cell(of: RichSession.digits))], ""),
    (RichSession.embed, "x", [.resume(RichSession.embed, cell: cell(of: RichSession.embed))], ""),
    (RichSession.tune, "x", [], "llm-finetune-experiments-2026 waits already; h holds it there"),
    (RichSession.svc, "x", [], "svc is thinking; there is no cell to suspend"),
    (RichSession.foreign, "x", [], "Übung 日本語 is starting; there is no cell to suspend"),
    (RichSession.digits, "P", [.pin(RichSession.digits, Pin(node: NodeID(0), cores: CoreSet([4, 6, 8])))], ""),
    (RichSession.svc, "P", [.unpin(RichSession.svc)], ""),
    (RichSession.tune, "P", [], "llm-finetune-experiments-2026 is on no core now; pin it by :pin 0-1"),
    (RichSession.digits, "h", [.hold(RichSession.digits)], ""),
    (RichSession.report, "h", [], "report is held already; r releases it"),
    (RichSession.report, "r", [.release(RichSession.report)], ""),
    (RichSession.digits, "r", [], "digits is not held"),
    (RichSession.churn, "i y", [.interrupt(RichSession.churn, cell: cell(of: RichSession.churn))], ""),
    (RichSession.churn, "x i y", [.interrupt(RichSession.churn, cell: cell(of: RichSession.churn))], ""),
    (RichSession.churn, "i i", [], "nothing was done"), (RichSession.churn, "i enter", [], "nothing was done"),
    (RichSession.churn, "x escape", [], ""),
    (
      RichSession.digits, "x g",
      [.suspendAfter(RichSession.digits, cell: cell(of: RichSession.digits), Span(seconds: 20))], ""
    ),
    (
      RichSession.digits, "x + + enter",
      [.suspendAfter(RichSession.digits, cell: cell(of: RichSession.digits), Span(seconds: 60))], ""
    ),
    (RichSession.digits, "x e", [.suspendAtEnd(RichSession.digits, cell: cell(of: RichSession.digits))], ""),
    (RichSession.digits, "X", [], "nothing is planned for digits"),
    (RichSession.digits, "Z", [], "there is nothing to do again; z undoes, Z does again what was undone"),
    (RichSession.tune, "i", [], "llm-finetune-experiments-2026 is queued; only a running cell can be interrupted"),
    (RichSession.tune, "]", [.setPriority(RichSession.tune, 6)], ""),
    (RichSession.tune, "F8", [.setPriority(RichSession.tune, 4)], ""),
    (RichSession.tune, "z", [], "there is nothing to undo; an order can be undone for 10 s"),
  ]

  @Test("orders what the key says, or says why not")
  func keys() {
    for (id, key, verbs, text) in Self.table {
      var state = RichSession.live()
      state.select(id)
      let intents = key.split(separator: " ").flatMap { state.press(String($0)) }
      #expect(intents.verbs == verbs, "\(key) on \(id)")
      #expect(state.flash?.text == (text.isEmpty ? nil : text), "\(key) on \(id)")
    }
  }

  @Test("counts down while an order can be taken back, after its message too, by the key that does it")
  func countdown() throws {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let size = Size(columns: 80, rows: 24)
    #expect(!state.screen(size: size).text.contains("z undo "))
    Self.answered(&state, state.press("]"))
    #expect(state.screen(size: size).text.contains("z undo 10 s"))
    let keys = try KeyMap(parsing: "[keys]\nundo = \"b\"\n", path: "k")
    #expect(state.screen(size: size, keys: keys).text.contains("b undo 10 s"))
    state.clock = state.clock + Span(seconds: 7.5)
    state.show(state.board, at: state.now + Span(seconds: 7.5))
    #expect(state.flash == nil && state.screen(size: size).text.contains("z undo 3 s"))
    state.clock = state.clock + Span(seconds: 2.5)
    #expect(!state.screen(size: size).text.contains("z undo "))
  }

  @Test("counts nothing down that a server which is away has not answered")
  func countdownAway() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let size = Size(columns: 80, rows: 24)
    state.away = "the server is away"
    let orders = state.press("h")
    #expect(!orders.verbs.isEmpty && !state.screen(size: size).text.contains("z undo "))
    state.away = nil
    Self.answered(&state, orders)
    #expect(state.screen(size: size).text.contains("z undo 10 s"))
  }

  @Test("counts down once, however narrow the screen and however long the message", arguments: [20, 34, 60, 80, 200])
  func countdownOnce(columns: Int) {
    for id in [RichSession.tune, RichSession.digits] {
      var state = RichSession.live()
      state.select(id)
      Self.answered(&state, state.press("]"))
      let text = state.screen(size: Size(columns: columns, rows: 12)).text
      #expect(text.components(separatedBy: "undo 10 s").count == 2, "\(text)")
      #expect(!text.contains("undoes"))
    }
  }

  @Test("refuses every order in a replay and in a read-only console, and says why")
  func refusals() {
    for key in ["x", "F9", "P", "h", "r", "i", "z", "D", "d", "O"] {
      var replay = RichSession.replay()
      #expect(replay.press(key).isEmpty)
      #expect(replay.flash?.text == "this is a replay: what is past cannot be ordered about")
      var watched = RichSession.live(isReadOnly: true)
      #expect(watched.press(key).isEmpty)
      #expect(watched.flash?.text == "this console is read-only")
    }
    for command in ["priority 4", "pin 0", "hold", "drain 1", "policy sjf"] {
      var watched = RichSession.live(isReadOnly: true)
      #expect(watched.command(command).isEmpty)
      #expect(watched.flash?.text == "this console is read-only", "\(command)")
      var replay = RichSession.replay()
      #expect(replay.command(command).isEmpty)
      #expect(replay.flash?.text == "this is a replay: what is past cannot be ordered about", "\(command)")
    }
  }

  @Test("acts on the notebook under the cursor, wherever its row has moved")
  func identity() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let place = state.rowOrder.firstIndex(of: RichSession.digits)
    var board = state.board
    board.apply(Entry(sequence: board.sequence + 1, at: state.now, event: .notebookClosed(RichSession.churn)))
    state.show(board, at: state.now)
    #expect(state.rowOrder.firstIndex(of: RichSession.digits) != place)
    #expect(state.press("h").verbs == [.hold(RichSession.digits)])
    state.press(">", ">", "I")
    #expect(state.press("x", "s").verbs == [.suspend(RichSession.digits, cell: Self.cell(of: RichSession.digits))])
  }

  @Test("names the cell that was on the frozen screen, so that a late order is refused and not done to the next")
  func frozen() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let old = Self.cell(of: RichSession.digits)
    state.press("p")
    var board = state.board
    let next = Domain.Cell(id: CellID(99), notebook: RichSession.digits, submitted: state.now, demand: .oneCore)
    for event: Event in [.cellEnded(old, RichSession.digits, .ok), .cellQueued(next)] {
      board.apply(Entry(sequence: board.sequence + 1, at: state.now, event: event))
    }
    state.show(board, at: state.now)
    #expect(state.press("x", "s").verbs == [.suspend(RichSession.digits, cell: old)])
  }

  @Test("tells the answer: obeyed with the way back, or refused with the reason")
  func answers() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    Self.answered(&state, state.press("x", "s"))
    let number = Self.cell(of: RichSession.digits).number
    #expect(state.flash?.text == "digits[\(number)] suspended")
    #expect(state.flash?.level == .good)
    let late = Refusal(.stale, "the cell on the screen has ended since")
    Self.answered(&state, state.press("i", "y"), refusal: late)
    #expect(state.flash?.text == "digits[\(number)] interrupted: refused: the cell on the screen has ended since")
    #expect(state.flash?.level == .warning)
    state.clock = state.clock + Span(seconds: 6.5)
    state.show(state.board, at: state.now)
    #expect(state.flash == nil)
  }

  @Test("undoes within ten seconds, not after, and never what was refused")
  func undo() {
    let cell = Self.cell(of: RichSession.digits)
    var state = RichSession.live()
    state.select(RichSession.digits)
    Self.answered(&state, state.press("x", "s"))
    state.clock = state.clock + Span(seconds: 9.9)
    let undone = state.press("z")
    #expect(undone.verbs == [.resume(RichSession.digits, cell: cell)])
    Self.answered(&state, undone)
    #expect(state.flash?.text == "undone: digits[\(cell.number)] suspended")

    state = RichSession.live()
    state.select(RichSession.digits)
    Self.answered(&state, state.press("x", "s"))
    state.clock = state.clock + Span(seconds: 10.1)
    #expect(state.press("z").isEmpty)

    state = RichSession.live()
    state.select(RichSession.digits)
    Self.answered(&state, state.press("x", "s"), refusal: Refusal(.stale, "too late"))
    #expect(state.press("z").isEmpty)
  }

  @Test("an interrupt cannot be taken back: no countdown beside it, and z leaves what was ordered before it alone")
  func interruptStands() {
    // So narrow that the key bar does not name the key.
    let size = Size(columns: 80, rows: 24)
    for (keys, text) in [(["i", "y"], "churn-model[\(Self.cell(of: RichSession.churn).number)] interrupted")] {
      var state = RichSession.live()
      state.select(RichSession.churn)
      Self.answered(&state, state.press("]"))
      #expect(state.screen(size: size).text.contains("z undo 10 s"))
      Self.answered(&state, keys.flatMap { state.press($0) })
      #expect(state.flash?.text == text)
      #expect(!state.screen(size: size).text.contains("z undo "))
      for _ in 0..<2 {
        #expect(state.press("z").isEmpty)
        #expect(state.flash?.text == "the last order cannot be undone: \(text); what was ordered before it stands")
      }
      // What comes after it can be.
      #expect(state.press("h").verbs == [.hold(RichSession.churn)])
      #expect(state.press("z").verbs == [.release(RichSession.churn)])
      #expect(state.press("z").verbs.isEmpty)
    }
  }

  @Test("an interrupt that was refused, or is long past, is no bar to taking back what came before it")
  func interruptThatNeverWas() {
    var state = RichSession.live()
    state.select(RichSession.churn)
    Self.answered(&state, state.press("]"))
    Self.answered(&state, state.press("i", "y"), refusal: Refusal(.stale, "too late"))
    #expect(state.press("z").verbs == [.setPriority(RichSession.churn, 0)])

    state = RichSession.live()
    state.select(RichSession.digits)
    // It can be called off for as long as it is planned.
    Self.answered(&state, state.press("x", "+", "+", "g"))
    state.select(RichSession.churn)
    Self.answered(&state, state.press("i", "y"))
    state.clock = state.clock + Span(seconds: 10.5)
    #expect(
      state.press("z").verbs == [.callOff(RichSession.digits, cell: Self.cell(of: RichSession.digits))])
  }

  @Test("a drain is asked about alike, whether it is typed or chosen on the grid")
  func typedDrain() {
    let node = NodeID(0)
    let table: [(String, Verb)] = [
      ("drain 14", .drain(node, CoreSet([14]), GPUSet())), ("undrain 15", .undrain(node, CoreSet([15]), GPUSet())),
    ]
    for (line, verb) in table {
      var state = RichSession.live()
      #expect(state.command(line) == [.preview([verb])], "\(line)")
      #expect(state.screen(size: Size(columns: 80, rows: 24)).text.contains("REALLY?"))
      #expect(state.press("enter").isEmpty && state.flash?.text == "nothing was done")
      state.command(line)
      #expect(state.press("y").verbs == [verb])
    }
  }

  @Test("messages go after six seconds, in every mode, what was wrong at the start after thirty")
  func messagesExpire() {
    for start in [RichSession.live(), RichSession.replay(), RareBoards.state(RareBoards.many, mode: .simulated)] {
      for (seconds, isStart) in [(6.0, false), (30.0, true)] {
        var state = start
        if isStart { state.tell(trouble: "keys.toml is wrong") } else { state.tell(.good, "keys.toml is read") }
        func shows() -> Bool {
          state.screen(size: Size(columns: 120, rows: 40)).text.contains("keys.toml is")
        }
        state.clock = state.clock + Span(seconds: seconds - 0.1)
        state.show(state.board, at: state.now)
        #expect(shows(), "\(start.session.mode)")
        state.clock = state.clock + Span(seconds: 0.2)
        state.show(state.board, at: state.now)
        #expect(!shows() && state.flash == nil, "\(start.session.mode)")
      }
    }
  }

  @Test("counts priorities from what was last asked for, and undoes them one by one")
  func fastPriorities() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let id = RichSession.digits
    #expect(state.press("]", "]", "]", "[").verbs == [1, 2, 3, 2].map { .setPriority(id, $0) })
    #expect(state.press("z", "z", "z", "z").verbs == [3, 2, 1, 0].map { .setPriority(id, $0) })
  }

  @Test("keeps priorities between -100 and 100 before it asks")
  func priorityBounds() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    #expect(state.command("priority 100").verbs == [.setPriority(RichSession.digits, 100)])
    #expect(state.press("]").isEmpty)
    #expect(state.flash?.text == "a priority is from -100 to 100; digits has 100")
    #expect(state.command("priority 2147483647").isEmpty)
    #expect(state.command("priority -101").isEmpty)
  }

  @Test("holds and releases by what was last asked for, though the answer has not come")
  func fastHold() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    let id = RichSession.digits
    #expect(state.press("h", "r", "h", "h").verbs == [.hold(id), .release(id), .hold(id)])
  }

  @Test("gives every order a number of its own, beginning where it was told")
  func numbers() {
    var state = ConsoleState(session: RichSession.live().session, firstCommand: 700)
    state.show(RichSession.board, at: RichSession.now)
    let ids = state.press("h", "]", "]").compactMap { intent -> UInt64? in
      if case .order(let command) = intent { command.id.number } else { nil }
    }
    #expect(ids == [700, 701, 702])
  }

  @Test("says so where there is no notebook to order about")
  func nobody() {
    var state = RareBoards.state(RareBoards.empty)
    for key in ["x", "P", "h", "r", "i", "]", "d"] {
      #expect(state.press(key).isEmpty)
      #expect(state.flash?.text == "no notebook is selected")
    }
    #expect(state.press("j", "G", "w").isEmpty)
  }

  @Test("takes back a drain only as far as it changed anything")
  func drains() {
    var state = RichSession.live()
    let node = NodeID(0)
    state.command("drain 14-15")
    #expect(state.press("y").verbs == [.drain(node, CoreSet([14, 15]), GPUSet())])
    #expect(state.press("z").verbs == [.undrain(node, CoreSet([14]), GPUSet())])
    // What changes nothing is nothing to take back.
    state.command("drain 15")
    #expect(state.press("y").verbs == [.drain(node, CoreSet([15]), GPUSet())])
    #expect(state.press("z").isEmpty)
  }
}
