import Domain
import Testing

@testable import Metrics

@Suite("Measures")
struct MeasuresTests {
  @Test("ANTT, STP, waits and fairness of two notebooks, by hand")
  func byHand() {
    var tally = Tally(cells: 2, notebooks: 2)
    tally.arrived(at: .zero)
    tally.cellEnded(
      submitted: .zero, started: .zero, ended: Instant(seconds: 10), runAlone: Span(seconds: 10))
    tally.cellEnded(
      submitted: .zero, started: Instant(seconds: 10), ended: Instant(seconds: 20), runAlone: Span(seconds: 5))
    tally.notebookEnded(alone: 10_000_000, shared: 10_000_000, think: 0)
    tally.notebookEnded(alone: 5_000_000, shared: 20_000_000, think: 10_000_000)
    let m = tally.measures(cores: 1, gpus: 0)
    #expect(m.antt == 2.5)
    #expect(m.stp == 1.25)
    #expect(m.anttWithThink == 1.5)
    #expect(m.wait.max == 15)
    #expect(m.wait.p50 == 0)
    #expect(m.queued.max == 10)
    #expect(m.turnaroundMean == 15)
    #expect(m.worstNTT == 4)
    #expect(abs(m.jain - 25.0 / 34) < 1e-12)
    #expect(m.makespan == 20)
    #expect(m.boundedSlowdownMean == (1 + 2) / 2.0)
  }

  @Test("a notebook without any run counts in neither ANTT nor STP, and one that waited for ever in both")
  func corners() {
    var tally = Tally(cells: 0, notebooks: 3)
    tally.notebookEnded(alone: 0, shared: 5, think: 7)
    let nothing = tally.measures(cores: 1, gpus: 0)
    #expect(nothing.antt == 0)
    tally.notebookEnded(alone: 1, shared: 1, think: 0)
    tally.notebookEnded(alone: 1, shared: 1_000_000_000, think: 0)
    let m = tally.measures(cores: 1, gpus: 0)
    #expect(m.antt == 500_000_000.5, "one unfair turnaround is the mean")
    #expect(abs(m.stp - 1.000_000_001) < 1e-12, "and counts next to nothing in STP")
    #expect(m.worstNTT == 1_000_000_000)
    #expect(abs(m.jain - 0.5) < 1e-6)
  }

  @Test("nothing happened: no figure is infinite or not a number")
  func empty() {
    var tally = Tally(cells: 0, notebooks: 0)
    let m = tally.measures(cores: 4, gpus: 0)
    let isFinite = [m.antt, m.stp, m.makespan, m.heldCores, m.heldGPUs, m.jain].allSatisfy { $0.isFinite }
    #expect(isFinite)
  }

  @Test("percentiles are by nearest rank, shares are of those beyond")
  func percentiles() {
    var waits = ContiguousArray((1...100).map { Int64($0) * 1_000_000 }.reversed())
    let result = Waits(of: &waits)
    #expect(result.p50 == 50)
    #expect(result.p95 == 95)
    #expect(result.p99 == 99)
    #expect(result.over1s == 0.99)
    #expect(result.over10s == 0.9)
  }
}

@Suite("The lower bound")
struct LowerBoundTests {
  func notebook(_ run: Double, at arrival: Double = 0) -> BoundedNotebook {
    BoundedNotebook(
      arrival: Instant(seconds: arrival),
      cells: [BoundedCell(think: .zero, run: Span(seconds: run), area: run * 1e6)])
  }

  @Test("one notebook alone: 1")
  func alone() { #expect(LowerBound(resources: [([notebook(5)], 1)]).antt == 1) }

  @Test("on one core without think it is the optimum: shortest first")
  func singleMachine() {
    // 1, 2 and 4 s at once: ends at 1, 3, 7; NTT 1, 1.5, 1.75.
    let bound = LowerBound(resources: [([notebook(4), notebook(1), notebook(2)], 1)]).antt
    #expect(abs(bound - (1 + 1.5 + 1.75) / 3) < 1e-9)
  }

  @Test("a cell that several cores make slower can have an NTT below 1")
  func slowerOnMore() {
    let cell = BoundedCell(think: .zero, run: Span(seconds: 4), least: Span(seconds: 1), area: 1e6)
    let notebook = BoundedNotebook(arrival: .zero, cells: [cell])
    #expect(LowerBound(resources: [([notebook], 2), ([notebook], 0)]).antt == 0.25)
    // One after the other on one core: 1 and 2 s.
    #expect(abs(LowerBound(resources: [([notebook, notebook], 1)]).antt - (0.25 + 0.5) / 2) < 1e-9)
  }

  @Test("it is never below 1 and never rises with the capacity")
  func falls() {
    let notebooks = (1...20).map { notebook(Double($0), at: Double($0) / 3) }
    let bounds = [1, 2, 4, 8, 64].map { LowerBound(resources: [(notebooks, $0)]).antt }
    #expect(bounds == bounds.sorted(by: >))
    #expect(bounds.last == 1)
  }
}
