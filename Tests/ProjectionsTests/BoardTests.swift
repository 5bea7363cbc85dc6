import Domain
import Glibc
import Testing

@testable import Projections

@Suite("What the board makes of entries") struct BoardTests {
  @Test("knows the policy, the nodes, what is drained, the last sequence and instant")
  func session() {
    var tape = Tape(cores: 4, gpus: 2)
    tape.add(.policyChanged("fcfs"), at: 1)
    tape.add(.drainChanged(NodeID(0), CoreSet([3]), GPUSet([1])), at: 2)
    tape.add(.drainChanged(NodeID(9), CoreSet([0]), GPUSet()))
    #expect(tape.board.policy == "fcfs")
    #expect(tape.board.sequence == 4)
    #expect(tape.board.now == Instant(seconds: 2))
    #expect(tape.board.nodes.map(\.drainedCores) == [CoreSet([3])])
    #expect(tape.board.nodes.map(\.drainedGPUs) == [GPUSet([1])])
  }

  @Test("follows a cell from the queue to its end")
  func cell() throws {
    var tape = Tape()
    let id = tape.open("churn", at: 1)
    #expect(tape.board[id]?.state == .thinking)
    let cell = tape.queue(id, Demand(coresLeast: 2, coresMost: 2), at: 10)
    let wait = Wait(cause: .cores, lacking: 1, place: 1)
    tape.add(.cellWaits(cell, id, wait))
    #expect(tape.board[id]?.state == .queued)
    #expect(tape.board[id]?.cell?.wait == wait)
    tape.add(.cellStarted(cell, id, .on(CoreSet([0, 1])), Reason(.firstCome)), at: 14)
    var facts = try #require(tape.board[id])
    #expect(facts.state == .running)
    #expect(facts.since == Instant(seconds: 14))
    #expect(facts.cell?.wait == nil)
    #expect(facts.cell?.allotment?.cores == CoreSet([0, 1]))
    #expect(facts.cell?.ran(at: Instant(seconds: 20)) == 6)
    tape.add(.cellResized(cell, id, .on(CoreSet([0, 1, 2])), Reason(.grownIntoIdle)), at: 20)
    #expect(tape.board[id]?.cell?.allotment?.cores == CoreSet([0, 1, 2]))
    tape.add(.cellEnded(cell, id, .ok), at: 24)
    facts = try #require(tape.board[id])
    #expect(facts.state == .thinking)
    #expect(facts.cell == nil)
    #expect((facts.cellsEnded, facts.cellsFailed) == (1, 0))
    #expect(facts.waited == 4)
    #expect(facts.ran == 10)
    #expect(facts.segments.map(\.state) == [.thinking, .queued, .running, .thinking])
    #expect(facts.segments.map(\.from.seconds) == [1, 10, 14, 24])
  }

  @Test("counts the run time of a suspended cell by its stretches")
  func suspension() throws {
    var tape = Tape()
    let id = tape.open("churn")
    let cell = tape.run(id, on: CoreSet([0]), at: 10)
    tape.add(.cellSuspended(cell, id, Reason(.operatorSuspended)), at: 15)
    var facts = try #require(tape.board[id]?.cell)
    #expect(tape.board[id]?.state == .suspended)
    #expect(facts.isOperatorSuspended)
    #expect(facts.allotment == nil)
    #expect(facts.ran(at: Instant(seconds: 100)) == 5)
    #expect(facts.suspended(at: Instant(seconds: 100)) == 85)
    tape.add(.resumeOrdered(id, cell), at: 20)
    #expect(tape.board[id]?.cell?.isOperatorSuspended == false)
    tape.add(.cellResumed(cell, id, .on(CoreSet([1])), Reason(.operatorResumed)), at: 30)
    facts = try #require(tape.board[id]?.cell)
    #expect(facts.started == Instant(seconds: 10))
    #expect(facts.ran(at: Instant(seconds: 33)) == 8)
    #expect(facts.suspended(at: Instant(seconds: 33)) == 15)
    tape.add(.cellEnded(cell, id, .ok), at: 34)
    #expect(tape.board[id]?.ran == 9)
    #expect(tape.board[id]?.past.map(\.suspended) == [15])
    #expect(tape.board[id]?.waited == .zero)
  }

  @Test("marks what was preempted, but not what an operator suspended, as a preemption")
  func preemption() {
    var tape = Tape()
    let id = tape.open("churn")
    let other = tape.open("svc")
    let cell = tape.run(id, on: CoreSet([0]), at: 1)
    tape.add(.cellSuspended(cell, id, Reason(.operatorSuspended)), at: 2)
    tape.add(.cellResumed(cell, id, .on(CoreSet([0])), Reason(.operatorResumed)), at: 3)
    tape.add(.cellSuspended(cell, id, Reason(.preempted, for: other)), at: 4)
    #expect(tape.board.markers.map(\.kind) == [.preemption])
    #expect(tape.board[id]?.marks.map(\.at.seconds) == [4])
    #expect(tape.board[other]?.marks.isEmpty == true)
    #expect(tape.board[id]?.cell?.isOperatorSuspended == false)
  }

