/// One terminal cell: a character, what it means, and what it stands on.
public struct Cell: Hashable, Sendable {
  /// Whether the cell is a character of its own or half of a wide one.
  public enum Part: UInt8, Hashable, Sendable {
    /// A character one cell wide.
    case whole
    /// The left half of a wide character, which holds the scalars.
    case lead
    /// The right half of a wide character.
    case tail
  }

  /// The base scalar and up to two marks over it, 21 bits each: compact, because frames are compared cell by cell.
  private var packed: UInt64
  /// What the character means.
  public var role: Role
  /// What lies behind it (a selected row, a dialog): gives what the role's style leaves open.
  public var ground: Role
  /// Whether it is half of a wide character.
  public internal(set) var part: Part

  /// An empty cell.
  public static let blank = Cell(Cluster(base: " ", width: 1), role: .text, ground: .text, part: .whole)

  init(_ cluster: Cluster, role: Role, ground: Role, part: Part) {
    packed = UInt64(cluster.base.value)
    packed |= UInt64(cluster.firstMark?.value ?? 0) << 21
    packed |= UInt64(cluster.secondMark?.value ?? 0) << 42
    self.role = role
    self.ground = ground
    self.part = part
  }

  /// The base character; a space in a tail.
  public var base: Unicode.Scalar { scalar(at: 0) ?? " " }

  /// Whether it is a space and nothing else.
  public var isBlank: Bool { packed == 0x20 && part == .whole }

  /// Whether marks stand over its base.
  public var hasMarks: Bool { packed >> 21 != 0 }

  /// The base character and its marks, in order. Nothing in here can move a cursor.
  public var scalars: [Unicode.Scalar] {
    guard hasMarks else { return [base] }
    return [base] + [21, 42].compactMap { scalar(at: $0) }
  }

  private func scalar(at shift: UInt64) -> Unicode.Scalar? {
    let value = UInt32(truncatingIfNeeded: (packed >> shift) & 0x1F_FFFF)
    return value == 0 ? nil : Unicode.Scalar(value)
  }
}

/// A picture made of terminal cells: what every view draws on, and the only thing that a screen is given.
///
/// Drawing outside has no effect, and no text can break the picture: see ``isHostile(_:)``. Two grids are equal when
/// they show the same, cell for cell.
public struct Grid: Sendable, Equatable {
  /// The extent, in cells.
  public let size: Size
  /// The glyphs that drawing uses.
  public let glyphs: GlyphSet
  /// The cells, row by row.
  public private(set) var cells: [Cell]

  /// An empty grid.
  public init(size: Size, glyphs: GlyphSet = GlyphSet(.utf8)) {
    self.size = size
    self.glyphs = glyphs
    cells = Array(repeating: .blank, count: size.columns * size.rows)
  }

  public static func == (left: Grid, right: Grid) -> Bool {
    left.size == right.size && left.cells == right.cells
  }

  /// The whole grid as a rectangle.
  public var bounds: Rect { Rect(size) }

  /// The cell at a place, which must lie inside.
  public subscript(column column: Int, row row: Int) -> Cell {
    precondition(column >= 0 && column < size.columns && row >= 0 && row < size.rows, "place outside of the grid")
    return cells[row * size.columns + column]
  }

  /// The index of a place, or nil when it lies outside.
  private func index(_ point: Point) -> Int? {
    bounds.contains(point) ? point.row * size.columns + point.column : nil
  }

  /// Puts a glyph, keeping what the cell stands on.
  public mutating func put(_ glyph: Glyph, at point: Point, role: Role = .text) {
    put(Cluster(base: glyphs[glyph], width: 1), at: point, role: role)
  }

  /// Puts one scalar, keeping what the cell stands on; a hostile, combining or unshowable one becomes a replacement.
  public mutating func put(_ scalar: Unicode.Scalar, at point: Point, role: Role = .text) {
    guard let cluster = Clusters(String(Character(scalar)), in: glyphs.repertoire).first(where: { _ in true }) else {
      return
    }
    put(cluster, at: point, role: role)
  }

