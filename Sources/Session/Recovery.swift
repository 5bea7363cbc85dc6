import Domain
import Engine
import Foundation
import History

/// A gate's name for itself, which only its user may bear.
struct GateName: Hashable, Sendable {
  var gate: String
  var user: String
}

/// What is known of the session before this one at the same socket, whether it ended as it should or was cut short: its
/// gates are on their way back, what runs behind them still holds cores, and what was ordered still holds.
struct Recovery: Sendable {
  /// Nothing is granted for so long at the most: a gate tries to connect every half second, and on a node that is overloaded
  /// thirty of them were seen to need 2.7 s.
  static let patience = Span(microseconds: 3_000_000)
  /// How many sessions before the last are looked at for gates that have not come back since.
  static let earlierMost = 4
  /// How many of its last orders are looked at for who drained the node and chose the policy.
  static let ordersMost = 512

  /// What was ordered of a notebook and still holds.
  struct StandingOrders: Sendable {
    /// An order, and who gave it; made for the notebook, its cell and the instant at which it is given again.
    struct Order: Sendable {
      var author: String
      var verb: @Sendable (NotebookID, CellID, Instant) -> Verb
    }

    /// The document of the notebook.
    var path: String
    var orders: [Order] = []
    /// The same for the cell in hand alone, which its gate calls `key`.
    var ofCell: [Order] = []
    var key: UInt64 = 0
    /// An operator or the author suspended that cell.
    var isSuspended = false

    var isEmpty: Bool { orders.isEmpty && ofCell.isEmpty }
  }

  /// The session's number in the history; 0 where that is not known.
  private(set) var session: Int64 = 0
  /// It has no end in the history.
  private(set) var isCutShort = true
  /// Gates of which a cell held cores or GPUs; nil where that is not known.
  var awaited: Set<GateName>?
  private(set) var orders: [GateName: StandingOrders] = [:]
  /// The gates of notebooks that were open.
  private(set) var gates: Set<GateName> = []
  /// The policy that decided last, and the one that the session had begun with; nil where that is not known.
  private(set) var policy: String?
  private(set) var firstPolicy: String?
  /// Who gave the order for the policy in force.
  private(set) var policyAuthor = GateDesk.ownName
  /// What was drained of each node, and by whom.
  private(set) var drained: [(author: String, node: NodeID, cores: CoreSet, gpus: GPUSet)] = []
  /// The sessions of which something is still to be taken up, as `trace` has them, the last one first.
  private(set) var pending: [String] = []
  /// The gates that a later session has seen, and their documents: what earlier ones say of them is over.
  private var seen: [GateName: String] = [:]

  /// What of that is the note of the session that follows.
  var note: String {
    guard session > 0 else { return "" }
    if isCutShort { return "continues session \(session), which was cut short" }
    let takesAnything = awaited?.isEmpty != true || !orders.isEmpty || !drained.isEmpty || policy != firstPolicy
    return takesAnything ? "continues session \(session)" : ""
  }

  /// What a session leaves in its lock file: its number in the history and when it began, because another history has a session of
  /// the same number; behind it the same of sessions before, whose gates had not all come back when it began.
  static func trace(_ number: Int64, began: Int64, after earlier: [String] = []) -> String {
    (["\(number) \(began)"] + earlier.prefix(earlierMost)).joined(separator: " ")
  }

  /// - Parameters:
  ///   - trace: what the session before left in its lock file; a number alone, as earlier versions left it, will do.
  ///   - history: where it was recorded; nil where nothing is.
  ///   - began: wall time of the beginning of the session that follows, in microseconds since 1970.
  init(trace: String, history: String?, beganMicroseconds began: Int64) {
    guard let history, let store = try? HistoryStore(reading: history) else { return }
    let words = trace.split(separator: " ").map { Int64($0) }
    for place in stride(from: 0, to: words.count, by: 2) {
      let mark = words[place..<min(place + 2, words.count)]
      guard let recorded = Self.session(mark, in: store) else {
        // Where nothing is known of the last one, the others are of no use.
        if place == 0 { return }
        continue
      }
      if place == 0 {
        session = recorded.summary.id
        isCutShort = recorded.summary.endedMicroseconds == nil
      }
      guard let state = try? recorded.fold(SchedulerState.self, through: .max) else {
        if place == 0 { return }
        continue
      }
      if place == 0 { readNode(state, recorded) }
      let authors = (try? recorded.authorsOfOrders()) ?? [:]
      if readNotebooks(state, authors, shift: recorded.summary.beganMicroseconds - began) {
        pending.append("\(recorded.summary.id) \(recorded.summary.beganMicroseconds)")
      }
    }
  }

  /// The session of a mark, a number and where it is known when it began; nil where the history has none.
  private static func session(_ mark: ArraySlice<Int64?>, in store: HistoryStore) -> RecordedSession? {
    guard let number = mark.first ?? nil, number > 0, let recorded = try? store.recorded(number),
      recorded.summary.kind == "live", mark.count < 2 || mark.last == recorded.summary.beganMicroseconds
    else { return nil }
    return recorded
  }

  private mutating func readNode(_ state: SchedulerState, _ recorded: RecordedSession) {
    policy = state.policyName
    // The first entries say what the session began with; where they are gone, nobody knows.
    for entry in (try? recorded.entries(limit: 8)) ?? [] {
      if case .policyChanged(let name) = entry.event {
        firstPolicy = name
        break
      }
    }
    let orders = ((try? recorded.orders(last: Self.ordersMost)) ?? []).filter { $0.refusal == nil }.map(\.command)
    for order in orders where order.verb == .setPolicy(state.policyName) { policyAuthor = order.author }
    drained = []
    for slot in state.nodes where !(slot.drainedCores.isEmpty && slot.drainedGPUs.isEmpty) {
      drained += Self.drains(of: slot, orders)
    }
  }

