import Domain

// Going on from a session that is under way, on other terms: what deciding again needs.
extension Scheduler {
  /// An engine that goes on from a state which a log adds up to. The policy builds its indexes from that state; what it
  /// remembered of earlier events, and what was ordered of notebooks that are gone, is not in a state and is lost.
  ///
  /// - Throws: `Refusal` where the catalogue has no such policy.
  public init(
    continuing state: SchedulerState, policy name: String, from catalogue: PolicyCatalogue,
    settings: Settings = Settings()
  ) throws(Refusal) {
    try self.init(policy: name, from: catalogue, settings: settings)
    ledger.state = state
    ledger.now = state.now
    for one in state.descriptions where state.notebooks[Int(one.id.number)].state != .gone {
      _ = openDocuments.open(one.id, one.documentKey)
    }
  }

  /// Gives a known node more cores, GPUs or memory, and has the policy look at everything anew at the next input.
  ///
  /// - Returns: the entries that say so; none where the node is unknown or nothing of it grows.
  public mutating func enlarge(_ node: Node, at instant: Instant) -> [Entry] {
    forgetEntries()
    ledger.now = max(instant, ledger.now)
    guard ledger.state.contains(node.id), ledger.state[node.id].node != node, ledger.state[node.id].canGrow(to: node)
    else { return [] }
    ledger.emit(.nodeAdded(node))
    policyIsNew = true
    return ledger.entries
  }
}

extension NodeSlot {
  /// Whether `other` has all that this node has, and perhaps more.
  func canGrow(to other: Node) -> Bool {
    node.cores.isSubset(of: other.cores) && node.gpus.count <= other.gpus.count && node.memory <= other.memory
  }

  /// The node with a greater capacity; what it gained is idle.
  func grown(to other: Node) -> NodeSlot {
    var slot = NodeSlot(other)
    slot.idleCores = idleCores.union(other.cores.subtracting(node.cores))
    slot.idleGPUs = idleGPUs.union(other.gpuSet.subtracting(gpuSet))
    slot.idleMemory = idleMemory + (other.memory - node.memory)
    slot.drainedCores = drainedCores
    slot.drainedGPUs = drainedGPUs
    for gpu in gpuMemoryUsed.indices {
      slot.gpuMemoryUsed[gpu] = gpuMemoryUsed[gpu]
      slot.savingUntil[gpu] = savingUntil[gpu]
    }
    slot.residents = residents
    for gpu in seenBy.indices { slot.seenBy[gpu] = seenBy[gpu] }
    return slot
  }
}
