import Domain
import Engine

extension PolicyOptions {
  /// Whether a switch is set.
  func has(_ name: String) -> Bool { items.contains { $0.name == name } }

  /// An option's number, or `otherwise` where it was not given.
  ///
  /// - Throws: `Refusal` (`outOfRange`) that says what it may be.
  func number(_ name: String, in range: ClosedRange<Double>, otherwise: Double) throws(Refusal) -> Double {
    guard let item = items.last(where: { $0.name == name }) else { return otherwise }
    guard let value = Double(item.value), range.contains(value) else {
      throw Refusal(
        .outOfRange,
        "the option \(name) is '\(item.value.printable(at: 20))'; it is a number from \(range.lowerBound) to \(range.upperBound)"
      )
    }
    return value
  }
}
