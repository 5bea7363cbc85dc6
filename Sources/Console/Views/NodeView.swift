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
  /// Columns of a cell: a letter, and where letters have begun again the number after it.
  var cellColumns: Int

  /// Cores up to which each has a cell of its own wherever there is room; beyond, a cell stands for a group.
  static let singleMost = 128

  /// The layout with cells of two columns, where letters have begun again and nothing has to be drawn smaller for it; else with
  /// cells of one.
  ///
  /// - Parameter repeats: whether two notebooks may have the same letter.
  init(cores: Int, gpus: Int, columns: Int, rows: Int?, repeats: Bool) {
    let single = NodeLayout(cores: cores, gpus: gpus, columns: columns, rows: rows)
    self = single
    guard repeats else { return }
    let wide = NodeLayout(cores: cores, gpus: gpus, columns: columns, rows: rows, cellColumns: 2)
    guard wide.coresPerCell == single.coresPerCell, wide.namesCores == single.namesCores,
      wide.namesGPUs == single.namesGPUs, wide.gpuRows * wide.cellsPerRow >= gpus || wide.namesGPUs
    else { return }
    self = wide
  }

  /// - Parameter rows: the room below the title; nil for as much as it likes.
  init(cores: Int, gpus: Int, columns: Int, rows: Int?, cellColumns: Int = 1) {
    self.cellColumns = cellColumns
    fieldsPerRow = max(columns / Self.fieldColumns, 1)
    cellsPerRow = max((columns - Self.margin - 1) / cellColumns, 1)
    func needed(_ count: Int, _ perRow: Int) -> Int { (count + perRow - 1) / perRow }
    let leastForGPUs = gpus > 0 ? 1 : 0
    let most = rows ?? .max
    let coreFieldRows = needed(cores, fieldsPerRow)
    namesCores = coreFieldRows <= (rows ?? 4) && coreFieldRows + leastForGPUs <= most
    let free = max(most - leastForGPUs, 1)
    var group = 1
    if !namesCores {
      // Twice as many cores a cell until they fit: groups that a person can count.
      let wanted = cores > Self.singleMost ? min(free, 4 * cellColumns) : free
      while needed(needed(cores, group), cellsPerRow) > wanted { group *= 2 }
    }
    coresPerCell = group
    coreRows = namesCores ? coreFieldRows : max(needed(needed(cores, group), cellsPerRow), 1)
    let gpuFieldRows = needed(gpus, fieldsPerRow)
    namesGPUs = gpuFieldRows <= most - coreRows
    gpuRows = namesGPUs ? gpuFieldRows : min(needed(gpus, cellsPerRow), max(most - coreRows, 0))
  }
}

/// Where the cores and the GPUs of a node are drawn.
struct NodePlaces: Hashable {
  var cores: Rect
  var gpus: Rect
  var layout: NodeLayout
  /// GPUs side by side in a row, and the columns of each; nil where each is only a letter.
  var gpusPerRow: Int?

  /// - Parameter repeats: whether two notebooks may have the same letter.
  init(cores count: Int, gpus: Int, in inner: Rect, repeats: Bool) {
    if gpus > 0, inner.columns >= 120 {
      let parts = inner.splitColumns([.share(1), .fixed(1), .fixed(max(inner.columns * 2 / 5, 56))])
      self.cores = parts[0]
      self.gpus = parts[2]
      layout = NodeLayout(cores: count, gpus: 0, columns: parts[0].columns, rows: inner.rows, repeats: repeats)
    } else {
      layout = NodeLayout(
        cores: count, gpus: gpus, columns: inner.columns, rows: inner.rows, repeats: repeats)
      self.cores = Rect(
        column: inner.column, row: inner.row, columns: inner.columns, rows: min(layout.coreRows, inner.rows))
      self.gpus = inner.droppingRows(layout.coreRows)
    }
    guard gpus > 0, self.gpus.rows > 0 else { return }
    let perRow = (gpus + self.gpus.rows - 1) / self.gpus.rows
    gpusPerRow = self.gpus.columns / perRow >= 16 ? perRow : nil
  }

  /// The core or GPU at a place; nil where there is none. A group of cores is named by its first.
  func place(at point: Point, cores count: Int, gpus gpuCount: Int) -> (isGPU: Bool, index: Int)? {
    func index(_ rect: Rect, _ perRow: Int, _ width: Int, _ margin: Int) -> Int? {
      let (row, column) = (point.row - rect.row, point.column - rect.column - margin)
      guard rect.contains(point), column >= 0, column / width < perRow else { return nil }
      return row * perRow + column / width
    }
    if cores.contains(point) {
      let found =
        layout.namesCores
        ? index(cores, layout.fieldsPerRow, NodeLayout.fieldColumns, 0)
        : index(cores, layout.cellsPerRow, layout.cellColumns, NodeLayout.margin).map { $0 * layout.coresPerCell }
      return found.flatMap { $0 < count ? (false, $0) : nil }
    }
    let found =
      gpusPerRow.map { index(gpus, $0, gpus.columns / $0, 0) }
      ?? index(gpus, layout.cellsPerRow, layout.cellColumns, NodeLayout.margin)
    return found.flatMap { $0 < gpuCount ? (true, $0) : nil }
  }
}

