import Domain
import Engine
import Testing

@testable import Policies

/// A node with two GPUs of 80 bytes, of which 10 bytes a second are saved and restored.
private struct Stage {
  var scheduler: Scheduler

  init(_ policy: String, gpus: Int = 2) throws {
    scheduler = try Scheduler(
      policy: policy, from: .standard, settings: Scheduler.Settings(explainsWaits: true, checksInvariants: true))
    let node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<8),
      gpus: (0..<gpus).map { GPU(uuid: "g\($0)", memory: Bytes(80)) }, gpuSwapRate: Bytes(10))
    tell(.nodeFound(node), at: 0)
  }

  mutating func tell(_ observation: Observation, at seconds: Double) {
    scheduler.handle(.observation(observation), at: Instant(seconds: seconds))
    for entry in scheduler.entries {
      if case .invariantBroken(let text) = entry.event { Issue.record("\(text)") }
      if case .decisionRefused(let refusal) = entry.event { Issue.record("\(refusal.text)") }
    }
  }

  mutating func open(at seconds: Double) -> NotebookID {
    let id = NotebookID(Int32(scheduler.state.notebooks.count))
    tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "u", path: "nb\(id.number)")), at: seconds)
    tell(.kernelReady(id), at: seconds)
    return id
  }

  /// - Parameter think: what the forecast says of the think time after it; nil for nothing.
  mutating func submit(
    _ id: NotebookID, gpus: Int32 = 1, memory: Int64, run: Double = 10, think: Double? = nil, at seconds: Double
  ) {
    let span = Span(seconds: run)
    let further = think.map {
      FurtherForecast(
        need: ForeseenNeed(), notebookLeft: Quantiles(certain: span), think: Quantiles(certain: Span(seconds: $0)),
        nextRun: nil, nextNeed: ForeseenNeed())
    }
    let forecast = CellForecast(
      run: Quantiles(certain: span), basis: .oracle, notebookRemaining: span, notebookTotal: span, further: further)
    tell(.cellSubmitted(id, Demand(gpus: gpus, gpuMemory: Bytes(memory)), CellSource(), forecast), at: seconds)
  }

  mutating func end(_ id: NotebookID, at seconds: Double) {
    tell(.cellEnded(id, scheduler.state[id].cell.id, .ok), at: seconds)
  }

  mutating func wait(until seconds: Double) {
    scheduler.handle(.timer, at: Instant(seconds: seconds))
  }

  func state(_ id: NotebookID) -> NotebookState { scheduler.state[id].state }
  func gpus(_ id: NotebookID) -> [Int] { Array(scheduler.state[id].allotment.gpus) }
  func isSaved(_ id: NotebookID) -> Bool? { scheduler.state[id].residency?.isSaved }
  func delay(_ id: NotebookID) -> Double? { scheduler.state[id].residency?.delay.seconds }
}

@Suite("GPU memory that stays between cells")
struct GPUMemoryTests {
  static let exclusive = PolicyCatalogue.standard.names.filter { $0 != "os" && $0 != "partition" }

  @Test("a notebook's next cell goes back to the GPU where its memory is, at no price", arguments: exclusive)
  func returns(policy: String) throws {
    var stage = try Stage(policy)
    let a = stage.open(at: 0)
    let b = stage.open(at: 0)
    stage.submit(a, memory: 40, at: 0)
    stage.submit(b, memory: 40, at: 0)
    #expect([stage.gpus(a), stage.gpus(b)] == [[0], [1]])
    stage.end(a, at: 10)
    stage.end(b, at: 10)
    stage.submit(b, memory: 40, at: 20)
    #expect(stage.gpus(b) == [1], "GPU 0 is idle too, and has a lower number")
    #expect(stage.delay(b) == 0)
    #expect(stage.scheduler.state[NodeID(0)].gpuMemoryUsed == [Bytes(40), Bytes(40)])
  }

