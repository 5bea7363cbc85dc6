import CLinux
import Domain
import Forecast
import Foundation
import GateLink
import History
import NodeControl
import Projections
import Synchronization

/// A session on real kernels: one thread runs the engine, speaks with the gates and writes the history.
///
/// `@unchecked Sendable`: everything but the mailbox and the board box belongs to the engine's thread once it runs.
public final class LiveSession: @unchecked Sendable {
  public struct Configuration: Sendable {
    public var node: Node
    public var policy = "fcfs"
    public var socketPath: String
    /// What a cell asks for where nothing else says anything.
    public var defaultDemand = Demand.oneCore
    public var host: String
    public var user: String
    public var note = ""
    /// Whether the GPU memory of suspended cells is moved away (cuda-checkpoint).
    public var evictsGPUMemory = false

    public init(node: Node, socketPath: String, host: String, user: String) {
      self.node = node
      self.socketPath = socketPath
      self.host = host
      self.user = user
    }
  }

  /// The time between two signs of life to the gates.
  static let pingPeriod = Span(seconds: 2)
  /// How often the engine's thread wakes for a history that could not be written.
  static let retryPeriod = Span(seconds: 1)

  public let clock = SessionClock()
  public let board = BoardBox()
  /// The session's number in the history; 0 where nothing is recorded, or nothing yet.
  public var number: Int64 { mailbox.withLock { $0.number } }

  private struct Mailbox {
    var commands: [Command] = []
    var isStopping = false
    var trouble: String?
    var number: Int64 = 0
    var kernels: [NotebookID: Int32] = [:]
  }

  private let mailbox = Mutex(Mailbox())
  private let wake: Int32 = celltop_eventfd()
  /// Nil once the session has ended.
  private var listener: Listener?
  private var driver: EngineDriver
  private var desk: GateDesk
  private var sampler: UsageSampler
  private var connections: [GateConnection] = []
  private var nextPing = Instant.zero
  /// Until when nobody is accepted, after the descriptors ran out.
  private var acceptAgain = Instant.zero
  private var thread: Thread?
  private let finished = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - nodeDriver: asked what the kernels use.
  ///   - history: the file to record in; nil records nothing. Where it cannot be opened or written, the session goes on
  ///     all the same, `trouble` says why, and the recording begins as soon as it is possible.
  /// - Throws: `SessionError` or `Refusal`, before anything runs.
  public init(_ configuration: Configuration, on nodeDriver: any NodeDriver, history: String?) throws {
    listener = try Listener(path: configuration.socketPath)
    let heading = SessionWriter.Heading(
      kind: "live", host: configuration.host, user: configuration.user,
      beganMicroseconds: clock.beganWallMicroseconds, note: configuration.note)
    let writer = history.map { SessionWriter(path: $0, heading) }
    let session = writer?.session ?? 0
    let past = history.flatMap { try? HistoryStore(reading: $0) }.map {
      PastForecaster(of: $0, before: session > 0 ? session : .max)
    }
    let keeper = history.map { ForecasterKeeper(besideHistory: $0, trouble: past?.trouble) }
    driver = try EngineDriver(
      policy: configuration.policy, forecaster: past?.forecaster ?? Forecaster(), keeper: keeper, writer: writer,
      board: board)
    desk = GateDesk(
      defaultDemand: configuration.defaultDemand, session: session, evictsGPUMemory: configuration.evictsGPUMemory)
    sampler = UsageSampler(node: nodeDriver)
    driver.handle(.observation(.nodeFound(configuration.node)), at: clock.now)
    _ = driver.commit()
    tellTrouble()
  }

  deinit { close(wake) }

  /// Starts the engine's thread.
  public func start() {
    let thread = Thread { [self] in
      run()
      finished.signal()
    }
    thread.name = "engine"
    thread.stackSize = 4 << 20
    self.thread = thread
    thread.start()
  }

  /// Hands an operator's command to the engine; the answer comes with the board.
  public func submit(_ command: Command) {
    mailbox.withLock { $0.commands.append(command) }
    celltop_eventfd_signal(wake)
  }

  /// Why the recording is incomplete at present; nil where it is complete.
  public var trouble: String? { mailbox.withLock { $0.trouble } }

  /// The process of a notebook's kernel, by its number; nil where none is known.
  public func kernelProcess(of id: NotebookID) -> Int32? { mailbox.withLock { $0.kernels[id] } }

