import Domain

/// What a notebook's kernel keeps in GPU memory between its cells, and while its cell is suspended.
///
/// It is what its last GPU cell asked for, on the GPUs which that had. It stays until it is evicted (saved to the host's
/// memory, and restored before the next GPU cell) or the kernel ends.
@frozen public struct Residency: Hashable, Sendable {
  public var gpus: GPUSet
  /// On each of them.
  public var bytes: Bytes
  /// It was evicted: it takes no GPU memory, and has to be restored.
  public var isSaved = false
  /// When a cell last began or ceased to use it.
  public var used: Instant
  /// How long the last start waited until others' memory was saved and its own was where it is.
  public var delay = Span.zero

  public init(gpus: GPUSet, bytes: Bytes, used: Instant) {
    self.gpus = gpus
    self.bytes = bytes
    self.used = used
  }
}

/// Whose GPU memory goes first.
public enum EvictionOrder: Sendable {
  /// Of the notebook that has not used it for longest.
  case leastRecentlyUsed
  /// Of the notebook that is expected to come back last.
  case latestReturn
}

// What the events do.
extension SchedulerState {
  /// A cell has begun that uses GPU memory on the GPUs of its allotment.
  mutating func occupy(_ id: NotebookID, at now: Instant) {
    let index = Int(id.number)
    let gpus = notebooks[index].allotment.gpus
    let place = Int(notebooks[index].allotment.node.number)
    guard !notebooks[index].allotment.shared, !gpus.isEmpty, place < nodes.count else { return }
    var next = Residency(gpus: gpus, bytes: notebooks[index].cell.demand.gpuMemory, used: now)
    // A log may say anything.
    guard gpus.max().map({ $0 < nodes[place].savingUntil.count }) ?? true else { return }
    for gpu in gpus { next.delay = max(next.delay, nodes[place].savingUntil[gpu] - now) }
    if let old = notebooks[index].residency {
      let price = nodes[place].node.swapTime(of: old.bytes)
      if old.isSaved {
        next.delay += price
      } else {
        giveBack(old, of: id, on: place)
        // Moved to other GPUs: saved there, restored here.
        if !old.gpus.isSubset(of: gpus), !gpus.isSubset(of: old.gpus) { next.delay += price + price }
      }
    }
    notebooks[index].residency = next
    for gpu in gpus { nodes[place].gpuMemoryUsed[gpu] = nodes[place].gpuMemoryUsed[gpu] + next.bytes }
    let at = nodes[place].residents.firstIndex { $0 > id } ?? nodes[place].residents.endIndex
    nodes[place].residents.insert(id, at: at)
  }

  /// The notebook's GPU memory is saved to the host's.
  mutating func evict(_ id: NotebookID, at now: Instant) {
    guard var residency = notebooks[Int(id.number)].residency, !residency.isSaved else { return }
    let place = Int(notebooks[Int(id.number)].node.number)
    giveBack(residency, of: id, on: place)
    // A real node tells of it when it is done.
    if nodes[place].node.savesIdleGPUMemory {
      let price = nodes[place].node.swapTime(of: residency.bytes)
      for gpu in residency.gpus { nodes[place].savingUntil[gpu] = max(nodes[place].savingUntil[gpu], now) + price }
    }
    residency.isSaved = true
    notebooks[Int(id.number)].residency = residency
  }

  /// The notebook's process is gone, and what it kept with it.
  mutating func vacate(_ id: NotebookID) {
    guard let residency = notebooks[Int(id.number)].residency else { return }
    if !residency.isSaved { giveBack(residency, of: id, on: Int(notebooks[Int(id.number)].node.number)) }
    notebooks[Int(id.number)].residency = nil
  }

  private mutating func giveBack(_ residency: Residency, of id: NotebookID, on place: Int) {
    for gpu in residency.gpus {
      nodes[place].gpuMemoryUsed[gpu] = nodes[place].gpuMemoryUsed[gpu] - residency.bytes
    }
    nodes[place].residents.removeAll { $0 == id }
  }
}

/// A GPU that a cell could have; the least goes first.
private struct RatedGPU: Comparable {
  var isOther: Int
  var lacking: Int64
  var seenBy: Int32
  var gpu: Int

