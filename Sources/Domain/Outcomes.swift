/// How a cell ended.
public enum CellOutcome: UInt8, Codable, Hashable, Sendable, CaseIterable {
  /// The kernel replied `ok`.
  case ok = 0
  /// The kernel replied `error`.
  case error = 1
  /// Ended by an interrupt, the author's or an operator's.
  case interrupted = 2
  /// Never ran: an earlier cell of its Run All failed, or its client gave it up.
  case aborted = 3
  /// Its kernel or its gate died.
  case lost = 4
  /// No node could ever hold what it asked for.
  case refused = 5

  /// One word, for tables.
  public var word: String {
    switch self {
    case .ok: "ok"
    case .error: "error"
    case .interrupted: "interrupted"
    case .aborted: "aborted"
    case .lost: "lost"
    case .refused: "refused"
    }
  }
}
