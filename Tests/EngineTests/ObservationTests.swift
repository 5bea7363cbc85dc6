import Domain
import Engine
import Testing

@Suite("Observations")
struct ObservationTests {
  static let id = Stage.subject
  static let node = NodeID(0)

  @Test("a session begins with the name of its policy, and numbers nodes and notebooks itself")
  func beginning() throws {
    var stage = try Stage()
    #expect(stage.scheduler.entries.map(\.sequence) == [1, 2])
    #expect(stage.events == [.policyChanged("idle"), .nodeAdded(Stage.node)])
    let told = Notebook(id: NotebookID(41), node: Self.node, user: "ana", path: "a")
    var opened = told
    opened.id = NotebookID(0)
    #expect(stage.tell(.notebookOpened(told)) == [.notebookOpened(opened)])
    opened.node = NodeID(1)
    #expect(stage.tell(.notebookOpened(opened)) == [], "no notebook opens on a node that is not there")
  }

  @Test("a submission ends the cell that is still in the books as lost", arguments: [false, true])
  func resubmitted(runs: Bool) throws {
    var stage = try Stage(runs ? "fcfs" : "idle")
    stage.open()
    stage.submit(Self.id)
    #expect(stage.state[Self.id].state == (runs ? .running : .queued))
    stage.clock = 3
    let cell = Cell(id: CellID(2), notebook: Self.id, submitted: Instant(seconds: 3), demand: .oneCore)
    #expect(stage.submit(Self.id).prefix(2) == [.cellEnded(CellID(1), Self.id, .lost), .cellQueued(cell)])
    #expect(stage.state.ended == 1 && stage.state.accepted == 2)
  }

  @Test("a cell that no node could hold is refused under a number of its own, and numbers never repeat")
  func refused() throws {
    var stage = try Stage()
    stage.open()
    var numbers: [Int64] = []
    for cores in [1, 5, 9, 4] as [Int32] {
      for event in stage.submit(Self.id, cores: cores) {
        if case .cellQueued(let cell) = event { numbers.append(cell.id.number) }
        if case .cellRefused(let cell, let refusal) = event {
          numbers.append(-cell.id.number)
          #expect(refusal == Refusal(.demandTooLarge, "asks for \(cores) cores, and n has 4"))
        }
      }
    }
    #expect(numbers == [1, -2, -3, 4])
    #expect(stage.state.accepted == 2 && stage.state.ended == 1, "a refused cell was never accepted")
  }

  @Test("a cell keeps what its gate and its forecast say of it")
  func keepsWhatIsSaid() throws {
    var stage = try Stage()
    stage.open()
    let source = CellSource(jupyterCell: "c1", codeHash: 7, key: 8)
    stage.tell(.cellSubmitted(Self.id, .oneCore, source, .quartiles(1, 2, 3)))
    #expect(stage.state[Self.id].cell.source == source)
    #expect(stage.state[Self.id].cell.forecast == .quartiles(1, 2, 3))
  }

  @Test(
    "a death ends the cell as lost and gives everything back",
    arguments: [
      (Observation.kernelDied(id), Event.kernelDied(id), NotebookState.thinking),
      (.notebookClosed(id), .notebookClosed(id), .gone),
    ])
  func death(observation: Observation, event: Event, state: NotebookState) throws {
    var stage = try Stage("fcfs")
    stage.open()
    stage.submit(Self.id, cores: 3, gpus: 2, memory: 60)
    #expect(stage.state[Self.node].idleCores == .list("3"))
    #expect(stage.state[Self.node].idleGPUs.isEmpty && stage.state[Self.node].idleMemory == Bytes(40))
    stage.clock = 2
    #expect(stage.tell(observation) == [.cellEnded(CellID(1), Self.id, .lost), event])
    #expect(stage.state[Self.id].state == state)
    #expect(stage.state[Self.node].idleCores == .list("0-3"))
    #expect(stage.state[Self.node].idleGPUs.count == 2 && stage.state[Self.node].idleMemory == Bytes(100))
    #expect(stage.state[Self.id].attainedBefore == Span(seconds: 2))
  }

