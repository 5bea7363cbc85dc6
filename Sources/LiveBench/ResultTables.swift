import Simulation

/// The tables of a bench as Markdown, which is also how they are printed.
public struct ResultTables: Sendable {
  private let record: BenchRecord
  private let results: BenchResults
  private let command: String

  /// - Parameter command: what was typed to get them.
  public init(_ record: BenchRecord, _ results: BenchResults, command: String) {
    self.record = record
    self.results = results
    self.command = command
  }

  /// Everything, in the order in which one would read it.
  public var markdown: String {
    ([head, targets] + record.plan.blocks.map(workload) + [simulator, alone, machine]).joined(separator: "\n\n") + "\n"
  }

  private func table(_ titles: [String], _ rows: [[String]]) -> String {
    let lines = [titles, titles.map { _ in "---" }] + rows
    return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
  }

  private var head: String {
    let plan = record.plan
    let missing = plan.arms.count - record.arms.count
    let noisy = record.arms.filter(\.load.isNoisy)
    var lines = [
      "`\(command)`, ended \(record.when); the last sitting took \(Int(record.seconds)) s. \(record.arms.count) of "
        + "\(plan.arms.count) arms, \(plan.repetitions) repetition\(plan.repetitions == 1 ? "" : "s"), seed \(plan.seed), "
        + "size \(figure(plan.size)) × \(plan.spread.map(figure).joined(separator: "/")), think times × "
        + "\(figure(plan.thinkScale)) and at most \(figure(plan.thinkSecondsMost)) s, policy `\(plan.dynamic)`."
    ]
    if missing > 0 { lines.append("**\(missing) arms are missing**: time did not suffice, or they failed.") }
    lines.append(
      noisy.isEmpty
        ? "No arm was noisy (others' processor time over \(Int(OtherLoad.noisyShare * 100)) % of the machine, stolen time over \(Int(OtherLoad.noisySteal * 100)) %, or waits for a disk over \(Int(OtherLoad.noisyDisk * 100)) % of the time)."
        : "**\(noisy.count) arms were noisy** (others' processor time up to "
          + "\(figure((noisy.map(\.load.others).max() ?? 0) * 100)) % of the machine, stolen up to "
          + "\(figure((noisy.map(\.load.stolen).max() ?? 0) * 100)) %, waits for a disk up to "
          + "\(figure((noisy.compactMap(\.load.diskWaits).max() ?? 0) * 100)) %): do not trust their figures.")
    return lines.joined(separator: "\n")
  }

  private var targets: String {
    "### Targets\n\n"
      + table(
        ["what", "wanted", "measured", ""],
        results.targets.map { target in
          [
            target.text, target.wanted, target.reached,
            target.isReached.map { $0 ? "reached" : "**not reached**" } ?? "",
          ]
        })
  }

  private func workload(_ block: BenchPlan.Block) -> String {
    let rows = block.schemes.compactMap { results.row(block.workload, $0) }
    guard !rows.isEmpty else { return "### \(block.workload.title)\n\nNot measured." }
    var titles = ["scheme", "ANTT", "STP"]
    if block.workload.thinks { titles += ["ANTT with think", "STP with think"] }
    titles += [
      "worst NTT", "delay p50, s", "delay p95, s", "delay + run p50, s", "delay + run p95, s", "makespan, s",
      "preempted", "shrunk", "unexplained waits", "runs",
    ]
    let lines = rows.map { row in
      var cells = [row.scheme.rawValue, figure(row.antt), figure(row.stp)]
      if block.workload.thinks { cells += [figure(row.anttWithThink), figure(row.stpWithThink)] }
      cells += [
        figure(row.worstNTT), figure(row.delayP50), figure(row.delayP95), figure(row.turnaroundP50),
        figure(row.turnaroundP95), figure(row.makespan), count(row.preemptions), count(row.shrinks),
        row.unexplainedWaits.map { "\($0) of \(row.waits ?? 0)" } ?? "–",
        "\(row.antt.count)" + (row.noisy > 0 ? ", \(row.noisy) noisy" : "")
          + ((row.faults ?? 0) > 0 ? ", \(row.faults ?? 0) faults" : ""),
      ]
      return cells
    }
    var text = "### \(block.workload.title)\n\n" + table(titles, lines)
    if let partition = rows.first(where: { $0.scheme == .partition }) { text += "\n\nPartition: \(partition.setUp)." }
    return text
  }

  private func count(_ spread: Spread?) -> String { spread.map { "\(Int($0.median))" } ?? "–" }

