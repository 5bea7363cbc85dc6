import Domain
import Engine
import Policies
import Testing
import Verbs

@testable import WhatIf

@Suite("Looking ahead at what an order brings") struct LookAheadTests {
  /// A node of two cores; the first notebook holds both for 100 s, the second waits for one and runs 10 s.
  private static func engine(_ policy: String = "fcfs", second: Double = 10) throws -> Scheduler {
    var engine = try Scheduler(policy: policy, from: .standard)
    engine.handle(.observation(.nodeFound(Node(id: NodeID(0), name: "n", cores: CoreSet(0..<2)))), at: .zero)
    for number in 0..<2 {
      let id = NotebookID(Int32(number))
      engine.handle(
        .observation(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "ana", path: "\(number).ipynb"))),
        at: .zero)
      engine.handle(.observation(.kernelReady(id)), at: .zero)
    }
    submit(NotebookID(0), cores: 2, seconds: 100, to: &engine, at: 0)
    submit(NotebookID(1), cores: 1, seconds: second, to: &engine, at: 20)
    return engine
  }

  private static func submit(
    _ id: NotebookID, cores: Int32, seconds: Double, to engine: inout Scheduler, at clock: Double
  ) {
    let forecast = CellForecast(run: Quantiles(certain: Span(seconds: seconds)), basis: .oracle)
    engine.handle(
      .observation(.cellSubmitted(id, Demand(coresLeast: cores, coresMost: cores), CellSource(), forecast)),
      at: Instant(seconds: clock))
  }

  private static func cell(_ engine: Scheduler, _ id: Int32) -> CellID { engine.state[NotebookID(id)].cell.id }

  @Test("changes nothing where nothing is ordered, and nothing of the engine in any case")
  func nothing() throws {
    let engine = try Self.engine()
    let digest = engine.ledger.digest
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [])
    #expect(preview.before == preview.after)
    #expect(preview.changes.isEmpty && !preview.isCutShort && preview.unknown == 0)
    // The second waits 80 s, the first none: 40 s on average.
    #expect(abs(preview.before.waitMean - 40) < 0.01)
    // The first ends as if alone; the second takes 90 s for 10.
    #expect(abs(preview.before.antt - (1 + 9) / 2) < 0.01)
    #expect(abs(preview.before.stp - (1 + 1.0 / 9)) < 0.01)
    #expect(engine.ledger.digest == digest)
  }

  @Test("foresees what the engine then does: an interrupt lets the other start at once")
  func interrupt() throws {
    let engine = try Self.engine()
    let verb = Verb.interrupt(NotebookID(0), cell: Self.cell(engine, 0))
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [verb])
    let other = try #require(preview.changes.first { $0.notebook == NotebookID(1) })
    #expect(other.waitBefore == Span(seconds: 80) && other.waitAfter == .zero)
    #expect(other.endBefore == Span(seconds: 90) && other.endAfter == Span(seconds: 10))
    #expect(preview.after.waitMean == 0 && preview.after.antt < preview.before.antt)
  }

  @Test("counts a suspended cell for as long as was looked, for only a person lets it go on")
  func suspend() throws {
    let engine = try Self.engine()
    let verb = Verb.suspend(NotebookID(0), cell: Self.cell(engine, 0))
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [verb], horizon: Span(seconds: 1000))
    let victim = try #require(preview.changes.first { $0.notebook == NotebookID(0) })
    #expect(victim.endBefore == Span(seconds: 80) && victim.endAfter == nil)
    #expect(abs(preview.after.antt - (10.2 + 1) / 2) < 0.01)
  }

  @Test("runs a grace out in the copy")
  func grace() throws {
    let engine = try Self.engine()
    let verb = Verb.suspendAfter(NotebookID(0), cell: Self.cell(engine, 0), Span(seconds: 30))
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [verb])
    #expect(preview.changes.first { $0.notebook == NotebookID(1) }?.waitAfter == Span(seconds: 30))
  }

  @Test("tells why the engine would refuse an order")
  func refusal() throws {
    let engine = try Self.engine()
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [.suspend(NotebookID(0), cell: CellID(99))])
    #expect(preview.refusals.map(\.cause) == [.stale])
    #expect(preview.sentences { _ in "a" } == ["The engine would refuse it: the cell on the screen has ended since."])
  }

  @Test("says which of several orders would be refused in their turn, and what the others bring")
  func chain() throws {
    // The long one waits; raised, it takes the cores by itself, and nobody is left to be suspended.
    let engine = try Self.engine("dynamic", second: 1000)
    #expect(engine.state[NotebookID(1)].state == .queued)
    let raise = Verb.setPriority(NotebookID(1), 1)
    let verbs = [raise, .suspend(NotebookID(0), cell: Self.cell(engine, 0))]
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: verbs)
    #expect(preview.refusals.map(\.order) == [1] && preview.refusals.map(\.cause) == [.wrongState])
    #expect(preview.obeyed == [raise])
    #expect(preview.changes.first { $0.notebook == NotebookID(1) }?.waitAfter == .zero)
    let alone = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [raise])
    #expect(preview.after == alone.after && preview.changes == alone.changes)
    let name = { (id: NotebookID) in "nb\(id.number)" }
    #expect(
      preview.sentences(naming: name).first?.hasPrefix("The engine would refuse 1 of the 2 orders: only a") == true)
    #expect(preview.sentences(leavesOut: true, naming: name) == alone.sentences(naming: name))
  }

  @Test("tells in plain words who is affected, however many, and what does not happen")
  func words() {
    let outcome = Preview.Outcome(waitMean: 1, antt: 1, stp: 1)
    func sentences(_ changes: [Preview.Change], unknown: Int = 0) -> [String] {
      Preview(
        verbs: [.hold(NotebookID(0))], before: outcome, after: outcome, changes: changes, refusals: [],
        horizon: LookAhead.horizon, unknown: unknown, isCutShort: false
      ).sentences { "nb\($0.number)" }
    }
    func change(_ id: Int32, wait: (Double?, Double?) = (nil, nil), end: (Double?, Double?) = (nil, nil))
      -> Preview.Change
    {
      func span(_ seconds: Double?) -> Span? { seconds.map { Span(seconds: $0) } }
      return Preview.Change(
        NotebookID(id), wait: (span(wait.0), span(wait.1)), end: (span(end.0), span(end.1)))
    }
    let told = sentences([
      change(0, end: (40, nil)), change(1, wait: (nil, 0)), change(2, wait: (300, nil)), change(3, end: (9000, 50)),
    ])
    #expect(
      told.dropFirst() == [
        "nb0 does not end within 4 h, without it in 40 s.", "nb1 starts now, without it not within 4 h.",
        "nb2 does not start within 4 h, without it in 5 min.", "nb3 ends in 50 s, without it in 2 h.",
      ])
    let many = (0..<8).map { change($0, end: (40, 80)) }
    #expect(
      sentences(Array(many.prefix(5)), unknown: 1).suffix(2) == [
        "One more is affected.", "(One cell is of unknown length.)",
      ])
    #expect(sentences(many, unknown: 2).suffix(2) == ["4 more are affected.", "(2 cells are of unknown length.)"])
  }

  @Test("counts the cells of unknown length")
  func unknown() throws {
    var engine = try Self.engine()
    engine.handle(
      .observation(.cellEnded(NotebookID(0), Self.cell(engine, 0), .ok)), at: Instant(seconds: 30))
    engine.handle(.observation(.cellSubmitted(NotebookID(0), .oneCore, CellSource(), nil)), at: Instant(seconds: 30))
    let preview = LookAhead(engine, at: Instant(seconds: 40)).preview(of: [])
    #expect(preview.unknown == 1)
  }

  @Test("stops when there is no more time, and says so")
  func deadline() throws {
    let engine = try Self.engine()
    #expect(LookAhead(engine, at: Instant(seconds: 20)).preview(of: []) { true }.isCutShort)
  }

  @Test("looks ahead under every policy, at the same worlds each time", arguments: PolicyCatalogue.standard.names)
  func policies(name: String) throws {
    let engine = try Self.engine(name)
    let verbs: [Verb] = [.setPriority(NotebookID(1), 50), .setPolicy("dynamic"), .hold(NotebookID(1))]
    for verb in verbs {
      let first = LookAhead(engine, at: Instant(seconds: 21)).preview(of: [verb])
      #expect(first == LookAhead(engine, at: Instant(seconds: 21)).preview(of: [verb]))
      #expect(!first.isCutShort && first.refusals.isEmpty)
    }
  }
}
