import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The whole screen: a pure function of the state, the size and the glyphs.
  public func screen(size: Size, glyphs: GlyphSet = GlyphSet(.utf8), keys: KeyMap = .standard) -> Grid {
    var grid = Grid(size: size, glyphs: glyphs)
    guard size.columns > 0, size.rows > 0 else { return grid }
    let layout = layout(size)
    drawHeader(&grid, layout.header, keys)
    let isCompared = alternative?.isShown == true && details == nil
    for pane in layout.panes where pane != .timeline || !isCompared {
      if let rect = layout.rect(of: pane) { draw(pane, on: &grid, in: rect, sparks: layout.sparks) }
    }
    if isCompared, let alternative { drawAlternative(&grid, layout, alternative) }
    if let rect = layout.details { drawDetails(&grid, rect) }
    if let rect = layout.transport { drawTransport(&grid, rect) }
    if let rect = layout.keyBar { drawKeyBar(&grid, rect, keys) }
    if let rect = layout.flash {
      drawFlash(&grid, rect, keys)
    } else if asksForKeys {
      // The smallest screens have one line: a question goes before the status.
      grid.fill(layout.header)
      drawFlash(&grid, layout.header)
    }
    drawLayer(&grid, grid.bounds, keys: keys)
    return grid
  }

  /// Draws one pane into a rectangle, and nothing beside it.
  ///
  /// - Parameter sparks: whether the small graphs of the last minutes are drawn where they fit.
  public func draw(_ pane: Pane, on grid: inout Grid, in rect: Rect, sparks: Bool = true) {
    switch pane {
    case .notebooks: drawNotebooks(&grid, rect, sparks: sparks)
    case .queue: drawQueue(&grid, rect)
    case .timeline: drawTimeline(&grid, rect)
    case .node: drawNode(&grid, rect, sparks: sparks)
    case .events: drawEvents(&grid, rect)
    case .graphs: drawGraphs(&grid, rect)
    }
  }

  /// Whether the next keys go to a prompt or a question.
  private var asksForKeys: Bool {
    switch layer {
    case .prompt, .confirmQuit: true
    case .help, .explain, .changes, .sessions, .columns, .menu, .confirm, .editor, .themes, nil: false
    }
  }
}
