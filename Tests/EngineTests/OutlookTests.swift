import Domain
import Testing

@testable import Engine

@Suite("Expected starts")
struct OutlookTests {
  static func start(_ early: Double, _ median: Double, _ late: Double) -> ExpectedStart {
    ExpectedStart(early: Instant(seconds: early), median: Instant(seconds: median), late: Instant(seconds: late))
  }

  /// A line of cells behind one that has run since 0 on three of four cores; submitted at 2.
  static func stage(
    running forecast: CellForecast?, then line: [(cores: Int32, gpus: Int32, forecast: CellForecast?)],
    runningGPUs: Int32 = 0
  ) throws -> Stage {
    var stage = try Stage("fcfs")
    stage.submit(stage.open(), cores: 3, gpus: runningGPUs, forecast: forecast)
    stage.order(.setPolicy("idle"))
    stage.clock = 2
    for cell in line { stage.submit(stage.open(), cores: cell.cores, gpus: cell.gpus, forecast: cell.forecast) }
    return stage
  }

  static func starts(_ stage: Stage, at seconds: Double) -> [ExpectedStart?] {
    Outlook(of: stage.state, startingInOrder: stage.state.queue, at: Instant(seconds: seconds)).starts
  }

  /// The running cell ends at 10. The first (2 cores, 5 s) starts then, beside two idle cores, and ends at 15. The second
  /// (3 cores) starts then and leaves one core, on which the third starts at once.
  @Test("of a line worked out by hand")
  func line() throws {
    let stage = try Self.stage(
      running: .certain(10), then: [(2, 0, .certain(5)), (3, 0, .certain(1)), (1, 0, .certain(1))])
    #expect(Self.starts(stage, at: 2) == [Self.start(10, 10, 10), Self.start(15, 15, 15), Self.start(15, 15, 15)])
  }

  @Test("are spread as the forecasts are, and those that come after others more")
  func spread() throws {
    let stage = try Self.stage(
      running: .quartiles(8, 10, 12), then: [(2, 0, .quartiles(4, 8, 30)), (3, 0, .certain(1))])
    let starts = Self.starts(stage, at: 2)
    let first = try #require(starts[0])
    let second = try #require(starts[1])
    #expect(first.early < first.median && first.median < first.late)
    #expect(first.median > Instant(seconds: 8) && first.median < Instant(seconds: 12))
    #expect(second.late - second.early > first.late - first.early)
  }

  @Test("of whoever fits now are now")
  func now() throws {
    let stage = try Self.stage(running: nil, then: [(1, 0, .quartiles(1, 2, 3))])
    #expect(Self.starts(stage, at: 2) == [Self.start(2, 2, 2)])
  }

  @Test("are unknown behind a cell without a forecast that has to end first, and known until then")
  func missing() throws {
    var stage = try Self.stage(running: nil, then: [(2, 0, .quartiles(4, 5, 6)), (1, 0, .quartiles(1, 1, 1))])
    #expect(Self.starts(stage, at: 2) == [nil, nil])
    stage = try Self.stage(running: .certain(10), then: [(4, 0, nil), (1, 0, .certain(1))])
    #expect(Self.starts(stage, at: 2) == [Self.start(10, 10, 10), nil])
  }

  @Test("take a cell that has outlived its forecast to live on as processes do, half of them for as long again")
  func overrun() throws {
    let stage = try Self.stage(running: .certain(2), then: [(2, 0, .certain(1))])
    let start = try #require(Self.starts(stage, at: 12)[0])
    #expect(start.early > Instant(seconds: 12) && start.early < Instant(seconds: 15))
    #expect(start.median > Instant(seconds: 24) && start.median < Instant(seconds: 28))
    #expect(start.late > Instant(seconds: 60))
  }

  /// Of all that run longer than 1 s, one in ten end before 8 s; of those that are there after 27 s, none before 28 s.
  @Test("take what a cell has run already for what it says about the rest")
  func conditional() throws {
    let forecast = CellForecast(
      run: Quantiles(
        p05: Span(seconds: 1), p25: Span(seconds: 1), p50: Span(seconds: 1), p75: Span(seconds: 29),
        p95: Span(seconds: 30)), basis: .code)
    let stage = try Self.stage(running: forecast, then: [(2, 0, .certain(1))])
    let before = try #require(Self.starts(stage, at: 2)[0])
    let after = try #require(Self.starts(stage, at: 27)[0])
    #expect(before.early < Instant(seconds: 15))
    #expect(after.early > Instant(seconds: 28))
  }

