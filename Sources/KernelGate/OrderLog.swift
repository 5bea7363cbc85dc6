/// Which of the engine's orders have been carried out, so that an old one or a repeated one changes nothing.
///
/// An engine's sequences only grow within its session; a new welcome begins anew.
struct OrderLog: Equatable {
  private var latest: Int64?

  mutating func welcomed() { latest = nil }

  /// Whether this order, or one that was given after it, has been carried out.
  func isOld(_ sequence: Int64) -> Bool { latest.map { sequence <= $0 } ?? false }

  /// An order that failed is not entered: it may be given again.
  mutating func carriedOut(_ sequence: Int64) { latest = max(latest ?? sequence, sequence) }
}
