/// Where a text stands in its room.
public enum Alignment: Hashable, Sendable {
  case leading, trailing
}

extension Grid {
  /// Draws one line of text, made safe, cut with an ellipsis where the room ends, over what the cells stand on.
  ///
  /// - Parameters:
  ///   - point: the first cell of the room; what lies left of the grid is cut without a sign.
  ///   - columns: the room, in cells; nil reaches to the right edge. The grid's edge always ends it.
  ///   - alignment: where a text shorter than its room stands; the rest of the room is left as it is.
  /// - Returns: the first column after the text, for drawing on.
  @discardableResult
  public mutating func draw(
    _ text: String, at point: Point, role: Role = .text, columns: Int? = nil, alignment: Alignment = .leading
  ) -> Int {
    let room = min(columns ?? size.columns, size.columns - point.column)
    guard room > 0, point.row >= 0, point.row < size.rows else { return point.column }
    var column = point.column
    // Nearly all that is drawn: a quarter of a frame's time went into its clusters.
    if text.utf8.allSatisfy(isPlain) {
      let count = text.utf8.count
      if alignment == .trailing { column += max(room - count, 0) }
      for byte in text.utf8.prefix(count > room ? room - 1 : count) {
        put(plain: byte, at: Point(column: column, row: point.row), role: role)
        column += 1
      }
      guard count > room else { return column }
      put(.ellipsis, at: Point(column: column, row: point.row), role: role)
      return column + 1
    }
    let clusters = fitted(text, toColumns: room, in: glyphs.repertoire)
    if alignment == .trailing { column += room - clusters.reduce(0) { $0 + $1.width } }
    for cluster in clusters {
      put(cluster, at: Point(column: column, row: point.row), role: role)
      column += cluster.width
    }
    return column
  }

  /// Draws a text in a rectangle, broken at spaces, one line a row; the last row is cut with an ellipsis when more
  /// would follow. Line breaks in the text are kept.
  ///
  /// - Returns: the number of rows used.
  @discardableResult
  public mutating func drawWrapped(_ text: String, in rect: Rect, role: Role = .text) -> Int {
    let lines = wrapped(text, toColumns: rect.columns)
    for (index, line) in lines.prefix(rect.rows).enumerated() {
      let point = Point(column: rect.column, row: rect.row + index)
      let isCut = index == rect.rows - 1 && lines.count > rect.rows
      draw(isCut ? line + " " + lines[index + 1] : line, at: point, role: role, columns: rect.columns)
    }
    return min(lines.count, rect.rows)
  }

  /// Draws a frame with a title in its top line.
  ///
  /// - Returns: what is inside; the rectangle itself when it is too small for a frame.
  @discardableResult
  public mutating func box(
    _ rect: Rect, title: String = "", role: Role = .border, titleRole: Role = .title
  ) -> Rect {
    guard rect.columns >= 2, rect.rows >= 2 else { return rect }
    let right = rect.endColumn - 1
    let bottom = rect.endRow - 1
    fill(Rect(column: rect.column, row: rect.row, columns: rect.columns, rows: 1), with: .horizontal, role: role)
    fill(Rect(column: rect.column, row: bottom, columns: rect.columns, rows: 1), with: .horizontal, role: role)
    fill(Rect(column: rect.column, row: rect.row, columns: 1, rows: rect.rows), with: .vertical, role: role)
    fill(Rect(column: right, row: rect.row, columns: 1, rows: rect.rows), with: .vertical, role: role)
    put(.topLeft, at: rect.origin, role: role)
    put(.topRight, at: Point(column: right, row: rect.row), role: role)
    put(.bottomLeft, at: Point(column: rect.column, row: bottom), role: role)
    put(.bottomRight, at: Point(column: right, row: bottom), role: role)
    if !title.isEmpty, rect.columns >= 6 {
      let point = Point(column: rect.column + 2, row: rect.row)
      draw(" \(title) ", at: point, role: titleRole, columns: rect.columns - 4)
    }
    return rect.inset(columns: 1, rows: 1)
  }

  /// Draws a pane's title line: `─ TITLE ─────── detail ─`. Cheaper in rows than a box.
  ///
  /// - Returns: the rectangle below the line.
  @discardableResult
  public mutating func pane(_ rect: Rect, title: String, detail: String = "", focused: Bool = false) -> Rect {
    guard !rect.isEmpty else { return rect }
    let border: Role = focused ? .borderFocused : .border
    // The line says it, too: colour alone is not seen by everybody.
    fill(rect.line(0), with: focused ? .heavy : .horizontal, role: border)
    var end = rect.column
    if rect.columns >= 5 {
      end = draw(
        " \(title) ", at: Point(column: rect.column + 1, row: rect.row), role: focused ? .titleFocused : .title,
        columns: rect.columns - 2)
    }
    let width = cellWidth(of: detail) + 2
    if !detail.isEmpty, end + width < rect.endColumn {
      draw(" \(detail) ", at: Point(column: rect.endColumn - 1 - width, row: rect.row), role: .titleDetail)
    }
    return rect.droppingRows(1)
  }

  /// Draws a horizontal bar, to an eighth of a cell where the repertoire allows.
  ///
  /// - Parameter fraction: 0 is empty, 1 fills the columns; what lies outside, or is no number, is taken as the nearest
  ///   or as empty.
  public mutating func bar(_ fraction: Double, at point: Point, columns: Int, role: Role) {
    let eighths = Grid.eighths(fraction, of: columns)
    for offset in 0..<max(0, columns) {
      let cluster = Cluster(base: glyphs.barEnd(eighths: eighths - offset * 8), width: 1)
      put(cluster, at: Point(column: point.column + offset, row: point.row), role: role)
    }
  }

  /// Draws a graph over several rows, one column a value, oldest first, each from 0 to 1, in the role of its load. More
  /// than nothing always shows; nil leaves its column empty.
  public mutating func graph(_ values: [Double?], in rect: Rect) {
    for (offset, value) in values.prefix(rect.columns).enumerated() {
      guard let value else { continue }
      let eighths = value > 0 ? max(1, Grid.eighths(value, of: rect.rows)) : 0
      for row in 0..<rect.rows {
        let height = eighths - (rect.rows - 1 - row) * 8
        guard height > 0 else { continue }
        let cluster = Cluster(base: glyphs.column(eighths: height), width: 1)
        put(cluster, at: Point(column: rect.column + offset, row: rect.row + row), role: .load(value))
      }
    }
  }

  private static func eighths(_ fraction: Double, of columns: Int) -> Int {
    guard fraction > 0 else { return 0 }
    return Int((min(fraction, 1) * Double(columns * 8)).rounded())
  }
}

/// A text in lines of at most so many cells, broken at spaces where it has any, and at its own line breaks.
public func wrapped(_ text: String, toColumns columns: Int) -> [String] {
  guard columns > 0 else { return [] }
  var lines: [String] = []
  for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
    var line = ""
    for word in paragraph.split(separator: " ") {
      let joined = line.isEmpty ? String(word) : line + " " + word
      if cellWidth(of: joined) <= columns {
        line = joined
      } else {
        if !line.isEmpty { lines.append(line) }
        line = String(word)
      }
    }
    lines.append(line)
  }
  return lines
}
