import Domain
import Engine

/// celltop's own policy: cell-level, preemptive, malleable, anticipating, with bounded waits.
///
/// **Order**: `(−priority, aged first, index, cell)`. The index of a cell is `left × whole`, both as the run time alone of
/// its *notebook*: what is left of it, and all of it. Serving the least first minimises Σ 1/T_alone × completion on a single
/// machine (Smith's rule with weight 1/T_alone), which is mean normalised turnaround. What is left counts a tenth more for
/// each GPU beyond the first (`width`). A notebook so large that its cells will stand still until the bound anyway is
/// *staggered*: its index is divided by the fourth root of what its present cell has left, so that long cells run before
/// their bound makes them untouchable, and the waiting is done with short ones. A cell without a forecast is ordered by
/// the service that its notebook has attained (the least attained goes first), as the remaining time of work with a
/// decreasing hazard rate grows with what it has had.
///
/// **Rule**: cells that need GPUs start in that order; one that does not fit takes what it needs from running cells that
/// are behind it in the order; then whoever fits starts on what is left (a later, better cell can take that back, so
/// nobody is delayed by it). Cores go where the next one brings most: to the cell with the greatest
/// `(S(k+1) − S(k)) / (S(most) × index)`, with Amdahl's speedup S; running cells grow into idle cores and give them back.
///
/// **Starvation**: none while priorities are equal. A cell that has stood still for as long as the bound is *aged*: aged
/// cells go before all others, in order of submission, and nothing is taken from them. The bound is `ageing` while aged
/// cells want no more than `share` of the node; while they want more, it rises (see `Bound`).
///
/// **Source**: Smith 1956 (the rule); Schrage 1968 (preemption by remaining time); Nuyens and Wierman, "The
/// foreground-background queue: a survey", Performance Evaluation 65 (2008) (least attained service); Berg, Vesilo and
/// Harchol-Balter, "heSRPT", Performance Evaluation 144 (2020) (dividing cores among cells that speed up less and less).
public struct Dynamic: Policy {
  public static let name = "dynamic"
  public static let summary =
    "the least remaining work for its size goes first, on cores and GPUs taken from those who can wait"
  public static let options = [
    (name: "no-preemption", summary: "take nothing from a running cell"),
    (name: "no-malleability", summary: "give each cell all the cores that it can use, or none"),
    (name: "no-anticipation", summary: "look at the present cell only, not at what its notebook will need after it"),
    (name: "no-ageing", summary: "bound no wait"),
    (name: "ageing", summary: "how long a cell may stand still before it goes first, in hours: 48 without it"),
    (name: "fixed", summary: "keep the bound at 'ageing' whatever the load"),
    (name: "share", summary: "the part of the node that aged cells may want before the bound rises: 0.5 without it"),
    (name: "no-stagger", summary: "order the cells of a very large notebook as those of any other"),
    (name: "eager-eviction", summary: "save idle notebooks' GPU memory to the host as soon as room is wanted"),
    (
      name: "rooms",
      summary: "keep a place idle for a cell about to arrive, where that saves more than it costs and taking it is dear"
    ),
    (name: "width", summary: "how much the GPUs that a cell needs count in its index: 0 (not at all) to 1"),
  ]

  let preempts: Bool
  let isMalleable: Bool
  let anticipates: Bool
  /// The least bound on a cell's standstill; nil for no bound.
  let ageing: Span?
  /// The part of a node that aged cells may want before the bound rises; nil for a bound that stays.
  let share: Double?
  let staggers: Bool
  let evictsEagerly: Bool
  let keepsRooms: Bool
  let width: Double

  /// The instant of the present input; the state's is that of its last entry.
  var now = Instant.zero
  /// What the policy knows of each notebook's present cell.
  var standings: ContiguousArray<Standing> = []
  /// By node.
  var nodes: [NodeLines] = []
  /// Scratch, kept for its capacity.
  var claims: ContiguousArray<Claim> = []
  var pending: [NotebookID] = []
  var deferred: [NotebookID] = []
  /// Cells that fit and are kept waiting for others, by the present decision.
  var keptBack: [KeptBack] = []
  /// When running gangs of the node at hand are expected to give back what they hold; nil while nobody has asked.
  var releases: [Release]?

  public init(options: PolicyOptions) throws(Refusal) {
    preempts = !options.has("no-preemption")
    isMalleable = !options.has("no-malleability")
    anticipates = !options.has("no-anticipation")
    let hours = try options.number("ageing", in: 0...8760, otherwise: 48)
    ageing = options.has("no-ageing") ? nil : Span(seconds: hours * 3600)
    let part = try options.number("share", in: 0...1, otherwise: 0.5)
    share = options.has("fixed") ? nil : part
    evictsEagerly = options.has("eager-eviction")
    keepsRooms = options.has("rooms") && anticipates
    staggers = !options.has("no-stagger") && !options.has("no-ageing") && hours > 0
    width = try options.number("width", in: 0...1, otherwise: 0.1)
  }

