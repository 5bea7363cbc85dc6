import Domain
import Glibc
import Metrics
import Simulation
import Terminal
import Traces

/// A run with what only its caller knows.
struct FinishedRun {
  var run: Run
  /// No schedule has a lower ANTT than this.
  var lowerBound: Double
  /// GPU-hours that `reservation` holds more than this policy; nil where it was not run.
  var gpuHoursSaved: Double?
  var wallSeconds: Double

  /// The run as a JSON object, with the keys of the design's section 9.
  func json(withPolicy: Bool) -> String {
    let m = run.measures
    var members: [(String, String)] = withPolicy ? [("policy", run.policy.jsonQuoted)] : []
    members += [
      ("antt", number(m.antt)), ("stp", number(m.stp)), ("anttWithThink", number(m.anttWithThink)),
      ("stpWithThink", number(m.stpWithThink)), ("anttLowerBound", number(lowerBound)), ("wait", waits(m.wait)),
      ("queued", waits(m.queued)), ("turnaroundMean", number(m.turnaroundMean)),
      ("slowdownMean", number(m.slowdownMean)), ("boundedSlowdownMean", number(m.boundedSlowdownMean)),
      ("makespan", number(m.makespan)), ("worstNTT", number(m.worstNTT)), ("jain", number(m.jain)),
      ("preemptions", "\(m.preemptions)"), ("suspendedHours", number(m.suspendedHours)),
      ("evictions", "\(m.evictions)"), ("swapHours", number(m.swapHours)),
      ("held", "{\"cores\": \(number(m.heldCores)), \"gpus\": \(number(m.heldGPUs))}"),
      ("busy", "{\"cores\": \(number(m.busyCores)), \"gpus\": \(number(m.busyGPUs))}"),
      ("gpuHoursHeld", number(m.gpuHoursHeld)),
      ("gpuHoursSavedAgainstReservation", gpuHoursSaved.map(number) ?? "null"),
      ("cellsEnded", "\(m.cellsEnded)"), ("cellsFailed", "\(m.cellsFailed)"), ("entries", "\(run.entries)"),
      ("digest", "\"\(run.digest)\""), ("wallSeconds", number(wallSeconds)),
    ]
    return "{" + members.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
  }

  private func waits(_ waits: Waits) -> String {
    let members = [
      ("mean", waits.mean), ("p50", waits.p50), ("p95", waits.p95), ("p99", waits.p99), ("max", waits.max),
      ("over1s", waits.over1s), ("over10s", waits.over10s),
    ]
    return "{" + members.map { "\"\($0.0)\": \(number($0.1))" }.joined(separator: ", ") + "}"
  }

  /// A number as JSON wants it: finite, to nine significant digits.
  private func number(_ value: Double) -> String { decimal(value, digits: 9) }
}

/// A number to `digits` significant digits, without an exponent's surprises; `null` where it is not finite.
func decimal(_ value: Double, digits: Int) -> String {
  guard value.isFinite else { return "null" }
  if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
  let magnitude = Int(log10(abs(value)).rounded(.down))
  let scale = pow(10.0, Double(max(min(digits - 1 - magnitude, 15), 0)))
  return "\((value * scale).rounded() / scale)"
}

/// A line on the terminal's standard error that is written over while work goes on.
struct ProgressLine {
  private let isShown = isatty(2) == 1
  private var began = monotonicSeconds()
  private var last = 0.0
  private var hasWritten = false

  /// Shows how far the work has come, after its first second and ten times a second at the most.
  ///
  /// - Parameter share: from 0 to 1; nil where the end is not known.
  mutating func show(_ text: String, share: Double?) {
    let now = monotonicSeconds()
    guard now - began > 1, now - last > (isShown ? 0.1 : 5) else { return }
    last = now
    hasWritten = true
    let text = share.map { "\(text): \(Int($0 * 100)) %" } ?? text
    writeError(isShown ? "\r\u{1B}[K\(text)" : "\(text)\n")
  }

  /// Shows what was done where nobody knows how much there is.
  mutating func show(_ text: String) {
    let now = monotonicSeconds()
    guard now - began > 1, now - last > (isShown ? 0.1 : 5) else { return }
    last = now
    hasWritten = true
    writeError(isShown ? "\r\u{1B}[K\(text)" : "\(text)\n")
  }

  mutating func clear() {
    if hasWritten && isShown { writeError("\r\u{1B}[K") }
    began = monotonicSeconds()
    hasWritten = false
  }
}

/// Seconds on the monotonic clock.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Seconds that the processor has worked for this process, on all its threads.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Writes to the standard error, as it is.
func writeError(_ text: String) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    if count <= 0 { return }
    bytes = bytes.dropFirst(count)
  }
}

/// Says what is wrong, with hostile text made printable, and ends with the status of wrong use.
func refuseUse(_ error: some Error) -> Never {
  Tool.complain("\(error)")
  exit(2)
}

/// Whether the standard output is a terminal that wants colours (https://no-color.org).
var colourWanted: Bool { isatty(1) == 1 && !ScreenOptions.fromEnvironment().isColorless }
