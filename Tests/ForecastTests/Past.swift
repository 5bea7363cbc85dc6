import Domain
import Forecast

/// A session's entries, fed to a forecaster.
struct Past {
  var forecaster = Forecaster()
  var sequence: Int64 = 0
  var now = Instant.zero
  var cell: Int64 = 0

  mutating func add(_ event: Event) {
    sequence += 1
    forecaster.learn(from: Entry(sequence: sequence, at: now, event: event))
  }

  mutating func open(_ number: Int32, _ path: String, user: String = "ana") {
    add(.notebookOpened(Notebook(id: NotebookID(number), node: NodeID(0), user: user, path: path)))
  }

  /// Thinks, submits and runs a cell; half of the run comes after a suspension of 1,000 s.
  mutating func run(
    _ number: Int32, code: UInt64, seconds: Double, think: Double = 0, outcome: CellOutcome = .ok,
    demand: Demand = .oneCore, usage: Usage? = nil, cores: [Int] = [0]
  ) {
    cell += 1
    now = now + Span(seconds: think)
    let id = NotebookID(number)
    let source = CellSource(codeHash: code)
    add(.cellQueued(Cell(id: CellID(cell), notebook: id, submitted: now, demand: demand, source: source)))
    let allotment = Allotment(node: NodeID(0), cores: CoreSet(cores))
    add(.cellStarted(CellID(cell), id, allotment, Reason(.firstCome)))
    now = now + Span(seconds: seconds / 2)
    if let usage { add(.usageSampled(id, usage)) }
    add(.cellSuspended(CellID(cell), id, Reason(.preempted)))
    now = now + Span(seconds: 1000)
    add(.cellResumed(CellID(cell), id, allotment, Reason(.firstCome)))
    now = now + Span(seconds: seconds / 2)
    add(.cellEnded(CellID(cell), id, outcome))
  }

  func forecast(_ code: UInt64, in number: Int32, demand: Demand = .oneCore) -> CellForecast? {
    forecaster.forecast(CellSource(codeHash: code), demand, in: NotebookID(number))
  }

  /// A few hundred cells of several notebooks, opened and closed, drawn from a seed.
  static func drawn(_ seed: UInt64, cells: Int = 300) -> Past {
    var past = Past()
    past.play(seed, cells: cells)
    return past
  }

  mutating func play(_ seed: UInt64, cells: Int) {
    var dice = Dice(state: seed)
    forecaster.beginSession()
    var opened: Int32 = 0
    for _ in 0..<cells {
      if opened == 0 || dice.share() < 0.1 {
        if opened > 3 { add(.notebookClosed(NotebookID(opened - 4))) }
        open(opened, "book\(dice.number(0..<6)).ipynb", user: "user\(dice.number(0..<3))")
        opened += 1
      }
      run(
        opened - 1 - Int32(dice.number(0..<Int(min(opened, 3)))), code: UInt64(dice.number(0..<20)),
        seconds: dice.time(), think: dice.time(), outcome: dice.share() < 0.1 ? .error : .ok,
        demand: Demand(coresMost: Int32(dice.number(1..<5)), gpus: Int32(dice.number(0..<3))),
        usage: Usage(millicores: Int32(dice.number(1..<4000)), memory: Bytes(Int64(dice.number(1..<1 << 30)))),
        cores: [0, 1])
    }
  }
}

extension Quantiles {
  var inOrder: [Span] { [p05, p25, p50, p75, p95] }
  var isOrdered: Bool { zip(inOrder, inOrder.dropFirst()).allSatisfy { $0 <= $1 } }
}