  /// a and b keep 60 bytes each; c needs 50. a has not used its memory for longer. Saving 60 bytes takes 6 s, and so does
  /// restoring them.
  @Test(
    "whose memory has not been used for longest is saved first, and restored when it comes back",
    arguments: exclusive.filter { $0 != "dynamic" && $0 != "reservation" })
  func evictsLeastRecentlyUsed(policy: String) throws {
    var stage = try Stage(policy)
    let notebooks = (0..<3).map { _ in stage.open(at: 0) }
    stage.submit(notebooks[0], memory: 60, at: 0)
    stage.submit(notebooks[1], memory: 60, at: 0)
    stage.end(notebooks[0], at: 10)
    stage.end(notebooks[1], at: 11)
    stage.submit(notebooks[2], memory: 50, at: 20)
    #expect(stage.gpus(notebooks[2]) == [0])
    #expect([stage.isSaved(notebooks[0]), stage.isSaved(notebooks[1])] == [true, false])
    #expect(stage.delay(notebooks[2]) == 6)
    let eviction = try #require(
      stage.scheduler.entries.compactMap { entry -> Reason? in
        if case .memoryEvicted(_, let reason) = entry.event { reason } else { nil }
      }.first)
    #expect(
      eviction.clause { "nb\($0.number)" } == "nb2 needs the GPU memory that it kept while idle")
    stage.end(notebooks[2], at: 40)
    stage.tell(.notebookClosed(notebooks[2]), at: 41)
    stage.submit(notebooks[0], memory: 60, at: 50)
    #expect(stage.gpus(notebooks[0]) == [0])
    #expect(stage.delay(notebooks[0]) == 6, "its own has to be restored, nobody else's saved")
  }

  @Test("a kernel that ends gives its GPU memory back", arguments: exclusive)
  func givesBack(policy: String) throws {
    var stage = try Stage(policy)
    let a = stage.open(at: 0)
    stage.submit(a, gpus: 2, memory: 80, at: 0)
    stage.end(a, at: 10)
    #expect(stage.scheduler.state[NodeID(0)].gpuMemoryUsed == [Bytes(80), Bytes(80)])
    stage.tell(.notebookClosed(a), at: 20)
    #expect(stage.scheduler.state[NodeID(0)].gpuMemoryUsed == [.zero, .zero])
    #expect(stage.scheduler.state[NodeID(0)].residents.isEmpty)
  }

  @Test("a cell that asks for more than any GPU has is refused", arguments: PolicyCatalogue.standard.names)
  func refuses(policy: String) throws {
    var stage = try Stage(policy)
    let a = stage.open(at: 0)
    stage.submit(a, memory: 81, at: 0)
    #expect(stage.state(a) == .thinking)
    let refused = stage.scheduler.entries.contains { if case .cellRefused = $0.event { true } else { false } }
    #expect(refused)
  }

  /// Saving and restoring 60 bytes takes 12 s. a comes back after 5 s: b waits 12 s in vain or until something is cheaper.
  @Test("dynamic waits for as long as an eviction costs before it takes from who comes back soon")
  func waitsForTheSoon() throws {
    var stage = try Stage("dynamic", gpus: 1)
    let a = stage.open(at: 0)
    let b = stage.open(at: 0)
    stage.submit(a, memory: 60, think: 5, at: 0)
    stage.end(a, at: 10)
    stage.submit(b, memory: 60, at: 11)
    #expect(stage.state(b) == .queued)
    #expect(stage.scheduler.wakeAt == Instant(seconds: 23))
    stage.wait(until: 23)
    #expect(stage.state(b) == .running)
    #expect(stage.isSaved(a) == true)
  }

  @Test("dynamic evicts at once who thinks for longer than that costs, and always under eager-eviction")
  func evictsTheLate() throws {
    for (policy, think) in [("dynamic", 60.0), ("dynamic:eager-eviction", 5)] {
      var stage = try Stage(policy, gpus: 1)
      let a = stage.open(at: 0)
      let b = stage.open(at: 0)
      stage.submit(a, memory: 60, think: think, at: 0)
      stage.end(a, at: 10)
      stage.submit(b, memory: 60, at: 11)
      #expect(stage.state(b) == .running, "\(policy)")
      #expect(stage.delay(b) == 6, "\(policy)")
    }
  }

  /// a has 100 s left; b needs 95 s and would take its GPU if that cost nothing. Where both fit on the GPU it does not.
  @Test("dynamic preempts where the memory fits beside, and not where the exchange costs more than it gains")
  func preemptsWithinReason() throws {
    for (memory, expected) in [(30, NotebookState.suspended), (60, .running)] as [(Int64, NotebookState)] {
      var stage = try Stage("dynamic", gpus: 1)
      let a = stage.open(at: 0)
      let b = stage.open(at: 0)
      stage.submit(a, memory: memory, run: 100, at: 0)
      stage.submit(b, memory: memory, run: 95, at: 1)
      #expect(stage.state(a) == expected, "\(memory) bytes")
      #expect(stage.isSaved(a) == false, "a suspended cell keeps its memory")
    }
  }

  @Test("a suspended cell whose memory was evicted waits for it to be restored")
  func restoresSuspended() throws {
    var stage = try Stage("dynamic", gpus: 1)
    let a = stage.open(at: 0)
    let b = stage.open(at: 0)
    stage.submit(a, memory: 60, run: 1000, at: 0)
    stage.submit(b, memory: 60, run: 10, at: 1)
    #expect([stage.state(a), stage.state(b)] == [.suspended, .running])
    #expect(stage.isSaved(a) == true)
    stage.end(b, at: 17)
    stage.tell(.notebookClosed(b), at: 17)
    #expect(stage.state(a) == .running)
    #expect(stage.delay(a) == 6)
  }
}

