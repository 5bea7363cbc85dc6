import Domain
import History
import ServerLink

/// The number that a client's order has in the books: its key, and a mark above it, so that two users' orders with one key
/// are two orders, and that the key can be told from the history after a restart.
struct OrderNumbers {
  /// Where the numbers of the server's own orders begin, which are what others had ordered before it was started anew.
  static let own: UInt64 = 1 << 62
  /// Numbers of consoles in this process, and of releases that kept no keys, have smaller ones.
  private static let marks: ClosedRange<UInt64> = 2...511
  private static let keyBits = 53

  private var mark = Self.marks.lowerBound

  /// The next order's number; it comes again after 510 others at the earliest, when nobody waits for it.
  mutating func next(key: UInt64) -> CommandID {
    defer { mark = mark < Self.marks.upperBound ? mark + 1 : Self.marks.lowerBound }
    return CommandID(mark << Self.keyBits | key)
  }

  /// The client's key of an order; nil where no client gave it.
  static func key(of id: CommandID) -> UInt64? {
    let (mark, key) = (id.number >> keyBits, id.number & (1 << keyBits - 1))
    return marks.contains(mark) && key > 0 ? key : nil
  }
}

/// What orders of earlier lives of the server came to, by the history: one that is said again gets the same answer.
struct PastAnswer: Sendable {
  var user: String
  var answer: Answered
  /// The order under its key, with this answer.
  var order: GivenOrder

  /// Looked for in so many sessions before this one.
  private static let sessionsMost = 8

  /// The last `count` answers, in order; none where the history cannot be read.
  static func all(in path: String, before session: Int64, last count: Int) -> [PastAnswer] {
    guard let store = try? HistoryStore(reading: path), let sessions = try? store.sessions() else {
      return []
    }
    var found: [PastAnswer] = []
    let earlier = sessions.filter {
      $0.kind == "live" && (session == 0 || $0.id < session) && $0.actions > 0
    }
    for summary in earlier.prefix(sessionsMost) where found.count < count {
      guard let orders = try? store.recorded(summary.id).orders(last: count - found.count) else {
        continue
      }
      found = orders.compactMap(known) + found
    }
    return found
  }

  private static func known(_ order: RecordedOrder) -> PastAnswer? {
    guard let key = OrderNumbers.key(of: order.command.id) else { return nil }
    let answer = Answered(key: key, sequence: order.sequence, order.refusal)
    let given = GivenOrder(verb: order.command.verb, past: GivenOrder.Past(notebook: order.notebook), answer: answer)
    return PastAnswer(user: order.command.author, answer: answer, order: given)
  }
}
