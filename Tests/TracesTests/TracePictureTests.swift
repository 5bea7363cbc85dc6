import Canvas
import Chance
import Domain
import Testing
import Traces

@testable import TraceViews

@Suite("Pictures of traces")
struct TracePictureTests {
  private static let trace = Trace(
    name: "t",
    notebooks: [
      TraceNotebook(
        name: "first", user: "ana",
        cells: [
          TraceCell(think: .zero, run: Span(seconds: 50)), TraceCell(think: Span(seconds: 25), run: Span(seconds: 25)),
        ]),
      TraceNotebook(
        name: "second", user: "ben", arrival: Instant(seconds: 50),
        cells: [TraceCell(think: Span(seconds: 25), run: Span(seconds: 25), outcome: .error)]),
    ])

  @Test("draws who ran and thought when, and how long", arguments: [Repertoire.utf8, .ascii])
  func picture(repertoire: Repertoire) {
    let grid = tracePicture(Self.trace, size: Size(columns: 60, rows: 20), glyphs: GlyphSet(repertoire))
    let lines = grid.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let (run, think) = repertoire == .utf8 ? ("▓", "░") : ("#", ".")
    let first = lines.first { $0.hasPrefix("first") } ?? ""
    let second = lines.first { $0.hasPrefix("second") } ?? ""
    // 46 columns for 100 s; a column that two states share shows the weightier.
    #expect(first.dropFirst(14).filter { String($0) == run }.count == 36, "\(first)")
    #expect(first.dropFirst(14).filter { String($0) == think }.count == 10, "\(first)")
    #expect(second.contains(String(repeating: "x", count: 12)) && second.contains(think), "\(second)")
    #expect(grid.text.contains("RUN") && grid.text.contains("THINK"))
    #expect(repertoire == .utf8 || grid.text.unicodeScalars.allSatisfy(\.isASCII))
  }

  @Test("draws any trace into any room", arguments: UInt64(1)...20)
  func anySize(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let trace = MixedWorkload(
      kind: .mixed, notebooks: 1 + random.index(below: 40), cores: 8, gpus: 2, load: 1, seed: seed
    ).trace()
    let size = Size(columns: random.index(below: 220), rows: random.index(below: 70))
    #expect(tracePicture(trace, size: size).size == size)
    #expect(tracePicture(Trace(name: "empty", notebooks: []), size: size).size == size)
  }

  @Test("says that there is more than fits")
  func cut() {
    let trace = MixedWorkload(kind: .cpu, notebooks: 90, cores: 8, gpus: 0, load: 1, seed: 1).trace()
    #expect(tracePicture(trace, size: Size(columns: 100, rows: 20)).text.contains("more notebooks"))
  }
}
