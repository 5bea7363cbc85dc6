import Domain
import Engine
import Testing

/// What a notebook may be doing when an order reaches it.
enum Situation: String, CaseIterable, Sendable {
  case unknown, starting, thinking, queued, running, suspended, operatorSuspended, gone

  /// A session in which the subject is in this situation and nobody decides anything.
  func stage() throws -> Stage {
    var stage = try Stage()
    let cores = CoreSet.list("0-1")
    switch self {
    case .unknown: break
    case .starting: stage.open()
    case .thinking:
      stage.open()
      stage.tell(.kernelReady(Stage.subject))
    case .queued:
      stage.open()
      stage.submit(Stage.subject)
    case .running: stage.adopt(cores)
    case .suspended: stage.adopt(cores, suspended: true)
    case .operatorSuspended:
      stage.adopt(cores)
      stage.order(.suspend(Stage.subject, cell: Stage.cell))
    case .gone:
      stage.open()
      stage.tell(.notebookClosed(Stage.subject))
    }
    return stage
  }
}

/// What becomes of an order.
enum Answer: Sendable {
  /// It is accepted and brings these events.
  case does([Event])
  case refuses(Refusal.Cause, String)
}

/// One verb, and its answer in the situations in which the notebook is there.
struct Row: Sendable, CustomTestStringConvertible {
  var verb: Verb
  var testDescription: String { verb.word }
  /// In the order: starting, thinking, queued, running, suspended, suspended by an operator.
  var answers: [Answer]

  init(_ verb: Verb, _ answers: Answer...) {
    self.verb = verb
    self.answers = answers.count == 1 ? Array(repeating: answers[0], count: 6) : answers
  }

  func answer(in situation: Situation) -> Answer {
    switch situation {
    case .unknown: .refuses(.unknownNotebook, "there is no such notebook")
    case .gone: .refuses(.wrongState, "its kernel has ended")
    case .starting: answers[0]
    case .thinking: answers[1]
    case .queued: answers[2]
    case .running: answers[3]
    case .suspended: answers[4]
    case .operatorSuspended: answers[5]
    }
  }
}

@Suite("Orders")
struct CommandTests {
  static let id = Stage.subject
  static let cell = Stage.cell
  static let stale = Answer.refuses(.stale, "the cell on the screen has ended since")
  static let noSuspend = Answer.refuses(
    .wrongState, "only a running cell can be suspended; h holds one that has not started")
  static let noResume = Answer.refuses(.wrongState, "only a suspended cell can be resumed")
  static let noInterrupt = Answer.refuses(.wrongState, "only a running or suspended cell can be interrupted")
  static let suspends = Answer.does([.cellSuspended(cell, id, Reason(.operatorSuspended))])
  static let resumes = Answer.does([.resumeOrdered(id, cell)])
  static let plans = Answer.does([.suspensionPlanned(id, cell, due: nil)])
  static let noPlan = Answer.refuses(.wrongState, "nothing is planned for its cell")
  static let interrupts = Answer.does([.interruptRequested(cell, id)])
  static let pin = Pin(node: NodeID(0), cores: .list("0-1"), gpus: GPUSet([1]), reserves: true)
  static let noPin = Answer.refuses(.outOfRange, "a pin names some of the cores 0-3 or of the 2 GPUs")
  static func noPriority(_ number: Int32) -> Answer {
    .refuses(.outOfRange, "a priority is from -100 to 100, and \(number) is not")
  }
  static let demand = Demand(coresLeast: 2, coresMost: 4)

