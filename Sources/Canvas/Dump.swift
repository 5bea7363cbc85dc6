extension Grid {
  /// The characters, one line a row, without spaces at the end of a line: the first layer of a golden screen, and what
  /// `--once` prints where no style is wanted.
  public var text: String {
    var lines: [String] = []
    for row in 0..<size.rows {
      var line = String.UnicodeScalarView()
      var length = 0
      for column in 0..<size.columns {
        let cell = cells[row * size.columns + column]
        guard cell.part != .tail else { continue }
        line.append(contentsOf: cell.scalars)
        if cell.base != " " { length = line.count }
      }
      lines.append(String(String.UnicodeScalarView(line.prefix(length))))
    }
    return lines.joined(separator: "\n")
  }

  /// The styles, one letter a cell, then a legend: the second layer of a golden screen.
  ///
  /// A blank in `text` on `text` is a space. Letters are given in the order of appearance, so an unchanged screen gives
  /// an unchanged layer. The legend reads `a state.running`, or `b state.running on table.row.selected`.
  public var styleLayer: String {
    struct Pair: Hashable {
      var role: Role
      var ground: Role
    }
    var letters: [Pair: Character] = [:]
    var legend: [String] = []
    var lines: [String] = []
    for row in 0..<size.rows {
      var line = ""
      for column in 0..<size.columns {
        let cell = cells[row * size.columns + column]
        let pair = Pair(role: cell.role, ground: cell.ground)
        let isBlank = cell.base == " " && cell.part == .whole && pair == Pair(role: .text, ground: .text)
        if letters[pair] == nil, !isBlank {
          let letter = Grid.legendLetter(letters.count)
          letters[pair] = letter
          let on = pair.ground == .text ? "" : " on \(pair.ground.name)"
          legend.append("\(letter) \(pair.role.name)\(on)")
        }
        line.append(isBlank ? " " : letters[pair] ?? " ")
      }
      while line.last == " " { line.removeLast() }
      lines.append(line)
    }
    return (lines + ["--"] + legend).joined(separator: "\n")
  }

  /// a…z, A…Z, 0…9, then letters from U+0100.
  private static func legendLetter(_ index: Int) -> Character {
    let first = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    if index < first.count { return first[index] }
    return Character(Unicode.Scalar(0x100 + UInt32(index - first.count)) ?? "?")
  }
}
