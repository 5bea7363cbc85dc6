import Domain
import Engine

/// A cell that fits and is kept waiting, for whom, and when that one is expected.
struct KeptBack: Sendable {
  var id: NotebookID
  var other: NotebookID
  var expected: Instant
}

// Rooms kept for cells that are about to arrive: a cell that fits is not started where somebody who matters more is
// expected to need the place before it would be given back.
extension Dynamic {
  /// How many of the expected cells are looked at for one that could start, those expected soonest first.
  static let arrivalsMost = 32

  /// When running cells are expected to end, from now in microseconds, and what they give back.
  typealias Release = (after: Double, gives: Need)

  /// Books that a notebook whose cell has ended is expected to submit another.
  ///
  /// Whoever thought already when the policy was switched on is not expected: how long for is not in the state.
  mutating func expectNext(of id: NotebookID, in state: SchedulerState) {
    let index = Int(id.number)
    guard keepsRooms, let further = state.notebooks[index].cell.forecast?.further, let think = further.think,
      further.nextRun != nil
    else { return }
    let need = nextNeed(of: id, further, in: state)
    guard need.gpus > 0 || !isMalleable else { return }
    let rank = Rank(tier: (now + think.p50).microseconds, cell: state.notebooks[index].cell.id)
    nodes[Int(state.notebooks[index].node.number)].arrivals.insert(id, rank, need)
  }

  /// What a thinking notebook's next cell is likely to need: as its last one where nothing is known.
  private func nextNeed(of id: NotebookID, _ further: FurtherForecast, in state: SchedulerState) -> Need {
    let last = state.notebooks[Int(id.number)].cell.demand
    let gpus = further.nextNeed.gpus.map { Int32(clamping: $0.p50) } ?? last.gpus
    guard !isMalleable else { return Need(cores: last.coresLeast, gpus: gpus) }
    let cores = further.nextNeed.millicores.map { Int32(clamping: ($0.p50 + 999) / 1000) } ?? last.coresMost
    return Need(cores: max(cores, 1), gpus: gpus)
  }

  /// Whether a cell that fits had better wait, because room is kept for a cell about to arrive; it asks for a decision when
  /// that is to be thought over.
  mutating func isKeptBack(
    _ id: NotebookID, _ need: Need, _ free: Need, on node: NodeID, in ledger: inout Ledger
  ) -> Bool {
    guard keepsRooms, need.fits(in: free), !standings[Int(id.number)].isAged,
      let found = arrival(before: id, need, free, on: node, in: ledger.state)
    else { return false }
    keptBack.append(found.kept)
    ledger.wake(at: now + Span(microseconds: max(Int64(found.patience) + 1, 1_000_000)))
    return true
  }

  /// The expected cell for which room is to be kept from a cell, and how many microseconds it is worth waiting for.
  ///
  /// Those expected sooner take what the cell would leave; the first that is worth it and finds too little there is
  /// the one, unless it would not fit even if the cell stood back.
  private mutating func arrival(
    before id: NotebookID, _ need: Need, _ free: Need, on node: NodeID, in state: SchedulerState
  ) -> (kept: KeptBack, patience: Double)? {
    let index = Int(node.number)
    guard !nodes[index].arrivals.isEmpty, let forecast = state.notebooks[Int(id.number)].cell.forecast,
      let whole = wholeExpected(of: id, in: state)
    else { return nil }
    let tier = currentTier(of: id, in: state)
    let done = Span(microseconds: Int64(done(id, at: now)))
    let runs = Self.draws { Double(forecast.run.left(after: done, at: $0).microseconds) }
    var spare = free
    spare.cores -= need.cores
    spare.gpus -= need.gpus
    var cursor = nodes[index].arrivals.first
    var looked = 0
    while let other = cursor, looked < Self.arrivalsMost, let rank = nodes[index].arrivals.rank(of: other),
      Double(rank.tier - now.microseconds) < runs[runs.count - 1]
    {
      cursor = nodes[index].arrivals.next(after: rank)
      looked += 1
      let slot = state.notebooks[Int(other.number)]
      guard let further = slot.cell.forecast?.further, let think = further.think, let next = further.nextRun,
        let otherWhole = wholeExpected(of: other, in: state)
      else { continue }
      let expected = Instant(microseconds: rank.tier)
      let elapsed = now - (expected - think.p50)
      guard elapsed <= think.p95 else {
        // Nothing is known of an author who has thought for so long.
        nodes[index].arrivals.remove(other)
        continue
      }
      guard !slot.isHeld, !slot.isPinned, -2 * Int64(slot.priority) <= tier else { continue }
      let wanted = nextNeed(of: other, further, in: state)
      if wanted.fits(in: spare) {
        spare.cores -= wanted.cores
        spare.gpus -= wanted.gpus
        continue
      }
      guard wanted.gpus <= spare.gpus + need.gpus, wanted.cores <= spare.cores + need.cores else { continue }
      let wager = Wager(
        thinks: elapsed == think.p95
          ? [0] : Self.draws { Double(think.left(after: elapsed, at: $0).microseconds) },
        runs: runs, release: release(of: wanted, spare, on: node, in: state),
        price: priceOfExchange(other, further, with: id, in: state), next: Double(next.p50.microseconds),
        weight: 1 / otherWhole, weightWaiting: 1 / whole)
      guard let patience = wager.patience else { continue }
      return (KeptBack(id: id, other: other, expected: max(expected, now)), patience)
    }
    return nil
  }

