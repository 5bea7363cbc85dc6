import Canvas
import Domain
import Foundation
import Projections

/// A line of the details: text, and for forecasts a range with what became of it.
struct DetailLine {
  /// A range of run times, and the run time that came out or has been reached.
  struct Range {
    var quantiles: Quantiles?
    var outcome: Span?
    var role: Role
  }

  var parts: [(String, Role)] = []
  /// A heading: drawn with a line to the right.
  var isHeading = false
  /// Where the range begins, from the line's start.
  var indent = 0
  var range: Range?
}

/// Run times on a logarithmic scale, for ranges of which one is seconds and the next hours.
struct RunScale {
  private let low: Double
  private let high: Double

  /// From the least to the greatest of some spans; at least a factor of four wide.
  init(_ spans: [Span]) {
    let known = spans.map { max($0.seconds, 0.05) }
    let least = known.min() ?? 1
    low = log(least)
    high = max(log(known.max() ?? least), low + log(4))
  }

  /// A column of so many.
  func column(_ span: Span, of columns: Int) -> Int {
    let share = (log(max(span.seconds, 0.05)) - low) / (high - low)
    return min(max(Int((share * Double(columns - 1)).rounded()), 0), columns - 1)
  }
}

extension ConsoleState {
  /// All that is known of the selected notebook: what it does, its past cells against what was foreseen, what it holds
  /// and keeps, and its processes.
  func drawDetails(_ grid: inout Grid, _ rect: Rect) {
    let board = shown
    guard let id = selected, let facts = board[id] else {
      let inner = grid.pane(rect, title: "DETAILS", focused: true)
      grid.draw(
        "no notebook is selected; Esc goes back", at: Point(column: inner.column + 1, row: inner.row), role: .textDim,
        columns: inner.rows > 0 ? inner.columns - 1 : 0)
      return
    }
    let inner = grid.pane(
      rect, title: "\(id.mark.text) \(facts.name) of \(facts.notebook.user)",
      detail: rect.columns >= 80 ? "up, down: next notebook · PgDn: scroll · Esc: back" : "", focused: true)
    let isWide = inner.columns >= 140
    let left = presentLines(facts, inner.columns) + pastLines(facts)
    let right = resourceLines(facts, board) + processLines(facts) + codeLines(facts)
    let scale = RunScale(spans(facts))
    let scrolled = details?.scrolled ?? 0
    if isWide {
      let parts = inner.splitColumns([.share(1), .fixed(2), .share(1)])
      draw(&grid, parts[0], left, scrolled, scale)
      draw(&grid, parts[2], right, scrolled, scale)
    } else {
      draw(&grid, inner, left + [DetailLine()] + right, scrolled, scale)
    }
  }

  private func spans(_ facts: NotebookFacts) -> [Span] {
    var spans: [Span] = []
    for cell in facts.past {
      if cell.started != nil { spans.append(cell.ran) }
      if let forecast = cell.forecast { spans += [forecast.p05, forecast.p95] }
    }
    if let cell = facts.cell {
      spans.append(cell.ran(at: shownNow))
      if let run = cell.cell.forecast?.run { spans += [run.p05, run.p95] }
    }
    return spans.filter { $0 > .zero }
  }

  private func heading(_ text: String) -> DetailLine { DetailLine(parts: [(text, .title)], isHeading: true) }

  private func presentLines(_ facts: NotebookFacts, _ columns: Int) -> [DetailLine] {
    var lines = [heading("NOW")]
    let room = columns >= 140 ? columns / 2 - 4 : columns - 3
    for text in explanation(of: facts.notebook.id) {
      for line in wrapped(text, toColumns: max(room, 10)) { lines.append(DetailLine(parts: [(line, .text)])) }
    }
    guard let cell = facts.cell else { return lines }
    let outcome: Span? = cell.started == nil ? nil : cell.ran(at: shownNow)
    lines.append(
      DetailLine(
        parts: [("forecast ", .textDim)], indent: 9,
        range: DetailLine.Range(quantiles: cell.cell.forecast?.run, outcome: outcome, role: .stateRunning)))
    return lines
  }

