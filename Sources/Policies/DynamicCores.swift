import Domain
import Engine

// Dividing the cores of a node among the cells that can use them.
extension Dynamic {
  /// How much a running cell's present cores count more than new ones, so that small changes move nothing.
  static let attachment = 1.1

  /// A cell's claim to cores.
  struct Claim: Sendable {
    var id: NotebookID
    var tier: Int64
    /// 1 / (speedup on all its cores × index).
    var weight: Double
    var speedup: Speedup
    var least: Int32
    var most: Int32
    /// What it has now.
    var present: Int32
    /// What it is to get.
    var cores: Int32 = 0
    /// What the next core (for a cell without any: the first cores, each) would bring.
    var gain = 0.0

    mutating func weigh() {
      let from = Double(cores)
      let step = cores == 0 ? Double(least) : 1
      gain = weight * (speedup.over(cores: from + step) - speedup.over(cores: from)) / step
      if cores < present { gain *= Dynamic.attachment }
    }

    static func < (a: Claim, b: Claim) -> Bool {
      if a.tier != b.tier { return a.tier < b.tier }
      if a.gain != b.gain { return a.gain > b.gain }
      return a.id < b.id
    }
  }

  /// Divides the cores anew, and starts the pending gangs and the waiting cells that get some.
  mutating func divideCores(on node: NodeID, in ledger: inout Ledger) {
    let index = Int(node.number)
    claims.removeAll(keepingCapacity: true)
    let room = idleRoom(on: node, in: ledger.state)
    var budget = Int32(room.cores.count)
    for id in ledger.state.running where isMine(id, on: node, in: ledger.state) {
      let present = Int32(ledger.state.notebooks[Int(id.number)].allotment.cores.count)
      budget += present
      markAgedIfSlow(id, in: ledger.state)
      let isGang = nodes[index].runningGangs.contains(id)
      addClaim(id, present: present, base: isGang || !preempts, in: ledger.state, &budget)
    }
    for id in pending { addClaim(id, present: 0, base: true, in: ledger.state, &budget) }
    // What the gangs that are about to start take is spoken for, in memory as in cores.
    let memory = pending.reduce(ledger.state.roomOfMemory(on: node)) {
      $0 - Bytes(gangNeed(of: $1, in: ledger.state).memory)
    }
    addWaiting(on: index, budget: budget, memory: memory, in: ledger.state)
    divide(budget)
    apply(on: node, in: &ledger)
    pending.removeAll(keepingCapacity: true)
  }

  private func isMine(_ id: NotebookID, on node: NodeID, in state: SchedulerState) -> Bool {
    state.notebooks[Int(id.number)].node == node && !state.notebooks[Int(id.number)].isPinned
      && !state.notebooks[Int(id.number)].allotment.shared
  }

  private mutating func markAgedIfSlow(_ id: NotebookID, in state: SchedulerState) {
    guard ageing != nil, !standings[Int(id.number)].isAged, standings[Int(id.number)].rate < 1,
      standstill(id, in: state) >= nodes[Int(state.notebooks[Int(id.number)].node.number)].bound.now
    else { return }
    standings[Int(id.number)].isAged = true
    countAged(id, in: state)
  }

  private mutating func addClaim(
    _ id: NotebookID, present: Int32, base: Bool, in state: SchedulerState, _ budget: inout Int32
  ) {
    let demand = state.notebooks[Int(id.number)].cell.demand
    let speedup = Speedup(
      parallelThousandths: state.notebooks[Int(id.number)].cell.forecast?.parallelThousandths ?? 1000)
    let tier = currentTier(of: id, in: state)
    let weight = 1 / (index(of: id, in: state) * speedup.over(cores: Double(demand.coresMost)))
    var claim = Claim(
      id: id, tier: tier, weight: weight, speedup: speedup, least: demand.coresLeast, most: demand.coresMost,
      present: present)
    if base {
      claim.cores = present > 0 ? min(claim.least, present) : claim.least
      budget -= claim.cores
    }
    claim.weigh()
    claims.append(claim)
  }

