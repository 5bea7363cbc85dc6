import ArgumentParser
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
import Projections
import ServerLink
import Session

/// A live session with its console in the same process, as a demonstration has it.
final class LiveRun {
  /// The policies there are.
  static let policies = PolicyCatalogue.standard.names
  /// What decides where nothing is said: Docs/Decisions/0114.
  static let defaultPolicy = "dynamic"

  private let session: LiveSession
  private let looks: Looks
  private let isReadOnly: Bool

  /// The session's number in the history; 0 where none is kept.
  var number: Int64 { session.number }

  /// Why the session is not fully recorded; nil where it is.
  var trouble: String? { session.trouble }

  /// - Parameters:
  ///   - socket: where to listen.
  ///   - note: what the history says of the session.
  init(_ options: LiveOptions, socket: String, note: String) throws {
    looks = try Looks(theme: options.theme)
    isReadOnly = options.readOnly
    session = try Self.session(options.engine, socket: socket, note: note)
    session.start()
  }

  /// A live session on this node, not yet started.
  ///
  /// - Parameters:
  ///   - isShared: whether every user of the node may connect.
  ///   - needsConsole: whether it ends when the last console has left.
  ///   - madeUpCores: how many cores a made-up node has that is scheduled in place of this one; nil for this one.
  ///   - hears: told of entries once they are in the history, on the engine's thread; it must be quick.
  ///   - hearsTrouble: told why the recording is incomplete, and nil once it is complete again, likewise.
  static func session(
    _ options: EngineOptions, socket: String, note: String, isShared: Bool = false, needsConsole: Bool = false,
    madeUpCores: Int? = nil, hears: (@Sendable ([Entry]) -> Void)? = nil,
    hearsTrouble: (@Sendable (String?) -> Void)? = nil,
    slowTurns: (least: Span, hears: @Sendable (SlowTurn) -> Void)? = nil
  ) throws -> LiveSession {
    let environment = ProcessInfo.processInfo.environment
    let driver = LinuxNode()
    let capacity = driver.capacity()
    let settings = try settings(options, within: capacity, environment: environment)
    let node =
      madeUpCores.map { Node(id: NodeID(0), name: "made-up", cores: CoreSet(0..<$0)) }
      ?? Inventory.here(capacity: capacity, settings: settings, environment: environment).node
    var configuration = LiveSession.Configuration(
      node: node, socketPath: socket, host: capacity.name, user: NSUserName())
    configuration.policy = options.policy
    configuration.note = note
    configuration.evictsGPUMemory = settings.eviction == .cudaCheckpoint
    configuration.telling = settings.telling
    let server = try Tool.serverSettings(environment: environment)
    (configuration.access, configuration.limits) = (server.access, server.limits)
    configuration.socketMode = isShared ? 0o666 : 0o600
    configuration.needsConsole = needsConsole
    configuration.hears = hears
    configuration.hearsTrouble = hearsTrouble
    configuration.slowTurns = slowTurns
    configuration.server = "celltop \(Celltop.version)"
    let history = options.noHistory ? nil : HistoryStore.standardPath(environment: environment)
    return try LiveSession(configuration, on: driver, history: history)
  }

  /// What the configuration and the options say of the node.
  ///
  /// - Throws: as `Tool.settings`, and `ToolError` where they name cores that this process may not use.
  private static func settings(
    _ options: EngineOptions, within capacity: NodeCapacity, environment: [String: String]
  ) throws -> NodeSettings {
    var settings = try Tool.settings(environment: environment)
    if let named = try cores(options, within: capacity) {
      settings.cores = named
    } else if let asked = settings.cores {
      try demand(asked, by: "node.cores of the configuration", within: capacity)
    }
    return settings
  }

  /// The cores of `--cores`; nil where it is not given.
  private static func cores(_ options: EngineOptions, within capacity: NodeCapacity) throws -> CoreSet? {
    guard let named = options.cores else { return nil }
    let asked = try CoreSet(parsing: named)
    try demand(asked, by: "--cores", within: capacity)
    return asked
  }

  private static func demand(_ asked: CoreSet, by place: String, within capacity: NodeCapacity) throws {
    guard asked.isEmpty || !asked.isSubset(of: capacity.cores) else { return }
    throw ToolError("\(place) \(asked): this process may use the cores \(capacity.cores)")
  }

  /// This node's server and its board; nil where none runs.
  private static func serverNow(environment: [String: String]) throws(AttachError) -> (ServerConnection, AttachedBoard)?
  {
    do throws(AttachError) {
      return try ControlOptions.board(at: SocketPath.candidates(environment: environment, uid: getuid()))
    } catch {
      guard case .nobody = error else { throw error }
      return nil
    }
  }

  /// The exit status where no server answers, as `celltop ctl` has it.
  static let noServerStatus: Int32 = 3

  /// Prints the session of this node's server as far as this user may see it. Where none runs, prints the node as it is, says
  /// so, and exits with `noServerStatus`. Starts nothing.
  static func printOnce(_ options: LiveOptions, _ printing: OncePrint) throws {
    let environment = ProcessInfo.processInfo.environment
    let capacity = LinuxNode().capacity()
    let named = try cores(options.engine, within: capacity)
    if let (connection, fold) = try serverNow(environment: environment) {
      if named != nil { Tool.complain("a server runs here, with cores of its own: --cores is passed over") }
      let facts = SessionFacts(connection.welcome, confirmsQuit: false)
      return try printing.print(
        fold.board, at: connection.now, facts: facts, theme: Looks(theme: options.theme).theme,
        notRecorded: connection.trouble)
    }
    let inventory = Inventory.here(
      capacity: capacity, settings: try settings(options.engine, within: capacity, environment: environment),
      environment: environment)
    let clock = SessionClock()
    var facts = SessionFacts(
      mode: .live, number: 0, user: NSUserName(), beganWallMicroseconds: clock.beganWallMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(), isReadOnly: true)
    facts.hasServer = false
    try printing.print(
      OncePrint.nodeAlone(inventory.node, policy: options.engine.policy), at: clock.now, facts: facts,
      theme: Looks(theme: options.theme).theme)
    Tool.complain(OncePrint.noServer)
    throw ExitCode(Self.noServerStatus)
  }

  /// Closes the session; the gates go on without an engine.
  func end() { session.stop() }

  /// Shows the console until it is left.
  func show() throws {
    let facts = SessionFacts(
      mode: .live, number: session.number, user: NSUserName(),
      beganWallMicroseconds: session.clock.beganWallMicroseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(), isReadOnly: isReadOnly)
    var state = ConsoleState(session: facts, firstCommand: UInt64.random(in: 1...(1 << 40)))
    state.policies = Self.policies
    _ = try ConsoleRunner(LiveSource(session), state: state, looks: looks, log: try Tool.logPath()).run()
  }
}
