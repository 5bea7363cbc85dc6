import Canvas
import Domain
import Projections

extension ConsoleState {
  /// The session's whole length on a line, with its markers and the place that is shown.
  func drawTransport(_ grid: inout Grid, _ rect: Rect) {
    let end = max(transport?.end ?? shownNow, Instant(microseconds: 1))
    let markers = transport?.markers ?? shown.markers
    var left: String
    if let transport {
      let mark = grid.glyphs[transport.isPlaying ? .play : .pause]
      left = " \(Character(mark)) \(Self.speedText(transport.speed)) \(session.timeOfDay(now)) "
      left += rect.columns >= 100 ? "entry \(transport.entry)/\(transport.entries) " : ""
    } else {
      left = " \(Character(grid.glyphs[.live])) live \(session.timeOfDay(shownNow)) "
    }
    let right = " \(session.timeOfDay(end)) (\((end - .zero).clock)) "
    let start = grid.draw(left, at: rect.origin, role: .transportHead, columns: rect.columns)
    let width = rect.endColumn - start - cellWidth(of: right)
    guard width >= 8 else { return }
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
      }
    }
    grid.put(.head, at: Point(column: column(shownNow), row: rect.row), role: .transportHead)
  }

  private static func speedText(_ speed: Double) -> String {
    guard speed >= 1 else { return "1/\(Int((1 / max(speed, 0.001)).rounded()))×" }
    let tenths = Int((speed * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)×" : "\(tenths / 10).\(tenths % 10)×"
  }
}
