import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The rows that the node's map would fill at that width, title included.
  func nodeRows(columns: Int) -> Int {
    guard let facts = shown.nodes.first else { return 2 }
    let map = NodeMap(facts, of: shown)
    let wide = Self.isCoreMapWide(map, columns)
    let perRow = wide ? max((columns - 2) / Self.wideCore, 1) : max(columns - 6, 1)
    let cores = (map.cores.count + perRow - 1) / perRow
    return 1 + cores + map.gpus.count
  }

  /// Cells that a core takes where there is room to name who is on it.
  private static let wideCore = 24

  private static func isCoreMapWide(_ map: NodeMap, _ columns: Int) -> Bool {
    map.cores.count * wideCore <= columns * 4
  }

  /// Cores × notebook, and GPUs × notebook where there are any.
  func drawNode(_ grid: inout Grid, _ rect: Rect) {
    guard let facts = shown.nodes.first else {
      grid.pane(rect, title: "CORES", focused: focus == .node)
      return
    }
    let map = NodeMap(facts, of: shown)
    let detail = map.gpus.isEmpty ? "no GPUs" : "\(map.gpus.count) GPUs"
    let inner = grid.pane(
      rect, title: "CORES \(map.node.cores)", detail: detail, focused: focus == .node)
    let used =
      Self.isCoreMapWide(map, rect.columns) ? drawWide(&grid, inner, map) : drawCompact(&grid, inner, map)
    drawGPUs(&grid, inner.droppingRows(used), map)
  }

  /// A core a field, with its user's name and what it uses.
  private func drawWide(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap) -> Int {
    let perRow = max(rect.columns / Self.wideCore, 1)
    for (index, core) in map.cores.enumerated() {
      let row = index / perRow
      guard row < rect.rows else { break }
      let at = Point(column: rect.column + index % perRow * Self.wideCore, row: rect.row + row)
      let number = String(core.number)
      grid.draw(number, at: at, role: .textDim, columns: 3, alignment: .trailing)
      drawPlace(&grid, core, Point(column: at.column + 4, row: at.row), columns: Self.wideCore - 5)
    }
    return (map.cores.count + perRow - 1) / perRow
  }

  private func drawPlace(_ grid: inout Grid, _ place: NodeMap.Place, _ at: Point, columns: Int) {
    let room = columns - 3
    if let user = place.users.first, let facts = shown[user] {
      grid.put(user.mark.letter.unicodeScalars.first ?? "?", at: at, role: user.mark.role)
      let more = place.users.count > 1 ? "+\(place.users.count - 1) " : ""
      grid.draw(
        more + facts.name, at: Point(column: at.column + 2, row: at.row), role: user.mark.role, columns: room - 2)
    } else if place.isDrained {
      grid.draw("drained", at: at, role: .coreReserved, columns: room)
    } else {
      grid.draw(String(Character(grid.glyphs[.idleCore])) + " idle", at: at, role: .coreIdle, columns: room)
    }
    if let pinned = place.pinned.first {
      let mark = String(Character(grid.glyphs[.pinned])) + String(pinned.mark.letter)
      grid.draw(mark, at: Point(column: at.column + room, row: at.row), role: .corePinned, columns: 3)
    }
  }

  /// A core a cell: the letter of who is on it.
  private func drawCompact(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap) -> Int {
    let perRow = max(rect.columns - 6, 1)
    let rowsMost = max(rect.rows - min(map.gpus.count, rect.rows / 2), 1)
    let group = max((map.cores.count + perRow * rowsMost - 1) / (perRow * rowsMost), 1)
    let fields = (map.cores.count + group - 1) / group
    for field in 0..<fields {
      let row = field / perRow
      let at = Point(column: rect.column + 5 + field % perRow, row: rect.row + row)
      let places = map.cores[field * group..<min((field + 1) * group, map.cores.count)]
      if field % perRow == 0 {
        grid.draw(
          String(places.first?.number ?? 0), at: Point(column: rect.column, row: at.row), role: .textDim, columns: 4,
          alignment: .trailing)
      }
      if let user = places.lazy.compactMap(\.users.first).first {
        grid.put(user.mark.letter.unicodeScalars.first ?? "?", at: at, role: user.mark.role)
      } else if places.contains(where: \.isDrained) {
        grid.put("x", at: at, role: .coreReserved)
      } else if places.contains(where: { !$0.pinned.isEmpty }) {
        grid.put(.pinned, at: at, role: .corePinned)
      } else {
        grid.put(.idleCore, at: at, role: .coreIdle)
      }
    }
    return (fields + perRow - 1) / perRow
  }

  private func drawGPUs(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap) {
    for (index, place) in map.gpus.prefix(rect.rows).enumerated() {
      let at = Point(column: rect.column, row: rect.row + index)
      grid.draw("G\(place.number)", at: at, role: .textDim, columns: 4, alignment: .trailing)
      drawPlace(&grid, place, Point(column: at.column + 5, row: at.row), columns: min(rect.columns - 5, 40))
    }
  }
}
