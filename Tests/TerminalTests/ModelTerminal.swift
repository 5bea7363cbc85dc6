import Canvas
import Testing

/// A terminal that a test can look at: what is drawn on it, with what colours. It knows the sequences that ncurses writes for the
/// terminals of the tests, and stops the test at any other, so that nothing is passed over.
///
/// It reads by itself and not with the code that is tested.
struct ModelTerminal {
  struct Look: Hashable {
    var foreground = "39"
    var background = "49"
    var attributes: Set<Int> = []
  }

  struct Place: Hashable {
    var text: String = " "
    var look = Look()
  }

  private(set) var places: [[Place]]
  private let columns: Int
  private let rows: Int
  /// Whether what is erased takes the background that is set.
  private let erasesInColor: Bool
  private var look = Look()
  private var (row, column) = (0, 0)
  /// A character was drawn in the last column, and the next one goes to the next line.
  private var isBehindEnd = false
  private var region: Range<Int>
  private var last = " "

  init(_ size: Size, erasesInColor: Bool) {
    (columns, rows, self.erasesInColor) = (size.columns, size.rows, erasesInColor)
    places = Array(repeating: Array(repeating: Place(), count: columns), count: rows)
    region = 0..<rows
  }

  private var erased: Place {
    Place(look: Look(background: erasesInColor ? look.background : "49"))
  }

