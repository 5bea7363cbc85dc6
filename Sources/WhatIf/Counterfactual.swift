import Domain
import Engine
import Simulation

/// A session that might have been: up to a moment as it was recorded, from then on decided again on other terms, while
/// the recorded people go on in a closed loop.
///
/// Each notebook opens when it did; each next cell is submitted its recorded think time after the end of the one before
/// in this world; each cell has its recorded work to do. Operators' orders are given at the moments at which they were
/// given, to the same cells. What was measured then (usage, failed effects) has no place in another world and is left out.
public struct Counterfactual {
  /// A cell's life in this world.
  public struct Life: Sendable, Hashable {
    public var id: CellID
    public var submitted: Instant
    public var started: Instant?
    public var ended: Instant?
    public var outcome: CellOutcome?
    public var heldCores = 0.0
    public var heldGPUs = 0.0
  }

  /// What a notebook's agenda entry stands for.
  private enum Pending {
    case nothing, step, end, interruption, patience
  }

  private struct Player {
    /// The step that comes next, or the cell that is in the books.
    var step = 0
    var hasCell = false
    var pending = Pending.nothing
    var phase = 0
    var turned = Instant.zero
    var side = 0
    var isOpen = false
  }

  private enum Fixed {
    case node(Node)
    case open(Int)
    case act(Int)
    /// A call of the engine that brings nothing but its looking again.
    case tick
  }

  public let script: SessionScript
  public let changes: Changes
  /// The moment from which is decided again: inputs before it are the past.
  public let from: Instant
  /// The entries from then on; the first follows the last entry of the past.
  public private(set) var entries: [Entry] = []
  /// By notebook, by cell of the script: what became of those that were not over at `from`; nil for those that never came.
  public private(set) var lives: [[Life?]]
  /// Why the past itself could not be decided alike, so that the policy's memory of it is lost; nil where it could.
  public private(set) var pastDifference: Redecision.Difference?
  /// Orders that were obeyed in the recording and refused here, or the other way round.
  public private(set) var ordersDiffering = 0
  public private(set) var preemptions = 0
  public private(set) var now = Instant.zero
  private var scheduler: Scheduler
  private var pace: Pace
  private var players: [Player] = []
  private var agenda: Agenda
  private var fixed: [(at: Instant, order: UInt64, what: Fixed)] = []
  private var nextFixed = 0

  /// Goes to the moment `from`.
  ///
  /// - Throws: `Refusal` for an unknown policy, `WhatIfError` for a change that cannot be made, or why the recording
  ///   cannot be read.
  public init(
    _ recording: some Recording, script: SessionScript, changes: Changes, from: Instant, catalogue: PolicyCatalogue,
    contention: Contention = .measured
  ) throws {
    self.script = script
    self.changes = changes
    self.from = from
    for case .action(let number) in changes.without {
      guard script.actions.indices.contains(number - 1) else {
        throw WhatIfError("there is no action \(number): the session has \(script.actions.count)")
      }
      guard script.actions[number - 1].at >= from else {
        throw WhatIfError("action \(number) was given before the moment from which is decided again")
      }
    }
    lives = script.notebooks.map { Array(repeating: nil, count: $0.cells.count) }
    agenda = Agenda(notebooks: 2 * script.notebooks.count)
    players = Array(repeating: Player(), count: script.notebooks.count)
    pace = Pace(contention: contention)
    let isFromBeginning = script.nodes.first.map { $0.at >= from } ?? true
    var past = try Redecision(
      policy: isFromBeginning ? changes.policy ?? script.policy : script.policy, explainsWaits: script.explainsWaits,
      catalogue: catalogue)
    var pace = pace
    try recording.forEachInput { given in
      guard given.at < from else { return false }
      past.take(given)
      for entry in given.entries { pace.apply(entry) }
      return true
    }
    pace.changed.removeAll()
    self.pace = pace
    pastDifference = past.difference
    scheduler =
      past.isSame
      ? past.scheduler
      : try Scheduler(
        continuing: pace.state, policy: pace.state.policyName, from: catalogue,
        settings: Scheduler.Settings(explainsWaits: script.explainsWaits))
    now = max(from, scheduler.state.now)
    plan()
    if isFromBeginning, !changes.with.isEmpty {
      throw WhatIfError("with=… needs a moment at which the notebook is there: name one with --from")
    }
    if !isFromBeginning { try turnTheTables() }
  }