  private var simulator: String {
    guard !results.checks.isEmpty else {
      return "### The simulator's word\n\nNot calibrated: a run that it takes is missing."
    }
    let rows = results.checks.map { check in
      [
        check.prediction.workload.title, check.prediction.scheme.rawValue, figure(check.antt),
        figure(check.prediction.antt), percent(check.anttError), figure(check.stp), figure(check.prediction.stp),
        percent(check.stpError),
      ]
    }
    let orders = record.plan.blocks.map(\.workload).compactMap { workload -> String? in
      let order = results.order(of: workload)
      guard order.pairs > 0 else { return nil }
      return "\(workload.title): \(order.right) of \(order.pairs) pairs in the order seen"
        + (order.clearPairs > 0 ? " (\(order.clearRight) of the \(order.clearPairs) whose ranges do not overlap)" : "")
    }
    let within = results.checks.count { abs($0.anttError) <= 0.15 && abs($0.stpError) <= 0.15 }
    return "### The simulator's word\n\n"
      + table(
        ["workload", "scheme", "ANTT seen", "predicted", "off by", "STP seen", "predicted", "off by"], rows)
      + "\n\nWithin 15 %, both: \(within) of \(results.checks.count). " + orders.joined(separator: "; ") + "."
      + (results.gateSeconds.map { " A gate adds \(figure($0 * 1000)) ms to a cell." } ?? "")
  }

  private func percent(_ share: Double) -> String {
    let value = Int((share * 100).rounded())
    return value > 0 ? "+\(value) %" : "\(value) %"
  }

  private var alone: String {
    let times = record.alone
    let calibration = Calibration(record, sharesByNotebook: false)
    let rows = record.plan.documents.map { document in
      let cells = calibration?.cells[document] ?? []
      let single = cells.reduce(0) { $0 + $1.single }
      let whole = times.whole(document) ?? 0
      func loss(_ kind: (Calibration.Cell) -> SharingLoss, _ point: (SharingLoss) -> SharingLoss.Point) -> String {
        guard single > 0, cells.contains(where: { point(kind($0)).load > 1 }) else { return "–" }
        let lost = cells.reduce(0) { $0 + $1.single * point(kind($1)).loss }
        return figure(1 + lost / single) + " ×"
      }
      return [
        document, figure(record.plan.size(of: document)), "\(times.seconds[document]?.count ?? 0)", figure(whole),
        figure((times.processor[document] ?? []).reduce(0, +)), figure(single),
        figure(cells.reduce(0) { $0 + $1.oneCore }), figure(cells.reduce(0) { $0 + $1.gated }), loss(\.loss, \.light),
        loss(\.loss, \.heavy), loss(\.lossPassive, \.light), loss(\.lossPassive, \.heavy),
      ]
    }
    let starts = (record.arms.map(\.kernelStartSeconds) + record.sides.map(\.kernelStartSeconds)).filter { $0 > 0 }
    return "### Alone\n\n"
      + table(
        [
          "notebook", "size", "cells", "T_alone, s", "processor, s", "one core of a busy node, s",
          "one core behind a gate, s", "all cores behind a gate, s",
          "loss among few", "among all", "passive: among few", "among all",
        ], rows)
      + "\n\nA kernel took \(figure(LiveMeasures.percentile(starts, 0.5))) s to start (median), before the clock of an arm begins."
  }

  private var machine: String {
    "### Machine\n\n" + table(["", ""], record.machine.facts.map { [$0.name, $0.value] })
  }
}

/// A document with a part that a command writes, between two lines that mark it.
public enum MarkedPart {
  public static let begin = "<!-- written by celltop bench live: begin -->"
  public static let end = "<!-- written by celltop bench live: end -->"

  /// The document with its part replaced; nil where it has no such lines.
  public static func replace(in document: String, with text: String) -> String? {
    guard let from = document.place(of: begin, from: document.startIndex),
      let to = document.place(of: end, from: from.upperBound)
    else { return nil }
    return document[..<from.upperBound] + "\n\n" + text + "\n" + document[to.lowerBound...]
  }
}

extension String {
  /// Where `part` first occurs at `start` or later.
  fileprivate func place(of part: String, from start: String.Index) -> Range<String.Index>? {
    var at = start
    while at < endIndex {
      if self[at...].hasPrefix(part), let end = index(at, offsetBy: part.count, limitedBy: endIndex) { return at..<end }
      at = index(after: at)
    }
    return nil
  }
}