@Suite("The bound on standstills")
struct BoundTests {
  static let node = Node(
    id: NodeID(0), name: "n", cores: CoreSet(0..<10), gpus: (0..<10).map { GPU(uuid: "\($0)") })

  private func bound() throws -> Bound {
    let policy = try #require(try PolicyCatalogue.standard.make("dynamic:ageing=1") as? Dynamic)
    return Bound(of: Self.node, at: .zero, policy)
  }

  @Test("stays while aged cells want no more than their share")
  func stays() throws {
    var bound = try bound()
    bound.count(Need(cores: 5, gpus: 5), sign: 1)
    bound.follow(0.5)
    bound.settle(at: Instant(seconds: 1000))
    #expect(bound.now == 3600e6)
    #expect(bound.reached(from: .zero, after: Instant(seconds: 1000)) == Instant(seconds: 3600))
  }

  @Test("rises by ten times the excess, and then nobody else ages; falls again by the lack")
  func rises() throws {
    var bound = try bound()
    bound.count(Need(cores: 1, gpus: 7), sign: 1)
    bound.follow(0.5)
    #expect(bound.reached(from: .zero, after: .zero) == nil, "it runs away from whoever waits")
    bound.settle(at: Instant(seconds: 1000))
    #expect(abs(bound.now - 5600e6) < 1)
    bound.count(Need(cores: 1, gpus: 7), sign: -1)
    bound.follow(0.5)
    bound.settle(at: Instant(seconds: 3000))
    #expect(abs(bound.now - 4600e6) < 1)
    bound.settle(at: Instant(seconds: 30_000))
    #expect(bound.now == 3600e6)
  }

  @Test("stays for ever where it is to")
  func fixed() throws {
    var bound = try bound()
    bound.count(Need(cores: 10, gpus: 10), sign: 1)
    bound.follow(nil)
    bound.settle(at: Instant(seconds: 1e6))
    #expect(bound.now == 3600e6)
  }
}
