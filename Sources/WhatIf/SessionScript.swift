import Domain
import Simulation

/// What the people and the node of a recorded session did of their own accord: what stays the same when others decide.
///
/// A notebook's steps follow one another in a closed loop: each begins so long after the end of the one before as it did
/// then (the think time). A cell's work is what it had worked off when it ended, whatever it was given.
public struct SessionScript: Sendable {
  /// A cell as it was recorded.
  public struct CellRecord: Sendable {
    public var id: CellID
    public var submitted: Instant
    public var started: Instant?
    public var ended: Instant?
    public var outcome: CellOutcome?
    /// The whole of its work, in microseconds on one core.
    var work = 0.0
    /// Its work was never seen as a whole, and is guessed: it did not run, had not ended, or an operator interrupted it.
    public var isWorkGuessed = false
    /// Its end was told by what came next: the death of its kernel, or another submission.
    var endsWithNext = false
    /// How long after an operator's interrupt it ended.
    var interruptSpan: Span?
    var interruptedAt: Instant?
    var submission: Observation
    var order: UInt64
    var endOrder: UInt64
    /// How fast it works on all that it can use.
    var fullRate = 1.0
    var heldCores = 0.0
    var heldGPUs = 0.0

    /// Its run time alone on the node.
    public var alone: Span { Span(microseconds: Int64((work / max(fullRate, 1e-9)).rounded())) }
  }

  enum StepKind: Sendable, Equatable {
    case ready, died, closed
    case cell(Int)
  }

  struct Step: Sendable {
    var kind: StepKind
    /// After the end of the step before it; for the first, after the opening.
    var delay: Span
    var at: Instant
    var order: UInt64
  }

  /// A change of the backlog, so long after the notebook's `phase`-th turn.
  struct SideStep: Sendable {
    var phase: Int
    var delay: Span
    var at: Instant
    var order: UInt64
    var backlog: Int32
  }

  public struct NotebookRecord: Sendable {
    public var notebook: Notebook
    public var opened: Instant
    public internal(set) var cells: [CellRecord] = []
    var order: UInt64
    var steps: [Step] = []
    var sides: [SideStep] = []
    var phase = 0
    var turned: Instant
    var stepEnded: Instant
  }

  /// An operator's order as it was given.
  public struct Action: Sendable, Hashable {
    /// 1 for the session's first.
    public var number: Int
    public var at: Instant
    public var sequence: Int64
    public var command: Command
    /// Why it was not obeyed; nil where it was.
    public var refusal: Refusal?
    var order: UInt64
  }

  /// The policy that the session began with.
  public internal(set) var policy = ""
  public internal(set) var notebooks: [NotebookRecord] = []
  public internal(set) var actions: [Action] = []
  /// The instant of the last entry.
  public internal(set) var end = Instant.zero
  public internal(set) var explainsWaits = false
  var nodes: [(at: Instant, order: UInt64, node: Node)] = []
  var preemptions: [Instant] = []
  /// When the recorded engine was called for what has no place in another world (a sample of usage): it looked at its
  /// decisions then, so that another one must be called then, too.
  var ticks: [(at: Instant, order: UInt64)] = []
  /// Where each of the recording's cells stands.
  var places: [CellID: (notebook: Int, cell: Int)] = [:]

  /// Reads a recording once.
  ///
  /// - Throws: `WhatIfError` where it holds no inputs (nothing can be decided from entries alone), or why it cannot be
  ///   read.
  public init(_ recording: some Recording, contention: Contention = .measured) throws {
    var builder = ScriptBuilder(contention: contention)
    var count = 0
    try recording.forEachInput { given in
      builder.take(given)
      count += 1
      return true
    }
    guard count > 0 else {
      throw WhatIfError(
        "this session was recorded without its inputs, and nothing can be decided again from its entries")
    }
    self = builder.finish()
  }

  init() {}

  /// The node as it was found first; nil in an empty session.
  public var node: Node? { nodes.first?.node }
}

/// Makes a script from a recording, input by input.
private struct ScriptBuilder {
  private var script = SessionScript()
  private var pace: Pace

  init(contention: Contention) { pace = Pace(contention: contention) }

  mutating func take(_ given: GivenInput) {
    let order = UInt64(given.ordinal)
    switch given.input {
    case .observation(.usageSampled), .observation(.effectFailed): script.ticks.append((given.at, order))
    case .observation, .command, .timer: break
    }
    for entry in given.entries {
      pace.apply(entry)
      script.end = entry.at
      follow(entry, given, order)
    }
    pace.changed.removeAll(keepingCapacity: true)
  }

