import Domain
import History
import Projections

/// A log that a player can go about in, without it being in memory as a whole.
public protocol ReplayTape: Sendable {
  /// The first and the last entry; `last` is less than `first` where there is none.
  var first: Int64 { get }
  var last: Int64 { get }
  /// The instant of the last entry.
  var end: Instant { get }
  /// The moments to show on the bar: all of them, or the most telling ones where there are very many.
  var markers: [Marker] { get }

  /// The board as of an entry.
  ///
  /// - Throws: why the log cannot be read; so do the others.
  func board(through sequence: Int64) throws -> Board
  /// Entries from `start` on, `limit` at the most.
  func entries(from start: Int64, limit: Int) throws -> [Entry]
  /// The last entry at or before an instant; `first` - 1 where there is none.
  func sequence(at instant: Instant) throws -> Int64
  /// The nearest marker of these kinds after or before an entry.
  func marker(_ direction: SeekDirection, of sequence: Int64, _ kinds: Set<Marker.Kind>) throws -> Marker?
  /// The nearest cell that matches, submitted after or before an entry.
  func cell(_ direction: SeekDirection, of sequence: Int64, matching query: CellQuery) throws -> FoundCell?
}

/// A recorded session as a tape: what is asked for is read from the history.
public struct RecordedTape: ReplayTape {
  /// The most markers that are read for the bar.
  static let markersMost = 8192

  public let session: RecordedSession
  public let markers: [Marker]

  /// - Throws: `HistoryError` where the file cannot be read.
  public init(_ session: RecordedSession) throws(HistoryError) {
    self.session = session
    var found: [RecordedMarker] = []
    // What people did comes before what the engine did, should there be too many.
    for kind in [RecordedMarker.Kind.action, .error, .fault, .wait, .preemption] where found.count < Self.markersMost {
      found += try session.markers([kind], limit: Self.markersMost - found.count)
    }
    markers = found.sorted { $0.sequence < $1.sequence }.map(Marker.init)
  }

  public var first: Int64 { session.first }
  public var last: Int64 { session.last }
  public var end: Instant { session.end }

  public func board(through sequence: Int64) throws -> Board { try session.fold(Board.self, through: sequence) }

  public func entries(from start: Int64, limit: Int) throws -> [Entry] {
    // What a session that goes on has grown by since it was opened is no part of this tape.
    try session.entries(from: start, limit: min(limit, Int(clamping: last - start + 1)))
  }

  public func sequence(at instant: Instant) throws -> Int64 { try min(session.sequence(at: instant), last) }

  public func marker(_ direction: SeekDirection, of sequence: Int64, _ kinds: Set<Marker.Kind>) throws -> Marker? {
    let found = try session.marker(direction, of: sequence, Set(kinds.map(RecordedMarker.Kind.init)))
    return found.flatMap { $0.sequence <= last ? Marker($0) : nil }
  }

  public func cell(_ direction: SeekDirection, of sequence: Int64, matching query: CellQuery) throws -> FoundCell? {
    let found = try session.cell(direction, of: sequence, matching: query)
    return found.flatMap { $0.sequence <= last ? $0 : nil }
  }
}

/// Entries in memory as a tape, on their own or following another tape: a world decided again follows the recorded past.
public struct MemoryTape: ReplayTape {
  /// Boards kept every so many entries, so that a step back need not begin at the beginning.
  static let keyFrameEvery = 2048

  public let markers: [Marker]
  private let entries: [Entry]
  private let past: (any ReplayTape)?
  /// The last entry of the past.
  private let base: Int64
  private let keyFrames: [Board]

  /// - Parameters:
  ///   - entries: in order, without gaps, the first one after `base`.
  ///   - past: holds the entries up to `base`; nil where there are none.
  /// - Throws: why the past cannot be read.
  public init(_ entries: [Entry], after past: (any ReplayTape)?, through base: Int64) throws {
    try self.init(entries, past, base, from: past.map { try $0.board(through: base) } ?? Board())
  }

  /// Entries from a session's first one on.
  public init(_ entries: [Entry]) { self.init(entries, nil, (entries.first?.sequence ?? 1) - 1, from: Board()) }

  private init(_ entries: [Entry], _ past: (any ReplayTape)?, _ base: Int64, from start: Board) {
    self.entries = entries
    self.past = past
    self.base = base
    var board = start
    var frames = [board]
    var markers = past?.markers.filter { $0.sequence <= base } ?? []
    for (index, entry) in entries.enumerated() {
      board.apply(entry)
      if let marker = board.markers.last, marker.sequence == entry.sequence { markers.append(marker) }
      if (index + 1) % Self.keyFrameEvery == 0 { frames.append(board) }
    }
    keyFrames = frames
    self.markers = markers
  }

  public var first: Int64 { past?.first ?? base + 1 }
  public var last: Int64 { base + Int64(entries.count) }
  public var end: Instant { entries.last?.at ?? keyFrames[0].now }

  public func board(through sequence: Int64) throws -> Board {
    if sequence < base, let past { return try past.board(through: sequence) }
    let count = Int(min(max(sequence - base, 0), Int64(entries.count)))
    let frame = min(count / Self.keyFrameEvery, keyFrames.count - 1)
    var board = keyFrames[frame]
    for entry in entries[(frame * Self.keyFrameEvery)..<count] { board.apply(entry) }
    return board
  }

  public func entries(from start: Int64, limit: Int) throws -> [Entry] {
    if start <= base, let past {
      let before = try past.entries(from: start, limit: min(limit, Int(clamping: base - start + 1)))
      return before.count < limit ? before + entries.prefix(limit - before.count) : before
    }
    return Array(entries.dropFirst(Int(max(start - base - 1, 0))).prefix(limit))
  }

  public func sequence(at instant: Instant) throws -> Int64 {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].at <= instant { low = middle + 1 } else { high = middle }
    }
    if low == 0, let past { return min(try past.sequence(at: instant), base) }
    return base + Int64(low)
  }

  public func marker(_ direction: SeekDirection, of sequence: Int64, _ kinds: Set<Marker.Kind>) throws -> Marker? {
    switch direction {
    case .next: markers.first { $0.sequence > sequence && kinds.contains($0.kind) }
    case .previous: markers.last { $0.sequence < sequence && kinds.contains($0.kind) }
    }
  }

  public func cell(_ direction: SeekDirection, of sequence: Int64, matching query: CellQuery) throws -> FoundCell? {
    throw HistoryError("a search needs a recorded session")
  }
}

extension Marker {
  init(_ recorded: RecordedMarker) {
    let kind: Kind =
      switch recorded.kind {
      case .action: .action
      case .preemption: .preemption
      case .wait: .wait
      case .error: .error
      case .fault: .fault
      }
    self.init(at: recorded.at, sequence: recorded.sequence, kind: kind, notebook: recorded.notebook)
  }
}

extension RecordedMarker.Kind {
  init(_ kind: Marker.Kind) {
    switch kind {
    case .action: self = .action
    case .preemption: self = .preemption
    case .wait: self = .wait
    case .error: self = .error
    case .fault: self = .fault
    }
  }
}
