/// The extent of a screen or of a part of it, in terminal cells. Never negative.
public struct Size: Hashable, Sendable {
  /// The width, in cells.
  public let columns: Int
  /// The height, in cells.
  public let rows: Int

  /// Makes a size; a negative measure becomes 0, because a screen can be small but not less than nothing.
  public init(columns: Int, rows: Int) {
    self.columns = max(0, columns)
    self.rows = max(0, rows)
  }
}

/// A cell's place, counted from 0 at the top left.
public struct Point: Hashable, Sendable {
  /// The column, from the left.
  public var column: Int
  /// The row, from the top.
  public var row: Int

  /// Makes a place; it may lie outside every grid, where drawing has no effect.
  public init(column: Int, row: Int) {
    self.column = column
    self.row = row
  }
}

/// How much of a line of panes one pane asks for.
public enum Extent: Hashable, Sendable {
  /// So many cells, or what is left if that is less.
  case fixed(Int)
  /// A part of what the fixed ones leave, in proportion to its weight (at least 1).
  case share(Int)
}

/// A rectangle of cells.
public struct Rect: Hashable, Sendable {
  /// The top left cell.
  public let origin: Point
  /// The extent.
  public let size: Size

  /// Makes a rectangle from its top left cell and extent.
  public init(origin: Point, size: Size) {
    self.origin = origin
    self.size = size
  }

  /// Makes a rectangle from four numbers of cells; a negative extent becomes 0.
  public init(column: Int, row: Int, columns: Int, rows: Int) {
    self.init(origin: Point(column: column, row: row), size: Size(columns: columns, rows: rows))
  }

  /// The whole of a grid of this size.
  public init(_ size: Size) {
    self.init(origin: Point(column: 0, row: 0), size: size)
  }

  /// The leftmost column.
  public var column: Int { origin.column }
  /// The topmost row.
  public var row: Int { origin.row }
  /// The width, in cells.
  public var columns: Int { size.columns }
  /// The height, in cells.
  public var rows: Int { size.rows }
  /// The first column to the right of the rectangle.
  public var endColumn: Int { column + columns }
  /// The first row below the rectangle.
  public var endRow: Int { row + rows }
  /// Whether it has no cell.
  public var isEmpty: Bool { columns == 0 || rows == 0 }

  /// Whether a place lies inside.
  public func contains(_ point: Point) -> Bool {
    point.column >= column && point.column < endColumn && point.row >= row && point.row < endRow
  }

  /// The rectangle without a margin of so many cells on each side; empty when nothing is left.
  public func inset(columns horizontal: Int, rows vertical: Int) -> Rect {
    Rect(
      column: column + horizontal, row: row + vertical, columns: columns - 2 * horizontal, rows: rows - 2 * vertical)
  }

  /// The line of one row, counted from the rectangle's top; empty when the rectangle has no such row.
  public func line(_ index: Int) -> Rect {
    let exists = index >= 0 && index < rows
    return Rect(column: column, row: row + index, columns: columns, rows: exists ? 1 : 0)
  }

  /// The rectangle without its first rows.
  public func droppingRows(_ count: Int) -> Rect {
    let dropped = min(max(0, count), rows)
    return Rect(column: column, row: row + dropped, columns: columns, rows: rows - dropped)
  }

  /// Splits into parts side by side that together fill the rectangle exactly, unless all are fixed and smaller.
  public func splitColumns(_ extents: [Extent]) -> [Rect] {
    var next = column
    return apportion(columns, among: extents).map { width in
      defer { next += width }
      return Rect(column: next, row: row, columns: width, rows: rows)
    }
  }

  /// Splits into parts one below the other that together fill the rectangle exactly, unless all are fixed and smaller.
  public func splitRows(_ extents: [Extent]) -> [Rect] {
    var next = row
    return apportion(rows, among: extents).map { height in
      defer { next += height }
      return Rect(column: column, row: next, columns: columns, rows: height)
    }
  }
}

/// Divides cells: fixed extents are served first, in order; the weights divide the rest, and what the division leaves
/// goes to the first shares, one cell each, so that the same input always gives the same layout.
private func apportion(_ total: Int, among extents: [Extent]) -> [Int] {
  var rest = total
  var weights = 0
  var sizes = extents.map { extent in
    switch extent {
    case .fixed(let asked):
      let given = min(max(0, asked), rest)
      rest -= given
      return given
    case .share(let weight):
      weights += max(1, weight)
      return 0
    }
  }
  guard weights > 0 else { return sizes }
  var remainder = rest
  for (index, extent) in extents.enumerated() {
    guard case .share(let weight) = extent else { continue }
    sizes[index] = rest * max(1, weight) / weights
    remainder -= sizes[index]
  }
  for (index, extent) in extents.enumerated() {
    guard remainder > 0, case .share = extent else { continue }
    sizes[index] += 1
    remainder -= 1
  }
  return sizes
}
