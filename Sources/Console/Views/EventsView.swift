import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The places of the events that are shown, from the top, and how many newer ones lie below.
  func eventRows(_ rows: Int) -> (places: ArraySlice<Int>, newer: Int, total: Int) {
    let places = eventPlaces()
    let board = shown
    let end = eventsView.bottom.map { bottom in (places.lastIndex { board.events[$0].sequence <= bottom } ?? -1) + 1 }
    let last = max(end ?? places.count, min(rows, places.count))
    return (places[..<last].suffix(max(rows, 0)), places.count - last, places.count)
  }

  /// The last events, newest at the bottom; those that match, and where they were scrolled to.
  func drawEvents(_ grid: inout Grid, _ rect: Rect) {
    let board = shown
    let events = eventRows(max(rect.rows - 1, 0))
    let title = eventsView.filter.isEmpty ? "EVENTS" : "EVENTS \(events.total)/\(board.events.count)"
    let details = [
      eventsView.filter.isEmpty ? "" : "/" + eventsView.filter,
      events.newer > 0 ? "\(events.newer) newer below · F follows" : "",
    ]
    let inner = grid.pane(
      rect, title: title, detail: details.filter { !$0.isEmpty }.joined(separator: " · "), focused: focus == .events)
    if events.places.isEmpty {
      let at = Point(column: inner.column + 1, row: inner.row)
      let text = board.events.isEmpty ? "nothing has happened yet" : "no event says '\(eventsView.filter)'"
      grid.draw(text, at: at, role: .textDim, columns: inner.rows > 0 ? inner.columns - 1 : 0)
    }
    for (index, place) in events.places.enumerated() {
      let entry = board.events[place]
      let line = inner.line(index)
      let end = grid.draw(
        session.timeOfDay(entry.at) + " ", at: Point(column: line.column + 1, row: line.row), role: .eventTime,
        columns: line.columns - 1)
      grid.draw(
        board.sentence(entry), at: Point(column: end, row: line.row), role: Self.role(of: entry.event),
        columns: line.endColumn - end)
    }
  }

  static func role(of event: Event) -> Role {
    switch event {
    case .commandAccepted, .commandRefused, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .interruptRequested, .drainChanged, .suspensionPlanned, .suspensionCalledOff:
      .eventOperator
    case .cellEnded(_, _, let outcome): outcome == .ok ? .text : .warning
    case .decisionRefused, .effectFailed, .invariantBroken, .kernelDied, .cellRefused: .error
    case .policyChanged, .nodeAdded, .notebookOpened, .kernelReady, .notebookClosed, .backlogChanged, .cellQueued,
      .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed, .usageSampled, .memoryEvicted:
      .eventEngine
    }
  }
}
