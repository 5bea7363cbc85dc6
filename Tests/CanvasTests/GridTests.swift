import Chance
import Domain
import Testing

@testable import Canvas

@Suite("A grid")
struct GridTests {
  @Test("draws text where it is told and cuts it at the edge")
  func draws() {
    var grid = Grid(size: Size(columns: 8, rows: 3))
    grid.draw("hello", at: Point(column: 1, row: 0))
    grid.draw("too long a text", at: Point(column: 0, row: 1))
    grid.draw("outside", at: Point(column: 0, row: 9))
    grid.draw("right", at: Point(column: 0, row: 2), columns: 8, alignment: .trailing)
    #expect(grid.text == " hello\ntoo lon…\n   right")
  }

  @Test("leaves no half of a wide character behind")
  func wideHalves() {
    var grid = Grid(size: Size(columns: 6, rows: 1))
    grid.draw("日本語", at: Point(column: 0, row: 0))
    grid.put("x" as Unicode.Scalar, at: Point(column: 1, row: 0))
    grid.put("y" as Unicode.Scalar, at: Point(column: 4, row: 0))
    #expect(grid.text == " x本y")
    #expect(grid.cells.map(\.part) == [.whole, .whole, .lead, .tail, .whole, .whole])
  }

  @Test("stays whole under any drawing", arguments: UInt64(1)...30)
  func invariants(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var grid = Grid(size: Size(columns: 12, rows: 4))
    var other = Grid(size: Size(columns: 5, rows: 2))
    other.draw("日a本", at: Point(column: 0, row: 0))
    for _ in 0..<200 {
      let point = Point(column: Int(random.next() % 18) - 3, row: Int(random.next() % 8) - 2)
      switch random.next() % 4 {
      case 0: grid.draw(random.text(scalars: 8), at: point)
      case 1: grid.place(other, at: point)
      case 2: grid.setGround(.tableRowSelected, in: Rect(column: point.column, row: point.row, columns: 3, rows: 2))
      default: grid.box(Rect(column: point.column, row: point.row, columns: 6, rows: 3), title: "日本")
      }
      for row in 0..<4 {
        for column in 0..<12 {
          let cell = grid[column: column, row: row]
          let next = column + 1 < 12 ? grid[column: column + 1, row: row].part : .whole
          #expect((cell.part == .lead) == (next == .tail), "seed \(seed), at \(column),\(row)")
          #expect(column > 0 || cell.part != .tail, "seed \(seed), at \(column),\(row)")
          #expect(!cell.scalars.contains(where: isHostile), "seed \(seed), at \(column),\(row)")
        }
      }
    }
  }

  @Test("draws boxes and panes with their titles")
  func boxes() {
    var grid = Grid(size: Size(columns: 16, rows: 5))
    let inside = grid.box(Rect(column: 0, row: 0, columns: 10, rows: 3), title: "CORES")
    #expect(inside == Rect(column: 1, row: 1, columns: 8, rows: 1))
    let below = grid.pane(Rect(column: 0, row: 3, columns: 16, rows: 2), title: "QUEUE", detail: "9")
    #expect(below == Rect(column: 0, row: 4, columns: 16, rows: 1))
    #expect(grid.text == "┌─ CORE…─┐\n│        │\n└────────┘\n─ QUEUE ──── 9 ─\n")
    var plain = Grid(size: Size(columns: 4, rows: 2), glyphs: GlyphSet(.ascii))
    plain.box(plain.bounds)
    #expect(plain.text == "+--+\n+--+")
  }

  @Test("draws bars to an eighth of a cell, and takes any number")
  func bars() {
    var grid = Grid(size: Size(columns: 4, rows: 5))
    for (row, fraction) in [0.5, 0.53, 7, -1, .nan].enumerated() {
      grid.bar(fraction, at: Point(column: 0, row: row), columns: 4, role: .load(fraction))
    }
    #expect(grid.text == "██\n██▏\n████\n\n")
  }

  @Test("dumps the styles as letters with a legend")
  func styleLayer() {
    var grid = Grid(size: Size(columns: 6, rows: 2))
    grid.draw("ab", at: Point(column: 0, row: 0), role: .stateRunning)
    grid.draw("cd", at: Point(column: 1, row: 1))
    grid.setGround(.tableRowSelected, in: Rect(column: 0, row: 1, columns: 2, rows: 1))
    #expect(
      grid.styleLayer
        == "aa\nbbc\n--\na state.running\nb text on table.row.selected\nc text")
  }

  @Test(
    "divides a line exactly",
    arguments: [
      (10, [Extent.share(1), .share(1), .share(1)], [4, 3, 3]), (10, [.fixed(4), .share(1)], [4, 6]),
      (3, [.fixed(4), .share(1)], [3, 0]), (10, [.share(3), .fixed(2), .share(1)], [6, 2, 2]), (5, [.fixed(2)], [2]),
      (0, [.share(1), .share(2)], [0, 0]),
    ])
  func splitting(total: Int, extents: [Extent], sizes: [Int]) {
    let rect = Rect(column: 2, row: 1, columns: total, rows: 3)
    #expect(rect.splitColumns(extents).map(\.columns) == sizes)
    #expect(Rect(column: 0, row: 0, columns: 3, rows: total).splitRows(extents).map(\.rows) == sizes)
    #expect(rect.splitColumns(extents).first?.column == 2)
  }
}

@Suite("Keys")
struct KeyTests {
  @Test(
    "are written as they are read",
    arguments: [
      "q", "G", "F9", "ctrl-r", "shift-left", "alt-x", "ctrl-alt-shift-up", "space", "minus", "[", "?", "escape",
    ])
  func names(name: String) throws {
    #expect(try #require(KeyPress(named: name)).description == name)
  }

  @Test("are refused when there is no such key", arguments: ["", "F0", "F25", "hyper-x", "ctrl-", "enterr"])
  func unknown(name: String) {
    #expect(KeyPress(named: name) == nil)
  }
}
