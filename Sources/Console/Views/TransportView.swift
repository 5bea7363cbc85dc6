import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The session's whole length on a line, with its markers and the place that is shown.
  func drawTransport(_ grid: inout Grid, _ rect: Rect) {
    let end = transportEnd
    let markers = transport?.markers ?? shown.markers
    let (left, right) = transportTexts(rect.columns, grid.glyphs)
    grid.draw(left, at: rect.origin, role: .transportHead, columns: rect.columns)
    guard let (start, width) = track(rect, grid.glyphs) else { return }
    grid.draw(right, at: Point(column: rect.endColumn - cellWidth(of: right), row: rect.row), role: .transport)
    for offset in 0..<width {
      let glyph: Glyph = offset == 0 ? .trackStart : offset == width - 1 ? .trackEnd : .track
      grid.put(glyph, at: Point(column: start + offset, row: rect.row), role: .transport)
    }
    func column(_ instant: Instant) -> Int {
      let share = min(1, max(0, instant.seconds / end.seconds))
      return start + Int((share * Double(width - 1)).rounded())
    }
    for marker in markers {
      let at = Point(column: column(marker.at), row: rect.row)
      switch marker.kind {
      case .action: grid.put(.operatorAction, at: at, role: .transportMarker)
      case .preemption: grid.put(.preempt, at: at, role: .transportPreempt)
      case .error: grid.put("x", at: at, role: .error)
      case .wait: grid.put("w", at: at, role: .stateQueued)
      case .fault: grid.put("f", at: at, role: .error)
      }
    }
    if let marked { grid.put(.tag, at: Point(column: column(marked.now), row: rect.row), role: .transportMarker) }
    if let from = alternative?.table.from {
      grid.put("?", at: Point(column: column(from), row: rect.row), role: .transportMarker)
    }
    grid.put(.head, at: Point(column: column(shownNow), row: rect.row), role: .transportHead)
  }

  private var transportEnd: Instant { max(transport?.end ?? shownNow, Instant(microseconds: 1)) }

  private func transportTexts(_ columns: Int, _ glyphs: GlyphSet) -> (left: String, right: String) {
    var left: String
    if let transport {
      let mark = glyphs[transport.isPlaying ? .play : .pause]
      left = " \(Character(mark)) \(Self.speedText(transport.speed)) \(session.timeOfDay(now)) "
      left += columns >= 100 ? "entry \(transport.entry)/\(transport.entries) " : ""
    } else {
      left = " \(Character(glyphs[.live])) live \(session.timeOfDay(shownNow)) "
    }
    return (left, " \(session.timeOfDay(transportEnd)) (\((transportEnd - .zero).clock)) ")
  }

  /// Where the bar is on its line; nil where there is no room for one.
  private func track(_ rect: Rect, _ glyphs: GlyphSet) -> (start: Int, width: Int)? {
    let (left, right) = transportTexts(rect.columns, glyphs)
    let start = rect.column + min(cellWidth(of: left), rect.columns)
    let width = rect.endColumn - start - cellWidth(of: right)
    return width >= 8 ? (start, width) : nil
  }

  /// The share of the session's length that a column of the bar stands for; nil beside the bar.
  func transportShare(at column: Int, _ rect: Rect) -> Double? {
    guard let (start, width) = track(rect, GlyphSet(.utf8)), (start..<start + width).contains(column) else {
      return nil
    }
    return Double(column - start) / Double(width - 1)
  }

  /// To where a column of the bar stands for; beyond its ends, to the session's.
  func seek(atColumn column: Int) -> [Intent] {
    guard let rect = layout(size).transport, let (start, width) = track(rect, GlyphSet(.utf8)) else { return [] }
    return [.replay(.seekShare(min(1, max(0, Double(column - start) / Double(width - 1)))))]
  }

  private static func speedText(_ speed: Double) -> String {
    guard speed >= 1 else { return "1/\(Int((1 / max(speed, 0.001)).rounded()))×" }
    let tenths = Int((speed * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)×" : "\(tenths / 10).\(tenths % 10)×"
  }
}
