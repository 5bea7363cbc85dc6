import ArgumentParser
import Domain
import Foundation
import Projections
import ServerLink
import Session

/// `celltop bench load`: what an engine costs under a thousand gates, and how soon it grants.
struct LoadBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Measure an engine under many gates: how soon it grants, and what it uses.",
    discussion: """
      Starts a server of its own (celltop serve) on a node that is made up, with a history in a folder of its own; and \
      connects simulated gates to its socket, each with a process that the server samples like a kernel's, and consoles, \
      of which one never reads. The gates' cells come at random times at a steady rate. Waits are counted for the cells \
      for which there was room, from the moment before the submission is sent to the moment after the grant is read, in \
      the gates' process. Exit status 1 where a bound is broken: grant p99 5 ms, a quarter of a core, 150 MB, no growth, \
      no core given twice, no cell lost.

      A soak:  celltop bench load --rate 50 --seconds 3600
      """)

  @Option(help: "Gates.") var gates = 1000
  @Option(help: "Cells a second, all gates together.") var rate = 200.0
  @Option(help: "Seconds to measure for.") var seconds = 600.0
  @Option(help: "Seconds before the measuring begins.") var warm = 20.0
  @Option(name: .customLong("run"), help: "Seconds that a cell runs, on the average.") var cellSeconds = 0.25
  @Option(help: "Cores of the made-up node.") var cores = 256
  @OptionGroup var deciding: CrowdPolicy
  @Option(help: "Where the draws begin.") var seed: UInt64 = 1
  @Option(help: "Consoles that are attached and follow.") var consoles = 19
  @Option(help: "Consoles that are attached and never read.") var stuck = 1
  @Flag(help: "Give the gates no processes, so that the engine samples none.") var noProcesses = false
  @Flag(help: "Let the engine keep no history.") var noHistory = false
  @Option(help: "Microseconds of wait allowed at the 99th percentile; the other bounds stay.") var allowed = 5000
  @Option(help: "Keep the server's log here; it tells of the engine's turns over 3 ms, part by part.") var log: String?
  @Flag(help: "Print a JSON object.") var json = false

  func validate() throws {
    guard (1...20_000).contains(gates), rate > 0, rate <= 100_000, (1...100_000).contains(seconds),
      (0...10_000).contains(warm), cellSeconds > 0, (1...4096).contains(cores), allowed > 0, consoles >= 0, stuck >= 0,
      consoles + stuck <= 64
    else {
      throw ValidationError(
        "--gates is from 1 to 20000, --rate up to 100000, --seconds from 1 to 100000, --warm up to 10000, --run above 0, --cores from 1 to 4096, --consoles and --stuck up to 64 together"
      )
    }
    guard Double(gates) / rate > cellSeconds else {
      throw ValidationError(
        "\(gates) gates cannot submit \(rate) cells a second that run \(cellSeconds) s each. Give more gates, or shorter cells"
      )
    }
  }

  func run() throws {
    var isWithin = false
    try Tool.reporting { isWithin = try measure() }
    if !isWithin { throw ExitCode(1) }
  }

  private func measure() throws -> Bool {
    let limit = DescriptorLimit.raise()
    guard limit > gates + 64 else {
      throw ToolError("\(gates) gates need as many open files, and \(limit) are allowed. Raise it: ulimit -Hn")
    }
    let folder = NSTemporaryDirectory() + "/celltop-load-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let kernels = try IdleProcesses(noProcesses ? 0 : gates)
    defer { kernels.end() }
    let engine = try EngineProcess(
      folder: folder, cores: cores, policy: deciding.policy, hasHistory: !noHistory, log: log)
    defer { engine.end() }
    try engine.awaitListening()
    var settings = GateCrowd.Settings()
    (settings.socket, settings.gates, settings.cellsPerSecond) = (engine.socket, gates, rate)
    (settings.runMean, settings.cores, settings.seed) = (Span(seconds: cellSeconds), cores, seed)
    settings.kernels = kernels.pids
    let crowd = try GateCrowd(settings)

    let gates = gates
    guard crowd.play(until: crowd.now + Span(seconds: 600), { crowd.governed == gates }) else {
      throw ToolError("only \(crowd.governed) of \(gates) gates were welcomed within ten minutes")
    }
    let connected = crowd.now
    let attach = Attach(client: "celltop bench load", stream: .packed, form: Board.wireForm)
    let consoles = try (0..<self.consoles).map { _ in try AttachedSession([engine.socket], attach) }
    for console in consoles { console.start() }
    defer { for console in consoles { console.leave() } }
    let stuck = try (0..<self.stuck).map { _ in try StuckConsole(engine.socket) }
    var cells = (due: 0.0, before: 0)
    crowd.play(until: crowd.now + Span(seconds: warm))
    crowd.startMeasuring()
    var gauge = try LoadGauge(engine: engine.pid)
    let end = crowd.now + Span(seconds: seconds)
    while crowd.now < end {
      crowd.play(until: min(end, crowd.now + Span(seconds: 1)))
      try gauge.sample()
      for console in stuck { try console.breathe() }
      if gauge.wallSeconds >= cells.due {
        progress(gauge, crowd.figures.granted - cells.before)
        cells = (gauge.wallSeconds + min(300, max(10, seconds / 12)), crowd.figures.granted)
      }
    }
    let measured = crowd.figures
    crowd.stopSubmitting()
    crowd.play(until: crowd.now + Span(seconds: 30)) { crowd.cellsInHand == 0 }
    // Whoever follows has the last entries within a moment.
    let following = { consoles.count { $0.standing.away == nil && $0.board.take().notebooks.count >= gates } }
    crowd.play(until: crowd.now + Span(seconds: 5)) { following() == consoles.count }
    var report = LoadReport(measured, gauge: gauge, allowedMicroseconds: allowed)
    report.counts = crowd.figures
    report.gates = gates
    (report.consoles, report.consolesLost) = (consoles.count, consoles.count - following())
    report.stuckConsoles = stuck.count
    report.stuckLetGo = stuck.reduce(0) { $0 + $1.timesLetGo }
    report.connectSeconds = connected.seconds
    report.cellsLeft = crowd.cellsInHand
    report.coresGivenTwice = crowd.figures.coresGivenTwice
    report.refused = crowd.figures.refused
    report.lastRefusal = crowd.figures.lastRefusal
    report.gatesLost = crowd.figures.lost
    print(json ? report.json : report.text)
    return report.broken.isEmpty
  }
  /// A line on how it stands: what a soak is read by.
  private func progress(_ gauge: LoadGauge, _ cells: Int) {
    let last = gauge.last
    Tool.progress(
      "bench load: after \(Int(gauge.wallSeconds)) s of \(Int(seconds)): \(cells) cells since, \(last.residentBytes >> 10) KiB resident, \(last.descriptors) descriptors, \(last.threads) threads, \(decimal(last.processorSeconds, digits: 5)) s of processor"
    )
  }
}
