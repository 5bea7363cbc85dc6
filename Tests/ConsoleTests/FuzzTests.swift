import Chance
import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("The console whatever comes") struct FuzzTests {
  private static let keys: [KeyPress] = {
    let named = KeyAction.allCases.flatMap { KeyMap.standard.keys(for: $0) }.compactMap { KeyPress(named: $0) }
    let typed = "abc019:%-,.~é日\u{202E} ".map { KeyPress(.character($0)) }
    return named + typed + [KeyPress(.backspace), KeyPress(.enter), KeyPress(.escape), KeyPress(.function(24))]
  }()

  @Test("draws every size from 0×0 to 300×100, after any keys, on any board", arguments: UInt64(1)...60)
  func neverCrashes(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let tape = RareBoards.random(&random)
    var state = RareBoards.state(tape, mode: [.live, .simulated, .replay][Int(seed % 3)])
    if seed % 3 == 2 {
      state.transport = TransportFacts(
        isPlaying: seed % 2 == 0, speed: 0.125, end: tape.now, markers: tape.board.markers, entry: 1, entries: 9)
    }
    if seed % 5 == 0 { state.alternative = Alternative(table: PastStage.table, board: PastStage.otherBoard) }
    for _ in 0..<12 {
      state.size = Size(columns: Int(random.next() % 301), rows: Int(random.next() % 101))
      if random.next() % 6 == 0 { state.show(sessions: PastStage.sessions) }
      for _ in 0..<Int(random.next() % 12) { _ = state.handle(event(&random)) }
      let size = Size(columns: Int(random.next() % 301), rows: Int(random.next() % 101))
      let grid = state.screen(size: size, glyphs: GlyphSet(random.next() % 2 == 0 ? .utf8 : .ascii))
      #expect(grid.size == size, "seed \(seed)")
      #expect(grid.cells.allSatisfy { $0.scalars.allSatisfy { !isHostile($0) } }, "seed \(seed)")
      state.clock = state.clock + Span(microseconds: Int64(random.next() % 5_000_000))
      state.show(tape.board, at: tape.now + Span(microseconds: Int64(random.next() % 5_000_000)))
    }
  }

  private func event(_ random: inout SplitMix) -> KeyEvent {
    switch random.next() % 20 {
    case 0: .paste("drain 0-4095\u{1B}[2J")
    case 1: .mouse(MouseEvent(.wheelDown, at: Point(column: -1, row: 999)))
    case 2:
      .mouse(
        MouseEvent(
          random.next() % 2 == 0 ? .press(.left) : .drag(.left),
          at: Point(column: Int(random.next() % 310) - 5, row: Int(random.next() % 105) - 2)))
    default: .key(Self.keys.randomElement(using: &random) ?? KeyPress(.escape))
    }
  }

  @Test("draws the rich session at every small size, with every layer")
  func smallSizes() {
    for columns in 0...46 {
      for rows in 0...17 {
        for key in ["", "?", "w", ":", "g", "/", "q", "S", "2", "c", "x", "i", "a", "s", "T", "h", "D"] {
          var state = columns % 2 == 0 ? RichSession.live(confirmsQuit: true) : RichSession.replay()
          if key == "S" { state.show(sessions: PastStage.sessions) }
          if key == "2" { state = PastStage.twoWorlds() }
          if key == "c" { state = PastStage.changed() }
          if ["x", "i", "a", "s", "h", "D"].contains(key) {
            state = RichSession.live()
            state.press("home")
            for _ in 0..<(key == "h" ? 5 : 0) { state.press("space") }
            if ["x", "i"].contains(key) { state.select(RichSession.churn) }
          }
          if !key.isEmpty { state.press(key) }
          if key == "T" { state.show(themes: ["base-dark", "mono", "nord"], current: "mono") }
          if ["x", "i", "a", "s", "T", "h", "D"].contains(key) { #expect(state.layer != nil, "\(key)") }
          #expect(state.screen(size: Size(columns: columns, rows: rows)).size.columns == columns)
        }
      }
    }
  }

  @Test("draws the same picture from the same state")
  func pure() {
    let state = RichSession.live()
    let size = Size(columns: 120, rows: 40)
    #expect(state.screen(size: size) == state.screen(size: size))
  }

  @Test(
    "shows every core and every GPU, however few rows there are", arguments: [1, 2, 8, 13, 16, 64, 130, 256, 700],
    [0, 1, 8])
  func wholeNode(cores: Int, gpus: Int) {
    for columns in [20, 60, 80, 120, 200] {
      for rows in [gpus > 0 ? 2 : 1, 3, 5, 20] {
        let layout = NodeLayout(cores: cores, gpus: gpus, columns: columns, rows: rows)
        let perRow = layout.namesCores ? layout.fieldsPerRow : layout.cellsPerRow * layout.coresPerCell
        #expect(layout.coreRows * perRow >= cores, "\(columns) × \(rows)")
        #expect(layout.coreRows + layout.gpuRows <= rows, "\(columns) × \(rows)")
        #expect(layout.gpuRows * (layout.namesGPUs ? layout.fieldsPerRow : layout.cellsPerRow) >= gpus)
      }
    }
  }

  @Test("writes spans in seven cells at the most")
  func spans() {
    let table: [(Double, String)] = [
      (-1, "0:00"), (7.9, "0:07"), (751, "12:31"), (3599, "59:59"), (3600, "1:00:00"), (35_999, "9:59:59"),
      (36_000, "10h 00m"), (86_399, "23h 59m"), (187_200, "2d 4h"), (8_553_600, "99d 0h"), (8_640_000, "100d"),
      (1e12, "11574074d"),
    ]
    for (seconds, text) in table { #expect(Span(seconds: seconds).clock == text) }
    for seconds in stride(from: 0.0, to: 1e8, by: 9973) { #expect(Span(seconds: seconds).clock.count <= 7) }
  }

  @Test("writes sizes of memory in six cells at the most")
  func sizes() {
    let table: [(Int64, String)] = [
      (0, "0M"), (999 << 20, "999M"), (1000 << 20, "1.0G"), (1433 << 20, "1.4G"), (900 << 30, "900.0G"),
      (2560 << 30, "2.5T"),
    ]
    for (bytes, text) in table { #expect(Bytes(bytes).short == text) }
  }
}
