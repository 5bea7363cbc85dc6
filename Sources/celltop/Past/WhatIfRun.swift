import Domain
import Engine
import History
import Policies
import Projections
import WhatIf

/// A recorded session decided again, with what is to be said of it.
struct WhatIfRun {
  let summary: SessionSummary
  let changes: Changes
  let from: Instant
  let world: Counterfactual
  let comparison: WorldComparison
  /// The loop with nothing changed: how far the model itself is off.
  let control: WorldComparison

  /// - Parameter from: nil for the moment of the first order that is left out, else for the session's beginning.
  /// - Throws: `Refusal` and `WhatIfError` for what was asked wrongly, `HistoryError` and `ToolError` for what cannot be
  ///   read.
  init(
    _ session: RecordedSession, _ changes: Changes, from: ((SessionScript) throws -> Instant)?,
    progress: ((Double) -> Void)? = nil
  ) throws {
    let recording = try StoredRecording(session)
    let script = try SessionScript(recording)
    let from = try from.map { try $0(script) } ?? Self.moment(of: changes, in: script)
    var world = try Counterfactual(
      recording, script: script, changes: changes, from: from, catalogue: .standard)
    var control = try Counterfactual(
      recording, script: script, changes: Changes(), from: from, catalogue: .standard)
    control.run()
    world.run(progress: progress)
    self.control = WorldComparison(of: control)
    comparison = WorldComparison(of: world)
    self.changes = changes
    self.from = from
    self.world = world
    summary = session.summary
  }

  private static func moment(of changes: Changes, in script: SessionScript) -> Instant {
    var moments: [Instant] = []
    for omission in changes.without {
      switch omission {
      case .action(let number):
        if script.actions.indices.contains(number - 1) { moments.append(script.actions[number - 1].at) }
      case .everyAction: if let first = script.actions.first { moments.append(first.at) }
      }
    }
    return moments.min() ?? .zero
  }
}

// MARK: In words and figures

extension WhatIfRun {
  /// The two worlds as tables show them.
  var table: SideBySide {
    let (then, now) = (comparison.recorded, comparison.again)
    func measure(
      _ name: String, _ key: KeyPath<WorldComparison.Figures, Double>, isLessBetter: Bool? = true,
      _ show: (Double) -> String
    ) -> SideBySide.Measure {
      // Where nothing is compared, 0 and 1 are no figures of anything.
      guard comparison.cellsCompared > 0 else { return .init(name: name, recorded: "-", again: "-", verdict: .same) }
      let (a, b) = (then[keyPath: key], now[keyPath: key])
      let isSame = show(a) == show(b) || isLessBetter == nil
      return .init(
        name: name, recorded: show(a), again: show(b),
        verdict: isSame ? .same : (b < a) == (isLessBetter ?? true) ? .better : .worse)
    }
    let figure = { (value: Double) in decimal(value, digits: 4) }
    let measures = [
      measure("ANTT", \.antt, figure), measure("STP", \.stp, isLessBetter: false, figure),
      measure("worst NTT", \.worstNTT, figure), measure("Jain's index", \.jain, isLessBetter: false, figure),
      measure("wait mean", \.waitMean, duration), measure("wait p50", \.waitP50, duration),
      measure("wait p95", \.waitP95, duration), measure("wait longest", \.waitMax, duration),
      measure("makespan", \.makespan, duration), measure("GPU-hours held", \.gpuHours, isLessBetter: nil, figure),
      measure("core-hours held", \.coreHours, isLessBetter: nil, figure),
      .init(
        name: "preemptions", recorded: "\(then.preemptions)", again: "\(now.preemptions)", verdict: .same),
    ]
    return SideBySide(
      changes: changes.text, from: from, measures: measures, users: comparison.users.map(person),
      notebooks: comparison.notebooks.map(person), notes: notes)
  }

