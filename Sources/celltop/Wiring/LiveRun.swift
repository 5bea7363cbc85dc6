import Canvas
import Console
import Domain
import Engine
import Foundation
import GateLink
import History
import NodeControl
import NodeInventory
import Policies
import Session

/// A live session with its console in the same process, as a demonstration has it.
final class LiveRun {
  /// The policies there are.
  static let policies = PolicyCatalogue.standard.names
  /// What decides where nothing is said. It never takes cores from a running cell: see Docs/Decisions/0005.
  static let defaultPolicy = "fcfs"

  private let session: LiveSession
  private let theme: Theme

  /// The session's number in the history; 0 where none is kept.
  var number: Int64 { session.number }

  /// Why the session is not fully recorded; nil where it is.
  var trouble: String? { session.trouble }

  /// - Parameters:
  ///   - socket: where to listen.
  ///   - note: what the history says of the session.
  init(_ options: LiveOptions, socket: String, note: String) throws {
    theme = try Tool.theme(options.theme)
    session = try Self.session(options.engine, socket: socket, note: note)
    session.start()
  }

  /// A live session on this node, not yet started.
  ///
  /// - Parameters:
  ///   - isShared: whether every user of the node may connect.
  ///   - needsConsole: whether it ends when the last console has left.
  static func session(
    _ options: EngineOptions, socket: String, note: String, isShared: Bool = false, needsConsole: Bool = false
  )
    throws -> LiveSession
  {
    let environment = ProcessInfo.processInfo.environment
    let driver = LinuxNode()
    let capacity = driver.capacity()
    var settings = try Tool.settings(environment: environment)
    if let named = options.cores { settings.cores = try CoreSet(parsing: named) }
    if let asked = settings.cores, asked.isEmpty || !asked.isSubset(of: capacity.cores) {
      let place = options.cores == nil ? "node.cores of the configuration" : "--cores"
      throw ToolError("\(place) \(asked): this process may use the cores \(capacity.cores)")
    }
    let inventory = Inventory.here(capacity: capacity, settings: settings, environment: environment)
    var configuration = LiveSession.Configuration(
      node: inventory.node, socketPath: socket, host: capacity.name, user: NSUserName())
    configuration.policy = options.policy
    configuration.note = note
    configuration.evictsGPUMemory = settings.eviction == .cudaCheckpoint
    configuration.telling = settings.telling
    configuration.socketMode = isShared ? 0o666 : 0o600
    configuration.needsConsole = needsConsole
    configuration.server = "celltop \(Celltop.version)"
    let history = options.noHistory ? nil : HistoryStore.standardPath(environment: environment)
    return try LiveSession(configuration, on: driver, history: history)
  }

  /// Closes the session; the gates go on without an engine.
  func end() { session.stop() }

  /// Shows the console until it is left.
  func show() throws {
    let facts = SessionFacts(
      mode: .live, number: session.number, user: NSUserName(),
      beganWallMicroseconds: session.clock.beganWallMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT())
    let state = ConsoleState(session: facts, firstCommand: UInt64.random(in: 1...(1 << 40)))
    _ = try ConsoleRunner(LiveSource(session), state: state, theme: theme, log: Tool.logPath()).run()
  }
}