  static let table = [
    Row(.suspend(id, cell: cell), stale, stale, noSuspend, suspends, noSuspend, noSuspend),
    Row(.suspend(id, cell: CellID(9)), stale),
    Row(.resume(id, cell: cell), stale, stale, noResume, noResume, resumes, resumes),
    Row(.resume(id, cell: CellID(9)), stale),
    Row(.interrupt(id, cell: cell), stale, stale, noInterrupt, interrupts, interrupts, interrupts),
    Row(.interrupt(id, cell: CellID(9)), stale),
    Row(
      .suspendAfter(id, cell: cell, Span(seconds: 20)), stale, stale, noSuspend,
      .does([.suspensionPlanned(id, cell, due: Instant(seconds: 25))]), noSuspend, noSuspend),
    Row(.suspendAfter(id, cell: CellID(9), Span(seconds: 20)), stale),
    Row(.suspendAtEnd(id, cell: cell), stale, stale, plans, plans, plans, plans),
    Row(.callOff(id, cell: cell), stale, stale, noPlan, noPlan, noPlan, noPlan),
    Row(.setPriority(id, 100), .does([.priorityChanged(id, 100)])),
    Row(.setPriority(id, -100), .does([.priorityChanged(id, -100)])),
    Row(.setPriority(id, 0), .does([])),
    Row(.setPriority(id, 101), noPriority(101)),
    Row(.setPriority(id, -101), noPriority(-101)),
    Row(.pin(id, pin), .does([.pinned(id, pin)])),
    Row(.pin(id, Pin(node: NodeID(0), cores: .list("3-4"))), noPin),
    Row(.pin(id, Pin(node: NodeID(0), cores: CoreSet(), gpus: GPUSet([2]))), noPin),
    Row(.pin(id, Pin(node: NodeID(0), cores: CoreSet())), noPin),
    Row(.pin(id, Pin(node: NodeID(1), cores: .list("0"))), .refuses(.unknownNode, "there is no such node")),
    Row(.unpin(id), .refuses(.wrongState, "it is not pinned")),
    Row(.hold(id), .does([.held(id)])),
    Row(.release(id), .does([])),
    Row(.overrideDemand(id, demand), .does([.demandOverridden(id, demand)])),
    Row(.overrideDemand(id, nil), .does([.demandOverridden(id, nil)])),
    Row(
      .overrideDemand(id, Demand(coresLeast: 5)), .refuses(.demandTooLarge, "asks for 5 cores, and n has 4")),
    Row(.overrideDemand(id, Demand(gpus: 3)), .refuses(.demandTooLarge, "asks for 3 GPUs, and n has 2")),
    Row(
      .overrideDemand(id, Demand(memory: Bytes(101))),
      .refuses(.demandTooLarge, "asks for 101 bytes of memory, and n has 100 bytes")),
  ]

  /// Gives the order and compares all that is recorded; a refused one changes nothing but the clock.
  static func check(_ verb: Verb, _ answer: Answer, on stage: inout Stage, _ comment: Comment) {
    let command = Command(id: CommandID(77), author: "ben", why: "demo at noon", verb: verb)
    var before = stage.state
    stage.scheduler.handle(.command(command), at: Instant(seconds: 5))
    switch answer {
    case .does(let events): #expect(stage.events == [.commandAccepted(command)] + events, comment)
    case .refuses(let cause, let text):
      let refused = Event.commandRefused(command, Refusal(cause, text))
      #expect(stage.events == [refused], comment)
      before.apply(Entry(sequence: before.sequence + 1, at: Instant(seconds: 5), event: refused))
      #expect(stage.state == before, comment)
    }
  }

  @Test("are done or refused by what the notebook is doing, and recorded with author and why", arguments: table)
  func answered(row: Row) throws {
    for situation in Situation.allCases {
      var stage = try situation.stage()
      Self.check(row.verb, row.answer(in: situation), on: &stage, "\(row.verb) while \(situation)")
    }
  }

