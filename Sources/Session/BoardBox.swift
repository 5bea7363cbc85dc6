import Projections
import Synchronization

/// The latest board of a session, shared between the thread that makes it and the one that draws it.
///
/// The drawer copies the board under the lock (a few retain counts); the maker changes it in place under the lock, so a
/// slow drawer never holds up a decision.
public final class BoardBox: Sendable {
  private let board = Mutex(Board())
  private let onChange = Mutex<(@Sendable () -> Void)?>(nil)

  public init() {}

  /// Sets what is called after each change, on the maker's thread; it must be quick.
  public func callOnChange(_ body: (@Sendable () -> Void)?) { onChange.withLock { $0 = body } }

  /// Changes the board in place and wakes the drawer.
  public func update(_ body: (inout Board) -> Void) {
    board.withLock { body(&$0) }
    onChange.withLock { $0 }?()
  }

  /// The board as it is now.
  public func take() -> Board { board.withLock { $0 } }

  /// Reads the board under the lock, without copying it; must be quick.
  public func look<Value: Sendable>(_ body: (Board) -> Value) -> Value { board.withLock { body($0) } }
}
