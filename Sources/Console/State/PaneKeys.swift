import Canvas
import Domain
import Projections

// What the keys of the panes do: which panes are seen, what of them, in which order.
extension ConsoleState {
  /// Keys that arrange the screen.
  mutating func arrange(by action: KeyAction) -> [Intent] {
    switch action {
    case .nextPane:
      let visible = isZoomed || size.rows == 0 ? Pane.allCases : layout(size).panes
      let panes = visible.count > 1 ? visible : Pane.allCases
      let place = panes.firstIndex(of: focus) ?? -1
      focus = panes[(place + 1) % panes.count]
    case .pane1: show(pane: .notebooks)
    case .pane2: show(pane: .queue)
    case .pane3: show(pane: .timeline)
    case .pane4: show(pane: .node)
    case .pane5: show(pane: .events)
    case .pane6: show(pane: .graphs)
    case .layoutNext, .layoutPrevious:
      let all = Arrangement.allCases
      let step = action == .layoutNext ? 1 : all.count - 1
      arrangement = all[(arrangement.rawValue + step) % all.count]
      isZoomed = false
      details = nil
      say(.good, "layout: \(arrangement.title)")
    case .tree:
      isTree.toggle()
      say(.good, isTree ? "grouped by user; Enter folds one" : "no longer grouped")
    case .columns: layer = .columns(sort)
    case .follow:
      timeline = TimelineView()
      eventsView.bottom = nil
      say(.good, "following: the timeline to now, the events to the newest")
    case .details: openDetails()
    case .back: goBack()
    case .quit, .help, .palette, .filter, .zoom, .down, .up, .first, .last, .pageDown, .pageUp, .sortNext,
      .sortPrevious, .sortInvert, .raise, .lower, .preempt, .pin, .hold, .release, .interrupt, .explain, .undo,
      .narrower, .wider, .freeze, .toggleMouse, .redraw, .play, .stepBack, .stepForward, .slower, .faster, .back5,
      .forward5, .backTenth, .forwardTenth, .go, .searchNext, .searchPrevious, .mark, .changes, .whatIf, .sessions,
      .intoHistory, .backToLive, .redo, .callOff, .editor, .drain, .demand,
      .policy, .tag, .tagRange, .untag, .copy, .themes, .reload:
      break
    }
    return []
  }

  /// Puts the focus onto a pane; where it has the focus already, or the layout has no room for it, it is shown alone.
  private mutating func show(pane: Pane) {
    if focus == pane, details == nil {
      isZoomed.toggle()
      return
    }
    focus = pane
    details = nil
    guard !isZoomed, size.rows > 0 else { return }
    isZoomed = !layout(size).panes.contains(pane)
  }

  private mutating func openDetails() {
    if details != nil {
      details = nil
    } else if case .user(let user) = cursor {
      if folded.remove(user) == nil { folded.insert(user) }
    } else if selected != nil {
      details = DetailsView()
    } else {
      say(.warning, "no notebook is selected")
    }
  }

  /// Escape: one step back, the last opened first.
  private mutating func goBack() {
    if details != nil {
      details = nil
    } else if alternative?.isShown == true {
      alternative?.isShown = false
      say(.good, "the session as it was; W shows the other world again")
    } else if timeline.cursor != nil, focus == .timeline {
      timeline.cursor = nil
    } else if isZoomed {
      isZoomed = false
    } else if focus == .events, !eventsView.filter.isEmpty {
      eventsView.filter = ""
    } else {
      filter = ""
    }
  }

  /// Sorts by the next or the previous column that is shown.
  mutating func turnSort(by step: Int) {
    let columns = TableColumn.allCases.filter { $0 == .number || !hiddenColumns.contains($0) }
    let place = columns.firstIndex(of: sort) ?? 0
    sort = columns[(place + step + columns.count) % columns.count]
    say(.good, "sorted by \(sort.title)")
  }

  /// The list of columns: Space shows or hides, Enter sorts.
  mutating func choose(_ column: TableColumn, _ action: KeyAction?, _ press: KeyPress) -> [Intent] {
    let all = TableColumn.allCases
    switch press.key {
    case .enter:
      layer = nil
      sort = column
      say(.good, "sorted by \(sort.title)")
      return []
    case .character(" "):
      if column != .name, hiddenColumns.remove(column) == nil { hiddenColumns.insert(column) }
      return []
    case .character, .function, .up, .down, .left, .right, .home, .end, .pageUp, .pageDown, .insert, .delete,
      .backspace, .tab, .escape:
      break
    }
    let steps: [KeyAction: Int] = [
      .down: 1, .up: -1, .pageDown: all.count, .pageUp: -all.count, .first: -all.count, .last: all.count,
    ]
    if action == .sortInvert {
      isSortInverted.toggle()
      return []
    }
    guard let step = action.flatMap({ steps[$0] }) else {
      layer = nil
      return []
    }
    layer = .columns(all[min(max(column.rawValue + step, 0), all.count - 1)])
    return []
  }

