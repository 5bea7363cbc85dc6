import Domain

/// Which characters a terminal can show.
public enum Repertoire: String, Hashable, Sendable, CaseIterable {
  /// All of Unicode, in a UTF-8 locale.
  case utf8
  /// The 95 printable ASCII characters: the `C` locale, and terminals that know nothing else.
  case ascii
}

/// What one cell, or a wide pair of cells, shows: a base character with at most two marks over it.
struct Cluster: Hashable {
  var base: Unicode.Scalar
  var firstMark: Unicode.Scalar?
  var secondMark: Unicode.Scalar?
  var width: Int
}

/// Text as it may be shown, cluster by cluster.
///
/// A hostile scalar becomes `�` (`?` in ASCII), a tab or a line break too: a name has one line. The one exception is a
/// variation selector 15 or 16 right after an emoji, which is common, harmless and dropped: the emoji then shows in
/// its plain form, whose width is known. A mark without a base stands on `�`; more than two marks on one base are cut.
struct Clusters: Sequence, IteratorProtocol {
  private var scalars: String.UnicodeScalarView.Iterator
  private var waiting: Unicode.Scalar?
  private let repertoire: Repertoire

  init(_ text: String, in repertoire: Repertoire) {
    scalars = text.unicodeScalars.makeIterator()
    self.repertoire = repertoire
  }

  mutating func next() -> Cluster? {
    guard let scalar = waiting ?? scalars.next() else { return nil }
    waiting = nil
    var cluster = shown(scalar)
    while let following = scalars.next() {
      guard following.value >= 0x300 else {
        waiting = following
        break
      }
      if isPlainEmojiSelector(following, after: scalar) { continue }
      guard isCombining(following), !isHostile(following) else {
        waiting = following
        break
      }
      guard repertoire == .utf8 else { continue }
      if cluster.firstMark == nil {
        cluster.firstMark = following
      } else if cluster.secondMark == nil {
        cluster.secondMark = following
      }
    }
    return cluster
  }

  private func shown(_ scalar: Unicode.Scalar) -> Cluster {
    if scalar.value < 0x80, isPlain(UInt8(scalar.value)) { return Cluster(base: scalar, width: 1) }
    let bad = isHostile(scalar) || isCombining(scalar)
    switch repertoire {
    case .utf8:
      let base = bad ? "\u{FFFD}" : scalar
      return Cluster(base: base, width: cellWidth(of: base))
    case .ascii:
      // One question mark a cell, so that a layout is the same in both repertoires: `draw` fills a wide one's tail.
      let base = scalar.isASCII ? scalar : asciiForms[scalar] ?? "?"
      return Cluster(base: bad ? "?" : base, width: bad ? 1 : cellWidth(of: scalar))
    }
  }
}

/// Whether an ASCII character is shown as it is, in a cell of its own.
func isPlain(_ byte: UInt8) -> Bool { (0x20...0x7E).contains(byte) }

/// What stands in ASCII for the signs that our own sentences are written with, a cell for a cell.
private let asciiForms: [Unicode.Scalar: Unicode.Scalar] = [
  "·": ".", "–": "-", "—": "-", "→": ">", "←": "<", "↑": "^", "↓": "v", "×": "x", "…": "~", "│": "|", "●": "*",
  "≥": ">", "≤": "<", "├": "|",
  "┤": "|", "▶": ">", "▼": "v",
]

/// The number of terminal cells that a text takes once it has been made safe to show.
public func cellWidth(of text: String) -> Int {
  if text.utf8.allSatisfy(isPlain) { return text.utf8.count }
  var width = 0
  for cluster in Clusters(text, in: .utf8) { width += cluster.width }
  return width
}

/// A text cut to so many terminal cells, its last cell a `…` (`~` in ASCII) where something was left out. The result is
/// safe to show.
///
/// - Parameter columns: the room, in cells; with none, the result is empty.
public func truncated(_ text: String, toColumns columns: Int, in repertoire: Repertoire = .utf8) -> String {
  var shown = String.UnicodeScalarView()
  for cluster in fitted(text, toColumns: columns, in: repertoire) {
    shown.append(cluster.base)
    if let mark = cluster.firstMark { shown.append(mark) }
    if let mark = cluster.secondMark { shown.append(mark) }
    // In ASCII a wide character is two question marks.
    if cluster.width == 2 && cluster.base.isASCII { shown.append(cluster.base) }
  }
  return String(shown)
}

/// The clusters of a text that fit, the last one an ellipsis where something was left out.
func fitted(_ text: String, toColumns columns: Int, in repertoire: Repertoire) -> [Cluster] {
  guard columns > 0 else { return [] }
  var kept: [Cluster] = []
  var width = 0
  for cluster in Clusters(text, in: repertoire) {
    guard width + cluster.width <= columns else {
      while width > columns - 1, let last = kept.popLast() { width -= last.width }
      kept.append(Cluster(base: Glyph.ellipsis.scalar(in: repertoire), width: 1))
      return kept
    }
    kept.append(cluster)
    width += cluster.width
  }
  return kept
}
