import Canvas
import Domain
import Foundation
import Projections
import Testing

@testable import Console

/// Who is who where letters have begun again: never by colour alone.
@Suite("Marks of notebooks") struct MarkTests {
  private static let first = NotebookID(0)
  private static let again = NotebookID(52)

  /// 60 notebooks of which the first and the 53rd, which have the same letter, run beside each other.
  private static func state(cores: Int, gpus: Int = 0) -> ConsoleState {
    var tape = Tape(
      node: Node(
        id: NodeID(0), name: "n", cores: CoreSet(0..<cores), gpus: (0..<gpus).map { GPU(uuid: "GPU-\($0)") }))
    for number in 0..<60 { _ = tape.open("nb\(number)", at: Double(number)) }
    _ = tape.run(first, on: CoreSet([1]), gpus: gpus > 0 ? GPUSet([0]) : GPUSet(), at: 70)
    _ = tape.run(again, on: CoreSet([2]), gpus: gpus > 1 ? GPUSet([1]) : GPUSet(), at: 71)
    return RareBoards.state(tape)
  }

  @Test("are different for 1,820 notebooks, in ASCII, in two cells at the most")
  func distinct() {
    let marks = (0..<1820).map { NotebookMark($0).text }
    #expect(Set(marks).count == 1820)
    #expect(marks.allSatisfy { (1...2).contains($0.utf8.count) && $0.utf8.count == $0.count })
    #expect(marks[0] == "A" && marks[51] == "z" && marks[52] == "A2" && marks[103] == "z2" && marks[104] == "A3")
    #expect(NotebookMark(5000).text.last == "+")
  }

  @Test("tell two notebooks of one letter apart on the maps, where cells have room for two columns")
  func onTheMap() throws {
    let state = Self.state(cores: 64, gpus: 16)
    for size in [Size(columns: 200, rows: 50), Size(columns: 160, rows: 50)] {
      let layout = state.layout(size)
      let rect = try #require(layout.node)
      let places = try #require(state.nodePlaces(rect))
      #expect(places.layout.cellColumns == 2)
      let text = state.screen(size: size, glyphs: GlyphSet(.ascii)).text
      #expect(text.contains("A A2"), "\(text)")
      // A click finds the core that is drawn there.
      var clicked = state
      clicked.size = size
      let at = Point(column: places.cores.column + NodeLayout.margin + 4, row: places.cores.row)
      #expect(clicked.hit(at: at) == .core(2, Self.again))
      #expect(!text.contains("several notebooks each"))
    }
  }

  @Test("or the map says that a letter stands for several")
  func saidSo() throws {
    let state = Self.state(cores: 128)
    let size = Size(columns: 80, rows: 24)
    let rect = try #require(state.layout(size).node)
    let places = try #require(state.nodePlaces(rect))
    #expect(places.layout.cellColumns == 1)
    let text = state.screen(size: size, glyphs: GlyphSet(.ascii)).text
    #expect(text.contains("several notebooks each: A"), "\(text)")
  }

  @Test("are the same on the table, the timeline, the details and the grid")
  func everywhere() {
    var state = Self.state(cores: 8)
    state.select(Self.again)
    let size = Size(columns: 120, rows: 40)
    state.size = size
    let text = state.screen(size: size).text
    #expect(text.components(separatedBy: "A2 nb52").count >= 3, "\(text)")
    state.press("a")
    #expect(state.screen(size: size).text.contains(" 2A2"))
    state.press("escape", "enter")
    #expect(state.screen(size: size).text.contains("A2 nb52 of ana"))
  }
}
