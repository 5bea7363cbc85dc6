import Domain
import Engine
import Testing

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

  /// The running cell ends at 8, 10 or 12. The first (2 cores; 4, 5 or 6 s) starts then, beside two idle cores, and ends
  /// at 12, 15 or 18. The second (3 cores) starts then and leaves one core, on which the third starts at once.
  @Test("of a line worked out by hand")
  func line() throws {
    let stage = try Self.stage(
      running: .quartiles(8, 10, 12),
      then: [(2, 0, .quartiles(4, 5, 6)), (3, 0, .quartiles(1, 1, 1)), (1, 0, .quartiles(1, 1, 1))])
    #expect(Self.starts(stage, at: 2) == [Self.start(8, 10, 12), Self.start(12, 15, 18), Self.start(12, 15, 18)])
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
    stage = try Self.stage(running: .quartiles(8, 10, 12), then: [(4, 0, nil), (1, 0, .quartiles(1, 1, 1))])
    #expect(Self.starts(stage, at: 2) == [Self.start(8, 10, 12), nil])
  }

  /// At 12 the cell has run 12 s: by its first two quartiles it should have ended, so it is taken to need a third of
  /// that, and all of it, once more; its upper quartile stands.
  @Test("take a cell that has outlived its forecast to live on as processes do")
  func overrun() throws {
    let stage = try Self.stage(running: .quartiles(1, 2, 30), then: [(2, 0, .quartiles(1, 1, 1))])
    #expect(Self.starts(stage, at: 12) == [Self.start(16, 24, 30)])
  }

  @Test("are in order, early to late, even where the forecast's quartiles are not")
  func crossed() throws {
    let stage = try Self.stage(running: .quartiles(9, 5, 3), then: [(2, 0, .quartiles(1, 1, 1))])
    #expect(Self.starts(stage, at: 2) == [Self.start(5, 5, 5)])
  }

  @Test("wait for GPUs as for cores")
  func gpus() throws {
    let stage = try Self.stage(
      running: .quartiles(8, 10, 12), then: [(1, 1, .quartiles(1, 1, 1))], runningGPUs: 2)
    #expect(Self.starts(stage, at: 2) == [Self.start(8, 10, 12)])
  }

  @Test("leave out whom an operator holds, and do not count drained cores")
  func heldAndDrained() throws {
    var stage = try Self.stage(
      running: .quartiles(8, 10, 12), then: [(4, 0, .quartiles(1, 1, 1)), (1, 0, .quartiles(1, 1, 1))])
    stage.order(.hold(NotebookID(1)))
    #expect(Self.starts(stage, at: 2) == [nil, Self.start(2, 2, 2)])
    stage.order(.drain(NodeID(0), .list("3"), GPUSet()))
    #expect(Self.starts(stage, at: 2) == [nil, Self.start(8, 10, 12)])
  }

  @Test("count what a suspended cell has run already")
  func suspended() throws {
    var stage = try Self.stage(running: .quartiles(10, 10, 10), then: [(4, 0, .quartiles(1, 1, 1))])
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
