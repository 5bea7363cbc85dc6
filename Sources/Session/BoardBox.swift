import CLinux
import Glibc
import Projections
import Synchronization

/// The latest board of a session, shared between the thread that makes it and the one that draws it.
///
/// The drawer copies the board under the lock (a few retain counts); the maker changes it in place under the lock, so a
/// slow drawer never holds up a decision.
public final class BoardBox: Sendable {
  private let board = Mutex(Board())
  /// Readable when the board has changed since `take`.
  public let changed: Int32

  public init() { changed = celltop_eventfd() }

  deinit { close(changed) }

  /// Changes the board in place and wakes the drawer.
  public func update(_ body: (inout Board) -> Void) {
    board.withLock { body(&$0) }
    celltop_eventfd_signal(changed)
  }

  /// The board as it is now; until it changes again `changed` stays quiet.
  public func take() -> Board {
    celltop_eventfd_clear(changed)
    return board.withLock { $0 }
  }
}
