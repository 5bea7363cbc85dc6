import Domain

/// What a bench came to: medians with ranges, the targets, and the simulator's word beside what was seen.
public struct BenchResults: Codable, Sendable {
  /// One scheme on one workload.
  public struct Row: Codable, Sendable {
    public var workload: Workload
    public var scheme: Scheme
    public var antt: Spread
    public var stp: Spread
    public var anttWithThink: Spread
    public var stpWithThink: Spread
    public var worstNTT: Spread
    public var delayP50: Spread
    public var delayP95: Spread
    public var turnaroundP50: Spread
    public var turnaroundP95: Spread
    public var makespan: Spread
    public var preemptions: Spread?
    public var shrinks: Spread?
    /// Over all repetitions.
    public var unexplainedWaits: Int?
    public var waits: Int?
    public var faults: Int?
    public var noisy: Int
    public var cellsFailed: Int
    public var setUp: String
  }

  /// Predicted against seen.
  public struct Check: Codable, Sendable {
    public var prediction: Prediction
    public var antt: Double
    public var stp: Double

    /// (predicted − seen) / seen.
    public var anttError: Double { (prediction.antt - antt) / antt }
    public var stpError: Double { (prediction.stp - stp) / stp }
  }

  /// One of the project's targets.
  public struct Target: Codable, Sendable {
    public var text: String
    public var wanted: String
    public var reached: String
    /// Nil where it was not measured.
    public var isReached: Bool?
  }

  public var rows: [Row] = []
  public var checks: [Check] = []
  public var targets: [Target] = []
  public var gateSeconds: Double?

  public init(_ record: BenchRecord, sharesByNotebook: Bool) {
    let alone = record.alone
    for block in record.plan.blocks {
      for scheme in block.schemes {
        let arms = record.arms(block.workload, scheme)
        let measured = arms.compactMap { record.measures(of: $0, alone: alone) }.filter { !$0.ntt.isEmpty }
        if let row = Self.row(block.workload, scheme, arms, measured) { rows.append(row) }
      }
    }
    targets = Self.targets(rows)
    guard let calibration = Calibration(record, sharesByNotebook: sharesByNotebook) else { return }
    gateSeconds = calibration.gateSeconds
    for row in rows {
      if let prediction = Prediction(row.workload, row.scheme, record, calibration) {
        checks.append(Check(prediction: prediction, antt: row.antt.median, stp: row.stp.median))
      }
    }
  }

  private static func row(
    _ workload: Workload, _ scheme: Scheme, _ arms: [ArmRecord], _ measured: [LiveMeasures]
  ) -> Row? {
    func spread(_ value: (LiveMeasures) -> Double) -> Spread? { Spread(measured.map(value)) }
    guard let antt = spread(\.antt), let stp = spread(\.stp), let anttWithThink = spread(\.anttWithThink),
      let stpWithThink = spread(\.stpWithThink), let worst = spread(\.worstNTT), let delay = spread(\.delayP50),
      let delay95 = spread(\.delayP95), let turnaround = spread(\.turnaroundP50),
      let turnaround95 = spread(\.turnaroundP95), let makespan = spread(\.makespan)
    else { return nil }
    let sessions = arms.compactMap(\.session)
    return Row(
      workload: workload, scheme: scheme, antt: antt, stp: stp, anttWithThink: anttWithThink,
      stpWithThink: stpWithThink, worstNTT: worst, delayP50: delay, delayP95: delay95, turnaroundP50: turnaround,
      turnaroundP95: turnaround95, makespan: makespan, preemptions: Spread(sessions.map { Double($0.preemptions) }),
      shrinks: Spread(sessions.map { Double($0.shrinks) }),
      unexplainedWaits: sessions.isEmpty ? nil : sessions.reduce(0) { $0 + $1.unexplainedWaits },
      waits: sessions.isEmpty ? nil : sessions.reduce(0) { $0 + $1.waits },
      faults: sessions.isEmpty ? nil : sessions.reduce(0) { $0 + $1.faults }, noisy: arms.count { $0.load.isNoisy },
      cellsFailed: measured.reduce(0) { $0 + $1.cellsFailed }, setUp: arms.first?.setUp ?? "")
  }

  /// The row of a scheme; nil where it was not measured.
  public func row(_ workload: Workload, _ scheme: Scheme) -> Row? {
    rows.first { $0.workload == workload && $0.scheme == scheme }
  }

