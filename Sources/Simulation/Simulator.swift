import Domain
import Engine
import Metrics
import Traces

/// A session in virtual time: the real engine, closed-loop users from a trace, and a node whose cells run as long as the
/// trace and the contention say.
///
/// Each notebook opens at its arrival, thinks, submits, waits for the end of its cell, thinks, and so on; it closes after
/// its last cell. At one instant ends come before submissions, and the engine's timer comes last.
public struct Simulator: Sendable {
  /// How a trace is played.
  public struct Settings: Sendable {
    public var policy: String
    public var contention: Contention
    public var engine: Scheduler.Settings
    /// Keep when each cell ran, for a timeline.
    public var keepsHistory: Bool
    /// Keep every entry, for a recording.
    public var keepsEntries = false

    public init(
      policy: String, contention: Contention = .measured,
      engine: Scheduler.Settings = Scheduler.Settings(explainsWaits: false), keepsHistory: Bool = false
    ) {
      self.keepsHistory = keepsHistory
      self.policy = policy
      self.contention = contention
      self.engine = engine
    }
  }

  /// What a notebook of the trace is doing.
  struct Player: Sendable {
    /// The next cell to submit, or the one in the books.
    var cell: Int32 = 0
    var id = NotebookID(-1)
    var isRunning = false
    /// Where its cells begin in the simulator's list, and how many there are.
    var first: Int32 = 0
    var cells: Int32 = 0
    /// Microseconds of the cell's work that are left, as it would run alone; exact while it runs at full rate.
    var left: Int64 = 0
    /// When `left` was last true.
    var since: Int64 = 0
    var rate = 1.0
    var submitted = Instant.zero
    var started = Instant.never
    var suspendedAt = Int64(0)
    /// The sum of its cells' turnarounds, and of their run times, so far.
    var shared: Int64 = 0
    var alone: Int64 = 0
    var think: Int64 = 0
    /// What it holds although it thinks (a reservation).
    var keeps = false
    /// The cell found no memory: it ends at once, in error.
    var fails = false
  }

  public private(set) var scheduler: Scheduler
  public private(set) var now: Int64 = 0
  public private(set) var entriesCount: Int64 = 0
  /// Every entry so far, where the settings keep them.
  public private(set) var recorded: [Entry] = []
  /// Every input so far, where the settings keep entries.
  public private(set) var recordedInputs: [GivenInput] = []
  /// The cells that ended, where the settings keep them.
  public private(set) var history: [RanCell] = []
  let trace: Trace
  let settings: Settings
  let keepsBetweenCells: Bool
  var forecast: any ForecastSource
  var players: ContiguousArray<Player>
  /// Every notebook's cells, one after the other.
  let cells: ContiguousArray<TraceCell>
  /// What each player's cell holds, alone or with others.
  var allotments: ContiguousArray<Allotment>
  /// The player of each of the engine's notebooks.
  var playerOf: ContiguousArray<Int32> = []
  var agenda: Agenda
  var tally: Tally
  var order: UInt64 = 0
  var load: SharedLoad
  /// Players on shared allotments, in no order that means anything.
  var sharers: ContiguousArray<Int32> = []
  /// Memory in use by cells on shared allotments, which no policy counts.
  var sharedMemory = Bytes.zero
  var held = (cores: 0, gpus: 0, since: Int64(0))
  let node: Node

  /// - Throws: `Refusal` where the policy is unknown, or a cell of the trace could never run on the node.
  public init(
    _ trace: Trace, on node: Node, settings: Settings, forecast: any ForecastSource, catalogue: PolicyCatalogue
  ) throws(Refusal) {
    if let misfit = trace.misfit(on: node) { throw misfit }
    self.trace = trace
    self.node = node
    self.settings = settings
    self.forecast = forecast
    scheduler = try Scheduler(policy: settings.policy, from: catalogue, settings: settings.engine)
    keepsBetweenCells = settings.policy.hasPrefix("reservation")
    players = ContiguousArray(repeating: Player(), count: trace.notebooks.count)
    allotments = ContiguousArray(
      repeating: Allotment(node: NodeID(0), cores: CoreSet()), count: trace.notebooks.count)
    var all = ContiguousArray<TraceCell>()
    all.reserveCapacity(trace.cellCount)
    for (index, notebook) in trace.notebooks.enumerated() {
      players[index].first = Int32(all.count)
      players[index].cells = Int32(notebook.cells.count)
      all.append(contentsOf: notebook.cells)
    }
    cells = all
    agenda = Agenda(notebooks: trace.notebooks.count)
    tally = Tally(cells: trace.cellCount, notebooks: trace.notebooks.count)
    load = SharedLoad(node)
    playerOf.reserveCapacity(trace.notebooks.count)
    give(.observation(.nodeFound(node)))
    for (number, notebook) in trace.notebooks.enumerated() {
      schedule(Int32(number), at: notebook.arrival.microseconds, ends: false)
    }
  }

