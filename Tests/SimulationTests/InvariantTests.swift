import Domain
import Engine
import Metrics
import Policies
import Testing
import Traces

@testable import Simulation

@Suite("Every policy, over many seeds")
struct InvariantTests {
  static let policies =
    PolicyCatalogue.standard.names + [
      "dynamic:no-preemption", "dynamic:no-malleability", "dynamic:no-anticipation", "dynamic:no-ageing",
      "dynamic:ageing=0.02,share=0.2", "dynamic:rooms,no-preemption", "dynamic:rooms,no-preemption,no-malleability",
    ]
  static let node = Node(
    id: NodeID(0), name: "n", cores: CoreSet(0..<16), gpus: (0..<4).map { GPU(uuid: "g\($0)") })

  static func trace(seed: UInt64, load: Double = 1.2) -> Trace {
    MixedWorkload(kind: .mixed, notebooks: 24, cores: 16, gpus: 4, load: load, seed: seed).trace()
  }

  static func simulator(
    _ policy: String, seed: UInt64, explains: Bool = false, forecast: Bool = true, node: Node = node
  ) throws -> Simulator {
    let trace = trace(seed: seed)
    var settings = Simulator.Settings(
      policy: policy, engine: Scheduler.Settings(explainsWaits: explains, checksInvariants: true))
    settings.keepsEntries = true
    return try Simulator(
      trace, on: node, settings: settings,
      forecast: forecast ? OracleForecast(notebooks: trace.notebooks.count) : NoForecast(), catalogue: .standard)
  }

  @Test(
    "the books hold after each step, nothing is refused, and every cell ends", arguments: policies,
    [1, 2, 3] as [UInt64])
  func booksHold(policy: String, seed: UInt64) throws {
    for foresees in [true, false] {
      var simulator = try Self.simulator(policy, seed: seed, forecast: foresees)
      var steps = 0
      while simulator.nextTime != nil {
        simulator.step()
        steps += 1
        for entry in simulator.scheduler.entries {
          if case .invariantBroken(let text) = entry.event { Issue.record("\(policy), seed \(seed): \(text)") }
          if case .decisionRefused(let refusal) = entry.event {
            Issue.record("\(policy), seed \(seed): \(refusal.text)")
          }
        }
        try #require(steps < 200_000, "\(policy), seed \(seed) goes on for ever")
      }
      #expect(simulator.measures().cellsEnded == simulator.trace.cellCount, "\(policy), seed \(seed)")
    }
  }

  @Test("folding the log gives the live state, and no sequence is missing", arguments: policies)
  func foldingGivesTheState(policy: String) throws {
    var simulator = try Self.simulator(policy, seed: 5, explains: true)
    simulator.run()
    var folded = SchedulerState()
    for entry in simulator.recorded {
      #expect(entry.sequence == folded.sequence + 1)
      #expect(entry.at >= folded.now)
      folded.apply(entry)
    }
    #expect(folded == simulator.scheduler.state)
  }

  @Test("Little's law: cells in the books = rate × turnaround", arguments: policies)
  func littlesLaw(policy: String) throws {
    var simulator = try Self.simulator(policy, seed: 9)
    var area = 0.0
    var last = 0.0
    while let time = simulator.nextTime {
      let state = simulator.scheduler.state
      area += Double(state.queuedCount + state.runningCount + state.suspendedCount) * (Double(time) / 1e6 - last)
      last = Double(time) / 1e6
      simulator.step()
    }
    let measures = simulator.measures()
    #expect(abs(area / (Double(measures.cellsEnded) * measures.turnaroundMean) - 1) < 1e-6, "\(policy), seed 9")
  }

  @Test("no schedule is below the lower bound", arguments: policies, [1, 2, 3, 4] as [UInt64])
  func boundHolds(policy: String, seed: UInt64) throws {
    var simulator = try Self.simulator(policy, seed: seed)
    simulator.run()
    let bound = LowerBound(of: simulator.trace, on: Self.node).antt
    #expect(simulator.measures().antt >= bound - 1e-9, "\(policy), seed \(seed)")
  }

  @Test("dynamic is work-conserving: nobody waits beside what he could run on", arguments: UInt64(1)...12)
  func workConserving(seed: UInt64) throws {
    for policy in ["dynamic", "dynamic:ageing=0.02,share=0.2"] {
      var simulator = try Self.simulator(policy, seed: seed)
      while simulator.nextTime != nil {
        simulator.step()
        let state = simulator.scheduler.state
        for id in state.waiting where state.placement(of: id, in: state.room(for: id)) != nil {
          Issue.record("\(policy), seed \(seed): notebook \(id.number) waits beside idle resources at \(state.now)")
        }
      }
    }
  }

  @Test("dynamic bounds every standstill while the node can keep up with the aged")
  func boundedStandstill() throws {
    var bounded = try Self.simulator("dynamic:ageing=0.2", seed: 2)
    bounded.run()
    var free = try Self.simulator("dynamic:no-ageing", seed: 2)
    free.run()
    #expect(bounded.measures().wait.max <= free.measures().wait.max)
  }

  @Test("memory that is full makes cells wait, and is given back", arguments: policies)
  func memory(policy: String) throws {
    let cells = [
      TraceCell(think: .zero, run: Span(seconds: 5), memory: Bytes(6)),
      TraceCell(think: .zero, run: Span(seconds: 1), memory: Bytes(10)),
    ]
    let trace = Trace(
      name: "memory", notebooks: (0..<5).map { TraceNotebook(name: "n\($0)", user: "u", cells: cells) })
    var node = Self.node
    node.memory = Bytes(12)
    var simulator = try Simulator(
      trace, on: node,
      settings: Simulator.Settings(
        policy: policy, engine: Scheduler.Settings(explainsWaits: true, checksInvariants: true)),
      forecast: OracleForecast(notebooks: 5), catalogue: .standard)
    while simulator.nextTime != nil {
      simulator.step()
      for entry in simulator.scheduler.entries {
        if case .invariantBroken(let text) = entry.event { Issue.record("\(policy): \(text)") }
      }
    }
    let measures = simulator.measures()
    #expect(measures.cellsEnded + measures.cellsFailed == 10, "\(policy)")
    if policy != "os", policy != "partition" { #expect(measures.cellsFailed == 0, "\(policy)") }
  }

  @Test("the same inputs give the same digest, in every process")
  func pinnedDigest() throws {
    let digests = try ["fcfs", "dynamic", "os", "dynamic:no-preemption"].map { policy in
      var simulator = try Self.simulator(policy, seed: 42)
      simulator.run()
      return simulator.digest.hexadecimal
    }
    #expect(digests == Self.pinned, "computed: \(digests)")
  }

  /// Computed once, in another process; a change of the log's content or of a policy's choices changes them.
  static let pinned = ["3d8209c3cd2e233c", "258c7141a74048cd", "2c2fd38ab06814c6", "c0149306049051b6"]
}
