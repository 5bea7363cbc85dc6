import Domain
import Engine
import Metrics
import Policies
import Testing
import Traces

@testable import Simulation

/// One GPU. a runs for 10 s, thinks for 5 s and runs for 10 s: 20 s alone. b comes at 2 s, runs for R s and is all of its
/// notebook. Nothing is preempted, so at 10 s b either starts, and a's second cell waits for R − 5 s; or it waits for
/// 5 + 10 s until a is done. Keeping the room is worth it where (R − 5) / 20 > 15 / R, that is for R > 20 s.
@Suite("Rooms kept for cells about to arrive")
struct RoomsTests {
  static let node = Node(id: NodeID(0), name: "n", cores: CoreSet(0..<4), gpus: [GPU(uuid: "g")])

  static func cell(think: Double, run: Double) -> TraceCell {
    TraceCell(think: Span(seconds: think), run: Span(seconds: run), gpus: 1)
  }

  static func trace(run: Double) -> Trace {
    Trace(
      name: "rooms",
      notebooks: [
        TraceNotebook(name: "a", user: "u", cells: [cell(think: 0, run: 10), cell(think: 5, run: 10)]),
        TraceNotebook(name: "b", user: "u", cells: [cell(think: 2, run: run)]),
      ])
  }

  static func simulator(_ policy: String, _ trace: Trace, on node: Node = node) throws -> Simulator {
    var settings = Simulator.Settings(
      policy: policy, engine: Scheduler.Settings(explainsWaits: true, checksInvariants: true), keepsHistory: true)
    settings.keepsEntries = true
    return try Simulator(
      trace, on: node, settings: settings, forecast: OracleForecast(notebooks: trace.notebooks.count),
      catalogue: .standard)
  }

  /// When each cell ended, by notebook and cell.
  static func ends(_ simulator: Simulator) -> [Double] {
    simulator.history.sorted { ($0.notebook, $0.cell) < ($1.notebook, $1.cell) }.map(\.ended.seconds)
  }

  @Test(
    "a long cell stands back where that saves the arrival more than it costs, to the second",
    arguments: [
      ("dynamic:no-preemption", 1000.0, [10, 1020, 1010]), ("dynamic:no-preemption,rooms", 1000, [10, 25, 1025]),
      ("dynamic:no-preemption,rooms", 21, [10, 25, 46]), ("dynamic:no-preemption,rooms", 19, [10, 39, 29]),
      ("dynamic:no-preemption,rooms", 4, [10, 25, 14]),
    ])
  func standsBack(policy: String, run: Double, expected: [Double]) throws {
    var simulator = try Self.simulator(policy, Self.trace(run: run))
    simulator.run()
    #expect(Self.ends(simulator) == expected)
  }

  @Test("the wait says for whom the room is kept, and until about when")
  func says() throws {
    var simulator = try Self.simulator("dynamic:no-preemption,rooms", Self.trace(run: 1000))
    simulator.run()
    let told = simulator.recorded.compactMap { entry -> String? in
      guard case .cellWaits(_, let id, let wait) = entry.event, wait.cause == .anticipation else { return nil }
      return "\(entry.at.seconds) s, \(id.number): " + wait.clause { "nb\($0.number)" }
    }
    #expect(told == ["10.0 s, 1: room is kept for nb0, expected in 5 s"])
  }

  @Test("with free preemption nothing is kept: who arrives takes what it needs", arguments: UInt64(1)...4)
  func idleWithPreemption(seed: UInt64) throws {
    let trace = InvariantTests.trace(seed: seed)
    var plain = try Self.simulator("dynamic", trace, on: InvariantTests.node)
    var rooms = try Self.simulator("dynamic:rooms", trace, on: InvariantTests.node)
    plain.run()
    rooms.run()
    #expect(Self.ends(plain) == Self.ends(rooms), "seed \(seed)")
  }

  /// a's author is foreseen back at 15 s and does not come: then nothing is known of it any more.
  @Test("a room is given away when nobody comes")
  func givesUp() throws {
    var scheduler = try Scheduler(policy: "dynamic:no-preemption,rooms", from: .standard)
    func tell(_ observation: Observation, at seconds: Double) {
      scheduler.handle(.observation(observation), at: Instant(seconds: seconds))
    }
    func submit(_ number: Int32, run: Double, thinks: Double?, at seconds: Double) {
      let id = NotebookID(number)
      let certain = { Quantiles(certain: Span(seconds: $0)) }
      let further = FurtherForecast(
        need: ForeseenNeed(), notebookLeft: certain(run), think: thinks.map(certain),
        nextRun: thinks.map { _ in certain(10) },
        nextNeed: ForeseenNeed())
      tell(
        .cellSubmitted(
          id, Demand(gpus: 1), CellSource(),
          CellForecast(run: certain(run), basis: .notebook, further: further)), at: seconds)
    }
    tell(.nodeFound(Self.node), at: 0)
    for number in 0..<2 {
      let id = NotebookID(Int32(number))
      tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "u", path: "nb\(number)")), at: 0)
      tell(.kernelReady(id), at: 0)
    }
    submit(0, run: 10, thinks: 5, at: 0)
    submit(1, run: 1000, thinks: nil, at: 2)
    tell(.cellEnded(NotebookID(0), scheduler.state[NotebookID(0)].cell.id, .ok), at: 10)
    #expect(scheduler.state[NotebookID(1)].state == .queued)
    #expect(scheduler.wakeAt == Instant(microseconds: 15_000_001))
    scheduler.handle(.timer, at: scheduler.wakeAt)
    #expect(scheduler.state[NotebookID(1)].state == .running)
  }

  @Test("an aged cell stands back for nobody")
  func aged() throws {
    var simulator = try Self.simulator("dynamic:no-preemption,rooms,ageing=0.002,fixed", Self.trace(run: 1000))
    simulator.run()
    #expect(Self.ends(simulator) == [10, 1020, 1010], "b is aged 7.2 s after 2 s")
  }
}
