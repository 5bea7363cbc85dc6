import Domain
import Engine
import Simulation
import Verbs

/// What orders are likely to bring: the engine is copied twice as it stands, one copy is given the orders, and both are run
/// ahead: over the cells that are in the books, those that wait behind them in their gates, and the next one that each
/// notebook's author is expected to submit.
///
/// A cell takes what its forecast's median says is left of it after what it has run, at the speed that its cores allow
/// (Amdahl) and that sharing leaves it (`Contention`). What comes next is the forecast's word, too: after the median of the
/// think time, with the needs and the length that the next cell is foreseen to have; where it says nothing, nobody comes. The two
/// worlds differ by the orders alone. The state and the policy are values, so a copy costs what it changes.
public struct LookAhead: Sendable {
  /// How far is looked, where nothing ends before.
  public static let horizon = Span(seconds: 4 * 3600)
  /// The most inputs that one world is given; a policy that asks to be woken again and again ends there.
  static let inputsMost = 20_000

  private let engine: Scheduler
  private let now: Instant

  /// - Parameter now: the present instant, from which the copies go on.
  public init(_ engine: Scheduler, at now: Instant) {
    self.engine = engine
    self.now = max(now, engine.state.now)
  }

  /// Runs both worlds.
  ///
  /// - Parameter isOutOfTime: asked between inputs; once it says true, what has been seen by then is given, marked as cut short.
  public func preview(
    of verbs: [Verb], horizon: Span = LookAhead.horizon, isOutOfTime: () -> Bool = { false }
  ) -> Preview {
    let end = now + horizon
    var without = World(engine, at: now)
    var with = World(engine, at: now)
    // One that is refused changes nothing: what comes after it finds the world as those before it left it.
    let refusals = verbs.enumerated().compactMap { place, verb in
      with.order(verb).map { Preview.Refused(order: place, $0) }
    }
    without.run(until: end, isOutOfTime)
    with.run(until: end, isOutOfTime)
    let ids = Set(without.players + with.players).sorted()
    return Preview(
      verbs: verbs, before: without.outcome(of: ids, until: end), after: with.outcome(of: ids, until: end),
      changes: verbs.count > refusals.count ? changes(ids, without, with) : [], refusals: refusals, horizon: horizon,
      unknown: without.unknown, isCutShort: without.isCutShort || with.isCutShort)
  }

  /// Who starts or ends at a time that is at least a second and a twentieth other.
  private func changes(_ ids: [NotebookID], _ without: World, _ with: World) -> [Preview.Change] {
    func span(_ instant: Instant?) -> Span? { instant.map { max($0 - now, .zero) } }
    func differs(_ a: Span?, _ b: Span?) -> Bool {
      guard let a, let b else { return (a == nil) != (b == nil) }
      return abs(a.seconds - b.seconds) >= max(1, 0.05 * max(a.seconds, b.seconds))
    }
    func weight(_ change: Preview.Change) -> Double {
      func shift(_ a: Span?, _ b: Span?) -> Double {
        guard let a, let b else { return (a == nil) != (b == nil) ? 1e6 : 0 }
        return abs(a.seconds - b.seconds)
      }
      return max(shift(change.waitBefore, change.waitAfter), shift(change.endBefore, change.endAfter))
    }
    let all = ids.compactMap { id -> Preview.Change? in
      let starts = (span(without.starts[id]), span(with.starts[id]))
      let ends = (span(without.ends[id]), span(with.ends[id]))
      guard differs(starts.0, starts.1) || differs(ends.0, ends.1) else { return nil }
      return Preview.Change(id, wait: starts, end: ends)
    }
    return all.map { (weight($0), $0) }.sorted { $0.0 != $1.0 ? $0.0 > $1.0 : $0.1.notebook < $1.1.notebook }.map(\.1)
  }
}

/// One copy of the engine on its way ahead.
private struct World {
  private struct Work {
    var cell: CellID
    /// Left at full speed, in microseconds.
    var left: Double
    var rate = 0.0
    var worksFrom: Instant
    /// How many cells wait behind it in the gate; nil for as many as the books say.
    var behind: Int32?
  }

  /// A cell on its way through the world.
  private struct Played {
    var notebook: NotebookID
    var submitted: Instant
    var started: Instant?
    var ended: Instant?
    /// Its whole run alone, in seconds.
    var whole: Double
  }

  /// A cell that has not been submitted yet.
  private struct Coming {
    var at: Instant
    var demand: Demand
    var forecast: CellForecast
    /// How many wait behind it in the gate.
    var behind: Int32
  }

  private var engine: Scheduler
  private var clock: Instant
  private let begin: Instant
  private var work: [NotebookID: Work] = [:]
  /// The cells that were in the books or came, in the order in which they came.
  private var played: [Played] = []
  /// Where each notebook's cell in the books stands in `played`.
  private var current: [NotebookID: Int] = [:]
  /// The cells that are expected, one a notebook.
  private var coming: [NotebookID: Coming] = [:]
  /// When each notebook's first cell of those starts and ends.
  private(set) var starts: [NotebookID: Instant] = [:]
  private(set) var ends: [NotebookID: Instant] = [:]
  private(set) var unknown = 0
  private(set) var isCutShort = false
  /// Away from what a server gives out, which counts from 1 << 62 (`GateDesk`): a number that was seen is not obeyed again.
  private var commands: UInt64 = 3 << 61

