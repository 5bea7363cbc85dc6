import Domain
import Projections

extension Verb {
  /// The order that takes this one back, from how things stand before it is given; nil where nothing can, or where it
  /// would change nothing.
  public func undoing(on board: Board) -> Verb? {
    let facts = notebook.flatMap { board[$0] }
    switch self {
    case .suspend(let id, let cell): return .resume(id, cell: cell)
    case .resume(let id, let cell): return .suspend(id, cell: cell)
    case .suspendAfter(let id, let cell, _), .suspendAtEnd(let id, let cell): return .callOff(id, cell: cell)
    case .callOff(let id, let cell):
      guard let planned = facts?.planned else { return nil }
      guard let due = planned.due else { return .suspendAtEnd(id, cell: cell) }
      return .suspendAfter(id, cell: cell, max(due - board.now, Self.graces.lowerBound))
    case .interrupt: return nil
    case .setPriority(let id, _): return facts.map { .setPriority(id, $0.priority) }
    case .pin(let id, _): return facts?.pin.map { .pin(id, $0) } ?? .unpin(id)
    case .unpin(let id): return facts?.pin.map { .pin(id, $0) }
    case .hold(let id): return facts?.isHeld == true ? nil : .release(id)
    case .release(let id): return facts?.isHeld == true ? .hold(id) : nil
    case .drain(let node, let cores, let gpus):
      // Only what the order changes is given back.
      guard let now = board.nodes.first(where: { $0.node.id == node }) else { return nil }
      let (cores, gpus) = (cores.subtracting(now.drainedCores), gpus.subtracting(now.drainedGPUs))
      return cores.isEmpty && gpus.isEmpty ? nil : .undrain(node, cores, gpus)
    case .undrain(let node, let cores, let gpus):
      guard let now = board.nodes.first(where: { $0.node.id == node }) else { return nil }
      let (cores, gpus) = (cores.intersection(now.drainedCores), gpus.intersection(now.drainedGPUs))
      return cores.isEmpty && gpus.isEmpty ? nil : .drain(node, cores, gpus)
    case .setPolicy: return .setPolicy(board.policy)
    case .overrideDemand(let id, _): return .overrideDemand(id, facts?.demandOverride)
    }
  }

  /// What has been done, once it is accepted: "churn[4] suspended".
  public func done(on board: Board) -> String {
    let who = notebook.map(board.name(of:)) ?? ""
    let whose = cell.map { "\(who)[\($0.number)]" } ?? who
    switch self {
    case .suspend: return "\(whose) suspended"
    case .resume: return "\(whose) may go on"
    case .interrupt: return "\(whose) interrupted"
    case .suspendAfter(_, _, let grace): return "\(whose) to be suspended in \(grace.words)"
    case .suspendAtEnd(_, let cell): return "\(who) to be held when cell \(cell.number) ends"
    case .callOff: return "\(whose): the planned suspension is called off"
    case .setPriority(let id, let value): return "\(who): priority \(board[id]?.priority ?? 0) → \(value)"
    case .pin(_, let pin): return "\(who) pinned to \(pin.sentence)"
    case .unpin: return "\(who) unpinned"
    case .hold: return "\(who) held"
    case .release: return "\(who) released"
    case .drain(_, let cores, let gpus): return "\(Board.words(for: cores, gpus)) drained"
    case .undrain(_, let cores, let gpus): return "\(Board.words(for: cores, gpus)) undrained"
    case .setPolicy(let name): return "policy \(name)"
    case .overrideDemand(_, let demand):
      return "\(who): " + (demand.map { "its cells ask for \($0.wholeSentence)" } ?? "its cells ask for what they want")
    }
  }

  /// The order as a line of the grammar, to be typed again: "suspend after 20s on churn".
  public func line(on board: Board) -> Line {
    let whom: Line.Whom = notebook.map { .these([board.word(naming: $0)]) } ?? .shown
    let act: Act =
      switch self {
      case .suspend: .suspend
      case .resume: .resume
      case .interrupt: .interrupt
      case .suspendAfter(_, _, let grace): .suspendAfter(grace)
      case .suspendAtEnd: .suspendAtEnd
      case .callOff: .callOff
      case .setPriority(_, let value): .priority(value)
      case .pin(_, let pin): .pin(pin.cores, pin.gpus, alone: pin.reserves)
      case .unpin: .unpin
      case .hold: .hold
      case .release: .release
      case .drain(_, let cores, let gpus): .drain(cores, gpus)
      case .undrain(_, let cores, let gpus): .undrain(cores, gpus)
      case .setPolicy(let name): .policy(name)
      case .overrideDemand(_, let demand): .demand(demand.map(DemandComment.init(stating:)))
      }
    return Line(act, on: whom)
  }
}

extension DemandComment {
  /// All of a demand.
  init(stating demand: Demand) {
    self.init()
    (coresLeast, coresMost) = (demand.coresLeast, demand.coresMost)
    gpus = demand.gpus
    if demand.memory > .zero { memory = demand.memory }
    if demand.gpuMemory > .zero { gpuMemory = demand.gpuMemory }
  }
}