  mutating func read(_ bytes: some Collection<UInt8>) {
    var rest = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      switch scalar.value {
      case 0x1B: escape(&rest)
      case 0x08: (column, isBehindEnd) = (max(column - 1, 0), false)
      case 0x09: column = min((column / 8 + 1) * 8, columns - 1)
      case 0x0A: lineFeed()
      case 0x0D: (column, isBehindEnd) = (0, false)
      case 0x0E, 0x0F: break
      default:
        require(scalar.value >= 0x20, "control character \(scalar.value)")
        draw(scalar)
      }
    }
  }

  private mutating func draw(_ scalar: Unicode.Scalar) {
    if scalar.value >= 0x300, wcwidthOf(scalar) == 0 {
      let at = isBehindEnd ? column : max(column - 1, 0)
      places[row][at].text.unicodeScalars.append(scalar)
      return
    }
    if isBehindEnd {
      (column, isBehindEnd) = (0, false)
      lineFeed()
    }
    last = String(Character(scalar))
    let width = wcwidthOf(scalar)
    places[row][column] = Place(text: last, look: look)
    if width == 2, column + 1 < columns { places[row][column + 1] = Place(text: "", look: look) }
    if column + width >= columns { (column, isBehindEnd) = (columns - 1, true) } else { column += width }
  }

  private mutating func lineFeed() {
    isBehindEnd = false
    if row == region.upperBound - 1 { scroll(by: 1) } else { row = min(row + 1, rows - 1) }
  }

  private mutating func scroll(by count: Int, from first: Int? = nil) {
    let top = first ?? region.lowerBound
    for _ in 0..<abs(count) {
      let empty = Array(repeating: erased, count: columns)
      if count > 0 {
        places.remove(at: top)
        places.insert(empty, at: region.upperBound - 1)
      } else {
        places.remove(at: region.upperBound - 1)
        places.insert(empty, at: top)
      }
    }
  }

  private mutating func escape(_ rest: inout ArraySlice<Unicode.Scalar>) {
    switch rest.popFirst() {
    case "[": control(&rest)
    case "(", ")": _ = rest.popFirst()
    case "=", ">": break
    case "]":
      // Colours of the terminal's own: ended by a bell, or the Linux console's R.
      while let scalar = rest.popFirst(), scalar != "\u{07}", scalar != "R" {}
    case "M": if row == region.lowerBound { scroll(by: -1) } else { row = max(row - 1, 0) }
    case let other: require(false, "ESC \(other.map(String.init) ?? "")")
    }
  }

  private mutating func control(_ rest: inout ArraySlice<Unicode.Scalar>) {
    var text = ""
    while let scalar = rest.popFirst() {
      guard scalar.value >= 0x40 else {
        text.unicodeScalars.append(scalar)
        continue
      }
      if text.first == "?" || scalar == "h" || scalar == "l" || scalar == "t" { return }
      return obey(scalar, text)
    }
  }

  private mutating func obey(_ final: Unicode.Scalar, _ text: String) {
    let numbers = text.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    let count = max(numbers.first ?? 1, 1)
    if final != "m", final != "b" { isBehindEnd = false }
    switch final {
    case "m": select(text)
    case "H": (row, column) = (count - 1, max(numbers.count > 1 ? numbers[1] : 1, 1) - 1)
    case "G": column = count - 1
    case "d": row = count - 1
    case "A": row -= count
    case "B": row += count
    case "C": column += count
    case "D": column -= count
    case "b": for _ in 0..<count { draw(last.unicodeScalars.first ?? " ") }
    case "J":
      for line in (numbers.first == 2 ? 0 : row + 1)..<rows { fill(line, 0..<columns) }
      if numbers.first != 2 { fill(row, column..<columns) }
    case "K": fill(row, numbers.first == 1 ? 0..<(column + 1) : column..<columns)
    case "X": fill(row, column..<min(column + count, columns))
    case "P":
      places[row].removeSubrange(column..<min(column + count, columns))
      places[row] += Array(repeating: erased, count: columns - places[row].count)
    case "@":
      places[row] = Array(
        (places[row][..<column] + Array(repeating: erased, count: count) + places[row][column...]).prefix(columns))
    case "L": scroll(by: -count, from: row)
    case "M": scroll(by: count, from: row)
    case "S": scroll(by: count)
    case "T": scroll(by: -count)
    case "r":
      region = max(numbers.first ?? 1, 1) - 1..<(numbers.count > 1 && numbers[1] > 0 ? numbers[1] : rows)
      (row, column) = (0, 0)
    default: require(false, "CSI \(text) \(final)")
    }
    require((0..<rows).contains(row) && (0..<columns).contains(column), "the cursor left by CSI \(text) \(final)")
  }

  private mutating func fill(_ line: Int, _ range: Range<Int>) {
    for column in range { places[line][column] = erased }
  }

  private mutating func select(_ text: String) {
    var parts = text.split(separator: ";", omittingEmptySubsequences: false).map(String.init)[...]
    while let part = parts.popFirst() {
      switch part {
      case "", "0": look = Look()
      // The Linux console's first font.
      case "10": break
      case "1", "2", "3", "4", "5", "7", "8", "9": look.attributes.insert(Int(part) ?? 0)
      case "22": look.attributes.subtract([1, 2])
      case "23", "24", "25", "27", "28", "29": look.attributes.remove((Int(part) ?? 0) - 20)
      case "38", "48":
        let kind = parts.popFirst() ?? ""
        let values = (0..<(kind == "5" ? 1 : 3)).map { _ in parts.popFirst() ?? "" }
        set(isBackground: part == "48", ([kind] + values).joined(separator: ";"))
      case _ where part.hasPrefix("38:2::") || part.hasPrefix("48:2::"):
        let values = part.dropFirst(6).split(separator: ":").joined(separator: ";")
        set(isBackground: part.hasPrefix("4"), "2;" + values)
      default:
        let number = Int(part) ?? -1
        require([30...39, 40...49, 90...97, 100...107].contains { $0.contains(number) }, "SGR \(text)")
        let isBackground = (40...49).contains(number) || number >= 100
        set(isBackground: isBackground, "\(number - (isBackground ? 10 : 0))")
      }
    }
  }

  private mutating func set(isBackground: Bool, _ color: String) {
    if isBackground { look.background = color == "39" ? "49" : color } else { look.foreground = color }
  }

  private func wcwidthOf(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0x300...0x36F: 0
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xFF00...0xFF60, 0x1F300...0x1FAFF: 2
    default: 1
    }
  }
}
