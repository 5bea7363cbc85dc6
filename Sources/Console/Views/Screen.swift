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
  public var transport: Rect?
  public var flash: Rect?
  public var keyBar: Rect?
  /// Two worlds side by side: their table, and the timeline of the one that might have been.
  public var sideBySide: Rect?
  public var otherTimeline: Rect?
}

extension ConsoleState {
  /// The whole screen: a pure function of the state, the size and the glyphs.
  public func screen(size: Size, glyphs: GlyphSet = GlyphSet(.utf8), keys: KeyMap = .standard) -> Grid {
    var grid = Grid(size: size, glyphs: glyphs)
    guard size.columns > 0, size.rows > 0 else { return grid }
    let layout = layout(size)
    drawHeader(&grid, layout.header)
    if let rect = layout.node { drawNode(&grid, rect) }
    if let rect = layout.notebooks { drawNotebooks(&grid, rect) }
    if let rect = layout.queue { drawQueue(&grid, rect) }
    if let alternative, alternative.isShown {
      drawAlternative(&grid, layout, alternative)
    } else if let rect = layout.timeline {
      drawTimeline(&grid, rect)
    }
    if let rect = layout.events { drawEvents(&grid, rect) }
    if let rect = layout.transport { drawTransport(&grid, rect) }
    if let rect = layout.keyBar { drawKeyBar(&grid, rect) }
    if let rect = layout.flash {
      drawFlash(&grid, rect)
    } else if asksForKeys {
      // The smallest screens have one line: a question goes before the status.
      grid.fill(layout.header)
      drawFlash(&grid, layout.header)
    }
    drawLayer(&grid, grid.bounds, keys: keys)
    return grid
  }

  /// Whether the next keys go to a prompt or a question.
  private var asksForKeys: Bool {
    switch layer {
    case .prompt, .confirmQuit: true
    case .help, .explain, .changes, .sessions, .menu, .confirm, .editor, .themes, nil: false
    }
  }

  /// Where everything is: what does not fit is left out, events first, then the timeline, then the core map.
  public func layout(_ size: Size) -> ScreenLayout {
    let all = Rect(size)
    var layout = ScreenLayout(header: all.line(0))
    guard size.rows >= 5, size.columns >= 20 else { return layout }
    layout.keyBar = all.line(size.rows - 1)
    layout.flash = all.line(size.rows - 2)
    let hasTransport = size.rows >= 10
    if hasTransport { layout.transport = all.line(size.rows - 3) }
    let body = Rect(column: 0, row: 1, columns: size.columns, rows: size.rows - (hasTransport ? 4 : 3))
    if alternative?.isShown == true {
      compare(body, in: &layout)
      return layout
    }
    if isZoomed || size.rows < 15 || size.columns < 60 {
      place(focus, body, in: &layout)
      return layout
    }
    if size.columns >= 120, size.rows >= 30 { spread(body, in: &layout) } else { stack(body, in: &layout) }
    return layout
  }

  private func place(_ pane: Pane, _ rect: Rect, in layout: inout ScreenLayout) {
    switch pane {
    case .notebooks: layout.notebooks = rect
    case .queue: layout.queue = rect
    case .timeline: layout.timeline = rect
    case .node: layout.node = rect
    case .events: layout.events = rect
    }
  }

  /// From 120×30 on: node, then notebooks beside the queue, then the timeline, then the events.
  private func spread(_ body: Rect, in layout: inout ScreenLayout) {
    let count = rowOrder.count
    let node = min(nodeRows(columns: body.columns), max(body.rows / 4, 2))
    let rest = body.rows - node
    let table = min(max(count + 2, 12), max(rest / 2, 6))
    let timeline = min(max(count + 2, 5), max((rest - table) * 2 / 3, 4))
    let rows = body.splitRows([.fixed(node), .fixed(table), .fixed(timeline), .share(1)])
    layout.node = rows[0]
    let queueWidth = max(body.columns * 9 / 20, 50)
    let columns = rows[1].splitColumns([.share(1), .fixed(1), .fixed(queueWidth)])
    layout.notebooks = columns[0]
    layout.queue = columns[2]
    layout.timeline = rows[2]
    layout.events = rows[3]
  }

  /// Below: node, notebooks, queue, timeline, one under the other.
  private func stack(_ body: Rect, in layout: inout ScreenLayout) {
    let count = rowOrder.count
    var left = body.rows
    let table = min(max(count + 2, 4), max(body.rows / 3, 5))
    left -= table
    let waiting = shown.notebooks.count { $0.state == .queued || $0.state == .suspended }
    let queue = min(max(waiting + 1, 3), max(left / 3, 5), left)
    left -= queue
    let node = left >= 7 ? min(nodeRows(columns: body.columns), 4) : 0
    left -= node
    let timeline = left >= 4 ? min(left, max(count + 2, 4)) : 0
    left -= timeline
    // Events are the first to go: without a timeline, or in less than three rows, the table takes their room.
    let hasEvents = timeline > 0 && left >= 3
    let rows = body.splitRows([
      .fixed(node), .fixed(table + (hasEvents ? 0 : left)), .fixed(queue), .fixed(timeline), .share(1),
    ])
    layout.node = node > 0 ? rows[0] : nil
    layout.notebooks = rows[1]
    layout.queue = rows[2]
    layout.timeline = timeline > 0 ? rows[3] : nil
    layout.events = hasEvents ? rows[4] : nil
  }
}