  /// The fixed future, and where each notebook stands in its script.
  private mutating func plan() {
    for item in script.nodes where item.at >= from { fixed.append((item.at, item.order, .node(item.node))) }
    for (index, record) in script.notebooks.enumerated() {
      if record.opened >= from { fixed.append((record.opened, record.order, .open(index))) }
    }
    let isEveryLeftOut = changes.without.contains(.everyAction)
    for (index, action) in script.actions.enumerated() where action.at >= from && !isEveryLeftOut {
      if changes.without.contains(.action(action.number)) { continue }
      if changes.policy != nil, case .setPolicy = action.command.verb { continue }
      fixed.append((action.at, action.order, .act(index)))
    }
    for tick in script.ticks where tick.at >= from { fixed.append((tick.at, tick.order, .tick)) }
    for place in fixed.indices { fixed[place].order = Self.rank(fixed[place].order, isOnTime: true, isEnd: false) }
    fixed.sort { ($0.at, $0.order) < ($1.at, $1.order) }
    for index in script.notebooks.indices where script.notebooks[index].opened < from { resume(index) }
  }

  /// Takes up a notebook that was open before `from`.
  private mutating func resume(_ index: Int) {
    let record = script.notebooks[index]
    players[index].isOpen = true
    players[index].turned = record.opened
    var ended = record.opened
    for step in record.steps {
      guard step.at < from else { break }
      players[index].phase += 1
      players[index].turned = step.at
      guard case .cell(let place) = step.kind else {
        ended = step.at
        players[index].step += 1
        if step.kind == .closed { players[index].isOpen = false }
        continue
      }
      let cell = record.cells[place]
      guard let end = cell.ended, end < from else {
        players[index].hasCell = true
        lives[index][place] = Life(
          id: cell.id, submitted: cell.submitted, started: cell.started.flatMap { $0 < from ? $0 : nil })
        break
      }
      players[index].phase += 1
      players[index].turned = end
      ended = end
      players[index].step += 1
    }
    players[index].side = record.sides.firstIndex { $0.at >= from } ?? record.sides.count
    planSide(index)
    if players[index].hasCell { planCell(index) } else { planStep(index, after: ended) }
  }

  /// Changes the capacity, the policy and the standing orders at `from`.
  private mutating func turnTheTables() throws {
    for slot in scheduler.state.nodes.prefix(1) {
      let target = changed(slot.node)
      var larger = target
      larger.cores = slot.node.cores.union(target.cores)
      if target.gpus.count < slot.node.gpus.count { larger.gpus = slot.node.gpus }
      let grown = scheduler.enlarge(larger, at: now)
      take(grown)
      let lostCores = slot.node.cores.subtracting(target.cores)
      let lostGPUs = slot.node.gpuSet.subtracting(target.gpuSet)
      if !lostCores.isEmpty || !lostGPUs.isEmpty { command(.drain(slot.node.id, lostCores, lostGPUs), 1) }
      if !grown.isEmpty { give(.timer) }
    }
    if let policy = changes.policy { command(.setPolicy(policy), 2) }
    if let policy = changes.policy, scheduler.state.policyName != policy {
      throw WhatIfError("there is no policy '\(policy.printable(at: 40))', or it does not know its options")
    }
    for (offset, addition) in changes.with.enumerated() {
      command(try addition.verb(in: scheduler.state), 3 + UInt64(offset))
    }
  }

  private mutating func command(_ verb: Verb, _ number: UInt64) {
    give(.command(Command(id: CommandID(.max - number), author: "what-if", why: changes.text, verb: verb)))
  }

  /// The node with the capacity that was asked for.
  private func changed(_ node: Node) -> Node {
    var result = node
    if let cores = changes.cores {
      if cores <= node.cores.count {
        result.cores = node.cores.smallest(cores)
      } else {
        var next = (Array(node.cores).last ?? -1) + 1
        while result.cores.count < cores, next <= CoreSet.greatest {
          result.cores.insert(next)
          next += 1
        }
      }
    }
    if let gpus = changes.gpus {
      if gpus <= node.gpus.count {
        result.gpus = Array(node.gpus.prefix(gpus))
      } else {
        let model = node.gpus.last
        for number in node.gpus.count..<gpus {
          result.gpus.append(
            GPU(uuid: "GPU-what-if-\(number)", model: model?.model ?? "", memory: model?.memory ?? .zero))
        }
      }
    }
    return result
  }
}

// MARK: Going on

extension Counterfactual {
  /// Timers in a row that may bring nothing when nothing else is left to happen: whoever waits then waits for ever.
  private static let idleTimersMost = 1000

