/// Lets a line through a few times in a while, and counts the others: a fault that comes a thousand times a second must not
/// fill a disk.
struct Repetition: Sendable {
  /// How often the same line passes in `windowSeconds`.
  static let timesMost = 5
  static let windowSeconds = 30.0
  /// How many different lines are remembered; the oldest is forgotten first.
  static let linesMost = 256

  private struct Seen: Sendable {
    var began: Double
    var passed: Int
    var held: Int
  }

  private var seen: [String: Seen] = [:]
  private var order: [String] = []

  /// What becomes of a line.
  enum Verdict: Equatable {
    /// It is to be written; so many of the same were held back before it.
    case pass(heldBefore: Int)
    case hold
  }

  mutating func judge(_ line: String, at seconds: Double) -> Verdict {
    guard var one = seen[line], seconds - one.began < Self.windowSeconds, seconds >= one.began else {
      let held = seen[line]?.held ?? 0
      if seen.updateValue(Seen(began: seconds, passed: 1, held: 0), forKey: line) == nil { order.append(line) }
      if order.count > Self.linesMost { seen[order.removeFirst()] = nil }
      return .pass(heldBefore: held)
    }
    defer { seen[line] = one }
    guard one.passed < Self.timesMost else {
      one.held += 1
      return .hold
    }
    one.passed += 1
    return .pass(heldBefore: 0)
  }
}
