import Domain
import Foundation
import GRDB

/// Appends one session's inputs and entries. Used from one thread, the engine's.
///
/// Each `flush` is one transaction: afterwards the effects of its entries may be carried out. Where the file cannot be
/// opened or written, scheduling goes on: what is unwritten waits here, packed, `pendingBytesMost` at the most; it is tried
/// again after `retrySpan`, and `trouble` says why. Beyond that much the waiting entries are given up, and recording goes on
/// as another session, which begins with key frames: the numbers within a session never have gaps.
public final class SessionWriter {
  /// What one session says of itself.
  public struct Heading: Sendable {
    /// `live` or `simulated`.
    public var kind: String
    public var host: String
    public var user: String
    /// Wall time of the session's beginning, in microseconds since 1970.
    public var beganMicroseconds: Int64
    public var note: String

    public init(kind: String, host: String, user: String, beganMicroseconds: Int64, note: String = "") {
      self.kind = kind
      self.host = host
      self.user = user
      self.beganMicroseconds = beganMicroseconds
      self.note = note
    }
  }

  /// The most that waits for a file which cannot be written.
  public static let pendingBytesMost = 64 << 20
  /// A stretch of this many bytes is written for the last time, and the next one begins.
  static let stretchBytes = 24 << 10
  /// Key frames are made after so many entries, and not before the log has grown by half more than their size.
  public static let framesEvery: Int64 = 16_384

  /// The session's number; 0 until the file could be opened.
  public private(set) var session: Int64 = 0
  /// Why the last flush did not reach the file; nil where it did.
  public private(set) var trouble: String?
  /// Entries that were given up so far, because the file could not be written for too long.
  public private(set) var entriesLost: Int64 = 0

  private let heading: Heading
  private let path: String
  private let opening: () throws(HistoryError) -> HistoryStore
  private let pendingBytesMost: Int
  private let framesEvery: Int64
  private var store: HistoryStore?
  /// When the file was last looked for at its path.
  private var lastLook = ContinuousClock.now
  private var isComplete = true

  private var packer: LogPacker
  private var hasUnwritten = false
  private var sealed: [LogStretch] = []
  private var sealedBytes = 0
  private var projector = Projector()
  /// The last entry that is in the file.
  private var writtenThrough: Int64 = 0

  private var framedThrough: Int64 = 0
  private var bytesSinceFrames = 0
  private var frameBytes = 0
  private var framesAreDue = false

  /// How long a file that could not be written is left alone: the whole backlog is tried each time.
  private let retrySpan: Duration
  private var retryFrom: ContinuousClock.Instant?

  /// Begins a session in a file that is open.
  ///
  /// - Throws: `HistoryError` where the file cannot be written.
  public init(
    _ store: HistoryStore, _ heading: Heading, retrySpan: Duration = .seconds(3),
    framesEvery: Int64 = SessionWriter.framesEvery
  ) throws(HistoryError) {
    self.framesEvery = framesEvery
    self.heading = heading
    self.retrySpan = retrySpan
    self.store = store
    pendingBytesMost = Self.pendingBytesMost
    path = store.path
    opening = { [path] () throws(HistoryError) in try HistoryStore(path: path) }
    packer = LogPacker(after: 0)
    do { session = try store.database.write { db in try begin(db) } } catch {
      throw HistoryError(doing: "cannot begin a session in the history \(path)", error)
    }
  }

  /// Begins a session in a file that may not be there to be written yet: then `trouble` says why, entries wait, and it is
  /// tried again with each flush that comes after `retrySpan`.
  public init(
    path: String, _ heading: Heading, retrySpan: Duration = .seconds(3),
    pendingBytesMost: Int = SessionWriter.pendingBytesMost, framesEvery: Int64 = SessionWriter.framesEvery
  ) {
    self.framesEvery = framesEvery
    self.heading = heading
    self.retrySpan = retrySpan
    self.pendingBytesMost = pendingBytesMost
    self.path = path
    opening = { [path] () throws(HistoryError) in
      try HistoryStore(path: path, checkpointer: Checkpointer(path: path))
    }
    packer = LogPacker(after: 0)
    flush(insists: true)
  }

  /// Takes an input and the entries that it brought; `flush` writes them.
  ///
  /// - Parameter input: nil for entries of which the input is not known.
  public func take(_ input: Input?, at instant: Instant, after sequence: Int64, bringing new: ArraySlice<Entry>) {
    let before = packer.bytes.bytes.count
    if packer.isEmpty { packer.begin(after: sequence) }
    packer.append(input, at: instant, bringing: new)
    for entry in new { projector.apply(entry) }
    hasUnwritten = true
    bytesSinceFrames += packer.bytes.bytes.count - before
    guard packer.bytes.bytes.count >= Self.stretchBytes, packer.count > 0 else { return }
    let stretch = LogStretch(packer)
    sealed.append(stretch)
    sealedBytes += stretch.bytes.count
    packer.begin(after: stretch.last)
    if sealedBytes + projector.waiting * 200 > pendingBytesMost { giveUp() }
  }

