import CLinux
import Domain

/// Where the time of a turn of the engine's thread went.
///
/// What took much longer by the clock than of the processor was waited for: a lock, the disk, or a processor that others had.
public struct SlowTurn: Sendable {
  /// The parts of a turn, in their order.
  public enum Part: String, Sendable, CaseIterable {
    /// Orders and questions, and gates that were heard.
    case hear
    /// What was due, and what the sampler found.
    case timers
    /// Writing the history, its key frames among it.
    case record
    /// Folding what was decided into the board and the meters, and handing it to the clients' thread.
    case show
    /// Telling the gates.
    case tell
    /// Signs of life, and gates that have gone.
    case rest
  }

  /// By the clock and of the processor, by part.
  public fileprivate(set) var took: [Part: (wall: Span, processor: Span)] = [:]
  /// Entries that it brought.
  public var entries = 0

  public var wall: Span { took.values.reduce(.zero) { $0 + $1.wall } }
  public var processor: Span { took.values.reduce(.zero) { $0 + $1.processor } }
}

/// Watches the turns of the engine's thread, and tells of those that take long. Used from that thread.
final class TurnTrace {
  /// From where on a turn is told of, and whom; it must be quick.
  struct Hearer: Sendable {
    var least: Span
    var hears: @Sendable (SlowTurn) -> Void
  }

  private let hearer: Hearer
  private var turn = SlowTurn()
  private var last: (wall: Int64, processor: Int64) = (0, 0)

  init(_ hearer: Hearer) { self.hearer = hearer }

  private static var now: (wall: Int64, processor: Int64) { (celltop_boottime_us(), celltop_thread_processor_us()) }

  func begin() {
    turn = SlowTurn()
    last = Self.now
  }

  /// What was done since the last mark was this part.
  func mark(_ part: SlowTurn.Part) {
    let now = Self.now
    let before = turn.took[part] ?? (.zero, .zero)
    turn.took[part] = (
      before.wall + Span(microseconds: now.wall - last.wall),
      before.processor + Span(microseconds: now.processor - last.processor)
    )
    last = now
  }

  func count(entries: Int) { turn.entries += entries }

  func end() {
    mark(.rest)
    if turn.wall >= hearer.least { hearer.hears(turn) }
  }
}
