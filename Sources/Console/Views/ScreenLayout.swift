import Canvas
import Domain
import Projections

/// Where everything is on a screen of one size.
public struct ScreenLayout: Sendable, Hashable {
  public var header: Rect
  public var node: Rect?
  public var notebooks: Rect?
  public var queue: Rect?
  public var timeline: Rect?
  public var events: Rect?
  public var graphs: Rect?
  /// The details of one notebook, in place of the panes.
  public var details: Rect?
  public var transport: Rect?
  public var flash: Rect?
  public var keyBar: Rect?
  /// Two worlds side by side: their table, and the timeline of the one that might have been.
  public var sideBySide: Rect?
  public var otherTimeline: Rect?
  /// Whether there is room for the small graphs of the last minutes, in the table and beside the GPUs: they are the first to go.
  public var sparks = true

  /// The rectangle of a pane; nil where it is not on the screen.
  public func rect(of pane: Pane) -> Rect? {
    switch pane {
    case .notebooks: notebooks
    case .queue: queue
    case .timeline: timeline
    case .node: node
    case .events: events
    case .graphs: graphs
    }
  }

  /// The panes that are on the screen, in the order of their keys.
  public var panes: [Pane] { Pane.allCases.filter { rect(of: $0) != nil } }

  mutating func place(_ pane: Pane, _ rect: Rect) {
    switch pane {
    case .notebooks: notebooks = rect
    case .queue: queue = rect
    case .timeline: timeline = rect
    case .node: node = rect
    case .events: events = rect
    case .graphs: graphs = rect
    }
  }
}

/// One or two panes side by side, and how much of the screen's height they want.
private struct Band {
  var pane: Pane
  /// The pane at the right, its columns, and the rows without which it is left out.
  var beside: (pane: Pane, columns: Int, least: Int)?
  /// The greater, the sooner it goes where there is no room; 0 never goes.
  var rank: Int
  /// Rows, title included: without so many it is left out, and more than so many it does not want.
  var least: Int
  var wanted: Int
  /// Whether it takes what nobody wants.
  var takesRest = false
}

extension ConsoleState {
  /// Where everything is. What does not fit is left out, in this order: the graphs and sparks, the events, the timeline. The GPU map
  /// and the core map would be next, and have their rows wherever several panes share the screen.
  public func layout(_ size: Size) -> ScreenLayout {
    let all = Rect(size)
    var layout = ScreenLayout(header: all.line(0))
    guard size.rows >= 5, size.columns >= 20 else { return layout }
    layout.keyBar = all.line(size.rows - 1)
    layout.flash = all.line(size.rows - 2)
    let hasTransport = size.rows >= 10
    if hasTransport { layout.transport = all.line(size.rows - 3) }
    let body = Rect(column: 0, row: 1, columns: size.columns, rows: size.rows - (hasTransport ? 4 : 3))
    if details != nil {
      layout.details = body
    } else if alternative?.isShown == true {
      compare(body, in: &layout)
    } else if isZoomed || size.rows < 15 || size.columns < 60 {
      layout.place(focus, body)
    } else {
      stack(bands(body), in: body, &layout)
    }
    return layout
  }

  /// The bands of the arrangement, from the top.
  private func bands(_ body: Rect) -> [Band] {
    let isWide = body.columns >= 120
    let count = table.rows.count
    let waiting = table.waiting.cells.count
    let side = max(body.columns * 9 / 20, 50)
    let hasGPUs = shown.nodes.first.map { !$0.node.gpus.isEmpty } ?? false
    func node(_ rank: Int, most: Int) -> Band {
      // Below each other, cores and GPUs want a row each at the least.
      let least = hasGPUs && !isWide ? 3 : 2
      return Band(
        pane: .node, rank: rank, least: least, wanted: min(nodeRows(columns: body.columns), max(most, least)))
    }
    func notebooks(_ wanted: Int) -> Band {
      Band(pane: .notebooks, beside: isWide ? (.queue, side, 1) : nil, rank: 0, least: 4, wanted: wanted)
    }
    let queue = isWide ? [] : [Band(pane: .queue, rank: 1, least: 3, wanted: max(waiting + 1, 3))]
    let timeline = Band(pane: .timeline, rank: 3, least: 4, wanted: max(count + 2, 5))
    let graphs: (Pane, Int, Int)? = body.columns >= 140 ? (.graphs, min(side, 80), 5) : nil
    let events = Band(pane: .events, beside: graphs, rank: 4, least: 3, wanted: 6, takesRest: true)
    switch arrangement {
    case .overview:
      let rows = body.rows - min(nodeRows(columns: body.columns), body.rows / 4)
      let most = isWide ? max(rows / 2, 6) : max(body.rows / 3, 5)
      return [node(2, most: isWide ? max(body.rows / 4, 2) : 4), notebooks(min(max(count + 2, isWide ? 12 : 4), most))]
        + queue + [timeline, events]
    case .table:
      var table = notebooks(count + 2)
      table.takesRest = true
      return [node(3, most: body.rows / 4), table] + queue
    case .time:
      var all = timeline
      (all.rank, all.takesRest) = (1, true)
      return [notebooks(max(min(count + 2, body.rows / 3), 4)), all]
    case .node:
      let graphs = Band(pane: .graphs, rank: 2, least: 5, wanted: max(body.rows / 3, 5), takesRest: true)
      var map = node(1, most: max(body.rows / 2, 3))
      map.wanted = max(map.wanted, 3)
      return [map, graphs, notebooks(max(min(count + 2, body.rows / 3), 4))]
    case .log:
      var all = events
      (all.rank, all.least) = (1, 4)
      return [notebooks(max(min(count + 2, body.rows / 3), 4))] + queue + [all]
    }
  }

  /// Gives every band its rows: what has to go goes; then each its least; then, from the most important on, what it wants.
  private func stack(_ asked: [Band], in body: Rect, _ layout: inout ScreenLayout) {
    var bands = asked
    while bands.reduce(0, { $0 + $1.least }) > body.rows, let most = bands.map(\.rank).max(), most > 0 {
      bands.removeAll { $0.rank == most }
    }
    // Sparks are the first to go: they never outlast the events.
    layout.sparks = !asked.contains { $0.pane == .events } || bands.contains { $0.pane == .events }
    var rows = bands.map(\.least)
    var left = body.rows - rows.reduce(0, +)
    for place in bands.indices.sorted(by: { bands[$0].rank < bands[$1].rank }) {
      let more = min(left, max(bands[place].wanted - rows[place], 0))
      rows[place] += more
      left -= more
    }
    if left > 0 { rows[bands.firstIndex { $0.takesRest } ?? bands.firstIndex { $0.rank == 0 } ?? 0] += left }
    var rest = body
    for (band, count) in zip(bands, rows) {
      let line = Rect(column: rest.column, row: rest.row, columns: rest.columns, rows: min(count, rest.rows))
      rest = rest.droppingRows(line.rows)
      if let beside = band.beside, line.rows >= beside.least {
        let columns = line.splitColumns([.share(1), .fixed(1), .fixed(beside.columns)])
        layout.place(band.pane, columns[0])
        layout.place(beside.pane, columns[2])
      } else {
        layout.place(band.pane, line)
      }
    }
  }
}
