import Domain
import Projections

// What would let a waiting cell start now.
extension Board {
  /// The fewest orders that would let a waiting cell start now, or sooner, those first that cost least; empty where none are
  /// known.
  ///
  /// - Parameter order: the board's waiting cells.
  public func remedy(for id: NotebookID, at now: Instant, in order: WaitingOrder) -> [Verb] {
    guard let facts = self[id], let wait = facts.cell?.wait else { return [] }
    switch wait.cause {
    case .held: return [.release(id)]
    case .operatorSuspended: return facts.cell.map { [.resume(id, cell: $0.cell.id)] } ?? []
    case .cores, .gpus, .memory, .gpuMemory:
      // What is freed goes to the first in line.
      let victims = victims(of: wait, at: now)
      guard !victims.isEmpty, let raise = ahead(of: id, facts, in: order) else { return [] }
      return raise + victims
    case .pin, .seenGPUs:
      let victims = victims(of: wait, at: now)
      return !victims.isEmpty ? victims : facts.pin == nil ? [] : [.unpin(id)]
    case .turn: return ahead(of: id, facts, in: order) ?? []
    case .anticipation: return facts.priority < 100 ? [.setPriority(id, facts.priority + 1)] : []
    case .drain:
      guard let node = nodes.first(where: { $0.node.id == facts.notebook.node }) else { return [] }
      return [.undrain(node.node.id, node.drainedCores, node.drainedGPUs)]
    }
  }

  /// The order that takes a notebook before all that stand before it in the line; empty where it is the first, and nil where no
  /// priority is high enough.
  private func ahead(of id: NotebookID, _ facts: NotebookFacts, in order: WaitingOrder) -> [Verb]? {
    let place = order.cells.firstIndex { $0.notebook == id } ?? 0
    let before = order.cells.prefix(place).compactMap { self[$0.notebook] }.filter { !$0.isStoppedByHold }
    guard let most = before.map(\.priority).max(), most >= facts.priority else {
      // Those before it have a lower priority, and go first by their policy's rule: one step more changes nothing for sure.
      return before.isEmpty ? [] : facts.priority < 100 ? [.setPriority(id, facts.priority + 1)] : nil
    }
    return most < 100 ? [.setPriority(id, most + 1)] : nil
  }

  /// Whom to suspend for what a cell lacks: of those who hold enough the one that has run least, for least is at stake; else as
  /// many as it takes, those first that have run least. Empty where all of them would not do.
  private func victims(of wait: Wait, at now: Instant) -> [Verb] {
    let running = wait.holders.compactMap { self[$0] }.filter { $0.state == .running }.sorted {
      ($0.cell?.ran(at: now) ?? .zero) < ($1.cell?.ran(at: now) ?? .zero)
    }
    func gives(_ facts: NotebookFacts) -> Int {
      guard let allotment = facts.cell?.allotment else { return 0 }
      return switch wait.cause {
      case .cores: allotment.cores.count
      case .gpus: allotment.gpus.count
      // Whoever has it in the way has all of it in the way.
      case .memory, .gpuMemory, .pin, .seenGPUs, .turn, .held, .operatorSuspended, .drain, .anticipation: Int.max
      }
    }
    let lacking = Int(max(wait.lacking, 1))
    var chosen = running.first { gives($0) >= lacking }.map { [$0] } ?? []
    if chosen.isEmpty {
      var freed = 0
      for facts in running where freed < lacking {
        chosen.append(facts)
        freed += gives(facts)
      }
      guard freed >= lacking else { return [] }
    }
    return chosen.compactMap { facts in facts.cell.map { .suspend(facts.notebook.id, cell: $0.cell.id) } }
  }
}