  private func pastLines(_ facts: NotebookFacts) -> [DetailLine] {
    var lines = [
      heading("PAST CELLS \(facts.cellsEnded)" + (facts.cellsFailed > 0 ? ", \(facts.cellsFailed) failed" : ""))
    ]
    guard !facts.past.isEmpty else {
      return lines + [DetailLine(parts: [("no cell has ended yet", .textDim)])]
    }
    let foreseen = facts.past.filter { $0.forecast != nil && $0.outcome == .ok }
    if !foreseen.isEmpty {
      func within(_ low: KeyPath<Quantiles, Span>, _ high: KeyPath<Quantiles, Span>) -> Int {
        foreseen.count { cell in
          cell.forecast.map { $0[keyPath: low] <= cell.ran && cell.ran <= $0[keyPath: high] } ?? false
        }
      }
      let text =
        "of \(foreseen.count) foreseen, \(within(\.p25, \.p75)) ended in their 50 % range, \(within(\.p05, \.p95)) in "
        + "their 90 %"
      lines.append(DetailLine(parts: [(text, .text)]))
    }
    // A column that most notebooks have no use for.
    let tellsSuspended = facts.past.contains { $0.suspended > .zero }
    let suspended = tellsSuspended ? "    SUSP" : ""
    lines.append(
      DetailLine(
        parts: [("  CELL   ENDED  WAITED     RAN\(suspended)  OUTCOME     FORECAST AND OUTCOME", .tableHeader)]))
    for cell in facts.past.reversed() {
      let role: Role = cell.outcome == .ok ? .good : .warning
      let wait = ((cell.started ?? cell.ended) - cell.submitted).clock
      let ended = session.timeOfDay(cell.ended).prefix(5)
      let text =
        "\(cell.id.number)".leftPadded(to: 6) + "   " + ended + wait.leftPadded(to: 8)
        + cell.ran.clock.leftPadded(to: 8)
        + (tellsSuspended ? (cell.suspended > .zero ? cell.suspended.clock : "-").leftPadded(to: 8) : "") + "  "
      lines.append(
        DetailLine(
          parts: [(text, .text), (cell.outcome.word.padded(to: 12), role)], indent: text.count + 12,
          range: DetailLine.Range(
            quantiles: cell.forecast, outcome: cell.started == nil ? nil : cell.ran, role: role)))
    }
    return lines
  }

  private func resourceLines(_ facts: NotebookFacts, _ board: Board) -> [DetailLine] {
    var lines = [heading("RESOURCES")]
    func add(_ name: String, _ text: String, _ role: Role = .text) {
      lines.append(DetailLine(parts: [(name.padded(to: 12), .textDim), (text, role)]))
    }
    add("document", facts.notebook.path)
    add("kernel", facts.notebook.kernel)
    add("priority", "\(facts.priority)")
    if let allotment = facts.cell?.allotment { add("holds", allotment.sentence) }
    if let usage = facts.usage {
      add("uses", "\(Self.hundredths(usage.millicores)) cores, \(usage.memory.short) of memory")
    }
    if let resident = facts.resident {
      let each = resident.each > .zero ? resident.each.short : "an unknown amount"
      let count = resident.gpus.count
      add(
        "GPU memory",
        "keeps \(each) on \(count == 1 ? "GPU" : "each of GPUs") \(resident.gpus)"
          + (resident.isSaved ? ", saved to the host's memory" : ""))
    } else {
      add("GPU memory", "keeps none", .textDim)
    }
    if let pin = facts.pin { add("pinned", pin.sentence, .corePinned) }
    add(
      "ran", "\((facts.ran + (facts.cell?.ran(at: shownNow) ?? .zero)).clock) in \(counted(facts.cellsEnded, "cell"))")
    add("waited", facts.waited(at: shownNow).clock)
    if facts.alone > .zero {
      let hundredths = Int(Double(facts.shared.microseconds) / Double(facts.alone.microseconds) * 100 + 0.5)
      add(
        "turnaround", "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) × what it takes alone"
      )
    }
    let orders = board.markers.filter { $0.notebook == facts.notebook.id && $0.kind == .action }
    if let last = orders.last { add("orders", "\(orders.count), the last at \(session.timeOfDay(last.at))") }
    return lines
  }

  /// The cell's code, where the server was configured to tell it; else not a line.
  private func codeLines(_ facts: NotebookFacts) -> [DetailLine] {
    guard session.mode == .live, let code, code.notebook == facts.notebook.id else { return [] }
    var lines = [heading("CODE\(code.cell.map { " of cell \($0.number)" } ?? "")")]
    if let why = code.why { return lines + [DetailLine(parts: [("not told: \(why)", .textDim)])] }
    for line in code.lines { lines.append(DetailLine(parts: [(line, .text)])) }
    return lines
  }

