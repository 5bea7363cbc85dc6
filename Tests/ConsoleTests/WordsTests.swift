import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("What the console says") struct WordsTests {
  @Test("the key bar and the top line name the keys of the map, and leave out what has none")
  func keyBar() throws {
    let map = try KeyMap(
      parsing: "[keys]\nhelp = \"F12\"\nhold = \"ctrl-g\"\nraise = []\npalette = \"F3\"\n", path: "keys.toml")
    let state = RichSession.live()
    let size = Size(columns: 200, rows: 50)
    let standard = state.screen(size: size).text
    #expect(standard.contains("[?]") && standard.contains(" h hold ") && standard.contains(" [ ] prio "))
    let other = state.screen(size: size, keys: map).text
    #expect(other.contains("[F12]") && other.contains(" F12 help ") && other.contains(" ctrl-g hold "))
    #expect(other.contains(" F3 cmd ") && !other.contains(" prio ") && !other.contains(" h hold "))
    let replay = RichSession.replay().screen(size: size).text
    #expect(replay.contains(" Space play ") && replay.contains(" ←→ 5s ") && replay.contains(" { } speed "))
  }

  @Test("the live help lists the space bar where it tags")
  func tagging() {
    var state = RichSession.live()
    state.press("?")
    let size = Size(columns: 200, rows: 50)
    #expect(state.screen(size: size).text.contains("space insert tag the row"))
    var replay = RichSession.replay()
    replay.press("?")
    #expect(!replay.screen(size: size).text.contains("space insert"))
  }

  @Test("a start that is near is not told in seconds")
  func near() {
    let state = RichSession.live()
    func text(_ early: Double, _ median: Double, _ late: Double, isBrief: Bool = false) -> String {
      let now = state.shownNow
      return state.expectedText(
        ExpectedStart(
          early: now + Span(seconds: early), median: now + Span(seconds: median), late: now + Span(seconds: late)),
        isBrief: isBrief)
    }
    #expect(text(-3, -1, 20) == "at any moment (within 0:21)")
    #expect(text(0, 0.4, 0.4) == "at any moment (within 0:01)")
    #expect(text(5, 40, 90) == "in about 0:40 (0:05–1:30)")
    #expect(text(-9, -5, -1) == "overdue by 0:05")
    // So wide a range says little where there is little room.
    #expect(text(0, 70, 19_080) == "in about 1:10 (0:00–5:18:00)")
    #expect(text(0, 70, 19_080, isBrief: true) == "in about 1:10, unsure")
    #expect(text(5, 40, 90, isBrief: true) == "in about 0:40 (0:05–1:30)")
  }

  @Test("a wait that somebody ordered is explained by who did, and why where that was said")
  func ordered() {
    for (why, sentence) in [("", "olga ordered it."), ("disk\u{1B}[2J full", "olga ordered it: disk?[2J full.")] {
      var tape = Tape(node: Node(id: NodeID(0), name: "small", cores: CoreSet(0..<2)))
      let (id, other) = (tape.open("a", at: 1), tape.open("b", at: 1))
      tape.add(.commandAccepted(Command(id: CommandID(7), author: "olga", why: why, verb: .hold(id))), .held(id))
      // Neither what was ordered of others nor another order is the reason.
      tape.order(.hold(other), by: "omar", at: 2)
      tape.order(.setPriority(id, 3), by: "omar", at: 2)
      let cell = tape.queue(id, at: 3)
      tape.add(.cellWaits(cell.id, id, Wait(cause: .held, place: 1)))
      #expect(RareBoards.state(tape).explanation(of: id).contains(sentence))
    }
  }

  @Test("who planned a hold that came true is told, and nobody whose plan was called off", arguments: [true, false])
  func orderedByPlan(comesTrue: Bool) {
    var tape = Tape(node: Node(id: NodeID(0), name: "small", cores: CoreSet(0..<2)))
    let id = tape.open("a", at: 1)
    if !comesTrue { tape.add(.commandAccepted(Command(id: CommandID(1), author: "olga", verb: .hold(id))), .held(id)) }
    tape.order(.suspendAtEnd(id, cell: CellID(0)), by: "omar", at: 2)
    if comesTrue { tape.add(.held(id)) } else { tape.order(.callOff(id, cell: CellID(0)), by: "omar", at: 2) }
    let cell = tape.queue(id, at: 3)
    tape.add(.cellWaits(cell.id, id, Wait(cause: .held, place: 1)))
    #expect(RareBoards.state(tape).explanation(of: id).contains(comesTrue ? "omar ordered it." : "olga ordered it."))
    tape.add(.released(id), .held(id))
    #expect(!RareBoards.state(tape).explanation(of: id).joined().contains("ordered it"), "nobody known held it anew")
  }

  @Test("a held notebook's cell that has started is told as what it does, and one that waits as held")
  func heldAndStarted() {
    var tape = Tape(node: Node(id: NodeID(0), name: "small", cores: CoreSet(0..<2)))
    let id = tape.open("a", at: 1)
    func row() -> String {
      let screen = RareBoards.state(tape).screen(size: Size(columns: 120, rows: 40), glyphs: GlyphSet(.ascii)).text
      return screen.split(separator: "\n").map(String.init).filter { $0.contains(" a ") }.joined(separator: "\n")
    }
    tape.add(.held(id))
    #expect(row().contains("H held"), "\(row())")
    tape.add(.released(id))
    let cell = tape.run(id, on: CoreSet([0]), at: 2)
    tape.add(.held(id))
    #expect(row().contains("run, held"), "\(row())")
    tape.add(.cellSuspended(cell, id, Reason(.preempted)))
    #expect(row().contains("suspended") && !row().contains("H held") && !row().contains("run, held"), "\(row())")
    let said = RareBoards.state(tape).explanation(of: id)
    #expect(said.contains("It is held: no further cell of it starts until it is released."), "\(said)")
    tape.add(.cellEnded(cell, id, .ok))
    let next = tape.queue(id, at: 3)
    tape.add(.cellWaits(next.id, id, Wait(cause: .held, place: 1)))
    #expect(row().contains("H held"), "\(row())")
  }

  @Test("a cell that stands behind others is explained by them first")
  func behind() {
    var tape = Tape(node: Node(id: NodeID(0), name: "small", cores: CoreSet(0..<2)))
    let names = ["a", "b", "c", "d"].map { tape.open($0, at: 1) }
    _ = tape.run(names[0], on: CoreSet([0, 1]), at: 2)
    for (place, id) in names.dropFirst().enumerated() {
      let cell = tape.queue(id, at: 3)
      tape.add(
        .cellWaits(cell.id, id, Wait(cause: .cores, lacking: 1, holders: [names[0]], place: Int32(place + 1))))
    }
    let state = RareBoards.state(tape)
    func sentence(_ id: NotebookID) -> String { state.explanation(of: id).first { $0.hasPrefix("It waits") } ?? "" }
    #expect(sentence(names[1]) == "It waits: needs 1 more core, held by a. It is number 1 in the line.")
    #expect(sentence(names[2]) == "It waits behind b, number 2 in the line, and needs 1 more core, held by a.")
    #expect(
      sentence(names[3]) == "It waits behind b and one other, number 3 in the line, and needs 1 more core, held by a.")
  }
}
