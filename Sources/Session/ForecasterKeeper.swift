import Domain
import Forecast
import Foundation
import Synchronization

/// Writes what the forecaster has learned beside the history from time to time, on a queue of its own, and at the end.
///
/// What a session teaches after the last writing is learned again from its entries at the next start.
final class ForecasterKeeper: Sendable {
  /// How much of a session's time passes between two writings.
  static let period = Span(seconds: 600)

  private let file: ForecasterFile
  private let queue = DispatchQueue(label: "celltop.forecaster", qos: .utility)
  private let state: Mutex<(next: Instant, isWriting: Bool, trouble: String?)>

  /// - Parameter trouble: why what was kept before could not be used; told until the next writing replaces it.
  init(besideHistory path: String, trouble: String?) {
    file = ForecasterFile(besideHistory: path)
    state = Mutex((.zero + Self.period, false, trouble))
  }

  /// Why what was learned is not kept; nil where it is.
  var trouble: String? { state.withLock { $0.trouble } }

  /// Begins to write where it is time, and the writing before has ended.
  ///
  /// - Parameter session: the session that `entry` belongs to; 0 where it is not recorded yet, and nothing is kept.
  func keep(_ forecaster: Forecaster, session: Int64, upTo entry: Entry) {
    let isDue = state.withLock { state in
      guard session > 0, entry.at >= state.next, !state.isWriting else { return false }
      state.next = entry.at + Self.period
      state.isWriting = true
      return true
    }
    guard isDue else { return }
    queue.async { [self] in write(forecaster, session, entry.sequence) }
  }

  /// Writes the last state; returns once it is written.
  func end(_ forecaster: Forecaster, session: Int64, sequence: Int64) {
    guard session > 0 else { return }
    queue.sync { write(forecaster, session, sequence) }
  }

  private func write(_ forecaster: Forecaster, _ session: Int64, _ sequence: Int64) {
    var trouble: String?
    do {
      try file.write(ForecasterFile.Kept(forecaster: forecaster, session: session, sequence: sequence))
    } catch { trouble = "cannot keep what was learned in \(file.path): \(error.localizedDescription)" }
    state.withLock { state in
      state.isWriting = false
      state.trouble = trouble
    }
  }
}
