import Testing

@testable import Canvas

@Suite struct PlainTextTests {
  @Test func plainTextIsDrawnAsItsClustersWouldBe() {
    let texts = ["", "a", "kmeans.ipynb", "a much longer title than there is room", "~ {}", "\u{7F}tab\t"]
    for text in texts {
      for columns in 0...12 {
        for column in -3...9 {
          for alignment in [Alignment.leading, .trailing] {
            var drawn = Grid(size: Size(columns: 10, rows: 1))
            drawn.draw("漢字", at: Point(column: 4, row: 0))
            var expected = drawn
            let end = drawn.draw(
              text, at: Point(column: column, row: 0), role: .title, columns: columns, alignment: alignment)
            let room = min(columns, 10 - column)
            let clusters = fitted(text, toColumns: room, in: .utf8)
            var next = column
            if room > 0 {
              if alignment == .trailing { next += room - clusters.count }
              for cluster in clusters {
                expected.put(cluster, at: Point(column: next, row: 0), role: .title)
                next += cluster.width
              }
            }
            #expect(drawn == expected, "\(text) at \(column) in \(columns), \(alignment)")
            #expect(end == next)
          }
        }
      }
    }
  }
}