  /// The present cell of a notebook as the policy follows it.
  struct Standing: Sendable {
    /// Work done of the present cell, in microseconds of its run time alone.
    var done = 0.0
    var since = Instant.zero
    var rate = 0.0
    var isAged = false
    /// Since when it has been waiting for GPU memory that might soon come cheaper; nil while it does not.
    var awaitsMemorySince: Instant?
    /// What it wants as an aged cell, counted in its node's bound.
    var counted: Need?
    /// Counted among those whose cores can change.
    var isMalleable = false
    /// Counted among the running cells whose rank worsens as they run.
    var isUnforeseen = false
    var rank = Rank(tier: 0, cell: CellID(0))
    /// The cores that it was counted with as a running gang.
    var coresLeast: Int32 = 0
  }

  /// The orders of one node.
  struct NodeLines: Sendable {
    /// Startable cells that need GPUs (and, without malleability, all others).
    var gangs = Line()
    /// Startable cells that need cores only.
    var others = Line()
    /// Running cells of the first kind.
    var runningGangs = Line()
    /// Running cells of the second kind.
    var runningOthers = Line()
    /// Startable cells that are not aged, by the instant from which their standstill counts.
    var ageing = Line()
    /// Thinking notebooks by when their next cell is expected, where rooms are kept for them.
    var arrivals = Line()
    var bound: Bound
    /// Cells, waiting or running, whose cores can change.
    var malleable = 0
    /// Cores that the running gangs need at least.
    var gangCores: Int32 = 0
    var unforeseen = 0
  }

  public var foreseesNextCells: Bool { keepsRooms }

  public mutating func prepare(for state: SchedulerState) {
    now = state.now
    nodes.removeAll()
    for slot in state.nodes { nodes.append(NodeLines(bound: Bound(of: slot.node, at: now, self))) }
    standings.removeAll(keepingCapacity: true)
    for number in state.notebooks.indices {
      var standing = Standing()
      let slot = state.notebooks[number]
      if slot.hasCell {
        standing.done = Double(slot.attained.microseconds)
        standing.since = slot.runningSince
      }
      standings.append(standing)
    }
    for id in state.running {
      standings[Int(id.number)].rate = rate(of: id, in: state)
      enterRunning(id, in: state)
    }
    for id in state.waiting { refresh(id, in: state) }
  }

  public mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {
    now = state.now
    while standings.count < state.notebooks.count { standings.append(Standing()) }
    while nodes.count < state.nodes.count {
      nodes.append(NodeLines(bound: Bound(of: state.nodes[nodes.count].node, at: now, self)))
    }
    if kind.changesCapacity { for id in state.waiting { reenter(id, in: state) } }
    guard let id else { return }
    switch kind {
    case .cellQueued, .cellAdopted:
      forget(id, in: state)
      reenter(id, in: state)
    case .cellEnded:
      forget(id, in: state)
      expectNext(of: id, in: state)
    case .notebookClosed, .kernelDied: forget(id, in: state)
    case .cellSuspended, .cellResized, .priorityChanged, .held, .released, .resumeOrdered, .pinned, .unpinned:
      reenter(id, in: state)
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .backlogChanged, .cellRefused,
      .cellWaits, .cellStarted, .cellResumed, .interruptRequested, .demandOverridden, .commandAccepted, .commandRefused,
      .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .suspensionPlanned,
      .suspensionCalledOff:
      break
    }
  }

  /// Takes a notebook out of everything, with all that was known of its cell.
  private mutating func forget(_ id: NotebookID, in state: SchedulerState) {
    leave(id, in: state)
    standings[Int(id.number)] = Standing()
    if keepsRooms { nodes[Int(state.notebooks[Int(id.number)].node.number)].arrivals.remove(id) }
  }

  public mutating func decide(_ ledger: inout Ledger) {
    now = ledger.now
    if keepsRooms { keptBack.removeAll(keepingCapacity: true) }
    for node in nodes.indices {
      let id = NodeID(Int32(node))
      if ledger.state.pinnedCount > 0 { startPinned(on: id, in: &ledger) }
      claimSharers(on: id, in: &ledger)
      age(on: id, in: &ledger)
      if nodes[node].unforeseen > 0 { rerankUnforeseen(on: id, in: &ledger) }
      if nodes[node].malleable == 0 {
        admitGangs(on: id, in: &ledger)
        startPending(on: id, in: &ledger)
      } else {
        admitGangs(on: id, in: &ledger)
        divideCores(on: id, in: &ledger)
      }
      nodes[node].bound.follow(share)
      if let first = nodes[node].ageing.first, let rank = nodes[node].ageing.rank(of: first),
        let at = nodes[node].bound.reached(from: Instant(microseconds: rank.tier), after: now)
      {
        ledger.wake(at: at)
      }
    }
    ledger.explainWaits(keptBack: keptBack) { state in
      let pinned = state.queue.filter {
        state.isStartable($0) && state.notebooks[Int($0.number)].isPinned
      }
      return (pinned + nodes.flatMap { $0.gangs.ordered + $0.others.ordered }).sorted { rank(of: $0) < rank(of: $1) }
    }
  }

  private func rank(of id: NotebookID) -> Rank { standings[Int(id.number)].rank }
}
