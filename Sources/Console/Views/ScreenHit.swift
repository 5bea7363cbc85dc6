import Canvas
import Domain
import Projections

/// What is at a place of the screen.
public enum ScreenHit: Sendable, Hashable {
  /// A row of the table.
  case row(TableRow)
  /// The heading of a column of the table.
  case column(TableColumn)
  /// A waiting cell in the queue.
  case waiting(NotebookID)
  /// A moment on the timeline; the notebook of its row, where there is one.
  case moment(Instant, NotebookID?)
  /// A core, by its number, and who is on it first; a cell that stands for a group gives its first core.
  case core(Int, NotebookID?)
  /// A GPU, by its number, and who is on it first.
  case gpu(Int, NotebookID?)
  /// An event, by its entry's sequence, and its notebook.
  case event(Int64, NotebookID?)
  /// A share of the session's length, on the transport bar.
  case transport(Double)
  /// Elsewhere in a pane.
  case pane(Pane)
}

extension ConsoleState {
  /// The pane at a place; nil where there is none.
  public func pane(at point: Point) -> Pane? {
    let layout = layout(size)
    return layout.panes.first { layout.rect(of: $0)?.contains(point) ?? false }
  }

  /// What is at a place of the screen as it is drawn for `size`; nil for the header, the key bar and empty corners, and
  /// where a layer lies over the panes.
  public func hit(at point: Point) -> ScreenHit? {
    guard layer == nil else { return nil }
    let layout = layout(size)
    if let rect = layout.transport, rect.contains(point), transport != nil {
      return transportShare(at: point.column, rect).map { .transport($0) }
    }
    guard let pane = pane(at: point), let rect = layout.rect(of: pane) else { return nil }
    let found: ScreenHit? =
      switch pane {
      case .notebooks: tableHit(point, rect, sparks: layout.sparks)
      case .queue: queueHit(point, rect)
      case .timeline: timelineHit(point, rect)
      case .node: nodeHit(point, rect)
      case .events: eventHit(point, rect)
      case .graphs: nil
      }
    return found ?? .pane(pane)
  }

  private func tableHit(_ point: Point, _ rect: Rect, sparks: Bool) -> ScreenHit? {
    let layout = tableLayout(rect, sparks: sparks)
    if let header = layout.header, header.contains(point) {
      return layout.columns.last { $0.start <= point.column && point.column < $0.start + $0.drawn.width }
        .map { .column($0.drawn.column) }
    }
    guard layout.body.contains(point) else { return nil }
    let place = layout.first + point.row - layout.body.row
    return table.rows.indices.contains(place) ? .row(table.rows[place]) : nil
  }

  private func queueHit(_ point: Point, _ rect: Rect) -> ScreenHit? {
    let layout = queueLayout(rect)
    guard layout.inner.contains(point) else { return nil }
    let index = (point.row - layout.inner.row) / layout.perRow
    let place = layout.first + index
    guard index < layout.count, table.waiting.cells.indices.contains(place) else { return nil }
    return .waiting(table.waiting.cells[place].notebook)
  }

  private func timelineHit(_ point: Point, _ rect: Rect) -> ScreenHit? {
    let rows = rowOrder
    guard let layout = timelineLayout(rect, rows) else { return nil }
    let column = point.column - layout.body.column - layout.label
    let index = layout.first + point.row - layout.body.row
    let notebook = layout.body.contains(point) && rows.indices.contains(index) ? rows[index] : nil
    if (0..<layout.scale.columns).contains(column), notebook != nil || (layout.axis?.contains(point) ?? false) {
      return .moment(min(max(layout.scale.instant(ofColumn: column), .zero), shownNow), notebook)
    }
    return notebook.map { .row(.notebook($0)) }
  }

  private func nodeHit(_ point: Point, _ rect: Rect) -> ScreenHit? {
    let board = shown
    guard let facts = board.nodes.first, let places = nodePlaces(rect) else { return nil }
    let found = places.place(at: point, cores: facts.node.cores.count, gpus: facts.node.gpus.count)
    guard let found else { return nil }
    let map = NodeMap(facts, of: board)
    return found.isGPU
      ? .gpu(found.index, map.gpus[found.index].users.first)
      : .core(map.cores[found.index].number, map.cores[found.index].users.first)
  }

  private func eventHit(_ point: Point, _ rect: Rect) -> ScreenHit? {
    let inner = rect.droppingRows(1)
    let events = eventRows(inner.rows)
    let index = point.row - inner.row
    guard index >= 0, index < events.places.count else { return nil }
    let entry = shown.events[events.places[events.places.startIndex + index]]
    return .event(entry.sequence, entry.event.notebook)
  }
}
