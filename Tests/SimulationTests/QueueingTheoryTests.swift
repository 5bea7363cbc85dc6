import Chance
import Domain
import Engine
import Metrics
import Policies
import Testing
import Traces

@testable import Simulation

/// Closed queueing networks against mean-value analysis.
@Suite("Closed-loop simulation against queueing theory")
struct QueueingTheoryTests {
  /// What a run of a closed network came to.
  struct Observed {
    /// Cells per second.
    var throughput: Double
    /// Mean time from submission to end, in seconds.
    var response: Double
  }

  enum RunTime: String, Sendable, CaseIterable { case exponential, constant, hyperExponential }

  /// Plays `customers` notebooks of one-core cells of mean 1 s and exponential thinks on so many cores.
  static func observe(
    policy: String, customers: Int, cores: Int, think: Double, runTime: RunTime, cells: Int, seed: UInt64
  ) throws -> Observed {
    var random = SplitMix(seed: seed)
    let notebooks = (0..<customers).map { number in
      TraceNotebook(
        name: "n\(number)", user: "u",
        cells: (0..<cells).map { _ in
          let run: Double =
            switch runTime {
            case .exponential: random.exponential(mean: 1)
            case .constant: 1
            case .hyperExponential:
              random.uniform() < 0.9 ? random.exponential(mean: 0.5) : random.exponential(mean: 5.5)
            }
          return TraceCell(think: Span(seconds: random.exponential(mean: think)), run: Span(seconds: run))
        })
    }
    let node = Node(id: NodeID(0), name: "n", cores: CoreSet(0..<cores))
    let run = try Run(
      Trace(name: "closed", notebooks: notebooks), on: node,
      settings: Simulator.Settings(policy: policy, contention: .none), forecast: NoForecast(), catalogue: .standard)
    return Observed(
      throughput: Double(run.measures.cellsEnded) / run.measures.makespan, response: run.measures.turnaroundMean)
  }

  /// The machine-repairman model M/M/c with think time, exactly: a birth-death chain over how many are at the cores.
  static func repairman(customers: Int, cores: Int, think: Double) -> Observed {
    var weights = [1.0]
    for atCores in 1...customers {
      let arriving = Double(customers - atCores + 1) / think
      weights.append(weights[atCores - 1] * arriving / Double(min(atCores, cores)))
    }
    let sum = weights.reduce(0, +)
    let throughput = weights.enumerated().reduce(0.0) { $0 + $1.element / sum * Double(min($1.offset, cores)) }
    return Observed(throughput: throughput, response: Double(customers) / throughput - think)
  }

  /// Mean-value analysis for one core (Reiser and Lavenberg 1980).
  static func meanValue(customers: Int, think: Double) -> Observed {
    var atCore = 0.0
    var observed = Observed(throughput: 0, response: 0)
    for population in 1...customers {
      let response = 1 + atCore
      let throughput = Double(population) / (response + think)
      atCore = throughput * response
      observed = Observed(throughput: throughput, response: response)
    }
    return observed
  }

  @Test("mean-value analysis and the birth-death chain agree")
  func theoriesAgree() {
    let a = Self.meanValue(customers: 12, think: 8)
    let b = Self.repairman(customers: 12, cores: 1, think: 8)
    #expect(abs(a.throughput - b.throughput) < 1e-9)
    #expect(abs(a.response - b.response) < 1e-9)
  }

  @Test("fcfs is M/M/c with think time", arguments: [(8, 1, 6.0), (12, 1, 8.0), (20, 4, 5.0), (30, 8, 3.0)])
  func machineRepairman(customers: Int, cores: Int, think: Double) throws {
    let theory = Self.repairman(customers: customers, cores: cores, think: think)
    let seen = try Self.observe(
      policy: "fcfs", customers: customers, cores: cores, think: think, runTime: .exponential, cells: 3000, seed: 7)
    #expect(abs(seen.throughput / theory.throughput - 1) < 0.03, "\(seen) against \(theory), seed 7")
    #expect(abs(seen.response / theory.response - 1) < 0.05, "\(seen) against \(theory), seed 7")
  }

  @Test("processor sharing does not feel the distribution of run times", arguments: RunTime.allCases)
  func insensitivity(runTime: RunTime) throws {
    let theory = Self.meanValue(customers: 10, think: 8)
    let seen = try Self.observe(
      policy: "os", customers: 10, cores: 1, think: 8, runTime: runTime, cells: 4000, seed: 11)
    #expect(abs(seen.throughput / theory.throughput - 1) < 0.03, "\(seen) against \(theory), seed 11")
    #expect(abs(seen.response / theory.response - 1) < 0.05, "\(seen) against \(theory), seed 11")
  }

  @Test("fcfs does feel it: constant run times wait less, hyper-exponential ones more")
  func sensitivity() throws {
    func response(_ runTime: RunTime) throws -> Double {
      try Self.observe(policy: "fcfs", customers: 10, cores: 1, think: 8, runTime: runTime, cells: 3000, seed: 3)
        .response
    }
    let constant = try response(.constant)
    let exponential = try response(.exponential)
    #expect(constant < exponential * 0.95)
    let hyperExponential = try response(.hyperExponential)
    #expect(hyperExponential > exponential * 1.05)
  }
}
