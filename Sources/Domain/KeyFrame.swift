/// A fold over a session's entries that can be packed as it stands, so that a reader need not begin at the beginning.
///
/// A notebook that has closed takes no part in a frame beyond its number: a session of years would else carry all of them in
/// each frame. What is left of it is given back by the history in `ClosedNotebook`.
public protocol KeyFrame: Sendable {
  /// Names the fold within a history; never changed, never given to another fold.
  static var frameKind: UInt8 { get }
  /// The version of the packed form. A frame of another version is passed over, and more entries are folded.
  static var frameVersion: UInt8 { get }
  /// The oldest version that is still read; `frameVersion` where nothing else is said.
  static var frameVersionLeast: UInt8 { get }

  /// The fold of no entries.
  init()

  /// The last entry folded in; 0 before the first.
  var sequence: Int64 { get }
  /// The instant of the last entry.
  var now: Instant { get }

  /// Folds the next entry in.
  mutating func apply(_ entry: Entry)

  /// Packs the fold as it stands, without what `ClosedNotebook` tells.
  func packFrame(into sink: inout PackBytes)

  /// Reads what `packFrame` wrote.
  ///
  /// - Parameter closed: what is left of a notebook that the frame counts as closed; nil where nothing is known of it.
  /// - Throws: `PackError` where the bytes are not such a frame.
  init(frame source: inout PackSource, closed: (NotebookID) -> ClosedNotebook?) throws(PackError)
}

extension KeyFrame {
  public static var frameVersionLeast: UInt8 { frameVersion }
}

/// What is left of a notebook after its kernel has ended.
public struct ClosedNotebook: Hashable, Sendable {
  public var notebook: Notebook
  public var opened: Instant
  public var closed: Instant
  /// The priority that it had last.
  public var priority: Int32
  /// Its cells that ended, and how many of them not with `ok`.
  public var cellsEnded: Int64
  public var cellsFailed: Int64
  /// Sums over those cells: from submission to the first start, and running.
  public var waited: Span
  public var ran: Span

  public init(
    _ notebook: Notebook, opened: Instant, closed: Instant, priority: Int32, cellsEnded: Int64 = 0,
    cellsFailed: Int64 = 0, waited: Span = .zero, ran: Span = .zero
  ) {
    self.notebook = notebook
    self.opened = opened
    self.closed = closed
    self.priority = priority
    self.cellsEnded = cellsEnded
    self.cellsFailed = cellsFailed
    self.waited = waited
    self.ran = ran
  }
}

/// A fold as it stood after an entry, ready to be kept.
public struct PackedFrame: Hashable, Sendable {
  public var kind: UInt8
  public var version: UInt8
  /// The last entry folded in.
  public var sequence: Int64
  public var at: Instant
  public var bytes: [UInt8]

  public init(_ fold: some KeyFrame) {
    kind = type(of: fold).frameKind
    version = type(of: fold).frameVersion
    sequence = fold.sequence
    at = fold.now
    var sink = PackBytes()
    fold.packFrame(into: &sink)
    bytes = sink.bytes
  }
}

extension Digest {
  /// Puts bytes in, eight at a time, with their number.
  public mutating func absorb(bytes: UnsafeRawBufferPointer) {
    put(UInt64(bytes.count))
    var place = 0
    while place + 8 <= bytes.count {
      put(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
      place += 8
    }
    while place < bytes.count {
      put(UInt64(bytes[place]))
      place += 1
    }
  }
}
