import Domain
import Engine
import Metrics
import Policies
import Testing
import Traces

@testable import Simulation

@Suite("GPU memory in simulated sessions")
struct GPUMemorySimulationTests {
  static let policies =
    PolicyCatalogue.standard.names + [
      "dynamic:no-preemption", "dynamic:no-malleability", "dynamic:eager-eviction", "dynamic:rooms",
    ]

  /// Four GPUs of 8 GiB; saving one takes `swapSeconds`.
  static func node(swapSeconds: Double) -> Node {
    let each = Bytes(8 << 30)
    return Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<16), gpus: (0..<4).map { GPU(uuid: "g\($0)", memory: each) },
      gpuSwapRate: swapSeconds > 0 ? Bytes(Int64(Double(each.count) / swapSeconds)) : .zero)
  }

  static func trace(seed: UInt64) -> Trace {
    MixedWorkload(kind: .mixed, notebooks: 24, cores: 16, gpus: 4, load: 1, seed: seed).trace()
      .drawingGPUMemory(upTo: Bytes(8 << 30), seed: seed)
  }

  static func simulator(_ policy: String, seed: UInt64, swapSeconds: Double) throws -> Simulator {
    var settings = Simulator.Settings(
      policy: policy, engine: Scheduler.Settings(explainsWaits: false, checksInvariants: true))
    settings.keepsEntries = true
    let trace = trace(seed: seed)
    return try Simulator(
      trace, on: node(swapSeconds: swapSeconds), settings: settings,
      forecast: OracleForecast(notebooks: trace.notebooks.count), catalogue: .standard)
  }

  @Test("no GPU ever keeps more than it has, and every cell ends", arguments: policies, UInt64(1)...8)
  func memoryHolds(policy: String, seed: UInt64) throws {
    var simulator = try Self.simulator(policy, seed: seed, swapSeconds: 3)
    var steps = 0
    while simulator.nextTime != nil {
      simulator.step()
      steps += 1
      for entry in simulator.scheduler.entries {
        if case .invariantBroken(let text) = entry.event { Issue.record("\(policy), seed \(seed): \(text)") }
        if case .decisionRefused(let refusal) = entry.event { Issue.record("\(policy), seed \(seed): \(refusal.text)") }
      }
      try #require(steps < 200_000, "\(policy), seed \(seed) goes on for ever")
    }
    let measures = simulator.measures()
    #expect(measures.cellsEnded + measures.cellsFailed == simulator.trace.cellCount, "\(policy), seed \(seed)")
    if policy != "os", policy != "partition" { #expect(measures.cellsFailed == 0, "\(policy), seed \(seed)") }
    #expect(simulator.scheduler.state.nodes[0].gpuMemoryUsed.allSatisfy { $0 == .zero }, "everything is given back")
    var folded = SchedulerState()
    for entry in simulator.recorded { folded.apply(entry) }
    #expect(folded == simulator.scheduler.state, "\(policy), seed \(seed)")
  }

  @Test("evicting costs time, and nothing where memory is saved at once", arguments: ["fcfs", "dynamic"])
  func costs(policy: String) throws {
    var free = try Self.simulator(policy, seed: 3, swapSeconds: 0)
    var slow = try Self.simulator(policy, seed: 3, swapSeconds: 20)
    free.run()
    slow.run()
    #expect(free.measures().swapHours == 0)
    #expect(slow.measures().evictions > 0)
    #expect(slow.measures().swapHours > 0)
    #expect(slow.measures().antt > free.measures().antt)
  }

  /// One GPU of 8 GiB. a keeps 6 GiB of it and thinks; b needs 4 GiB for 10 s: 6 GiB are saved in 6 s, so b ends after
  /// 16 s; a comes back and has its 6 GiB restored after b's 4 GiB are saved: 4 + 6 + 10 s; b, which was saved, has 4 GiB
  /// restored when it comes back, and a is gone by then: 4 + 10 s.
  @Test("the prices of an exchange, to the second")
  func exchange() throws {
    let gib = Int64(1 << 30)
    func cell(_ think: Double, _ memory: Int64) -> TraceCell {
      TraceCell(think: Span(seconds: think), run: Span(seconds: 10), gpus: 1, gpuMemory: Bytes(memory * gib))
    }
    let trace = Trace(
      name: "exchange",
      notebooks: [
        TraceNotebook(name: "a", user: "u", cells: [cell(0, 6), cell(90, 6)]),
        TraceNotebook(name: "b", user: "u", cells: [cell(20, 4), cell(1000, 4)]),
      ])
    let node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<2), gpus: [GPU(uuid: "g", memory: Bytes(8 * gib))],
      gpuSwapRate: Bytes(gib))
    for policy in ["fcfs", "sjf", "backfill", "fairshare", "dynamic"] {
      let run = try Run(
        trace, on: node, settings: Simulator.Settings(policy: policy, keepsHistory: true),
        forecast: OracleForecast(notebooks: 2), catalogue: .standard)
      let ends = run.history.sorted { ($0.notebook, $0.cell) < ($1.notebook, $1.cell) }.map(\.ended.seconds)
      #expect(ends == [10, 120, 36, 1050], "\(policy): \(ends)")
    }
  }

  @Test("under os and partition, GPU memory runs out and the cell fails", arguments: ["os", "partition"])
  func runsOut(policy: String) throws {
    let cell = TraceCell(think: .zero, run: Span(seconds: 10), gpus: 1, gpuMemory: Bytes(5))
    let trace = Trace(
      name: "full", notebooks: (0..<4).map { TraceNotebook(name: "n\($0)", user: "u", cells: [cell, cell]) })
    let node = Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<8), gpus: [GPU(uuid: "a", memory: Bytes(11))])
    let run = try Run(
      trace, on: node, settings: Simulator.Settings(policy: policy), forecast: OracleForecast(notebooks: 4),
      catalogue: .standard)
    #expect(run.measures.cellsFailed > 0)
    #expect(run.measures.cellsFailed + run.measures.cellsEnded == 8)
  }
}