  @Test("know the situations that they are tabled for")
  func situations() throws {
    let states = try Situation.allCases.dropFirst().map { try $0.stage().state[Self.id] }
    #expect(
      states.map(\.state) == [.starting, .thinking, .queued, .running, .suspended, .suspended, .gone])
    #expect(states.map(\.isOperatorSuspended) == [false, false, false, false, false, true, false])
  }

  @Test("drain and undrain what the node has, and add up")
  func drains() throws {
    var stage = try Stage()
    let node = NodeID(0)
    #expect(
      stage.order(.drain(node, .list("0-1"), GPUSet([0]))) == [.drainChanged(node, .list("0-1"), GPUSet([0]))])
    #expect(stage.order(.drain(node, .list("3"), GPUSet())) == [.drainChanged(node, .list("0-1,3"), GPUSet([0]))])
    #expect(
      stage.order(.undrain(node, .list("0,2"), GPUSet([0]))) == [.drainChanged(node, .list("1,3"), GPUSet())])
    let tooFar = Answer.refuses(.outOfRange, "n has cores 0-3 and 2 GPUs")
    Self.check(.drain(node, .list("4"), GPUSet()), tooFar, on: &stage, "a core that is not there")
    stage = try Stage()
    Self.check(.drain(node, CoreSet(), GPUSet([2])), tooFar, on: &stage, "a GPU that is not there")
    for verb in [Verb.drain(NodeID(1), .list("0"), GPUSet()), .undrain(NodeID(-1), .list("0"), GPUSet())] {
      stage = try Stage()
      Self.check(verb, .refuses(.unknownNode, "there is no such node"), on: &stage, "\(verb)")
    }
  }

  @Test("refuse a pin on a node where the kernel is not")
  func pinElsewhere() throws {
    var stage = try Stage()
    stage.tell(.nodeFound(Stage.node))
    stage.open()
    Self.check(
      .pin(Self.id, Pin(node: NodeID(1), cores: .list("0"))),
      .refuses(.outOfRange, "its kernel is on another node"), on: &stage, "node 1")
  }

  @Test("choose a policy by name, which decides at once")
  func policy() throws {
    var stage = try Stage()
    stage.open()
    stage.submit(Self.id)
    #expect(stage.state[Self.id].state == .queued)
    let allotment = Allotment(node: NodeID(0), cores: .list("0"))
    #expect(
      stage.order(.setPolicy("fcfs")) == [
        .policyChanged("fcfs"), .cellStarted(Self.cell, Self.id, allotment, Reason(.firstCome)),
      ])
    #expect(stage.state.policyName == "fcfs")
  }

  @Test(
    "refuse a policy that is not there with the names of those that are",
    arguments: [
      ("lottery", Refusal.Cause.unknownPolicy, "there is no policy 'lottery'; there are \(names)"),
      ("", .unknownPolicy, "there is no policy ''; there are \(names)"),
      ("a\u{1B}[2J", .unknownPolicy, "there is no policy 'a?[2J'; there are \(names)"),
      ("fcfs:quickly", .outOfRange, "fcfs has no option 'quickly'; it has none"),
    ])
  func unknownPolicy(name: String, cause: Refusal.Cause, text: String) throws {
    var stage = try Stage()
    Self.check(.setPolicy(name), .refuses(cause, text), on: &stage, "\(name)")
    #expect(stage.state.policyName == "idle")
  }

  static let names = "idle, fcfs, dynamic, os, wrong, wrong-gpus, explaining"

  @Test("sent twice are done once", arguments: [Verb.hold(id), .setPriority(id, 500)])
  func twice(verb: Verb) throws {
    var stage = try Situation.thinking.stage()
    let command = Command(id: CommandID(5), author: "ana", verb: verb)
    stage.scheduler.handle(.command(command), at: .zero)
    #expect(!stage.events.isEmpty)
    let after = stage.state
    stage.scheduler.handle(.command(command), at: .zero)
    #expect(stage.events.isEmpty)
    #expect(stage.state == after)
  }

  @Test("are remembered for at least the next hundred orders")
  func longTwice() throws {
    var stage = try Situation.thinking.stage()
    let first = Command(id: CommandID(.max), author: "ana", verb: .hold(Self.id))
    stage.scheduler.handle(.command(first), at: .zero)
    for _ in 0..<100 { stage.order(.release(Self.id)) }
    stage.scheduler.handle(.command(first), at: .zero)
    #expect(stage.events.isEmpty)
    #expect(!stage.state[Self.id].isHeld)
  }

  @Test("undo one another: pin and unpin, hold and release")
  func undone() throws {
    var stage = try Situation.thinking.stage()
    stage.order(.pin(Self.id, Self.pin))
    #expect(stage.state.reserving == [Self.id])
    #expect(stage.order(.unpin(Self.id)) == [.unpinned(Self.id)])
    #expect(stage.state.reserving.isEmpty && stage.state.pinnedCount == 0)
    stage.order(.hold(Self.id))
    #expect(stage.order(.hold(Self.id)) == [])
    #expect(stage.order(.release(Self.id)) == [.released(Self.id)])
    #expect(!stage.state[Self.id].isHeld)
  }

  @Test("a cell that an operator suspended goes on only when an operator resumes it")
  func operatorSuspends() throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.submit(Self.id, cores: 2)
    stage.order(.suspend(Self.id, cell: Self.cell))
    #expect(stage.timer() == [])
    #expect(stage.state[NodeID(0)].idleCores == .list("0-3"))
    let allotment = Allotment(node: NodeID(0), cores: .list("0-1"))
    #expect(
      stage.order(.resume(Self.id, cell: Self.cell)) == [
        .resumeOrdered(Self.id, Self.cell),
        .cellResumed(Self.cell, Self.id, allotment, Reason(.firstCome)),
      ])
  }

  @Test("a demand that is overridden holds for later cells, and is taken back")
  func override() throws {
    var stage = try Situation.queued.stage()
    stage.order(.overrideDemand(Self.id, Self.demand))
    #expect(stage.state[Self.id].cell.demand == .oneCore)
    stage.submit(Self.id)
    #expect(stage.state[Self.id].cell.demand == Self.demand)
    stage.order(.overrideDemand(Self.id, nil))
    stage.submit(Self.id)
    #expect(stage.state[Self.id].cell.demand == .oneCore)
  }

  @Test(
    "refuse an override that no cell could ever start with",
    arguments: [
      Demand(coresLeast: 0, coresMost: 0), Demand(coresLeast: -1), Demand(gpus: -1), Demand(memory: Bytes(-1)),
      Demand(gpuMemory: Bytes(-1)),
    ])
  func senselessOverride(demand: Demand) throws {
    var stage = try Situation.thinking.stage()
    Self.check(
      .overrideDemand(Self.id, demand),
      .refuses(.outOfRange, "a demand is one core or more, and nothing of it is below 0"), on: &stage, "\(demand)")
  }
}