  /// Plays to the end.
  ///
  /// - Parameter progress: called now and then with the share of the recorded time that has passed.
  public mutating func run(progress: ((Double) -> Void)? = nil) {
    var steps = 0
    var idleTimers = 0
    while true {
      let wake = scheduler.wakeAt
      let planned = agenda.first.map { (at: Instant(microseconds: $0.time), order: $0.order) }
      let coming = nextFixed < fixed.count ? fixed[nextFixed] : nil
      let next = min(planned?.at ?? .never, coming?.at ?? .never)
      if next == .never || wake < next {
        guard wake < .never, !scheduler.state.waiting.isEmpty || next < .never else { break }
        now = max(now, wake)
        give(.timer)
        idleTimers = next == .never && scheduler.entries.allSatisfy({ !$0.event.isProgress }) ? idleTimers + 1 : 0
        if idleTimers > Self.idleTimersMost { break }
      } else {
        now = max(now, next)
        if let coming, planned.map({ (coming.at, coming.order) < ($0.at, $0.order) }) ?? true {
          nextFixed += 1
          perform(coming.what)
        } else if let item = agenda.first {
          agenda.remove(item.notebook)
          proceed(Int(item.notebook))
        }
      }
      steps += 1
      if steps % 4096 == 0 { progress?(min(1, now.seconds / max(script.end.seconds, 1e-6))) }
    }
    settle()
  }

  private mutating func perform(_ what: Fixed) {
    switch what {
    case .tick: give(.timer)
    case .node(let node): give(.observation(.nodeFound(node.id.number == 0 ? changed(node) : node)))
    case .open(let index):
      players[index].isOpen = true
      players[index].turned = now
      give(.observation(.notebookOpened(script.notebooks[index].notebook)))
      planSide(index)
      planStep(index, after: now)
    case .act(let index):
      let action = script.actions[index]
      var command = action.command
      command.verb = here(command.verb)
      let before = scheduler.state.sequence
      give(.command(command))
      let isObeyed = scheduler.entries.contains {
        if case .commandAccepted = $0.event { $0.sequence > before } else { false }
      }
      if isObeyed != (action.refusal == nil) { ordersDiffering += 1 }
    }
  }

  /// An order with the cell's number in this world; a cell that is not in the books makes it stale, as it would be.
  private func here(_ verb: Verb) -> Verb {
    func number(_ cell: CellID) -> CellID {
      guard let place = script.places[cell] else { return CellID(-1) }
      if let life = lives[place.notebook][place.cell] { return life.id }
      let record = script.notebooks[place.notebook].cells[place.cell]
      return record.submitted < from ? cell : CellID(-1)
    }
    switch verb {
    case .suspend(let id, let cell): return .suspend(id, cell: number(cell))
    case .resume(let id, let cell): return .resume(id, cell: number(cell))
    case .interrupt(let id, let cell): return .interrupt(id, cell: number(cell))
    case .suspendAfter(let id, let cell, let grace): return .suspendAfter(id, cell: number(cell), grace)
    case .suspendAtEnd(let id, let cell): return .suspendAtEnd(id, cell: number(cell))
    case .callOff(let id, let cell): return .callOff(id, cell: number(cell))
    case .setPriority, .pin, .unpin, .hold, .release, .drain, .undrain, .setPolicy, .overrideDemand: return verb
    }
  }

  /// Something that a notebook had planned has come.
  private mutating func proceed(_ slot: Int) {
    let count = script.notebooks.count
    if slot >= count { return changeBacklog(slot - count) }
    let pending = players[slot].pending
    players[slot].pending = .nothing
    switch pending {
    case .nothing: break
    case .step: begin(slot)
    case .end: end(slot)
    case .interruption: tellEnd(slot, .interrupted)
    case .patience: tellEnd(slot, record(slot)?.outcome ?? .aborted)
    }
  }

  private func record(_ index: Int) -> SessionScript.CellRecord? {
    let steps = script.notebooks[index].steps
    guard players[index].step < steps.count, case .cell(let place) = steps[players[index].step].kind else { return nil }
    return script.notebooks[index].cells[place]
  }

  private mutating func begin(_ index: Int) {
    let notebook = script.notebooks[index]
    guard players[index].isOpen, players[index].step < notebook.steps.count else { return }
    let id = notebook.notebook.id
    switch notebook.steps[players[index].step].kind {
    case .ready:
      give(.observation(.kernelReady(id)))
      stepOn(index)
    case .died:
      give(.observation(.kernelDied(id)))
      stepOn(index)
    case .closed:
      players[index].isOpen = false
      give(.observation(.notebookClosed(id)))
      stepOn(index)
    case .cell(let place): give(.observation(notebook.cells[place].submission))
    }
  }

