import Canvas
import Domain
import Projections

// GPUs, each with who computes on it, its memory, and how much of the last minutes it was held.
extension ConsoleState {
  /// How far back the small graphs of GPUs reach.
  private static let reach = Span(seconds: 600)

  /// - Parameter perRow: how many stand side by side.
  func drawGPUs(
    _ grid: inout Grid, _ rect: Rect, _ map: NodeMap, _ board: Board, _ perRow: Int, sparks hasSparks: Bool
  ) {
    let width = rect.columns / max(perRow, 1)
    let sparks = !hasSparks ? 0 : width >= 60 ? 20 : width >= 44 ? 10 : 0
    let load = sparks > 0 ? board.load(until: shownNow).gpus : nil
    // Whole parts, so that the graphs stand still within one.
    let scale = TimeScale(window: Self.reach, columns: sparks, end: shownNow)
    for (index, place) in map.gpus.enumerated() where index / perRow < rect.rows {
      let at = Point(column: rect.column + index % perRow * width, row: rect.row + index / perRow)
      let history = load.map { load in
        load.means(of: index, from: scale.start, part: scale.bucket, parts: sparks, now: shownNow).map {
          $0.map { $0 / 1000 }
        }
      }
      drawGPU(&grid, at, width - 1, place, map.node.gpus[index], board, history)
    }
  }

  private func drawGPU(
    _ grid: inout Grid, _ at: Point, _ width: Int, _ place: NodeMap.Place, _ gpu: GPU, _ board: Board,
    _ history: [Double?]?
  ) {
    grid.draw("G\(place.number)", at: at, role: .textDim, columns: 4, alignment: .trailing)
    let memory = memoryText(place, gpu)
    let sparks = history?.count ?? 0
    let hasMemory = width >= 30
    // From the right: the history, the memory and its bar; who is there has the rest.
    let barColumns = width >= 36 && gpu.memory > .zero ? min(max((width - 30 - sparks) / 2, 6), 14) : 0
    let right = (hasMemory ? 12 : 0) + (barColumns > 0 ? barColumns + 1 : 0) + (sparks > 0 ? sparks + 1 : 0)
    let who = width - 5 - right
    drawOccupant(&grid, Point(column: at.column + 5, row: at.row), who, place, board)
    var column = at.column + 5 + who
    if barColumns > 0 {
      let share = min(Double(place.memory.count) / Double(max(gpu.memory.count, 1)), 1)
      grid.bar(share, at: Point(column: column, row: at.row), columns: barColumns, role: .load(share))
      column += barColumns + 1
    }
    if hasMemory {
      grid.draw(
        memory, at: Point(column: column, row: at.row), role: place.memory > .zero ? .text : .textDim, columns: 11,
        alignment: .trailing)
      column += 12
    }
    guard let history else { return }
    grid.graph(history, in: Rect(column: column, row: at.row, columns: sparks, rows: 1))
  }

  private func memoryText(_ place: NodeMap.Place, _ gpu: GPU) -> String {
    let most = gpu.memory > .zero ? "/\(gpu.memory.short)" : ""
    if place.memory > .zero { return place.memory.short + most }
    // A notebook that did not say how much it needs keeps something all the same.
    return place.residents == 0 ? "0\(most)" : "?\(most)"
  }

  private func drawOccupant(_ grid: inout Grid, _ at: Point, _ columns: Int, _ place: NodeMap.Place, _ board: Board) {
    var parts: [(String, Role)] = []
    if place.isDrained { parts.append(("x ", .coreDrained)) }
    if let user = place.users.first {
      parts.append((user.mark.text + " ", user.mark.role))
      if place.users.count > 1 { parts.append(("+\(place.users.count - 1) ", .text)) }
      parts.append((board.name(of: user), user.mark.role))
    } else if place.isDrained {
      parts.append(("drained", .coreReserved))
    } else if let keeper = place.firstResident {
      let more = place.residents > 1 ? " +\(place.residents - 1)" : ""
      parts.append((String(Character(grid.glyphs[.idleCore])), .gpuIdle))
      parts.append((" kept by \(board.name(of: keeper))\(more)", .textDim))
    } else {
      parts.append((String(Character(grid.glyphs[.idleCore])) + " idle", .gpuIdle))
    }
    let pin = place.pinned.first.map { String(Character(grid.glyphs[.pinned])) + $0.mark.text }
    let room = columns - (pin.map { $0.count + 2 } ?? 1)
    grid.draw(parts: parts, at: at, columns: max(room, 1))
    guard let pin, columns >= 8 else { return }
    grid.draw(
      pin, at: Point(column: at.column + columns - 1 - pin.count, row: at.row), role: .corePinned, columns: pin.count)
  }
}