  @Test("takes in a cell that ran before the session began")
  func adoption() throws {
    var tape = Tape()
    let id = tape.open("churn", at: 100)
    let cell = Cell(id: CellID(7), notebook: id, submitted: Instant(seconds: -20), demand: .oneCore)
    tape.add(.cellAdopted(cell, started: Instant(seconds: -20), .on(CoreSet([1]))))
    #expect(tape.board[id]?.state == .running)
    #expect(tape.board[id]?.cell?.ran(at: Instant(seconds: 130)) == 150)
    tape.add(.cellEnded(cell.id, id, .ok), at: 130)
    #expect(tape.board[id]?.ran == 150)
    #expect(tape.board[id]?.waited == .zero)
  }

  @Test("keeps an operator's settings: priority, pin, hold, backlog, usage")
  func settings() {
    var tape = Tape()
    let id = tape.open("churn")
    let pin = Pin(node: NodeID(0), cores: CoreSet([1]))
    let usage = Usage(millicores: 1500, memory: Bytes(1 << 30))
    tape.add(.priorityChanged(id, 5), .pinned(id, pin), .held(id), .backlogChanged(id, 3), .usageSampled(id, usage))
    #expect(tape.board[id]?.priority == 5)
    #expect(tape.board[id]?.pin == pin)
    #expect(tape.board[id]?.isHeld == true)
    #expect(tape.board[id]?.backlog == 3)
    #expect(tape.board[id]?.usage == usage)
    tape.add(.unpinned(id), .released(id), .backlogChanged(id, 0))
    #expect(tape.board[id]?.pin == nil)
    #expect(tape.board[id]?.isHeld == false)
    #expect(tape.board[id]?.backlog == 0)
  }

  @Test("keeps a notebook that is gone, without cell, pin or backlog")
  func gone() {
    var tape = Tape()
    let id = tape.open("churn")
    tape.add(.pinned(id, Pin(node: NodeID(0), cores: CoreSet([1]))), .backlogChanged(id, 2))
    let cell = tape.run(id, on: CoreSet([0]), at: 5)
    tape.add(.cellEnded(cell, id, .lost), .notebookClosed(id), at: 9)
    #expect(tape.board[id]?.state == .gone)
    #expect(tape.board[id]?.cell == nil)
    #expect(tape.board[id]?.pin == nil)
    #expect(tape.board[id]?.backlog == 0)
    #expect(tape.board[id]?.cellsFailed == 1)
    #expect(tape.board.markers.map(\.kind) == [.error])
    tape.add(.kernelDied(id), at: 10)
    #expect(tape.board[id]?.state == .gone)
    #expect(tape.board[id]?.segments.last == Segment(state: .gone, from: Instant(seconds: 9)))
  }

  @Test("waits for a kernel that died to answer again")
  func restart() {
    var tape = Tape()
    let id = tape.open("churn", at: 1)
    tape.add(.kernelDied(id), at: 4)
    #expect(tape.board[id]?.state == .starting)
    tape.add(.kernelReady(id), at: 6)
    #expect(tape.board[id]?.state == .thinking)
  }

  @Test("counts failures by outcome", arguments: CellOutcome.allCases)
  func outcomes(outcome: CellOutcome) {
    var tape = Tape()
    let id = tape.open("churn")
    let cell = tape.run(id, on: CoreSet([0]), at: 1)
    tape.add(.cellEnded(cell, id, outcome), at: 2)
    #expect(tape.board[id]?.cellsFailed == (outcome == .ok ? 0 : 1))
    #expect(tape.board.markers.count == (outcome == .error || outcome == .lost ? 1 : 0))
  }

  @Test("keeps the answer to each command, and marks only those obeyed")
  func answers() {
    var tape = Tape()
    let id = tape.open("churn")
    let good = Command(id: CommandID(1), author: "ana", verb: .hold(id))
    let bad = Command(id: CommandID(2), author: "ana", verb: .unpin(id))
    let refusal = Refusal(.wrongState, "it is not pinned")
    tape.add(.commandAccepted(good), .held(id), .commandRefused(bad, refusal))
    #expect(tape.board.answers == [Answer(good), Answer(bad, refusal)])
    #expect(tape.board.markers.map(\.kind) == [.action])
    #expect(tape.board[id]?.marks.map(\.kind) == [.action])
  }

  @Test("counts our own faults")
  func faults() {
    var tape = Tape()
    tape.add(.decisionRefused(Refusal(.alreadyTaken, "core 1 is taken")), .invariantBroken("sums differ"))
    #expect(tape.board.faults == 2)
  }