  /// Whether everything that the trace brings has happened, or nothing ever will.
  public var isOver: Bool { agenda.first == nil && scheduler.wakeAt == .never }

  /// Plays until `instant`, or to the end.
  public mutating func run(until instant: Instant = .never) {
    while let time = nextTime, time <= instant.microseconds { step() }
  }

  /// When the next thing happens; nil where nothing does.
  public var nextTime: Int64? {
    let wake = scheduler.wakeAt.microseconds
    guard let first = agenda.first else { return wake == .max || scheduler.state.waiting.isEmpty ? nil : wake }
    return min(first.time, wake)
  }

  /// Plays the next thing that happens.
  public mutating func step() {
    let wake = scheduler.wakeAt.microseconds
    guard let first = agenda.first, first.time <= wake else {
      now = max(now, wake)
      give(.timer)
      return
    }
    now = first.time
    if players[Int(first.notebook)].isRunning { end(first.notebook) } else { proceed(first.notebook) }
  }

  /// The figures so far.
  public mutating func measures() -> Measures {
    settleHeld()
    return tally.measures(cores: node.cores.count, gpus: node.gpus.count)
  }

  public var digest: Digest { scheduler.ledger.digest }

  /// Gives what was recorded since the last call to `body`, and forgets it: each input with the entries it brought.
  public mutating func drainRecord(_ body: (GivenInput, ArraySlice<Entry>) -> Void) {
    var place = 0
    for given in recordedInputs {
      body(given, recorded[place..<place + given.entries])
      place += given.entries
    }
    recorded.removeAll(keepingCapacity: true)
    recordedInputs.removeAll(keepingCapacity: true)
  }
}

// MARK: The users

extension Simulator {
  private mutating func schedule(_ player: Int32, at time: Int64, ends: Bool) {
    order += 1
    agenda.set(player, at: time, order: ends ? order : order | 1 << 63)
  }

  /// Opens a notebook, or submits its next cell.
  private mutating func proceed(_ player: Int32) {
    let index = Int(player)
    if players[index].id.number < 0 {
      open(player)
    } else {
      submit(player)
    }
  }

  private mutating func open(_ player: Int32) {
    let notebook = trace.notebooks[Int(player)]
    let id = NotebookID(Int32(playerOf.count))
    players[Int(player)].id = id
    playerOf.append(player)
    tally.arrived(at: Instant(microseconds: now))
    give(
      .observation(
        .notebookOpened(
          Notebook(
            id: id, node: NodeID(0), user: notebook.user, path: notebook.name, kernel: "trace",
            priority: notebook.priority))))
    give(.observation(.kernelReady(id)))
    thinkOrClose(player)
  }

  /// Thinks towards the next cell, or closes the notebook after its last one.
  private mutating func thinkOrClose(_ player: Int32) {
    let index = Int(player)
    let cell = Int(players[index].cell)
    guard cell < Int(players[index].cells) else {
      agenda.remove(player)
      tally.notebookEnded(alone: players[index].alone, shared: players[index].shared, think: players[index].think)
      if players[index].keeps { release(player) }
      give(.observation(.notebookClosed(players[index].id)))
      return
    }
    let think = cells[Int(players[index].first) + cell].think.microseconds
    players[index].think += think
    schedule(player, at: now + think, ends: false)
  }

