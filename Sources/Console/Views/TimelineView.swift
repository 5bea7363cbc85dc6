import Canvas
import Domain
import Projections

/// Where the parts of a timeline are.
struct TimelineLayout {
  /// The rows of notebooks, without the labels.
  var body: Rect
  /// Cells before the first column of time.
  var label: Int
  var scale: TimeScale
  /// The first notebook shown.
  var first: Int
  var axis: Rect?
  /// The line that tells of the moment under the cursor.
  var moment: Rect?
}

extension ConsoleState {
  /// What each notebook did: a row a notebook, in the order of the table, the selected one always among them.
  func drawTimeline(_ grid: inout Grid, _ rect: Rect) {
    drawTimeline(&grid, rect, of: shown, rows: rowOrder, title: "TIMELINE -\(Self.windows[window].short) … \(endText)")
  }

  /// The instant at the timeline's right end.
  var timelineEnd: Instant { min(timeline.end ?? shownNow, shownNow) }

  var endText: String { timeline.end == nil ? "now" : session.timeOfDay(timelineEnd) }

  /// How time lies on the timeline's columns, as it is on the screen; on sixty columns where it is not.
  func timelineScale() -> TimeScale {
    if size.rows > 0, let rect = layout(size).timeline, let layout = timelineLayout(rect, rowOrder) {
      return layout.scale
    }
    return scale(ofColumns: 60)
  }

  /// How time lies on so many columns of the timeline, and of the graphs beside it.
  func scale(ofColumns columns: Int) -> TimeScale {
    let window = Self.windows[window]
    let stride =
      timeline.end == nil ? TimeScale.stride(window: window, columns: columns, speed: transport?.speed ?? 1) : 1
    return TimeScale(window: window, columns: columns, end: timelineEnd, stride: stride)
  }

  /// Where the parts are in the pane's rectangle, for these notebooks; nil where there is no room for any.
  func timelineLayout(_ rect: Rect, _ rows: [NotebookID]) -> TimelineLayout? {
    let inner = rect.droppingRows(1)
    guard inner.rows > 0, inner.columns > 8 else { return nil }
    // Below 40 columns a notebook is its letter.
    let label = rect.columns >= 120 ? 22 : rect.columns >= 40 ? 14 : 3
    let columns = inner.columns - label - 1
    let hasMoment = timeline.cursor != nil && inner.rows >= 3
    let below = (inner.rows > 1 ? 1 : 0) + (hasMoment ? 1 : 0)
    let body = Rect(column: inner.column, row: inner.row, columns: inner.columns, rows: max(inner.rows - below, 1))
    let place = selected.flatMap { rows.firstIndex(of: $0) } ?? 0
    let first = max(0, min(place - body.rows / 2, rows.count - body.rows))
    let used = min(body.rows, rows.count - first)
    return TimelineLayout(
      body: Rect(column: body.column, row: body.row, columns: body.columns, rows: max(used, 0)), label: label,
      scale: scale(ofColumns: columns), first: first,
      axis: inner.rows > 1 ? inner.line(min(max(used, 0), inner.rows - below)) : nil,
      moment: hasMoment ? inner.line(inner.rows - 1) : nil)
  }

  /// The same of any board: two of them one above the other show the same rows and the same instants.
  func drawTimeline(_ grid: inout Grid, _ rect: Rect, of board: Board, rows: [NotebookID], title: String) {
    let inner = grid.pane(rect, title: title, detail: legend(grid, rect.columns), focused: focus == .timeline)
    guard let layout = timelineLayout(rect, rows) else { return }
    guard !rows.isEmpty else {
      let text = filter.isEmpty ? "no notebook yet" : "no notebook matches /\(filter)"
      grid.draw(
        text, at: Point(column: inner.column + 1, row: inner.row), role: .textDim, columns: inner.columns - 1)
      return
    }
    let visible = Array(rows.dropFirst(layout.first).prefix(layout.body.rows))
    let timeline = Timeline(board, of: visible, scale: layout.scale, now: shownNow)
    for (index, row) in timeline.rows.enumerated() {
      drawTrace(&grid, layout.body.line(index), row, of: board, label: layout.label)
    }
    if let axis = layout.axis { drawAxis(&grid, axis, layout) }
    drawCursor(&grid, layout)
    if let moment = layout.moment { drawMoment(&grid, moment, board) }
  }

  private func drawTrace(_ grid: inout Grid, _ line: Rect, _ row: Timeline.Row, of board: Board, label: Int) {
    let mark = row.notebook.mark
    if row.notebook == selected {
      grid.setGround(.tableRowSelected, in: Rect(column: line.column, row: line.row, columns: label, rows: 1))
    }
    grid.draw(
      parts: [(mark.text, mark.role)]
        + (label > 3 ? [(" " + board.name(of: row.notebook), mark.role)] : []),
      at: Point(column: line.column + 1, row: line.row), columns: max(label - 2, 2))
    for (index, state) in row.states.enumerated() {
      let at = Point(column: line.column + label + index, row: line.row)
      if let kind = row.marks[index] {
        switch kind {
        case .action: grid.put(.operatorAction, at: at, role: .timelineOperator)
        case .preemption: grid.put(.preempt, at: at, role: .timelinePreempt)
        case .error: grid.put("x", at: at, role: .error)
        case .wait: grid.put("w", at: at, role: .timelineQueued)
        case .fault: grid.put("f", at: at, role: .error)
        }
      } else if let state {
        grid.put(state.trace.glyph, at: at, role: state.trace.role)
      }
    }
  }

