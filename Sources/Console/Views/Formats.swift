import Canvas
import Domain
import Projections

extension Span {
  /// `0:07`, `12:31`, `3:05:00`, `12h 05m`, `2d 4h`: for tables, at most seven cells.
  var clock: String {
    let seconds = max(0, microseconds / 1_000_000)
    func two(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }
    if seconds < 3600 { return "\(seconds / 60):\(two(seconds % 60))" }
    if seconds < 36_000 { return "\(seconds / 3600):\(two(seconds / 60 % 60)):\(two(seconds % 60))" }
    if seconds < 86_400 { return "\(seconds / 3600)h \(two(seconds / 60 % 60))m" }
    let days = seconds / 86_400
    return days < 100 ? "\(days)d \(seconds / 3600 % 24)h" : "\(days)d"
  }

  /// `0.2 s`, `12 s`, then as a clock: for waits, of which the short ones count.
  var precise: String {
    let tenths = max(0, microseconds) / 100_000
    if tenths < 100 { return "\(tenths / 10).\(tenths % 10) s" }
    return tenths < 600 ? "\(tenths / 10) s" : clock
  }

  /// `30s`, `2m`, `1:30`, `3h`: for axes, exact to the second.
  var short: String {
    let seconds = microseconds / 1_000_000
    if seconds < 60 { return "\(seconds)s" }
    if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
    return seconds % 60 == 0 && seconds < 7200 ? "\(seconds / 60)m" : clock
  }
}

extension SessionFacts {
  /// The time of day at an instant of the session: `14:02:11`.
  func timeOfDay(_ instant: Instant) -> String {
    let seconds = (beganWallMicroseconds + instant.microseconds) / 1_000_000 + Int64(utcOffsetSeconds)
    let day = ((seconds % 86_400) + 86_400) % 86_400
    func two(_ n: Int64) -> String { n < 10 ? "0\(n)" : "\(n)" }
    return "\(two(day / 3600)):\(two(day / 60 % 60)):\(two(day % 60))"
  }
}

extension Bytes {
  /// `512M`, `1.4G`, `2.5T`: at most six cells.
  var short: String {
    let mebibytes = Double(count) / 1_048_576
    if mebibytes < 1000 { return "\(Int(mebibytes.rounded()))M" }
    let isLarge = mebibytes >= 1_024_000
    let tenths = Int((mebibytes / (isLarge ? 104_857.6 : 102.4)).rounded())
    return "\(tenths / 10).\(tenths % 10)\(isLarge ? "T" : "G")"
  }
}

extension NotebookID {
  /// The letter and colour by which the notebook is known on every pane.
  var mark: NotebookMark { NotebookMark(Int(number)) }
}

extension NotebookState {
  /// The role that colours it and gives its mark.
  var role: Role {
    switch self {
    case .starting: .stateStarting
    case .thinking: .stateThinking
    case .queued: .stateQueued
    case .running: .stateRunning
    case .suspended: .stateSuspended
    case .gone: .stateGone
    }
  }

  /// How it is drawn on the timeline.
  var trace: (glyph: Glyph, role: Role) {
    switch self {
    case .starting: (.bullet, .stateStarting)
    case .thinking: (.think, .timelineThinking)
    case .queued: (.queue, .timelineQueued)
    case .running: (.run, .timelineRunning)
    case .suspended: (.suspended, .timelineSuspended)
    case .gone: (.idleCore, .stateGone)
    }
  }
}

extension Grid {
  /// Draws parts one after the other, each in its role; stops where the room ends.
  mutating func draw(parts: [(String, Role)], at point: Point, columns: Int) {
    var column = point.column
    let end = min(point.column + columns, size.columns)
    for (text, role) in parts where column < end {
      column = draw(text, at: Point(column: column, row: point.row), role: role, columns: end - column)
    }
  }
}

extension NotebookMark {
  /// The letter, to be put into one cell.
  var scalar: Unicode.Scalar { letter.unicodeScalars.first ?? "?" }
}