  init(_ engine: Scheduler, at now: Instant) {
    self.engine = engine
    self.engine.explainsNothing()
    clock = now
    begin = now
    let state = engine.state
    for id in (state.waiting + state.running).sorted() {
      let slot = state[id]
      if let started = slot.started { starts[id] = min(started, now) }
      let ran = slot.ran(at: now)
      var left = max(ran, Span(seconds: 60))
      if let forecast = slot.cell.forecast {
        left = max(forecast.run.left(after: ran, at: 0.5), Span(microseconds: 1))
      } else {
        unknown += 1
      }
      enter(id, submitted: slot.cell.submitted, whole: ran + left)
      work[id] = Work(cell: slot.cell.id, left: Double(left.microseconds), worksFrom: now)
    }
    for place in state.notebooks.indices where state.notebooks[place].state == .thinking {
      let slot = state.notebooks[place]
      guard slot.started != nil, let known = slot.cell.forecast, let think = known.further?.think else { continue }
      // When it ended is not in the books: after the median of its run, as far as anybody knows.
      let thought = max(now - (slot.runningSince + known.run.p50), .zero)
      expect(slot.cell.notebook, slot.cell, after: think.left(after: thought, at: 0.5), behind: slot.backlog)
    }
    retime()
  }

  /// The notebooks of which a cell was in the books or came.
  var players: [NotebookID] { played.map(\.notebook) }

  private mutating func enter(_ id: NotebookID, submitted: Instant, whole: Span) {
    current[id] = played.count
    played.append(
      Played(notebook: id, submitted: submitted, started: starts[id], ended: nil, whole: whole.seconds))
  }

  /// Books the cell that is likely to come after one, if anything is known of it.
  private mutating func expect(_ id: NotebookID, _ last: Cell, after think: Span, behind: Int32) {
    let further = last.forecast?.further
    guard let run = further?.nextRun ?? (behind > 0 ? last.forecast?.run : nil) else { return }
    var demand = last.demand
    if let gpus = further?.nextNeed.gpus {
      demand.gpus = Int32(clamping: max(gpus.p50, 0))
      if demand.gpus == 0 { demand.gpuMemory = .zero }
    }
    if let needed = further?.nextNeed.millicores {
      demand.coresMost = Int32(clamping: max((needed.p50 + 999) / 1000, 1))
      demand.coresLeast = min(demand.coresLeast, demand.coresMost)
    }
    let parallel = last.forecast?.parallelThousandths ?? 1000
    coming[id] = Coming(
      at: clock + (behind > 0 ? .zero : think), demand: demand,
      forecast: CellForecast(run: run, basis: .notebook, parallelThousandths: parallel), behind: max(behind - 1, 0))
  }

  private mutating func submit(_ id: NotebookID, _ next: Coming) {
    coming[id] = nil
    advance(to: next.at)
    engine.handleSubmission(of: id, next.demand, CellSource(), next.forecast, at: clock)
    // A cell that no node could hold is refused.
    guard engine.state.hasCell(id) else { return note() }
    let run = max(next.forecast.run.p50, Span(microseconds: 1))
    current[id] = played.count
    played.append(Played(notebook: id, submitted: clock, started: nil, ended: nil, whole: run.seconds))
    work[id] = Work(
      cell: engine.state[id].cell.id, left: Double(run.microseconds), worksFrom: clock, behind: next.behind)
    note()
  }

  /// Gives an order; why it is refused, where it is.
  mutating func order(_ verb: Verb) -> Refusal? {
    commands += 1
    let command = Command(id: CommandID(commands), author: "", verb: verb)
    engine.handle(.command(command), at: clock)
    var refusal: Refusal?
    var interrupted: NotebookID?
    for entry in engine.entries {
      if case .commandRefused(_, let why) = entry.event { refusal = why }
      if case .interruptRequested(_, let id) = entry.event { interrupted = id }
    }
    note()
    if let interrupted, engine.state.hasCell(interrupted) { finish(interrupted, .interrupted) }
    return refusal
  }

  mutating func run(until end: Instant, _ isOutOfTime: () -> Bool) {
    for input in 0..<LookAhead.inputsMost {
      if input % 16 == 0, isOutOfTime() {
        isCutShort = true
        return
      }
      let (next, comer) = (nextEnd(), nextComing())
      let first = min(next?.at ?? .never, comer?.next.at ?? .never)
      let isAtWork = !engine.state.waiting.isEmpty || engine.state.runningCount > 0
      if engine.wakeAt < first, engine.wakeAt <= end, isAtWork {
        wake()
      } else if first > end {
        return
      } else if let next, next.at == first {
        advance(to: next.at)
        finish(next.id, .ok)
      } else if let comer {
        submit(comer.id, comer.next)
      } else {
        return
      }
    }
    isCutShort = true
  }