  private mutating func stepOn(_ index: Int) {
    players[index].step += 1
    planStep(index, after: now)
  }

  /// The cell has done its work.
  private mutating func end(_ index: Int) {
    guard let cell = record(index) else { return }
    guard cell.endsWithNext, players[index].step + 1 < script.notebooks[index].steps.count else {
      return tellEnd(index, cell.outcome.map { $0 == .refused || $0 == .aborted ? .ok : $0 } ?? .ok)
    }
    players[index].step += 1
    players[index].hasCell = false
    begin(index)
  }

  private mutating func tellEnd(_ index: Int, _ outcome: CellOutcome) {
    let id = script.notebooks[index].notebook.id
    guard scheduler.state[id].hasCell else { return }
    give(.observation(.cellEnded(id, scheduler.state[id].cell.id, outcome)))
  }

  private mutating func changeBacklog(_ index: Int) {
    let side = script.notebooks[index].sides[players[index].side]
    players[index].side += 1
    if players[index].isOpen { give(.observation(.backlogChanged(script.notebooks[index].notebook.id, side.backlog))) }
    planSide(index)
  }
}

// MARK: Planning

extension Counterfactual {
  private mutating func planStep(_ index: Int, after ended: Instant) {
    guard players[index].step < script.notebooks[index].steps.count else { return agenda.remove(Int32(index)) }
    let step = script.notebooks[index].steps[players[index].step]
    plan(index, .step, at: ended + step.delay, recorded: step.at, order: step.order)
  }

  private mutating func plan(
    _ index: Int, _ what: Pending, at instant: Instant, recorded: Instant?, order: UInt64
  ) {
    players[index].pending = what
    let at = max(instant, now)
    let isEnd = what != .step
    agenda.set(Int32(index), at: at.microseconds, order: Self.rank(order, isOnTime: at == recorded, isEnd: isEnd))
  }

  /// The order at one instant: what happens when it did then keeps the order that it had then; other ends come before
  /// that, or a cell that has nothing left to do could be preempted, and everything else comes after.
  private static func rank(_ order: UInt64, isOnTime: Bool, isEnd: Bool) -> UInt64 {
    order | (isOnTime ? 1 << 62 : isEnd ? 0 : 1 << 63)
  }

  private mutating func planSide(_ index: Int) {
    let sides = script.notebooks[index].sides
    let slot = Int32(script.notebooks.count + index)
    guard players[index].side < sides.count, sides[players[index].side].phase <= players[index].phase else {
      return agenda.remove(slot)
    }
    let side = sides[players[index].side]
    let at = max(players[index].turned + side.delay, now)
    agenda.set(slot, at: at.microseconds, order: Self.rank(side.order, isOnTime: at == side.at, isEnd: false))
  }

  /// Plans the end of the cell in the books, as things stand.
  private mutating func planCell(_ index: Int) {
    guard let cell = record(index) else { return }
    let id = script.notebooks[index].notebook.id
    if players[index].pending == .interruption { return }
    let runner = pace[id]
    if runner.rate > 0 {
      let left = max(cell.work - pace.done(id, at: now), 0)
      let span = Span(microseconds: Int64(min(left / runner.rate, 9e17).rounded()))
      plan(index, .end, at: max(now, runner.worksFrom) + span, recorded: cell.ended, order: cell.endOrder)
    } else if scheduler.state[id].state == .queued, cell.started == nil, let ended = cell.ended,
      cell.outcome != .refused
    {
      // It never ran: its user gave it up while it waited.
      plan(
        index, .patience, at: scheduler.state[id].cell.submitted + (ended - cell.submitted), recorded: ended,
        order: cell.endOrder)
    } else {
      players[index].pending = .nothing
      agenda.remove(Int32(index))
    }
  }
}

// MARK: What the engine says

extension Counterfactual {
  private mutating func give(_ input: Input) {
    scheduler.handle(input, at: now)
    take(scheduler.entries)
  }

  private mutating func take(_ new: [Entry]) {
    for entry in new {
      entries.append(entry)
      let held = entry.event.endedCell.flatMap { pace.contains($0) ? $0 : nil }
      pace.apply(entry)
      follow(entry, held.map { pace[$0] })
    }
    let changed = pace.changed
    pace.changed.removeAll(keepingCapacity: true)
    for id in changed {
      let index = Int(id.number)
      if index < players.count, players[index].hasCell { planCell(index) }
    }
  }