extension ConsoleState {
  /// The rows that the node's map would fill at that width, title included.
  func nodeRows(columns: Int) -> Int {
    guard let node = shown.nodes.first?.node else { return 2 }
    let isBeside = columns >= 120 && !node.gpus.isEmpty
    let layout = NodeLayout(
      cores: node.cores.count, gpus: isBeside ? 0 : node.gpus.count,
      columns: isBeside ? columns - 1 - max(columns * 2 / 5, 56) : columns, rows: nil, repeats: hasRepeatedLetters)
    return 1 + (isBeside ? max(layout.coreRows, min(node.gpus.count, 8)) : layout.coreRows + layout.gpuRows)
  }

  /// Whether there have been so many notebooks that letters have begun again.
  var hasRepeatedLetters: Bool { shown.notebooks.count > NotebookMark.letters }

  /// Where the cores and GPUs are within the pane's rectangle.
  func nodePlaces(_ rect: Rect) -> NodePlaces? {
    guard let node = shown.nodes.first?.node else { return nil }
    return NodePlaces(
      cores: node.cores.count, gpus: node.gpus.count, in: rect.droppingRows(1), repeats: hasRepeatedLetters)
  }

  /// Cores × notebook, and GPUs × notebook where there are any.
  func drawNode(_ grid: inout Grid, _ rect: Rect, sparks: Bool) {
    let board = shown
    guard let facts = board.nodes.first, let places = nodePlaces(rect) else {
      let inner = grid.pane(rect, title: "CORES", focused: focus == .node)
      let at = Point(column: inner.column + 1, row: inner.row)
      grid.draw("no node yet", at: at, role: .textDim, columns: inner.isEmpty ? 0 : inner.columns - 1)
      return
    }
    let map = NodeMap(facts, of: board)
    let cores = map.node.cores.description
    let title = "CORES " + (cores.utf8.count <= rect.columns / 3 ? cores : "\(map.cores.count)")
    let inner = grid.pane(
      rect, title: title, detail: detail(map, places, grid.glyphs), focused: focus == .node)
    guard inner.rows > 0 else { return }
    if places.layout.namesCores {
      drawFields(&grid, places.cores, map.cores, board)
    } else {
      drawCores(&grid, places.cores, map, places.layout)
    }
    guard !map.gpus.isEmpty, places.gpus.rows > 0 else { return }
    if let perRow = places.gpusPerRow {
      drawGPUs(&grid, places.gpus, map, board, perRow, sparks: sparks)
    } else {
      drawGPUCells(&grid, places.gpus, map, places.layout)
    }
  }

  private func detail(_ map: NodeMap, _ places: NodePlaces, _ glyphs: GlyphSet) -> String {
    let layout = places.layout
    var parts: [String] = []
    let shared = Self.sharedMarks(map, places)
    if !shared.isEmpty {
      // Where a letter alone does not tell whose a cell is, the map says so.
      let marks = shared.count > 4 ? "\(shared.count) letters" : shared.joined(separator: " ")
      parts.append("several notebooks each: \(marks)")
    }
    if layout.coresPerCell > 1 { parts.append("a cell: \(layout.coresPerCell) cores") }
    let drained = map.cores.filter(\.isDrained)
    if !drained.isEmpty {
      let used = drained.count { !$0.users.isEmpty }
      let text = CoreSet(drained.map(\.number)).description
      parts.append(
        "x drained \(text.utf8.count <= 12 ? text : "\(drained.count)")" + (used > 0 ? ", \(used) still in use" : ""))
    }
    let pinned = map.cores.count { !$0.pinned.isEmpty }
    if pinned > 0 { parts.append("\(Character(glyphs[.pinned])) pinned \(pinned)") }
    parts.append(map.gpus.isEmpty ? "no GPUs" : counted(map.gpus.count, "GPU"))
    return parts.joined(separator: " · ")
  }

  /// What is drawn alike for several notebooks on the map's cells, in the order of its letters.
  static func sharedMarks(_ map: NodeMap, _ places: NodePlaces) -> [String] {
    let layout = places.layout
    let drawn = (layout.namesCores ? [] : map.cores) + (places.gpusPerRow == nil ? map.gpus : [])
    var holders: [String: Set<NotebookID>] = [:]
    for user in drawn.compactMap(\.users.first) {
      holders[user.mark.text(columns: layout.cellColumns), default: []].insert(user)
    }
    return holders.filter { $0.value.count > 1 }.keys.sorted()
  }

  /// A core a field, with its user's name.
  private func drawFields(_ grid: inout Grid, _ rect: Rect, _ places: [NodeMap.Place], _ board: Board) {
    let perRow = max(rect.columns / NodeLayout.fieldColumns, 1)
    let columns = min(NodeLayout.fieldColumns, rect.columns)
    for (index, place) in places.enumerated() where index / perRow < rect.rows {
      let at = Point(column: rect.column + index % perRow * NodeLayout.fieldColumns, row: rect.row + index / perRow)
      grid.draw("\(place.number)", at: at, role: .textDim, columns: min(4, columns), alignment: .trailing)
      drawPlace(&grid, place, Point(column: at.column + 5, row: at.row), columns: columns - 5, board)
    }
  }