  private mutating func wake() {
    // A wish for the present instant is granted a moment later, so that time goes on.
    advance(to: max(engine.wakeAt, clock + Span(microseconds: 1)))
    engine.handle(.timer, at: clock)
    note()
  }

  private mutating func finish(_ id: NotebookID, _ outcome: CellOutcome) {
    guard let done = work[id] else { return }
    if ends[id] == nil { ends[id] = clock }
    if let place = current.removeValue(forKey: id) { played[place].ended = clock }
    work[id] = nil
    let slot = engine.state[id]
    engine.handleEnd(of: id, done.cell, outcome, at: clock)
    expect(
      id, slot.cell, after: slot.cell.forecast?.further?.think?.p50 ?? .zero, behind: done.behind ?? slot.backlog)
    note()
  }

  /// Takes in what the last input brought.
  private mutating func note() {
    var isChanged = false
    for entry in engine.entries {
      switch entry.event {
      case .cellStarted(_, let id, _, _), .cellResumed(_, let id, _, _):
        if starts[id] == nil { starts[id] = entry.at }
        if let place = current[id], played[place].started == nil { played[place].started = entry.at }
        work[id]?.worksFrom = entry.at + engine.state.memoryDelay(of: id)
        isChanged = true
      case .cellResized, .cellSuspended, .cellEnded: isChanged = true
      case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
        .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellAdopted, .interruptRequested, .priorityChanged,
        .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused,
        .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .suspensionPlanned,
        .suspensionCalledOff, .gpusSeen:
        break
      }
    }
    if isChanged { retime() }
  }

  /// Sets how fast everyone works.
  private mutating func retime() {
    let state = engine.state
    var loads: [SharedLoad]?
    for id in state.running where state[id].allotment.shared {
      if loads == nil { loads = state.nodes.map { SharedLoad($0.node) } }
      let slot = state[id]
      loads?[Int(slot.allotment.node.number)].add(
        slot.allotment, threads: slot.cell.demand.coresMost, gpus: slot.cell.demand.gpus, sign: 1)
    }
    for id in work.keys { work[id]?.rate = 0 }
    for id in state.running {
      guard work[id] != nil else { continue }
      let slot = state[id]
      let speedup = Speedup(parallelThousandths: slot.cell.forecast?.parallelThousandths ?? 1000)
      let most = slot.cell.demand.coresMost
      if slot.allotment.shared, let load = loads?[Int(slot.allotment.node.number)] {
        work[id]?.rate = Contention.measured.rate(
          of: speedup, cores: most, gpus: slot.cell.demand.gpus, on: slot.allotment, under: load)
      } else {
        work[id]?.rate = speedup.rate(on: Double(slot.allotment.cores.count), of: most)
      }
    }
  }

  private mutating func advance(to instant: Instant) {
    for id in engine.state.running {
      guard let one = work[id], one.rate > 0 else { continue }
      let elapsed = Double(max((instant - max(clock, one.worksFrom)).microseconds, 0))
      work[id]?.left = max(one.left - elapsed * one.rate, 0)
    }
    clock = max(clock, instant)
  }

  private func nextEnd() -> (id: NotebookID, at: Instant)? {
    var best: (id: NotebookID, at: Instant)?
    for id in engine.state.running {
      guard let one = work[id], one.rate > 0 else { continue }
      let at = max(clock, one.worksFrom) + Span(microseconds: Int64((one.left / one.rate).rounded(.up)))
      if best.map({ at < $0.at || (at == $0.at && id < $0.id) }) ?? true { best = (id, at) }
    }
    return best
  }

  private func nextComing() -> (id: NotebookID, next: Coming)? {
    let first = coming.min { ($0.value.at, $0.key) < ($1.value.at, $1.key) }
    return first.map { ($0.key, $0.value) }
  }

  /// What the cells come to, by notebook; one that has not ended counts up to `end`, as if it ended then.
  func outcome(of ids: [NotebookID], until end: Instant) -> Preview.Outcome {
    guard !ids.isEmpty else { return Preview.Outcome(waitMean: 0, antt: 1, stp: 0) }
    var waits = 0.0
    var sums: [NotebookID: (shared: Double, alone: Double)] = [:]
    for cell in played {
      waits += max(((cell.started ?? end) - max(cell.submitted, begin)).seconds, 0)
      let shared = max(((cell.ended ?? end) - cell.submitted).seconds, 1e-6)
      let sum = sums[cell.notebook] ?? (0, 0)
      sums[cell.notebook] = (sum.shared + shared, sum.alone + max(cell.whole, 1e-6))
    }
    var (ratios, progress) = (0.0, 0.0)
    for sum in ids.compactMap({ sums[$0] }) {
      let ratio = max(sum.shared / sum.alone, 1)
      ratios += ratio
      progress += 1 / ratio
    }
    return Preview.Outcome(
      waitMean: waits / Double(max(played.count, 1)), antt: ratios / Double(max(sums.count, 1)), stp: progress)
  }
}
