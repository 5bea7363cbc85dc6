import Domain
import Engine
import Policies
import Synchronization
import Testing
import Verbs

@testable import Session

@Suite("Looking ahead beside the engine") struct PreviewDeskTests {
  private static func engine(notebooks: Int32) throws -> Scheduler {
    var engine = try Scheduler(policy: "dynamic", from: .standard)
    engine.handle(.observation(.nodeFound(Node(id: NodeID(0), name: "n", cores: CoreSet(0..<64)))), at: .zero)
    for number in 0..<notebooks {
      let id = NotebookID(number)
      engine.handle(
        .observation(
          .notebookOpened(Notebook(id: id, node: NodeID(0), user: "u\(number % 40)", path: "\(number).ipynb"))),
        at: .zero)
      let forecast = CellForecast(
        run: Quantiles(certain: Span(seconds: Double(5 + number % 90))), basis: .code, parallelThousandths: 900)
      engine.handle(
        .observation(.cellSubmitted(id, Demand(coresLeast: 1, coresMost: 8), CellSource(), forecast)),
        at: Instant(seconds: Double(number) / 100))
    }
    return engine
  }

  @Test("answers within its deadline, however many notebooks there are", arguments: [Int32(20), 2000])
  func answers(notebooks: Int32) throws {
    let desk = PreviewDesk()
    let engine = try Self.engine(notebooks: notebooks)
    let now = Instant(seconds: 60)
    let first = engine.state.running.min() ?? NotebookID(0)
    let verb = Verb.suspend(first, cell: engine.state[first].cell.id)
    let answer = Mutex<Preview?>(nil)
    let clock = ContinuousClock()
    let asked = clock.now
    desk.ask([verb], engine, at: now) { preview in answer.withLock { $0 = preview } }
    while answer.withLock({ $0 == nil }), clock.now - asked < .seconds(30) {}
    let preview = try #require(answer.withLock { $0 })
    #expect(preview.verbs == [verb] && preview.refusals.isEmpty)
    // A deadline is looked at between inputs; a debug build on a busy machine needs a while for one.
    #expect(preview.isCutShort || clock.now - asked < .seconds(10))
  }

  @Test("answers the newest question, and ends those before it")
  func newest() throws {
    let desk = PreviewDesk()
    let engine = try Self.engine(notebooks: 400)
    let answers = Mutex<[[Verb]]>([])
    let last: [Verb] = [.hold(NotebookID(9))]
    for number in 0..<10 {
      desk.ask([.hold(NotebookID(Int32(number)))], engine, at: Instant(seconds: 60)) { preview in
        answers.withLock { $0.append(preview.verbs) }
      }
    }
    let clock = ContinuousClock()
    let asked = clock.now
    while answers.withLock({ $0.last != last }), clock.now - asked < .seconds(30) {}
    let newest = answers.withLock { $0.last }
    #expect(newest == last)
  }
}
