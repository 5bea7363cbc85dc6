import Canvas
import Domain
import Projections
import Verbs

// What the mouse does: a click selects, a click on what is selected opens, the right button gives way, the wheel scrolls what
// is under it, and a drag moves along the bar or the timeline.
extension ConsoleState {
  mutating func handle(_ mouse: MouseEvent, keys: KeyMap) -> [Intent] {
    if layer != nil { return handleOverLayer(mouse, keys: keys) }
    switch mouse.action {
    case .wheelUp, .wheelDown:
      if let pane = pane(at: mouse.point), details == nil { focus = pane }
      return move(by: mouse.action == .wheelUp ? -3 : 3)
    case .press(.left): return press(hit(at: mouse.point), at: mouse.point)
    case .press(.right):
      let hit = hit(at: mouse.point)
      guard let id = hit?.notebook else {
        // On a core or GPU that nobody is on there is only the node to order about.
        guard hit?.isPlace == true, transport == nil else { return [] }
        return openDrain(at: hit)
      }
      selected = id
      return transport == nil ? openPreemptMenu() : []
    case .press(.middle):
      guard let id = hit(at: mouse.point)?.notebook else { return [] }
      selected = id
      return perform(.tag)
    case .drag(.left):
      if isDraggingBar { return seek(atColumn: mouse.point.column) }
      if case .moment(let instant, _) = hit(at: mouse.point), focus == .timeline { moveTimelineCursor(to: instant) }
      return []
    case .release:
      isDraggingBar = false
      return []
    case .drag: return []
    }
  }

  /// A click beside what lies over the panes closes it as Escape does; the wheel moves in it.
  private mutating func handleOverLayer(_ mouse: MouseEvent, keys: KeyMap) -> [Intent] {
    switch mouse.action {
    case .wheelUp: return handle(.key(KeyPress(.up)), keys: keys)
    case .wheelDown: return handle(.key(KeyPress(.down)), keys: keys)
    case .press(.right): return handle(.key(KeyPress(.escape)), keys: keys)
    case .press, .drag, .release: return []
    }
  }

  private mutating func press(_ hit: ScreenHit?, at point: Point) -> [Intent] {
    switch hit {
    case .transport:
      isDraggingBar = true
      return seek(atColumn: point.column)
    case .row(let row):
      focus = .notebooks
      if cursor == row { return perform(.details) }
      (cursor, strayed) = (row, nil)
    case .column(let column):
      if sort == column { isSortInverted.toggle() } else { sort = column }
      say(.good, "sorted by \(sort.title)")
    case .waiting(let id):
      focus = .queue
      if selected == id { return perform(.explain) }
      selected = id
    case .moment(let instant, let id):
      focus = .timeline
      if let id { selected = id }
      moveTimelineCursor(to: instant)
    case .core(_, let id), .gpu(_, let id):
      focus = .node
      if let id { selected = id } else { say(.good, "nobody is on it; the right button drains it") }
    case .event(_, let id):
      focus = .events
      if let id { selected = id }
    case .pane(let pane): focus = pane
    case nil: break
    }
    return []
  }
}

extension ScreenHit {
  /// Whether it is a core or a GPU.
  fileprivate var isPlace: Bool {
    switch self {
    case .core, .gpu: true
    case .row, .column, .waiting, .moment, .event, .transport, .pane: false
    }
  }

  /// The notebook that is meant; nil where it is none.
  fileprivate var notebook: NotebookID? {
    switch self {
    case .row(.notebook(let id)), .waiting(let id): id
    case .moment(_, let id), .core(_, let id), .gpu(_, let id), .event(_, let id): id
    case .row(.user), .column, .transport, .pane: nil
    }
  }
}
