import Domain
import Forecast
import Testing

@Suite struct ForecasterTests {
  private struct Past {
    var forecaster = Forecaster()
    var sequence: Int64 = 0
    var now = Instant.zero
    var cell: Int64 = 0

    mutating func add(_ event: Event) {
      sequence += 1
      forecaster.learn(from: Entry(sequence: sequence, at: now, event: event))
    }

    mutating func open(_ number: Int32, _ path: String, user: String) {
      add(.notebookOpened(Notebook(id: NotebookID(number), node: NodeID(0), user: user, path: path)))
    }

    mutating func run(_ number: Int32, code: UInt64, seconds: Double, outcome: CellOutcome = .ok) {
      cell += 1
      let id = NotebookID(number)
      let source = CellSource(codeHash: code)
      add(.cellQueued(Cell(id: CellID(cell), notebook: id, submitted: now, demand: .oneCore, source: source)))
      let allotment = Allotment(node: NodeID(0), cores: CoreSet([0]))
      add(.cellStarted(CellID(cell), id, allotment, Reason(.firstCome)))
      now = now + Span(seconds: seconds / 2)
      add(.cellSuspended(CellID(cell), id, Reason(.preempted)))
      now = now + Span(seconds: 1000)
      add(.cellResumed(CellID(cell), id, allotment, Reason(.firstCome)))
      now = now + Span(seconds: seconds / 2)
      add(.cellEnded(CellID(cell), id, outcome))
    }
  }

  @Test("knows nothing before it has seen anything")
  func empty() { #expect(Forecaster().forecast(codeHash: 1, path: "a", user: "ana") == nil) }

  @Test("trusts the same code most, then the notebook, the user and everyone")
  func backoff() {
    var past = Past()
    past.open(0, "a.ipynb", user: "ana")
    past.open(1, "b.ipynb", user: "bob")
    past.run(0, code: 7, seconds: 10)
    for code in 20..<23 { past.run(1, code: UInt64(code), seconds: 100) }
    let same = past.forecaster.forecast(codeHash: 7, path: "zzz", user: "zoe")
    #expect(same?.basis == .code)
    #expect(same?.run.p50 == Span(seconds: 10), "time spent suspended is no run time")
    #expect(past.forecaster.forecast(codeHash: 99, path: "b.ipynb", user: "zoe")?.basis == .notebook)
    #expect(past.forecaster.forecast(codeHash: 99, path: "zzz", user: "bob")?.basis == .user)
    #expect(past.forecaster.forecast(codeHash: 99, path: "zzz", user: "zoe")?.basis == .everyone)
  }

  @Test("learns only from cells that ended well")
  func onlyOk() {
    var past = Past()
    past.open(0, "a.ipynb", user: "ana")
    for outcome in [CellOutcome.error, .interrupted, .aborted, .lost] {
      past.run(0, code: 7, seconds: 10, outcome: outcome)
    }
    #expect(past.forecaster.forecast(codeHash: 7, path: "a.ipynb", user: "ana") == nil)
  }

  @Test("gives quantiles in order, wide after one run and narrow after many alike")
  func spread() throws {
    var past = Past()
    past.open(0, "a.ipynb", user: "ana")
    past.run(0, code: 7, seconds: 8)
    let one = try #require(past.forecaster.forecast(codeHash: 7, path: "", user: "")).run
    for _ in 0..<31 { past.run(0, code: 7, seconds: 8) }
    let many = try #require(past.forecaster.forecast(codeHash: 7, path: "", user: "")).run
    for run in [one, many] {
      #expect(run.p05 < run.p25 && run.p25 < run.p50 && run.p50 < run.p75 && run.p75 < run.p95)
    }
    #expect(one.p05 == Span(seconds: 4) && one.p95 == Span(seconds: 16))
    #expect(many.p95 - many.p05 < Span(seconds: 3))
  }

  @Test("follows the recent past and forgets the distant one")
  func recency() throws {
    var past = Past()
    past.open(0, "a.ipynb", user: "ana")
    for _ in 0..<40 { past.run(0, code: 7, seconds: 100) }
    for _ in 0..<40 { past.run(0, code: 7, seconds: 1) }
    #expect(try #require(past.forecaster.forecast(codeHash: 7, path: "", user: "")).run.p50 == Span(seconds: 1))
  }
}
