import Domain

/// How long a cell of one node may stand still before it goes first: a bound that suits the load by itself.
///
/// It is `ageing` at least. While the aged cells that run or could run want more than `share` of the node's GPUs or cores,
/// it rises by `rise × excess` seconds a second; while they want less, it falls by `lack` seconds a second, back to
/// `ageing`. With an excess of a tenth it rises as fast as time passes, so that nobody else ages until some of the aged
/// are done. Without this, a node with more to do than it can makes everyone wait until the bound, everyone ages, and the
/// aged among themselves are served first come, first served.
struct Bound: Sendable {
  /// How much faster it rises than it falls.
  static let rise = 10.0

  /// In microseconds, as of `since`.
  private(set) var now: Double
  private let least: Double
  private var rate = 0.0
  private var since: Instant
  /// What the aged cells want, and what there is.
  private var wanted = (cores: 0, gpus: 0)
  private let capacity: (cores: Double, gpus: Double)

  init(of node: Node, at instant: Instant, _ policy: Dynamic) {
    least = Double(policy.ageing?.microseconds ?? 0)
    now = least
    since = instant
    capacity = (Double(max(node.cores.count, 1)), Double(max(node.gpus.count, 1)))
  }

  mutating func count(_ need: Need, sign: Int) {
    wanted.cores += sign * Int(need.cores)
    wanted.gpus += sign * Int(need.gpus)
  }

  /// Brings the bound up to `instant`.
  mutating func settle(at instant: Instant) {
    now = max(least, now + rate * Double((instant - since).microseconds))
    since = instant
  }

  /// Sets how it goes on from here; nil where it stays.
  mutating func follow(_ share: Double?) {
    guard let share else { return }
    let excess = max(Double(wanted.cores) / capacity.cores, Double(wanted.gpus) / capacity.gpus) - share
    rate = excess > 0 ? excess * Self.rise : now > least ? excess : 0
  }

  /// Whether a cell that would have stood still since `from` has done so for as long as anyone may.
  func isReached(from: Instant, at instant: Instant) -> Bool { Double((instant - from).microseconds) >= now }

  /// When that will be if nothing else happens; nil where the bound runs away from it.
  func reached(from: Instant, after instant: Instant) -> Instant? {
    guard rate < 1 else { return nil }
    let left = (now - Double((instant - from).microseconds)) / (1 - rate)
    guard left < 9e17 else { return nil }
    return instant + Span(microseconds: max(Int64(left.rounded(.up)), 1))
  }
}
