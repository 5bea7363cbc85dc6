import Canvas
import Testing

@testable import Terminal

@Suite("Comparing frames")
struct ChangesTests {
  private let size = Size(columns: 20, rows: 3)

  private func grid(_ lines: [String]) -> Grid {
    var grid = Grid(size: size)
    for (row, line) in lines.enumerated() { grid.draw(line, at: Point(column: 0, row: row)) }
    return grid
  }

  @Test("finds nothing between equal frames, and everything without a frame before or with another size")
  func extremes() {
    let frame = grid(["abc"])
    #expect(changedRuns(from: frame, to: frame) == [])
    let all = (0..<3).map { ChangedRun(row: $0, columns: 0..<20) }
    #expect(changedRuns(from: nil, to: frame) == all)
    #expect(changedRuns(from: Grid(size: Size(columns: 9, rows: 9)), to: frame) == all)
    #expect(changedRuns(from: nil, to: Grid(size: Size(columns: 0, rows: 3))) == [])
  }

  @Test("joins stretches that are closer than a cursor movement is long")
  func joins() {
    let runs = changedRuns(from: grid(["aaaaaaaaaaaaaaaa", "b"]), to: grid(["Aaaaa1aaaaaa2aaa", "b"]))
    #expect(runs == [ChangedRun(row: 0, columns: 0..<6), ChangedRun(row: 0, columns: 12..<13)])
  }

  @Test("never divides a wide character")
  func wide() {
    #expect(changedRuns(from: grid(["日本"]), to: grid(["日x"])) == [ChangedRun(row: 0, columns: 2..<4)])
    #expect(changedRuns(from: grid(["a日"]), to: grid(["本語"])) == [ChangedRun(row: 0, columns: 0..<4)])
  }

  @Test("sees a change of style alone")
  func style() {
    var after = grid(["abc"])
    after.setGround(.tableRowSelected, in: Rect(column: 1, row: 0, columns: 1, rows: 1))
    #expect(changedRuns(from: grid(["abc"]), to: after) == [ChangedRun(row: 0, columns: 1..<2)])
  }
}

@Suite("The terminal's description")
struct TerminfoTests {
  @Test("loses the pauses that only slow terminals need")
  func padding() {
    #expect(Terminfo.withoutPadding(Array("a$<50/>b$c$<5".utf8)) == Array("ab$c$<5".utf8))
  }

  @Test(
    "names the entry for true colour",
    arguments: [
      ("xterm-256color", "xterm-direct"), ("tmux-256color", "tmux-direct"), ("xterm-kitty", "xterm-kitty-direct"),
      ("alacritty", "alacritty-direct"), ("xterm-direct", "xterm-direct"),
    ])
  func direct(type: String, entry: String) {
    #expect(ScreenOptions.directEntries(for: type).first == entry)
  }

  @Test(
    "is refused with what, where and how to mend it",
    arguments: [
      ScreenError.notATerminal("standard output"), .noTerminalType, .unknownTerminalType("foo"),
      .cannotMoveCursor("dumb"), .cannotStart("x"), .cannotOpenLog("/x/y", reason: "No such file or directory"),
    ])
  func errors(error: ScreenError) {
    let text = error.description
    #expect(text.hasPrefix("cannot open the"))
    #expect(text.contains(". Run ") || text.contains("Try ") || text.contains("try ") || text.contains("Make "))
  }
}
