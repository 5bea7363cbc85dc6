import Domain

extension Board {
  /// One line about an entry for people: "churn started on cores 0-1: it was first in line".
  public func sentence(_ entry: Entry) -> String {
    let who = entry.event.notebook.map(name(of:)) ?? ""
    switch entry.event {
    case .policyChanged(let name): return "policy is \(name)"
    case .nodeAdded(let node): return "\(node.name) joined: \(node.cores.count) cores, \(node.gpus.count) GPUs"
    case .drainChanged(_, let cores, let gpus):
      return cores.isEmpty && gpus.isEmpty ? "nothing is drained" : "drained: cores \(cores) GPUs \(gpus)"
    case .notebookOpened(let notebook): return "\(notebook.user) opened \(who)"
    case .kernelReady: return "\(who): kernel is ready"
    case .kernelDied: return "\(who): kernel ended"
    case .notebookClosed: return "\(who) closed"
    case .backlogChanged(_, let count): return "\(who) has \(count) more cells waiting behind"
    case .cellQueued(let cell): return "\(who)[\(cell.id.number)] queued: \(cell.demand.sentence)"
    case .cellRefused(let cell, let refusal): return "\(who)[\(cell.id.number)] refused: \(refusal.text)"
    case .cellWaits(let cell, _, let wait): return "\(who)[\(cell.number)] waits: \(wait.clause(naming: name))"
    case .cellStarted(let cell, _, let allotment, let reason):
      return "\(who)[\(cell.number)] started on \(allotment.sentence): \(reason.clause(naming: name))"
    case .cellAdopted(let cell, _, let allotment): return "\(who)[\(cell.id.number)] found running on \(allotment.sentence)"
    case .cellResized(let cell, _, let allotment, let reason):
      return "\(who)[\(cell.number)] moved to \(allotment.sentence): \(reason.clause(naming: name))"
    case .cellSuspended(let cell, _, let reason):
      return "\(who)[\(cell.number)] suspended: \(reason.clause(naming: name))"
    case .cellResumed(let cell, _, let allotment, let reason):
      return "\(who)[\(cell.number)] resumed on \(allotment.sentence): \(reason.clause(naming: name))"
    case .interruptRequested(let cell, _): return "\(who)[\(cell.number)] is being interrupted"
    case .cellEnded(let cell, _, let outcome): return "\(who)[\(cell.number)] ended: \(outcome.word)"
    case .priorityChanged(_, let priority): return "\(who): priority \(priority)"
    case .pinned(_, let pin): return "\(who) pinned to \(pin.sentence)"
    case .unpinned: return "\(who) unpinned"
    case .held: return "\(who) held"
    case .released: return "\(who) released"
    case .resumeOrdered: return "\(who) may go on"
    case .demandOverridden(_, let demand):
      return "\(who): " + (demand.map { "demand is \($0.sentence)" } ?? "demand is its own again")
    case .commandAccepted(let command): return "\(command.author): \(command.verb.word) \(who)"
    case .commandRefused(let command, let refusal):
      return "\(command.author): \(command.verb.word) \(who) refused: \(refusal.text)"
    case .decisionRefused(let refusal): return "fault: the policy decided wrongly: \(refusal.text)"
    case .effectFailed(_, _, let why): return "\(who): could not be enforced: \(why)"
    case .usageSampled(_, let usage): return "\(who) uses \(usage.millicores / 1000) cores"
    case .invariantBroken(let text): return "fault: \(text)"
    }
  }
}

extension Demand {
  /// "1-4 cores, 2 GPUs".
  public var sentence: String {
    let cores = coresLeast == coresMost ? "\(coresLeast)" : "\(coresLeast)-\(coresMost)"
    let text = "\(cores) core\(coresMost == 1 ? "" : "s")"
    return gpus == 0 ? text : text + ", \(gpus) GPU\(gpus == 1 ? "" : "s")"
  }
}

extension Allotment {
  /// "cores 0-3, GPUs 1".
  public var sentence: String {
    let text = "core\(cores.count == 1 ? "" : "s") \(cores)" + (shared ? " (shared)" : "")
    return gpus.isEmpty ? text : text + ", GPU\(gpus.count == 1 ? "" : "s") \(gpus)"
  }
}

extension Pin {
  var sentence: String { Allotment(node: node, cores: cores, gpus: gpus).sentence + (reserves ? ", reserved" : "") }
}