  private func processLines(_ facts: NotebookFacts) -> [DetailLine] {
    var lines = [heading("PROCESSES")]
    guard session.mode == .live else {
      return lines + [DetailLine(parts: [("not known here: nobody recorded the processes", .textDim)])]
    }
    guard readsProcesses else {
      return lines + [DetailLine(parts: [("not known here: the kernels are the server's", .textDim)])]
    }
    guard let processes, processes.notebook == facts.notebook.id else {
      return lines + [DetailLine(parts: [("not known yet", .textDim)])]
    }
    if let why = processes.why { return lines + [DetailLine(parts: [("not told: \(why)", .textDim)])] }
    guard !processes.rows.isEmpty else {
      return lines + [DetailLine(parts: [("its processes are gone", .textDim)])]
    }
    lines.append(DetailLine(parts: [("     PID  ST THR     CPU     MEM  PROGRAM", .tableHeader)]))
    for row in processes.rows {
      let text =
        "\(row.pid)".leftPadded(to: 8) + "  \(row.state)" + "\(row.threads)".leftPadded(to: 5)
        + row.cpu.clock.leftPadded(to: 8) + row.memory.short.leftPadded(to: 8) + "  "
      lines.append(
        DetailLine(parts: [(text, .text), (String(repeating: "  ", count: min(row.depth, 12)) + row.name, .textStrong)])
      )
    }
    if processes.more > 0 { lines.append(DetailLine(parts: [("and \(processes.more) more", .textDim)])) }
    return lines
  }
}

// Drawing the lines.
extension ConsoleState {
  private func draw(
    _ grid: inout Grid, _ rect: Rect, _ lines: [DetailLine], _ scrolled: Int, _ scale: RunScale
  ) {
    guard rect.rows > 0 else { return }
    // The end is always full: nobody scrolls into nothing.
    let first = min(scrolled, max(lines.count - rect.rows, 0))
    for (index, line) in lines.dropFirst(first).prefix(rect.rows).enumerated() {
      let at = Point(column: rect.column + 1, row: rect.row + index)
      if line.isHeading {
        grid.fill(
          Rect(column: rect.column, row: at.row, columns: rect.columns, rows: 1), with: .horizontal, role: .border)
        grid.draw(" \(line.parts.first?.0 ?? "") ", at: at, role: .title, columns: rect.columns - 2)
      } else {
        grid.draw(parts: line.parts, at: at, columns: rect.columns - 1)
      }
      guard let range = line.range else { continue }
      let start = at.column + line.indent
      draw(&grid, Point(column: start, row: at.row), rect.endColumn - start - 1, range, scale)
    }
    if lines.count - first > rect.rows {
      let text = " \(lines.count - first - rect.rows) more below "
      let at = Point(column: max(rect.endColumn - cellWidth(of: text) - 1, rect.column), row: rect.endRow - 1)
      grid.draw(text, at: at, role: .textDim, columns: rect.endColumn - at.column)
    }
  }

  /// `├──▒▒│▒▒───┤` with the outcome on it: 5 %, 25 %, the median, 75 % and 95 %.
  private func draw(_ grid: inout Grid, _ at: Point, _ columns: Int, _ range: DetailLine.Range, _ scale: RunScale) {
    let columns = min(columns, 60)
    guard columns >= 12 else { return }
    func point(_ span: Span) -> Point {
      Point(column: at.column + scale.column(span, of: columns), row: at.row)
    }
    if let quantiles = range.quantiles {
      let ends = (point(quantiles.p05), point(quantiles.p95))
      for column in min(ends.0.column, ends.1.column)...max(ends.0.column, ends.1.column) {
        grid.put(.track, at: Point(column: column, row: at.row), role: .textDim)
      }
      let middle = (point(quantiles.p25), point(quantiles.p75))
      for column in min(middle.0.column, middle.1.column)...max(middle.0.column, middle.1.column) {
        grid.put(.shadeMedium, at: Point(column: column, row: at.row), role: .textDim)
      }
      grid.put(.trackStart, at: ends.0, role: .textDim)
      grid.put(.trackEnd, at: ends.1, role: .textDim)
      grid.put(.cursor, at: point(quantiles.p50), role: .textStrong)
    }
    if let outcome = range.outcome, outcome > .zero { grid.put(.head, at: point(outcome), role: range.role) }
    if range.quantiles == nil, range.outcome == nil {
      grid.draw("nothing was foreseen", at: at, role: .textDim, columns: columns)
    }
  }
}

extension String {
  /// The text with spaces before it up to a width.
  func leftPadded(to columns: Int) -> String {
    let width = cellWidth(of: self)
    return width < columns ? String(repeating: " ", count: columns - width) + self : self
  }
}
