/// A way of sharing the node among notebooks that the live bench puts on real kernels.
public enum Scheme: String, Codable, CaseIterable, Hashable, Sendable {
  /// Kernels without celltop, everything as it comes.
  case os
  /// The same with `OMP_WAIT_POLICY=passive`: the best that a careful user does.
  case osPassive = "os-passive"
  /// Every kernel bound to an equal share of the node for its whole life.
  case partition
  /// A notebook holds the most that it ever needs from its first cell to its last; the others queue.
  case reservation
  /// celltop's own policy, which knows nothing when the session begins.
  case dynamic
  /// The same after one earlier run of the same notebooks.
  case dynamicLearned = "dynamic+learned"

  /// Whether celltop's engine decides, through gates.
  public var isScheduled: Bool {
    switch self {
    case .os, .osPassive, .partition: false
    case .reservation, .dynamic, .dynamicLearned: true
    }
  }

  /// The engine's policy, where it decides.
  ///
  /// - Parameter dynamic: how `dynamic` is to be set.
  public func policy(dynamic: String) -> String? {
    switch self {
    case .os, .osPassive, .partition: nil
    case .reservation: "reservation"
    case .dynamic, .dynamicLearned: dynamic
    }
  }

  /// What its kernels' environment has beside the user's.
  public var environment: [String: String] { self == .osPassive ? ["OMP_WAIT_POLICY": "passive"] : [:] }

  /// What the scheme is, in a clause.
  public var summary: String {
    switch self {
    case .os: "kernels without celltop, everything as it comes"
    case .osPassive: "the same, and idle OpenMP threads sleep (OMP_WAIT_POLICY=passive)"
    case .partition: "every kernel has an equal share of the node for its whole life"
    case .reservation: "a notebook holds the most it ever needs from first cell to last; others queue"
    case .dynamic: "celltop's dynamic, knowing nothing when the session begins"
    case .dynamicLearned: "celltop's dynamic, having seen each notebook run once before"
    }
  }
}
