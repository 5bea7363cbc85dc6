import Domain

/// What each notebook did over a window of time, in buckets of one width: a bucket is one column of the screen.
public struct Timeline: Sendable, Hashable {
  public struct Row: Sendable, Hashable {
    public var notebook: NotebookID
    /// The state that took most of each bucket, oldest first; nil where there is none.
    public var states: [NotebookState?]
    /// The most telling marker within each bucket.
    public var marks: [Marker.Kind?]
  }

  /// When the first bucket begins.
  public var start: Instant
  public var bucket: Span
  public var rows: [Row]

  /// - Parameters:
  ///   - scale: how time lies on the columns.
  ///   - now: up to when what is on the board goes on.
  public init(_ board: Board, of notebooks: [NotebookID], scale: TimeScale, now: Instant) {
    let (width, first, columns) = (scale.bucket.microseconds, scale.first, scale.columns)
    (start, bucket) = (scale.start, scale.bucket)
    rows = notebooks.compactMap { id in
      board[id].map { Self.row($0, first: first, width: width, columns: columns, now: now) }
    }
  }

  private static func row(_ facts: NotebookFacts, first: Int64, width: Int64, columns: Int, now: Instant) -> Row {
    var row = Row(
      notebook: facts.notebook.id, states: Array(repeating: nil, count: columns),
      marks: Array(repeating: nil, count: columns))
    var most = [Int64](repeating: 0, count: columns)
    let begin = first * width
    let close = begin + Int64(columns) * width
    for index in facts.segments.indices.reversed() {
      let segment = facts.segments[index]
      let end = index + 1 < facts.segments.count ? facts.segments[index + 1].from.microseconds : now.microseconds + 1
      if end <= begin { break }
      if segment.from.microseconds >= close { continue }
      let from = max(segment.from.microseconds, begin)
      guard end > from else { continue }
      let firstColumn = Int((from - begin) / width)
      let lastColumn = min(Int((end - 1 - begin) / width), columns - 1)
      guard firstColumn <= lastColumn else { continue }
      for column in firstColumn...lastColumn {
        let low = begin + Int64(column) * width
        let share = min(end, low + width) - max(from, low)
        if share > most[column] {
          most[column] = share
          row.states[column] = segment.state
        }
      }
    }
    for mark in facts.marks.reversed() {
      let offset = mark.at.microseconds - begin
      if offset < 0 { break }
      let column = Int(offset / width)
      guard column < columns else { continue }
      if mark.kind.precedence > row.marks[column]?.precedence ?? 0 { row.marks[column] = mark.kind }
    }
    return row
  }
}

/// How time lies on columns: whole buckets of one width.
public struct TimeScale: Sendable, Hashable {
  public var bucket: Span
  public var columns: Int
  /// The buckets by which it moves at once.
  public var stride: Int
  /// The number of the first bucket.
  var first: Int64

  /// - Parameters:
  ///   - window: the length of time; rounded to whole buckets.
  ///   - end: an instant that is shown: in the last bucket, or with a stride in one of the last. The window moves by whole buckets, so that
  ///     the picture stands still within one.
  ///   - stride: the buckets by which it moves at once.
  public init(window: Span, columns: Int, end: Instant, stride: Int = 1) {
    self.columns = max(columns, 1)
    let width = max(window.microseconds / Int64(self.columns), 1)
    bucket = Span(microseconds: width)
    self.stride = max(stride, 1)
    let steps = end.microseconds / width / Int64(self.stride) + 1
    first = steps * Int64(self.stride) - Int64(self.columns)
  }

  /// The buckets by which a window that follows the present moves at once: one, unless it would move more than twice a second of whoever
  /// watches; then as many as make it once a second, for each move draws most of the picture anew.
  ///
  /// - Parameter speed: seconds of the session a second.
  public static func stride(window: Span, columns: Int, speed: Double) -> Int {
    let perSecond = max(speed, 0) * 1e6 * Double(max(columns, 1)) / Double(max(window.microseconds, 1))
    return perSecond <= 2 ? 1 : max(1, Int(min(perSecond.rounded(.up), Double(columns / 8))))
  }

  /// When the first bucket begins.
  public var start: Instant { Instant(microseconds: first * bucket.microseconds) }

  /// The column of an instant; outside of the columns where it is not shown.
  public func column(of instant: Instant) -> Int {
    let offset = instant.microseconds - start.microseconds
    return Int(clamping: offset >= 0 ? offset / bucket.microseconds : (offset + 1) / bucket.microseconds - 1)
  }

  /// When a column's bucket begins.
  public func instant(ofColumn column: Int) -> Instant {
    Instant(microseconds: start.microseconds + Int64(column) * bucket.microseconds)
  }

  /// The last moment that is shown, no later than now.
  public func end(at now: Instant) -> Instant { min(instant(ofColumn: columns - 1), now) }
}