  private mutating func follow(_ entry: Entry, _ given: GivenInput, _ order: UInt64) {
    switch entry.event {
    case .policyChanged(let name): if script.policy.isEmpty { script.policy = name }
    case .nodeAdded(let node): script.nodes.append((entry.at, order, node))
    case .notebookOpened(let notebook):
      script.notebooks.append(
        .init(notebook: notebook, opened: entry.at, order: order, turned: entry.at, stepEnded: entry.at))
    case .kernelReady(let id): step(.ready, id, entry, order, ends: true)
    case .kernelDied(let id): step(.died, id, entry, order, ends: true)
    case .notebookClosed(let id): step(.closed, id, entry, order, ends: true)
    case .backlogChanged(let id, let count):
      let record = script.notebooks[Int(id.number)]
      script.notebooks[Int(id.number)].sides.append(
        .init(phase: record.phase, delay: entry.at - record.turned, at: entry.at, order: order, backlog: count))
    case .cellQueued(let cell): submit(cell, given, entry, order)
    case .cellAdopted(let cell, _, _):
      submit(cell, given, entry, order)
      started(cell.notebook, entry.at)
    case .cellRefused(let cell, _):
      submit(cell, given, entry, order)
      ended(cell.notebook, .refused, entry.at, given, order)
    case .cellStarted(_, let id, _, _): started(id, entry.at)
    case .cellSuspended(_, _, let reason): if reason.rule == .preempted { script.preemptions.append(entry.at) }
    case .interruptRequested(_, let id):
      change(id) { if $0.interruptedAt == nil { $0.interruptedAt = entry.at } }
    case .cellEnded(_, let id, let outcome): ended(id, outcome, entry.at, given, order)
    case .commandAccepted(let command): act(command, nil, entry, order)
    case .commandRefused(let command, let refusal): act(command, refusal, entry, order)
    case .cellWaits: script.explainsWaits = true
    case .drainChanged, .cellResized, .cellResumed, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
      .memoryEvicted, .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  private mutating func act(_ command: Command, _ refusal: Refusal?, _ entry: Entry, _ order: UInt64) {
    script.actions.append(
      .init(
        number: script.actions.count + 1, at: entry.at, sequence: entry.sequence, command: command, refusal: refusal,
        order: order))
  }

  private mutating func step(
    _ kind: SessionScript.StepKind, _ id: NotebookID, _ entry: Entry, _ order: UInt64, ends: Bool
  ) {
    let index = Int(id.number)
    script.notebooks[index].steps.append(
      .init(kind: kind, delay: entry.at - script.notebooks[index].stepEnded, at: entry.at, order: order))
    turn(index, entry.at)
    if ends { script.notebooks[index].stepEnded = entry.at }
  }

  private mutating func turn(_ index: Int, _ now: Instant) {
    script.notebooks[index].phase += 1
    script.notebooks[index].turned = now
  }

  private mutating func submit(_ cell: Cell, _ given: GivenInput, _ entry: Entry, _ order: UInt64) {
    guard case .observation(let submission) = given.input else { return }
    let index = Int(cell.notebook.number)
    let place = script.notebooks[index].cells.count
    let node = script.nodes.last { $0.node.id == script.notebooks[index].notebook.node }?.node
    let most = min(Int(cell.demand.coresMost), max(node?.cores.count ?? 1, 1))
    let speedup = Speedup(parallelThousandths: cell.forecast?.parallelThousandths ?? 1000)
    script.notebooks[index].cells.append(
      .init(
        id: cell.id, submitted: entry.at, submission: submission, order: order, endOrder: order,
        fullRate: speedup.over(cores: Double(most))))
    script.places[cell.id] = (index, place)
    step(.cell(place), cell.notebook, entry, order, ends: false)
  }

  private mutating func change(_ id: NotebookID, _ body: (inout SessionScript.CellRecord) -> Void) {
    let index = Int(id.number)
    guard index < script.notebooks.count, !script.notebooks[index].cells.isEmpty else { return }
    body(&script.notebooks[index].cells[script.notebooks[index].cells.count - 1])
  }

  private mutating func started(_ id: NotebookID, _ now: Instant) {
    change(id) { if $0.started == nil { $0.started = now } }
  }

  private mutating func ended(
    _ id: NotebookID, _ outcome: CellOutcome, _ now: Instant, _ given: GivenInput, _ order: UInt64
  ) {
    let isOwnEnd: Bool
    if case .observation(.cellEnded) = given.input { isOwnEnd = true } else { isOwnEnd = false }
    let runner = pace[id]
    change(id) { cell in
      cell.ended = now
      cell.outcome = outcome
      cell.endOrder = order
      cell.endsWithNext = !isOwnEnd && outcome != .refused
      cell.work = cell.started == nil ? 0 : runner.done
      (cell.heldCores, cell.heldGPUs) = (runner.heldCores, runner.heldGPUs)
      cell.isWorkGuessed = cell.started == nil || cell.interruptedAt != nil
      if let asked = cell.interruptedAt { cell.interruptSpan = now - asked }
    }
    let index = Int(id.number)
    turn(index, now)
    script.notebooks[index].stepEnded = now
  }

  /// Guesses the work that was never seen as a whole.
  func finish() -> SessionScript {
    var result = script
    var all = (sum: 0.0, count: 0.0)
    for notebook in result.notebooks {
      for cell in notebook.cells where cell.ended != nil && !cell.isWorkGuessed {
        all = (all.sum + cell.work, all.count + 1)
      }
    }
    for index in result.notebooks.indices {
      let known = result.notebooks[index].cells.filter { $0.ended != nil && !$0.isWorkGuessed }
      for place in result.notebooks[index].cells.indices {
        var cell = result.notebooks[index].cells[place]
        guard cell.ended == nil || cell.isWorkGuessed else { continue }
        let id = result.notebooks[index].notebook.id
        if cell.ended == nil {
          cell.work = pace.done(id, at: result.end)
          (cell.heldCores, cell.heldGPUs) = (pace[id].heldCores, pace[id].heldGPUs)
        }
        cell.isWorkGuessed = true
        cell.work = max(cell.work, Self.guess(cell, known, all))
        result.notebooks[index].cells[place] = cell
      }
    }
    return result
  }

  /// What its forecast said; else what the notebook's cells took in the mean, else everyone's, else a second.
  private static func guess(
    _ cell: SessionScript.CellRecord, _ known: [SessionScript.CellRecord], _ all: (sum: Double, count: Double)
  ) -> Double {
    if case .cellSubmitted(_, _, _, let forecast?) = cell.submission {
      return Double(forecast.run.p50.microseconds) * cell.fullRate
    }
    if !known.isEmpty { return known.reduce(0) { $0 + $1.work } / Double(known.count) }
    return all.count > 0 ? all.sum / all.count : 1e6 * cell.fullRate
  }
}
