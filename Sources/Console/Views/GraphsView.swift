import Canvas
import Domain
import Metrics
import Projections

// How much was in use when, over the same stretch of time as the timeline; and what the session came to so far.
extension ConsoleState {
  private struct Graph {
    var name: String
    var quantity: LoadHistory.Quantity
    /// What fills the graph's height, and how an amount is written.
    var most: Double
    var now: String
  }

  func drawGraphs(_ grid: inout Grid, _ rect: Rect) {
    let window = Self.windows[window]
    let inner = grid.pane(
      rect, title: "GRAPHS -\(window.short) … \(timeline.end == nil ? "now" : session.timeOfDay(timelineEnd))",
      focused: focus == .graphs)
    guard inner.rows > 0, inner.columns >= 16 else { return }
    let measures = measureLines()
    if inner.columns >= 90 {
      let parts = inner.splitColumns([.share(1), .fixed(2), .fixed(36)])
      drawBands(&grid, parts[0])
      drawMeasures(&grid, parts[2], measures)
    } else {
      let rows = inner.rows >= 10 ? min(measures.count, inner.rows - 8) : max(min(inner.rows - 4, measures.count), 0)
      let parts = inner.splitRows([.share(1), .fixed(rows)])
      drawBands(&grid, parts[0])
      drawMeasures(&grid, parts[1], measures)
    }
  }

  private func drawBands(_ grid: inout Grid, _ rect: Rect) {
    let board = shown
    let graphs = graphs(Overview(board), board)
    let load = board.load(until: shownNow)
    let label = rect.columns >= 50 ? 18 : 14
    let columns = rect.columns - label - 1
    guard columns >= 4, rect.rows > 0 else { return }
    let scale = scale(ofColumns: columns)
    let level = load.level(reaching: shownNow - scale.start)
    let height = max(rect.rows / graphs.count, 1)
    for (index, graph) in graphs.enumerated() where index * height < rect.rows {
      let extra = index == graphs.count - 1 ? rect.rows - height * graphs.count : 0
      let band = Rect(
        column: rect.column, row: rect.row + index * height, columns: rect.columns, rows: height + max(extra, 0))
      grid.draw(
        parts: [(graph.name, .text), (" " + graph.now, .textStrong)], at: Point(column: band.column + 1, row: band.row),
        columns: label - 1)
      let values = level.means(
        of: graph.quantity.rawValue, from: scale.start, part: scale.bucket, parts: columns, now: shownNow
      ).map { $0.map { min($0 / graph.most, 1) } }
      let area = Rect(
        column: band.column + label, row: band.row, columns: columns,
        rows: band.rows > 2 ? band.rows - 1 : band.rows)
      grid.graph(values, in: area)
      guard let cursor = timeline.cursor, (0..<columns).contains(scale.column(of: cursor)) else { continue }
      for row in 0..<area.rows {
        let at = Point(column: area.column + scale.column(of: cursor), row: area.row + row)
        grid.put(.cursor, at: at, role: .timelineCursor)
      }
    }
  }

  private func graphs(_ overview: Overview, _ board: Board) -> [Graph] {
    var graphs = [
      Graph(
        name: "cores", quantity: .cores, most: Double(max(overview.cores, 1)) * 1000,
        now: "\(overview.coresAllotted)/\(overview.cores)")
    ]
    if overview.gpus > 0 {
      graphs.append(
        Graph(
          name: "GPUs", quantity: .gpus, most: Double(overview.gpus) * 1000,
          now: "\(overview.gpusAllotted)/\(overview.gpus)"))
    }
    let memory = Double(max(overview.memoryMost.count >> 20, max(overview.memory.count >> 20, 1)))
    let of = overview.memoryMost > .zero ? "/\(overview.memoryMost.short)" : ""
    graphs.append(Graph(name: "mem", quantity: .memory, most: memory, now: overview.memory.short + of))
    // A queue has no end: the graph's is at the next of 10, 20, 50, 100 …
    let waiting = Int(board.amounts[LoadHistory.Quantity.waiting.rawValue] / 1000)
    var most = 10
    for factor in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] where most < waiting { most = 10 * factor }
    graphs.append(
      Graph(name: "queue", quantity: .waiting, most: Double(most) * 1000, now: "\(waiting) of \(most)"))
    return graphs
  }

  /// What the session came to so far, in words and figures.
  func measureLines() -> [(name: String, value: String)] {
    let measures = shown.measures
    func number(_ value: Double?) -> String {
      guard let value else { return "-" }
      let hundredths = Int(min(value, 1e7) * 100 + 0.5)
      let rest = hundredths % 100
      return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
    func share(_ part: Int64) -> String {
      measures.starts > 0 ? "\((part * 100 + measures.starts / 2) / measures.starts)%" : "-"
    }
    let isLeast = measures.hasShared ? "≥ " : ""
    return [
      ("ANTT so far", isLeast + number(measures.antt) + (measures.hasShared ? " (cores shared)" : "")),
      ("STP so far", (measures.hasShared ? "≤ " : "") + number(measures.stp) + " of \(measures.notebooks)"),
      ("wait mean", measures.waitMean.precise),
      ("wait p50 p95", measures.wait(atShare: 0.5).precise + "  " + measures.wait(atShare: 0.95).precise),
      ("wait longest", measures.waitMost.precise),
      ("over 1 s, 10 s", share(measures.over1s) + "  " + share(measures.over10s)),
      ("preemptions", "\(measures.preemptions) in \(measures.starts) starts"),
    ]
  }

  private func drawMeasures(_ grid: inout Grid, _ rect: Rect, _ lines: [(name: String, value: String)]) {
    for (index, line) in lines.prefix(rect.rows).enumerated() {
      let at = Point(column: rect.column + 1, row: rect.row + index)
      grid.draw(line.name, at: at, role: .textDim, columns: min(15, rect.columns - 1))
      grid.draw(
        line.value, at: Point(column: at.column + 16, row: at.row), role: .text, columns: rect.columns - 17)
    }
  }
}
