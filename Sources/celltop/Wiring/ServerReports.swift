import ArgumentParser
import Domain
import Foundation
import Logging
import Logs
import Monitoring
import Session
import Synchronization

/// What a server tells whoever runs it.
struct ReportOptions: ParsableArguments {
  @Option(
    help: """
      Offer figures for Prometheus at this address, such as 127.0.0.1:9464 or a port alone; only this machine may read them.
      """)
  var metrics: String?

  @Flag(help: "Let other machines read the figures, too.")
  var metricsAnywhere = false

  @Option(
    help: """
      How much to log: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")) (default: CELLTOP_LOG_LEVEL, else info).
      """)
  var logLevel: String?

  func validate() throws {
    if let metrics {
      do throws(ParseError) { _ = try MetricsAddress(parsing: metrics, anywhere: metricsAnywhere) } catch {
        throw ValidationError("\(error)")
      }
    }
    guard metrics != nil || !metricsAnywhere else {
      throw ValidationError("--metrics-anywhere needs --metrics with an address")
    }
    _ = try level(environment: ProcessInfo.processInfo.environment)
  }

  func level(environment: [String: String]) throws -> Logger.Level {
    let variable = environment["CELLTOP_LOG_LEVEL"].flatMap { $0.isEmpty ? nil : $0 }
    guard let text = logLevel ?? variable else { return .info }
    guard let level = Logger.Level(rawValue: text.lowercased()) else {
      throw ValidationError(
        "cannot read the log level '\(text.printable(at: 40))': write \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))"
      )
    }
    return level
  }
}

/// What entries say in the log.
private final class HeardEntries: Sendable {
  private let log: Mutex<EntryLog>

  init(_ logger: Logger) { log = Mutex(EntryLog(logger)) }

  func take(_ entries: [Entry]) { log.withLock { $0.take(entries) } }
}

/// A server's log, its figures and its word to systemd.
///
/// Make it before the session, give `hears` to the session's configuration, and call `begin` and `end` around its life.
final class ServerReports {
  let logger: Logger
  private let output: LogOutput
  private let address: MetricsAddress?
  private let notice: ServiceNotice?
  private var server: MetricsServer?
  /// To be told of entries, on the engine's thread: lines are only queued here.
  let hears: @Sendable ([Entry]) -> Void
  /// To be told why the history is incomplete, and nil once it is complete again, on the engine's thread.
  let hearsTrouble: @Sendable (String?) -> Void

  /// To be told of turns of the engine's thread that took long, on that thread.
  let hearsSlowTurns: @Sendable (SlowTurn) -> Void

  /// - Throws: `ParseError` or `ValidationError` where an option cannot be read.
  init(_ options: ReportOptions) throws {
    let environment = ProcessInfo.processInfo.environment
    let level = try options.level(environment: environment)
    let output = LogOutput(isJournal: LogOutput.isJournal(environment: environment))
    self.output = output
    let logger = Logger(label: "celltop") { OutputHandler(label: $0, level: level, output: output) }
    self.logger = logger
    address = try options.metrics.map { try MetricsAddress(parsing: $0, anywhere: options.metricsAnywhere) }
    notice = ServiceNotice(environment: environment)
    let heard = HeardEntries(logger)
    hears = { heard.take($0) }
    hearsTrouble = { trouble in
      if let trouble {
        logger.warning("the history is not being recorded; scheduling goes on", metadata: ["why": "\(trouble)"])
      } else {
        logger.notice("the history is recorded again")
      }
    }
    hearsSlowTurns = { turn in
      func milliseconds(_ span: Span) -> String { decimal(span.seconds * 1000, digits: 3) }
      var facts: Logger.Metadata = [
        "ms": "\(milliseconds(turn.wall))", "processor": "\(milliseconds(turn.processor))",
        "entries": "\(turn.entries)",
      ]
      for (part, took) in turn.took {
        facts[part.rawValue] = "\(milliseconds(took.wall))/\(milliseconds(took.processor))"
      }
      logger.notice("a turn took long", metadata: facts)
    }
    // Kernels and helpers started later are none of systemd's business.
    unsetenv("NOTIFY_SOCKET")
  }

  /// The session runs: figures are offered, and systemd is told.
  ///
  /// - Throws: `MetricsError` where the address cannot be used.
  func begin(_ session: LiveSession, at socket: String) throws {
    if let address {
      let made = try MetricsServer(address) { Self.page(session) }
      made.start()
      server = made
      logger.notice("metrics are offered", metadata: ["address": "http://\(made.address)/metrics"])
    }
    logger.notice("serving", metadata: ["socket": "\(socket)", "session": "\(session.number)"])
    notice?.ready(status: "serving at \(socket)")
  }

  /// The session is about to end.
  func ending(_ why: String) {
    notice?.stopping()
    logger.notice("ending", metadata: ["why": "\(why)"])
  }

  /// The session has ended.
  func end() {
    server?.stop()
    output.finish()
  }

  private static func page(_ session: LiveSession) -> String {
    let facts = session.facts
    return SessionMetrics(
      board: session.board.take(), meters: session.meters.take(), version: Celltop.version, gates: facts.gates,
      consoles: facts.consoles, trouble: session.trouble, entriesWaiting: facts.entriesWaiting,
      entriesLost: facts.entriesLost, process: ProcessGauge(pid: getpid()).use
    ).text
  }
}

extension ProcessGauge {
  /// This process for a scrape; nil where /proc cannot be read.
  var use: ProcessUse? {
    guard let reading = read() else { return nil }
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return ProcessUse(
      processorSeconds: reading.processorSeconds, residentBytes: reading.residentBytes,
      descriptors: reading.descriptors,
      descriptorsMost: Int(clamping: limit.rlim_cur))
  }
}