  private static func draws(_ value: (Double) -> Double) -> [Double] { [0.1, 0.3, 0.5, 0.7, 0.9].map(value) }

  /// The run time alone of a whole notebook, in microseconds, as far as it is foreseen; nil where it is not.
  private func wholeExpected(of id: NotebookID, in state: SchedulerState) -> Double? {
    let index = Int(id.number)
    guard let forecast = state.notebooks[index].cell.forecast else { return nil }
    if let total = forecast.notebookTotal { return max(Double(total.microseconds), 1000) }
    guard let further = forecast.further else { return nil }
    var left = further.notebookLeft.p50
    if state.notebooks[index].state == .thinking { left = max(left - forecast.run.p50, further.nextRun?.p50 ?? .zero) }
    return max(Double((state.notebooks[index].attainedBefore + left).microseconds), 1000)
  }

  /// How many microseconds it takes until running cells have given back what `wanted` lacks beside `spare`.
  private mutating func release(of wanted: Need, _ spare: Need, on node: NodeID, in state: SchedulerState) -> Double {
    if releases == nil {
      var found: [(release: Release, id: NotebookID)] = []
      for id in nodes[Int(node.number)].runningGangs.ordered {
        guard let forecast = state.notebooks[Int(id.number)].cell.forecast else { continue }
        let left = forecast.run.left(after: Span(microseconds: Int64(done(id, at: now))), at: 0.5)
        found.append(((Double(left.microseconds), whatItGives(id, on: node, in: state)), id))
      }
      found.sort { ($0.release.after, $0.id) < ($1.release.after, $1.id) }
      releases = found.map(\.release)
    }
    var room = spare
    for release in releases ?? [] {
      room.cores += release.gives.cores
      room.gpus += release.gives.gpus
      if wanted.fits(in: room) { return release.after }
    }
    return .infinity
  }

  /// What it costs a cell that arrives to take its place from a running one, in microseconds: without end where nothing is
  /// preempted, else what moving their GPU memory takes where it does not fit together.
  private func priceOfExchange(
    _ other: NotebookID, _ further: FurtherForecast, with id: NotebookID, in state: SchedulerState
  ) -> Double {
    guard preempts else { return .infinity }
    let own = state.notebooks[Int(id.number)].cell.demand.gpuMemory
    let next =
      further.nextNeed.gpuMemory.map { Bytes($0.p50) } ?? state.notebooks[Int(other.number)].cell.demand.gpuMemory
    let node = state.nodes[Int(state.notebooks[Int(id.number)].node.number)].node
    guard own > .zero, node.gpus.contains(where: { $0.memory > .zero && $0.memory < own + next }) else { return 0 }
    return 2 * Double(node.swapTime(of: max(own, next)).microseconds)
  }
}

/// Whether to keep a place idle for a cell that may arrive, against giving it to one that waits.
///
/// Let the waiting cell run for *r*, and the next place beside its own be given back after *e*. If it starts, a cell that
/// arrives after *t* waits for D(t) = min(min(e, r) − t, price)⁺, *price* being what preempting costs (without end where
/// nothing is preempted). If the place is kept for up to τ, the waiting cell starts at e, or when the arrival has run for
/// *next*, or after τ if nobody has come. With the weights of mean normalised turnaround, w = 1 / T_alone of the notebook:
///
///     gain(τ) = w_arrival · E[D(t); t ≤ τ]
///     loss(τ) = w_waiting · (E[min(e, t + next); t ≤ τ] + P(t > τ) · min(e, τ))
///
/// The place is kept where gain(τ) > loss(τ) for some τ. For one certain arrival on one machine that is the exchange of
/// Smith's rule with a release date: keep it if w_arrival (r − t) > w_waiting (t + next). Where e ≤ t nothing is gained: the place
/// given back then can still be kept. *t* and *r* are spread evenly over what is left of their forecasts.
///
/// **Source**: the exchange argument of Smith 1956 with release dates (Megow and Schulz, "On-line scheduling to minimize average
/// completion time revisited", Operations Research Letters 32 (2004), keep a machine idle likewise); stopping after τ
/// as in Gittins 1979.
struct Wager {
  /// Microseconds until the arrival, equally likely, in order.
  var thinks: [Double]
  /// Microseconds that the waiting cell would run, equally likely.
  var runs: [Double]
  var release: Double
  var price: Double
  /// Microseconds that the arriving cell would run.
  var next: Double
  var weight: Double
  var weightWaiting: Double

  /// For how many microseconds it is best to keep the place; nil where it is best to give it away.
  var patience: Double? {
    var best = 0.0
    var patience: Double?
    var gain = 0.0
    var waited = 0.0
    for (place, think) in thinks.enumerated() {
      let delays = runs.reduce(0) { $0 + min(max(min(release, $1) - think, 0), price) }
      gain += weight * delays / Double(runs.count * thinks.count)
      waited += min(release, think + next) / Double(thinks.count)
      let still = Double(thinks.count - place - 1) / Double(thinks.count) * min(release, think)
      let net = gain - weightWaiting * (waited + still)
      if net > best { (best, patience) = (net, think) }
    }
    return patience
  }
}
