import Canvas
import Domain
import Projections
import Testing

@testable import Console

/// What lies in the past of the rich session: sessions to choose from, another world, a marked moment.
enum PastStage {
  static let sessions: [SessionList.Row] = [
    .init(
      number: 5, began: "2026-03-14 09:00", length: Span(seconds: 3605), kind: "live", user: "ana", entries: 91_234,
      actions: 12, note: ""),
    .init(
      number: 4, began: "2026-03-13 18:30", length: Span(seconds: 59), kind: "simulated", user: "ben", entries: 310,
      actions: 0, note: "dynamic, 64 cores"),
    .init(
      number: 3, began: "2026-03-13 14:00", length: Span(seconds: 605), kind: "live", user: "carla", entries: 77,
      actions: 5, note: "demo\u{1B}[2J\u{202E}"),
  ]

  static let table = SideBySide(
    changes: "policy=dynamic,gpus=8", from: Instant(seconds: 300),
    measures: [
      .init(name: "ANTT", recorded: "3.412", again: "1.207", verdict: .better),
      .init(name: "STP", recorded: "2.91", again: "5.33", verdict: .better),
      .init(name: "wait p95", recorded: "2 min", again: "41 s", verdict: .better),
      .init(name: "wait longest", recorded: "3 min", again: "4 min", verdict: .worse),
      .init(name: "GPU-hours held", recorded: "0.41", again: "0.41", verdict: .same),
    ],
    users: [
      .init(name: "carla", cells: "12", recorded: "4 min", again: "20 s", change: "gains 3 min", verdict: .better),
      .init(name: "ben", cells: "9", recorded: "30 s", again: "55 s", change: "loses 25 s", verdict: .worse),
      .init(
        name: "a\u{202E}na\u{1B}[m", cells: "3", recorded: "0 s", again: "0 s", change: "as it was", verdict: .same),
    ],
    notebooks: [
      .init(
        name: "llm-finetune-experiments-2026", cells: "12", recorded: "4 min", again: "20 s", change: "gains 3 min",
        verdict: .better),
      .init(name: "日本語のノートブック", cells: "9", recorded: "30 s", again: "55 s", change: "1 never ends", verdict: .worse),
    ],
    notes: ["without an end there: 1 cell, whose waits are counted up to its last moment"])

  /// The session as it might have been: churn's cell was never preempted, and embed went on.
  static let otherBoard: Board = {
    var board = RichSession.board
    let at = RichSession.now - Span(seconds: 60)
    board.apply(
      Entry(
        sequence: board.sequence + 1, at: at,
        event: .cellResumed(
          CellID(3), RichSession.embed, Allotment(node: NodeID(0), cores: CoreSet([8])), Reason(.firstCome))))
    return board
  }()

  static func twoWorlds() -> ConsoleState {
    var state = RichSession.replay()
    state.alternative = Alternative(table: table, board: otherBoard)
    return state
  }

  static func browsing() -> ConsoleState {
    var state = RichSession.replay()
    state.show(sessions: sessions)
    return state
  }

  /// A moment is marked, and the session has gone on.
  static func changed() -> ConsoleState {
    var state = RichSession.replay()
    state.press("M")
    var board = RichSession.board
    let later = RichSession.now + Span(seconds: 75)
    for event in [
      Event.priorityChanged(RichSession.churn, 4), .released(RichSession.report), .policyChanged("dynamic"),
    ] {
      board.apply(Entry(sequence: board.sequence + 1, at: later, event: event))
    }
    state.show(board, at: later)
    state.press("c")
    return state
  }
}

@Suite("The past in the console") struct PastTests {
  @Test(
    "goes where it is told: times, markers, searches",
    arguments: [
      ("45%", ReplayOrder.seekShare(0.45)), ("3", .seekShare(0.3)), ("0", .seekShare(0)),
      ("2:30", .seek(Instant(seconds: 150))),
      ("150s", .seek(Instant(seconds: 150))),
      ("14:05:00", .seek(Instant(seconds: 300))), ("action", .seekMarkerOf(.action, 1)),
      ("preempt", .seekMarkerOf(.preemption, 1)), ("wait", .seekMarkerOf(.wait, 1)),
      ("error", .seekMarkerOf(.error, 1)),
      ("/churn", .search("/churn", 1)), ("user:ana", .search("user:ana", 1)), ("wait>60", .search("wait>60", 1)),
    ])
  func seek(text: String, order: ReplayOrder) {
    var state = RichSession.replay()
    state.press("g")
    state.type(text)
    #expect(state.press("enter") == [.replay(order)])
  }

