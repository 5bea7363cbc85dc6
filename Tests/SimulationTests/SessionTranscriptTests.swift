import Domain
import Engine
import Policies
import Testing
import Traces

@testable import Simulation

@Suite("A recorded session becomes the trace that was played")
struct SessionTranscriptTests {
  @Test(
    "think times, run times and demands come back", arguments: ["fcfs", "dynamic", "os", "reservation"], UInt64(1)...3)
  func roundTrip(policy: String, seed: UInt64) throws {
    var trace = MixedWorkload(kind: .mixed, notebooks: 24, cores: 16, gpus: 4, load: 1.2, seed: seed).trace()
    for index in trace.notebooks.indices where index % 2 == 0 {
      trace.notebooks[index].sources = trace.notebooks[index].cells.indices.map {
        CellSource(jupyterCell: "c\($0)", codeHash: UInt64($0 % 3 + 1))
      }
    }
    var settings = Simulator.Settings(policy: policy, contention: .none)
    settings.keepsEntries = true
    var simulator = try Simulator(
      trace, on: InvariantTests.node, settings: settings, forecast: OracleForecast(notebooks: trace.notebooks.count),
      catalogue: .standard)
    simulator.run()
    var recorded = SessionTranscript()
    for entry in simulator.recorded { recorded.take(entry) }
    let again = recorded.finish(name: "again", note: "").trace
    #expect(again.notebooks.count == trace.notebooks.count)
    #expect(again.notebooks.map(\.user) == trace.notebooks.map(\.user))
    // Under os a core's time is divided among the threads on it, which the entries do not show: an estimate.
    let tolerance = policy == "os" ? 0.5 : 0.001
    var played = 0.0
    var estimated = 0.0
    for (a, b) in zip(again.notebooks, trace.notebooks) {
      #expect(a.cells.count == b.cells.count)
      #expect(a.sources == b.sources)
      for (one, other) in zip(a.cells, b.cells) {
        #expect(abs((one.think - other.think).microseconds) <= 5, "\(policy), seed \(seed)")
        #expect(one.cores == other.cores && one.gpus == other.gpus && one.outcome == .ok)
        played += other.run.seconds
        estimated += one.run.seconds
        if policy != "os" {
          #expect(
            abs(one.run.seconds - other.run.seconds) <= tolerance * other.run.seconds + 1e-4,
            "\(policy), seed \(seed): \(one.run.seconds) for \(other.run.seconds)")
        }
      }
    }
    #expect(abs(estimated / played - 1) <= tolerance, "\(policy), seed \(seed): \(estimated) for \(played)")
  }

  @Test("the time in which GPU memory is moved is no work", arguments: ["fcfs", "dynamic"], UInt64(1)...3)
  func gpuMemory(policy: String, seed: UInt64) throws {
    var simulator = try GPUMemorySimulationTests.simulator(policy, seed: seed, swapSeconds: 20)
    simulator.run()
    #expect(simulator.measures().swapHours > 0)
    var recorded = SessionTranscript()
    for entry in simulator.recorded { recorded.take(entry) }
    let again = recorded.finish(name: "again", note: "").trace
    for (a, b) in zip(again.notebooks, simulator.trace.notebooks) {
      #expect(a.cells.count == b.cells.count)
      for (one, other) in zip(a.cells, b.cells) {
        #expect(
          abs(one.run.seconds - other.run.seconds) <= 0.001 * other.run.seconds + 1e-4,
          "\(policy), seed \(seed): \(one.run.seconds) for \(other.run.seconds)")
      }
    }
  }

  @Test("a demand that is overridden is that of later cells")
  func overridden() {
    let notebook = Notebook(id: NotebookID(0), node: NodeID(0), user: "ana", path: "a.ipynb")
    let cell = Cell(
      id: CellID(1), notebook: notebook.id, submitted: Instant(seconds: 1), demand: Demand(coresMost: 2))
    let both = Allotment(node: NodeID(0), cores: CoreSet([0, 1]))
    let events: [(Double, Event)] = [
      (0, .notebookOpened(notebook)), (1, .cellQueued(cell)),
      (1, .cellStarted(cell.id, notebook.id, both, Reason(.backfilled))),
      (2, .demandOverridden(notebook.id, Demand(coresMost: 8, gpus: 1))), (5, .cellEnded(cell.id, notebook.id, .ok)),
    ]
    var recorded = SessionTranscript()
    for (index, event) in events.enumerated() {
      recorded.take(Entry(sequence: Int64(index + 1), at: Instant(seconds: event.0), event: event.1))
    }
    #expect(
      recorded.finish(name: "s", note: "").trace.notebooks[0].cells == [
        TraceCell(think: Span(seconds: 1), run: Span(seconds: 4), cores: 2)
      ])
  }

  @Test("what never ran is left out, and what had not ended is told")
  func leftOut() {
    let notebook = Notebook(id: NotebookID(0), node: NodeID(0), user: "ana", path: "a.ipynb")
    func cell(_ number: Int64, _ at: Double) -> Cell {
      Cell(
        id: CellID(number), notebook: notebook.id, submitted: Instant(seconds: at), demand: Demand(coresMost: 2),
        source: CellSource(jupyterCell: "cell", codeHash: 3, key: UInt64(number)))
    }
    let both = Allotment(node: NodeID(0), cores: CoreSet([0, 1]))
    let one = Allotment(node: NodeID(0), cores: CoreSet([0]))
    let events: [(Double, Event)] = [
      (1, .notebookOpened(notebook)), (3, .cellQueued(cell(1, 3))),
      (4, .cellStarted(CellID(1), notebook.id, both, Reason(.backfilled))),
      (6, .cellSuspended(CellID(1), notebook.id, Reason(.backfilled))),
      (9, .cellResumed(CellID(1), notebook.id, one, Reason(.backfilled))),
      (13, .cellEnded(CellID(1), notebook.id, .error)),
      (20, .cellQueued(cell(2, 20))), (21, .cellEnded(CellID(2), notebook.id, .aborted)),
      (25, .cellQueued(cell(3, 25))), (26, .cellStarted(CellID(3), notebook.id, both, Reason(.backfilled))),
    ]
    var recorded = SessionTranscript()
    for (index, event) in events.enumerated() {
      recorded.take(Entry(sequence: Int64(index + 1), at: Instant(seconds: event.0), event: event.1))
    }
    let imported = recorded.finish(name: "s", note: "")
    // 2 s on both cores, none while suspended, 4 s at half the speed on one.
    #expect(
      imported.trace.notebooks[0].cells == [
        TraceCell(think: Span(seconds: 2), run: Span(seconds: 4), cores: 2, outcome: .error)
      ])
    #expect(imported.trace.notebooks[0].sources == [CellSource(jupyterCell: "cell", codeHash: 3)])
    #expect(imported.leftOut.count(of: "cells that never ran (aborted)") == 1)
    #expect(imported.leftOut.count(of: "cells that had not ended") == 1)
  }
}
