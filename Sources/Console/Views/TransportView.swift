import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The session's whole length on a line, with its markers and the place that is shown.
  func drawTransport(_ grid: inout Grid, _ rect: Rect) {
    let reach = barReach
    let (left, right) = transportTexts(rect.columns, grid.glyphs)
    grid.draw(left, at: rect.origin, role: .transportHead, columns: rect.columns)
    guard let (start, width) = track(rect, grid.glyphs) else { return }
    grid.draw(right, at: Point(column: rect.endColumn - cellWidth(of: right), row: rect.row), role: .transport)
    func column(_ instant: Instant) -> Int {
      let share = min(1, max(0, instant.seconds / reach.seconds))
      return start + Int((share * Double(width - 1)).rounded())
    }
    // A live session's line has grown as far as the present.
    let last = transport == nil ? column(shownNow) - start : width - 1
    for offset in 0...last {
      let glyph: Glyph = offset == 0 ? .trackStart : offset == width - 1 ? .trackEnd : .track
      grid.put(glyph, at: Point(column: start + offset, row: rect.row), role: .transport)
    }
    var kinds = [Marker.Kind?](repeating: nil, count: width)
    for marker in transport?.markers ?? shown.markers {
      let offset = column(marker.at) - start
      if marker.kind.precedence > kinds[offset]?.precedence ?? 0 { kinds[offset] = marker.kind }
    }
    for (offset, kind) in kinds.enumerated() {
      guard let kind else { continue }
      let at = Point(column: start + offset, row: rect.row)
      switch kind {
      case .action: grid.put(.operatorAction, at: at, role: .transportMarker)
      case .preemption: grid.put(.preempt, at: at, role: .transportPreempt)
      case .error: grid.put("x", at: at, role: .error)
      case .wait: grid.put("w", at: at, role: .stateQueued)
      case .fault: grid.put("f", at: at, role: .error)
      }
    }
    if let marked { grid.put(.tag, at: Point(column: column(marked.now), row: rect.row), role: .transportMarker) }
    if let alternative, alternative.isShown {
      let from = alternative.table.from
      grid.put("?", at: Point(column: column(from), row: rect.row), role: .transportMarker)
    }
    grid.put(.head, at: Point(column: column(shownNow), row: rect.row), role: .transportHead)
  }

  private var transportEnd: Instant { max(transport?.end ?? shownNow, Instant(microseconds: 1)) }

  /// The instant for which the bar's last column stands: a replay's end. A live session's end moves; so that the marks stand still,
  /// its bar reaches beyond the present, and moves on by a quarter of the session at the most.
  private var barReach: Instant {
    guard transport == nil else { return transportEnd }
    let seconds = transportEnd.microseconds / 1_000_000
    var step: Int64 = 30
    while step * 8 <= seconds { step *= 2 }
    return .zero + Span(microseconds: (seconds / step + 1) * step * 1_000_000)
  }

  /// What stands before and behind the bar, at widths that do not change while a session is played.
  private func transportTexts(_ columns: Int, _ glyphs: GlyphSet) -> (left: String, right: String) {
    guard let transport else {
      let left = " \(Character(glyphs[.live])) live \(session.timeOfDay(shownNow)) "
      let room = cellWidth(of: (barReach - .zero).clock)
      return (
        left, " " + "\(session.timeOfDay(transportEnd)) (\((transportEnd - .zero).clock)) ".leftPadded(to: room + 12)
      )
    }
    let mark = glyphs[transport.isPlaying ? .play : .pause]
    let speed = Self.speedText(transport.speed).padded(to: Self.speedColumns)
    var left = " \(Character(mark)) \(speed) \(session.timeOfDay(now)) "
    if columns >= 100 {
      left += "entry \("\(transport.entry)".leftPadded(to: "\(transport.entries)".count))/\(transport.entries) "
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

  /// The widest speed: `3600×`.
  private static let speedColumns = 5

  private static func speedText(_ speed: Double) -> String {
    guard speed >= 1 else { return "1/\(Int((1 / max(speed, 0.001)).rounded()))×" }
    let tenths = Int((speed * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)×" : "\(tenths / 10).\(tenths % 10)×"
  }
}