  /// Adds the waiting cells that could get a core, first to start first.
  private mutating func addWaiting(on index: Int, budget: Int32, memory: Bytes, in state: SchedulerState) {
    var left = budget
    var free = memory.count
    var none: Int32 = 0
    var cursor = nodes[index].others.first
    while let id = cursor, left > 0 {
      let need = gangNeed(of: id, in: state)
      cursor = nodes[index].others.next(after: standings[Int(id.number)].rank)
      guard need.memory <= free else { continue }
      free -= need.memory
      left -= need.cores
      addClaim(id, present: 0, base: false, in: state, &none)
    }
  }

  /// Gives the cores of `budget` out one by one, each to the claim to which it brings most.
  private mutating func divide(_ budget: Int32) {
    var left = budget
    var heap = ContiguousArray<Int32>()
    heap.reserveCapacity(claims.count)
    for place in claims.indices where claims[place].cores < claims[place].most { heap.append(Int32(place)) }
    for start in stride(from: heap.count / 2, through: 0, by: -1) { sink(start, &heap) }
    while left > 0, let top = heap.first {
      let place = Int(top)
      let step = claims[place].cores == 0 ? claims[place].least : 1
      if step <= left {
        left -= step
        claims[place].cores += step
        claims[place].weigh()
      }
      if claims[place].cores == 0 || claims[place].cores >= claims[place].most {
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
      }
      sink(0, &heap)
    }
  }

  private func sink(_ start: Int, _ heap: inout ContiguousArray<Int32>) {
    var at = start
    while true {
      var best = at
      for child in [2 * at + 1, 2 * at + 2] where child < heap.count {
        if claims[Int(heap[child])] < claims[Int(heap[best])] { best = child }
      }
      guard best != at else { return }
      heap.swapAt(at, best)
      at = best
    }
  }

  /// Takes first, then gives.
  private mutating func apply(on node: NodeID, in ledger: inout Ledger) {
    let gainer = claims.filter { $0.cores > $0.present }.min { $0 < $1 }?.id
    let drained = ledger.state[node].drainedCores
    for claim in claims where claim.cores < claim.present {
      let other = gainer ?? claim.id
      if claim.cores == 0 {
        suspend(claim.id, for: other, in: &ledger)
      } else {
        let own = ledger.state.notebooks[Int(claim.id.number)].allotment.cores
        let sound = own.subtracting(drained)
        var keep = ledger.state[node].node.choose(Int(claim.cores), from: sound)
        if keep.count < Int(claim.cores) {
          keep.formUnion(own.subtracting(sound).smallest(Int(claim.cores) - keep.count))
        }
        resize(claim.id, to: keep, because: Reason(.shrunkForOthers, for: other), in: &ledger)
      }
    }
    var room = idleRoom(on: node, in: ledger.state)
    let gives = claims.filter { $0.cores > $0.present }.sorted { $0 < $1 }
    for claim in gives where claim.present == 0 {
      let count = Int(ledger.state.notebooks[Int(claim.id.number)].cell.demand.gpus)
      let chosen = pendingGPUs.isEmpty ? nil : pending.firstIndex(of: claim.id).map { pendingGPUs[$0] }
      let gpus = chosen ?? ledger.state.gpus(for: claim.id, count, from: room.gpus) ?? GPUSet()
      let allotment = Allotment(
        node: node, cores: ledger.state[node].node.choose(Int(claim.cores), from: room.cores), gpus: gpus,
        memory: ledger.state.notebooks[Int(claim.id.number)].cell.demand.memory)
      room.cores.subtract(allotment.cores)
      room.gpus.subtract(gpus)
      start(claim.id, on: allotment, because: reason(for: claim.id, ahead: nil, in: ledger.state), in: &ledger)
    }
    for claim in gives where claim.present > 0 {
      let own = ledger.state.notebooks[Int(claim.id.number)].allotment.cores
      let more = ledger.state[node].node.choose(
        Int(claim.cores - claim.present), from: room.cores.subtracting(own), beside: own)
      room.cores.subtract(more)
      resize(claim.id, to: own.union(more), because: Reason(.grownIntoIdle), in: &ledger)
    }
  }
}