  /// The targets of the project, on 8 notebooks.
  static func targets(_ rows: [Row]) -> [Target] {
    let plain = Workload(notebooks: 8, thinks: false)
    let thinking = Workload(notebooks: 8, thinks: true)
    func find(_ workload: Workload, _ scheme: Scheme) -> Row? {
      rows.first { $0.workload == workload && $0.scheme == scheme }
    }
    var targets: [Target] = []
    /// Holds the ratio of two figures against a bound.
    func hold(
      _ text: String, _ mine: Spread?, over other: Spread?, _ bound: Double, isMost: Bool
    ) {
      var target = Target(text: text, wanted: "\(isMost ? "≤" : "≥") \(bound) ×", reached: "not measured")
      if let mine, let other, other.median > 0 {
        let ratio = mine.median / other.median
        target.reached = "\(figure(ratio)) ×"
        target.isReached = isMost ? ratio <= bound : ratio >= bound
      }
      targets.append(target)
    }
    for scheme in [Scheme.dynamicLearned, .dynamic] {
      let mine = find(plain, scheme)
      let name = scheme.rawValue
      hold("\(name), no think time: ANTT of os", mine?.antt, over: find(plain, .os)?.antt, 0.5, isMost: true)
      hold(
        "\(name), no think time: ANTT of partition", mine?.antt, over: find(plain, .partition)?.antt, 0.6, isMost: true)
      hold("\(name), no think time: STP of os", mine?.stp, over: find(plain, .os)?.stp, 1.5, isMost: false)
      hold(
        "\(name), no think time: STP of partition", mine?.stp, over: find(plain, .partition)?.stp, 1.5, isMost: false)
      let think = find(thinking, scheme)
      hold(
        "\(name), think times: os' delay + run p50, of its own", find(thinking, .os)?.turnaroundP50,
        over: think?.turnaroundP50, 3, isMost: false)
      hold(
        "\(name), think times: delay + run p95 of partition", think?.turnaroundP95,
        over: find(thinking, .partition)?.turnaroundP95, 1, isMost: true)
    }
    let explained = rows.compactMap(\.unexplainedWaits)
    targets.append(
      Target(
        text: "cells that waited without an explanation, of all scheduled arms", wanted: "0",
        reached: explained.isEmpty ? "not measured" : "\(explained.reduce(0, +))",
        isReached: explained.isEmpty ? nil : explained.allSatisfy { $0 == 0 }))
    return targets
  }

  /// How the pairs of schemes of one workload stand by ANTT: how many the simulator has in the order seen, of how many, and
  /// of those how many whose ranges do not overlap.
  public func order(of workload: Workload) -> (right: Int, pairs: Int, clearRight: Int, clearPairs: Int) {
    let own = checks.filter { $0.prediction.workload == workload }
    var result = (right: 0, pairs: 0, clearRight: 0, clearPairs: 0)
    for (place, one) in own.enumerated() {
      for other in own[(place + 1)...] {
        guard let a = row(workload, one.prediction.scheme), let b = row(workload, other.prediction.scheme) else {
          continue
        }
        let isRight = (one.prediction.antt < other.prediction.antt) == (a.antt.median < b.antt.median)
        let isClear = a.antt.most < b.antt.least || b.antt.most < a.antt.least
        result.pairs += 1
        if isRight { result.right += 1 }
        if isClear { result.clearPairs += 1 }
        if isRight, isClear { result.clearRight += 1 }
      }
    }
    return result
  }
}

/// A figure for a table, to three significant digits.
func figure(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let magnitude = abs(value)
  if magnitude >= 100 { return "\(Int(value.rounded()))" }
  let scale = magnitude >= 10 ? 10.0 : magnitude >= 1 ? 100 : 1000
  let scaled = Int((magnitude * scale).rounded())
  let digits = magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3
  let whole = scaled / Int(scale)
  let rest = String(scaled % Int(scale))
  return (value < 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: digits - rest.count) + rest
}

/// "3.21 (3.05–3.40)"; the median alone where there is only one value.
func figure(_ spread: Spread) -> String {
  spread.count == 1
    ? figure(spread.median) : "\(figure(spread.median)) (\(figure(spread.least))–\(figure(spread.most)))"
}
