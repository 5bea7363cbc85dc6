import Domain
import Testing

@testable import Forecast

@Suite("Calibration")
struct CalibrationTests {
  /// Cells of many notebooks whose run and think times drift, and whose levels differ by notebook.
  static func drifting(_ seed: UInt64) -> (notebooks: [Notebook], cells: [Trial.Cell]) {
    var dice = Dice(state: seed)
    var notebooks: [Notebook] = []
    var cells: [Trial.Cell] = []
    for sitting in 0..<60 {
      notebooks.append(
        Notebook(id: NotebookID(0), node: NodeID(0), user: "u\(sitting % 5)", path: "n\(sitting % 20)"))
      var clock = Instant(seconds: Double(sitting) * 5000)
      for cell in 0..<40 {
        let level = Double(1 + (sitting % 20) * 3) * (sitting > 30 ? 4 : 1)
        let run = level * (0.2 + 2 * dice.share() * dice.share())
        clock = clock + Span(seconds: dice.time())
        cells.append(
          Trial.Cell(
            sitting: Int32(sitting), submitted: clock, ran: Span(seconds: run),
            source: CellSource(jupyterCell: "\(cell % 10)")))
        clock = clock + Span(seconds: run)
      }
    }
    return (notebooks, cells)
  }

  @Test("keeps what ranges promise, and beats the global median and the last value", arguments: UInt64(1)...1)
  func kept(seed: UInt64) throws {
    let past = Self.drifting(seed)
    let trial = Trial(notebooks: past.notebooks, cells: past.cells)
    for quantity in [Quantity.run, .think] {
      let score = try #require(trial.scores[quantity])
      #expect((0.45...0.55).contains(score.coverage.half), "\(quantity.name) \(score.coverage.half)")
      #expect((0.85...0.95).contains(score.coverage.ninetyPercent), "\(quantity.name) \(score.coverage.ninetyPercent)")
      #expect(score.error < score.errorOfLast, "\(quantity.name)")
    }
    // Think times are drawn alike here, so that nothing can beat their median.
    let run = try #require(trial.scores[.run])
    #expect(run.error < run.errorOfGlobalMedian / 1.5)
  }

  @Test("scores every outcome that was held out, each once")
  func complete() throws {
    let past = Self.drifting(1)
    let trial = Trial(notebooks: past.notebooks, cells: past.cells, taught: 0.75)
    #expect(trial.scores[.run]?.coverage.outcomes == 600)
    #expect(trial.scores[.think]?.coverage.outcomes == 585)
  }

  @Test("forecasts nothing from what comes later")
  func future() {
    let past = Self.drifting(2)
    var altered = past.cells
    let from = Instant(seconds: 200_000)
    for index in altered.indices where altered[index].submitted > from {
      altered[index].ran = Span(microseconds: altered[index].ran.microseconds * 7)
    }
    func early(_ cells: [Trial.Cell]) -> Trial {
      Trial(notebooks: past.notebooks, cells: cells.filter { $0.submitted <= from })
    }
    #expect(early(past.cells).forecaster == early(altered).forecaster)
  }

  @Test("brings any distribution's shares to what they promise")
  func shares() {
    var dice = Dice(state: 8)
    var calibrator = Calibrator()
    var below = [0.0, 0, 0, 0, 0]
    for _ in 0..<20_000 {
      // Outcomes are squares of what is taken to be uniform: every raw share is wrong.
      let value = dice.share() * dice.share()
      let foreseen = calibrator.shares
      for index in below.indices where value <= foreseen[index] { below[index] += 1 }
      calibrator.learn(value, foreseen: foreseen)
    }
    for (index, promised) in Calibrator.promised.enumerated() {
      #expect(abs(below[index] / 20_000 - promised) < 0.02)
    }
  }
}
