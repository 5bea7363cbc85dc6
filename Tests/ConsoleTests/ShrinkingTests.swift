import Canvas
import Domain
import Projections
import Testing

@testable import Console

/// The order in which things go as a screen gets smaller: sparks, events, timeline, GPU map, core map.
@Suite("A screen that shrinks") struct ShrinkingTests {
  /// What can go, the first to go first.
  private enum Part: Int, CaseIterable, Comparable {
    case sparks, events, timeline, gpuMap, coreMap

    static func < (left: Part, right: Part) -> Bool { left.rawValue < right.rawValue }
  }

  private static func seen(_ state: ConsoleState, _ size: Size) -> Set<Part> {
    let layout = state.layout(size)
    var seen: Set<Part> = []
    if let rect = layout.notebooks, state.tableLayout(rect, sparks: layout.sparks).recent != nil {
      seen.insert(.sparks)
    }
    if layout.graphs != nil { seen.insert(.sparks) }
    if layout.events != nil { seen.insert(.events) }
    if layout.timeline != nil { seen.insert(.timeline) }
    if let rect = layout.node, let places = state.nodePlaces(rect) {
      seen.insert(.coreMap)
      // What is drawn, not what is planned: the map's first GPU is there to be seen.
      var grid = Grid(size: size, glyphs: GlyphSet(.ascii))
      state.draw(.node, on: &grid, in: rect, sparks: layout.sparks)
      func text(_ part: Rect) -> String {
        (part.row..<part.endRow).map { row in
          (part.column..<part.endColumn).map { String(grid[column: $0, row: row].base) }.joined()
        }.joined(separator: "\n")
      }
      let drawn = places.gpus.rows > 0 ? text(places.gpus) : ""
      if drawn.contains("G0 ") || drawn.contains("GPU") { seen.insert(.gpuMap) }
    }
    return seen
  }

  private static let states: [(String, ConsoleState)] = {
    var shared = RareBoards.many
    _ = shared.open("one more", at: 400)
    return [("rich", RichSession.live()), ("many", RareBoards.state(shared))]
  }()

  @Test("keeps what goes later as long as it shows what goes sooner, at every size")
  func order() {
    for (name, state) in Self.states {
      for columns in Array(stride(from: 60, through: 260, by: 20)) + [119, 120, 139, 140] {
        for rows in 15...60 {
          let seen = Self.seen(state, Size(columns: columns, rows: rows))
          for (earlier, later) in zip(Part.allCases, Part.allCases.dropFirst()) where seen.contains(earlier) {
            #expect(seen.contains(later), "\(name) at \(columns)×\(rows): \(earlier) without \(later)")
          }
        }
      }
    }
  }

  @Test("loses one after the other as rows run out, and nothing comes back", arguments: [60, 119, 140, 200, 260])
  func rows(columns: Int) {
    for (name, state) in Self.states {
      var before = Set(Part.allCases)
      var gone: [Part] = []
      for rows in stride(from: 70, through: 15, by: -1) {
        let seen = Self.seen(state, Size(columns: columns, rows: rows))
        #expect(seen.isSubset(of: before), "\(name) at \(columns)×\(rows)")
        gone += before.subtracting(seen).sorted()
        before = seen
      }
      #expect(gone == gone.sorted(), "\(name) at \(columns): \(gone)")
      // Down to where one pane is shown at a time both maps are there.
      #expect(before == [.gpuMap, .coreMap] || before == [.timeline, .gpuMap, .coreMap], "\(name) at \(columns)")
    }
  }

  @Test("shows graphs only where they have the rows to say something, and the events the whole width else")
  func graphs() throws {
    let state = RichSession.live()
    var withoutGraphs = 0
    for rows in 15...60 {
      let layout = state.layout(Size(columns: 200, rows: rows))
      guard let events = layout.events else { continue }
      if let graphs = layout.graphs {
        #expect(graphs.rows >= 5 && events.columns < 200)
      } else {
        withoutGraphs += 1
        #expect(events.columns == 200)
      }
    }
    #expect(withoutGraphs > 0)
  }
}