  /// Moves the cursor, or scrolls, in the pane that has the focus.
  mutating func move(by count: Int) -> [Intent] {
    if let open = details, abs(count) > 1, abs(count) < 100_000 {
      details = DetailsView(scrolled: max(open.scrolled + count, 0))
      return []
    }
    if focus == .events, details == nil { return scrollEvents(by: count) }
    let waiting = focus == .queue ? table.waiting.cells.map { TableRow.notebook($0.notebook) } : []
    let rows = waiting.isEmpty ? table.rows : waiting
    guard !rows.isEmpty else { return [] }
    guard let place = cursor.flatMap({ rows.firstIndex(of: $0) }) else {
      cursor = rows[waiting.isEmpty && isCursorLost ? min(cursorPlace, rows.count - 1) : 0]
      return []
    }
    let steps = strayed.map { $0.until >= clock ? $0.steps(count) : count } ?? count
    strayed = nil
    cursor = rows[min(max(place + steps, 0), rows.count - 1)]
    if details != nil { details = DetailsView() }
    return []
  }

  /// The places of the events that match, oldest first.
  func eventPlaces() -> [Int] {
    let board = shown
    guard !eventsView.filter.isEmpty else { return Array(board.events.indices) }
    let wanted = eventsView.filter.lowercased()
    return board.events.indices.filter { board.sentence(board.events[$0]).lowercased().contains(wanted) }
  }

  private mutating func scrollEvents(by count: Int) -> [Intent] {
    let places = eventPlaces()
    guard let last = places.last else { return [] }
    let board = shown
    let bottom = eventsView.bottom ?? board.events[last].sequence
    let here = places.lastIndex { board.events[$0].sequence <= bottom } ?? 0
    let next = min(max(here + count, 0), places.count - 1)
    // At the newest it follows again.
    eventsView.bottom = next == places.count - 1 ? nil : board.events[places[next]].sequence
    return []
  }

  /// Moves the timeline's cursor by a column, or the timeline by ten.
  mutating func moveTimeline(_ action: KeyAction) -> [Intent] {
    let scale = timelineScale()
    let bucket = scale.bucket
    switch action {
    case .back5, .forward5:
      let from = timeline.cursor ?? (scale.end(at: shownNow))
      moveTimelineCursor(to: action == .back5 ? from - bucket : timeline.cursor == nil ? from : from + bucket)
    case .backTenth, .forwardTenth:
      let step = Span(microseconds: bucket.microseconds * Int64(max(scale.columns / 10, 1)))
      panTimeline(to: (timeline.end ?? shownNow) + (action == .forwardTenth ? step : .zero - step))
    case .quit, .help, .palette, .filter, .nextPane, .back, .zoom, .pane1, .pane2, .pane3, .pane4, .pane5, .pane6,
      .layoutNext, .layoutPrevious, .down, .up, .first, .last, .pageDown, .pageUp, .details, .sortNext, .sortPrevious,
      .sortInvert, .tree, .columns, .follow, .raise, .lower, .preempt, .pin, .hold, .release, .interrupt, .explain,
      .undo, .narrower, .wider, .freeze, .toggleMouse, .redraw, .play, .stepBack, .stepForward, .slower, .faster, .go,
      .searchNext, .searchPrevious, .mark, .changes, .whatIf, .sessions, .intoHistory, .backToLive, .redo, .callOff,
      .editor, .drain, .demand, .policy, .tag, .tagRange, .untag, .copy, .themes, .reload:
      break
    }
    return []
  }

  /// Puts the timeline's cursor onto a moment, and moves the timeline so that it is seen.
  public mutating func moveTimelineCursor(to instant: Instant) {
    let cursor = min(max(instant, .zero), shownNow)
    timeline.cursor = cursor
    let scale = timelineScale()
    if cursor < scale.start {
      panTimeline(to: cursor + Span(microseconds: scale.bucket.microseconds * Int64(scale.columns - 1)))
    } else if cursor > (timeline.end ?? shownNow) {
      panTimeline(to: cursor)
    }
  }

  /// Moves the timeline so that a moment is at its right end; the present is followed again when it is reached.
  mutating func panTimeline(to instant: Instant) {
    timeline.end = instant >= shownNow ? nil : max(instant, .zero)
  }
}
