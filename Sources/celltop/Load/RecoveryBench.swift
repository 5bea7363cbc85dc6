import ArgumentParser
import Domain
import Foundation
import History
import Session

/// `celltop bench recovery`: an engine is killed under load again and again, and what becomes of the cells is counted.
struct RecoveryBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recovery", abstract: "Kill an engine under load, start another, and count what becomes of the cells.",
    discussion: """
      Starts an engine of its own on a node that is made up, and simulated gates with more cells than it has cores, so that \
      some run and some wait. Then kills it (SIGKILL), starts another at the same socket with the same history, and \
      measures how soon every gate is back. Exit status 1 where a gate took more than two seconds, a core was given twice, a \
      cell was lost or run twice, a cell that ran was not adopted with its cores, or the history does not say which \
      session goes on.
      """)

  @Option(help: "Gates.") var gates = 30
  @Option(help: "Times that the engine is killed.") var kills = 5
  @Option(help: "Cores of the made-up node.") var cores = 16
  @Option(help: "Cells a second, all gates together, while they are granted at once.") var rate = 20.0
  @Option(name: .customLong("run"), help: "Seconds that a cell runs, on the average.") var cellSeconds = 1.0
  @Option(help: "Seconds without any engine before the next one is started.") var away = 0.3
  @OptionGroup var deciding: CrowdPolicy
  @Option(help: "Where the draws begin.") var seed: UInt64 = 1
  @Option(help: "Seconds that gates may take to come back.") var allowed = 2.0
  @Flag(help: "Print a JSON object.") var json = false

  func validate() throws {
    guard (1...5000).contains(gates), (1...1000).contains(kills), (1...4096).contains(cores), rate > 0, cellSeconds > 0,
      (0...60).contains(away), allowed > 0
    else {
      throw ValidationError(
        "--gates is from 1 to 5000, --kills from 1 to 1000, --cores from 1 to 4096, --away up to 60")
    }
  }

  /// What one kill brought.
  private struct Kill {
    var ran: [String: CoreSet]
    var waited: Int
    var backSeconds: Double
    var startSeconds: Double
  }

  func run() throws {
    var broken: [String] = []
    try Tool.reporting { broken = try measure() }
    if !broken.isEmpty { throw ExitCode(1) }
  }

  private func measure() throws -> [String] {
    DescriptorLimit.raise()
    let folder = NSTemporaryDirectory() + "/celltop-recovery-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func start() throws -> EngineProcess {
      try EngineProcess(folder: folder, cores: cores, policy: deciding.policy, hasHistory: true)
    }
    var engine = try start()
    defer { engine.end() }
    try engine.awaitListening()
    var settings = GateCrowd.Settings()
    (settings.socket, settings.gates, settings.cellsPerSecond) = (engine.socket, gates, rate)
    (settings.runMean, settings.cores, settings.seed) = (Span(seconds: cellSeconds), cores, seed)
    // However long a busy machine takes to start the server: a cell that ran without an engine would be adopted on shared cores,
    // and would tell nothing of what a server hands to its successor.
    settings.failOpenAfter = Span(seconds: 60)
    let crowd = try GateCrowd(settings)
    let gates = gates
    guard crowd.play(until: crowd.now + Span(seconds: 30), { crowd.governed == gates }) else {
      throw ToolError("only \(crowd.governed) of \(gates) gates were welcomed within half a minute")
    }
    var done: [Kill] = []
    for turn in 0..<kills {
      crowd.play(until: crowd.now + Span(seconds: 2))
      let (ran, waited) = (crowd.granted, crowd.waiting)
      engine.kill()
      crowd.play(until: crowd.now + Span(seconds: away))
      let began = crowd.now
      engine = try start()
      while try !engine.isListening() { crowd.play(until: crowd.now + Span(microseconds: 5000)) }
      let listening = crowd.now
      guard crowd.play(until: listening + Span(seconds: 30), { crowd.governed == gates }) else {
        throw ToolError(
          "after kill \(turn + 1) only \(crowd.governed) of \(gates) gates came back within half a minute")
      }
      done.append(
        Kill(
          ran: ran, waited: waited, backSeconds: (crowd.figures.lastGoverned - listening).seconds,
          startSeconds: (listening - began).seconds))
      Tool.progress("bench recovery: kill \(turn + 1) of \(kills): all back after \(done.last?.backSeconds ?? 0) s")
    }
    crowd.play(until: crowd.now + Span(seconds: 2))
    crowd.stopSubmitting()
    crowd.play(until: crowd.now + Span(seconds: 60)) { crowd.cellsInHand == 0 }
    crowd.play(until: crowd.now + Span(microseconds: 200_000))
    engine.end()
    return report(done, crowd, try recorded(engine.history, done))
  }

  /// What the history says: adoptions with other cores than the cell had, and sessions that do not say what they resume.
  private func recorded(_ path: String, _ done: [Kill]) throws -> (adopted: Int, moved: Int, unmarked: Int) {
    let store = try HistoryStore(reading: path)
    let sessions = try store.sessions().reversed().map { $0 }
    guard sessions.count == done.count + 1 else {
      throw ToolError("the history holds \(sessions.count) sessions, and \(done.count + 1) were recorded")
    }
    var (adopted, moved, unmarked) = (0, 0, 0)
    for (turn, kill) in done.enumerated() {
      let session = sessions[turn + 1]
      if !session.note.contains("continues session \(sessions[turn].id)") { unmarked += 1 }
      var names: [NotebookID: String] = [:]
      for entry in try store.entries(of: session.id, limit: .max) {
        if case .notebookOpened(let notebook) = entry.event { names[notebook.id] = notebook.gate }
        guard case .cellAdopted(let cell, _, let allotment) = entry.event,
          let had = kill.ran[names[cell.notebook] ?? ""]
        else { continue }
        adopted += 1
        if allotment.cores != had || allotment.shared { moved += 1 }
      }
    }
    return (adopted, moved, unmarked)
  }

  private func report(
    _ done: [Kill], _ crowd: GateCrowd, _ recorded: (adopted: Int, moved: Int, unmarked: Int)
  ) -> [String] {
    let figures = crowd.figures
    let back = done.map(\.backSeconds).max() ?? 0
    var broken: [String] = []
    if back > allowed { broken.append("gates took longer than allowed") }
    if figures.coresGivenTwice > 0 { broken.append("cores were given twice") }
    if crowd.cellsInHand > 0 { broken.append("cells were lost") }
    if figures.refused > 0 {
      broken.append("cells were granted that did not wait: \(figures.lastRefusal.printable(at: 80))")
    }
    if recorded.moved > 0 { broken.append("cells were adopted with other cores than they had") }
    if recorded.unmarked > 0 { broken.append("sessions do not say which they resume") }
    if !figures.isWhole { broken.append("not every cell started and ended once") }
    let rows: [(String, Double)] = [
      ("gates", Double(gates)), ("kills", Double(done.count)), ("backSecondsMost", back),
      ("startSecondsMost", done.map(\.startSeconds).max() ?? 0), ("cells", Double(figures.submitted)),
      ("cellsEnded", Double(figures.ended)), ("ranAtAKill", Double(done.reduce(0) { $0 + $1.ran.count })),
      ("waitedAtAKill", Double(done.reduce(0) { $0 + $1.waited })), ("adopted", Double(recorded.adopted)),
      ("adoptedWithOtherCores", Double(recorded.moved)), ("coresGivenTwice", Double(figures.coresGivenTwice)),
      ("cellsGrantedTwice", Double(figures.grantedTwice)), ("cellsLost", Double(crowd.cellsInHand)),
      ("ordersRefused", Double(figures.refused)),
      ("ordersLate", Double(figures.late)),
      ("ranWithoutEngine", Double(figures.ranWithoutEngine)), ("sessionsNotMarked", Double(recorded.unmarked)),
    ]
    if json {
      let facts = rows.map { "\"\($0.0)\": \(decimal($0.1, digits: 5))" }.joined(separator: ", ")
      print("{\"bench\": \"recovery\", \(facts), \"broken\": [\(broken.map { "\"\($0)\"" }.joined(separator: ", "))]}")
    } else {
      for row in rows {
        print(row.0 + String(repeating: " ", count: max(26 - row.0.count, 1)) + decimal(row.1, digits: 4))
      }
      print(broken.isEmpty ? "nothing was lost" : "BROKEN: " + broken.joined(separator: "; "))
    }
    return broken
  }
}
