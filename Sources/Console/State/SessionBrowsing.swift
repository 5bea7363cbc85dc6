import Canvas
import Domain

// The list of recorded sessions: choose one, open it, or go back.
extension ConsoleState {
  mutating func browse(_ list: SessionList, _ action: KeyAction?, _ press: KeyPress) -> [Intent] {
    var list = list
    let last = max(list.rows.count - 1, 0)
    if press.key == .enter {
      layer = nil
      return list.rows.indices.contains(list.cursor) ? [.open(session: list.rows[list.cursor].number)] : []
    }
    let step =
      switch action {
      case .down: 1
      case .up: -1
      case .pageDown: 10
      case .pageUp: -10
      case .first: -last
      case .last: last
      default: 0
      }
    guard step != 0 else {
      layer = nil
      return []
    }
    list.cursor = min(max(list.cursor + step, 0), last)
    layer = .sessions(list)
    return []
  }
}