  private func person(_ person: WorldComparison.Person) -> SideBySide.Person {
    let isSame = abs(person.gain) < 0.0005
    var change = isSame ? "as it was" : (person.gain > 0 ? "gains " : "loses ") + duration(abs(person.gain))
    if person.neverEnding > 0 { change = "\(person.neverEnding) never end\(person.neverEnding == 1 ? "s" : "")" }
    return .init(
      name: person.name, cells: "\(person.cells)", recorded: duration(person.waitRecorded),
      again: duration(person.waitAgain), change: change,
      verdict: person.neverEnding > 0 ? .worse : isSame ? .same : person.gain > 0 ? .better : .worse)
  }

  /// What a reader must know before trusting the figures.
  var notes: [String] {
    var notes: [String] = []
    if comparison.cellsCompared == 0 { notes.append("no cell can be compared: none ended after that moment") }
    if comparison.cellsNeverEnding > 0 {
      notes.append(
        "without an end there: \(counted(comparison.cellsNeverEnding, "cell")), whose waits are counted up to its last moment"
      )
    }
    if comparison.cellsNeverSubmitted > 0 {
      notes.append("never submitted there, and left out: \(counted(comparison.cellsNeverSubmitted, "cell"))")
    }
    if comparison.cellsRefused > 0 {
      notes.append(
        "refused there, because the node could never hold what they ask for, and left out: \(counted(comparison.cellsRefused, "cell"))"
      )
    }
    if comparison.cellsGuessed > 0 {
      notes.append(
        "run for a guessed time (interrupted, lost or never started then), and left out: \(counted(comparison.cellsGuessed, "cell"))"
      )
    }
    if comparison.ordersDiffering > 0 {
      notes.append("answered otherwise there: \(counted(comparison.ordersDiffering, "order"))")
    }
    if let difference = world.pastDifference {
      notes.append(
        "the past is decided otherwise today (entry \(difference.sequence)); the policy's memory of it is made anew")
    }
    let (was, comes) = (control.recorded.antt, control.again.antt)
    if was > 0, abs(comes - was) / was > 0.005 {
      notes.append(
        "with nothing changed the loop gives ANTT \(decimal(comes, digits: 4)) for \(decimal(was, digits: 4)): trust no smaller difference"
      )
    }
    return notes
  }

  /// For people, as text; names are made safe to show.
  func text(_ place: (Instant) -> String) -> String {
    let table = table
    var lines = [
      "session \(summary.id), what if \(table.changes.printable(at: 200)) from \(place(from)) on: \(counted(comparison.cellsCompared, "cell")) compared",
      "",
    ]
    lines += Self.aligned(
      [["", "as it was", "what if", ""]]
        + table.measures.map { [$0.name, $0.recorded, $0.again, Self.sign($0.verdict)] },
      left: [0, 3])
    for (title, people) in [("users", table.users), ("notebooks", table.notebooks)] where !people.isEmpty {
      lines.append("")
      lines += Self.aligned(
        [[title, "cells", "waited", "what if", ""]]
          + people.map { [$0.name.printable(at: 40), $0.cells, $0.recorded, $0.again, $0.change] }, left: [0, 4])
    }
    if !table.notes.isEmpty { lines += [""] + table.notes.map { "note: \($0)" } }
    return lines.joined(separator: "\n")
  }

  private static func sign(_ verdict: SideBySide.Verdict) -> String {
    switch verdict {
    case .better: "better"
    case .worse: "worse"
    case .same: ""
    }
  }

  /// Rows in columns; those of `left` begin at the left, the others end at the right.
  private static func aligned(_ rows: [[String]], left: Set<Int>) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = row.enumerated().map { column, text in
        let gap = String(repeating: " ", count: widths[column] - text.count)
        return left.contains(column) ? text + gap : gap + text
      }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// For programs.
  struct Report: Encodable {
    var session: Int64
    var changes: String
    var fromSeconds: Double
    var comparison: WorldComparison
    var control: WorldComparison.Figures
    var notes: [String]
    var entries: Int
    var digest: String
  }

  var report: Report {
    Report(
      session: summary.id, changes: changes.text, fromSeconds: from.seconds, comparison: comparison,
      control: control.again, notes: notes, entries: world.entries.count, digest: world.digest.hexadecimal)
  }
}
