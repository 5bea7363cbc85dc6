import Domain
import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// Where the lines of a log go, and how they look: to a terminal or a file with the time and the level; to systemd's journal
/// with its number for the level instead, because the journal notes the time itself (sd-daemon(3)).
public final class LogOutput: Sendable {
  private let sink: LineSink
  private let isJournal: Bool
  private let repetition = Mutex(Repetition())
  private let clock: @Sendable () -> Double

  /// - Parameters:
  ///   - descriptor: the standard error, as a rule.
  ///   - isJournal: whether the journal reads it.
  ///   - clock: seconds since 1970.
  public init(
    _ descriptor: Int32 = 2, isJournal: Bool, clock: @escaping @Sendable () -> Double = LogOutput.wallSeconds
  ) {
    sink = LineSink(descriptor)
    self.isJournal = isJournal
    self.clock = clock
  }

  /// Whether the descriptor is the one that systemd connected to its journal (systemd.exec(5), JOURNAL_STREAM).
  public static func isJournal(_ descriptor: Int32 = 2, environment: [String: String]) -> Bool {
    var facts = stat()
    guard let told = environment["JOURNAL_STREAM"], fstat(descriptor, &facts) == 0 else { return false }
    return told == "\(facts.st_dev):\(facts.st_ino)"
  }

  public static let wallSeconds: @Sendable () -> Double = { Date().timeIntervalSince1970 }

  /// Writes what waits; nothing is logged afterwards.
  public func finish() { sink.finish() }

  func write(_ level: Logger.Level, _ text: String) {
    let now = clock()
    switch repetition.withLock({ $0.judge(text, at: now) }) {
    case .hold: return
    case .pass(let held):
      let more = held > 0 ? " (\(held) more of these were held back)" : ""
      sink.write(head(level, now) + text + more)
    }
  }

  private func head(_ level: Logger.Level, _ now: Double) -> String {
    if isJournal { return "<\(level.journalNumber)>" }
    let time = Date(timeIntervalSince1970: now).formatted(.iso8601)
    return "\(time) \(level.rawValue) "
  }
}

/// One logger's way to the output. Control characters are shown as `?`, and nothing is longer than a line of `lengthMost`
/// characters: names of notebooks and of users come from outside.
public struct OutputHandler: LogHandler {
  static let lengthMost = 1000

  public var metadata: Logger.Metadata = [:]
  public var logLevel: Logger.Level
  private let label: String
  private let output: LogOutput

  public init(label: String, level: Logger.Level, output: LogOutput) {
    self.label = label
    logLevel = level
    self.output = output
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var all = metadata.merging(event.metadata ?? [:]) { $1 }
    if let error = event.error { all["error"] = "\(error)" }
    let facts = all.sorted { $0.key < $1.key }.map {
      " \($0.key)=\("\($0.value)".printable(at: 200).quotedWhereNeeded)"
    }
    let text = label + ": " + "\(event.message)".printable(at: 600) + facts.joined()
    output.write(event.level, text.printable(at: Self.lengthMost))
  }
}

extension Logger.Level {
  /// As syslog(3) numbers it.
  var journalNumber: Int {
    switch self {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}

extension String {
  /// In quotes where it is no single word.
  fileprivate var quotedWhereNeeded: String {
    guard isEmpty || contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return self }
    return "\"" + replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
