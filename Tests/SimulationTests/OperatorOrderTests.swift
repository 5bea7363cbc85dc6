import Domain
import Engine
import Policies
import Testing
import Traces

@testable import Simulation

@Suite("An operator in a simulation") struct OperatorOrderTests {
  private func simulator(_ cells: Int = 3) throws -> Simulator {
    let cell = TraceCell(think: Span(seconds: 1), run: Span(seconds: 10), cores: 1)
    let notebooks = (0..<2).map {
      TraceNotebook(
        name: "n\($0)", user: "ana", arrival: .zero, cells: Array(repeating: cell, count: cells))
    }
    let node = Node(id: NodeID(0), name: "one", cores: CoreSet([0]))
    var settings = Simulator.Settings(policy: "fcfs")
    settings.keepsEntries = true
    return try Simulator(
      Trace(name: "t", notebooks: notebooks), on: node, settings: settings, forecast: OracleForecast(notebooks: 2),
      catalogue: .standard)
  }

  private func events(_ simulator: inout Simulator) -> [Event] {
    var found: [Event] = []
    simulator.drainRecord { _, entries in found += entries.map(\.event) }
    return found
  }

  /// A number is given once: a repeated one would not be obeyed again.
  private func order(_ number: UInt64, _ verb: Verb) -> Command {
    Command(id: CommandID(number), author: "ops", verb: verb)
  }

  @Test("an interrupted cell ends at once, the other one starts, and its author goes on")
  func interrupt() throws {
    var simulator = try simulator()
    simulator.run(until: Instant(seconds: 5))
    _ = events(&simulator)
    let running = try #require(simulator.scheduler.state.running.first)
    let cell = simulator.scheduler.state[running].cell.id
    simulator.order(order(1, .interrupt(running, cell: cell)), at: Instant(seconds: 5))
    let told = events(&simulator)
    #expect(told.contains { if case .cellEnded(cell, running, .interrupted) = $0 { true } else { false } }, "\(told)")
    #expect(simulator.scheduler.state.running.first != running && simulator.scheduler.state.runningCount == 1)
    simulator.run()
    let ended = events(&simulator).filter { if case .cellEnded(_, _, .ok) = $0 { true } else { false } }
    #expect(ended.count == 5 && simulator.isOver)
  }

  @Test("a suspended cell gives its core away, and runs out its rest when it is told to go on")
  func suspend() throws {
    var simulator = try simulator(1)
    simulator.run(until: Instant(seconds: 5))
    let running = try #require(simulator.scheduler.state.running.first)
    let cell = simulator.scheduler.state[running].cell.id
    simulator.order(order(1, .suspend(running, cell: cell)), at: Instant(seconds: 6))
    #expect(simulator.scheduler.state.running.first != running)
    simulator.run(until: Instant(seconds: 17))
    #expect(simulator.scheduler.state.runningCount == 0)
    simulator.order(order(2, .resume(running, cell: cell)), at: Instant(seconds: 20))
    #expect(simulator.scheduler.state.running.first == running)
    simulator.run()
    // Submitted at 1 s, it ran for 5 s, stood from 6 to 20 s, and had 5 s left.
    #expect(simulator.now == 25_000_000)
  }

  @Test("an interrupted cell that was suspended ends, too, and a late order is refused")
  func interruptSuspended() throws {
    var simulator = try simulator(1)
    simulator.run(until: Instant(seconds: 5))
    let running = try #require(simulator.scheduler.state.running.first)
    let cell = simulator.scheduler.state[running].cell.id
    simulator.order(order(1, .suspend(running, cell: cell)), at: Instant(seconds: 6))
    simulator.order(order(2, .interrupt(running, cell: cell)), at: Instant(seconds: 7))
    _ = events(&simulator)
    simulator.order(order(3, .suspend(running, cell: cell)), at: Instant(seconds: 8))
    #expect(events(&simulator).contains { if case .commandRefused = $0 { true } else { false } })
    simulator.run()
    #expect(simulator.isOver)
  }
}

@Suite("The use of cores and memory in a simulation") struct UsageSampleTests {
  private func simulator(_ policy: String) throws -> Simulator {
    let cells = [
      TraceCell(
        think: Span(seconds: 1), run: Span(seconds: 10), cores: 4, parallelThousandths: 500, memory: Bytes(1 << 30)),
      TraceCell(think: Span(seconds: 5), run: Span(seconds: 10), cores: 1, memory: Bytes(1 << 20)),
    ]
    let notebooks = [TraceNotebook(name: "n", user: "ana", arrival: .zero, cells: cells)]
    let node = Node(id: NodeID(0), name: "one", cores: CoreSet(0..<4), memory: Bytes(8 << 30))
    var settings = Simulator.Settings(policy: policy)
    settings.keepsEntries = true
    return try Simulator(
      Trace(name: "t", notebooks: notebooks), on: node, settings: settings, forecast: OracleForecast(notebooks: 1),
      catalogue: .standard)
  }

  @Test("is what the allotment and the trace say, told when it changes", arguments: ["fcfs", "os"])
  func samples(policy: String) throws {
    var simulator = try simulator(policy)
    var found: [(second: Int, usage: Usage)] = []
    for second in 0..<40 {
      simulator.sampleUsage(at: Instant(seconds: Double(second)))
      simulator.drainRecord { _, entries in
        for entry in entries { if case .usageSampled(_, let usage) = entry.event { found.append((second, usage)) } }
      }
    }
    // Half of the first cell's work runs on one of its four cores: 1 / (0.5 + 0.5 / 4) are busy on the average.
    let (kernel, grown) = (Bytes(64 << 20), Bytes((64 << 20) + (1 << 30)))
    #expect(found.map(\.usage.millicores) == [0, 1600, 0, 1000])
    #expect(found.map(\.usage.memory) == [kernel, grown, grown, grown], "what a kernel has taken it keeps")
    #expect(found.map(\.second) == [0, 1, 11, 16])
  }
}
