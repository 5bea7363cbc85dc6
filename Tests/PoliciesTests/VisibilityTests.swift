import Chance
import Domain
import Engine
import Testing

@testable import Policies

/// Notebooks that come, think and go on a node whose GPUs are unlike and whose kernels keep what they saw first.
private struct ClosedLoop {
  var scheduler: Scheduler
  var random: SplitMix
  /// Cells that each notebook has left, and what its GPU cells ask for of GPU memory.
  var left: [Int] = []
  var memory: [Int64] = []
  var clock = 0.0
  var refused = 0
  var faults: [String] = []

  static let node: Node = {
    var node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<6),
      gpus: [80, 40, 80, 20].enumerated().map { GPU(uuid: "g\($0)", memory: Bytes($1)) })
    node.gpus[3].maker = .amd
    (node.keepsFirstGPUs, node.savesIdleGPUMemory) = (true, false)
    return node
  }()

  init(_ policy: String, seed: UInt64) throws {
    scheduler = try Scheduler(
      policy: policy, from: .standard, settings: Scheduler.Settings(explainsWaits: true, checksInvariants: true))
    random = SplitMix(seed: seed)
    give(.observation(.nodeFound(Self.node)))
  }

  mutating func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(sides)) }

  mutating func give(_ input: Input) {
    scheduler.handle(input, at: Instant(seconds: clock))
    for entry in scheduler.entries {
      switch entry.event {
      case .invariantBroken(let text): faults.append(text)
      case .decisionRefused(let refusal): faults.append(refusal.text)
      case .cellRefused: refused += 1
      case .memoryEvicted: faults.append("memory was evicted that nobody moves")
      default: break
      }
    }
    for id in scheduler.state.running where !scheduler.state[id].allotment.shared {
      let slot = scheduler.state[id]
      let wanted = scheduler.state.boundGPUs(of: id, Int(slot.cell.demand.gpus))
      if slot.cell.demand.gpus > 0, let wanted, !wanted.isSubset(of: slot.allotment.gpus) {
        faults.append("notebook \(id.number) runs on \(slot.allotment.gpus), and its program takes \(wanted)")
      }
    }
  }

  mutating func open() {
    let id = NotebookID(Int32(left.count))
    left.append(1 + roll(5))
    memory.append(Int64(roll(3) * 10))
    give(.observation(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "u\(roll(3))", path: "\(id.number)"))))
    give(.observation(.kernelReady(id)))
  }

  mutating func submit(_ id: NotebookID) {
    left[Int(id.number)] -= 1
    let gpus = Int32([0, 1, 1, 2][roll(4)])
    let run = Span(seconds: Double(1 + roll(50)))
    let demand = Demand(
      coresLeast: 1, coresMost: Int32(1 + roll(3)), gpus: gpus,
      gpuMemory: Bytes(gpus > 0 ? memory[Int(id.number)] : 0))
    let forecast = roll(4) == 0 ? nil : CellForecast(run: Quantiles(certain: run), basis: .code, peakGPUs: gpus)
    give(.observation(.cellSubmitted(id, demand, CellSource(), forecast)))
  }

  /// One thing that somebody does; false where nobody can do anything.
  mutating func step(_ notebooks: Int) -> Bool {
    clock += Double(roll(10))
    let state = scheduler.state
    let thinking = state.notebooks.indices.map { NotebookID(Int32($0)) }.filter { state[$0].state == .thinking }
    if left.count < notebooks, roll(4) == 0 || thinking.isEmpty && state.running.isEmpty {
      open()
      return true
    }
    let running = state.running.sorted()
    if !running.isEmpty, roll(2) == 0 || thinking.isEmpty {
      let id = running[roll(running.count)]
      give(.observation(.cellEnded(id, state[id].cell.id, .ok)))
      return true
    }
    if !thinking.isEmpty {
      let id = thinking[roll(thinking.count)]
      if left[Int(id.number)] > 0 { submit(id) } else { give(.observation(.notebookClosed(id))) }
      return true
    }
    guard scheduler.wakeAt != .never else { return false }
    clock = max(clock, scheduler.wakeAt.seconds)
    give(.timer)
    return true
  }
}

@Suite("GPUs that kernels keep, under every policy")
struct PolicyVisibilityTests {
  static let policies =
    PolicyCatalogue.standard.names + [
      "dynamic:no-preemption", "dynamic:no-malleability", "dynamic:rooms", "partition:weighted",
    ]

  @Test(
    "are respected: nothing is refused by the books, nobody waits for ever", arguments: policies, UInt64(1)...12)
  func closedLoop(policy: String, seed: UInt64) throws {
    var loop = try ClosedLoop(policy, seed: seed)
    var steps = 0
    while loop.step(14) {
      steps += 1
      try #require(loop.faults.isEmpty, "\(policy), seed \(seed): \(loop.faults)")
      try #require(steps < 5000, "\(policy), seed \(seed) goes on for ever")
    }
    let state = loop.scheduler.state
    #expect(loop.left.count == 14 && loop.left.allSatisfy { $0 == 0 })
    #expect(state.queuedCount + state.runningCount + state.suspendedCount == 0, "\(policy), seed \(seed)")
    #expect(state.nodes[0].gpuMemoryUsed.allSatisfy { $0 == .zero })
  }

  /// GPUs of 100 and 20 bytes. The cell that has most left runs on the small one; whoever needs 60 bytes gains nothing
  /// from suspending it.
  @Test("of unlike memory: dynamic suspends who holds a GPU that is large enough, and nobody else")
  func unlike() throws {
    var scheduler = try Scheduler(
      policy: "dynamic", from: .standard, settings: Scheduler.Settings(checksInvariants: true))
    let node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<8),
      gpus: [GPU(uuid: "large", memory: Bytes(100)), GPU(uuid: "small", memory: Bytes(20))], gpuSwapRate: Bytes(1000))
    scheduler.handle(.observation(.nodeFound(node)), at: .zero)
    func open(_ seconds: Double, _ memory: Int64, at: Double) -> NotebookID {
      let id = NotebookID(Int32(scheduler.state.notebooks.count))
      let run = Span(seconds: seconds)
      let forecast = CellForecast(
        run: Quantiles(certain: run), basis: .oracle, notebookRemaining: run, notebookTotal: run)
      scheduler.handle(
        .observation(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "u", path: "\(id.number)"))),
        at: Instant(seconds: at))
      scheduler.handle(
        .observation(.cellSubmitted(id, Demand(gpus: 1, gpuMemory: Bytes(memory)), CellSource(), forecast)),
        at: Instant(seconds: at))
      return id
    }
    let a = open(500, 30, at: 0)
    let b = open(1000, 10, at: 0)
    #expect([scheduler.state[a].allotment.gpus, scheduler.state[b].allotment.gpus] == [GPUSet([0]), GPUSet([1])])
    let c = open(5, 60, at: 1)
    #expect(scheduler.state[c].allotment.gpus == GPUSet([0]) && scheduler.state[c].state == .running)
    #expect([scheduler.state[a].state, scheduler.state[b].state] == [.suspended, .running])
  }
}
