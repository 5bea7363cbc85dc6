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

/// A live session with its console.
final class LiveRun {
  /// The policies there are.
  static let policies = PolicyCatalogue.standard.names
  /// What decides where nothing is said. It never takes cores from a running cell: see Docs/Decisions/0005.
  static let defaultPolicy = "fcfs"

  private let session: LiveSession
  private let looks: Looks
  private let isReadOnly: Bool

  /// The session's number in the history; 0 where none is kept.
  var number: Int64 { session.number }

  /// Why the session is not fully recorded; nil where it is.
  var trouble: String? { session.trouble }

  /// - Parameters:
  ///   - socket: where to listen; nil for the standard place.
  ///   - note: what the history says of the session.
  init(_ options: LiveOptions, socket: String?, note: String) throws {
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
      node: inventory.node, socketPath: socket ?? SocketPath.standard(environment: environment, uid: getuid()),
      host: capacity.name, user: NSUserName())
    configuration.policy = options.policy
    configuration.note = note
    configuration.evictsGPUMemory = settings.eviction == .cudaCheckpoint
    configuration.telling = settings.telling
    let history = options.noHistory ? nil : HistoryStore.standardPath(environment: environment)
    looks = try Looks(theme: options.theme)
    isReadOnly = options.readOnly
    session = try LiveSession(configuration, on: driver, history: history)
    session.start()
  }

  /// Prints the node, or what is known of it, and starts nothing.
  static func printOnce(_ options: LiveOptions, _ printing: OncePrint) throws {
    let environment = ProcessInfo.processInfo.environment
    let capacity = LinuxNode().capacity()
    let inventory = Inventory.here(
      capacity: capacity, settings: try Tool.settings(environment: environment), environment: environment)
    let clock = SessionClock()
    let facts = SessionFacts(
      mode: .live, number: 0, user: NSUserName(), beganWallMicroseconds: clock.beganWallMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(), isReadOnly: true)
    try printing.print(
      OncePrint.nodeAlone(inventory.node, policy: options.policy), at: clock.now, facts: facts,
      theme: Looks(theme: options.theme).theme)
  }

  /// Closes the session; the gates go on without an engine.
  func end() { session.stop() }

  /// Shows the console until it is left.
  func show(confirmsQuit: Bool) throws {
    let facts = SessionFacts(
      mode: .live, number: session.number, user: NSUserName(),
      beganWallMicroseconds: session.clock.beganWallMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(), isReadOnly: isReadOnly, confirmsQuit: confirmsQuit)
    var state = ConsoleState(session: facts, firstCommand: UInt64.random(in: 1...(1 << 40)))
    state.policies = Self.policies
    try ConsoleRunner(LiveSource(session), state: state, looks: looks, log: Tool.logPath()).run()
  }
}
