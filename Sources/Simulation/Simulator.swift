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
    /// How many cores and GPUs its cell holds, alone or with others.
    var cores: Int32 = 0
    var gpus: Int32 = 0
    /// Where its cells begin in the simulator's list, and how many there are.
    var first: Int32 = 0
    var cells: Int32 = 0
    /// Microseconds of the cell's work that are left, as it would run alone; exact while it runs at full rate.
    var left: Int64 = 0
    /// When `left` was last true; in the future while its GPU memory is on its way.
    var since: Int64 = 0
    var rate = 1.0
    var submitted = Instant.zero
    var started = Instant.never
    var suspendedAt = Int64(0)
    /// The sum of its cells' turnarounds, and of their run times, so far.
    var shared: Int64 = 0
    var alone: Int64 = 0
    var think: Int64 = 0
    /// Its cell holds cores and GPUs together with others.
    var shares = false
    /// What it holds although it thinks (a reservation).
    var keeps = false
    /// The cell found no memory: it ends at once, in error.
    var fails = false

    /// Books the work done since `since`.
    mutating func settle(at now: Int64) {
      let elapsed = now - since
      guard elapsed > 0 else { return }
      since = now
      let done = rate == 1 ? elapsed : Int64((Double(elapsed) * rate).rounded())
      left = max(left - done, 0)
    }

    /// When its cell ends at the rate at which it runs.
    var end: Int64 { since + (rate == 1 ? left : Int64((Double(left) / max(rate, 1e-9)).rounded(.up))) }
  }

  public private(set) var scheduler: Scheduler
  public internal(set) var now: Int64 = 0
  public private(set) var entriesCount: Int64 = 0
  /// Every entry so far, where the settings keep them.
  public private(set) var recorded: [Entry] = []
  /// Every input so far as the engine was given it, and how many entries it brought, where the settings keep entries.
  public private(set) var recordedInputs: [(input: Input, at: Instant, entries: Int)] = []
  /// The cells that ended, where the settings keep them.
  public private(set) var history: [RanCell] = []
  let trace: Trace
  let settings: Settings
  let keepsBetweenCells: Bool
  let learns: Bool
  var forecast: any ForecastSource
  var players: ContiguousArray<Player>
  /// Every notebook's cells, one after the other.
  let cells: ContiguousArray<TraceCell>
  /// The player of each of the engine's notebooks.
  var playerOf: ContiguousArray<Int32> = []
  /// The players that have not opened yet, in order of arrival, from `arrived` on.
  let arrivals: ContiguousArray<Int32>
  var arrived = 0
  /// When the next of them opens; `Int64.max` where there is none.
  var nextArrival = Int64.max
  /// What comes next for those that have.
  var agenda: Agenda
  var tally: Tally
  var order: UInt64 = 0
  var load: SharedLoad
  /// Players on shared allotments, and what they share.
  var sharers: ContiguousArray<(player: Int32, allotment: Allotment)> = []
  /// Memory in use by cells on shared allotments, which no policy counts.
  var sharedMemory = Bytes.zero
  /// GPU memory in use on shared allotments, by GPU, until the notebooks close.
  var sharedGPUMemory: SharedGPUMemory
  var held = (cores: 0, gpus: 0, since: Int64(0))
  /// What was told of each notebook's use, where it is sampled.
  var told: [NotebookID: Usage] = [:]
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
    if scheduler.foreseesNextCells { self.forecast.foreseeNextCells() }
    scheduler.reserveCapacity(notebooks: trace.notebooks.count)
    learns = forecast.learns
    keepsBetweenCells = settings.policy.hasPrefix("reservation")
    players = ContiguousArray(repeating: Player(), count: trace.notebooks.count)
    var all = ContiguousArray<TraceCell>()
    all.reserveCapacity(trace.cellCount)
    for (index, notebook) in trace.notebooks.enumerated() {
      players[index].first = Int32(all.count)
      players[index].cells = Int32(notebook.cells.count)
      all.append(contentsOf: notebook.cells)
    }
    cells = all
    let starts = ContiguousArray(trace.notebooks.map(\.arrival))
    arrivals = ContiguousArray(
      trace.notebooks.indices.sorted { (starts[$0], $0) < (starts[$1], $1) }.map { Int32($0) })
    agenda = Agenda(notebooks: trace.notebooks.count)
    tally = Tally(cells: trace.cellCount, notebooks: trace.notebooks.count)
    load = SharedLoad(node)
    sharedGPUMemory = SharedGPUMemory(node)
    playerOf.reserveCapacity(trace.notebooks.count)
    nextArrival = arrivals.first.map { starts[Int($0)].microseconds } ?? .max
    give(.observation(.nodeFound(node)))
  }

  /// Whether everything that the trace brings has happened, or nothing ever will.
  public var isOver: Bool { nextOfPlayers == nil && scheduler.wakeAt == .never }

  /// Plays until `instant`, or to the end.
  public mutating func run(until instant: Instant = .never) {
    if instant == .never {
      while step() {}
    } else {
      while let time = nextTime, time <= instant.microseconds { step() }
    }
  }

  /// When the next thing happens; nil where nothing does.
  public var nextTime: Int64? {
    let wake = scheduler.wakeAt.microseconds
    guard let next = nextOfPlayers else { return wake == .max || scheduler.state.waiting.isEmpty ? nil : wake }
    return min(next.time, wake)
  }

  /// The next that a player does, and who: at one instant ends come first, then arrivals, then submissions.
  private var nextOfPlayers: (time: Int64, player: Int32)? {
    if let planned = agenda.first,
      planned.time < nextArrival || (planned.time == nextArrival && planned.order < Self.thinkers)
        || arrived == arrivals.count
    {
      return (planned.time, planned.notebook)
    }
    return arrived < arrivals.count ? (nextArrival, arrivals[arrived]) : nil
  }

  /// Plays the next thing that happens; false where nothing does.
  @discardableResult
  public mutating func step() -> Bool {
    let wake = scheduler.wakeAt.microseconds
    if let next = nextOfPlayers, next.time <= wake {
      now = next.time
      if players[Int(next.player)].isRunning { end(next.player) } else { proceed(next.player) }
      return true
    }
    guard wake != .max, agenda.first != nil || arrived < arrivals.count || !scheduler.state.waiting.isEmpty else {
      return false
    }
    now = max(now, wake)
    give(.timer)
    return true
  }

  /// The figures so far.
  public mutating func measures() -> Measures {
    settleHeld()
    return tally.measures(cores: node.cores.count, gpus: node.gpus.count)
  }

  public var digest: Digest { scheduler.ledger.digest }

  /// Gives what was recorded since the last call to `body`, and forgets it: each input with the entries it brought.
  public mutating func drainRecord(
    _ body: ((input: Input, at: Instant, entries: Int), ArraySlice<Entry>) -> Void
  ) {
    var place = 0
    for given in recordedInputs {
      body(given, recorded[place..<place + given.entries])
      place += given.entries
    }
    recorded.removeAll(keepingCapacity: true)
    recordedInputs.removeAll(keepingCapacity: true)
  }
}

