import Domain
import History
import Projections

/// Plays a recorded session: entries are applied, no policy is asked. A value; time comes in as an argument.
public struct ReplayPlayer: Sendable {
  /// Seconds of the session a second: from an eighth to an hour.
  public static let speeds: [Double] = [0.125, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600]
  /// Entries read ahead at once, and applied one after the other before a key frame is looked for.
  static let aheadMost = 16_384
  /// As many are read at first, so that the first picture does not wait for what is seen long after; then twice as many each time.
  static let aheadLeast = 512

  public let tape: any ReplayTape
  /// The session's length: the instant of its last entry.
  public private(set) var end: Instant
  /// The moments to show on the bar, in order.
  public let markers: [Marker]
  /// The instant that is shown.
  public private(set) var position = Instant.zero
  public private(set) var isPlaying = false
  public private(set) var speed = 1.0
  /// The board at `position`.
  public private(set) var board = Board()
  /// Why the tape could not be read last time, so that the board stands where it stood; nil where it could.
  public private(set) var trouble: String?

  /// The last entry applied.
  private var applied: Int64
  /// Entries after `applied`, as far as they have been read.
  private var ahead: ArraySlice<Entry> = []
  /// How many are read next.
  private var batch = ReplayPlayer.aheadLeast

  /// A player at the beginning of a session, paused. `entries` are in order, without gaps.
  public init(_ entries: [Entry]) { self.init(MemoryTape(entries)) }

  /// A player at the beginning of a tape, paused; a tape that lacks its beginning begins where its log can be understood.
  public init(_ tape: any ReplayTape) {
    self.tape = tape
    end = tape.end
    markers = tape.markers
    applied = tape.first - 1
    let opening = (try? tape.entries(from: tape.first, limit: 1)) ?? []
    seek(to: opening.first?.at ?? .zero)
  }

  /// Where the position lies within the session, from 0 to 1.
  public var share: Double { end > .zero ? min(1, max(0, position.seconds / end.seconds)) : 1 }

  /// The number of entries applied, and of all.
  public var count: Int { Int(applied - tape.first + 1) }
  public var total: Int { Int(tape.last - tape.first + 1) }

  /// Shows the session as it was at `instant`, all entries of that instant included.
  public mutating func seek(to instant: Instant) {
    let wanted = min(max(instant, .zero), end)
    reading { player in
      if wanted >= player.position, try player.play(to: wanted) {
        player.position = wanted
      } else {
        try player.jump(to: player.tape.sequence(at: wanted))
        player.position = wanted
      }
      try player.readAhead()
    }
  }

  /// Shows the session at a share of its length, from 0 to 1.
  public mutating func seek(toShare share: Double) {
    seek(to: Instant(seconds: end.seconds * min(1, max(0, share))))
  }

  /// Applies the next entry, or takes the last one back, and pauses there.
  public mutating func step(by count: Int) {
    isPlaying = false
    reading { player in
      let (sum, overflow) = player.applied.addingReportingOverflow(Int64(count))
      let wanted = min(max(overflow ? player.tape.last : sum, player.tape.first - 1), player.tape.last)
      try player.jump(to: wanted)
      player.position = wanted < player.tape.first ? .zero : player.board.now
    }
  }

  /// Goes to the next (or, with -1, to the previous) marker of these kinds; false where there is none.
  @discardableResult
  public mutating func seekToMarker(_ direction: Int, _ kinds: Set<Marker.Kind> = Set(Marker.Kind.allCases)) -> Bool {
    var found: Marker?
    reading { player in
      // Everything of this instant is shown, so that the marker before it is one of an earlier instant.
      let here = direction > 0 ? player.applied : try player.tape.sequence(at: player.position - Span(microseconds: 1))
      found = try player.tape.marker(
        direction > 0 ? .next : .previous, of: direction > 0 ? here : here + 1, kinds)
    }
    guard let found else { return false }
    seek(to: found.at)
    return true
  }

  /// Goes to the next (or, with -1, to the previous) submission of a cell that matches; nil where there is none.
  @discardableResult
  public mutating func seek(toCell query: CellQuery, _ direction: Int) -> FoundCell? {
    var found: FoundCell?
    reading { player in
      let here = direction > 0 ? player.applied : try player.tape.sequence(at: player.position - Span(microseconds: 1))
      found = try player.tape.cell(
        direction > 0 ? .next : .previous, of: direction > 0 ? here : here + 1, matching: query)
    }
    if let found { seek(to: found.at) }
    return found
  }

  public mutating func togglePlaying() {
    if !isPlaying, position >= end { seek(to: .zero) }
    isPlaying.toggle()
    reading { try $0.readAhead() }
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
    if position >= end || trouble != nil { isPlaying = false }
  }

  /// How much real time may pass until the next entry is due; nil while paused.
  public var untilNext: Span? {
    guard isPlaying else { return nil }
    guard let next = ahead.first else { return .zero }
    return Span(seconds: (next.at - position).seconds / speed)
  }

  /// Lets the position go on beyond the last entry, for a world beside this one that lasts longer.
  public mutating func extend(to instant: Instant) { end = max(end, instant) }

  /// Ends with the last entry again; a position beyond it goes back there.
  public mutating func endWithTape() {
    end = tape.end
    if position > end { seek(to: end) }
  }

  // MARK: Reading

  private mutating func reading(_ body: (inout ReplayPlayer) throws -> Void) {
    do {
      try body(&self)
      trouble = nil
    } catch { trouble = "\(error)" }
  }

  /// Applies entries up to `instant` one after the other; false, with nothing lost, where they are too many.
  private mutating func play(to instant: Instant) throws -> Bool {
    var left = Self.aheadMost
    while left > 0 {
      if ahead.isEmpty, applied < tape.last {
        // Far away it is cheaper to look for the place than to read everything before it.
        guard isPlaying else { return false }
        try readAhead()
      }
      guard let next = ahead.first, next.at <= instant else { return true }
      apply(next)
      left -= 1
    }
    return false
  }

  private mutating func apply(_ entry: Entry) {
    board.apply(entry)
    applied = entry.sequence
    ahead.removeFirst()
  }

  private mutating func jump(to sequence: Int64) throws {
    guard sequence != applied else { return }
    if sequence > applied, sequence - applied <= Int64(ahead.count) {
      while applied < sequence, let next = ahead.first { apply(next) }
    } else if sequence > applied, sequence - applied <= 64 {
      ahead = try tape.entries(from: applied + 1, limit: 64)[...]
      while applied < sequence, let next = ahead.first { apply(next) }
    } else {
      board = try tape.board(through: sequence)
      applied = sequence
      ahead = []
      batch = ReplayPlayer.aheadLeast
    }
  }

  private mutating func readAhead() throws {
    guard isPlaying, ahead.isEmpty, applied < tape.last else { return }
    ahead = try tape.entries(from: applied + 1, limit: batch)[...]
    batch = min(batch * 2, Self.aheadMost)
  }
}
