import Domain
import Engine
import Policies
import Testing
import Traces

@testable import Simulation

@Suite("Learned forecasts in simulation")
struct LearnedForecastTests {
  static let node = Node(id: NodeID(0), name: "node", cores: CoreSet(0..<16), gpus: [])

  static func workload(_ seed: UInt64, notebooks: Int = 24) -> Trace {
    MixedWorkload(kind: .cpu, notebooks: notebooks, cores: 16, gpus: 0, load: 1.2, seed: seed).trace()
  }

  static func entries(_ trace: Trace, _ policy: String) throws -> [Entry] {
    var settings = Simulator.Settings(policy: policy)
    settings.keepsEntries = true
    var simulator = try Simulator(
      trace, on: node, settings: settings, forecast: LearnedForecast(), catalogue: .standard)
    simulator.run()
    return simulator.recorded
  }

  /// The trace with everything altered that nobody can know at `instant`, whatever was scheduled before: the cells that
  /// are submitted later, and the run times of those that have not ended.
  static func altered(_ trace: Trace, after instant: Instant, seen entries: [Entry]) -> Trace {
    var submitted = [Int](repeating: 0, count: trace.notebooks.count)
    var ended = submitted
    var place: [NotebookID: Int] = [:]
    for entry in entries where entry.at <= instant {
      if case .notebookOpened(let notebook) = entry.event {
        place[notebook.id] = trace.notebooks.firstIndex { $0.name == notebook.path }
      }
      if case .cellQueued(let cell) = entry.event, let index = place[cell.notebook] { submitted[index] += 1 }
      if case .cellEnded(_, let id, _) = entry.event, let index = place[id] { ended[index] += 1 }
    }
    var result = trace
    for notebook in trace.notebooks.indices {
      for cell in trace.notebooks[notebook].cells.indices {
        if cell >= ended[notebook] {
          let run = trace.notebooks[notebook].cells[cell].run
          result.notebooks[notebook].cells[cell].run = Span(microseconds: run.microseconds * 5)
        }
        if cell > submitted[notebook] {
          result.notebooks[notebook].cells[cell].think = Span(seconds: 500)
          result.notebooks[notebook].cells[cell].cores = 3
        }
      }
      if submitted[notebook] > 0, submitted[notebook] < trace.notebooks[notebook].cells.count {
        result.notebooks[notebook].cells.append(TraceCell(think: .zero, run: Span(seconds: 999)))
      }
    }
    return result
  }

  @Test("decide the same past whatever the future is", arguments: ["dynamic", "sjf"])
  func noPeeking(policy: String) throws {
    let trace = Self.workload(3)
    let entries = try Self.entries(trace, policy)
    let instant = entries[entries.count / 3].at - Span(microseconds: 1)
    let other = Self.altered(trace, after: instant, seen: entries)
    #expect(other != trace)
    let again = try Self.entries(other, policy)
    let past = entries.prefix { $0.at <= instant }
    #expect(past.count > 50)
    #expect(again.count > past.count && again[past.count].at > instant)
    #expect(Array(again.prefix(past.count)) == Array(past))
    #expect(again != entries)
  }

  @Test("are near the oracle, and far better than nothing, on interactive work", arguments: UInt64(1)...2)
  func useful(seed: UInt64) throws {
    let trace = Self.workload(seed, notebooks: 60)
    func antt(_ source: any ForecastSource, _ policy: String) throws -> Double {
      try Run(
        trace, on: Self.node, settings: Simulator.Settings(policy: policy), forecast: source, catalogue: .standard
      ).measures.antt
    }
    let oracle = try antt(OracleForecast(notebooks: trace.notebooks.count), "dynamic")
    let learned = try antt(LearnedForecast(), "dynamic")
    let none = try antt(NoForecast(), "dynamic")
    #expect(learned <= 1.5 * oracle)
    #expect(learned < none)
    for policy in ["fcfs", "fairshare", "os"] { #expect(learned < (try antt(NoForecast(), policy)) / 2) }
  }

  /// Notebooks that run the same few codes in an order of their own; each code has a run time.
  static func shuffled(named: Bool) -> Trace {
    let runs = [1.0, 30, 900, 20_000]
    var state: UInt64 = 9
    var trace = Trace(name: "codes", notebooks: [])
    for number in 0..<40 {
      var notebook = TraceNotebook(
        name: "n\(number)", user: "u", arrival: Instant(seconds: Double(number) * 1e6), cells: [])
      for _ in 0..<8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let code = Int(state >> 33) % runs.count
        notebook.cells.append(TraceCell(think: Span(seconds: 10), run: Span(seconds: runs[code])))
        if named { notebook.sources.append(CellSource(codeHash: UInt64(code + 1))) }
      }
      trace.notebooks.append(notebook)
    }
    return trace
  }

  @Test("know a cell again by its code, wherever it stands", arguments: [true, false])
  func byCode(named: Bool) throws {
    let entries = try Self.entries(Self.shuffled(named: named), "fcfs")
    var misses = 0.0
    var outcomes = 0
    var started: [CellID: Instant] = [:]
    var foreseen: [CellID: Double] = [:]
    for entry in entries.dropFirst(entries.count / 2) {
      if case .cellQueued(let cell) = entry.event { foreseen[cell.id] = cell.forecast?.run.p50.seconds }
      if case .cellStarted(let cell, _, _, _) = entry.event { started[cell] = entry.at }
      guard case .cellEnded(let cell, _, _) = entry.event, let from = started[cell], let median = foreseen[cell] else {
        continue
      }
      let ratio = median / (entry.at - from).seconds
      misses += max(ratio, 1 / ratio) > 1.5 ? 1 : 0
      outcomes += 1
    }
    #expect(outcomes > 100)
    let missed = misses / Double(outcomes)
    if named { #expect(missed < 0.05, "\(missed)") } else { #expect(missed > 0.4, "\(missed)") }
  }

  @Test("give the same session for the same trace")
  func deterministic() throws {
    let trace = Self.workload(5)
    #expect(try Self.entries(trace, "dynamic") == Self.entries(trace, "dynamic"))
  }

  @Test("expect starts in ranges that hold what they promise")
  func promises() throws {
    let trace = MixedWorkload(kind: .cpu, notebooks: 60, cores: 8, gpus: 0, load: 1.3, seed: 2).trace()
    var settings = Simulator.Settings(policy: "fcfs")
    settings.engine.explainsWaits = true
    settings.keepsEntries = true
    let node = Node(id: NodeID(0), name: "node", cores: CoreSet(0..<8), gpus: [])
    var simulator = try Simulator(
      trace, on: node, settings: settings, forecast: LearnedForecast(), catalogue: .standard)
    simulator.run()
    let told = PromisedStarts(of: simulator.recorded)
    #expect(told.promised > 100)
    #expect((0.65...0.95).contains(told.coverage), "\(told.coverage) of \(told.promised)")
  }
}