// MARK: The operator

extension Simulator {
  /// Gives the engine an operator's order, once all that happens until then has happened. An interrupted cell ends at once.
  public mutating func order(_ command: Command, at instant: Instant) {
    run(until: instant)
    now = max(now, instant.microseconds)
    give(.command(command))
    for entry in scheduler.entries {
      if case .interruptRequested(_, let id) = entry.event { return interrupt(playerOf[Int(id.number)]) }
    }
  }

  private mutating func interrupt(_ player: Int32) {
    let index = Int(player)
    let number = Int(players[index].cell)
    if players[index].isRunning { finishRunning(player) }
    (players[index].fails, players[index].suspendedAt) = (false, 0)
    players[index].cell += 1
    tally.failed += 1
    tell(.interrupted, ofEndOf: number, player)
  }
}

// MARK: The users

extension Simulator {
  /// From here on the agenda's order is that of authors whose thinking ends.
  private static let thinkers: UInt64 = 1 << 63

  private mutating func schedule(_ player: Int32, at time: Int64, ends: Bool) {
    order += 1
    agenda.set(player, at: time, order: ends ? order : order | Self.thinkers)
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
    arrived += 1
    nextArrival = arrived < arrivals.count ? trace.notebooks[Int(arrivals[arrived])].arrival.microseconds : .max
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
      sharedGPUMemory.giveBack(player)
      forecast.closed(number: index)
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
    var source = trace.notebooks[index].source(of: number)
    source.key = UInt64(number + 1)
    players[index].submitted = instant
    players[index].started = .never
    players[index].left = cell.run.microseconds
    scheduler.handleSubmission(
      of: players[index].id, cell.demand, source, foreseen, at: instant)
    let id = players[index].id
    obey(.observation(.cellSubmitted(id, cell.demand, source, foreseen)))
    // Where it started, its end has taken this submission's place.
    if !players[index].isRunning { agenda.remove(player) }
  }

