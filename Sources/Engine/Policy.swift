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

  /// The options that it knows, each with a sentence for people.
  static var options: [(name: String, summary: String)] { get }

  /// Sets the policy up. `prepare` follows before anything else.
  ///
  /// - Throws: `Refusal` (`outOfRange`) that names an option which it does not know or cannot take.
  init(options: PolicyOptions) throws(Refusal)

  /// Builds the policy's own indexes from a session that may be under way.
  mutating func prepare(for state: SchedulerState)

  /// Told of each event that an input brought, when all of them have been applied; its own acts are not told.
  ///
  /// - Parameter id: the notebook that it is about, one of the state's; nil where it is about something else.
  mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState)

  /// Whether it looks at what a notebook's next cell is likely to be, so that whoever foresees need not where it does not.
  var foreseesNextCells: Bool { get }

  /// Whether cells run on fewer GPUs than they ask for, taking turns on them.
  var sharesGPUs: Bool { get }

  /// Called once after each input, when its events have been applied.
  mutating func decide(_ ledger: inout Ledger)
}

extension Policy {
  public static var options: [(name: String, summary: String)] { [] }
  public var foreseesNextCells: Bool { false }
  public var sharesGPUs: Bool { false }
}

/// What stands behind a policy's name: `dynamic:ageing=0,no-preemption` gives `ageing` the value `0` and sets
/// `no-preemption`.
public struct PolicyOptions: Sendable, Hashable {
  /// In the order of writing; a switch has an empty value.
  public var items: [Item]

  public struct Item: Sendable, Hashable {
    public var name: String
    public var value: String
  }

  public init(_ items: [Item] = []) { self.items = items }

  init(parsing text: Substring) {
    items = text.split(separator: ",").map { part in
      let ends = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return Item(name: String(ends[0]), value: ends.count > 1 ? String(ends[1]) : "")
    }
  }

  /// - Throws: `Refusal` naming the first option that `known` does not have.
  public func check(against known: [(name: String, summary: String)], of policy: String) throws(Refusal) {
    for item in items where !known.contains(where: { $0.name == item.name }) {
      let there = known.isEmpty ? "it has none" : "it has \(known.map(\.name).joined(separator: ", "))"
      throw Refusal(.outOfRange, "\(policy) has no option '\(item.name.printable(at: 40))'; \(there)")
    }
  }
}

/// The policies that a session can choose from, by name.
public struct PolicyCatalogue: Sendable {
  /// A policy's name with what people and programs want to know of it.
  public struct Listing: Sendable {
    public var name: String
    public var summary: String
    public var options: [(name: String, summary: String)]
    let make: @Sendable (PolicyOptions) -> Result<any Policy, Refusal>
  }

  /// In the order in which they were added.
  public private(set) var listings: [Listing] = []

  public init() {}

  /// Adds a policy; a later one of the same name replaces the earlier.
  public mutating func add<P: Policy>(_: P.Type) {
    listings.removeAll { $0.name == P.name }
    listings.append(
      Listing(
        name: P.name, summary: P.summary, options: P.options,
        make: { options in
          do throws(Refusal) {
            try options.check(against: P.options, of: P.name)
            return .success(try P(options: options))
          } catch { return .failure(error) }
        }))
  }

  /// In the order in which they were added.
  public var names: [String] { listings.map(\.name) }

  /// A policy of that name, set up anew; options may follow a colon: `dynamic:no-preemption,ageing=24`.
  ///
  /// - Throws: `Refusal` (`unknownPolicy`, `outOfRange`) that lists the names or the options there are.
  public func make(_ name: String) throws(Refusal) -> any Policy {
    let ends = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let listing = listings.first(where: { $0.name == ends[0] }) else {
      throw Refusal(
        .unknownPolicy,
        "there is no policy '\(String(ends[0]).printable(at: 40))'; there are \(names.joined(separator: ", "))")
    }
    return try listing.make(PolicyOptions(parsing: ends.count > 1 ? ends[1] : "")).get()
  }
}
