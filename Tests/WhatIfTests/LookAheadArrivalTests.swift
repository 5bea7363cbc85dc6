import Domain
import Engine
import Policies
import Testing
import Verbs

@testable import WhatIf

@Suite("Looking ahead at cells that are not there yet") struct LookAheadArrivalTests {
  private let first = NotebookID(0)
  private let second = NotebookID(1)

  /// A node of one core. The first notebook's cell runs for 100 s from 0 s on; the second one's ended at 10 s, its author is
  /// likely to think for 30 s and to submit a cell of 20 s then.
  private func engine(policy: String = "fcfs", behind: Int32 = 0) throws -> Scheduler {
    var engine = try Scheduler(policy: policy, from: .standard)
    engine.handle(.observation(.nodeFound(Node(id: NodeID(0), name: "n", cores: CoreSet([0])))), at: .zero)
    for id in [first, second] {
      engine.handle(
        .observation(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "ana", path: "\(id.number).ipynb"))),
        at: .zero)
      engine.handle(.observation(.kernelReady(id)), at: .zero)
    }
    let further = FurtherForecast(
      need: ForeseenNeed(), notebookLeft: Quantiles(certain: Span(seconds: 10)),
      think: Quantiles(certain: Span(seconds: 30)), nextRun: Quantiles(certain: Span(seconds: 20)),
      nextNeed: ForeseenNeed())
    let short = CellForecast(run: Quantiles(certain: Span(seconds: 10)), basis: .code, further: further)
    engine.handle(.observation(.cellSubmitted(second, .oneCore, CellSource(), short)), at: .zero)
    engine.handle(.observation(.cellEnded(second, engine.state[second].cell.id, .ok)), at: Instant(seconds: 10))
    let long = CellForecast(run: Quantiles(certain: Span(seconds: 100)), basis: .code)
    engine.handle(.observation(.cellSubmitted(first, .oneCore, CellSource(), long)), at: Instant(seconds: 10))
    if behind > 0 { engine.handle(.observation(.backlogChanged(first, behind)), at: Instant(seconds: 10)) }
    return engine
  }

  @Test(
    "an order's effect on whoever thinks is seen: their next cell starts when it comes, and not behind the long one")
  func next() throws {
    let engine = try engine()
    let verb = Verb.interrupt(first, cell: engine.state[first].cell.id)
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [verb])
    // It comes at 40 s; the long cell ends at 110 s.
    let change = try #require(preview.changes.first { $0.notebook == second })
    #expect(change.waitBefore == Span(seconds: 90) && change.waitAfter == Span(seconds: 20))
    #expect(change.endBefore == Span(seconds: 110) && change.endAfter == Span(seconds: 40))
    // One cell ran from 10 s to 110 s as if alone, the other took 90 s for 20.
    #expect(abs(preview.before.antt - (1 + 4.5) / 2) < 0.01 && abs(preview.before.waitMean - 35) < 0.01)
    #expect(preview.after.waitMean == 0)
  }

  @Test("a hold on somebody who thinks is seen to keep their next cell back")
  func hold() throws {
    let preview = LookAhead(try engine(), at: Instant(seconds: 20)).preview(of: [.hold(second)])
    let change = try #require(preview.changes.first { $0.notebook == second })
    #expect(change.waitBefore == Span(seconds: 90) && change.waitAfter == nil)
  }

  @Test("what waits in a gate is played one after the other, without a think time")
  func backlog() throws {
    let engine = try engine(behind: 2)
    let preview = LookAhead(engine, at: Instant(seconds: 20)).preview(of: [])
    #expect(preview.before == preview.after && !preview.isCutShort)
    // The first's cells come at 10, 110 and 230 s and take 100 s each; the second waits for 20 s, until the other's, which has
    // waited from 40 s on, has ended at 130 s. So 320 s for 300, and 90 for 20.
    #expect(abs(preview.before.antt - (320.0 / 300 + 4.5) / 2) < 0.01)
    #expect(abs(preview.before.waitMean - (20 + 70) / 4) < 0.01)
  }

  @Test("the same worlds come out each time, under every policy", arguments: PolicyCatalogue.standard.names)
  func policies(name: String) throws {
    let engine = try engine(policy: name, behind: 1)
    let verbs: [Verb] = [.setPriority(second, 5), .hold(first)]
    let found = LookAhead(engine, at: Instant(seconds: 20)).preview(of: verbs)
    #expect(found == LookAhead(engine, at: Instant(seconds: 20)).preview(of: verbs))
    #expect(!found.isCutShort && found.refusals.isEmpty)
  }
}
