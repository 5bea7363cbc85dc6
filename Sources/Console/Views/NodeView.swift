import Canvas
import Domain
import Projections

/// How a node's map is laid out in so many columns and rows: nothing is ever cut, only drawn smaller.
struct NodeLayout: Hashable {
  /// Cells that a core or GPU takes where there is room to name who is on it.
  static let fieldColumns = 24
  /// Cells before the first letter of a compact row.
  static let margin = 5

  /// Whether each core has a field with its user's name, instead of one cell with the letter.
  var namesCores: Bool
  /// Whether each GPU has such a field.
  var namesGPUs: Bool
  /// Cores that one cell stands for.
  var coresPerCell = 1
  /// Rows of cores, then of GPUs.
  var coreRows: Int
  var gpuRows: Int
  var fieldsPerRow: Int
  var cellsPerRow: Int

  /// - Parameter rows: the room below the title; nil for as much as it likes.
  init(cores: Int, gpus: Int, columns: Int, rows: Int?) {
    fieldsPerRow = max(columns / Self.fieldColumns, 1)
    cellsPerRow = max(columns - Self.margin - 1, 1)
    func needed(_ count: Int, _ perRow: Int) -> Int { (count + perRow - 1) / perRow }
    let leastForGPUs = gpus > 0 ? 1 : 0
    let most = rows ?? .max
    let coreFieldRows = needed(cores, fieldsPerRow)
    namesCores = coreFieldRows <= (rows ?? 4) && coreFieldRows + leastForGPUs <= most
    let wanted = namesCores ? coreFieldRows : needed(cores, cellsPerRow)
    coreRows = max(min(wanted, most - leastForGPUs), 1)
    if wanted > coreRows { coresPerCell = needed(cores, cellsPerRow * coreRows) }
    let gpuFieldRows = needed(gpus, fieldsPerRow)
    namesGPUs = gpuFieldRows <= most - coreRows
    gpuRows = namesGPUs ? gpuFieldRows : min(needed(gpus, cellsPerRow), max(most - coreRows, 0))
  }
}

extension ConsoleState {
  /// The rows that the node's map would fill at that width, title included.
  func nodeRows(columns: Int) -> Int {
    guard let node = shown.nodes.first?.node else { return 2 }
    let layout = NodeLayout(cores: node.cores.count, gpus: node.gpus.count, columns: columns, rows: nil)
    return 1 + layout.coreRows + layout.gpuRows
  }

  /// Cores × notebook, and GPUs × notebook where there are any.
  func drawNode(_ grid: inout Grid, _ rect: Rect) {
    guard let facts = shown.nodes.first else {
      let inner = grid.pane(rect, title: "CORES", focused: focus == .node)
      let at = Point(column: inner.column + 1, row: inner.row)
      grid.draw("no node yet", at: at, role: .textDim, columns: inner.isEmpty ? 0 : inner.columns - 1)
      return
    }
    let map = NodeMap(facts, of: shown)
    let layout = NodeLayout(
      cores: map.cores.count, gpus: map.gpus.count, columns: rect.columns, rows: max(rect.rows - 1, 0))
    let inner = grid.pane(
      rect, title: "CORES \(map.node.cores)", detail: detail(map, layout, grid.glyphs), focused: focus == .node)
    guard inner.rows > 0 else { return }
    if layout.namesCores { drawFields(&grid, inner, map.cores) } else { drawCores(&grid, inner, map, layout) }
    let below = inner.droppingRows(layout.coreRows)
    if layout.namesGPUs { drawFields(&grid, below, map.gpus, "G") } else { drawGPUs(&grid, below, map, layout) }
  }

  private func detail(_ map: NodeMap, _ layout: NodeLayout, _ glyphs: GlyphSet) -> String {
    var parts: [String] = []
    if layout.coresPerCell > 1 { parts.append("a cell: \(layout.coresPerCell) cores") }
    if !layout.namesCores {
      if map.cores.contains(where: \.isDrained) { parts.append("x drained") }
      if map.cores.contains(where: { !$0.pinned.isEmpty && $0.users.isEmpty }) {
        parts.append("\(Character(glyphs[.pinned])) pinned")
      }
    }
    parts.append(map.gpus.isEmpty ? "no GPUs" : "\(map.gpus.count) GPU\(map.gpus.count == 1 ? "" : "s")")
    return parts.joined(separator: " · ")
  }

  /// A core or GPU a field, with its user's name.
  private func drawFields(_ grid: inout Grid, _ rect: Rect, _ places: [NodeMap.Place], _ sign: String = "") {
    let perRow = max(rect.columns / NodeLayout.fieldColumns, 1)
    let columns = min(NodeLayout.fieldColumns, rect.columns)
    for (index, place) in places.enumerated() where index / perRow < rect.rows {
      let at = Point(column: rect.column + index % perRow * NodeLayout.fieldColumns, row: rect.row + index / perRow)
      grid.draw("\(sign)\(place.number)", at: at, role: .textDim, columns: 4, alignment: .trailing)
      drawPlace(&grid, place, Point(column: at.column + 5, row: at.row), columns: columns - 5)
    }
  }

  private func drawPlace(_ grid: inout Grid, _ place: NodeMap.Place, _ at: Point, columns: Int) {
    let room = columns - 3
    if let user = place.users.first, let facts = shown[user] {
      grid.put(user.mark.letter.unicodeScalars.first ?? "?", at: at, role: user.mark.role)
      let more = place.users.count > 1 ? "+\(place.users.count - 1) " : ""
      grid.draw(
        more + facts.name, at: Point(column: at.column + 2, row: at.row), role: user.mark.role, columns: room - 2)
    } else if place.isDrained {
      grid.draw("x drained", at: at, role: .coreReserved, columns: room)
    } else {
      grid.draw(String(Character(grid.glyphs[.idleCore])) + " idle", at: at, role: .coreIdle, columns: room)
    }
    if let pinned = place.pinned.first {
      let mark = String(Character(grid.glyphs[.pinned])) + String(pinned.mark.letter)
      grid.draw(mark, at: Point(column: at.column + room, row: at.row), role: .corePinned, columns: 2)
    }
  }

  /// A core a cell, or several: the letter of who is there.
  private func drawCores(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap, _ layout: NodeLayout) {
    let group = layout.coresPerCell
    for field in 0..<(map.cores.count + group - 1) / group {
      let (row, column) = field.quotientAndRemainder(dividingBy: layout.cellsPerRow)
      guard row < rect.rows else { break }
      let places = map.cores[field * group..<min((field + 1) * group, map.cores.count)]
      let at = Point(column: rect.column + NodeLayout.margin + column, row: rect.row + row)
      if column == 0 { drawRowLabel(&grid, String(places.first?.number ?? 0), at) }
      drawCell(&grid, places, at)
    }
  }

  /// A GPU a cell, where there is no room for names.
  private func drawGPUs(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap, _ layout: NodeLayout) {
    for (index, place) in map.gpus.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: layout.cellsPerRow)
      guard row < rect.rows else { break }
      let at = Point(column: rect.column + NodeLayout.margin + column, row: rect.row + row)
      if column == 0 { drawRowLabel(&grid, "GPU", at) }
      drawCell(&grid, [place], at)
    }
  }

  private func drawRowLabel(_ grid: inout Grid, _ text: String, _ first: Point) {
    grid.draw(
      text, at: Point(column: first.column - NodeLayout.margin, row: first.row), role: .textDim, columns: 4,
      alignment: .trailing)
  }

  private func drawCell(_ grid: inout Grid, _ places: ArraySlice<NodeMap.Place>, _ at: Point) {
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
}
