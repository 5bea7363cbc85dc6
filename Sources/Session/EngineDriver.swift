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
  private var keeper: ForecasterKeeper?
  private let writer: SessionWriter?
  private let board: BoardBox
  private let meters: MeterBox
  /// Told of what is in the history, on the engine's thread; it must be quick.
  private let hears: (@Sendable ([Entry]) -> Void)?
  private var pending: [Entry] = []
  private let closedKept: Int?
  /// Where the time of a turn goes; nil where nobody wants to know.
  var trace: TurnTrace?

  /// - Parameter closedKept: how many of the latest notebooks are remembered whole though they have closed; nil for all.
  /// - Throws: `Refusal` where there is no such policy.
  init(
    policy: String, forecaster: Forecaster = Forecaster(), keeper: ForecasterKeeper? = nil, writer: SessionWriter?,
    board: BoardBox, meters: MeterBox = MeterBox(), closedKept: Int? = nil,
    hears: (@Sendable ([Entry]) -> Void)? = nil
  ) throws(Refusal) {
    self.closedKept = closedKept
    board.update { $0.closedKept = closedKept }
    #if DEBUG
      let settings = Scheduler.Settings(checksInvariants: true)
    #else
      let settings = Scheduler.Settings()
    #endif
    scheduler = try Scheduler(policy: policy, from: .standard, settings: settings)
    self.forecaster = forecaster
    self.keeper = keeper
    self.writer = writer
    self.board = board
    self.meters = meters
    self.hears = hears
  }

  var state: SchedulerState { scheduler.state }
  /// The engine as it stands, to be copied.
  var engine: Scheduler { scheduler }
  var wakeAt: Instant { scheduler.wakeAt }
  var digest: String { scheduler.ledger.digest.hexadecimal }
  /// The session's number in the history; 0 where there is none, or none yet.
  var session: Int64 { writer?.session ?? 0 }
  /// Why the history does not hold everything, or what was learned is not kept; nil where all is well.
  var trouble: String? { writer?.trouble ?? keeper?.trouble }

  /// Entries that are not in the history yet, and those that were given up.
  var unwritten: (waiting: Int64, lost: Int64) { (writer?.entriesWaiting ?? 0, writer?.entriesLost ?? 0) }

  /// A forecast for a cell about to be submitted.
  func forecast(_ source: CellSource, _ demand: Demand, in id: NotebookID) -> CellForecast? {
    forecaster.forecast(source, demand, in: id)
  }

  /// Lets the engine decide. Nothing is done about it before `commit`.
  mutating func handle(_ input: Input, at instant: Instant) {
    let before = state.sequence
    meters.time({ $0.decided(in: $1) }, { scheduler.handle(input, at: instant) })
    let entries = scheduler.ledger.entries
    for entry in entries { forecaster.learn(from: entry) }
    writer?.take(input, at: instant, after: before, bringing: entries)
    pending += entries
    guard let closedKept else { return }
    for entry in entries {
      if let id = entry.event.letsGo(keeping: closedKept, of: state.notebooks.count) { scheduler.letGo(of: id) }
    }
  }

  /// Appends what was decided to the history, then shows it, then gives it with the effects to be carried out.
  mutating func commit() -> (entries: [Entry], effects: [Effect]) {
    guard !pending.isEmpty else {
      if writer?.trouble != nil { writer?.flush(frames: frames) }
      return ([], [])
    }
    if let writer { meters.time({ $0.committed(in: $1) }, { _ = writer.flush(frames: frames) }) }
    trace?.mark(.record)
    let entries = pending
    // A new array: to keep the capacity would be to make another of the largest size that ever was, at each commit.
    pending = []
    board.update { board in for entry in entries { board.apply(entry) } }
    meters.update { book in for entry in entries { book.apply(entry) } }
    hears?(entries)
    trace?.count(entries: entries.count)
    if let last = entries.last { keeper?.keep(forecaster, session: session, upTo: last) }
    return (entries, entries.compactMap(Effect.init(of:)))
  }

  /// What a reader of the history can begin from, as of the last entry taken: the engine's state, and a board. The board that
  /// is shown is behind by the entries that are pending.
  private func frames() -> [PackedFrame] {
    var shown = board.take()
    for entry in pending { shown.apply(entry) }
    return [PackedFrame(state), PackedFrame(shown)]
  }

  /// Writes what is left and closes the recording.
  ///
  /// - Parameter wall: the wall time of the session's end, in microseconds since 1970.
  func end(atMicroseconds wall: Int64) {
    keeper?.end(forecaster, session: session, sequence: state.sequence)
    writer?.end(atMicroseconds: wall, digest: digest, frames: frames)
  }
}
