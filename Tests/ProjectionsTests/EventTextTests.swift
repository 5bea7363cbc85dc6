import Domain
import Projections
import Testing

@Suite("Entries in words") struct EventTextTests {
  private static let a = NotebookID(0)
  private static let b = NotebookID(1)
  private static let one = CellID(12)
  private static let cores = CoreSet([0, 1])

  private static func command(_ verb: Verb, why: String = "") -> Event {
    .commandAccepted(Command(id: CommandID(1), author: "ana", why: why, verb: verb))
  }

  private static func cell(_ demand: Demand = .oneCore) -> Cell {
    Cell(id: one, notebook: a, submitted: .zero, demand: demand)
  }

  private static let sentences: [(Event, String)] = [
    (.policyChanged("fcfs"), "policy is fcfs"),
    (.nodeAdded(Node(id: NodeID(0), name: "n1", cores: CoreSet([0]))), "n1 joined: 1 core, 0 GPUs"),
    (
      .nodeAdded(Node(id: NodeID(0), name: "n2", cores: cores, gpus: [GPU(uuid: "g")])), "n2 joined: 2 cores, 1 GPU"
    ),
    (.drainChanged(NodeID(0), CoreSet(), GPUSet()), "nothing is drained"),
    (.drainChanged(NodeID(0), CoreSet([3]), GPUSet()), "drained: core 3"),
    (.drainChanged(NodeID(0), cores, GPUSet([0])), "drained: cores 0-1, GPU 0"),
    (.notebookOpened(Notebook(id: a, node: NodeID(0), user: "ana", path: "churn")), "ana opened churn"),
    (.kernelReady(a), "churn: kernel is ready"),
    (.kernelDied(a), "churn: kernel ended"),
    (.notebookClosed(a), "churn closed"),
    (.backlogChanged(a, 1), "churn has 1 more cell waiting behind"),
    (.backlogChanged(a, 3), "churn has 3 more cells waiting behind"),
    (.cellQueued(cell(Demand(coresLeast: 1, coresMost: 4, gpus: 2))), "churn[12] queued: 1-4 cores, 2 GPUs"),
    (.cellRefused(cell(), Refusal(.demandTooLarge, "asks for 9 cores")), "churn[12] refused: asks for 9 cores"),
    (
      .cellWaits(one, a, Wait(cause: .cores, lacking: 2, holders: [b], place: 1)),
      "churn[12] waits: needs 2 more cores, held by svc"
    ),
    (
      .cellStarted(one, a, .on(cores), Reason(.firstCome)),
      "churn[12] started on cores 0-1: it was first in line and its cores and GPUs were free"
    ),
    (
      .cellAdopted(cell(), started: .zero, .on(CoreSet([4]), GPUSet([0, 1]))),
      "churn[12] found running on core 4, GPUs 0-1"
    ),
    (
      .cellResized(one, a, .on(cores, shared: true), Reason(.grownIntoIdle)),
      "churn[12] moved to cores 0-1 (shared): cores were idle and it can use them"
    ),
    (.cellSuspended(one, a, Reason(.preempted, for: b)), "churn[12] suspended: svc goes before it"),
    (
      .cellResumed(one, a, .on(cores), Reason(.operatorResumed)),
      "churn[12] resumed on cores 0-1: an operator resumed it"
    ),
    (.interruptRequested(one, a), "churn[12] is being interrupted"),
    (.cellEnded(one, a, .error), "churn[12] ended: error"),
    (.priorityChanged(a, -3), "churn: priority -3"),
    (.pinned(a, Pin(node: NodeID(0), cores: cores, reserves: true)), "churn pinned to cores 0-1, reserved"),
    (.pinned(a, Pin(node: NodeID(0), cores: CoreSet(), gpus: GPUSet([1]))), "churn pinned to GPU 1"),
    (.unpinned(a), "churn unpinned"), (.held(a), "churn held"), (.released(a), "churn released"),
    (.resumeOrdered(a, one), "churn may go on"),
    (.demandOverridden(a, Demand(coresLeast: 2, coresMost: 2)), "churn: demand is 2 cores"),
    (.demandOverridden(a, nil), "churn: demand is its own again"),
    (.decisionRefused(Refusal(.alreadyTaken, "core 1 is taken")), "fault: the policy decided wrongly: core 1 is taken"),
    (.effectFailed(a, sequence: 3, why: "no such process"), "churn: could not be enforced: no such process"),
    (.usageSampled(a, Usage(millicores: 1960, memory: .zero)), "churn uses 2.0 cores"),
    (.invariantBroken("sums differ"), "fault: sums differ"),
    (
      .commandRefused(
        Command(id: CommandID(1), author: "ben", verb: .unpin(a)), Refusal(.wrongState, "it is not pinned")),
      "ben: unpin churn refused: it is not pinned"
    ),
    (command(.hold(b), why: "undo"), "ana: hold svc (undo)"),
  ]

  private static let orders: [(Verb, String)] = [
    (.suspend(a, cell: one), "suspend churn[12]"), (.resume(a, cell: one), "resume churn[12]"),
    (.interrupt(a, cell: one), "interrupt churn[12]"), (.setPriority(a, 5), "priority 5 for churn"),
    (.pin(a, Pin(node: NodeID(0), cores: cores)), "pin churn to cores 0-1"), (.unpin(a), "unpin churn"),
    (.hold(a), "hold churn"), (.release(a), "release churn"),
    (.drain(NodeID(0), cores, GPUSet()), "drain cores 0-1"),
    (.undrain(NodeID(0), CoreSet(), GPUSet([2])), "undrain GPU 2"), (.setPolicy("sjf"), "policy sjf"),
    (.overrideDemand(a, .oneCore), "demand of 1 core for churn"),
    (
      .overrideDemand(
        a, Demand(coresLeast: 1, coresMost: 4, gpus: 1, memory: Bytes(8 << 30), gpuMemory: Bytes(1536 << 20))),
      "demand of 1-4 cores, 1 GPU, 8G of memory, 1.5G on each GPU for churn"
    ),
    (.overrideDemand(a, nil), "demand of churn as it asks itself"),
  ]

  private static var board: Board {
    var tape = Tape()
    _ = tape.open("churn")
    _ = tape.open("svc")
    return tape.board
  }

  @Test("says what happened in a sentence")
  func events() {
    for (event, text) in Self.sentences {
      #expect(Self.board.sentence(Entry(sequence: 1, at: .zero, event: event)) == text)
    }
  }

  @Test("says what was ordered, with what and for whom")
  func verbs() {
    for (verb, text) in Self.orders {
      #expect(Self.board.sentence(verb) == text)
      #expect(Self.board.sentence(Entry(sequence: 1, at: .zero, event: Self.command(verb))) == "ana: " + text)
    }
  }
}