  private mutating func submit(_ player: Int32) {
    let index = Int(player)
    let number = Int(players[index].cell)
    let cell = cells[Int(players[index].first) + number]
    let instant = Instant(microseconds: now)
    let foreseen = forecast.forecast(of: number, in: trace.notebooks[index], number: index, at: instant)
    players[index].submitted = instant
    players[index].started = .never
    players[index].left = cell.run.microseconds
    agenda.remove(player)
    give(
      .observation(
        .cellSubmitted(players[index].id, cell.demand, CellSource(key: UInt64(number + 1)), foreseen)))
  }

  private mutating func end(_ player: Int32) {
    let index = Int(player)
    let number = Int(players[index].cell)
    let cell = cells[Int(players[index].first) + number]
    let instant = Instant(microseconds: now)
    finishRunning(player)
    players[index].cell += 1
    if players[index].fails { return fail(player, number) }
    players[index].shared += (instant - players[index].submitted).microseconds
    players[index].alone += cell.run.microseconds
    tally.cellEnded(
      submitted: players[index].submitted, started: players[index].started, ended: instant, runAlone: cell.run)
    if settings.keepsHistory {
      history.append(
        RanCell(
          notebook: player, cell: Int32(number), submitted: players[index].submitted, started: players[index].started,
          ended: instant))
    }
    let work = cell.run.seconds * 1e6
    tally.busyGPUs += work * Double(cell.gpus)
    tally.busyCores +=
      work * Speedup(parallelThousandths: cell.parallelThousandths).over(cores: Double(cell.cores))
    forecast.learn(from: number, in: trace.notebooks[index], number: index, ran: cell.run, at: instant)
    tell(.ok, ofEndOf: number, player)
  }

  /// A cell found no memory: its author sees an error and goes on.
  private mutating func fail(_ player: Int32, _ number: Int) {
    players[Int(player)].fails = false
    tally.failed += 1
    tell(.error, ofEndOf: number, player)
  }

  /// Tells the engine of an end.
  private mutating func tell(_ outcome: CellOutcome, ofEndOf number: Int, _ player: Int32) {
    let index = Int(player)
    let id = players[index].id
    let ended = scheduler.state.notebooks[Int(id.number)].cell.id
    thinkAfterEnd(player)
    give(.observation(.cellEnded(id, ended, outcome)))
    if number + 1 == Int(players[index].cells) { thinkOrClose(player) }
  }

  /// Plans the next submission before the engine hears of the end, so that whatever the engine starts comes after.
  private mutating func thinkAfterEnd(_ player: Int32) {
    let index = Int(player)
    guard Int(players[index].cell) < Int(players[index].cells) else {
      agenda.remove(player)
      return
    }
    thinkOrClose(player)
  }
}

// MARK: The node

extension Simulator {
  /// Gives the engine an input and does what its entries order.
  private mutating func give(_ input: Input) {
    scheduler.handle(input, at: Instant(microseconds: now))
    let count = scheduler.entries.count
    entriesCount += Int64(count)
    if settings.keepsEntries {
      recorded.append(contentsOf: scheduler.entries)
      recordedInputs.append(GivenInput(input: input, at: Instant(microseconds: now), entries: count))
    }
    var sharingChanged = false
    for place in 0..<count {
      switch scheduler.entries[place].event {
      case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
        begin(playerOf[Int(id.number)], on: allotment, &sharingChanged)
      case .cellResized(_, let id, let allotment, _):
        let player = playerOf[Int(id.number)]
        finishRunning(player, &sharingChanged)
        begin(player, on: allotment, &sharingChanged)
      case .cellSuspended(_, let id, _):
        let player = playerOf[Int(id.number)]
        finishRunning(player, &sharingChanged)
        players[Int(player)].suspendedAt = now
        tally.preemptions += 1
        agenda.remove(player)
      case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
        .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellAdopted, .interruptRequested, .cellEnded,
        .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted,
        .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken:
        break
      }
    }
    if sharingChanged { spreadLoad() }
  }

