import Domain
import Projections

/// Plays a recorded session: entries are applied, no policy is asked. A value; time comes in as an argument.
public struct ReplayPlayer: Sendable {
  /// Boards kept every so many entries, so that a step back need not begin at the beginning.
  static let keyFrameEvery = 2048
  /// Seconds of the session a second: from an eighth to an hour.
  public static let speeds: [Double] = [0.125, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600]

  public let entries: [Entry]
  /// The session's length: the instant of its last entry.
  public let end: Instant
  /// Every marker of the session, in order.
  public let markers: [Marker]
  /// The instant that is shown.
  public private(set) var position: Instant
  public private(set) var isPlaying = false
  public private(set) var speed = 1.0
  /// The board at `position`.
  public private(set) var board: Board

  private var applied = 0
  private var keyFrames: [Board]

  /// A player at the beginning of a session, paused. `entries` are in order, without gaps.
  public init(_ entries: [Entry]) {
    self.entries = entries
    var board = Board()
    var frames = [board]
    var all: [Marker] = []
    for (index, entry) in entries.enumerated() {
      let before = board.markers.last?.sequence
      board.apply(entry)
      if let marker = board.markers.last, marker.sequence != before { all.append(marker) }
      if (index + 1) % Self.keyFrameEvery == 0 { frames.append(board) }
    }
    keyFrames = frames
    markers = all
    end = entries.last?.at ?? .zero
    position = entries.first?.at ?? .zero
    self.board = frames[0]
    seek(to: position)
  }

  /// Where the position lies within the session, from 0 to 1.
  public var share: Double { end > .zero ? min(1, max(0, position.seconds / end.seconds)) : 1 }

  /// The number of entries applied.
  public var count: Int { applied }

  /// Shows the session as it was at `instant`, all entries of that instant included.
  public mutating func seek(to instant: Instant) {
    position = min(max(instant, .zero), end)
    move(to: upperBound(of: position))
  }

  /// Shows the session at a share of its length, from 0 to 1.
  public mutating func seek(toShare share: Double) {
    seek(to: Instant(seconds: end.seconds * min(1, max(0, share))))
  }

  /// Applies the next entry, or takes the last one back, and pauses there.
  public mutating func step(by count: Int) {
    isPlaying = false
    move(to: min(max(applied + count, 0), entries.count))
    position = applied > 0 ? entries[applied - 1].at : .zero
  }

  /// Goes to the next (or, with -1, to the previous) marker; false where there is none.
  @discardableResult
  public mutating func seekToMarker(_ direction: Int) -> Bool {
    let next =
      direction > 0
      ? markers.first { $0.at > position } : markers.last { $0.at < position }
    guard let next else { return false }
    seek(to: next.at)
    return true
  }

  public mutating func togglePlaying() {
    if !isPlaying, position >= end { seek(to: .zero) }
    isPlaying.toggle()
  }

  /// Faster (1) or slower (-1), by one step of `speeds`.
  public mutating func changeSpeed(_ direction: Int) {
    let next = direction > 0 ? Self.speeds.first { $0 > speed } : Self.speeds.last { $0 < speed }
    if let next { speed = next }
  }

  /// Sets the speed; kept within `speeds`.
  public mutating func setSpeed(_ value: Double) {
    speed = min(max(value, Self.speeds[0]), Self.speeds[Self.speeds.count - 1])
  }

  /// Lets real time pass: while playing, the position moves by `elapsed` times the speed.
  public mutating func advance(by elapsed: Span) {
    guard isPlaying else { return }
    seek(to: position + Span(seconds: elapsed.seconds * speed))
    if position >= end { isPlaying = false }
  }

  /// How much real time may pass until the next entry is due; nil while paused.
  public var untilNext: Span? {
    guard isPlaying else { return nil }
    guard applied < entries.count else { return .zero }
    return Span(seconds: (entries[applied].at - position).seconds / speed)
  }

  private func upperBound(of instant: Instant) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].at <= instant { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private mutating func move(to count: Int) {
    if count < applied || count - applied > Self.keyFrameEvery {
      let frame = min(count / Self.keyFrameEvery, keyFrames.count - 1)
      if count < applied || frame * Self.keyFrameEvery > applied {
        board = keyFrames[frame]
        applied = frame * Self.keyFrameEvery
      }
    }
    while applied < count {
      board.apply(entries[applied])
      applied += 1
    }
  }
}
