import Domain
import Engine
import Foundation
import Synchronization
import Verbs
import WhatIf

/// Looks ahead for consoles, beside the engine: each question is answered on a thread of its own, from a copy of the engine,
/// within a deadline. A newer question makes an older one pointless, and ends it.
public final class PreviewDesk: Sendable {
  /// How long may be looked.
  public static let deadline = Duration.milliseconds(300)

  private let newest = Mutex<UInt64>(0)
  private let queue = DispatchQueue(label: "look-ahead", qos: .utility)

  public init() {}

  /// Answers in the background.
  ///
  /// - Parameters:
  ///   - engine: a copy of the engine.
  ///   - now: the present instant.
  ///   - body: gets the answer, unless a newer question has come; called on a thread of the desk.
  public func ask(
    _ verbs: [Verb], _ engine: Scheduler, at now: Instant, within deadline: Duration = PreviewDesk.deadline,
    _ body: @escaping @Sendable (Preview) -> Void
  ) {
    let number = newest.withLock { value in
      value += 1
      return value
    }
    queue.async { [self] in
      let clock = ContinuousClock()
      let end = clock.now + deadline
      let preview = LookAhead(engine, at: now).preview(of: verbs) {
        clock.now >= end || newest.withLock { $0 != number }
      }
      if newest.withLock({ $0 == number }) { body(preview) }
    }
  }
}