  @Test("are in order, early to late, even where the forecast's quartiles are not")
  func crossed() throws {
    let stage = try Self.stage(running: .quartiles(9, 5, 3), then: [(2, 0, .quartiles(1, 1, 1))])
    let start = try #require(Self.starts(stage, at: 2)[0])
    #expect(start.early <= start.median && start.median <= start.late)
  }

  @Test("wait for GPUs as for cores")
  func gpus() throws {
    let stage = try Self.stage(
      running: .certain(10), then: [(1, 1, .certain(1))], runningGPUs: 2)
    #expect(Self.starts(stage, at: 2) == [Self.start(10, 10, 10)])
  }

  @Test("leave out whom an operator holds, and do not count drained cores")
  func heldAndDrained() throws {
    var stage = try Self.stage(
      running: .certain(10), then: [(4, 0, .certain(1)), (1, 0, .certain(1))])
    stage.order(.hold(NotebookID(1)))
    #expect(Self.starts(stage, at: 2) == [nil, Self.start(2, 2, 2)])
    stage.order(.drain(NodeID(0), .list("3"), GPUSet()))
    #expect(Self.starts(stage, at: 2) == [nil, Self.start(10, 10, 10)])
  }

  @Test("count what a suspended cell has run already")
  func suspended() throws {
    var stage = try Self.stage(running: .certain(10), then: [(4, 0, .certain(1))])
    stage.clock = 3
    stage.order(.suspend(NotebookID(0), cell: CellID(1)))
    stage.order(.resume(NotebookID(0), cell: CellID(1)))
    #expect(Self.starts(stage, at: 3) == [Self.start(3, 3, 3), Self.start(10, 10, 10)])
  }

  @Test("are looked for no further than the line's first 64")
  func length() throws {
    let cell: (cores: Int32, gpus: Int32, forecast: CellForecast?) = (1, 0, .quartiles(1, 1, 1))
    let stage = try Self.stage(
      running: .quartiles(8, 10, 12), then: Array(repeating: cell, count: Outlook.lengthMost + 2))
    let starts = Self.starts(stage, at: 2)
    #expect(starts.firstIndex(of: nil) == Outlook.lengthMost)
    #expect(starts.count == Outlook.lengthMost + 2)
  }
}

@Suite("Ranges for starts")
struct StartCalibratorTests {
  private struct Told {
    var within = 0
    var promised = 0
  }

  @Test("hold what they promise, however far off the outlook is", arguments: [0.01, 0.3, 1, 20, 300])
  func kept(bias: Double) {
    var calibrator = StartCalibrator()
    var told = Told()
    var state: UInt64 = 5
    for number in 1...3000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let share = Double(state >> 40) / Double(1 << 24)
      let now = Instant(seconds: Double(number) * 1e4)
      let raw = ExpectedStart(
        early: now + Span(seconds: 5), median: now + Span(seconds: 10), late: now + Span(seconds: 20))
      let range = calibrator.told(
        raw, cell: CellID(Int64(number)), of: NotebookID(0), submitted: now, at: now)
      #expect(range.early <= range.median && range.median <= range.late)
      let started = now + Span(seconds: bias * (2 + 40 * share))
      calibrator.started(CellID(Int64(number)), of: NotebookID(0), at: started)
      guard number > 500 else { continue }
      told.promised += 1
      if range.early <= started, started <= range.late { told.within += 1 }
    }
    let coverage = Double(told.within) / Double(told.promised)
    #expect((0.75...0.85).contains(coverage), "\(coverage)")
  }

  @Test("hold much of it from the first start on, where waits are spread over decades", arguments: UInt64(1)...10)
  func early(seed: UInt64) {
    var calibrator = StartCalibrator()
    var within = 0
    var state = seed
    for number in 1...60 {
      let now = Instant(seconds: Double(number) * 1e6)
      let raw = ExpectedStart(
        early: now + Span(seconds: 50), median: now + Span(seconds: 100), late: now + Span(seconds: 200))
      let range = calibrator.told(
        raw, cell: CellID(Int64(number)), of: NotebookID(0), submitted: now, at: now)
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      // From 1 s to 3,000 s, evenly by the number of digits.
      let powers: [Double] = [1, 3, 10, 30, 100, 300, 1000, 3000]
      let started = now + Span(seconds: powers[Int(state >> 40) % powers.count])
      calibrator.started(CellID(Int64(number)), of: NotebookID(0), at: started)
      if range.early <= started, started <= range.late { within += 1 }
    }
    #expect((42...58).contains(within), "seed \(seed): \(within) of 60")
  }
}

extension CellForecast {
  fileprivate static func certain(_ seconds: Double) -> CellForecast {
    CellForecast(run: Quantiles(certain: Span(seconds: seconds)), basis: .code)
  }
}