  static func < (a: RatedGPU, b: RatedGPU) -> Bool {
    (a.isOther, a.lacking, a.seenBy, a.gpu) < (b.isOther, b.lacking, b.seenBy, b.gpu)
  }
}

// What policies ask.
extension SchedulerState {
  /// The GPUs of `idle` for a notebook's cell, all of one maker: those that its kernel sees, where that is settled; else those
  /// that it has its memory on, then those with room, then those from which least has to be evicted, then those that fewest
  /// kernels are bound to. Nil where too few are large enough, or have or can be given the room, or its kernel's are not idle.
  ///
  /// - Parameter suspending: notebooks whose cells would be suspended first.
  public func gpus(
    for id: NotebookID, _ count: Int, from idle: GPUSet, suspending: [NotebookID] = []
  ) -> GPUSet? {
    let index = Int(id.number)
    let place = Int(notebooks[index].node.number)
    let wanted = notebooks[index].cell.demand.gpuMemory
    guard count > 0,
      wanted > .zero || notebooks[index].keepsGPUMemory || nodes[place].node.keepsFirstGPUs
        || nodes[place].hasSeveralMakers
    else {
      return idle.count >= count ? idle.smallest(count) : nil
    }
    var candidates = idle
    if let bound = boundGPUs(of: id, count) {
      guard bound.count == count, bound.isSubset(of: idle) else { return nil }
      candidates = bound
    }
    let own = ownGPUs(of: id)
    var rated: [RatedGPU] = []
    for gpu in candidates
    where nodes[place].node.gpus[gpu].memory == .zero || nodes[place].node.gpus[gpu].memory >= wanted {
      let lacking = max(lackingMemory(for: id, on: gpu, of: place).count, 0)
      guard lacking == 0 || lacking <= evictableMemory(on: gpu, of: place, besides: id, suspending) else { continue }
      rated.append(
        RatedGPU(
          isOther: own.contains(gpu) ? 0 : 1, lacking: lacking, seenBy: nodes[place].seenBy[gpu], gpu: gpu))
    }
    guard rated.count >= count else { return nil }
    rated.sort()
    guard nodes[place].hasSeveralMakers else { return GPUSet(rated.prefix(count).map(\.gpu)) }
    let best = nodes[place].node.byMaker(GPUSet(rated.map(\.gpu))).map { set in
      rated.filter { set.contains($0.gpu) }.prefix(count)
    }
    .filter { $0.count == count }.min { $0.lexicographicallyPrecedes($1) }
    return best.map { GPUSet($0.map(\.gpu)) }
  }

  /// Whose GPU memory has to be evicted before the notebook's cell can start on `gpus`, in the order of `order`; nil where
  /// even that would not do.
  public func evictions(for id: NotebookID, on gpus: GPUSet, order: EvictionOrder) -> [NotebookID]? {
    guard notebooks[Int(id.number)].cell.demand.gpuMemory > .zero else { return [] }
    let place = Int(notebooks[Int(id.number)].node.number)
    var lacking: [(gpu: Int, bytes: Int64)] = []
    for gpu in gpus {
      let bytes = lackingMemory(for: id, on: gpu, of: place).count
      if bytes > 0 { lacking.append((gpu, bytes)) }
    }
    guard !lacking.isEmpty else { return [] }
    var victims: [NotebookID] = []
    for other in inOrder(nodes[place].residents.filter { $0 != id && isEvictable($0) }, order) {
      guard let kept = notebooks[Int(other.number)].residency,
        lacking.contains(where: { $0.bytes > 0 && kept.gpus.contains($0.gpu) })
      else { continue }
      victims.append(other)
      for at in lacking.indices where kept.gpus.contains(lacking[at].gpu) { lacking[at].bytes -= kept.bytes.count }
      if lacking.allSatisfy({ $0.bytes <= 0 }) { return victims }
    }
    return nil
  }

  /// Whether what a notebook keeps in GPU memory can be saved: its node does that, and no cell of it uses these GPUs now.
  func isEvictable(_ id: NotebookID) -> Bool {
    let slot = notebooks[Int(id.number)]
    guard let residency = slot.residency, !residency.isSaved, nodes[Int(slot.node.number)].node.savesIdleGPUMemory
    else { return false }
    return slot.state != .running || slot.allotment.gpus.isDisjoint(with: residency.gpus)
  }