  /// What is drained of a node, by who drained it last; what nobody is known to have drained counts as the server's.
  private static func drains(
    of slot: NodeSlot, _ orders: [Command]
  ) -> [(author: String, node: NodeID, cores: CoreSet, gpus: GPUSet)] {
    var (ofCores, ofGPUs): ([Int: String], [Int: String]) = ([:], [:])
    for order in orders {
      guard case .drain(slot.node.id, let cores, let gpus) = order.verb else { continue }
      for core in cores { ofCores[core] = order.author }
      for gpu in gpus { ofGPUs[gpu] = order.author }
    }
    var given: [String: (cores: [Int], gpus: [Int])] = [:]
    for core in slot.drainedCores { given[ofCores[core] ?? GateDesk.ownName, default: ([], [])].cores.append(core) }
    for gpu in slot.drainedGPUs { given[ofGPUs[gpu] ?? GateDesk.ownName, default: ([], [])].gpus.append(gpu) }
    return given.sorted { $0.key < $1.key }.map { author, places in
      (author, slot.node.id, CoreSet(places.cores), GPUSet(places.gpus))
    }
  }

  /// Takes what a session says of the notebooks that no later one has seen.
  ///
  /// - Parameter shift: what is added to an instant of that session to have the same moment in the one that follows.
  /// - Returns: whether there was anything.
  private mutating func readNotebooks(
    _ state: SchedulerState, _ authors: [NotebookID: [String: OrderAuthor]], shift: Int64
  ) -> Bool {
    var names: [GateName: String] = [:]
    for notebook in state.descriptions where !notebook.gate.isEmpty {
      names[GateName(gate: notebook.gate, user: notebook.user)] = notebook.documentKey
    }
    // A gate that was new when it came took over what was ordered of its document.
    let takenOver = Set(seen.filter { names[$0.key] == nil }.values)
    var holding = awaited ?? []
    var hasAny = false
    // Of a kernel that was started anew, the orders of the one before hold, and bear the names of those who gave them.
    var known: [String: [String: OrderAuthor]] = [:]
    for notebook in state.descriptions {
      let document = notebook.documentKey
      known[document, default: [:]].merge(authors[notebook.id] ?? [:]) { $0.sequence > $1.sequence ? $0 : $1 }
      guard !notebook.gate.isEmpty else { continue }
      let name = GateName(gate: notebook.gate, user: notebook.user)
      let slot = state[notebook.id]
      guard slot.state != .gone, seen[name] == nil, !takenOver.contains(document) else { continue }
      gates.insert(name)
      if slot.state == .running || slot.state == .suspended {
        holding.insert(name)
        hasAny = true
      }
      let given = Self.orders(of: slot, of: notebook, by: known[document] ?? [:], shift: shift)
      guard !given.isEmpty else { continue }
      orders[name] = given
      hasAny = true
    }
    awaited = holding
    seen.merge(names) { later, _ in later }
    return hasAny
  }

  /// What is ordered of a notebook; an order of which nobody knows who gave it counts as the server's, and so as an operator's.
  private static func orders(
    of slot: NotebookSlot, of notebook: Notebook, by authors: [String: OrderAuthor], shift: Int64
  ) -> StandingOrders {
    var given = StandingOrders(path: notebook.path)
    /// - Parameter plan: the word of the order that becomes this one by itself, once its time has come.
    func order(
      plannedAs plan: String? = nil, _ verb: @escaping @Sendable (NotebookID, CellID, Instant) -> Verb
    ) -> StandingOrders.Order {
      let own = authors[verb(NotebookID(0), CellID(0), .zero).word]
      var planned = slot.planned == nil ? plan.flatMap { authors[$0] } : nil
      if let off = authors["call-off"], let made = planned, off.sequence > made.sequence { planned = nil }
      // What its author ordered besides takes nothing of an operator's plan away, unless operators have taken that back since.
      if let made = planned, made.name != notebook.user {
        let back = [authors["release"], authors["resume"]].compactMap(\.self)
        if !back.contains(where: { $0.name != notebook.user && $0.sequence > made.sequence }) {
          return StandingOrders.Order(author: made.name, verb: verb)
        }
      }
      let last = [own, planned].compactMap(\.self).max { $0.sequence < $1.sequence }
      return StandingOrders.Order(author: last?.name ?? GateDesk.ownName, verb: verb)
    }
    if slot.priority != 0 {
      given.orders.append(order { [priority = slot.priority] id, _, _ in .setPriority(id, priority) })
    }
    if slot.isHeld { given.orders.append(order(plannedAs: "suspend-at-end") { id, _, _ in .hold(id) }) }
    if let pin = slot.pin { given.orders.append(order { id, _, _ in .pin(id, pin) }) }
    if let demand = slot.demandOverride { given.orders.append(order { id, _, _ in .overrideDemand(id, demand) }) }
    guard slot.hasCell else { return given }
    given.key = slot.cell.source.key
    if slot.state == .suspended, slot.isOperatorSuspended {
      given.isSuspended = true
      given.ofCell.append(order(plannedAs: "suspend-after") { id, cell, _ in .suspend(id, cell: cell) })
    }
    guard let planned = slot.planned else { return given }
    if let due = planned.due {
      let due = Instant(microseconds: due.microseconds + shift)
      given.ofCell.append(
        order { .suspendAfter($0, cell: $1, min(max(due - $2, Verb.graces.lowerBound), Verb.graces.upperBound)) })
    } else {
      given.ofCell.append(order { id, cell, _ in .suspendAtEnd(id, cell: cell) })
    }
    return given
  }
}
