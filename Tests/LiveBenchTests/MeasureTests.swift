import Domain
import Foundation
import LiveBench
import Testing
import Traces

/// What the bench computes from what a client saw.
@Suite struct MeasureTests {
  private static func cell(_ notebook: String, _ number: Int, _ submitted: Double, _ started: Double, _ ended: Double)
    -> TimedCell
  {
    TimedCell(
      notebook: notebook, number: number, id: "c\(number)", submitted: submitted, started: started, ended: ended)
  }

  static func record(schemes: [Scheme] = [.os, .dynamic]) -> BenchRecord {
    let load = Workload(notebooks: 2, thinks: false)
    var plan = PlanTests.plan(blocks: [.init(workload: load, schemes: schemes)], repetitions: 1)
    plan.crowds = 1
    let quiet = OtherLoad(others: 0, stolen: 0)
    func side(_ name: String, _ cells: [TimedCell]) -> SideRun {
      SideRun(name: name, cells: cells, load: quiet, kernelStartSeconds: 0.5)
    }
    let alone = [cell("a", 1, 0, 0, 1), cell("a", 2, 1, 1, 2), cell("b", 1, 0, 0, 4)]
    // Two notebooks share one core: a's 2 s take 4, b's 4 s take 6.
    let shared = [cell("a", 1, 0, 0, 2), cell("a", 2, 2, 2, 4), cell("b", 1, 0, 0, 6)]
    return BenchRecord(
      plan: plan, machine: Machine(cores: 1, facts: []),
      demands: ["a": [.init(least: 1, most: 1), .init(least: 1, most: 1)], "b": [.init(least: 1, most: 1)]],
      sides: [
        side("alone-1", alone), side("single", alone), side("crowded-1", shared), side("crowded-passive-1", shared),
      ],
      arms: schemes.map { scheme in
        ArmRecord(
          key: ArmKey(workload: load, scheme: scheme, repetition: 1),
          cells: scheme == .dynamic
            ? [cell("a", 1, 0, 0, 1), cell("a", 2, 1, 1, 2), cell("b", 1, 0, 2, 6)]
            : shared,
          load: quiet, kernelStartSeconds: 0.5, setUp: "")
      }, seconds: 1, when: "now")
  }

  @Test("NTT, ANTT, STP and delays of two notebooks by hand")
  func byHand() throws {
    let record = Self.record()
    #expect(record.alone.whole("a") == 2 && record.alone.whole("b") == 4)
    let os = try #require(record.measures(of: record.arms[0], alone: record.alone))
    #expect(os.ntt == [2, 1.5] && os.antt == 1.75)
    #expect(abs(os.stp - (0.5 + 4.0 / 6)) < 1e-12)
    #expect(os.delayP50 == 1 && os.delayP95 == 2 && os.turnaroundP50 == 2 && os.turnaroundP95 == 6)
    #expect(os.makespan == 6 && os.worstNTT == 2 && os.cells == 3 && os.cellsFailed == 0)
    let dynamic = try #require(record.measures(of: record.arms[1], alone: record.alone))
    #expect(dynamic.antt == 1.25)
  }

  @Test("think time counts in both times where it counts")
  func think() {
    let alone = AloneTimes([[Self.cell("a", 1, 0, 0, 1)]])
    let measures = LiveMeasures(
      [Self.cell("a", 1, 3, 4, 5)], names: ["a"], document: { $0 }, thinks: [[3]], alone: alone)
    #expect(measures.antt == 2 && measures.anttWithThink == 5.0 / 4 && measures.stpWithThink == 4.0 / 5)
  }

  @Test("a notebook that was not played to its end has no NTT")
  func unfinished() {
    let record = Self.record()
    let measures = LiveMeasures(
      Array(record.arms[0].cells.dropFirst()), names: ["a", "b"], document: { $0 }, thinks: [], alone: record.alone)
    #expect(measures.ntt == [1.5])
  }

  @Test("medians with ranges")
  func spreads() throws {
    let odd = try #require(Spread([3, 1, 2]))
    #expect(odd.median == 2 && odd.least == 1 && odd.most == 3)
    #expect(Spread([1, 2])?.median == 1.5)
    #expect(Spread([]) == nil)
    #expect(LiveMeasures.percentile([1, 2, 3, 4], 0.5) == 2 && LiveMeasures.percentile([], 0.5) == 0)
  }