  /// Who is on a core, then what is to be known of the core: a cross where it is drained, and whose pin.
  private func drawPlace(
    _ grid: inout Grid, _ place: NodeMap.Place, _ at: Point, columns: Int, _ board: Board
  ) {
    let room = columns - 3
    guard room > 0 else { return }
    if let user = place.users.first {
      if place.isDrained { grid.setGround(.coreDrained, in: Rect(column: at.column, row: at.row, columns: 1, rows: 1)) }
      let mark = user.mark.text
      grid.draw(mark, at: at, role: user.mark.role, columns: room)
      let more = place.users.count > 1 ? "+\(place.users.count - 1) " : ""
      let name = (place.isDrained ? "x " : "") + more + board.name(of: user)
      let begin = mark.count + 1
      grid.draw(
        name, at: Point(column: at.column + begin, row: at.row), role: user.mark.role, columns: max(room - begin, 0))
    } else if place.isDrained {
      grid.draw("x drained", at: at, role: .coreReserved, columns: room)
    } else {
      grid.draw(String(Character(grid.glyphs[.idleCore])) + " idle", at: at, role: .coreIdle, columns: room)
    }
    if let pinned = place.pinned.first {
      let mark = String(Character(grid.glyphs[.pinned])) + pinned.mark.text
      grid.draw(mark, at: Point(column: at.column + room, row: at.row), role: .corePinned, columns: 3)
    }
  }

  /// A core a cell, or several: the letter of who is there.
  private func drawCores(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap, _ layout: NodeLayout) {
    let group = layout.coresPerCell
    for field in 0..<(map.cores.count + group - 1) / group {
      let (row, column) = field.quotientAndRemainder(dividingBy: layout.cellsPerRow)
      guard row < rect.rows else { break }
      let places = map.cores[field * group..<min((field + 1) * group, map.cores.count)]
      let at = Point(column: rect.column + NodeLayout.margin + column * layout.cellColumns, row: rect.row + row)
      if column == 0 { drawRowLabel(&grid, String(places.first?.number ?? 0), at) }
      drawCell(&grid, places, at, layout.cellColumns)
    }
  }

  /// A GPU a cell, where there is no room for more.
  private func drawGPUCells(_ grid: inout Grid, _ rect: Rect, _ map: NodeMap, _ layout: NodeLayout) {
    for (index, place) in map.gpus.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: layout.cellsPerRow)
      guard row < rect.rows else { break }
      let at = Point(column: rect.column + NodeLayout.margin + column * layout.cellColumns, row: rect.row + row)
      if column == 0 { drawRowLabel(&grid, "GPU", at) }
      drawCell(&grid, [place], at, layout.cellColumns)
    }
  }

  private func drawRowLabel(_ grid: inout Grid, _ text: String, _ first: Point) {
    grid.draw(
      text, at: Point(column: first.column - NodeLayout.margin, row: first.row), role: .textDim, columns: 4,
      alignment: .trailing)
  }

  /// One cell for a group: whoever has most of it, or nobody where most of it is idle. What is drained is turned round,
  /// in use or not; what is pinned is underlined.
  private func drawCell(
    _ grid: inout Grid, _ places: ArraySlice<NodeMap.Place>, _ at: Point, _ columns: Int
  ) {
    let isDrained = places.contains(where: \.isDrained)
    let isPinned = places.contains { !$0.pinned.isEmpty }
    if isDrained || isPinned {
      grid.setGround(
        isDrained ? .coreDrained : .corePinned, in: Rect(column: at.column, row: at.row, columns: columns, rows: 1))
    }
    if let user = Self.most(of: places) {
      grid.draw(user.mark.text(columns: columns), at: at, role: user.mark.role, columns: columns)
    } else if isDrained {
      grid.put("x", at: at, role: .coreDrained)
    } else if isPinned {
      grid.put(.pinned, at: at, role: .corePinned)
    } else {
      grid.put(.idleCore, at: at, role: .coreIdle)
    }
  }

  /// Who holds most of some cores; nil where more of them are idle.
  private static func most(of places: ArraySlice<NodeMap.Place>) -> NotebookID? {
    guard places.count > 1 else { return places.first?.users.first }
    var idle = 0
    var counts: [(user: NotebookID, count: Int)] = []
    for place in places {
      guard let user = place.users.first else {
        idle += 1
        continue
      }
      if let index = counts.firstIndex(where: { $0.user == user }) {
        counts[index].count += 1
      } else {
        counts.append((user, 1))
      }
    }
    guard let most = counts.max(by: { $0.count < $1.count || ($0.count == $1.count && $0.user > $1.user) }),
      most.count >= idle
    else { return nil }
    return most.user
  }
}
