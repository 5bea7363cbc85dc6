import CNcurses
import Canvas

/// The colour pairs of the open screen: made when first used, never exchanged, because a cell that is on the screen
/// keeps its pair's number.
struct ColorPairs {
  private struct Pair: Hashable {
    var foreground: Int32
    var background: Int32
  }

  /// How ncurses draws a style.
  struct Drawn {
    var attributes: attr_t
    var pair: Int32
  }

  private let colors: Int32
  private let pairsMax: Int32
  private let hasColors: Bool
  private var known: [Pair: Int32] = [:]

  /// For a screen with colours already started, or one that shows none.
  init(hasColors: Bool) {
    self.hasColors = hasColors
    colors = hasColors ? celltop_colors() : 0
    pairsMax = hasColors ? celltop_color_pairs() : 0
  }

  /// The attributes and the pair for a style.
  mutating func drawn(_ style: Style) -> Drawn {
    var attributes = ColorPairs.attributes(style.attributes)
    guard hasColors else { return Drawn(attributes: attributes, pair: 0) }
    if colors < 16, case .ansi(8...15) = style.foreground { attributes |= celltop_attr_bold() }
    let pair = Pair(foreground: number(style.foreground), background: number(style.background))
    if pair == Pair(foreground: -1, background: -1) { return Drawn(attributes: attributes, pair: 0) }
    if let found = known[pair] { return Drawn(attributes: attributes, pair: found) }
    guard known.count < pairsMax - 1 else { return fallback(pair, attributes) }
    let made = alloc_pair(pair.foreground, pair.background)
    guard made > 0 else { return fallback(pair, attributes) }
    known[pair] = made
    return Drawn(attributes: attributes, pair: made)
  }

  /// Without a pair to spare (`linux` has 64): the same background if some pair has it, else the terminal's own colours.
  private mutating func fallback(_ wanted: Pair, _ attributes: attr_t) -> Drawn {
    let similar = known.filter { $0.key.background == wanted.background }.values.min()
    known[wanted] = similar ?? 0
    return Drawn(attributes: attributes, pair: similar ?? 0)
  }

  private func number(_ color: Color) -> Int32 {
    switch color {
    case .terminalDefault: return -1
    case .ansi(let index): return colors < 16 ? Int32(index % 8) : direct(index)
    case .palette(let index): return colors < 256 ? -1 : direct(index)
    case .rgb(let rgb):
      // The *-direct entries read 0…7 as the terminal's own colours; almost black is near enough.
      guard colors >= 1 << 24 else { return -1 }
      return rgb.value < 8 ? 0x010101 : Int32(rgb.value)
    }
  }

  /// An index, where a terminal with 24-bit colours has no more than eight of them.
  private func direct(_ index: UInt8) -> Int32 {
    colors >= 1 << 24 && index >= 8 ? Int32(xtermColor(index).value) : Int32(index)
  }

  private static func attributes(_ attributes: Attributes) -> attr_t {
    var result: attr_t = 0
    if attributes.contains(.bold) { result |= celltop_attr_bold() }
    if attributes.contains(.dim) { result |= celltop_attr_dim() }
    if attributes.contains(.italic) { result |= celltop_attr_italic() }
    if attributes.contains(.underline) { result |= celltop_attr_underline() }
    if attributes.contains(.reverse) { result |= celltop_attr_reverse() }
    return result
  }
}
