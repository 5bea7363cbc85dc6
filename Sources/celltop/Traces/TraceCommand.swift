import ArgumentParser
import Domain
import Metrics
import Traces

/// `celltop trace`: reads, shows, fits and makes traces.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Import, show, fit, generate and export traces.",
    subcommands: [TraceImport.self, TraceShow.self, TraceFit.self, TraceGenerate.self, TraceExport.self])

  /// Nothing that is there is replaced unasked: ends the process, as for wrong use.
  static func demandNothing(at output: String, unless force: Bool) {
    guard !force else { return }
    do { try AtomicOutput.demandNothing(at: output) } catch { refuseUse(error) }
  }

  /// Writes a trace, and tells what is in it and what is not.
  ///
  /// - Parameter json: tells it as one JSON object.
  static func deliver(_ imported: Imported, to output: String, json: Bool) throws(TraceError) {
    guard imported.trace.cellCount > 0 else {
      throw TraceError(file: output, because: "is not written: there is no cell to write", mend: "Look at the input.")
    }
    try TraceFile.write(NativeTrace.write(imported.trace), to: output)
    if json {
      print(object(of: imported))
      return
    }
    print(summary(of: imported.trace))
    for note in imported.notes { print("note   \(note)") }
    for entry in imported.leftOut.entries {
      print("left   \(entry.count) × \(entry.why)\(entry.first.isEmpty ? "" : ", first at \(entry.first)")")
    }
    if imported.leftOut.entries.isEmpty { print("left   nothing was left out") }
  }

  /// The same as one JSON object; times in seconds.
  static func object(of imported: Imported) -> String {
    func number(_ value: Double) -> String { decimal(value, digits: 9) }
    func spans(_ spans: [Span]) -> String {
      var values = ContiguousArray(spans.map(\.microseconds))
      let waits = Waits(of: &values)
      return
        "{\"mean\": \(number(waits.mean)), \"p50\": \(number(waits.p50)), \"p95\": \(number(waits.p95)), \"p99\": \(number(waits.p99)), \"max\": \(number(waits.max))}"
    }
    let trace = imported.trace
    let cells = trace.notebooks.flatMap(\.cells)
    let outcomes = CellOutcome.allCases.map { outcome in
      "\"\(outcome.word)\": \(cells.count { $0.outcome == outcome })"
    }
    let leftOut = imported.leftOut.entries.map { entry in
      "{\"why\": \(entry.why.jsonQuoted), \"count\": \(entry.count), \"first\": \(entry.first.jsonQuoted)}"
    }
    let members = [
      "\"trace\": \(trace.name.jsonQuoted)", "\"note\": \(trace.note.jsonQuoted)",
      "\"notebooks\": \(trace.notebooks.count)", "\"users\": \(Set(trace.notebooks.map(\.user)).count)",
      "\"cells\": \(cells.count)", "\"span\": \(number(trace.span.seconds))", "\"run\": \(spans(cells.map(\.run)))",
      "\"think\": \(spans(trace.notebooks.flatMap { $0.cells.dropFirst().map(\.think) }))",
      "\"cores\": \(cells.map(\.cores).max() ?? 0)", "\"gpus\": \(cells.map(\.gpus).max() ?? 0)",
      "\"outcomes\": {\(outcomes.joined(separator: ", "))}",
      "\"notes\": [\(imported.notes.map(\.jsonQuoted).joined(separator: ", "))]",
      "\"leftOut\": [\(leftOut.joined(separator: ", "))]",
    ]
    return "{\(members.joined(separator: ", "))}"
  }

  /// A trace in a few lines.
  static func summary(of trace: Trace) -> String {
    func row(_ name: String, _ spans: [Span]) -> String {
      var values = ContiguousArray(spans.map(\.microseconds))
      let waits = Waits(of: &values)
      return
        "\(name)  mean \(duration(waits.mean)), p50 \(duration(waits.p50)), p95 \(duration(waits.p95)), p99 \(duration(waits.p99)), longest \(duration(waits.max))"
    }
    let cells = trace.notebooks.flatMap(\.cells)
    let thinks = trace.notebooks.flatMap { $0.cells.dropFirst().map(\.think) }
    let users = Set(trace.notebooks.map(\.user)).count
    let failed = CellOutcome.allCases.filter { $0 != .ok }.compactMap { outcome in
      let count = cells.count { $0.outcome == outcome }
      return count > 0 ? "\(count) \(outcome.word)" : nil
    }
    let ends = failed.isEmpty ? "" : "\nends   \(failed.joined(separator: ", "))"
    return """
      \(trace.name): \(counted(trace.notebooks.count, "notebook")) of \(counted(users, "user")), \(counted(cells.count, "cell")) over \(duration(trace.span.seconds))
      \(row("run  ", cells.map(\.run)))
      \(row("think", thinks))
      cores  up to \(cells.map(\.cores).max() ?? 0); GPUs up to \(cells.map(\.gpus).max() ?? 0)\(ends)
      """
  }
}
