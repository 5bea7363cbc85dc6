/// The gate's own requests to the kernel, whose answers no client may see.
///
/// One is forgotten when its reply and its idle have come: as long as there is any, each message's parent must be read.
struct OwnRequests {
  private struct Open {
    var id: String
    var isReplied: Bool
    var isIdle = false
  }

  /// Where a kernel leaves an answer out, the latest few are enough.
  static let kept = 8
  private var open: [Open] = []

  var isEmpty: Bool { open.isEmpty }

  /// - Parameter isRead: whether its reply comes where the gate reads it.
  mutating func sent(_ id: String, isRead: Bool = true) {
    open.append(Open(id: id, isReplied: !isRead))
    if open.count > Self.kept { open.removeFirst() }
  }

  /// Whether what the kernel published belongs to one of them.
  mutating func published(for id: String, isIdle: Bool) -> Bool {
    note(id) { $0.isIdle = $0.isIdle || isIdle }
  }

  /// Whether a reply belongs to one of them.
  mutating func replied(to id: String) -> Bool { note(id) { $0.isReplied = true } }

  private mutating func note(_ id: String, _ change: (inout Open) -> Void) -> Bool {
    guard let place = open.firstIndex(where: { $0.id == id }) else { return false }
    change(&open[place])
    if open[place].isReplied, open[place].isIdle { open.remove(at: place) }
    return true
  }
}
