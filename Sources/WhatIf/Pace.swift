import Domain
import Engine
import Simulation

/// How much of its cell each notebook has worked off, followed through a log: recorded or decided again.
///
/// Work is counted in microseconds on one core, so that it means the same on any number of cores. A cell on cores of its
/// own works at Amdahl's speedup on them, up to what it can use; cells that share work as `Contention` says. A cell that
/// waits for GPU memory to be saved and restored holds what it was given and works nothing off.
struct Pace: Sendable {
  struct Runner: Sendable {
    /// The cores that the cell can use, the GPUs that it needs, and how it scales.
    var coresMost: Int32 = 1
    var gpus: Int32 = 0
    var speedup = Speedup(parallelThousandths: 1000)
    /// Worked off until `since`.
    var done = 0.0
    /// Core microseconds a microsecond from `worksFrom` on; 0 while it does not run.
    var rate = 0.0
    var since = Instant.zero
    /// When its GPU memory is, or was, where it runs.
    var worksFrom = Instant.zero
    var allotment: Allotment?
    /// Held so far: cores × microseconds and GPUs × microseconds.
    var heldCores = 0.0
    var heldGPUs = 0.0

    /// How fast it works on all the cores that it can use of a node that has `cores`.
    func fullRate(onNodeOf cores: Int) -> Double { speedup.over(cores: Double(min(Int(coresMost), max(cores, 1)))) }

    /// What it has worked off until `now`.
    func done(at now: Instant) -> Double {
      done + Double(max((now - max(since, worksFrom)).microseconds, 0)) * rate
    }
  }

  /// The books as the entries leave them.
  private(set) var state = SchedulerState()
  /// By notebook number.
  private(set) var runners: [Runner] = []
  /// Whose rate has changed since it was last cleared.
  var changed: [NotebookID] = []
  private var loads: [SharedLoad] = []
  private var sharers: [NotebookID] = []
  private let contention: Contention

  init(contention: Contention) { self.contention = contention }

  subscript(id: NotebookID) -> Runner { runners[Int(id.number)] }

  func contains(_ id: NotebookID) -> Bool { id.number >= 0 && Int(id.number) < runners.count }

  /// What the notebook's cell has worked off until `now`.
  func done(_ id: NotebookID, at now: Instant) -> Double { self[id].done(at: now) }

  /// Follows one entry.
  mutating func apply(_ entry: Entry) {
    state.apply(entry)
    switch entry.event {
    case .nodeAdded(let node):
      if Int(node.id.number) < loads.count { rebuild(node) } else { loads.append(SharedLoad(node)) }
    case .notebookOpened: runners.append(Runner())
    case .cellQueued(let cell): prepare(cell)
    case .cellAdopted(let cell, _, let allotment):
      prepare(cell)
      begin(cell.notebook, on: allotment, at: entry.at)
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      if contains(id), state.contains(id) {
        // What is on its way arrives while the cell is suspended, too.
        let index = Int(id.number)
        runners[index].worksFrom = max(runners[index].worksFrom, entry.at + state.memoryDelay(of: id))
      }
      begin(id, on: allotment, at: entry.at)
    case .cellResized(_, let id, let allotment, _):
      stop(id, at: entry.at)
      begin(id, on: allotment, at: entry.at)
    case .cellSuspended(_, let id, _), .cellEnded(_, let id, _): stop(id, at: entry.at)
    case .policyChanged, .drainChanged, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged, .cellRefused,
      .cellWaits, .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled,
      .invariantBroken, .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  private mutating func prepare(_ cell: Cell) {
    guard contains(cell.notebook) else { return }
    runners[Int(cell.notebook.number)] = Runner(
      coresMost: cell.demand.coresMost, gpus: cell.demand.gpus,
      speedup: Speedup(parallelThousandths: cell.forecast?.parallelThousandths ?? 1000))
  }

  private mutating func begin(_ id: NotebookID, on allotment: Allotment, at now: Instant) {
    guard contains(id), Int(allotment.node.number) < loads.count else { return }
    let index = Int(id.number)
    runners[index].allotment = allotment
    runners[index].since = now
    if allotment.shared {
      let runner = runners[index]
      loads[Int(allotment.node.number)].add(allotment, threads: runner.coresMost, gpus: runner.gpus, sign: 1)
      sharers.append(id)
      spread(at: now)
    } else {
      let cores = Double(min(allotment.cores.count, Int(runners[index].coresMost)))
      runners[index].rate = runners[index].speedup.over(cores: cores)
      changed.append(id)
    }
  }

  private mutating func stop(_ id: NotebookID, at now: Instant) {
    guard contains(id), let allotment = self[id].allotment else { return }
    let index = Int(id.number)
    settle(index, at: now)
    runners[index].rate = 0
    runners[index].allotment = nil
    changed.append(id)
    guard allotment.shared else { return }
    let runner = runners[index]
    loads[Int(allotment.node.number)].add(allotment, threads: runner.coresMost, gpus: runner.gpus, sign: -1)
    sharers.removeAll { $0 == id }
    spread(at: now)
  }

  private mutating func settle(_ index: Int, at now: Instant) {
    guard let allotment = runners[index].allotment else { return }
    let elapsed = Double((now - runners[index].since).microseconds)
    runners[index].done = runners[index].done(at: now)
    let held = allotment.counted(coresMost: runners[index].coresMost, gpus: runners[index].gpus)
    runners[index].heldCores += elapsed * Double(held.cores)
    runners[index].heldGPUs += elapsed * Double(held.gpus)
    runners[index].since = now
  }

  /// Sets the rate of everyone who shares anew.
  private mutating func spread(at now: Instant) {
    for id in sharers {
      let index = Int(id.number)
      guard let allotment = runners[index].allotment else { continue }
      let runner = runners[index]
      var rate = contention.rate(
        of: runner.speedup, cores: runner.coresMost, gpus: runner.gpus, on: allotment,
        under: loads[Int(allotment.node.number)])
      rate *= runner.speedup.over(cores: Double(runner.coresMost))
      guard rate != runner.rate else { continue }
      settle(index, at: now)
      runners[index].rate = rate
      changed.append(id)
    }
  }

  private mutating func rebuild(_ node: Node) {
    var load = SharedLoad(node)
    for id in sharers {
      let runner = self[id]
      guard let allotment = runner.allotment, allotment.node == node.id else { continue }
      load.add(allotment, threads: runner.coresMost, gpus: runner.gpus, sign: 1)
    }
    loads[Int(node.id.number)] = load
  }
}