  @Test("what is told of a notebook that is gone or unknown is ignored", arguments: [NotebookID(0), NotebookID(1)])
  func ignored(id: NotebookID) throws {
    var stage = try Stage()
    stage.open()
    stage.tell(.notebookClosed(NotebookID(0)))
    let observations: [Observation] = [
      .kernelReady(id), .kernelDied(id), .notebookClosed(id), .backlogChanged(id, 3),
      .cellSubmitted(id, .oneCore, CellSource(), nil),
      .cellFoundRunning(id, .oneCore, CellSource(), ran: .zero, nil, GPUSet(), suspended: false),
      .cellEnded(id, CellID(1), .ok), .usageSampled(id, Usage(millicores: 1, memory: .zero)),
      .effectFailed(id, sequence: 1, why: "x"),
    ]
    for observation in observations { #expect(stage.tell(observation) == [], "\(observation)") }
  }

  @Test("an end counts for the cell in the books only")
  func endOfAnother() throws {
    var stage = try Stage()
    stage.adopt(.list("0"))
    #expect(stage.tell(.cellEnded(Self.id, CellID(2), .ok)) == [])
    #expect(stage.tell(.cellEnded(Self.id, CellID(1), .error)) == [.cellEnded(CellID(1), Self.id, .error)])
    #expect(stage.tell(.cellEnded(Self.id, CellID(1), .error)) == [], "it has ended before")
  }

  @Test("a backlog is recorded when it changes; usage and failed effects always are")
  func recorded() throws {
    var stage = try Stage()
    stage.open()
    #expect(stage.tell(.backlogChanged(Self.id, 0)) == [])
    for _ in 0..<2 { stage.tell(.backlogChanged(Self.id, 2)) }
    #expect(stage.events == [] && stage.state[Self.id].backlog == 2)
    let usage = Usage(millicores: 1500, memory: Bytes(9))
    for _ in 0..<2 { #expect(stage.tell(.usageSampled(Self.id, usage)) == [.usageSampled(Self.id, usage)]) }
    let failed = Event.effectFailed(Self.id, sequence: 2, why: "no such process")
    #expect(stage.tell(.effectFailed(Self.id, sequence: 2, why: "no such process")) == [failed])
  }

  @Test("a kernel that answers is thinking, unless it does more than that already")
  func ready() throws {
    var stage = try Stage()
    stage.open()
    #expect(stage.tell(.kernelReady(Self.id)) == [.kernelReady(Self.id)])
    #expect(stage.state[Self.id].state == .thinking)
    stage.submit(Self.id)
    stage.tell(.kernelReady(Self.id))
    #expect(stage.state[Self.id].state == .queued)
  }

  @Test("time never falls: an instant before the last one counts as the last")
  func time() throws {
    var stage = try Stage()
    stage.clock = 10
    stage.open()
    stage.clock = 4
    stage.submit(Self.id)
    #expect(stage.scheduler.entries.map(\.at) == [Instant(seconds: 10)])
    #expect(stage.state[Self.id].cell.submitted == Instant(seconds: 10))
    stage.clock = 10.5
    stage.tell(.kernelDied(Self.id))
    #expect(stage.state.now == Instant(seconds: 10.5))
  }
}

@Suite("Adoption of cells that run already")
struct AdoptionTests {
  static let id = Stage.subject
  static let node = NodeID(0)

  @Test("on free cores they are the cell's own, counted from when it began")
  func free() throws {
    var stage = try Stage()
    stage.clock = 5
    stage.adopt(.list("1-2"), ran: 7)
    let cell = Cell(id: CellID(1), notebook: Self.id, submitted: Instant(seconds: 5), demand: .oneCore)
    let allotment = Allotment(node: Self.node, cores: .list("1-2"))
    #expect(stage.events == [.cellAdopted(cell, started: Instant(seconds: -2), allotment)])
    #expect(stage.state[Self.node].idleCores == .list("0,3"))
    #expect(stage.state[Self.id].ran(at: Instant(seconds: 6)) == Span(seconds: 8))
    stage.end(Self.id)
    #expect(stage.state[Self.node].idleCores == .list("0-3"))
  }

  @Test("on taken cores, on unknown ones or on none that are known, they get others that are idle")
  func placed() throws {
    for cores in [CoreSet.list("1-2"), nil, CoreSet(), .list("3-9")] {
      var stage = try Stage()
      stage.adopt(.list("0-1"))
      let id = stage.adopt(cores)
      #expect(stage.state[id].allotment == Allotment(node: Self.node, cores: .list("2")))
      #expect(stage.state[Self.node].idleCores == .list("3"))
      stage.end(id)
      #expect(stage.state[Self.node].idleCores == .list("2-3"))
    }
  }

  @Test("where too few are idle, they are shared and nobody loses any")
  func taken() throws {
    var stage = try Stage()
    stage.adopt(.list("0-1"))
    let cases: [(CoreSet?, String)] = [(.list("1-2"), "1-2"), (nil, "0-3"), (CoreSet(), "0-3"), (.list("3-9"), "3-9")]
    for (cores, held) in cases {
      let id = stage.adopt(cores, demand: Demand(coresLeast: 3, coresMost: 3))
      #expect(stage.state[id].allotment == Allotment(node: Self.node, cores: .list(held), shared: true))
      #expect(stage.state[Self.node].idleCores == .list("2-3"))
    }
    for number in 1...4 { stage.end(NotebookID(Int32(number))) }
    #expect(stage.state[Self.node].idleCores == .list("2-3"), "what was shared is not given back")
  }

  @Test("a suspended one holds no cores, and the policy may let it go on")
  func suspended() throws {
    var stage = try Stage()
    stage.adopt(.list("0"), suspended: true)
    #expect(stage.events.last == .cellSuspended(CellID(1), Self.id, Reason(.adopted)))
    #expect(stage.state[Self.node].idleCores == .list("0-3"))
    stage.order(.setPolicy("fcfs"))
    let allotment = Allotment(node: Self.node, cores: .list("0"))
    #expect(stage.events.last == .cellResumed(CellID(1), Self.id, allotment, Reason(.firstCome)))
  }

  @Test("ends what the books had of the notebook before")
  func replaces() throws {
    var stage = try Stage()
    stage.open()
    stage.submit(Self.id)
    stage.tell(.cellFoundRunning(Self.id, .oneCore, CellSource(), ran: .zero, .list("0"), GPUSet(), suspended: false))
    #expect(stage.events.first == .cellEnded(CellID(1), Self.id, .lost))
    #expect(stage.state[Self.id].cell.id == CellID(2))
  }

  @Test("the node's memory adds up when a suspended one goes on with a demand for memory")
  func memory() throws {
    var stage = try Stage("fcfs")
    stage.adopt(.list("0"), demand: Demand(memory: Bytes(30)), suspended: true)
    #expect(stage.state[Self.id].state == .running, "it was resumed at once")
    #expect(stage.state.brokenInvariants() == [])
    stage.end(Self.id)
    #expect(stage.state[Self.node].idleMemory == Bytes(100))
    #expect(stage.state.brokenInvariants() == [])
  }
}
