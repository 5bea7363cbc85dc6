import Domain

/// Decides which cells run on what.
///
/// A policy is pure and total: what it decides depends on the ledger and on what it was told of earlier events, never on
/// a clock, on chance or on the order of a hash table. It reads `ledger.state` and decides by calling the ledger's acts;
/// the ledger checks each act, applies it at once, and records a wrong one as a refusal.
public protocol Policy: Sendable {
  /// The name by which it is chosen.
  static var name: String { get }
  /// One sentence for people.
  static var summary: String { get }

  /// Sets the policy up for a session that may be under way.
  init()

  /// Called once after each input, when its events have been applied.
  mutating func decide(_ ledger: inout Ledger)
}

/// The policies that a session can choose from, by name.
public struct PolicyCatalogue: Sendable {
  private var makers: [(name: String, summary: String, make: @Sendable () -> any Policy)] = []

  public init() {}

  /// Adds a policy; a later one of the same name replaces the earlier.
  public mutating func add<P: Policy>(_: P.Type) {
    makers.removeAll { $0.name == P.name }
    makers.append((P.name, P.summary, { P() }))
  }

  /// In the order in which they were added.
  public var names: [String] { makers.map(\.name) }

  /// A policy of that name, set up anew.
  ///
  /// - Throws: `Refusal` (`unknownPolicy`) that lists the names there are.
  public func make(_ name: String) throws(Refusal) -> any Policy {
    guard let maker = makers.first(where: { $0.name == name }) else {
      throw Refusal(
        .unknownPolicy,
        "there is no policy '\(name.printable(at: 40))'; there are \(names.joined(separator: ", "))")
    }
    return maker.make()
  }
}
