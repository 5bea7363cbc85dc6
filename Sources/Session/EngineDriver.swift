import Domain
import Engine
import Forecast
import History
import Policies
import Projections

/// Runs the engine for one session: instants in, entries to the history and the board, effects out, in that order.
///
/// Used from one thread.
struct EngineDriver {
  private var scheduler: Scheduler
  private var forecaster: Forecaster
  private let writer: SessionWriter?
  private let board: BoardBox
  private var pending: [Entry] = []

  /// - Throws: `Refusal` where there is no such policy.
  init(policy: String, forecaster: Forecaster = Forecaster(), writer: SessionWriter?, board: BoardBox) throws(Refusal) {
    #if DEBUG
      let settings = Scheduler.Settings(checksInvariants: true)
    #else
      let settings = Scheduler.Settings()
    #endif
    scheduler = try Scheduler(policy: policy, from: .standard, settings: settings)
    self.forecaster = forecaster
    self.writer = writer
    self.board = board
  }

  var state: SchedulerState { scheduler.state }
  var wakeAt: Instant { scheduler.wakeAt }
  var digest: String { scheduler.ledger.digest.hexadecimal }
  /// The session's number in the history; 0 where there is none, or none yet.
  var session: Int64 { writer?.session ?? 0 }
  /// Why the history does not hold everything; nil where it does.
  var trouble: String? { writer?.trouble }

  /// A forecast for a cell of that code in that notebook.
  func forecast(codeHash: UInt64, notebook id: NotebookID) -> CellForecast? {
    let notebook = state.descriptions[Int(id.number)]
    return forecaster.forecast(codeHash: codeHash, path: notebook.path, user: notebook.user)
  }

  /// Lets the engine decide. Nothing is done about it before `commit`.
  mutating func handle(_ input: Input, at instant: Instant) {
    let before = state.sequence
    scheduler.handle(input, at: instant)
    let entries = scheduler.ledger.entries
    for entry in entries { forecaster.learn(from: entry) }
    writer?.take(input, at: instant, after: before, bringing: entries)
    pending += entries
  }

  /// Appends what was decided to the history, then shows it, then gives the effects to be carried out.
  mutating func commit() -> [Effect] {
    guard !pending.isEmpty else {
      if trouble != nil { writer?.flush(frames: frames) }
      return []
    }
    writer?.flush(frames: frames)
    let entries = pending
    pending.removeAll(keepingCapacity: true)
    board.update { board in for entry in entries { board.apply(entry) } }
    return entries.compactMap(Effect.init(of:))
  }

  /// What a reader of the history can begin from. The board is behind by what is about to be committed.
  private func frames() -> [PackedFrame] { [PackedFrame(state), PackedFrame(board.take())] }

  /// Writes what is left and closes the recording.
  func end() { writer?.end(atMicroseconds: SessionClock.wallMicroseconds(), digest: digest, frames: frames) }
}
