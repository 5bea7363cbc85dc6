import Canvas
import Chance
import Domain
import Projections
import Testing

@testable import Console

@Suite("Every pane at every size on every board") struct EverySizeTests {
  /// A node and a workload drawn by lot: 1 to 1,024 cores, 0 to 16 GPUs, none to 300 notebooks.
  private static func state(_ random: inout SplitMix, seed: UInt64) throws -> ConsoleState {
    func pick(_ values: [Int]) -> Int { values[Int(random.next() % UInt64(values.count))] }
    let made = try GeneratedBoards(
      seed: seed, cores: pick([1, 2, 5, 16, 64, 130, 256, 1024]), gpus: pick([0, 1, 3, 8, 16]),
      notebooks: pick([0, 1, 3, 12, 40, 300]), policy: ["fcfs", "dynamic", "os"][pick([0, 1, 2])],
      steps: pick([20, 300]))
    return Self.state(made)
  }

  private static func state(_ made: GeneratedBoards) -> ConsoleState {
    let facts = SessionFacts(
      mode: .live, number: 1, user: "ana", beganWallMicroseconds: RichSession.began, utcOffsetSeconds: 3600)
    return RichSession.state(facts, made.board, made.now)
  }

  private static func size(_ random: inout SplitMix) -> Size {
    Size(columns: 20 + Int(random.next() % 281), rows: 5 + Int(random.next() % 96))
  }