  /// Ticks at whole steps back from the right end: five or so.
  private func drawAxis(_ grid: inout Grid, _ line: Rect, _ layout: TimelineLayout) {
    let columns = layout.scale.columns
    guard columns >= 24 else { return }
    let bucket = max(layout.scale.bucket.microseconds, 1)
    let window = bucket * Int64(columns) / 1_000_000
    let steps: [Int64] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600]
    let step = steps.first { window / $0 <= Int64(max(min(columns / 14, 6), 2)) } ?? 21_600
    let end = line.column + layout.label + columns
    let now = session.timeOfDay(timelineEnd)
    // Where the picture moves by several buckets, the ticks move with it.
    let edge = layout.scale.stride > 1 ? layout.scale.instant(ofColumn: columns) : timelineEnd
    for back in stride(from: step, through: window, by: Int(step)) {
      let tick = end - Int(back * 1_000_000 / bucket) - 1
      // Away from the present, times of day say more than distances.
      let text =
        timeline.end == nil && layout.scale.stride == 1
        ? "-" + Span(seconds: Double(back)).short : session.timeOfDay(edge - Span(seconds: Double(back)))
      guard tick >= line.column + layout.label, tick + text.count + 2 < end - now.count else { continue }
      grid.draw(text, at: Point(column: tick, row: line.row), role: .timelineAxis)
    }
    grid.draw(now, at: Point(column: end - now.count, row: line.row), role: .timelineAxis)
  }

  private func drawCursor(_ grid: inout Grid, _ layout: TimelineLayout) {
    guard let cursor = timeline.cursor else { return }
    let column = layout.scale.column(of: cursor)
    guard (0..<layout.scale.columns).contains(column) else { return }
    let rows = layout.body.rows + (layout.axis == nil ? 0 : 1)
    for row in 0..<rows {
      grid.put(
        .cursor, at: Point(column: layout.body.column + layout.label + column, row: layout.body.row + row),
        role: .timelineCursor)
    }
  }

  /// The facts of the moment under the cursor: what was in use, who did what, and what the selected notebook did.
  private func drawMoment(_ grid: inout Grid, _ line: Rect, _ board: Board) {
    guard let cursor = timeline.cursor else { return }
    grid.draw(
      parts: momentParts(cursor, board), at: Point(column: line.column + 1, row: line.row), columns: line.columns - 1)
  }

  private func momentParts(_ cursor: Instant, _ board: Board) -> [(String, Role)] {
    var parts: [(String, Role)] = [
      (session.timeOfDay(cursor), .textStrong), (" -\((shownNow - cursor).clock)", .textDim),
    ]
    if let id = selected, let facts = board[id] {
      let state = facts.state(at: cursor)
      parts.append(("  \(facts.name) ", id.mark.role))
      parts.append((state?.word ?? "not known", state?.role ?? .textDim))
      let segment = facts.segments.last { $0.from <= cursor }
      if let segment { parts.append((" since \(session.timeOfDay(segment.from))", .text)) }
    }
    let level = board.load(until: shownNow).level(reaching: shownNow - cursor)
    func amount(_ quantity: LoadHistory.Quantity) -> Double? {
      level.means(
        of: quantity.rawValue, from: cursor - Span(microseconds: cursor.microseconds % level.width.microseconds),
        part: level.width, parts: 1, now: shownNow)[0]
    }
    var counts = [Int](repeating: 0, count: NotebookState.allCases.count)
    for id in board.openNotebooks {
      if let state = board.notebooks.look(at: id, { $0.pointee.state(at: cursor) }) { counts[Int(state.rawValue)] += 1 }
    }
    let shownStates: [(NotebookState, String)] = [
      (.running, "run"), (.queued, "q"), (.suspended, "susp"), (.thinking, "think"),
    ]
    parts.append((" ", .text))
    for (state, word) in shownStates where counts[Int(state.rawValue)] > 0 {
      parts.append((" \(word) \(counts[Int(state.rawValue)])", state.role))
    }
    if let cores = amount(.cores) { parts.append(("  cpu \(Int((cores / 1000).rounded()))", .text)) }
    if board.nodes.contains(where: { !$0.node.gpus.isEmpty }), let gpus = amount(.gpus) {
      parts.append((" gpu \(Int((gpus / 1000).rounded()))", .text))
    }
    let bucket = timelineScale().bucket
    let near = board.markers.filter { $0.at >= cursor && $0.at < cursor + bucket }
    if let marker = near.last {
      let who = marker.notebook.map { " " + board.name(of: $0) } ?? ""
      parts.append(("  \(marker.kind.word)\(who)", .timelineOperator))
    }
    return parts
  }

  private func legend(_ grid: Grid, _ columns: Int) -> String {
    guard columns >= 100 else { return "" }
    let parts: [(NotebookState, String)] = [
      (.running, "run"), (.thinking, "think"), (.queued, "queued"), (.suspended, "suspended"),
    ]
    let states = parts.map { "\(Character(grid.glyphs[$0.0.trace.glyph])) \($0.1)" }.joined(separator: "  ")
    return states + "  \(Character(grid.glyphs[.operatorAction])) operator  = - zoom"
  }
}

extension Marker.Kind {
  /// A word for the line that tells of a moment.
  fileprivate var word: String {
    switch self {
    case .action: "order:"
    case .preemption: "preempted"
    case .error: "failed:"
    case .wait: "waited long:"
    case .fault: "fault"
    }
  }
}
