import Domain

/// Whose turn it is to be told that the engine lives: everybody once a period, a few at a time.
///
/// A thousand pings at once would bring a thousand answers at once, and a cell would wait for their reading.
struct PingRound {
  /// The time between two signs of life to the same gate; a gate waits for five seconds.
  static let period = Span(seconds: 2)
  /// How many gates are told at a time.
  static let groupMost = 64

  /// When the next are to be told; meaningful while there is anybody.
  private(set) var next = Instant.zero
  private var ring: [NotebookID] = []
  private var place = 0

  mutating func join(_ id: NotebookID) { ring.append(id) }

  mutating func leave(_ id: NotebookID) {
    guard let found = ring.firstIndex(of: id) else { return }
    ring.remove(at: found)
    if found < place { place -= 1 }
  }

  /// The gates whose turn it is now.
  mutating func turn(at now: Instant) -> [NotebookID] {
    let groups = max(1, (ring.count + Self.groupMost - 1) / Self.groupMost)
    // Whoever was kept from telling makes it up, group by group; after a sleep of the machine only the last round.
    let step = Span(microseconds: Self.period.microseconds / Int64(groups))
    next = max(max(next, now - Self.period) + step, now)
    return (0..<(ring.count + groups - 1) / groups).map { _ in
      defer { place += 1 }
      if place >= ring.count { place = 0 }
      return ring[place]
    }
  }
}
