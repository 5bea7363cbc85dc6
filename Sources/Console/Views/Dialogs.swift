import Canvas

/// A line of a dialog, and how soon it goes where there is no room for all.
struct DialogLine {
  var text: String
  var role: Role
  /// The greater, the sooner it is left out; lines of rank 0 and 1 stand whatever else goes: how to answer, and what is asked.
  var rank: Int
  /// The same in fewer words, for where not all lines have room.
  var short: String?

  init(_ text: String, _ role: Role = .dialog, rank: Int = 4, short: String? = nil) {
    (self.text, self.role, self.rank, self.short) = (text, role, rank, short)
  }
}

extension ConsoleState {
  /// Draws lines in a dialog as high as they need. Where that is higher than the screen, the least important ones are left out, and
  /// the frame says how many.
  func draw(
    _ grid: inout Grid, _ screen: Rect, _ title: String, _ lines: [DialogLine], columns most: Int = 78,
    atTheRight: Bool = false
  ) {
    let columns = min(most, screen.columns)
    // A frame on the smallest screens would leave no room for what is in it.
    let isFramed = screen.rows >= 5 && columns >= 12
    let room = isFramed ? Size(columns: columns - 4, rows: screen.rows - 2) : Size(columns: columns, rows: screen.rows)
    let kept = Self.fitting(lines, in: room)
    let rows = kept.reduce(isFramed ? 2 : 0) { $0 + $1.rows }
    var rect = Self.centred(in: screen, columns: columns, rows: min(rows, screen.rows))
    if atTheRight { rect = Rect(column: screen.endColumn - columns, row: rect.row, columns: columns, rows: rect.rows) }
    var inner = rect
    if isFramed {
      inner = dialog(&grid, rect, title).inset(columns: 1, rows: 0)
      let left = lines.count - kept.count
      if left > 0 {
        let note = " … \(left) line\(left == 1 ? "" : "s") more "
        let at = Point(column: rect.column + 2, row: rect.endRow - 1)
        grid.draw(note, at: at, role: .dialogTitle, columns: rect.columns - 4)
      }
    } else {
      grid.fill(rect)
      grid.setGround(.dialog, in: rect)
    }
    for line in kept {
      let part = Rect(column: inner.column, row: inner.row, columns: inner.columns, rows: min(line.rows, inner.rows))
      inner = inner.droppingRows(max(grid.drawWrapped(line.text, in: part, role: line.role), 1))
    }
  }

  /// The lines that have room, in their order, and the rows of each; all of them where they fit.
  private static func fitting(_ lines: [DialogLine], in room: Size) -> [(text: String, role: Role, rows: Int)] {
    func height(_ text: String) -> Int { max(wrapped(text, toColumns: room.columns).count, 1) }
    let whole = lines.map { (text: $0.text, role: $0.role, rows: height($0.text)) }
    guard whole.reduce(0, { $0 + $1.rows }) > room.rows else { return whole }
    var left = room.rows
    var rows: [Int: Int] = [:]
    var isFull = false
    for place in lines.indices.sorted(by: { (lines[$0].rank, $0) < (lines[$1].rank, $1) }) where left > 0 && !isFull {
      let wanted = height(lines[place].short ?? lines[place].text)
      // What must stand takes what there is, cut; of the rest the first that does not fit ends the list, so that nothing less
      // important takes its place.
      let isCut = lines[place].rank <= 1
      isFull = wanted > left && !isCut
      guard !isFull else { continue }
      rows[place] = min(wanted, left)
      left -= min(wanted, left)
    }
    return rows.keys.sorted().map { (lines[$0].short ?? lines[$0].text, lines[$0].role, rows[$0] ?? 1) }
  }
}
