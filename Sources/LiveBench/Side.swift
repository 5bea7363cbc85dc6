/// A run of the bench that is no arm.
public enum Side: Hashable, Sendable {
  /// Each document by itself on an otherwise idle node, the how manieth time, from 1.
  case alone(Int)
  /// The same behind gates, for forecasts to learn from.
  case learning
  /// Each document once a core, bound to it.
  case single
  /// All documents at once behind gates, each cell on one core, first come, first served, the how manieth time, from 1.
  case oneCore(Int)
  /// Several documents at once that nobody schedules, a few or all, the how manieth of its kind, from 1.
  case crowd(isLight: Bool, isPassive: Bool, number: Int)

  /// The name of its files, and in the record.
  public var name: String {
    switch self {
    case .alone(let number): "alone-\(number)"
    case .learning: "learning"
    case .single: "single"
    case .oneCore(let number): "one-core-\(number)"
    case .crowd(let isLight, let isPassive, let number):
      "\(isLight ? "light" : "crowded")\(isPassive ? "-passive" : "")-\(number)"
    }
  }
}
