import CLinux
import Domain
import Monitoring
import Synchronization

/// The meters of a session, shared between the engine's thread, which counts, and whoever reads them.
public final class MeterBox: Sendable {
  private let book = Mutex(MeterBook())

  public init() {}

  /// The meters as they are now.
  public func take() -> MeterBook { book.withLock { $0 } }

  func update(_ body: (inout MeterBook) -> Void) { book.withLock { body(&$0) } }

  /// Does something and tells how long it took.
  func time<Result>(_ note: (inout MeterBook, Span) -> Void, _ body: () -> Result) -> Result {
    let began = celltop_boottime_us()
    let result = body()
    let took = Span(microseconds: celltop_boottime_us() - began)
    book.withLock { note(&$0, took) }
    return result
  }
}
