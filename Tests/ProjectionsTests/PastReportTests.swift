import Domain
import Foundation
import Projections
import Testing

@Suite("The past as JSON") struct PastReportTests {
  private static func report() -> BoardReport {
    var tape = Tape(cores: 4)
    let id = tape.open("churn", at: 1)
    let first = tape.run(id, on: CoreSet([0]), at: 10)
    tape.add(.cellEnded(first, id, .ok), at: 25)
    let second = tape.queue(id, at: 40)
    tape.add(.cellStarted(second, id, .on(CoreSet([1])), Reason(.firstCome)), at: 100)
    tape.add(.cellSuspended(second, id, Reason(.preempted)), at: 110)
    tape.add(.cellEnded(second, id, .error), at: 130)
    var report = BoardReport(tape.board, at: tape.now, session: 7, end: tape.now, entries: tape.board.sequence)
    #expect(report.timeline == nil)
    report.tellPast(of: tape.board)
    return report
  }

  @Test("tells the think-time timeline: every state with its beginning, and the marks")
  func timeline() throws {
    let row = try #require(Self.report().timeline?.first)
    #expect(row.notebook == 0)
    let told = row.states.map { "\($0.state) \(Int($0.fromSeconds))" }.filter { !$0.hasPrefix("starting") }
    #expect(
      told == ["thinking 1", "running 10", "thinking 25", "queued 40", "running 100", "suspended 110", "thinking 130"])
    #expect(row.marks.map { "\($0.kind) \(Int($0.atSeconds))" } == ["wait 100", "preemption 110", "error 130"])
  }

  @Test("tells the past cells with what became of them")
  func cells() throws {
    let cells = try #require(Self.report().timeline?.first?.cells)
    #expect(cells.map(\.outcome) == [CellOutcome.ok.word, CellOutcome.error.word])
    #expect(cells.map(\.submittedSeconds) == [10, 40] && cells.map(\.startedSeconds) == [10, 100])
    #expect(cells.map(\.ranSeconds) == [15, 10] && cells.map(\.suspendedSeconds) == [0, 20])
  }

  @Test("tells of one pane its own facts, and of when they are", arguments: PaneReport.Part.allCases)
  func panes(part: PaneReport.Part) throws {
    let data = try JSONEncoder().encode(PaneReport(Self.report(), part: part))
    let facts = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let own =
      switch part {
      case .notebooks: ["notebooks"]
      case .queue: ["queue"]
      case .timeline: ["timeline"]
      case .node: ["nodes"]
      case .events: ["events"]
      case .graphs: ["load", "measures"]
      }
    #expect(Set(facts.keys) == Set(own + ["session", "atSeconds", "endSeconds", "sequence"]))
  }
}
