import Domain
import Engine
import Testing

/// A policy that does one wrong thing, named by its option, when a timer comes.
struct Wrong: Policy {
  static let name = "wrong"
  static let summary = "decides what it may not"
  static let options = Act.allCases.map { (name: $0.rawValue, summary: "") }

  enum Act: String, CaseIterable, Sendable {
    case takenCores, takenGPUs, foreignCores, foreignGPUs, noCores, unknownNotebook, unknownNode, otherNode, running,
      heldCell, thinking, operatorSuspended, tooMuchMemory, resizeWaiting, resizeToNothing, resizeToTaken,
      resizeShared, resizeUnknown, suspendWaiting, suspendUnknown, idleCoresTooMany, idleGPUsTooMany, idleNone,
      idleHeld, idleUnknown, idleMemory
  }

  private let act: Act?

  init(options: PolicyOptions) throws(Refusal) { act = options.items.first.flatMap { Act(rawValue: $0.name) } }
  mutating func prepare(for state: SchedulerState) {}
  mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {}

  mutating func decide(_ ledger: inout Ledger) {
    guard let act, ledger.entries.isEmpty else { return }
    let obeyed = Self.perform(act, &ledger)
    if obeyed { ledger.wake(at: .zero) }
  }

  /// See `LedgerTests.scene` for who is who.
  private static func perform(_ act: Act, _ ledger: inout Ledger) -> Bool {
    let reason = Reason(.firstCome)
    func on(_ cores: String, gpus: GPUSet = GPUSet(), node: Int32 = 0, memory: Int64 = 0) -> Allotment {
      Allotment(node: NodeID(node), cores: .list(cores), gpus: gpus, memory: Bytes(memory))
    }
    func start(_ id: Int32, _ allotment: Allotment) -> Bool {
      ledger.start(NotebookID(id), on: allotment, because: reason)
    }
    func startIdle(_ id: Int32, _ cores: Int, gpus: Int = 0) -> Bool {
      ledger.start(NotebookID(id), onIdleCores: cores, gpus: gpus, because: reason)
    }
    return switch act {
    case .idleCoresTooMany: startIdle(1, 3)
    case .idleGPUsTooMany: startIdle(1, 1, gpus: 2)
    case .idleNone: startIdle(1, 0)
    case .idleHeld: startIdle(2, 1)
    case .idleUnknown: startIdle(9, 1)
    case .idleMemory: startIdle(7, 1)
    case .takenCores: start(1, on("1-2"))
    case .takenGPUs: start(1, on("2", gpus: GPUSet([0])))
    case .foreignCores: start(1, on("3-4"))
    case .foreignGPUs: start(1, on("3", gpus: GPUSet([2])))
    case .noCores: start(1, on("", gpus: GPUSet([1])))
    case .unknownNotebook: start(9, on("2"))
    case .unknownNode: start(1, on("2", node: 7))
    case .otherNode: start(1, on("2", node: 1))
    case .running: start(0, on("2"))
    case .heldCell: start(2, on("2"))
    case .thinking: start(3, on("2"))
    case .operatorSuspended: start(4, on("2"))
    case .tooMuchMemory: start(1, on("2", memory: 41))
    case .resizeWaiting: ledger.resize(NotebookID(1), to: .list("2"), because: reason)
    case .resizeToNothing: ledger.resize(NotebookID(0), to: CoreSet(), because: reason)
    case .resizeToTaken: ledger.resize(NotebookID(5), to: .list("0-1"), because: reason)
    case .resizeShared: ledger.resize(NotebookID(6), to: .list("2"), because: reason)
    case .resizeUnknown: ledger.resize(NotebookID(-1), to: .list("2"), because: reason)
    case .suspendWaiting: ledger.suspend(NotebookID(1), because: reason)
    case .suspendUnknown: ledger.suspend(NotebookID(9), because: reason)
    }
  }
}