  @Test("tells noisy arms from quiet ones")
  func noise() {
    #expect(!OtherLoad(others: 0.04, stolen: 0.01, diskWaits: 0.04).isNoisy)
    #expect(OtherLoad(others: 0, stolen: 0, diskWaits: 0.06).isNoisy)
    #expect(OtherLoad(others: 0.06, stolen: 0).isNoisy && OtherLoad(others: 0, stolen: 0.03).isNoisy)
  }

  @Test("the simulator predicts ideal sharing and ideal order from the calibration, not from the arms")
  func predicts() throws {
    let results = BenchResults(Self.record(), sharesByNotebook: true)
    let os = try #require(results.checks.first { $0.prediction.scheme == .os })
    // Two notebooks share one core: a's 2 s take 4, b's 4 s take 6; the arrivals lie 0.02 s apart.
    #expect(abs(os.prediction.antt - 1.75) < 0.02, "\(os.prediction.antt)")
    var other = Self.record()
    for index in other.arms.indices {
      for cell in other.arms[index].cells.indices { other.arms[index].cells[cell].ended += 9 }
    }
    let again = BenchResults(other, sharesByNotebook: true)
    #expect(
      again.checks.map(\.prediction) == results.checks.map(\.prediction), "what is predicted does not look at the arms")
    #expect(again.checks.map(\.antt) != results.checks.map(\.antt))
  }

  @Test(
    "a scheduled cell on one core takes what it took there behind a gate, from its grant to its end, not its waiting")
  func oneCore() throws {
    var record = Self.record()
    record.machine.cores = 2
    func side(_ number: Int, _ granted: Double, _ ended: Double) -> SideRun {
      var cell = Self.cell("a", 1, 0, granted, ended)
      cell.ran = [TimedCell.Stretch(from: granted, to: ended, cores: 1)]
      return SideRun(
        name: Side.oneCore(number).name, cells: [cell], load: OtherLoad(others: 0, stolen: 0), kernelStartSeconds: 0)
    }
    record.sides += [side(1, 5, 8), side(2, 1, 2)]
    let calibration = try #require(Calibration(record, sharesByNotebook: true))
    let cells = try #require(calibration.cells["a"])
    #expect(cells[0].oneCore == 2 && cells[0].single == 1)
    #expect(cells[1].oneCore == cells[1].single, "one that was not played there is taken as on a node nobody schedules")
    func run(_ trace: Trace) -> Span? { trace.notebooks.first?.cells.first?.run }
    let names = ["a"]
    #expect(
      run(calibration.scheduledTrace(names, document: { $0 }, thinks: [], reserving: false)) == Span(seconds: 2))
    #expect(run(calibration.freeTrace(names, document: { $0 }, thinks: [])) == Span(seconds: 1))
  }

  @Test("finds what a cell loses among few and among many from runs in which they overlap")
  func losses() throws {
    var record = Self.record()
    record.machine.cores = 2
    // A matrix product of two threads, alone 1 s, and two neighbours of one thread.
    func side(_ name: String, _ cells: [TimedCell]) -> SideRun {
      SideRun(name: name, cells: cells, load: OtherLoad(others: 0, stolen: 0), kernelStartSeconds: 0)
    }
    let alone = [Self.cell("a", 1, 0, 0, 1), Self.cell("b", 1, 0, 0, 9), Self.cell("c", 1, 0, 0, 9)]
    record.plan.documents = ["a", "b", "c"]
    record.demands = [
      "a": [.init(least: 1, most: 2)], "b": [.init(least: 1, most: 1)], "c": [.init(least: 1, most: 1)],
    ]
    record.sides = [
      side("alone-1", alone),
      side("single", [Self.cell("a", 1, 0, 0, 2), Self.cell("b", 1, 0, 0, 9), Self.cell("c", 1, 0, 0, 9)]),
      // Beside one other it has a core and takes 2 s if it loses nothing: here 3, at a load of 3 threads on 2 cores.
      side("light-1", [Self.cell("a", 1, 0, 0, 3), Self.cell("b", 1, 0, 0, 3)]),
      // Beside two others it has two thirds of a core and takes 3 s: here 12, at a load of 4 threads on 2 cores.
      side("crowded-1", [Self.cell("a", 1, 0, 0, 12), Self.cell("b", 1, 0, 0, 12), Self.cell("c", 1, 0, 0, 12)]),
    ]
    let calibration = try #require(Calibration(record, sharesByNotebook: true))
    let loss = try #require(calibration.cells["a"]?.first?.loss)
    #expect(abs(loss.light.load - 1.5) < 1e-9 && abs(loss.light.loss - 0.5) < 1e-6, "\(loss)")
    #expect(abs(loss.heavy.load - 2) < 1e-9 && abs(loss.heavy.loss - 3) < 1e-6, "\(loss)")
    #expect(
      loss.at(1) == 0 && abs(loss.at(1.25) - 0.25) < 1e-6 && abs(loss.at(1.75) - 1.75) < 1e-6
        && loss.at(9) == loss.heavy.loss)
    // c's 9 s of work would take 8 s of 12 at two thirds of a core: it did no worse than its share.
    #expect(calibration.cells["c"]?.first?.loss.heavy.loss == 0)
  }

  @Test("writes tables between its marks, and leaves the rest of the document")
  func marks() throws {
    let record = Self.record()
    let tables = ResultTables(record, BenchResults(record, sharesByNotebook: true), command: "celltop bench live")
      .markdown
    #expect(tables.contains("| os | 1.75 |") && tables.contains("| dynamic | 1.25 |"))
    let document = "before\n\(MarkedPart.begin)\nold\n\(MarkedPart.end)\nafter\n"
    let text = try #require(MarkedPart.replace(in: document, with: tables))
    #expect(text.hasPrefix("before\n") && text.hasSuffix("\nafter\n") && !text.contains("old"))
    #expect(MarkedPart.replace(in: text, with: tables) == text)
    #expect(MarkedPart.replace(in: "no marks", with: tables) == nil)
    let page = ResultPage(tables, record).html
    #expect(page.contains("<td>1.75</td>") && page.contains("<svg"))
  }

  @Test("reads the crew's events, and passes over what a crash cut off")
  func chronicle() {
    let text = """
      {"event": "kernel_ready", "notebook": "a", "pid": 1, "seconds": 0.7, "at": 99.0}
      {"event": "begin", "at": 100.0}
      {"event": "arrived", "notebook": "a", "at": 100.1}
      {"event": "cell", "notebook": "a", "cell": "x", "number": 1, "submitted": 101.0, "started": 102.0, "ended": 104.0, "status": "ok", "at": 104.0}
      """
    let whole = Chronicle(text + "\n{\"event\": \"done\", \"status\": \"ok\", \"at\": 105}\n{\"event\": \"ce")
    #expect(whole.isComplete && whole.cells.map(\.turnaround) == [3] && whole.cells[0].submitted == 1)
    #expect(whole.kernelStarts == [0.7])
    #expect(!Chronicle(text).isComplete)
  }

  @Test("finds when a cell ran, what was taken, and who waited without a reason")
  func account() {
    let id = NotebookID(0)
    let cell = Domain.Cell(id: CellID(1), notebook: id, submitted: Instant(seconds: 1), demand: .oneCore)
    let allotment = Allotment(node: NodeID(0), cores: CoreSet(0..<2), gpus: GPUSet(), memory: .zero)
    let notebook = Notebook(id: id, node: NodeID(0), user: "u", path: "/x/churn.ipynb", kernel: "python")
    func entries(explained: Bool) -> [Entry] {
      let events: [(Double, Event)] =
        [(0, .notebookOpened(notebook)), (1, .cellQueued(cell))]
        + (explained ? [(1, .cellWaits(CellID(1), id, Wait(cause: .cores, place: 1)))] : [])
        + [
          (2, .cellStarted(CellID(1), id, allotment, Reason(.shortest))),
          (3, .cellSuspended(CellID(1), id, Reason(.preempted))),
          (5, .cellResumed(CellID(1), id, allotment, Reason(.shortest))), (6, .cellEnded(CellID(1), id, .ok)),
        ]
      return events.enumerated().map { Entry(sequence: Int64($0 + 1), at: Instant(seconds: $1.0), event: $1.1) }
    }
    let told = SessionAccount(entries(explained: true), sessionBegan: 10, runBegan: 9)
    #expect(told.waits == 1 && told.unexplainedWaits == 0 && told.preemptions == 1)
    #expect(told.ran("churn", 1) == [.init(from: 3, to: 4, cores: 2), .init(from: 6, to: 7, cores: 2)])
    #expect(SessionAccount(entries(explained: false), sessionBegan: 0, runBegan: 0).unexplainedWaits == 1)
  }
}
