import Domain
import Engine

// GPU memory that stays between cells, and what it costs to take it away.
extension Dynamic {
  /// Microseconds that it takes to restore what was evicted of a waiting cell's notebook.
  func restoring(_ id: NotebookID, in state: SchedulerState) -> Double {
    let index = Int(id.number)
    guard state.notebooks[index].cell.demand.gpuMemory > .zero, let kept = state.notebooks[index].residency,
      kept.isSaved
    else { return 0 }
    return Double(state.nodes[Int(state.notebooks[index].node.number)].node.swapTime(of: kept.bytes).microseconds)
  }

  /// Evicts what is in the way of a cell: of those first who will come back last.
  mutating func evict(for id: NotebookID, on gpus: GPUSet, in ledger: inout Ledger) {
    for victim in ledger.state.evictions(for: id, on: gpus, order: .latestReturn) ?? [] {
      ledger.evict(victim, because: Reason(.evicted, for: id))
      // What it needs now takes longer.
      refresh(victim, in: ledger.state)
    }
  }

  /// Whether a cell that fits had better wait before others' memory is evicted for it.
  ///
  /// Evicting costs a save now and a restore later. It pays at once where everyone whose memory would go thinks for longer
  /// than that. Otherwise the cell waits for as long as the eviction costs, in case something cheaper is given back, and
  /// then evicts: whatever happens, it pays at most twice what hindsight would have (Karlin, Manasse, Rudolph and Sleator,
  /// "Competitive snoopy caching", Algorithmica 3 (1988)).
  mutating func waitsForMemory(
    _ id: NotebookID, idle: GPUSet, _ need: Need, _ free: Need, in ledger: inout Ledger
  ) -> Bool {
    let state = ledger.state
    guard !evictsEagerly, state.notebooks[Int(id.number)].cell.demand.gpuMemory > .zero, need.fits(in: free),
      !standings[Int(id.number)].isAged, let gpus = state.gpus(for: id, Int(need.gpus), from: idle),
      let victims = state.evictions(for: id, on: gpus, order: .latestReturn), !victims.isEmpty
    else { return false }
    let node = state.nodes[Int(state.notebooks[Int(id.number)].node.number)].node
    let most = victims.map { state.notebooks[Int($0.number)].residency?.bytes ?? .zero }.max() ?? .zero
    let price = node.swapTime(of: most) + node.swapTime(of: most)
    if victims.allSatisfy({ state.expectedReturn(of: $0) > now + price }) { return false }
    let since = standings[Int(id.number)].awaitsMemorySince ?? now
    standings[Int(id.number)].awaitsMemorySince = since
    guard now < since + price else { return false }
    ledger.wake(at: since + price)
    return true
  }

  /// The rank with which a cell may take GPUs from a running one.
  ///
  /// Where their memory does not fit on a GPU together, it is as long as the exchange takes further behind: both are saved
  /// once and restored once. From a cell whose memory is still being moved it takes nothing at all.
  func rankToPreempt(_ id: NotebookID, _ other: NotebookID, _ rank: Rank, in state: SchedulerState) -> Rank {
    let wanted = state.notebooks[Int(id.number)].cell.demand.gpuMemory
    guard wanted > .zero || state.notebooks[Int(other.number)].keepsGPUMemory, !standings[Int(id.number)].isAged,
      let kept = state.notebooks[Int(other.number)].residency
    else { return rank }
    if now < standings[Int(other.number)].since { return Rank(tier: .max, cell: CellID(0)) }
    let node = state.nodes[Int(state.notebooks[Int(id.number)].node.number)].node
    let fits = kept.gpus.allSatisfy {
      node.gpus[$0].memory == .zero || node.gpus[$0].memory >= kept.bytes + wanted
    }
    guard !fits else { return rank }
    let price = node.swapTime(of: kept.bytes) + node.swapTime(of: kept.bytes)
    var later = rank
    later.index = Int64(index(of: id, in: state, further: Double(price.microseconds)).bitPattern)
    return later
  }
}
