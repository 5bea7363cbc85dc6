import Domain
import Engine
import Policies
import Simulation
import Testing
import Traces

@testable import WhatIf

@Suite("GPU memory in a session decided again")
struct GPUMemoryWorldTests {
  /// GPUs of 8 GiB, saved and restored at 1 GiB a second.
  private static func node(gpus: Int) -> Node {
    Node(
      id: NodeID(0), name: "n", cores: CoreSet(0..<16),
      gpus: (0..<gpus).map { GPU(uuid: "g\($0)", memory: Bytes(8 << 30)) }, gpuSwapRate: Bytes(1 << 30))
  }

  /// Four notebooks whose memory does not fit on one GPU at once.
  private static let trace: Trace = {
    var trace = Trace(name: "memory", notebooks: [])
    for notebook in 0..<4 {
      let cells = (0..<6).map { cell in
        TraceCell(
          think: Span(seconds: 11.3 + Double(notebook * 7 + cell * 3)), run: Span(seconds: 9.1 + Double(notebook)),
          cores: 2, gpus: 1, gpuMemory: Bytes(Int64(3 + notebook) << 30))
      }
      trace.notebooks.append(
        TraceNotebook(name: "n\(notebook)", user: "u", arrival: Instant(seconds: 0.7 * Double(notebook)), cells: cells))
    }
    return trace
  }()

  private static func played(_ policy: String, gpus: Int) throws -> Simulator {
    var settings = Simulator.Settings(policy: policy, keepsHistory: true)
    settings.keepsEntries = true
    var simulator = try Simulator(
      trace, on: node(gpus: gpus), settings: settings, forecast: OracleForecast(notebooks: trace.notebooks.count),
      catalogue: .standard)
    simulator.run()
    return simulator
  }

  private static func world(_ simulator: Simulator, _ changes: String) throws -> Counterfactual {
    var after: Int64 = 0
    var inputs: [(at: Instant, after: Int64, input: Input)] = []
    for given in simulator.recordedInputs {
      inputs.append((given.at, after, given.input))
      after += Int64(given.entries)
    }
    let recording = RecordingInMemory(inputs: inputs, entries: simulator.recorded)
    var world = try Counterfactual(
      recording, script: SessionScript(recording), changes: Changes(parsing: changes), from: .zero,
      catalogue: .standard)
    world.run()
    return world
  }

  @Test(
    "on fewer and on more GPUs it gives what simulating on them gives", arguments: ["fcfs", "sjf", "dynamic"],
    [[2, 1], [1, 2], [1, 1]])
  func otherGPUs(policy: String, gpus: [Int]) throws {
    let recorded = try Self.played(policy, gpus: gpus[0])
    var expected = try Self.played(policy, gpus: gpus[1])
    if gpus[1] == 1 { #expect(expected.measures().swapHours > 0) }
    let world = try Self.world(recorded, "gpus=\(gpus[1])")
    for ran in expected.history {
      let life = try #require(world.lives[Int(ran.notebook)][Int(ran.cell)])
      #expect(abs((life.submitted - ran.submitted).microseconds) <= 40)
      #expect(life.started.map { abs(($0 - ran.started).microseconds) <= 40 } == true)
      #expect(life.ended.map { abs(($0 - ran.ended).microseconds) <= 40 } == true, "\(policy) \(gpus): \(ran)")
    }
    let comparison = WorldComparison(of: world)
    var before = recorded
    #expect(abs(comparison.recorded.antt - before.measures().antt) < 1e-4)
    #expect(abs(comparison.again.antt - expected.measures().antt) < 1e-4)
    #expect(comparison.cellsCompared == Self.trace.cellCount)
  }
}