  @Test("searches on with n and back with N, and says when nothing was searched for")
  func searchAgain() {
    var state = RichSession.replay()
    #expect(state.press("n").isEmpty)
    #expect(state.flash?.text.contains("nothing has been searched for") == true)
    state.press("g")
    state.type("user:ana")
    state.press("enter")
    #expect(state.press("n", "N", "n") == [1, -1, 1].map { .replay(.search("user:ana", $0)) })
  }

  @Test("gives the transport's orders by its keys")
  func transport() {
    var state = RichSession.replay()
    let end = state.transport?.end ?? .zero
    let tenth = Span(microseconds: end.microseconds / 10)
    let now = RichSession.now
    let keys: [(String, ReplayOrder)] = [
      ("space", .togglePlaying), (",", .step(-1)), (".", .step(1)), ("{", .changeSpeed(-1)), ("}", .changeSpeed(1)),
      ("left", .seek(now - Span(seconds: 5))), ("right", .seek(now + Span(seconds: 5))),
      ("shift-left", .seek(now - tenth)), ("shift-right", .seek(now + tenth)), ("]", .seekMarker(1)),
      ("[", .seekMarker(-1)),
    ]
    for (key, order) in keys { #expect(state.press(key) == [.replay(order)], "\(key)") }
  }

  @Test("follows the mouse along the bar, and only from there")
  func drag() throws {
    var state = RichSession.replay()
    state.size = Size(columns: 120, rows: 40)
    let row = try #require(state.layout(state.size).transport).row
    func mouse(_ action: MouseEvent.Action, _ column: Int, _ row: Int) -> [Intent] {
      state.handle(.mouse(MouseEvent(action, at: Point(column: column, row: row))))
    }
    let line = state.screen(size: state.size).text.split(separator: "\n", omittingEmptySubsequences: false)[row]
    let start = try #require(line.firstIndex(of: "├").map { line.distance(from: line.startIndex, to: $0) })
    let end = try #require(line.firstIndex(of: "┤").map { line.distance(from: line.startIndex, to: $0) })
    #expect(mouse(.press(.left), start, row) == [.replay(.seekShare(0))])
    #expect(mouse(.drag(.left), end, row - 9) == [.replay(.seekShare(1))])
    #expect(mouse(.drag(.left), 0, row) == [.replay(.seekShare(0))])
    guard case .replay(.seekShare(let share)) = mouse(.drag(.left), (start + end) / 2, row).first else {
      Issue.record("dragging does not seek")
      return
    }
    #expect(abs(share - 0.5) < 0.01)
    #expect(mouse(.release, 5, 5).isEmpty)
    #expect(mouse(.drag(.left), end, row).isEmpty, "without the button nothing is dragged")
    #expect(mouse(.press(.left), start, row - 1).isEmpty)
    #expect(mouse(.press(.left), 1, row).isEmpty, "the clock is not the bar")
    var live = RichSession.live()
    live.size = state.size
    #expect(live.handle(.mouse(MouseEvent(.press(.left), at: Point(column: end, row: row)))).isEmpty)
  }

  @Test("goes into history and back, and says why not")
  func historyAndLive() {
    var live = RichSession.live()
    #expect(live.press("H") == [.enterHistory])
    #expect(live.press("L").isEmpty && live.flash?.text == "this session is live")
    #expect(live.command("history") == [.enterHistory])
    var replay = RichSession.replay()
    #expect(replay.press("L") == [.leaveHistory])
    #expect(replay.press("H").isEmpty && replay.flash?.text.contains("the past already") == true)
    #expect(replay.command("live") == [.leaveHistory])
  }

  @Test("chooses a session from the list by cursor and Enter")
  func sessions() {
    var state = RichSession.replay()
    #expect(state.press("S") == [.listSessions])
    state.show(sessions: PastStage.sessions)
    // It begins on the session that is shown.
    #expect(state.press("enter") == [.open(session: 3)])
    state.show(sessions: PastStage.sessions)
    #expect(state.press("k", "k", "k", "enter") == [.open(session: 5)])
    state.show(sessions: PastStage.sessions)
    #expect(state.press("x").isEmpty && state.layer == nil, "any other key closes it, and orders nothing")
    state.show(sessions: [])
    #expect(state.press("j", "enter").isEmpty)
    #expect(state.command("open 4") == [.open(session: 4)])
    #expect(state.command("open four").isEmpty && state.flash?.level == .warning)
  }

  @Test("asks what if from the moment that is shown, and shows both worlds until Escape")
  func whatIf() {
    var state = RichSession.replay()
    state.press("W")
    state.type("policy=dynamic")
    #expect(state.press("enter") == [.whatIf("policy=dynamic", from: RichSession.now)])
    #expect(state.command("what-if gpus=8") == [.whatIf("gpus=8", from: RichSession.now)])
    #expect(state.command("what-if").isEmpty)
    state.alternative = Alternative(table: PastStage.table, board: PastStage.otherBoard)
    let size = Size(columns: 120, rows: 40)
    #expect(state.screen(size: size).text.contains("WHAT IF policy=dynamic,gpus=8"))
    state.press("escape")
    let hidden = state.screen(size: size).text
    #expect(!hidden.contains("WHAT IF"))
    #expect(state.flash?.text == "the session as it was; W shows the other world again")
    // Nor is anything of it left on the bar.
    var alone = RichSession.replay()
    alone.press("escape")
    func bar(_ text: String) -> Substring? {
      text.split(separator: "\n").first { $0.contains("├") && $0.contains("●") }
    }
    #expect(bar(hidden) == bar(alone.screen(size: size).text))
    #expect(state.press("W").isEmpty && state.alternative?.isShown == true, "W brings it back")
    var live = RichSession.live()
    #expect(live.press("W").isEmpty && live.command("what-if gpus=8").isEmpty)
    #expect(live.flash?.text.contains("history (H)") == true)
  }

  @Test("says that no reason was recorded where the recording has none, and that it is looked into where it is live")
  func unrecordedReasons() throws {
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<1)))
    let id = tape.open("a", at: 1)
    _ = tape.queue(id, at: 2)
    let size = Size(columns: 120, rows: 40)
    for (mode, queue, why) in [
      (SessionFacts.Mode.replay, "no reason recorded", "No reason for its wait is recorded."),
      (.live, "being looked at", "Why it waits is being looked at."),
    ] {
      let state = RareBoards.state(tape, mode: mode)
      #expect(state.screen(size: size).text.contains(queue))
      #expect(state.explanation(of: id).contains(why))
    }
    let report = BoardReport(
      tape.board, at: tape.now, session: 1, end: tape.now, entries: tape.board.sequence, isReplayed: true)
    #expect(report.queue.map(\.reason) == ["no reason recorded"])
  }

  @Test("shows the same columns of time in both worlds")
  func aligned() throws {
    var state = PastStage.twoWorlds()
    // Played fast, the axis names times of day.
    state.transport?.speed = 1
    let lines = state.screen(size: Size(columns: 200, rows: 50)).text.split(separator: "\n")
    let axes = lines.filter { $0.contains("-2:30") }
    #expect(axes.count == 2 && axes[0] == axes[1])
  }

  @Test(
    "what was wrong with a time to go to is told no longer once another one is gone to, nor a mistake that was mended")
  func staleMessages() {
    var state = RichSession.replay()
    state.press("g")
    state.type("blah")
    #expect(state.press("enter").isEmpty && state.flash?.level == .warning)
    state.press("g")
    state.type("50%")
    #expect(!state.press("enter").isEmpty && state.flash == nil)
    state.tell(trouble: "the keys are wrong")
    state.retract("the theme is wrong")
    #expect(state.flash?.text == "the keys are wrong")
    state.retract("the keys are wrong")
    #expect(state.flash == nil)
  }

  @Test("tells what changed since the marked moment, in either order")
  func changes() {
    var state = RichSession.replay()
    #expect(state.press("c").isEmpty && state.flash?.text.contains("M marks") == true)
    state = PastStage.changed()
    let lines = state.changeLines()
    #expect(lines[0] == "From 14:10:05 to 14:11:20, 1:15: 0 cells ended, 0 orders, 0 preemptions.")
    #expect(lines.contains("The session: policy fcfs → dynamic."))
    #expect(lines.contains("churn-model: running, ran 1:15, priority 0 → 4"))
    #expect(lines.contains { $0.hasPrefix("report: queued, waited 1:15, released") })
    var swapped = PastStage.changed()
    swapped.press("x", "M")
    swapped.show(RichSession.board, at: RichSession.now)
    #expect(swapped.changeLines() == lines)
    swapped.press("M")
    #expect(swapped.changeLines().last == "Nothing changed.")
  }
}
