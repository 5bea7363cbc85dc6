import Domain
import Metrics

/// All that the screens show of a session, folded from its entries: the same for a live, a simulated and a replayed one.
///
/// It consults no policy and no clock. The views take the board and an instant.
public struct Board: Sendable, Hashable {
  /// The last entry folded in; 0 before the first.
  public internal(set) var sequence: Int64 = 0
  /// The instant of the last entry.
  public internal(set) var now = Instant.zero
  public internal(set) var policy = ""
  public internal(set) var nodes: [NodeFacts] = []
  /// By number; a notebook that is gone stays.
  public internal(set) var notebooks = NotebookList()
  /// The last entries that a person would want to read, oldest first, `eventsMost` at the most.
  public internal(set) var events: [Entry] = []
  /// Operators' actions and other moments to jump to, oldest first, `markersMost` at the most.
  public internal(set) var markers: [Marker] = []
  /// The answers to the last commands, oldest first, 64 at the most.
  public internal(set) var answers: [Answer] = []
  /// The names of the open notebooks.
  var takenNames: Set<String> = []
  /// Faults of ours that the operator must hear of.
  public internal(set) var faults = 0
  /// How much was in use when.
  public internal(set) var load = LoadHistory()
  /// What the session came to so far.
  public internal(set) var measures = RunningMeasures()
  /// Who is where.
  var index = BoardIndex()
  private var keeping = Keeping()

  public static let eventsMost = 400
  public static let markersMost = 4096

  public init() {}

  /// How many of the latest notebooks keep their past though they have closed; nil for all. It says nothing of the session, and
  /// goes neither into frames nor over sockets.
  public var closedKept: Int? {
    get { keeping.closed }
    set { keeping.closed = newValue }
  }

  /// How much is kept; boards that know the same of what both keep are compared without it.
  private struct Keeping: Sendable, Hashable {
    var closed: Int?

    static func == (a: Keeping, b: Keeping) -> Bool { true }
    func hash(into hasher: inout Hasher) {}
  }

  /// The segments that the pasts of all notebooks have together: 1 MB. What lies further back is in the history.
  static let segmentsOfAllMost = 128_000

  /// How long a past each notebook keeps: the whole of `NotebookFacts.segmentsMost` where there are few, less where there
  /// are many, so that a server's memory does not grow by what a thousand notebooks did.
  private var segmentsMost: Int {
    min(NotebookFacts.segmentsMost, max(NotebookFacts.segmentsLeast, Self.segmentsOfAllMost / max(notebooks.count, 1)))
  }

  public subscript(id: NotebookID) -> NotebookFacts? {
    id.number >= 0 && Int(id.number) < notebooks.count ? notebooks[Int(id.number)] : nil
  }

  /// A notebook's name for people, made unlike the others of the same name by its number.
  public func name(of id: NotebookID) -> String { self[id]?.name ?? "notebook \(id.number)" }

  /// Folds one entry in.
  public mutating func apply(_ entry: Entry) {
    sequence = entry.sequence
    if now < entry.at { load.hold(amounts, index.gpusTaken(on: 0, of: load.gpus.series), from: now, to: entry.at) }
    now = entry.at
    if entry.event.isForPeople { keep(entry) }
    applyToSession(entry)
    if let id = entry.event.notebook, id.number >= 0, Int(id.number) < notebooks.count {
      measure(entry.event, of: Int(id.number))
      let before = BoardIndex.Standing(notebooks[Int(id.number)])
      let times = (notebooks[Int(id.number)].alone, notebooks[Int(id.number)].shared)
      notebooks[Int(id.number)].apply(entry, segmentsMost: segmentsMost)
      index.moved(id, from: before, to: BoardIndex.Standing(notebooks[Int(id.number)]))
      let after = (notebooks[Int(id.number)].alone, notebooks[Int(id.number)].shared)
      if after.1 > times.1 { measures.ended(from: times, to: after) }
    }
    guard let kept = closedKept, let id = entry.event.letsGo(keeping: kept, of: notebooks.count) else { return }
    if notebooks.look(at: id, { $0.pointee.state == .gone }) { notebooks[Int(id.number)].letGoOfThePast() }
  }

