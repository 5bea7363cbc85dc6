import Domain

extension Board {
  /// One line about an entry for people: "churn started on cores 0-1: it was first in line".
  public func sentence(_ entry: Entry) -> String {
    let who = entry.event.notebook.map(name(of:)) ?? ""
    switch entry.event {
    case .policyChanged(let name): return "policy is \(name)"
    case .nodeAdded(let node):
      return "\(node.name) joined: \(counted(node.cores.count, "core")), \(counted(node.gpus.count, "GPU"))"
    case .drainChanged(_, let cores, let gpus):
      return cores.isEmpty && gpus.isEmpty ? "nothing is drained" : "drained: \(places(cores, gpus))"
    case .notebookOpened(let notebook): return "\(notebook.user) opened \(who)"
    case .kernelReady: return "\(who): kernel is ready"
    case .kernelDied: return "\(who): kernel ended"
    case .notebookClosed: return "\(who) closed"
    case .backlogChanged(_, let count): return "\(who) has \(counted(Int(count), "more cell")) waiting behind"
    case .cellQueued(let cell): return "\(who)[\(cell.id.number)] queued: \(cell.demand.sentence)"
    case .cellRefused(let cell, let refusal): return "\(who)[\(cell.id.number)] refused: \(refusal.text)"
    case .cellWaits(let cell, _, let wait): return "\(who)[\(cell.number)] waits: \(wait.clause(naming: name))"
    case .cellStarted(let cell, _, let allotment, let reason):
      return "\(who)[\(cell.number)] started on \(allotment.sentence): \(reason.clause(naming: name))"
    case .cellAdopted(let cell, _, let allotment):
      return "\(who)[\(cell.id.number)] found running on \(allotment.sentence)"
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
    case .commandAccepted(let command): return "\(command.author): \(sentence(command.verb))\(why(command))"
    case .commandRefused(let command, let refusal):
      return "\(command.author): \(sentence(command.verb)) refused: \(refusal.text)"
    case .decisionRefused(let refusal): return "fault: the policy decided wrongly: \(refusal.text)"
    case .effectFailed(_, _, let why): return "\(who): could not be enforced: \(why)"
    case .usageSampled(_, let usage): return "\(who) uses \(tenths(usage.millicores)) cores"
    case .invariantBroken(let text): return "fault: \(text)"
    case .suspensionPlanned(_, let cell, let due):
      guard let due else { return "\(who) is to be held when cell \(cell.number) ends" }
      return "\(who)[\(cell.number)] is to be suspended in \(Int((due - entry.at).seconds.rounded())) s"
    case .suspensionCalledOff(_, let cell): return "\(who)[\(cell.number)]: the planned suspension is called off"
    case .memoryEvicted(_, let reason): return "\(who)'s GPU memory saved to the host: \(reason.clause(naming: name))"
    case .gpusSeen(_, let gpus): return "\(who)'s kernel came seeing \(gpus.named)"
    }
  }
}

extension Board {
  /// An order in words: "priority 5 for churn", "pin churn to cores 0-1".
  public func sentence(_ verb: Verb) -> String {
    let who = verb.notebook.map(name(of:)) ?? ""
    switch verb {
    case .suspend(_, let cell), .resume(_, let cell), .interrupt(_, let cell):
      return "\(verb.word) \(who)[\(cell.number)]"
    case .suspendAfter(_, let cell, let grace):
      return "suspend \(who)[\(cell.number)] after \(Int(grace.seconds.rounded())) s"
    case .suspendAtEnd(_, let cell): return "suspend \(who) at the end of cell \(cell.number)"
    case .callOff(_, let cell): return "call off the planned suspension of \(who)[\(cell.number)]"
    case .setPriority(_, let priority): return "priority \(priority) for \(who)"
    case .pin(_, let pin): return "pin \(who) to \(pin.sentence)"
    case .unpin, .hold, .release: return "\(verb.word) \(who)"
    case .drain(_, let cores, let gpus), .undrain(_, let cores, let gpus):
      return "\(verb.word) \(places(cores, gpus))"
    case .setPolicy(let name): return "policy \(name)"
    case .overrideDemand(_, let demand):
      return demand.map { "demand of \($0.wholeSentence) for \(who)" } ?? "demand of \(who) as it asks itself"
    }
  }

  private func why(_ command: Command) -> String { command.why.isEmpty ? "" : " (\(command.why))" }
}

extension Board {
  /// Cores and GPUs in words, only what there is: "cores 0-3, GPU 1".
  public static func words(for cores: CoreSet, _ gpus: GPUSet) -> String { places(cores, gpus) }
}

/// "cores 0-3, GPU 1"; names only what there is.
private func places(_ cores: CoreSet, _ gpus: GPUSet, shared: Bool = false) -> String {
  var parts: [String] = []
  if !cores.isEmpty { parts.append("core\(cores.count == 1 ? "" : "s") \(cores)" + (shared ? " (shared)" : "")) }
  if !gpus.isEmpty { parts.append("GPU\(gpus.count == 1 ? "" : "s") \(gpus)") }
  return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
}

private func tenths(_ thousandths: Int32) -> String {
  let value = (Int(thousandths) + 50) / 100
  return "\(value / 10).\(value % 10)"
}

extension Demand {
  /// "1-4 cores, 2 GPUs".
  public var sentence: String {
    let cores = coresLeast == coresMost ? "\(coresLeast)" : "\(coresLeast)-\(coresMost)"
    let text = "\(cores) core\(coresMost == 1 ? "" : "s")"
    return gpus == 0 ? text : text + ", \(counted(Int(gpus), "GPU"))"
  }

  /// The same with what it asks of memory: "1 core, 8G of memory, 16G on each GPU".
  public var wholeSentence: String {
    sentence + (memory > .zero ? ", \(memory.words) of memory" : "")
      + (gpuMemory > .zero ? ", \(gpuMemory.words) on each GPU" : "")
  }
}

extension Allotment {
  /// "cores 0-3, GPU 1".
  public var sentence: String { places(cores, gpus, shared: shared) }
}

extension Pin {
  /// "cores 0-1, reserved".
  public var sentence: String { places(cores, gpus) + (reserves ? ", reserved" : "") }
}
