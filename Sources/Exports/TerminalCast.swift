import Canvas
import Console
import Domain
import Projections

/// A replay as an asciinema recording, format 2: the console's real pictures, at real times.
///
/// **Source**: "asciicast v2", docs.asciinema.org: a header line, then `[seconds, "o", text]` a line. A picture is written
/// whole at first, then only the rows that changed.
public struct TerminalCast {
  private let size: Size
  private let theme: ResolvedTheme
  private let glyphs: GlyphSet
  private var shown: [Substring] = []
  private var last = 0.0

  /// - Parameter theme: resolved for true colour or for 256 colours, as the players can show.
  public init(size: Size, theme: ResolvedTheme, glyphs: GlyphSet) {
    self.size = size
    self.theme = theme
    self.glyphs = glyphs
  }

  /// The first line.
  ///
  /// - Parameter beganSeconds: wall time of the recording, in seconds since 1970.
  public func header(title: String, beganSeconds: Int64) -> String {
    "{\"version\": 2, \"width\": \(size.columns), \"height\": \(size.rows), \"timestamp\": \(beganSeconds), "
      + "\"title\": \(title.jsonQuoted), \"env\": {\"TERM\": \"xterm-256color\", \"SHELL\": \"/bin/sh\"}}\n"
  }

  /// The line of a picture at a time of the recording; nil where nothing of it has changed.
  public mutating func frame(_ state: ConsoleState, atSeconds seconds: Double) -> String? {
    let rows = renderANSI(state.screen(size: size, glyphs: glyphs), theme: theme).split(
      separator: "\n", omittingEmptySubsequences: false
    ).prefix(size.rows)
    var text = shown.isEmpty ? "\u{1B}[?25l\u{1B}[2J" : ""
    for (index, row) in rows.enumerated() where index >= shown.count || shown[index] != row {
      // The cursor goes to the row's beginning (CUP), and what is left of the old row is erased (EL).
      text += "\u{1B}[\(index + 1);1H\(row)\u{1B}[K"
    }
    guard !text.isEmpty else { return nil }
    shown = Array(rows)
    last = max(seconds, last)
    return line(text)
  }

  /// The last line: what keeps the last picture for a while, and the cursor given back.
  public mutating func finish(atSeconds seconds: Double) -> String {
    last = max(seconds, last)
    return line("\u{1B}[?25h")
  }

  private func line(_ text: String) -> String {
    let micros = Int64((last * 1e6).rounded())
    let fraction = String(micros % 1_000_000)
    let zeros = String(repeating: "0", count: 6 - fraction.count)
    return "[\(micros / 1_000_000).\(zeros)\(fraction), \"o\", \(text.jsonQuoted)]\n"
  }
}