@Suite("The ledger")
struct LedgerTests {
  static let notIdle = Refusal(.alreadyTaken, "starting a cell on cores or GPUs that are not idle")
  static let foreign = Refusal(.outOfRange, "starting a cell on cores or GPUs that the node has not")
  static let mayNot = Refusal(.wrongState, "starting a cell that may not start")
  static let noResize = Refusal(.wrongState, "resizing a cell that does not run")
  static let noSuspend = Refusal(.wrongState, "suspending a cell that does not run")

  static func refusal(of act: Wrong.Act) -> Refusal {
    switch act {
    case .takenCores, .takenGPUs: notIdle
    case .foreignCores, .foreignGPUs, .noCores: foreign
    case .unknownNotebook: Refusal(.unknownNotebook, "starting a cell of an unknown notebook")
    case .unknownNode: Refusal(.unknownNode, "starting a cell on an unknown node")
    case .otherNode: Refusal(.outOfRange, "starting a cell on a node where its kernel is not")
    case .running, .heldCell, .thinking, .operatorSuspended: mayNot
    case .tooMuchMemory: Refusal(.alreadyTaken, "starting a cell in memory that is not free")
    case .resizeWaiting, .resizeUnknown: noResize
    case .resizeToNothing: Refusal(.outOfRange, "resizing to no cores")
    case .resizeToTaken: Refusal(.alreadyTaken, "resizing to cores 0-1, of which not all are idle")
    case .resizeShared: Refusal(.alreadyTaken, "resizing a cell that shares GPUs of which not all are idle")
    case .suspendWaiting, .suspendUnknown: noSuspend
    case .idleCoresTooMany, .idleGPUsTooMany, .idleNone:
      Refusal(.alreadyTaken, "starting a cell on more cores or GPUs than are idle")
    case .idleHeld, .idleUnknown: mayNot
    case .idleMemory: Refusal(.alreadyTaken, "starting a cell in memory that is not free")
    }
  }

  /// Two nodes. On the first, notebook 0 runs on cores 0-1 with GPU 0 and 60 of 100 bytes, 5 shares core 1, and 6 every
  /// core and GPU; 1 waits, 2 waits and is held, 3 thinks, 4 was suspended by an operator, 7 waits for 41 bytes.
  static func scene() throws -> Stage {
    var stage = try Stage("os")
    stage.tell(.nodeFound(Stage.node))
    for _ in 0...7 { stage.open() }
    stage.submit(NotebookID(6), gpus: 1)
    stage.order(.setPolicy("fcfs"))
    stage.submit(NotebookID(0), cores: 2, gpus: 1, memory: 60)
    stage.order(.setPolicy("idle"))
    stage.submit(NotebookID(1))
    stage.submit(NotebookID(2))
    stage.order(.hold(NotebookID(2)))
    stage.tell(.kernelReady(NotebookID(3)))
    stage.find(NotebookID(4), on: .list("3"))
    stage.order(.suspend(NotebookID(4), cell: stage.state[NotebookID(4)].cell.id))
    stage.find(NotebookID(5), on: .list("1"), demand: Demand(coresLeast: 4, coresMost: 4))
    stage.submit(NotebookID(7), memory: 41)
    return stage
  }

  @Test("refuses and records what a policy may not decide, and changes nothing", arguments: Wrong.Act.allCases)
  func wrong(act: Wrong.Act) throws {
    var stage = try Self.scene()
    stage.order(.setPolicy("wrong:\(act.rawValue)"))
    var before = stage.state
    let refused = Event.decisionRefused(Self.refusal(of: act))
    stage.clock = 9
    #expect(stage.timer() == [refused])
    #expect(stage.scheduler.wakeAt == .never, "the act told the policy that it was done")
    before.apply(Entry(sequence: before.sequence + 1, at: Instant(seconds: 9), event: refused))
    #expect(stage.state == before)
    #expect(stage.state.brokenInvariants() == [])
  }

