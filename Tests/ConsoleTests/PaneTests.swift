import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("What the panes show, and how they are arranged") struct PaneTests {
  private static let wide = Size(columns: 200, rows: 50)

  private static func live(_ size: Size = wide) -> ConsoleState {
    var state = RichSession.live()
    state.size = size
    return state
  }

  private static func text(_ state: ConsoleState, _ pane: Pane) -> String {
    guard let rect = state.layout(state.size).rect(of: pane) else { return "" }
    return lines(state.screen(size: state.size), rect).joined(separator: "\n")
  }

  static func lines(_ grid: Grid, _ rect: Rect) -> [String] {
    (rect.row..<rect.endRow).map { row in
      var line = String.UnicodeScalarView()
      for column in rect.column..<rect.endColumn where grid[column: column, row: row].part != .tail {
        line.append(contentsOf: grid[column: column, row: row].scalars)
      }
      return String(line)
    }
  }

  // MARK: The table

  @Test("groups by user, folds a group onto its user, and gives no order to what is folded away")
  func tree() {
    var state = Self.live()
    state.select(RichSession.tune)
    state.press("t")
    #expect(state.isTree)
    #expect(state.selected == RichSession.tune)
    #expect(state.table.rows.prefix(2) == [.user("ana"), .notebook(RichSession.churn)])
    state.press("k")
    #expect(state.cursor == .user("carla"))
    #expect(state.selected == nil)
    #expect(state.press("x").isEmpty)
    #expect(state.flash?.text == "no notebook is selected")
    state.press("enter")
    #expect(!state.table.rows.contains(.notebook(RichSession.tune)))
    #expect(Self.text(state, .notebooks).contains("▶ carla 2"))
    state.press("enter")
    #expect(state.table.rows.contains(.notebook(RichSession.tune)))
    state.select(RichSession.tune)
    state.folded = ["carla"]
    #expect(state.cursor == .user("carla"))
    state.press("t")
    #expect(state.rowOrder.count == 8)
  }

  @Test("shows the columns that are wanted, and sorts by any of them", arguments: TableColumn.allCases)
  func columns(column: TableColumn) {
    var state = Self.live()
    state.press("s")
    for _ in TableColumn.allCases { state.press("k") }
    for _ in 0..<column.rawValue { state.press("j") }
    #expect(state.layer == .columns(column))
    let before = state.hiddenColumns.contains(column)
    state.press("space")
    #expect(state.hiddenColumns.contains(column) == (column == .name ? before : !before))
    state.press("space", "enter")
    #expect(state.sort == column)
    #expect(state.layer == nil)
    #expect(Set(state.rowOrder) == Set(RichSession.board.openNotebooks))
    let order = state.rowOrder
    state.press("I")
    #expect(Set(state.rowOrder) == Set(order))
    if column != .pin { #expect(state.rowOrder != order) }
  }

  @Test("keeps the order of the rows as a sort from nothing gives it, however the session goes on", arguments: 1...20)
  func incremental(seed: UInt64) {
    var tape = RareBoards.many
    var state = RareBoards.state(tape)
    for step in 0..<30 {
      state.sort = TableColumn.allCases[(Int(seed) + step / 10) % TableColumn.allCases.count]
      let id = NotebookID(Int32((Int(seed) * 31 + step * 17) % 300))
      if let cell = tape.board[id]?.cell {
        tape.add(.cellEnded(cell.cell.id, id, .ok), at: tape.now.seconds + 1)
      } else if step % 7 == 0 {
        tape.add(.notebookClosed(id), at: tape.now.seconds + 1)
      } else {
        tape.add(.priorityChanged(id, Int32(step)), at: tape.now.seconds + 1)
      }
      state.show(tape.board, at: tape.now)
      var fresh = RareBoards.state(tape)
      fresh.sort = state.sort
      fresh.show(tape.board, at: tape.now)
      #expect(state.rowOrder == fresh.rowOrder, "seed \(seed), step \(step), \(state.sort)")
    }
  }

  @Test("shows tags, and forgets those of notebooks that are gone")
  func tags() {
    var state = Self.live()
    state.tagged = [RichSession.churn, RichSession.svc]
    state.arrangeRows()
    #expect(Self.text(state, .notebooks).contains("2 tagged"))
    #expect(Self.text(state, .notebooks).contains("◆A churn-model"))
    var board = RichSession.board
    board.apply(Entry(sequence: board.sequence + 1, at: RichSession.now, event: .notebookClosed(RichSession.svc)))
    state.show(board, at: RichSession.now)
    #expect(state.tagged == [RichSession.churn])
  }

  // MARK: Arrangements

  @Test("cycles the layouts, shows each pane by its key, and zooms onto one that has no room")
  func arrangements() {
    var state = Self.live(Size(columns: 100, rows: 24))
    var seen: [Arrangement] = []
    for _ in Arrangement.allCases {
      state.press("+")
      seen.append(state.arrangement)
    }
    #expect(seen == [.table, .time, .node, .log, .overview])
    state.press("_")
    #expect(state.arrangement == .log)
    state.press("_")
    #expect(state.layout(state.size).graphs != nil)
    state.press("_", "_", "_")
    for (key, pane) in zip(["1", "2", "3", "4", "5", "6"], Pane.allCases) {
      state.press(key)
      #expect(state.focus == pane)
      #expect(state.layout(state.size).panes.contains(pane))
      state.press("escape")
    }
  }

  @Test("drops panes in their order as the screen shrinks: graphs, events, timeline, then the map")
  func dropOrder() {
    let state = Self.live()
    func panes(_ columns: Int, _ rows: Int) -> [Pane] { state.layout(Size(columns: columns, rows: rows)).panes }
    #expect(panes(200, 50) == Pane.allCases)
    #expect(panes(120, 40) == [.notebooks, .queue, .timeline, .node, .events])
    var before = Set(Pane.allCases)
    for rows in stride(from: 50, through: 15, by: -1) {
      let now = Set(panes(200, rows))
      #expect(now.isSubset(of: before), "\(rows)")
      #expect(!now.contains(.graphs) || now.contains(.events), "\(rows)")
      #expect(!now.contains(.events) || now.contains(.timeline), "\(rows)")
      #expect(!now.contains(.timeline) || now.contains(.node), "\(rows)")
      before = now
    }
    #expect(panes(59, 40) == [.notebooks])
    #expect(panes(120, 14) == [.notebooks])
    #expect(panes(19, 5) == [])
  }

  // MARK: The timeline

  @Test("moves the timeline's cursor by whole columns, pans with it, and follows the present again")
  func timelineCursor() throws {
    var state = Self.live()
    state.press("3")
    #expect(state.focus == .timeline)
    state.press("left")
    let scale = state.timelineScale()
    let end = scale.instant(ofColumn: scale.columns - 1)
    #expect(state.timeline.cursor == end - scale.bucket)
    for _ in 0..<10 { state.press("left") }
    let cursor = try #require(state.timeline.cursor)
    #expect(scale.column(of: cursor) == scale.columns - 12)
    let pane = Self.text(state, .timeline)
    #expect(pane.contains(state.session.timeOfDay(cursor)))
    #expect(pane.contains("churn-model running since 14:07:11"))
    for _ in 0..<scale.columns { state.press("left") }
    #expect(state.timeline.end != nil)
    #expect(state.timelineScale().column(of: try #require(state.timeline.cursor)) >= 0)
    state.press("shift-right", "shift-left", "F")
    #expect(state.timeline == TimelineView())
    state.press("shift-left")
    #expect(try #require(state.timeline.end) < RichSession.now)
    for _ in 0..<12 { state.press("shift-right") }
    #expect(state.timeline.end == nil)
  }

  @Test("seeks a replay with the arrows but where the timeline has the focus")
  func arrows() {
    var state = RichSession.replay()
    #expect(state.press("left") == [.replay(.seek(RichSession.now - Span(seconds: 5)))])
    state.press("3")
    #expect(state.press("left").isEmpty)
    #expect(state.timeline.cursor != nil)
  }

  // MARK: Events

  @Test("filters and scrolls the events, keeps its place by the entry, and follows again at the end")
  func events() {
    var state = Self.live()
    state.press("5")
    let newest = state.shown.events.last?.sequence
    state.press("k", "k")
    #expect(state.eventsView.bottom == newest.map { $0 - 3 } || state.eventsView.bottom != nil)
    #expect(Self.text(state, .events).contains("2 newer below"))
    let bottom = state.eventsView.bottom
    var board = RichSession.board
    board.apply(Entry(sequence: board.sequence + 1, at: RichSession.now, event: .policyChanged("dynamic")))
    state.show(board, at: RichSession.now)
    #expect(state.eventsView.bottom == bottom)
    #expect(Self.text(state, .events).contains("3 newer below"))
    state.press("G")
    #expect(state.eventsView.bottom == nil)
    #expect(Self.text(state, .events).contains("policy is dynamic"))
    state.press("/")
    state.type("PINNED")
    state.press("enter")
    #expect(state.filter.isEmpty)
    #expect(Self.text(state, .events).contains("svc pinned to cores 10-11"))
    #expect(!Self.text(state, .events).contains("policy is"))
    state.press("escape")
    #expect(state.eventsView.filter.isEmpty)
  }

  // MARK: Details and graphs

  @Test("a filter that nobody matches says so, and leaves the details that are being read")
  func filterInDetails() {
    var state = Self.live()
    state.select(RichSession.svc)
    state.press("enter")
    let page = { (state: ConsoleState) in
      state.screen(size: state.size).text.split(separator: "\n").filter {
        $0.contains("PAST CELLS") || $0.contains("D svc of")
      }
    }
    let before = page(state)
    #expect(before.count >= 2)
    state.press("/")
    state.type("zzz")
    #expect(state.screen(size: state.size).text.contains("no match: "))
    #expect(page(state) == before)
    state.press("enter")
    #expect(
      state.flash?.text == "no notebook matches /zzz; the page stays, and Esc goes back to the table")
    state.show(state.board, at: state.now)
    #expect(page(state) == before)
    // Orders go to the page that is read; on the table nobody is under the cursor.
    #expect(state.press("h").verbs == [.hold(RichSession.svc)])
    state.press("escape")
    #expect(state.details == nil && state.selected == nil)
    #expect(state.screen(size: state.size).text.contains("no notebook matches /zzz"))
    #expect(state.press("h").verbs.isEmpty)
    state.press("escape")
    #expect(state.selected == state.rowOrder.first)
    state.press("5", "/")
    state.type("zzz")
    #expect(state.screen(size: state.size).text.contains("no match: "))
  }

  @Test(
    "the list of columns names its keys whole, as far as there is room", arguments: [20, 24, 30, 46, 52, 53, 80, 200])
  func columnTitle(columns: Int) {
    var state = Self.live()
    state.press("s")
    let text = state.screen(size: Size(columns: columns, rows: 24)).text
    let title =
      columns >= 53
      ? "COLUMNS · Space: show · Enter: sort · I: invert" : columns >= 29 ? "COLUMNS · Space Enter I" : "COLUMNS"
    #expect(text.contains(" \(title) "), "\(text)")
  }

  @Test("opens the details, goes from notebook to notebook in them, scrolls, and gives orders from them")
  func details() {
    var state = Self.live()
    state.select(RichSession.svc)
    state.press("enter")
    var text = state.screen(size: state.size).text
    #expect(text.contains("D svc of carla") || text.contains("D svc of ana"))
    #expect(text.contains("PAST CELLS 2, 1 failed"))
    #expect(text.contains("WAITED     RAN    SUSP  OUTCOME"))
    let (ran, suspended) = (Span(seconds: 70).clock, Span(seconds: 30).clock)
    #expect(
      text.contains(ran.leftPadded(to: 8) + suspended.leftPadded(to: 8) + "  ok"), "from 400 to 500, in two stretches")
    #expect(text.contains("not known yet"))
    state.processes = ProcessFacts(
      notebook: RichSession.svc,
      rows: [
        .init(
          pid: 4711, depth: 0, state: "S", name: "python3", threads: 9, cpu: Span(seconds: 61), memory: Bytes(1 << 30)),
        .init(
          pid: 4712, depth: 1, state: "R", name: "loky\u{1B}[2J", threads: 1, cpu: Span(seconds: 5),
          memory: Bytes(1 << 20)),
      ])
    text = state.screen(size: state.size).text
    #expect(text.contains("    4711  S    9    1:01    1.0G  python3"))
    #expect(text.contains("  loky�[2J"))
    #expect(state.press("h").verbs == [.hold(RichSession.svc)])
    state.press("j")
    #expect(state.selected == RichSession.twin)
    #expect(state.details != nil)
    #expect(state.screen(size: state.size).text.contains("E churn-model·2 of dave"))
    state.press("pagedown")
    #expect(state.details?.scrolled == 10)
    state.press("escape")
    #expect(state.details == nil)
    var replay = RichSession.replay()
    replay.press("enter")
    #expect(replay.screen(size: Self.wide).text.contains("not known here"))
  }

  @Test("draws what was foreseen of past cells against what came out")
  func foreseen() {
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<2)))
    let id = tape.open("a", at: 1)
    let run = Quantiles(
      p05: Span(seconds: 1), p25: Span(seconds: 5), p50: Span(seconds: 10), p75: Span(seconds: 20),
      p95: Span(seconds: 100))
    for round in 0..<3 {
      let start = Double(round) * 200 + 10
      var cell = Domain.Cell(
        id: CellID(Int64(round + 1)), notebook: id, submitted: Instant(seconds: start), demand: .oneCore)
      cell.forecast = CellForecast(run: run, basis: .code)
      tape.add(.cellQueued(cell), at: start)
      let allotment = Allotment(node: NodeID(0), cores: CoreSet([0]))
      tape.add(.cellStarted(cell.id, id, allotment, Reason(.firstCome)), at: start + 2)
      tape.add(.cellEnded(cell.id, id, .ok), at: start + 2 + [10, 90, 150][round])
    }
    var state = RareBoards.state(tape)
    state.press("enter")
    let text = state.screen(size: Size(columns: 160, rows: 40)).text
    #expect(text.contains("of 3 foreseen, 1 ended in their 50 % range, 2 in their 90 %"))
    #expect(text.contains("├"))
    #expect(text.contains("turnaround  1.02 × what it takes alone"))
    state.press("escape", "6")
    let graphs = state.screen(size: Size(columns: 160, rows: 40)).text
    #expect(graphs.contains("ANTT so far     1.02"))
    #expect(graphs.contains("STP so far      0.98 of 1"))
    #expect(graphs.contains("wait mean       2.0 s"))
  }

  // MARK: The map

  @Test("shows drained cores while they are in use, and pins, by more than colour")
  func drained() throws {
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<64)))
    let id = tape.open("a", at: 1)
    _ = tape.run(id, on: CoreSet(0..<4), at: 2)
    tape.add(.drainChanged(NodeID(0), CoreSet([3, 9]), GPUSet()))
    tape.add(.pinned(id, Pin(node: NodeID(0), cores: CoreSet([0]))))
    var state = RareBoards.state(tape)
    state.size = Size(columns: 100, rows: 24)
    let rect = try #require(state.layout(state.size).node)
    let grid = state.screen(size: state.size)
    #expect(Self.lines(grid, rect)[0].contains("x drained 3,9, 1 still in use"))
    let cells = (0..<64).map { grid[column: rect.column + NodeLayout.margin + $0, row: rect.row + 1] }
    #expect(cells.map(\.ground).prefix(5) == [.corePinned, .text, .text, .coreDrained, .text])
    #expect(cells[3].base == "A")
    #expect(cells[9].base == "x")
    let mono = Theme.builtIn.resolved(for: .mono)
    #expect(mono.style(cells[3].role, on: cells[3].ground) != mono.style(cells[2].role, on: cells[2].ground))
    #expect(mono.style(cells[0].role, on: cells[0].ground) != mono.style(cells[2].role, on: cells[2].ground))
  }

  @Test("shows a GPU's memory, who keeps it, and how much it was held", arguments: [1, 4, 8, 16])
  func gpus(count: Int) throws {
    let gpus = (0..<count).map { GPU(uuid: "GPU-\($0)", model: "H100", memory: Bytes(80 << 30)) }
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<16), gpus: gpus))
    let id = tape.open("trainer", at: 1)
    let cell = tape.queue(id, Demand(coresLeast: 1, coresMost: 1, gpus: 1, gpuMemory: Bytes(20 << 30)), at: 10)
    tape.add(
      .cellStarted(
        cell.id, id, Allotment(node: NodeID(0), cores: CoreSet([0]), gpus: GPUSet([0])), Reason(.firstCome)))
    tape.add(.cellEnded(cell.id, id, .ok), at: 310)
    let state = RareBoards.state(tape)
    let size = Size(columns: 200, rows: 50)
    let rect = try #require(state.layout(size).node)
    let text = Self.lines(state.screen(size: size), rect).joined(separator: "\n")
    #expect(text.contains("20.0G/80.0G"))
    #expect(text.contains(count <= 8 ? "kept by trainer" : "kept by"))
    if count <= 8 { #expect(text.contains("█")) }
    tape.add(.memoryEvicted(id, Reason(.evicted)))
    let after = Self.lines(RareBoards.state(tape).screen(size: size), rect).joined(separator: "\n")
    #expect(!after.contains("kept by"))
  }
}
