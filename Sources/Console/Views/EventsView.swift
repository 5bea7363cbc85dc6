import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The last events, newest at the bottom.
  func drawEvents(_ grid: inout Grid, _ rect: Rect) {
    let inner = grid.pane(rect, title: "EVENTS", focused: focus == .events)
    let events = shown.events.suffix(inner.rows)
    if events.isEmpty {
      let at = Point(column: inner.column + 1, row: inner.row)
      grid.draw("nothing has happened yet", at: at, role: .textDim, columns: inner.rows > 0 ? inner.columns - 1 : 0)
    }
    for (index, entry) in events.enumerated() {
      let line = inner.line(index)
      let end = grid.draw(
        session.timeOfDay(entry.at) + " ", at: Point(column: line.column + 1, row: line.row), role: .eventTime,
        columns: line.columns - 1)
      grid.draw(
        shown.sentence(entry), at: Point(column: end, row: line.row), role: Self.role(of: entry.event),
        columns: line.endColumn - end)
    }
  }

  private static func role(of event: Event) -> Role {
    switch event {
    case .commandAccepted, .commandRefused, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .interruptRequested, .drainChanged, .suspensionPlanned, .suspensionCalledOff:
      .eventOperator
    case .cellEnded(_, _, let outcome): outcome == .ok ? .text : .warning
    case .decisionRefused, .effectFailed, .invariantBroken, .kernelDied, .cellRefused: .error
    case .policyChanged, .nodeAdded, .notebookOpened, .kernelReady, .notebookClosed, .backlogChanged, .cellQueued,
      .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed, .usageSampled, .memoryEvicted,
      .gpusSeen:
      .eventEngine
    }
  }
}
