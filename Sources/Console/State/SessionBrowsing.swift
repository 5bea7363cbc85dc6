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
    let steps: [KeyAction: Int] = [
      .down: 1, .up: -1, .pageDown: 10, .pageUp: -10, .first: -list.rows.count, .last: list.rows.count,
    ]
    guard let step = action.flatMap({ steps[$0] }) else {
      layer = nil
      return []
    }
    list.cursor = min(max(list.cursor + step, 0), last)
    layer = .sessions(list)
    return []
  }
}
