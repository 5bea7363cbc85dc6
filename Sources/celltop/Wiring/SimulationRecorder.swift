import Domain
import Engine
import Foundation
import History
import Projections
import Simulation

/// Plays a simulation into a history, in batches: inputs, entries and key frames, as a live session would leave them.
struct SimulationRecorder {
  /// About how many entries a transaction takes.
  static let batch = 16_384

  var simulator: Simulator
  let writer: SessionWriter
  /// The screens' fold, for key frames.
  private var board = Board()
  private var sequence: Int64 = 0
  /// How long was spent in the history's hands, and how much of it making key frames.
  private(set) var appending = Duration.zero
  private(set) var framing = Duration.zero
  /// The processor's time of `appending`, which other work on the machine does not lengthen.
  private(set) var appendingProcessor = 0.0

  /// The session's number in the history.
  var session: Int64 { writer.session }
  var isOver: Bool { simulator.nextTime == nil }

  /// - Parameters:
  ///   - simulator: its settings keep entries.
  ///   - began: wall time of the session's beginning, in microseconds since 1970.
  /// - Throws: `HistoryError` where the file cannot be written.
  init(
    _ simulator: Simulator, into store: HistoryStore, note: String,
    began: Int64 = Int64(Date().timeIntervalSince1970 * 1e6), framesEvery: Int64 = SessionWriter.framesEvery
  ) throws(HistoryError) {
    self.simulator = simulator
    writer = try SessionWriter(
      store,
      .init(
        kind: "simulated", host: ProcessInfo.processInfo.hostName, user: NSUserName(), beganMicroseconds: began,
        note: note), framesEvery: framesEvery)
  }

  /// Plays and writes one batch.
  ///
  /// - Throws: `HistoryError` where it could not be written: a simulation can be played again, and does not wait.
  mutating func play(_ entries: Int = SimulationRecorder.batch) throws(HistoryError) {
    while simulator.recorded.count < entries, simulator.nextTime != nil { simulator.step() }
    let folding = ContinuousClock.now
    for entry in simulator.recorded { board.apply(entry) }
    framing += ContinuousClock.now - folding
    let began = ContinuousClock.now
    let beganProcessor = processorSeconds()
    var after = sequence
    simulator.drainRecord { [writer] given, entries in
      writer.take(given.input, at: given.at, after: after, bringing: entries)
      after += Int64(given.entries)
    }
    sequence = after
    var made = Duration.zero
    var madeProcessor = 0.0
    let isWritten = writer.flush(insists: true) {
      let (start, startProcessor) = (ContinuousClock.now, processorSeconds())
      defer { (made, madeProcessor) = (ContinuousClock.now - start, processorSeconds() - startProcessor) }
      return frames
    }
    framing += made
    appending += ContinuousClock.now - began - made
    appendingProcessor += processorSeconds() - beganProcessor - madeProcessor
    if !isWritten { throw HistoryError(writer.trouble ?? "the session could not be recorded") }
  }

  /// Marks the recording as ended.
  ///
  /// - Throws: `HistoryError` where its rest could not be written.
  func end() throws(HistoryError) {
    writer.end(
      atMicroseconds: writer.beganMicroseconds + simulator.now, digest: simulator.digest.hexadecimal,
      frames: { frames })
    if let trouble = writer.trouble { throw HistoryError(trouble) }
  }

  private var frames: [PackedFrame] { [PackedFrame(simulator.scheduler.state), PackedFrame(board)] }
}
