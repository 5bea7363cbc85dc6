import Canvas
import Domain
import Traces

/// A trace as a picture: what each notebook did over time, if nobody waited, and how long cells run and people think.
///
/// - Parameters:
///   - size: the room; under 40 × 8 only the timeline is drawn.
///   - glyphs: what the terminal can show.
public func tracePicture(_ trace: Trace, size: Size, glyphs: GlyphSet = GlyphSet(.utf8)) -> Grid {
  var grid = Grid(size: size, glyphs: glyphs)
  let histogramRows = size.rows >= 16 && size.columns >= 40 ? 10 : 0
  let timeline = Rect(column: 0, row: 0, columns: size.columns, rows: size.rows - histogramRows)
  drawTimeline(trace, in: timeline, on: &grid)
  if histogramRows > 0 {
    let half = size.columns / 2
    let runs = trace.notebooks.flatMap { $0.cells.map(\.run.seconds) }
    let thinks = trace.notebooks.flatMap { $0.cells.dropFirst().map(\.think.seconds) }
    let left = Rect(column: 0, row: timeline.endRow, columns: half - 1, rows: histogramRows)
    let right = Rect(column: half, row: timeline.endRow, columns: size.columns - half, rows: histogramRows)
    drawHistogram("RUN", runs, role: .timelineRunning, in: left, on: &grid)
    drawHistogram("THINK", thinks, role: .timelineThinking, in: right, on: &grid)
  }
  return grid
}

// A row a notebook, the busiest stretch of each column's time deciding its sign.
private func drawTimeline(_ trace: Trace, in rect: Rect, on grid: inout Grid) {
  let legend = "\(Character(grid.glyphs[.run])) run  \(Character(grid.glyphs[.think])) think  x failed"
  let inner = grid.pane(rect, title: "TIMELINE", detail: legend)
  guard inner.rows > 1, inner.columns > 12 else { return }
  let label = inner.columns >= 100 ? 22 : inner.columns >= 40 ? 14 : 4
  let columns = inner.columns - label
  let first = trace.notebooks.map(\.arrival).min() ?? .zero
  let span = max(trace.span.microseconds, 1)
  let rows = inner.rows - 1
  let isCut = trace.notebooks.count > rows
  let shown = trace.notebooks.enumerated().sorted { ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset) }
    .prefix(isCut ? rows - 1 : rows)
  for (row, item) in shown.enumerated() {
    let line = inner.row + row
    // Of a path the document's name says most.
    let name = item.element.name.split(separator: "/").last.map(String.init) ?? item.element.name
    grid.draw(
      name, at: Point(column: inner.column, row: line), role: NotebookMark(item.offset).role,
      columns: label - 1)
    for (column, mark) in marks(of: item.element, from: first, span: span, columns: columns).enumerated() {
      let point = Point(column: inner.column + label + column, row: line)
      switch mark {
      case .none: break
      case .running: grid.put(.run, at: point, role: .timelineRunning)
      case .thinking: grid.put(.think, at: point, role: .timelineThinking)
      case .failed: grid.draw("x", at: point, role: .error, columns: 1)
      }
    }
  }
  if isCut {
    grid.draw(
      "and \(trace.notebooks.count - shown.count) more notebooks",
      at: Point(column: inner.column, row: inner.row + rows - 1),
      role: .textDim)
  }
  let axis = inner.row + min(rows, max(shown.count, 1) + (isCut ? 1 : 0))
  for tick in 0...4 {
    let text = brief(Double(span) / 1e6 * Double(tick) / 4)
    let column = label + columns * tick / 4
    grid.draw(
      text, at: Point(column: inner.column + (tick == 4 ? label + columns - text.count : column), row: axis),
      role: .timelineAxis)
  }
}

private enum Mark: Int { case none, thinking, running, failed }

private func marks(of notebook: TraceNotebook, from first: Instant, span: Int64, columns: Int) -> [Mark] {
  var marks = [Mark](repeating: .none, count: columns)
  func column(_ instant: Int64) -> Int {
    min(Int(Double(instant - first.microseconds) / Double(span) * Double(columns)), columns - 1)
  }
  var clock = notebook.arrival.microseconds
  for cell in notebook.cells {
    for (length, mark) in [(cell.think, Mark.thinking), (cell.run, cell.outcome == .ok ? .running : .failed)] {
      let from = column(clock)
      clock += length.microseconds
      // What has no length leaves no trace, except a failure.
      guard length > .zero || mark == .failed else { continue }
      for place in from...max(from, column(clock)) where mark.rawValue > marks[place].rawValue { marks[place] = mark }
    }
  }
  return marks
}

// Shares of a sample in classes of three a decade, and its quartiles.
private func drawHistogram(_ title: String, _ seconds: [Double], role: Role, in rect: Rect, on grid: inout Grid) {
  let sorted = seconds.sorted()
  func quantile(_ share: Double) -> String {
    sorted.isEmpty ? "-" : brief(sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)])
  }
  let inner = grid.pane(
    rect, title: title, detail: "p50 \(quantile(0.5)) p90 \(quantile(0.9)) p99 \(quantile(0.99))")
  guard inner.rows > 1, inner.columns > 20 else { return }
  let limits: [Double] = [0.01, 0.1, 1, 10, 60, 600, 3600, .infinity]
  let names = ["10 ms", "0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h", "more"]
  var counts = [Int](repeating: 0, count: limits.count)
  for value in sorted { counts[limits.firstIndex { value < $0 } ?? limits.count - 1] += 1 }
  let most = Double(max(counts.max() ?? 1, 1))
  for (index, count) in counts.enumerated() where index < inner.rows {
    let row = inner.row + index
    let name = index == limits.count - 1 ? "longer" : "< \(names[index])"
    grid.draw(name, at: Point(column: inner.column, row: row), role: .textDim, columns: 9)
    let room = inner.columns - 10 - 9
    grid.bar(Double(count) / most, at: Point(column: inner.column + 10, row: row), columns: room, role: role)
    grid.draw(
      "\(count)", at: Point(column: inner.column + inner.columns - 8, row: row), role: .text, columns: 8,
      alignment: .trailing)
  }
}

/// A length of time in at most 7 characters.
func brief(_ seconds: Double) -> String {
  func tenths(_ value: Double) -> String {
    let scaled = Int((value * 10).rounded())
    return scaled % 10 == 0 ? "\(scaled / 10)" : "\(scaled / 10).\(scaled % 10)"
  }
  switch seconds {
  case ..<1: return "\(Int((seconds * 1000).rounded())) ms"
  case ..<120: return "\(tenths(seconds)) s"
  case ..<7200: return "\(tenths(seconds / 60)) min"
  case ..<172_800: return "\(tenths(seconds / 3600)) h"
  default: return "\(Int(min(seconds / 86_400, 99_999))) d"
  }
}