  /// How long the cell that has just started or resumed waits for GPU memory before it can work.
  public func memoryDelay(of id: NotebookID) -> Span {
    let slot = notebooks[Int(id.number)]
    guard slot.keepsGPUMemory, slot.cell.demand.gpuMemory > .zero, !slot.allotment.shared, !slot.allotment.gpus.isEmpty
    else { return .zero }
    return max(slot.residency?.delay ?? .zero, .zero)
  }

  /// When a notebook that keeps GPU memory is expected to want it again: now where a cell of it is in the books; by the
  /// forecast's median where there is one; else as long from now as it has thought already.
  public func expectedReturn(of id: NotebookID) -> Instant {
    let slot = notebooks[Int(id.number)]
    guard slot.state == .thinking, let used = slot.residency?.used else { return now }
    if let think = slot.cell.forecast?.further?.think?.p50, used + think > now { return used + think }
    return now + (now - used)
  }

  private func inOrder(_ ids: [NotebookID], _ order: EvictionOrder) -> [NotebookID] {
    switch order {
    case .leastRecentlyUsed:
      ids.map { (notebooks[Int($0.number)].residency?.used ?? .zero, $0) }.sorted { $0 < $1 }.map(\.1)
    case .latestReturn:
      ids.map { (expectedReturn(of: $0), $0) }.sorted { ($1.0, $0.1) < ($0.0, $1.1) }.map(\.1)
    }
  }

  /// What could be saved from a GPU, in bytes.
  private func evictableMemory(
    on gpu: Int, of place: Int, besides id: NotebookID, _ suspending: [NotebookID]
  ) -> Int64 {
    guard nodes[place].node.savesIdleGPUMemory else { return 0 }
    var total = Bytes.zero
    for other in nodes[place].residents where other != id && (isEvictable(other) || suspending.contains(other)) {
      if let kept = notebooks[Int(other.number)].residency, kept.gpus.contains(gpu) { total = total + kept.bytes }
    }
    return total.count
  }

  /// Whether each of the GPUs has so much memory beside what others keep there.
  func hasRoom(for bytes: Bytes, of id: NotebookID, on gpus: GPUSet) -> Bool {
    let place = Int(notebooks[Int(id.number)].node.number)
    let own = ownGPUs(of: id)
    return gpus.allSatisfy { gpu in
      let whole = nodes[place].node.gpus[gpu].memory
      let kept = own.contains(gpu) ? notebooks[Int(id.number)].residency?.bytes ?? .zero : .zero
      return whole == .zero || nodes[place].gpuMemoryUsed[gpu] - kept + bytes <= whole
    }
  }

  private func ownGPUs(of id: NotebookID) -> GPUSet {
    guard let own = notebooks[Int(id.number)].residency, !own.isSaved else { return GPUSet() }
    return own.gpus
  }

  /// How much room a GPU lacks for the notebook's cell; not above 0 where it has room, or its memory is unknown.
  func lackingMemory(for id: NotebookID, on gpu: Int, of place: Int) -> Bytes {
    let whole = nodes[place].node.gpus[gpu].memory
    guard whole > .zero else { return .zero }
    let kept = ownGPUs(of: id).contains(gpu) ? notebooks[Int(id.number)].residency?.bytes ?? .zero : .zero
    return nodes[place].gpuMemoryUsed[gpu] - kept + notebooks[Int(id.number)].cell.demand.gpuMemory - whole
  }
}

extension Ledger {
  /// Saves what a notebook keeps in GPU memory to the host's; it is restored before its next GPU cell.
  @discardableResult
  public mutating func evict(_ id: NotebookID, because reason: Reason) -> Bool {
    guard state.contains(id), state.isEvictable(id) else {
      emit(.decisionRefused(Refusal(.wrongState, "evicting GPU memory that is in use or not there")))
      return false
    }
    emit(.memoryEvicted(id, reason))
    return true
  }

  /// Evicts what is in the way of the notebook's cell on `gpus`; false where that would not do.
  mutating func evict(for id: NotebookID, on gpus: GPUSet, order: EvictionOrder) -> Bool {
    guard let victims = state.evictions(for: id, on: gpus, order: order) else { return false }
    for victim in victims { evict(victim, because: Reason(.evicted, for: id)) }
    return true
  }
}
