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
  /// Nothing is granted for so long at the most: a gate tries to connect every half second.
  static let patience = Span(microseconds: 1_500_000)

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
  /// What was drained of each node.
  private(set) var drained: [(node: NodeID, cores: CoreSet, gpus: GPUSet)] = []

  /// What of that is the note of the session that follows.
  var note: String {
    guard session > 0 else { return "" }
    if isCutShort { return "continues session \(session), which was cut short" }
    let takesAnything = awaited?.isEmpty != true || !orders.isEmpty || !drained.isEmpty || policy != firstPolicy
    return takesAnything ? "continues session \(session)" : ""
  }

  /// What a session leaves in its lock file: its number in the history and when it began, because another history has a session of
  /// the same number.
  static func trace(_ number: Int64, began: Int64) -> String { "\(number) \(began)" }

  /// - Parameters:
  ///   - trace: what the session before left in its lock file; a number alone, as earlier versions left it, will do.
  ///   - history: where it was recorded; nil where nothing is.
  ///   - began: wall time of the beginning of the session that follows, in microseconds since 1970.
  init(trace: String, history: String?, beganMicroseconds began: Int64) {
    let words = trace.split(separator: " ").map { Int64($0) }
    guard let number = words.first ?? nil, number > 0, let history, let store = try? HistoryStore(reading: history),
      let recorded = try? store.recorded(number), recorded.summary.kind == "live",
      words.count < 2 || words[1] == recorded.summary.beganMicroseconds
    else { return }
    session = number
    isCutShort = recorded.summary.endedMicroseconds == nil
    guard let state = try? recorded.fold(SchedulerState.self, through: .max) else { return }
    // The first entries say what the session began with; where they are gone, nobody knows.
    for entry in (try? recorded.entries(limit: 8)) ?? [] {
      if case .policyChanged(let name) = entry.event {
        firstPolicy = name
        break
      }
    }
    let authors = (try? recorded.authorsOfOrders()) ?? [:]
    read(state, authors, shift: recorded.summary.beganMicroseconds - began)
  }

  /// - Parameter shift: what is added to an instant of that session to have the same moment in the one that follows.
  private mutating func read(_ state: SchedulerState, _ authors: [NotebookID: [String: String]], shift: Int64) {
    policy = state.policyName
    drained = state.nodes.compactMap { slot in
      slot.drainedCores.isEmpty && slot.drainedGPUs.isEmpty ? nil : (slot.node.id, slot.drainedCores, slot.drainedGPUs)
    }
    var holding: Set<GateName> = []
    for notebook in state.descriptions where state[notebook.id].state != .gone && !notebook.gate.isEmpty {
      let slot = state[notebook.id]
      let name = GateName(gate: notebook.gate, user: notebook.user)
      gates.insert(name)
      if slot.state == .running || slot.state == .suspended { holding.insert(name) }
      let given = Self.orders(of: slot, path: notebook.path, by: authors[notebook.id] ?? [:], shift: shift)
      if !given.isEmpty { orders[name] = given }
    }
    awaited = holding
  }

  /// What is ordered of a notebook; an order of which nobody knows who gave it counts as the server's, and so as an operator's.
  private static func orders(
    of slot: NotebookSlot, path: String, by authors: [String: String], shift: Int64
  ) -> StandingOrders {
    var given = StandingOrders(path: path)
    func order(_ verb: @escaping @Sendable (NotebookID, CellID, Instant) -> Verb) -> StandingOrders.Order {
      let word = verb(NotebookID(0), CellID(0), .zero).word
      return StandingOrders.Order(author: authors[word] ?? GateDesk.ownName, verb: verb)
    }
    if slot.priority != 0 {
      given.orders.append(order { [priority = slot.priority] id, _, _ in .setPriority(id, priority) })
    }
    if slot.isHeld { given.orders.append(order { id, _, _ in .hold(id) }) }
    if let pin = slot.pin { given.orders.append(order { id, _, _ in .pin(id, pin) }) }
    if let demand = slot.demandOverride { given.orders.append(order { id, _, _ in .overrideDemand(id, demand) }) }
    guard slot.hasCell else { return given }
    given.key = slot.cell.source.key
    if slot.state == .suspended, slot.isOperatorSuspended {
      given.isSuspended = true
      given.ofCell.append(order { id, cell, _ in .suspend(id, cell: cell) })
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