  @Test("starts a cell on the idle cores and GPUs of the least numbers that are not drained")
  func startsOnIdle() throws {
    var stage = try Self.scene()
    stage.order(.drain(NodeID(0), .list("2"), GPUSet()))
    stage.order(.setPolicy("fcfs"))
    let allotment = Allotment(node: NodeID(0), cores: .list("3"))
    #expect(stage.state[NotebookID(1)].state == .running)
    #expect(stage.state[NotebookID(1)].allotment == allotment)
  }

  @Test("wakes at the earliest of the instants that a policy asks for")
  func wakes() {
    var ledger = Ledger()
    ledger.wake(at: Instant(seconds: 9))
    ledger.wake(at: Instant(seconds: 3))
    ledger.wake(at: Instant(seconds: 5))
    #expect(ledger.wakeAt == Instant(seconds: 3))
  }
}

/// Explains the first notebook's wait from what a test sets: its priority is what it lacks, its backlog the second of its
/// expected start (0 for none).
struct Explaining: Policy {
  static let name = "explaining"
  static let summary = "explains one wait at each input"

  init(options: PolicyOptions) throws(Refusal) {}
  mutating func prepare(for state: SchedulerState) {}
  mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {}
  mutating func decide(_ ledger: inout Ledger) {
    guard ledger.state.contains(Stage.subject) else { return }
    let slot = ledger.state[Stage.subject]
    let start = Instant(seconds: Double(slot.backlog))
    let expected = slot.backlog == 0 ? nil : ExpectedStart(early: start, median: start, late: start)
    ledger.explain(
      Stage.subject, Wait(cause: .cores, lacking: slot.priority, holders: [], place: 1, expected: expected))
  }
}

@Suite("Explanations of waits")
struct ExplanationTests {
  static let id = Stage.subject

  static func stage(explains: Bool = true) throws -> Stage {
    var stage = try Stage("explaining", explains: explains)
    stage.open()
    stage.submit(id)
    return stage
  }

  static func isExplained(_ events: [Event]) -> Bool {
    events.contains { if case .cellWaits = $0 { true } else { false } }
  }

  @Test("are recorded once, and again when the cause is another")
  func news() throws {
    var stage = try Self.stage()
    let wait = Wait(cause: .cores, lacking: 0, holders: [], place: 1)
    #expect(stage.events.last == .cellWaits(CellID(1), Self.id, wait))
    #expect(stage.state[Self.id].wait == wait)
    #expect(stage.timer() == [])
    #expect(Self.isExplained(stage.order(.setPriority(Self.id, 2))))
    #expect(stage.timer() == [])
  }

  @Test("follow the expected start only where it moves by more than 2 s and a quarter of what is left")
  func expected() throws {
    var stage = try Self.stage()
    let steps: [(clock: Double, start: Int32, isNews: Bool)] = [
      (0, 100, true), (0, 120, false), (0, 125, false), (0, 126, true), (0, 95, false), (125, 128, false),
      (125, 129, true), (127.9, 131, false), (127.9, 132, true), (127.9, 0, true), (128, 200, true),
    ]
    for step in steps {
      stage.clock = step.clock
      let events = stage.tell(.backlogChanged(Self.id, step.start))
      #expect(Self.isExplained(events) == step.isNews, "\(step)")
    }
  }

  @Test("are not given of a cell that runs, of none, or where nobody wants them")
  func none() throws {
    var stage = try Stage("explaining", explains: true)
    #expect(stage.open() == Self.id)
    #expect(!Self.isExplained(stage.events))
    stage.adopt(.list("0"))
    stage.tell(.cellFoundRunning(Self.id, .oneCore, CellSource(), ran: .zero, .list("1"), GPUSet(), suspended: false))
    #expect(!Self.isExplained(stage.events))
    #expect(!Self.isExplained(try Self.stage(explains: false).events))
  }

  @Test("are forgotten when the cell starts")
  func forgotten() throws {
    var stage = try Self.stage()
    stage.order(.setPolicy("fcfs"))
    #expect(stage.state[Self.id].state == .running)
    #expect(stage.state[Self.id].wait == nil)
  }
}