  /// Ends the session: the recording is closed, the socket is gone, gates go on without an engine.
  public func stop() {
    mailbox.withLock { $0.isStopping = true }
    celltop_eventfd_signal(wake)
    if thread != nil { finished.wait() }
    thread = nil
  }
}

// MARK: The engine's thread

extension LiveSession {
  private func run() {
    while true {
      let ready = waitForWork()
      let now = clock.now
      celltop_eventfd_clear(wake)
      let (commands, isStopping) = mailbox.withLock { box in
        defer { box.commands = [] }
        return (box.commands, box.isStopping)
      }
      for command in commands { driver.handle(.command(command), at: now) }
      if ready.isConnecting { acceptAll() }
      for connection in ready.connections { serve(connection, at: now) }
      if driver.wakeAt <= now { driver.handle(.timer, at: now) }
      if desk.hasOrphans { desk.settleOrphans(&driver, at: now) }
      sample(at: now)
      if isStopping {
        _ = driver.commit()
        driver.end()
        tellTrouble()
        connections = []
        desk = GateDesk(defaultDemand: desk.defaultDemand, session: number)
        listener = nil
        return
      }
      desk.perform(driver.commit(), driver.state)
      if desk.hasGates, nextPing <= now {
        nextPing = now + Self.pingPeriod
        desk.ping()
      }
      drop(at: now)
      tellTrouble()
    }
  }

  private func tellTrouble() {
    let (trouble, number, kernels) = (driver.trouble, driver.session, desk.kernels)
    mailbox.withLock { ($0.trouble, $0.number, $0.kernels) = (trouble, number, kernels) }
  }

  private func waitForWork() -> (isConnecting: Bool, connections: [GateConnection]) {
    // A descriptor of -1 is passed over by poll(2).
    let listening = acceptAgain <= clock.now ? listener?.descriptor ?? -1 : -1
    var descriptors = [
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
      pollfd(fd: listening, events: Int16(POLLIN), revents: 0),
    ]
    for connection in connections {
      let events = POLLIN | (connection.wantsToWrite ? POLLOUT : 0)
      descriptors.append(pollfd(fd: connection.descriptor, events: Int16(events), revents: 0))
    }
    let count = poll(&descriptors, nfds_t(descriptors.count), timeoutMilliseconds())
    guard count > 0 else { return (false, []) }
    let ready = zip(connections, descriptors.dropFirst(2)).filter { $1.revents != 0 }.map(\.0)
    return (descriptors[1].revents != 0, ready)
  }

  /// How long nothing has to be done; -1 for as long as nothing happens.
  private func timeoutMilliseconds() -> Int32 {
    let now = clock.now
    var next = driver.wakeAt
    if desk.hasOrphans { next = min(next, now + Span(microseconds: 100_000)) }
    if desk.hasGates { next = min(next, nextPing) }
    if acceptAgain > now { next = min(next, acceptAgain) }
    // What could not be written is tried again though nothing else happens.
    if driver.trouble != nil { next = min(next, now + Self.retryPeriod) }
    if let due = sampler.due, driver.state.runningCount > 0 { next = min(next, due) }
    guard next < .never else { return -1 }
    return Int32(clamping: max(0, (next - now).microseconds + 999) / 1000)
  }

  private func acceptAll() {
    guard let listener else { return }
    while true {
      let descriptor = celltop_accept(listener.descriptor)
      guard descriptor >= 0 else {
        if errno == EMFILE || errno == ENFILE { acceptAgain = clock.now + Span(seconds: 1) }
        return
      }
      if let connection = GateConnection(accepted: descriptor) { connections.append(connection) }
    }
  }

  private func serve(_ connection: GateConnection, at now: Instant) {
    connection.flush()
    for message in connection.receive() { desk.receive(message, from: connection, &driver, at: now) }
  }

  private func drop(at now: Instant) {
    guard connections.contains(where: \.isBroken) else { return }
    for connection in connections where connection.isBroken { desk.lost(connection, &driver, at: now) }
    connections.removeAll(where: \.isBroken)
    desk.perform(driver.commit(), driver.state)
  }

  private func sample(at now: Instant) {
    guard driver.state.runningCount > 0 else { return sampler.rest() }
    guard sampler.isDue(at: now) else { return }
    let running = driver.state.notebooks.indices.map { NotebookID(Int32($0)) }.filter {
      driver.state[$0].state == .running
    }
    for (id, usage) in sampler.sample(running.compactMap { id in desk.kernels[id].map { (id, $0) } }, at: now) {
      driver.handle(.observation(.usageSampled(id, usage)), at: now)
    }
  }
}