  /// What a person may have set before looking.
  private static func mixUp(_ state: inout ConsoleState, _ random: inout SplitMix) {
    func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(sides)) }
    state.layer = nil
    state.details = roll(8) == 0 ? DetailsView(scrolled: roll(30)) : nil
    state.arrangement = Arrangement.allCases[roll(Arrangement.allCases.count)]
    state.focus = Pane.allCases[roll(Pane.allCases.count)]
    state.isZoomed = roll(4) == 0
    state.sort = TableColumn.allCases[roll(TableColumn.allCases.count)]
    state.isSortInverted = roll(2) == 0
    state.isTree = roll(3) == 0
    state.folded = roll(2) == 0 ? ["ana", ""] : []
    state.filter = roll(4) == 0 ? ["a", "run", "zz"][roll(3)] : ""
    state.hiddenColumns = Set((0..<roll(6)).map { _ in TableColumn.allCases[roll(TableColumn.allCases.count)] })
    state.window = roll(ConsoleState.windows.count)
    state.timeline = TimelineView()
    state.timeline.cursor = roll(3) == 0 ? Instant(seconds: Double(roll(900))) : nil
    state.timeline.end = roll(3) == 0 ? Instant(seconds: Double(roll(900))) : nil
    state.eventsView = EventsView()
    state.eventsView.filter = roll(3) == 0 ? "cell" : ""
    state.eventsView.bottom = roll(3) == 0 ? Int64(roll(600)) : nil
    state.tagged = Set(state.table.notebooks.filter { _ in roll(3) == 0 })
    state.cursor = state.table.rows.isEmpty ? nil : state.table.rows[roll(state.table.rows.count)]
  }

  @Test("lays its panes out side by side, each within the screen, none over another", arguments: UInt64(1)...40)
  func disjoint(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var state = try Self.state(&random, seed: seed)
    for _ in 0..<40 {
      Self.mixUp(&state, &random)
      let size = Self.size(&random)
      let layout = state.layout(size)
      var used = Set<Point>()
      let rects =
        [layout.header, layout.details, layout.transport, layout.flash, layout.keyBar].compactMap { $0 }
        + layout.panes.compactMap { layout.rect(of: $0) }
      for rect in rects {
        #expect(rect.columns > 0 && rect.rows > 0, "seed \(seed), \(size)")
        #expect(rect.column >= 0 && rect.endColumn <= size.columns, "seed \(seed), \(size)")
        #expect(rect.row >= 0 && rect.endRow <= size.rows, "seed \(seed), \(size)")
        for row in rect.row..<rect.endRow {
          for column in rect.column..<rect.endColumn {
            #expect(used.insert(Point(column: column, row: row)).inserted, "seed \(seed), \(size)")
          }
        }
      }
    }
  }

  @Test("draws nothing outside of a pane, and nothing that could move a cursor", arguments: UInt64(1)...60)
  func withinItsPane(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var state = try Self.state(&random, seed: seed)
    for _ in 0..<6 {
      Self.mixUp(&state, &random)
      let size = Self.size(&random)
      let layout = state.layout(size)
      let glyphs = GlyphSet(random.next() % 2 == 0 ? .utf8 : .ascii)
      var empty = Grid(size: size, glyphs: glyphs)
      empty.fill(empty.bounds, with: .shadeDark, role: .error)
      let drawn: [(Rect, (inout Grid, Rect) -> Void)] =
        layout.panes.compactMap { pane in
          layout.rect(of: pane).map { ($0, { state.draw(pane, on: &$0, in: $1) }) }
        } + [layout.details.map { ($0, { state.drawDetails(&$0, $1) }) }].compactMap { $0 }
      for (rect, draw) in drawn {
        var grid = empty
        draw(&grid, rect)
        var strays = 0
        for row in 0..<size.rows {
          for column in 0..<size.columns where !rect.contains(Point(column: column, row: row)) {
            if grid[column: column, row: row] != empty[column: column, row: row] { strays += 1 }
          }
        }
        #expect(strays == 0, "seed \(seed), \(size), \(rect)")
      }
      let screen = state.screen(size: size, glyphs: glyphs)
      #expect(screen.cells.allSatisfy { $0.scalars.allSatisfy { !isHostile($0) } }, "seed \(seed), \(size)")
    }
  }

  @Test("shows the selected row in the table, the timeline and the queue, whichever it is", arguments: UInt64(1)...40)
  func selectionVisible(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var state = try Self.state(&random, seed: seed)
    for _ in 0..<12 {
      Self.mixUp(&state, &random)
      state.details = nil
      let size = Self.size(&random)
      let layout = state.layout(size)
      guard let cursor = state.cursor else { continue }
      let grid = state.screen(size: size)
      func isMarked(_ rect: Rect?) -> Bool {
        guard let rect, rect.rows > 1, rect.columns > 8 else { return true }
        return (rect.row..<rect.endRow).contains { row in
          (rect.column..<rect.endColumn).contains { grid[column: $0, row: row].ground == .tableRowSelected }
        }
      }
      #expect(isMarked(layout.notebooks), "seed \(seed), \(size), \(cursor)")
      guard case .notebook(let id) = cursor else { continue }
      #expect(isMarked(layout.timeline), "seed \(seed), \(size), \(cursor)")
      if state.table.waiting.cells.contains(where: { $0.notebook == id }) {
        #expect(isMarked(layout.queue), "seed \(seed), \(size), \(cursor)")
      }
    }
  }

  @Test(
    "knows what is at every place: the row that is drawn there, the moment, nothing outside", arguments: UInt64(1)...30)
  func hits(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var state = try Self.state(&random, seed: seed)
    for _ in 0..<10 {
      Self.mixUp(&state, &random)
      state.size = Self.size(&random)
      let size = state.size
      let layout = state.layout(size)
      let grid = state.screen(size: size)
      for _ in 0..<80 {
        let point = Point(column: Int(random.next() % 310) - 5, row: Int(random.next() % 110) - 5)
        let hit = state.hit(at: point)
        let pane = state.pane(at: point)
        if pane == nil { #expect(hit == nil) }
        switch hit {
        case .row(.notebook(let id)) where pane == .notebooks:
          guard let rect = layout.notebooks, rect.columns > 2 else { continue }
          let letter = grid[column: rect.column + 2, row: point.row].base
          #expect(letter == id.mark.scalar, "seed \(seed), \(size), \(point)")
        case .moment(let instant, let id):
          guard let rect = layout.timeline, let place = state.timelineLayout(rect, state.rowOrder) else { continue }
          let column = point.column - place.body.column - place.label
          #expect(
            place.scale.column(of: instant) == column || instant == .zero || instant == state.shownNow,
            "seed \(seed), \(size), \(point)")
          if let id { #expect(grid[column: rect.column + 1, row: point.row].base == id.mark.scalar) }
        case .row, .column, .waiting, .core, .gpu, .event, .transport, .pane, nil: break
        }
      }
      if let rect = layout.notebooks, let cursor = state.cursor, rect.rows > 2 {
        let row = (rect.row..<rect.endRow).first { grid[column: rect.column, row: $0].base == "▶" }
        let found = row.flatMap { state.hit(at: Point(column: rect.column + 5, row: $0)) }
        #expect(found == .row(cursor), "seed \(seed), \(size)")
      }
    }
  }

  @Test("shows five thousand notebooks, and a thousand cores with sixteen GPUs")
  func large() throws {
    let made = try GeneratedBoards(seed: 7, cores: 1024, gpus: 16, notebooks: 5000, policy: "fcfs", steps: 600)
    var state = Self.state(made)
    #expect(state.table.rows.count == made.board.openNotebooks.count)
    state.press("G")
    for size in [Size(columns: 20, rows: 5), Size(columns: 80, rows: 24), Size(columns: 300, rows: 100)] {
      #expect(state.screen(size: size).size == size)
    }
    let layout = NodeLayout(cores: 1024, gpus: 0, columns: 118, rows: 9)
    #expect(layout.coresPerCell == 4)
  }
}