  @Test("changes only the events that people read with entries that need no action")
  func bystanders() {
    var tape = Tape()
    let id = tape.open("churn")
    let before = tape.board
    let cell = Cell(id: CellID(1), notebook: id, submitted: .zero, demand: .oneCore)
    tape.add(
      .cellRefused(cell, Refusal(.demandTooLarge, "asks for 9 cores")), .interruptRequested(CellID(1), id),
      .demandOverridden(id, nil), .effectFailed(id, sequence: 3, why: "no such process"))
    #expect(tape.board.notebooks == before.notebooks)
    #expect(tape.board.events.count == before.events.count + 4)
    #expect(tape.board.markers == before.markers)
  }

  @Test("ignores entries about notebooks that nobody opened")
  func strangers() {
    var tape = Tape()
    for id in [-1, 0, 7].map({ NotebookID($0) }) { tape.add(.held(id), .cellEnded(CellID(1), id, .ok)) }
    #expect(tape.board.notebooks.isEmpty)
    #expect(tape.board[NotebookID(-1)] == nil)
    #expect(tape.board.name(of: NotebookID(7)) == "notebook 7")
  }

  @Test("gives open notebooks of one document different names, and frees a name with its notebook")
  func names() {
    var tape = Tape()
    let first = tape.open("churn")
    _ = tape.open("churn")
    tape.add(.notebookClosed(first))
    _ = tape.open("churn")
    _ = tape.open("churn")
    _ = tape.open("churn·2")
    #expect(tape.board.notebooks.map(\.name) == ["churn", "churn·2", "churn", "churn·3", "churn·2·2"])
  }

  @Test("leaves out stretches of no length, and joins equal ones")
  func segments() throws {
    var tape = Tape()
    let id = tape.open("churn", at: 1)
    let cell = tape.run(id, on: CoreSet([0]), at: 5)
    tape.add(.cellEnded(cell, id, .ok))
    let facts = try #require(tape.board[id])
    #expect(facts.segments == [Segment(state: .thinking, from: Instant(seconds: 1))])
    #expect(facts.state(at: Instant(seconds: 0.5)) == nil)
    #expect(facts.state(at: Instant(seconds: 1)) == .thinking)
    #expect(facts.state(at: Instant(seconds: 99)) == .thinking)
  }

  @Test("keeps a shorter past of each notebook where there are many, so that memory does not grow with them")
  func manyPasts() throws {
    var tape = Tape(cores: 4)
    let ids = (0..<1000).map { tape.open("n\($0)") }
    for turn in 0..<1200 {
      for id in ids.prefix(2) {
        let cell = tape.queue(id, at: Double(turn) * 3)
        tape.add(.cellEnded(cell, id, .ok), at: Double(turn) * 3 + 1)
      }
    }
    let most = Board.segmentsOfAllMost / 1000
    for id in ids.prefix(2) {
      let facts = try #require(tape.board[id])
      #expect(facts.segments.count <= most + 1 && facts.segments.count >= most * 3 / 4)
      #expect(facts.segments.last?.state == .thinking && facts.cellsEnded == 1200)
    }
  }

  @Test("holds what was read of a notebook once the reading has ended, though freed memory is overwritten")
  func readings() async {
    await #expect(processExitsWith: .success) {
      // mallopt(3), of which the module of the C library says nothing, with M_PERTURB.
      typealias Option = @convention(c) (Int32, Int32) -> Int32
      guard let found = dlsym(nil, "mallopt") else { exit(2) }
      guard unsafeBitCast(found, to: Option.self)(-6, 85) == 1 else { exit(3) }
      var board = Board()
      let notebook = Notebook(
        id: NotebookID(0), node: NodeID(0), user: "ben", path: "/home/ben/a long enough path.ipynb")
      board.apply(Entry(sequence: 1, at: .zero, event: .notebookOpened(notebook)))
      let covered = Veil(for: "ana").cover(board)
      if covered.notebooks[0].name != "notebook-0" || covered.notebooks[0].notebook.name != "notebook-0" { exit(1) }
    }
  }

  @Test("keeps a bounded past: events, markers, answers, segments")
  func bounds() throws {
    var tape = Tape()
    let id = tape.open("churn")
    for number in 1...6000 {
      let cell = tape.run(id, on: CoreSet([0]), at: Double(number))
      tape.add(.cellEnded(cell, id, .ok), at: Double(number) + 0.5)
      tape.add(.commandAccepted(Command(id: CommandID(UInt64(number)), author: "ana", verb: .hold(id))))
    }
    #expect(tape.board.events.count <= Board.eventsMost)
    #expect(tape.board.markers.count <= Board.markersMost)
    #expect(tape.board.answers.count <= 64)
    #expect(tape.board.answers.last?.command.id == CommandID(6000))
    let facts = try #require(tape.board[id])
    #expect(facts.segments.count <= NotebookFacts.segmentsMost)
    #expect(facts.state(at: Instant(seconds: 10)) == nil)
    #expect(facts.state(at: Instant(seconds: 5999.2)) == .running)
    #expect(facts.cellsEnded == 6000)
  }
}

extension Answer {
  init(_ command: Command, _ refusal: Refusal? = nil) {
    self.init(command: command, refusal: refusal)
  }
}
