import Domain

extension SchedulerState {
  /// The books' own checks; each broken one in words, none where all is well.
  ///
  /// They are: no core or GPU allotted twice unless shared; idle + allotted = capacity; queued + running + suspended +
  /// ended = accepted; what is kept on a GPU is no more than its memory; no cell runs on a GPU that its kernel does not see; the lists of waiting and of running notebooks hold exactly those.
  public func brokenInvariants() -> [String] {
    var broken: [String] = []
    for (index, slot) in nodes.enumerated() {
      var cores = slot.idleCores
      var gpus = slot.idleGPUs
      for notebook in notebooks
      where notebook.state == .running && !notebook.allotment.shared && notebook.allotment.node.number == Int32(index) {
        if !cores.isDisjoint(with: notebook.allotment.cores) || !gpus.isDisjoint(with: notebook.allotment.gpus) {
          broken.append("\(slot.node.name): cores \(notebook.allotment.cores) are allotted twice or called idle")
        }
        cores.formUnion(notebook.allotment.cores)
        gpus.formUnion(notebook.allotment.gpus)
      }
      let memory = notebooks.reduce(into: slot.idleMemory) { sum, notebook in
        if notebook.holdsMemory, notebook.allotment.node.number == Int32(index) {
          sum = sum + notebook.allotment.memory
        }
      }
      if memory != slot.node.memory { broken.append("\(slot.node.name): idle and held memory are not its capacity") }
      if slot.node.memory > .zero, slot.idleMemory < .zero { broken.append("\(slot.node.name): memory is held twice") }
      if cores != slot.node.cores { broken.append("\(slot.node.name): idle and allotted cores are not its capacity") }
      for gpu in slot.gpuSet {
        let kept = notebooks.reduce(into: Bytes.zero) { sum, notebook in
          guard let residency = notebook.residency, !residency.isSaved, notebook.node.number == Int32(index),
            residency.gpus.contains(gpu)
          else { return }
          sum = sum + residency.bytes
        }
        let whole = slot.node.gpus[gpu].memory
        if kept != slot.gpuMemoryUsed[gpu] { broken.append("\(slot.node.name): GPU \(gpu)'s memory is miscounted") }
        if whole > .zero, kept > whole { broken.append("\(slot.node.name): GPU \(gpu)'s memory is kept twice") }
      }
      if slot.node.keepsFirstGPUs { broken += brokenVisibility(of: slot, Int32(index)) }
      if gpus != slot.gpuSet { broken.append("\(slot.node.name): idle and allotted GPUs are not its capacity") }
    }
    var counts = (queued: 0, running: 0, suspended: 0)
    for notebook in notebooks {
      switch notebook.state {
      case .queued: counts.queued += 1
      case .running: counts.running += 1
      case .suspended: counts.suspended += 1
      case .starting, .thinking, .gone: break
      }
    }
    if counts != (queuedCount, runningCount, suspendedCount) { broken.append("the counts by state are wrong") }
    if Int64(queuedCount + runningCount + suspendedCount) + ended != accepted {
      broken.append("queued, running, suspended and ended cells do not add up to the accepted ones")
    }
    let lists = (waiting: waiting.sorted(), running: running.sorted())
    let wants = notebooks.indices.filter { notebooks[$0].state == .queued || notebooks[$0].state == .suspended }
    let runs = notebooks.indices.filter { notebooks[$0].state == .running }
    if lists.waiting.map({ Int($0.number) }) != wants { broken.append("the list of waiting notebooks is wrong") }
    if lists.running.map({ Int($0.number) }) != runs { broken.append("the list of running notebooks is wrong") }
    return broken
  }

  /// A cell runs on GPUs that its kernel sees, and who sees which GPU is counted right.
  private func brokenVisibility(of slot: NodeSlot, _ index: Int32) -> [String] {
    var broken: [String] = []
    var seenBy = [Int32](repeating: 0, count: slot.node.gpus.count)
    for notebook in notebooks where notebook.node.number == index {
      for gpu in notebook.seenGPUs ?? GPUSet() where seenBy.indices.contains(gpu) { seenBy[gpu] += 1 }
      if notebook.state == .running, !notebook.allotment.gpus.isSubset(of: notebook.seenGPUs ?? GPUSet()) {
        broken.append(
          "\(slot.node.name): a cell runs on \(notebook.allotment.gpus.named), which its kernel does not see")
      }
    }
    if seenBy != slot.seenBy { broken.append("\(slot.node.name): who sees which GPU is miscounted") }
    return broken
  }
}
