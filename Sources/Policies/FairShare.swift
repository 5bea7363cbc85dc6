import Domain
import Engine

/// Fair share between users: whose use of the node, lately, is least goes first.
///
/// **Order**: `(−priority, use of the user, cell)`. A user's use is the sum over the user's cells of the greater of cores ÷
/// all cores and GPUs ÷ all GPUs (the dominant share), times the time held, and counts half after 24 hours (`half-life`).
/// Since everyone's use decays alike, the order changes only when somebody's cell gives something back. **Rule**: cells
/// start in that order with all the cores that they can use; the first that does not fit stops everyone behind it on its
/// node. **Starvation**: none, since whoever waits is used less and less. **Source**: Kay and Lauder, "A fair share
/// scheduler", CACM 31 (1988); the dominant share of Ghodsi et al., "Dominant resource fairness", NSDI 2011.
public struct FairShare: Policy {
  public static let name = "fairshare"
  public static let summary = "the user who had the least of the node lately goes first"
  public static let options = [
    (name: "half-life", summary: "the time after which use counts half, in hours: 24 without it")
  ]

  private struct User {
    var name: String
    /// Use in seconds of the whole node, scaled to the session's beginning: a later second weighs more.
    var use = 0.0
    var notebooks: [NotebookID] = []
  }

  private var lines = Lines()
  private var users: [User] = []
  private var userNumbers: [String: Int] = [:]
  /// The user of each notebook.
  private var userOf: [Int] = []
  /// Since when the present holding of each notebook counts, and at which share.
  private var holdings: [(since: Instant, share: Double)?] = []
  /// In seconds.
  private let halfLife: Double
  /// The period in which a second weighs 1.
  private var firstPeriod = 0

  public init(options: PolicyOptions) throws(Refusal) {
    halfLife = try options.number("half-life", in: 0.01...8760, otherwise: 24) * 3600
  }

  public mutating func prepare(for state: SchedulerState) {
    for number in userOf.count..<max(state.notebooks.count, userOf.count) { learnUser(of: number, in: state) }
    lines.removeAll(nodes: state.nodes.count)
    for id in state.waiting { refresh(id, in: state) }
    for id in state.running where holdings[Int(id.number)] == nil { begin(id, state[id].allotment, in: state) }
  }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    for number in userOf.count..<max(state.notebooks.count, userOf.count) { learnUser(of: number, in: state) }
    if kind.changesCapacity { return prepare(for: state) }
    guard let id else { return }
    if state[id].state != .running { settle(id, in: state) }
    refresh(id, in: state)
  }

  public mutating func decide(_ ledger: inout Ledger) {
    let before = ledger.entries.count
    for node in lines.lines.indices {
      lines.startInOrder(on: NodeID(Int32(node)), in: &ledger, rule: .fairShare)
    }
    for place in before..<max(ledger.entries.count, before) {
      if case .cellStarted(_, let id, let allotment, _) = ledger.entries[place].event {
        begin(id, allotment, in: ledger.state)
      }
      if case .cellResumed(_, let id, let allotment, _) = ledger.entries[place].event {
        begin(id, allotment, in: ledger.state)
      }
    }
    ledger.explainWaits(isWhole: true) { _ in lines.lines.flatMap(\.ordered) }
  }

  private mutating func learnUser(of number: Int, in state: SchedulerState) {
    let name = state.descriptions[number].user
    let user = userNumbers[name] ?? users.count
    if user == users.count {
      userNumbers[name] = user
      users.append(User(name: name))
    }
    users[user].notebooks.append(NotebookID(Int32(number)))
    userOf.append(user)
    holdings.append(nil)
  }

  private mutating func refresh(_ id: NotebookID, in state: SchedulerState) {
    let use = users[userOf[Int(id.number)]].use
    lines.refresh(id, in: state) { state, index in
      Rank(
        tier: -Int64(state.notebooks[index].priority), index: Int64(bitPattern: use.bitPattern),
        cell: state.notebooks[index].cell.id)
    }
  }

  private mutating func begin(_ id: NotebookID, _ allotment: Allotment, in state: SchedulerState) {
    let node = state[allotment.node]
    let cores = Double(allotment.cores.count) / Double(max(node.node.cores.count, 1))
    let gpus = Double(allotment.gpus.count) / Double(max(node.node.gpus.count, 1))
    holdings[Int(id.number)] = (state.now, max(cores, gpus))
  }

  /// Books what a notebook held until now, and puts its user's other waiting cells where they belong.
  private mutating func settle(_ id: NotebookID, in state: SchedulerState) {
    guard let holding = holdings[Int(id.number)] else { return }
    holdings[Int(id.number)] = nil
    let user = userOf[Int(id.number)]
    users[user].use += holding.share * (weight(at: state.now) - weight(at: holding.since))
    users[user].notebooks.removeAll { state[$0].state == .gone }
    for other in users[user].notebooks where other != id && state.isStartable(other) { refresh(other, in: state) }
    if period(at: state.now) - firstPeriod > 500 { rescale(to: period(at: state.now)) }
  }

  /// The half-life's periods since the session's beginning.
  private func period(at instant: Instant) -> Int { Int(instant.seconds / halfLife) }

  /// The integral up to `instant` of a second's weight, which doubles with each half-life and is linear between.
  private func weight(at instant: Instant) -> Double {
    let number = period(at: instant)
    let part = instant.seconds / halfLife - Double(number)
    let scale = Double(sign: .plus, exponent: number - firstPeriod, significand: 1)
    return halfLife * (1.5 * (scale - 1) + scale * (part + part * part / 2))
  }

  /// Counts weights from a later period on, so that they stay small.
  private mutating func rescale(to period: Int) {
    let scale = Double(sign: .plus, exponent: firstPeriod - period, significand: 1)
    for user in users.indices { users[user].use *= scale }
    firstPeriod = period
  }
}
