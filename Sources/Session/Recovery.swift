import Domain
import Engine
import Foundation
import History

/// A gate's name for itself, which only its user may bear.
struct GateName: Hashable, Sendable {
  var gate: String
  var user: String
}

/// What is known of the session before this one at the same socket, which was cut short: its gates are on their way back,
/// and what runs behind them still holds cores.
struct Recovery: Sendable {
  /// Nothing is granted for so long at the most: a gate tries to connect every half second.
  static let patience = Span(microseconds: 1_500_000)

  /// What was ordered of a notebook and still holds.
  struct StandingOrders: Sendable {
    var verbs: [@Sendable (NotebookID) -> Verb]
  }

  /// The session's number in the history; 0 where that is not known.
  var session: Int64 = 0
  /// Gates of which a cell held cores or GPUs; nil where that is not known.
  var awaited: Set<GateName>?
  var orders: [GateName: StandingOrders] = [:]
  /// The policy that decided last; nil where that is not known.
  var policy: String?
  /// What was drained of each node.
  var drained: [(node: NodeID, cores: CoreSet, gpus: GPUSet)] = []

  /// What of that is the note of the session that follows.
  var note: String { session > 0 ? "continues session \(session), which was cut short" : "" }

  /// - Parameters:
  ///   - trace: what the session before left in its lock file: its number in the history.
  ///   - history: where it was recorded; nil where nothing is.
  init(trace: String, history: String?) {
    guard let number = Int64(trace), number > 0, let history, let store = try? HistoryStore(reading: history),
      let summary = try? store.session(number), summary.endedMicroseconds == nil
    else { return }
    session = number
    guard let state = try? store.recorded(number).fold(SchedulerState.self, through: .max) else { return }
    read(state)
  }

  private mutating func read(_ state: SchedulerState) {
    policy = state.policyName
    drained = state.nodes.compactMap { slot in
      slot.drainedCores.isEmpty && slot.drainedGPUs.isEmpty ? nil : (slot.node.id, slot.drainedCores, slot.drainedGPUs)
    }
    var holding: Set<GateName> = []
    for notebook in state.descriptions where state[notebook.id].state != .gone && !notebook.gate.isEmpty {
      let slot = state[notebook.id]
      let name = GateName(gate: notebook.gate, user: notebook.user)
      if slot.state == .running || slot.state == .suspended { holding.insert(name) }
      var verbs: [@Sendable (NotebookID) -> Verb] = []
      if slot.priority != 0 { verbs.append { [priority = slot.priority] in .setPriority($0, priority) } }
      if slot.isHeld { verbs.append { .hold($0) } }
      if let pin = slot.pin { verbs.append { .pin($0, pin) } }
      if let demand = slot.demandOverride { verbs.append { .overrideDemand($0, demand) } }
      if !verbs.isEmpty { orders[name] = StandingOrders(verbs: verbs) }
    }
    awaited = holding
  }
}
