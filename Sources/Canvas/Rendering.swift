/// A grid as lines of text with SGR sequences (ECMA-48, section 8.3.117), each line reset at its end: what `--once`
/// prints to a terminal.
///
/// - Parameter theme: resolved for what the reader's terminal shows; at `.mono` only attributes are written.
public func renderANSI(_ grid: Grid, theme: ResolvedTheme) -> String {
  var result = ""
  for row in 0..<grid.size.rows {
    var current: Style?
    for column in 0..<grid.size.columns {
      let cell = grid[column: column, row: row]
      guard cell.part != .tail else { continue }
      let style = theme.style(cell.role, on: cell.ground)
      if style != current {
        result += "\u{1B}[\(selectGraphicRendition(style))m"
        current = style
      }
      result.unicodeScalars.append(contentsOf: cell.scalars)
    }
    result += "\u{1B}[0m\n"
  }
  return result
}

/// The parameters that set exactly this style, whatever was set before.
private func selectGraphicRendition(_ style: Style) -> String {
  var codes = ["0"]
  let numbers: [(Attributes, String)] = [
    (.bold, "1"), (.dim, "2"), (.italic, "3"), (.underline, "4"), (.reverse, "7"), (.strikethrough, "9"),
  ]
  codes += numbers.filter { style.attributes.contains($0.0) }.map(\.1)
  codes += colorCodes(style.foreground, base: 30)
  codes += colorCodes(style.background, base: 40)
  return codes.joined(separator: ";")
}

private func colorCodes(_ color: Color, base: Int) -> [String] {
  switch color {
  case .terminalDefault: []
  case .ansi(let index): [String(index < 8 ? base + Int(index) : base + 52 + Int(index))]
  case .palette(let index): [String(base + 8), "5", String(index)]
  case .rgb(let rgb): [String(base + 8), "2", String(rgb.red), String(rgb.green), String(rgb.blue)]
  }
}

/// A grid as an SVG picture, for documents: real text in a fixed-width font, so that it can be searched and copied.
///
/// - Parameters:
///   - theme: best resolved for `.trueColor`; the terminal's own colours are shown as xterm's.
///   - title: what the picture shows, for readers who cannot see it.
public func renderSVG(_ grid: Grid, theme: ResolvedTheme, title: String = "celltop") -> String {
  let cellWidth = 8.4
  let cellHeight = 17
  let width = Double(grid.size.columns) * cellWidth
  let height = grid.size.rows * cellHeight
  let paper = svgColor(theme.root.background, fallback: RGB(0x16181D))
  let ink = svgColor(theme.root.foreground, fallback: RGB(0xD4D7DD))
  var backgrounds = ""
  var texts = ""
  for row in 0..<grid.size.rows {
    for run in svgRuns(grid, row: row, theme: theme) {
      var front = svgColor(run.style.foreground, fallback: ink)
      var back = svgColor(run.style.background, fallback: paper)
      if run.style.attributes.contains(.reverse) { swap(&front, &back) }
      let x = svgNumber(Double(run.column) * cellWidth)
      let length = svgNumber(Double(run.columns) * cellWidth)
      if back != paper {
        backgrounds +=
          "<rect x=\"\(x)\" y=\"\(row * cellHeight)\" width=\"\(length)\" height=\"\(cellHeight)\" fill=\"\(back.hex)\"/>\n"
      }
      guard run.text.contains(where: { $0 != " " }) else { continue }
      texts += "<text x=\"\(x)\" y=\"\(row * cellHeight + 13)\" fill=\"\(front.hex)\" textLength=\"\(length)\""
      texts += "\(svgAttributes(run.style.attributes))>\(svgEscaped(run.text))</text>\n"
    }
  }
  return """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(svgNumber(width)) \(height)" role="img">
    <title>\(svgEscaped(title))</title>
    <style>text{white-space:pre}</style>
    <rect width="100%" height="100%" fill="\(paper.hex)"/>
    \(backgrounds)<g font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" \
    lengthAdjust="spacingAndGlyphs" xml:space="preserve">
    \(texts)</g>
    </svg>

    """
}

private struct SVGRun {
  var column: Int
  var columns: Int
  var style: Style
  var text: String
}

/// The stretches of one style in a row; a wide character is a stretch of its own, so that its place is exact.
private func svgRuns(_ grid: Grid, row: Int, theme: ResolvedTheme) -> [SVGRun] {
  var runs: [SVGRun] = []
  var canExtend = false
  for column in 0..<grid.size.columns {
    let cell = grid[column: column, row: row]
    guard cell.part != .tail else { continue }
    var text = ""
    text.unicodeScalars.append(contentsOf: cell.scalars)
    let style = theme.style(cell.role, on: cell.ground)
    let isWide = cell.part == .lead
    if canExtend, !isWide, let last = runs.last, last.style == style {
      runs[runs.count - 1].text += text
      runs[runs.count - 1].columns += 1
    } else {
      runs.append(SVGRun(column: column, columns: isWide ? 2 : 1, style: style, text: text))
    }
    canExtend = !isWide
  }
  return runs
}

private func svgAttributes(_ attributes: Attributes) -> String {
  var result = ""
  if attributes.contains(.bold) { result += " font-weight=\"bold\"" }
  if attributes.contains(.dim) { result += " opacity=\"0.7\"" }
  if attributes.contains(.italic) { result += " font-style=\"italic\"" }
  if attributes.contains(.underline) { result += " text-decoration=\"underline\"" }
  return result
}

/// One digit after the point, without `Foundation`.
private func svgNumber(_ value: Double) -> String {
  let tenths = Int((value * 10).rounded())
  return "\(tenths / 10).\(tenths % 10)"
}

private func svgEscaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

private func svgColor(_ color: Color, fallback: RGB) -> RGB {
  switch color {
  case .terminalDefault: fallback
  case .ansi(let index): xtermColor(index)
  case .palette(let index): xtermColor(index)
  case .rgb(let rgb): rgb
  }
}

/// xterm's 256 colours: sixteen, a cube of 6 × 6 × 6, 24 greys (xterm's `256colres.h`).
public func xtermColor(_ index: UInt8) -> RGB {
  let sixteen: [UInt32] = [
    0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
    0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
  ]
  if index < 16 { return RGB(sixteen[Int(index)]) }
  if index >= 232 {
    let grey = 8 + (index - 232) * 10
    return RGB(red: grey, green: grey, blue: grey)
  }
  let place = index - 16
  let part = { (step: UInt8) -> UInt8 in step == 0 ? 0 : 55 + step * 40 }
  return RGB(red: part(place / 36), green: part(place / 6 % 6), blue: part(place % 6))
}