  private mutating func follow(_ entry: Entry, _ runner: Pace.Runner?) {
    switch entry.event {
    case .cellQueued(let cell), .cellAdopted(let cell, _, _):
      submitted(cell, entry.at)
      if case .cellAdopted = entry.event { change(cell.notebook) { $0.started = entry.at } }
      planCell(Int(cell.notebook.number))
    case .cellRefused(let cell, _):
      submitted(cell, entry.at)
      ended(cell.notebook, .refused, entry.at, runner)
    case .cellStarted(_, let id, _, _): change(id) { if $0.started == nil { $0.started = entry.at } }
    case .cellSuspended(_, _, let reason): if reason.rule == .preempted { preemptions += 1 }
    case .cellEnded(_, let id, let outcome): ended(id, outcome, entry.at, runner)
    case .interruptRequested(_, let id):
      let index = Int(id.number)
      guard index < players.count, players[index].hasCell, let cell = record(index) else { return }
      plan(
        index, .interruption, at: entry.at + (cell.interruptSpan ?? Span(seconds: 0.1)), recorded: cell.ended,
        order: cell.endOrder)
    case .kernelReady(let id), .kernelDied(let id), .notebookClosed(let id): turn(Int(id.number), entry.at)
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .backlogChanged, .cellWaits, .cellResized,
      .cellResumed, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden,
      .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
      .memoryEvicted, .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  private mutating func turn(_ index: Int, _ instant: Instant) {
    guard index < players.count else { return }
    players[index].phase += 1
    players[index].turned = instant
    planSide(index)
  }

  private mutating func submitted(_ cell: Cell, _ instant: Instant) {
    let index = Int(cell.notebook.number)
    guard index < players.count, players[index].step < script.notebooks[index].steps.count,
      case .cell(let place) = script.notebooks[index].steps[players[index].step].kind
    else { return }
    players[index].hasCell = true
    players[index].pending = .nothing
    lives[index][place] = Life(id: cell.id, submitted: instant)
    turn(index, instant)
  }

  private mutating func change(_ id: NotebookID, _ body: (inout Life) -> Void) {
    let index = Int(id.number)
    guard index < players.count, players[index].hasCell, players[index].step < script.notebooks[index].steps.count,
      case .cell(let place) = script.notebooks[index].steps[players[index].step].kind,
      var life = lives[index][place]
    else { return }
    body(&life)
    lives[index][place] = life
  }

  /// A cell is over: its author thinks, and goes on.
  private mutating func ended(_ id: NotebookID, _ outcome: CellOutcome, _ instant: Instant, _ runner: Pace.Runner?) {
    let index = Int(id.number)
    guard index < players.count, players[index].hasCell || !lives[index].isEmpty else { return }
    // Where the next step ended it, the step has been counted on already.
    let isCounted = !players[index].hasCell
    let step = players[index].step - (isCounted ? 1 : 0)
    if step >= 0, step < script.notebooks[index].steps.count,
      case .cell(let place) = script.notebooks[index].steps[step].kind, var life = lives[index][place],
      life.ended == nil
    {
      life.ended = instant
      life.outcome = outcome
      (life.heldCores, life.heldGPUs) = (runner?.heldCores ?? 0, runner?.heldGPUs ?? 0)
      lives[index][place] = life
    }
    turn(index, instant)
    guard !isCounted else { return }
    players[index].hasCell = false
    players[index].pending = .nothing
    players[index].step += 1
    planStep(index, after: instant)
  }

  /// Counts what cells hold that never ended.
  private mutating func settle() {
    for index in players.indices where players[index].hasCell {
      let runner = pace[script.notebooks[index].notebook.id]
      let elapsed = runner.allotment == nil ? 0 : Double((now - runner.since).microseconds)
      change(script.notebooks[index].notebook.id) { life in
        life.heldCores = runner.heldCores + elapsed * Double(runner.allotment?.cores.count ?? 0)
        life.heldGPUs = runner.heldGPUs + elapsed * Double(runner.allotment?.gpus.count ?? 0)
      }
    }
  }

  /// The digest of the whole log, the past included where it was decided alike.
  public var digest: Digest { scheduler.ledger.digest }
}

extension Event {
  fileprivate var endedCell: NotebookID? { if case .cellEnded(_, let id, _) = self { id } else { nil } }

  /// Whether something other than an explanation happened.
  fileprivate var isProgress: Bool {
    switch self {
    case .cellStarted, .cellResumed, .cellResized, .cellSuspended, .cellEnded: true
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellAdopted, .interruptRequested, .priorityChanged,
      .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused,
      .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .suspensionPlanned,
      .suspensionCalledOff:
      false
    }
  }
}