  private mutating func end(_ player: Int32) {
    let index = Int(player)
    let number = Int(players[index].cell)
    let cell = cells[Int(players[index].first) + number]
    let instant = Instant(microseconds: now)
    finishRunning(player)
    players[index].cell += 1
    let ended = players[index]
    if ended.fails { return fail(player, number) }
    players[index].shared = ended.shared + (instant - ended.submitted).microseconds
    players[index].alone = ended.alone + cell.run.microseconds
    tally.cellEnded(submitted: ended.submitted, started: ended.started, ended: instant, runAlone: cell.run)
    if settings.keepsHistory {
      history.append(
        RanCell(
          notebook: player, cell: Int32(number), submitted: ended.submitted, started: ended.started, ended: instant))
    }
    let work = cell.run.seconds * 1e6
    tally.busyGPUs += work * Double(cell.gpus)
    tally.busyCores +=
      work * Speedup(parallelThousandths: cell.parallelThousandths).over(cores: Double(cell.cores))
    if learns { forecast.learn(from: number, in: trace.notebooks[index], number: index, ran: cell.run, at: instant) }
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
    scheduler.handleEnd(of: id, ended, outcome, at: Instant(microseconds: now))
    obey(.observation(.cellEnded(id, ended, outcome)))
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
  mutating func give(_ input: Input) {
    scheduler.handle(input, at: Instant(microseconds: now))
    obey(input)
  }

  /// Does what the entries of the last input order; the input is asked for only where it is recorded.
  private mutating func obey(_ input: @autoclosure () -> Input) {
    entriesCount += Int64(scheduler.ledger.news.count)
    if settings.keepsEntries {
      recorded.append(contentsOf: scheduler.entries)
      recordedInputs.append((input(), Instant(microseconds: now), scheduler.entries.count))
    }
    var sharingChanged = false
    for place in scheduler.ledger.news.indices {
      let news = scheduler.ledger.news[place]
      guard let id = news.notebook else { continue }
      switch news.kind {
      case .cellStarted, .cellResumed:
        begin(id, &sharingChanged)
        waitForMemory(of: id)
      case .cellResized:
        finishRunning(playerOf[Int(id.number)], &sharingChanged)
        begin(id, &sharingChanged)
      case .cellSuspended:
        let player = playerOf[Int(id.number)]
        finishRunning(player, &sharingChanged)
        players[Int(player)].suspendedAt = now
        tally.preemptions += 1
        agenda.remove(player)
      case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
        .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellAdopted, .interruptRequested, .cellEnded,
        .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted,
        .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .gpusSeen,
        .suspensionPlanned,
        .suspensionCalledOff:
        break
      case .memoryEvicted: tally.evictions += 1
      }
    }
    if sharingChanged { spreadLoad() }
  }

  /// Lets a cell run on what it has been given. Where one input gave it several allotments, the last is that which counts.
  private mutating func begin(_ id: NotebookID, _ sharingChanged: inout Bool) {
    let index = Int(playerOf[Int(id.number)])
    let cell = cells[Int(players[index].first + players[index].cell)]
    let slot = Int(id.number)
    let cores = Int32(scheduler.state.notebooks[slot].allotment.cores.count)
    let gpus = Int32(scheduler.state.notebooks[slot].allotment.gpus.count)
    var player = players[index]
    if player.started == .never {
      player.started = Instant(microseconds: now)
    } else if player.suspendedAt > 0 {
      tally.suspendedMicroseconds += Double(now - player.suspendedAt)
    }
    player.suspendedAt = 0
    player.isRunning = true
    player.since = max(player.since, now)
    player.shares = scheduler.state.notebooks[slot].allotment.shared
    if player.keeps, (cores, gpus) != (player.cores, player.gpus) {
      hold(player, -1)
      player.keeps = false
    }
    if !player.keeps {
      (player.cores, player.gpus) = (cores, gpus)
      hold(player, +1)
      player.keeps = keepsBetweenCells
    }
    if player.shares {
      let allotment = scheduler.state.notebooks[slot].allotment
      load.add(allotment, threads: cell.cores, gpus: cell.gpus, sign: 1)
      sharers.append((Int32(index), allotment))
      player.rate = 0
      sharingChanged = true
      sharedMemory = sharedMemory + cell.memory
      if node.memory > .zero, sharedMemory > node.memory { player.fails = true }
      if cell.gpuMemory > .zero, !sharedGPUMemory.take(Int32(index), cell, on: allotment.gpus) { player.fails = true }
    } else {
      player.rate =
        cores >= cell.cores
        ? 1 : Speedup(parallelThousandths: cell.parallelThousandths).rate(on: Double(cores), of: cell.cores)
      schedule(Int32(index), at: player.end, ends: true)
    }
    players[index] = player
  }

  /// A cell whose GPU memory has to be brought to its GPUs first, or others' out of the way, does nothing until then,
  /// whatever cores it is given meanwhile.
  private mutating func waitForMemory(of id: NotebookID) {
    let delay = scheduler.state.memoryDelay(of: id).microseconds
    guard delay > 0 else { return }
    let index = Int(playerOf[Int(id.number)])
    // What is on its way arrives while the cell is suspended, too.
    let ready = max(players[index].since, now + delay)
    tally.swapMicroseconds += Double(ready - players[index].since)
    players[index].since = ready
    schedule(Int32(index), at: players[index].end, ends: true)
  }

  private mutating func finishRunning(_ player: Int32) {
    var changed = false
    finishRunning(player, &changed)
    if changed { spreadLoad() }
  }

  private mutating func finishRunning(_ player: Int32, _ sharingChanged: inout Bool) {
    let index = Int(player)
    players[index].settle(at: now)
    players[index].isRunning = false
    if !players[index].keeps { hold(players[index], -1) }
    guard players[index].shares else { return }
    let cell = cells[Int(players[index].first + players[index].cell)]
    if let place = sharers.firstIndex(where: { $0.player == player }) {
      load.add(sharers[place].allotment, threads: cell.cores, gpus: cell.gpus, sign: -1)
      sharers.remove(at: place)
    }
    sharedMemory = sharedMemory - cell.memory
    sharingChanged = true
  }

  /// Sets every sharer's rate anew.
  private mutating func spreadLoad() {
    for (player, allotment) in sharers {
      let index = Int(player)
      let cell = cells[Int(players[index].first + players[index].cell)]
      var rate = settings.contention.rate(
        of: Speedup(parallelThousandths: cell.parallelThousandths), cores: cell.cores, gpus: cell.gpus, on: allotment,
        under: load, place: Int(players[index].first + players[index].cell), notebooks: sharers.count)
      if abs(rate - 1) < 1e-12 { rate = 1 }
      if players[index].fails {
        players[index].left = 0
        rate = 1
      }
      guard rate != players[index].rate else { continue }
      players[index].settle(at: now)
      players[index].rate = rate
      schedule(player, at: players[index].end, ends: true)
    }
  }

  /// Counts what is held from now on.
  private mutating func hold(_ player: Player, _ sign: Int) {
    settleHeld()
    held.cores += sign * Int(player.cores)
    held.gpus += sign * Int(player.gpus)
  }

  private mutating func release(_ player: Int32) {
    hold(players[Int(player)], -1)
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
