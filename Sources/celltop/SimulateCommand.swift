import ArgumentParser
import Domain
import Engine
import History
import Metrics
import Policies
import Simulation
import Traces

/// `celltop simulate`: plays a trace under one policy.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Play a trace in virtual time under one policy, and say what came of it.",
    discussion: """
      The trace is played closed-loop: a notebook's next cell is submitted its think time after the one before it ended.

      Policies: fcfs, sjf, backfill, fairshare, partition, reservation, os, dynamic; options follow a colon, as in \
      'dynamic:no-preemption,ageing=24'.
      """)

  @Argument(help: "A native trace (.jsonl) or the AdobeTrace's CSV.")
  var trace: String

  @Option(name: [.long, .short], help: "The policy, with its options after a colon.")
  var policy = "dynamic"

  @OptionGroup var options: SimulationOptions

  @Option(help: "Record the session in this history file, to be replayed like a real one.", completion: .file())
  var record: String?

  @Flag(help: "With --record: record why cells wait, too. That takes several times as long, and as much room.")
  var reasons = false

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func validate() throws {
    if reasons, record == nil { throw ValidationError("--reasons is for --record: it says what is recorded") }
  }

  func run() throws {
    let trace: Trace
    do throws(TraceError) { trace = try options.trace(at: self.trace) } catch { refuseUse(error) }
    let node = options.node(for: trace)
    let finished =
      if let record {
        try recorded(trace, on: node, in: record)
      } else {
        simulated(trace, on: node, policy: policy, options: options)
      }
    print(json ? finished.json(withPolicy: true) : finished.text(trace: trace, node: node))
  }
}

extension SimulateCommand {
  /// Plays `trace` into a history file.
  private func recorded(_ trace: Trace, on node: Node, in path: String) throws -> FinishedRun {
    var line = ProgressLine()
    let began = monotonicSeconds()
    var settings = Simulator.Settings(
      policy: policy, contention: options.contention, engine: Scheduler.Settings(explainsWaits: reasons))
    settings.keepsEntries = true
    let simulator: Simulator
    do throws(Refusal) {
      simulator = try Simulator(
        trace, on: node, settings: settings, forecast: options.source(for: trace), catalogue: .standard)
    } catch { refuseUse(options.mended(error, for: trace)) }
    do throws(HistoryError) {
      var recorder = try SimulationRecorder(simulator, into: try HistoryStore(path: path), note: trace.name)
      let cells = Double(max(trace.cellCount, 1))
      while !recorder.isOver {
        try recorder.play()
        line.show("\(policy) on \(trace.name)", share: Double(recorder.simulator.scheduler.state.ended) / cells)
      }
      try recorder.end()
      line.clear()
      Tool.progress("recorded as session \(recorder.session) of \(path)")
      return FinishedRun(
        run: Run(of: &recorder.simulator), lowerBound: LowerBound(of: trace, on: node).antt, gpuHoursSaved: nil,
        wallSeconds: monotonicSeconds() - began)
    } catch {
      line.clear()
      Tool.progress("celltop: \(error)")
      throw ExitCode(1)
    }
  }
}

/// Plays `trace` and takes the time; wrong use ends the process.
func simulated(
  _ trace: Trace, on node: Node, policy: String, options: SimulationOptions, keepsHistory: Bool = false
) -> FinishedRun {
  var line = ProgressLine()
  let began = monotonicSeconds()
  do throws(Refusal) {
    let settings = Simulator.Settings(policy: policy, contention: options.contention, keepsHistory: keepsHistory)
    let run = try Run(
      trace, on: node, settings: settings, forecast: options.source(for: trace), catalogue: .standard,
      progress: { line.show("\(policy) on \(trace.name)", share: $0) })
    line.clear()
    return FinishedRun(
      run: run, lowerBound: LowerBound(of: trace, on: node).antt, gpuHoursSaved: nil,
      wallSeconds: monotonicSeconds() - began)
  } catch {
    refuseUse(options.mended(error, for: trace))
  }
}

extension FinishedRun {
  /// The run for people.
  func text(trace: Trace, node: Node) -> String {
    let m = run.measures
    func seconds(_ value: Double) -> String { duration(value) }
    let rows = [
      ("trace", "\(trace.name): \(counted(trace.notebooks.count, "notebook")), \(counted(trace.cellCount, "cell"))"),
      ("node", node.counts.joined(separator: ", ")), ("policy", run.policy),
      ("ANTT", "\(decimal(m.antt, digits: 4))  (no schedule is below \(decimal(lowerBound, digits: 4)))"),
      ("STP", "\(decimal(m.stp, digits: 4)) of \(trace.notebooks.count)"),
      (
        "wait",
        "mean \(seconds(m.wait.mean)), p50 \(seconds(m.wait.p50)), p95 \(seconds(m.wait.p95)), p99 \(seconds(m.wait.p99)), longest \(seconds(m.wait.max))"
      ), ("makespan", seconds(m.makespan)), ("worst NTT", decimal(m.worstNTT, digits: 4)),
      ("preemptions", "\(m.preemptions)"),
      ("cells", "\(m.cellsEnded) ended, \(m.cellsFailed) failed"),
      ("log", "\(run.entries) entries, digest \(run.digest), \(decimal(wallSeconds, digits: 3)) s"),
    ]
    return rows.map { name, text in name + String(repeating: " ", count: 13 - name.count) + text }
      .joined(separator: "\n")
  }
}

/// A length of time as people say it.
func duration(_ seconds: Double) -> String {
  switch seconds {
  case ..<10: "\(decimal(seconds, digits: 2)) s"
  case ..<120: "\(Int(seconds.rounded())) s"
  case ..<7200: "\(Int((seconds / 60).rounded())) min"
  case ..<172_800: "\(decimal(seconds / 3600, digits: 3)) h"
  default: "\(decimal(seconds / 86_400, digits: 3)) d"
  }
}