  private mutating func measure(_ event: Event, of index: Int) {
    switch event {
    case .cellStarted(_, _, let allotment, _):
      if let cell = notebooks[index].cell, cell.started == nil { measures.started(after: now - cell.cell.submitted) }
      if allotment.shared { measures.shared() }
    case .cellSuspended(_, _, let reason): if reason.rule == .preempted { measures.preempted() }
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellAdopted, .cellResized, .cellResumed,
      .interruptRequested, .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled,
      .invariantBroken, .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  private mutating func applyToSession(_ entry: Entry) {
    switch entry.event {
    case .policyChanged(let name): policy = name
    case .nodeAdded(let node):
      // A known node is told of again when its capacity has grown.
      if let place = nodes.firstIndex(where: { $0.node.id == node.id }) {
        nodes[place].node = node
      } else {
        nodes.append(NodeFacts(node))
      }
      load.follow(gpus: nodes[0].node.gpus.count)
    case .drainChanged(let id, let cores, let gpus):
      guard id.number >= 0, Int(id.number) < nodes.count else { return }
      nodes[Int(id.number)].drainedCores = cores
      nodes[Int(id.number)].drainedGPUs = gpus
    case .notebookOpened(let notebook):
      guard Int(notebook.id.number) == notebooks.count else { return }
      let name = freeName(notebook.name)
      takenNames.insert(name)
      notebooks.append(NotebookFacts(notebook, named: name, opened: entry.at))
      index.opened(notebook.id, BoardIndex.Standing(notebooks[notebooks.count - 1]))
    case .notebookClosed(let id): if let facts = self[id] { takenNames.remove(facts.name) }
    case .commandAccepted(let command):
      answer(command, nil)
      mark(.action, command.verb.notebook, entry)
    case .commandRefused(let command, let refusal): answer(command, refusal)
    case .cellSuspended(_, let id, let reason): if reason.rule == .preempted { mark(.preemption, id, entry) }
    case .cellEnded(_, let id, let outcome): if outcome == .error || outcome == .lost { mark(.error, id, entry) }
    case .decisionRefused, .invariantBroken:
      faults += 1
      mark(.fault, nil, entry)
    case .cellStarted(_, let id, _, _):
      if let cell = self[id]?.cell, entry.at - cell.cell.submitted >= Wait.long { mark(.wait, id, entry) }
    case .kernelReady, .kernelDied, .backlogChanged, .cellQueued, .cellRefused, .cellWaits,
      .cellAdopted, .cellResized, .cellResumed, .interruptRequested, .priorityChanged, .pinned, .unpinned,
      .held, .released, .resumeOrdered, .demandOverridden, .effectFailed, .usageSampled, .memoryEvicted, .gpusSeen,
      .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  /// The name, or the name with the least number behind it that no open notebook bears.
  private func freeName(_ name: String) -> String {
    let name = name.isEmpty ? "unnamed" : name
    var candidate = name
    var number = 2
    while takenNames.contains(candidate) {
      candidate = "\(name)·\(number)"
      number += 1
    }
    return candidate
  }

  private mutating func keep(_ entry: Entry) {
    if events.count >= Self.eventsMost { events.removeFirst(Self.eventsMost / 4) }
    events.append(entry)
  }

  private mutating func answer(_ command: Command, _ refusal: Refusal?) {
    if answers.count >= 64 { answers.removeFirst(16) }
    answers.append(Answer(command: command, refusal: refusal))
  }

  private mutating func mark(_ kind: Marker.Kind, _ id: NotebookID?, _ entry: Entry) {
    if markers.count >= Self.markersMost { markers.removeFirst(Self.markersMost / 4) }
    markers.append(Marker(at: entry.at, sequence: entry.sequence, kind: kind, notebook: id))
  }
}

/// What became of a command.
public struct Answer: Sendable, Hashable {
  public var command: Command
  /// Why it was not obeyed; nil where it was.
  public var refusal: Refusal?
}

/// A moment worth jumping to.
public struct Marker: Sendable, Hashable {
  public enum Kind: UInt8, Sendable, Hashable, CaseIterable {
    /// Somebody gave an order.
    case action
    case preemption
    case error
    /// A cell started a minute or more after its submission.
    case wait
    /// A fault of ours.
    case fault

    /// Which of several is shown where there is room for one only: the greatest, on every line of time alike. A fault of ours
    /// first, then what people did, then what went wrong for them.
    public var precedence: Int {
      switch self {
      case .fault: 5
      case .action: 4
      case .error: 3
      case .preemption: 2
      case .wait: 1
      }
    }
  }

  public var at: Instant
  public var sequence: Int64
  public var kind: Kind
  public var notebook: NotebookID?

  public init(at: Instant, sequence: Int64, kind: Kind, notebook: NotebookID?) {
    self.at = at
    self.sequence = sequence
    self.kind = kind
    self.notebook = notebook
  }
}

/// What the screens show of a node.
public struct NodeFacts: Sendable, Hashable {
  public var node: Node
  public internal(set) var drainedCores = CoreSet()
  public internal(set) var drainedGPUs = GPUSet()

  init(_ node: Node) { self.node = node }
}

extension Event {
  /// Whether the event belongs into the tail that people read.
  public var isForPeople: Bool {
    switch self {
    case .cellWaits, .usageSampled, .backlogChanged: false
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .cellQueued, .cellRefused, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed,
      .interruptRequested, .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .invariantBroken,
      .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
      true
    }
  }
}
