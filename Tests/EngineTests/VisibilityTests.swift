import Domain
import Engine
import Testing

@Suite("GPUs that a kernel sees until it ends")
struct VisibilityTests {
  /// Three GPUs of 80, 80 and 40 bytes, used as drivers let them be used.
  static let node: Node = {
    var node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<8),
      gpus: [80, 80, 40].enumerated().map { GPU(uuid: "g\($0)", memory: Bytes($1)) })
    (node.keepsFirstGPUs, node.savesIdleGPUMemory) = (true, false)
    return node
  }()

  private func stage(_ policy: String = "fcfs", node: Node = node) throws -> Stage {
    try Stage(policy, explains: true, node: node)
  }

  @Test("are those of its first grant: a later cell goes back to them, past idle ones of lower numbers")
  func sticky() throws {
    var stage = try stage()
    let (a, b) = (stage.open(path: "a"), stage.open(path: "b"))
    stage.submit(a, gpus: 1)
    stage.submit(b, gpus: 1)
    #expect([stage.state[a].seenGPUs, stage.state[b].seenGPUs] == [GPUSet([0]), GPUSet([1])])
    stage.end(a)
    stage.end(b)
    stage.submit(b, gpus: 1)
    #expect(stage.state[b].allotment.gpus == GPUSet([1]))
    stage.end(b)
    stage.submit(b)
    #expect(stage.state[b].allotment.gpus.isEmpty && stage.state[b].seenGPUs == GPUSet([1]))
  }

  @Test("are chosen first where fewest kernels are bound already, though their authors think")
  func spreads() throws {
    var stage = try stage()
    let notebooks = (0..<6).map { stage.open(path: "\($0)") }
    for id in notebooks {
      stage.submit(id, gpus: 1)
      stage.end(id)
    }
    #expect(notebooks.map { Array(stage.state[$0].seenGPUs ?? GPUSet()) } == [[0], [1], [2], [0], [1], [2]])
    stage.tell(.notebookClosed(notebooks[1]))
    let next = stage.open(path: "next")
    stage.submit(next, gpus: 1)
    #expect(stage.state[next].seenGPUs == GPUSet([1]), "who is gone counts no more")
  }

  @Test("keep a cell waiting while others are idle, and the wait says so")
  func waits() throws {
    var stage = try stage()
    let (a, b) = (stage.open(path: "a.ipynb"), stage.open(path: "b.ipynb"))
    let others = (0..<2).map { stage.open(path: "\($0)") }
    for id in [a] + others {
      stage.submit(id, gpus: 1)
      stage.end(id)
    }
    stage.submit(b, gpus: 1, forecast: .quartiles(5, 10, 15))
    #expect(stage.state[b].allotment.gpus == GPUSet([0]))
    stage.submit(a, gpus: 1, forecast: .quartiles(1, 1, 1))
    let wait = try #require(stage.state[a].wait)
    #expect((wait.cause, wait.lacking, wait.holders, wait.gpus) == (.seenGPUs, 1, [b], GPUSet([0])))
    #expect(
      wait.clause { stage.state.descriptions[Int($0.number)].name }
        == "its kernel sees GPU 0 only, and b uses what it needs")
    #expect(wait.expected.map { $0.median >= Instant(seconds: 5) } == true, "GPU 0 is what it waits for, not GPU 1")
    stage.end(b)
    #expect(stage.state[a].allotment.gpus == GPUSet([0]))
  }

  @Test("make a cell that asks for more be refused, with what would mend it")
  func refuses() throws {
    var stage = try stage()
    let a = stage.open()
    stage.submit(a, gpus: 1)
    stage.end(a)
    func refused(_ events: [Event]) -> String? {
      events.compactMap { if case .cellRefused(_, let refusal) = $0 { refusal.text } else { nil } }.first
    }
    #expect(
      refused(stage.submit(a, gpus: 2))
        == "asks for 2 GPUs, and its kernel sees GPU 0 only; restart the kernel to get 2 GPUs")
    stage.tell(.kernelDied(a))
    stage.tell(.kernelReady(a))
    #expect(refused(stage.submit(a, gpus: 2)) == nil)
    #expect(stage.state[a].seenGPUs == GPUSet([0, 1]))
    stage.end(a)
    // Of two that it sees a program takes the first: so do the books.
    stage.submit(a, gpus: 1)
    #expect(stage.state[a].allotment.gpus == GPUSet([0]))
    stage.end(a)
    let small = stage.open(path: "small")
    stage.tell(.gpusSeen(small, GPUSet([2])))
    let events = stage.tell(.cellSubmitted(small, Demand(gpus: 1, gpuMemory: Bytes(60)), CellSource(), nil))
    #expect(
      refused(events)
        == "asks for 60 bytes of GPU memory, and its kernel sees GPU 2 only, which has less; restart the kernel to get a larger one"
    )
  }

  @Test("cannot be pinned away from")
  func pins() throws {
    var stage = try stage()
    let a = stage.open()
    stage.submit(a, gpus: 1)
    let elsewhere = stage.order(.pin(a, Pin(node: NodeID(0), cores: CoreSet(), gpus: GPUSet([1]))))
    guard case .commandRefused(_, let refusal) = elsewhere.first else {
      Issue.record("\(elsewhere)")
      return
    }
    #expect(refusal.text == "its kernel sees GPU 0 only; restart the kernel to pin it to GPU 1")
    stage.order(.pin(a, Pin(node: NodeID(0), cores: CoreSet(), gpus: GPUSet([0, 1]))))
    #expect(stage.state[a].pin?.gpus == GPUSet([0, 1]))
  }

  @Test("are what its gate says when it comes, and stay")
  func told() throws {
    var stage = try stage()
    let a = stage.open()
    #expect(stage.tell(.gpusSeen(a, GPUSet([1, 9]))).contains(.gpusSeen(a, GPUSet([1]))), "9 is none of this node's")
    #expect(!stage.tell(.gpusSeen(a, GPUSet([1, 9]))).contains { if case .gpusSeen = $0 { true } else { false } })
    stage.submit(a, gpus: 1)
    #expect(stage.state[a].allotment.gpus == GPUSet([1]))
    stage.tell(.gpusSeen(a, GPUSet([0])))
    #expect(stage.state[a].seenGPUs == GPUSet([1]), "what cannot be is not believed")
    let stranger = stage.open(path: "b")
    stage.tell(.gpusSeen(stranger, GPUSet()))
    let events = stage.submit(stranger, gpus: 1)
    #expect(events.contains { if case .cellRefused = $0 { true } else { false } })
  }

  @Test("belong to a cell that was found running, and it is resumed on them")
  func adopts() throws {
    var stage = try stage()
    let a = stage.open(path: "a")
    let demand = Demand(gpus: 1, gpuMemory: Bytes(60))
    stage.tell(.cellFoundRunning(a, demand, CellSource(key: 1), ran: .zero, CoreSet([3]), GPUSet([1]), suspended: true))
    let last = stage.events.last
    guard case .cellResumed(_, _, let allotment, _) = last else {
      Issue.record("\(String(describing: last))")
      return
    }
    #expect(allotment.gpus == GPUSet([1]) && stage.state[a].seenGPUs == GPUSet([1]))
    #expect(stage.state[NodeID(0)].idleGPUs == GPUSet([0, 2]))
    // Another that claims the same: both run, and nothing is counted twice.
    let b = stage.open(path: "b")
    stage.tell(
      .cellFoundRunning(b, demand, CellSource(key: 1), ran: .zero, CoreSet([4]), GPUSet([1]), suspended: false))
    #expect(stage.state[b].allotment.shared && stage.state[b].allotment.gpus == GPUSet([1]))
    #expect(stage.state.brokenInvariants() == [])
  }

  @Test("memory there is free once a suspended cell's has been moved, and not before")
  func saved() throws {
    var stage = try stage()
    let (a, b) = (stage.open(path: "a"), stage.open(path: "b"))
    let demand = Demand(gpus: 3, gpuMemory: Bytes(40))
    stage.tell(.cellSubmitted(a, demand, CellSource(), nil))
    stage.order(.suspend(a, cell: CellID(1)))
    stage.tell(.cellSubmitted(b, Demand(gpus: 1, gpuMemory: Bytes(60)), CellSource(), nil))
    let wait = try #require(stage.state[b].wait)
    #expect((wait.cause, wait.holders) == (.gpuMemory, [a]))
    #expect(stage.state[b].state == .queued)
    #expect(stage.tell(.gpuMemorySaved(a)).contains(.memoryEvicted(a, Reason(.savedWhileSuspended))))
    #expect(stage.state[b].state == .running && stage.state[b].allotment.gpus == GPUSet([0]))
    #expect(!stage.tell(.gpuMemorySaved(a)).contains { if case .memoryEvicted = $0 { true } else { false } })
    // It comes back to where it was, as soon as there is room for it.
    stage.order(.resume(a, cell: CellID(1)))
    #expect(stage.state[a].state == .suspended)
    stage.end(b)
    #expect(stage.state[a].state == .suspended, "b keeps 60 of GPU 0's 80 bytes while its author thinks")
    stage.tell(.notebookClosed(b))
    #expect(stage.state[a].state == .running && stage.state[a].allotment.gpus == GPUSet([0, 1, 2]))
    stage.tell(.gpuMemorySaved(a))
    #expect(stage.state[a].residency?.isSaved == false, "too late")
  }

  @Test("nobody's memory is saved while its author thinks, whoever wants it")
  func neverIdle() throws {
    var node = Self.node
    node.gpus.removeLast(2)
    for policy in ["fcfs", "dynamic"] {
      var stage = try stage(policy, node: node)
      let (a, b) = (stage.open(path: "a"), stage.open(path: "b"))
      stage.tell(.cellSubmitted(a, Demand(gpus: 1, gpuMemory: Bytes(50)), CellSource(), .quartiles(9, 9, 9)))
      stage.end(a)
      stage.clock = 1000
      stage.tell(.cellSubmitted(b, Demand(gpus: 1, gpuMemory: Bytes(50)), CellSource(), .quartiles(1, 1, 1)))
      stage.clock = 100_000
      stage.timer()
      #expect(stage.state[b].state == .queued && stage.state[a].residency?.isSaved == false, "\(policy)")
      #expect(
        stage.state[b].wait?.clause { "nb\($0.number)" } == "needs 1 MiB more GPU memory, held by nb0", "\(policy)")
    }
  }

  @Test("of several makers are never mixed in one cell")
  func makers() throws {
    var node = Self.node
    node.gpus[0].maker = .amd
    var stage = try stage(node: node)
    let (a, b) = (stage.open(path: "a"), stage.open(path: "b"))
    stage.submit(a, gpus: 2)
    #expect(stage.state[a].allotment.gpus == GPUSet([1, 2]))
    let events = stage.submit(b, gpus: 3)
    #expect(
      events.contains { if case .cellRefused(_, let why) = $0 { why.text.contains("of one maker") } else { false } })
    stage.submit(b, gpus: 2)
    #expect(stage.state[b].state == .queued)
    stage.end(a)
    #expect(stage.state[b].allotment.gpus == GPUSet([1, 2]))
  }

  @Test("and a policy that places a cell elsewhere is refused, with the fault on the record")
  func wrongPolicy() throws {
    var stage = try stage("wrong-gpus")
    let a = stage.open()
    stage.tell(.gpusSeen(a, GPUSet([0])))
    let events = stage.submit(a, gpus: 1)
    #expect(
      events.contains(
        .decisionRefused(Refusal(.outOfRange, "starting a cell on GPU 1, and its kernel sees GPU 0 only"))))
    #expect(stage.state[a].state == .queued)
  }

  @Test("are in a key frame with all that is known of the node")
  func frames() throws {
    var stage = try stage()
    let (a, b) = (stage.open(path: "a"), stage.open(path: "b"))
    stage.submit(a, gpus: 2)
    stage.tell(.gpusSeen(b, GPUSet()))
    let packed = PackedFrame(stage.state)
    let read = try packed.bytes.withUnsafeBytes { bytes in
      var source = PackSource(bytes)
      return try SchedulerState(frame: &source) { _ in nil }
    }
    #expect(read == stage.state)
  }
}

/// Places every cell on GPU 1.
struct WrongGPUs: Policy {
  static let name = "wrong-gpus"
  static let summary = "places every cell on GPU 1"

  init(options: PolicyOptions) throws(Refusal) {}
  mutating func prepare(for state: SchedulerState) {}
  mutating func note(_ kind: EventKind, of id: NotebookID?, in state: SchedulerState) {}
  mutating func decide(_ ledger: inout Ledger) {
    for id in ledger.state.queue {
      ledger.start(
        id, on: Allotment(node: NodeID(0), cores: CoreSet([0]), gpus: GPUSet([1])), because: Reason(.firstCome))
    }
  }
}