  private mutating func begin(_ player: Int32, on allotment: Allotment, _ sharingChanged: inout Bool) {
    let index = Int(player)
    let cell = cells[Int(players[index].first + players[index].cell)]
    if players[index].started == .never {
      players[index].started = Instant(microseconds: now)
    } else if players[index].suspendedAt > 0 {
      tally.suspendedMicroseconds += Double(now - players[index].suspendedAt)
    }
    players[index].suspendedAt = 0
    players[index].isRunning = true
    allotments[index] = allotment
    players[index].since = now
    if !players[index].keeps {
      hold(allotment, +1)
      players[index].keeps = keepsBetweenCells
    }
    if allotment.shared {
      load.add(allotment, threads: cell.cores, gpus: cell.gpus, sign: 1)
      sharers.append(player)
      players[index].rate = 0
      sharingChanged = true
      sharedMemory = sharedMemory + cell.memory
      if node.memory > .zero, sharedMemory > node.memory { players[index].fails = true }
    } else {
      run(
        player,
        at: Speedup(parallelThousandths: cell.parallelThousandths).rate(
          on: Double(allotment.cores.count), of: cell.cores))
    }
  }

  /// Lets a cell run on at a rate, and plans its end.
  private mutating func run(_ player: Int32, at rate: Double) {
    let index = Int(player)
    players[index].rate = rate
    let left = players[index].left
    let time = rate == 1 ? left : Int64((Double(left) / max(rate, 1e-9)).rounded(.up))
    schedule(player, at: now + time, ends: true)
  }

  /// Books the work done since `since`.
  private mutating func settle(_ player: Int32) {
    let index = Int(player)
    let elapsed = now - players[index].since
    players[index].since = now
    guard elapsed > 0 else { return }
    let done = players[index].rate == 1 ? elapsed : Int64((Double(elapsed) * players[index].rate).rounded())
    players[index].left = max(players[index].left - done, 0)
  }

  private mutating func finishRunning(_ player: Int32) {
    var changed = false
    finishRunning(player, &changed)
    if changed { spreadLoad() }
  }

  private mutating func finishRunning(_ player: Int32, _ sharingChanged: inout Bool) {
    let index = Int(player)
    settle(player)
    players[index].isRunning = false
    if !players[index].keeps { hold(allotments[index], -1) }
    guard allotments[index].shared else { return }
    let cell = cells[Int(players[index].first + players[index].cell)]
    load.add(allotments[index], threads: cell.cores, gpus: cell.gpus, sign: -1)
    if let place = sharers.firstIndex(of: player) { sharers.remove(at: place) }
    sharedMemory = sharedMemory - cell.memory
    sharingChanged = true
  }

  /// Sets every sharer's rate anew.
  private mutating func spreadLoad() {
    for player in sharers {
      let index = Int(player)
      let cell = cells[Int(players[index].first + players[index].cell)]
      let allotment = allotments[index]
      let got = load.cores(of: allotment, threads: cell.cores)
      var rate = Speedup(parallelThousandths: cell.parallelThousandths).rate(on: got.cores, of: cell.cores)
      if cell.cores > 1 {
        rate /= 1 + settings.contention.oversubscriptionLoss * min(max(got.load - 1, 0), 1)
      }
      rate = min(rate, load.share(of: allotment, gpus: cell.gpus))
      if rate > 1 - 1e-12 { rate = 1 }
      if players[index].fails {
        players[index].left = 0
        rate = 1
      }
      guard rate != players[index].rate else { continue }
      settle(player)
      run(player, at: rate)
    }
  }

  /// Counts what is held from now on.
  private mutating func hold(_ allotment: Allotment, _ sign: Int) {
    settleHeld()
    held.cores += sign * allotment.cores.count
    held.gpus += sign * allotment.gpus.count
  }

  private mutating func release(_ player: Int32) {
    hold(allotments[Int(player)], -1)
    players[Int(player)].keeps = false
  }

  /// Shared cores and GPUs are held once, whoever shares them.
  mutating func settleHeld() {
    let elapsed = Double(now - held.since)
    held.since = now
    tally.heldCores += elapsed * Double(min(held.cores, node.cores.count))
    tally.heldGPUs += elapsed * Double(min(held.gpus, node.gpus.count))
  }
}

/// An input as the engine was given it.
public struct GivenInput: Sendable {
  public var input: Input
  public var at: Instant
  /// How many entries it brought.
  public var entries: Int
}