  /// The same, for all of an array.
  public func take(_ input: Input?, at instant: Instant, after sequence: Int64, bringing new: [Entry]) {
    take(input, at: instant, after: sequence, bringing: new[...])
  }

  /// Wall time of the session's beginning, in microseconds since 1970.
  public var beganMicroseconds: Int64 { heading.beganMicroseconds }

  /// How many entries wait to be written.
  public var entriesWaiting: Int64 { max(packer.last - writtenThrough, 0) }

  /// Writes all that was taken, in one transaction; soon after a failure only where it `insists`.
  ///
  /// - Parameter frames: called where key frames are due; gives folds of what was taken so far, or of less.
  /// - Returns: true where everything is in the file.
  @discardableResult
  public func flush(insists: Bool = false, frames: () -> [PackedFrame] = { [] }) -> Bool {
    guard hasUnwritten || session == 0 else { return trouble == nil }
    if !insists, let retryFrom, ContinuousClock.now < retryFrom { return false }
    do {
      let store = try openedStore()
      let new = areFramesDue ? frames() : []
      var number = session
      try store.database.writeWithoutTransaction { db in
        try db.inTransaction(.immediate) {
          if number == 0 { number = try begin(db) }
          let rows = SessionRows(session: number, db: db)
          for stretch in sealed { try rows.write(stretch) }
          if !packer.isEmpty { try rows.write(LogStretch(packer)) }
          try rows.write(projector)
          for frame in new { try rows.write(frame) }
          return .commit
        }
      }
      session = number
      written(new)
      return true
    } catch {
      failed(error)
      return false
    }
  }

  private var areFramesDue: Bool {
    framesAreDue || (packer.last - framedThrough >= framesEvery && bytesSinceFrames >= frameBytes * 3 / 2)
  }

  /// The store, opened again where the file at its path is not the one that was opened.
  private func openedStore() throws -> HistoryStore {
    if let store {
      if lastLook + .seconds(1) > .now { return store }
      lastLook = .now
      if store.isInPlace { return store }
      self.store = nil
    }
    let opened = try opening()
    store = opened
    if session != 0, try !opened.holds(session, began: heading.beganMicroseconds, through: writtenThrough) {
      beginAnew()
    }
    return opened
  }

  private func begin(_ db: Database) throws -> Int64 {
    try db.execute(
      sql: "INSERT INTO session (kind, host, user, began_us, note, recorder) VALUES (?, ?, ?, ?, ?, ?)",
      arguments: [
        heading.kind, heading.host, heading.user, heading.beganMicroseconds, heading.note, Recorders.current(),
      ])
    return db.lastInsertedRowID
  }

  /// Recording goes on as another session, which is given key frames and every notebook's row.
  private func beginAnew() {
    session = 0
    isComplete = false
    framesAreDue = true
    projector.startOver()
  }

  private func written(_ frames: [PackedFrame]) {
    sealed.removeAll(keepingCapacity: true)
    sealedBytes = 0
    hasUnwritten = false
    projector.written()
    writtenThrough = packer.last
    trouble = nil
    retryFrom = nil
    guard !frames.isEmpty else { return }
    framesAreDue = false
    framedThrough = packer.last
    bytesSinceFrames = 0
    frameBytes = frames.reduce(0) { $0 + $1.bytes.count }
  }

  private func failed(_ error: any Error) {
    retryFrom = ContinuousClock.now + retrySpan
    trouble = HistoryError(doing: "cannot write the history \(path)", error).description
    switch (error as? DatabaseError)?.resultCode {
    case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_IOERR, .SQLITE_READONLY, .SQLITE_CANTOPEN:
      // It may have been mended or replaced by the next try.
      store = nil
    case _: break
    }
  }

  /// Too much waits: it is dropped, and recording is to go on as another session.
  private func giveUp() {
    entriesLost += packer.last - writtenThrough
    writtenThrough = packer.last
    sealed = []
    sealedBytes = 0
    packer.begin(after: packer.last)
    projector.written()
    beginAnew()
  }

  /// Writes what is left and marks the session as ended, with the digest of all its entries; a session of which
  /// something could not be written stays marked as cut short.
  public func end(atMicroseconds wall: Int64, digest: String, frames: () -> [PackedFrame] = { [] }) {
    guard flush(insists: true, frames: frames), let store else { return }
    // A session that cannot be marked as ended is shown as cut short, which it was.
    try? store.database.write { db in
      try db.execute(
        sql: "UPDATE session SET ended_us = ?, digest = ? WHERE id = ?",
        arguments: [wall, isComplete ? digest : nil, session])
    }
  }
}