  /// Puts a character that is shown as it is.
  mutating func put(plain byte: UInt8, at point: Point, role: Role) {
    guard let place = index(point) else { return }
    separate(place)
    cells[place] = Cell(
      Cluster(base: Unicode.Scalar(byte), width: 1), role: role, ground: cells[place].ground, part: .whole)
  }

  /// Puts a cluster; a wide one that does not fit whole becomes an ellipsis.
  mutating func put(_ cluster: Cluster, at point: Point, role: Role) {
    guard let place = index(point) else { return }
    guard cluster.width == 2 else {
      separate(place)
      cells[place] = Cell(cluster, role: role, ground: cells[place].ground, part: .whole)
      return
    }
    if cluster.base.isASCII {
      // A wide character that ASCII cannot show: two replacements keep the layout.
      let half = Cluster(base: cluster.base, width: 1)
      put(half, at: point, role: role)
      put(half, at: Point(column: point.column + 1, row: point.row), role: role)
      return
    }
    guard let next = index(Point(column: point.column + 1, row: point.row)) else {
      put(.ellipsis, at: point, role: role)
      return
    }
    separate(place)
    separate(next)
    let ground = cells[place].ground
    cells[place] = Cell(cluster, role: role, ground: ground, part: .lead)
    cells[next] = Cell(Cluster(base: " ", width: 1), role: role, ground: ground, part: .tail)
  }

  /// Before a cell is overwritten: the other half of a wide character there becomes a space.
  private mutating func separate(_ place: Int) {
    switch cells[place].part {
    case .whole: return
    case .lead: blank(place + 1)
    case .tail: blank(place - 1)
    }
  }

  private mutating func blank(_ place: Int) {
    cells[place] = Cell(
      Cluster(base: " ", width: 1), role: cells[place].role, ground: cells[place].ground, part: .whole)
  }

  /// Sets what the cells of a rectangle stand on, keeping their characters: a selected row, a dialog.
  public mutating func setGround(_ ground: Role, in rect: Rect) {
    forEachPlace(in: rect) { grid, point in
      guard let place = grid.index(point) else { return }
      grid.cells[place].ground = ground
      switch grid.cells[place].part {
      case .whole: break
      case .lead: grid.cells[place + 1].ground = ground
      case .tail: grid.cells[place - 1].ground = ground
      }
    }
  }

  /// Fills a rectangle with one glyph, or with spaces when it is nil, keeping what the cells stand on.
  public mutating func fill(_ rect: Rect, with glyph: Glyph? = nil, role: Role = .text) {
    let cluster = Cluster(base: glyph.map { glyphs[$0] } ?? " ", width: 1)
    forEachPlace(in: rect) { grid, point in grid.put(cluster, at: point, role: role) }
  }

  /// Copies another grid onto this one, its top left cell at a place; what lies outside is cut.
  public mutating func place(_ other: Grid, at origin: Point) {
    for row in 0..<other.size.rows {
      for column in 0..<other.size.columns {
        let point = Point(column: origin.column + column, row: origin.row + row)
        guard let target = index(point) else { continue }
        let cell = other.cells[row * other.size.columns + column]
        separate(target)
        cells[target] = cell
        let cutLead = cell.part == .lead && point.column + 1 >= size.columns
        let cutTail = cell.part == .tail && point.column == 0
        if cutLead || cutTail { blank(target) }
      }
    }
  }

  /// Visits the places of a rectangle that lie inside the grid, row by row.
  private mutating func forEachPlace(in rect: Rect, _ body: (inout Grid, Point) -> Void) {
    for row in max(0, rect.row)..<max(0, rect.row, min(size.rows, rect.endRow)) {
      for column in max(0, rect.column)..<max(0, rect.column, min(size.columns, rect.endColumn)) {
        body(&self, Point(column: column, row: row))
      }
    }
  }
}
