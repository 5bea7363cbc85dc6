import CLinux
import Domain
import Forecast
import Foundation
import GateLink
import History
import NodeControl
import Projections
import Synchronization
import Verbs

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
    /// Whom the gates tell what a held cell waits for.
    public var telling = Telling()

    public init(node: Node, socketPath: String, host: String, user: String) {
      self.node = node
      self.socketPath = socketPath
      self.host = host
      self.user = user
    }
  }

  /// How often the engine's thread wakes for a history that could not be written.
  static let retryPeriod = Span(seconds: 1)

  public let clock = SessionClock()
  public let board = BoardBox()
  /// The session's number in the history; 0 where nothing is recorded, or nothing yet.
  public var number: Int64 { mailbox.withLock { $0.number } }

  private struct Mailbox {
    var commands: [Command] = []
    var questions: [(verbs: [Verb], answer: @Sendable (Preview) -> Void)] = []
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
  private let previews = PreviewDesk()
  private let readiness: Readiness
  /// By descriptor.
  private var connections: [Int32: GateConnection] = [:]
  /// Until when nobody is accepted, after the descriptors ran out; zero while everybody is.
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
    readiness = try Readiness()
    readiness.watch(wake)
    if let listener { readiness.watch(listener.descriptor) }
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
      defaultDemand: configuration.defaultDemand, session: session, evictsGPUMemory: configuration.evictsGPUMemory,
      telling: configuration.telling)
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

  /// Looks ahead at what orders are likely to bring: both worlds, with them and without, from the engine as it is once what
  /// waits has been handled. The engine's thread only makes the copy.
  ///
  /// - Parameter answer: called from another thread, within `PreviewDesk.deadline`; not at all where a later question has come.
  public func preview(_ verbs: [Verb], _ answer: @escaping @Sendable (Preview) -> Void) {
    mailbox.withLock { $0.questions.append((verbs, answer)) }
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
      let ready = readiness.wait(milliseconds: timeoutMilliseconds())
      let now = clock.now
      celltop_eventfd_clear(wake)
      let (commands, questions, isStopping) = mailbox.withLock { box in
        defer { (box.commands, box.questions) = ([], []) }
        return (box.commands, box.questions, box.isStopping)
      }
      for command in commands { driver.handle(.command(command), at: now) }
      // Only the last question is still asked.
      if let question = questions.last { previews.ask(question.verbs, driver.engine, at: now, question.answer) }
      acceptAgain(at: now)
      for one in ready { serve(one, at: now) }
      if driver.wakeAt <= now { driver.handle(.timer, at: now) }
      if desk.hasOrphans { desk.settleOrphans(&driver, at: now) }
      sample(at: now)
      if isStopping {
        _ = driver.commit()
        driver.end()
        tellTrouble()
        connections = [:]
        desk = GateDesk(defaultDemand: desk.defaultDemand, session: number)
        listener = nil
        return
      }
      desk.perform(driver.commit(), driver.state)
      desk.ping(at: now)
      drop(ready, at: now)
      tellTrouble()
    }
  }

  private func tellTrouble() {
    let (trouble, number, kernels) = (driver.trouble, driver.session, desk.kernels)
    mailbox.withLock { ($0.trouble, $0.number, $0.kernels) = (trouble, number, kernels) }
  }

  /// How long nothing has to be done; -1 for as long as nothing happens.
  private func timeoutMilliseconds() -> Int32 {
    let now = clock.now
    var next = driver.wakeAt
    if desk.hasOrphans { next = min(next, now + Span(microseconds: 100_000)) }
    next = min(next, desk.nextPing)
    if acceptAgain > .zero { next = min(next, acceptAgain) }
    // What could not be written is tried again though nothing else happens.
    if driver.trouble != nil { next = min(next, now + Self.retryPeriod) }
    if let due = sampler.due, driver.state.runningCount > 0 { next = min(next, due) }
    guard next < .never else { return -1 }
    return Int32(clamping: max(0, (next - now).microseconds + 999) / 1000)
  }

  /// Handles what has come at one descriptor.
  private func serve(_ ready: Readiness.Ready, at now: Instant) {
    if let connection = connections[ready.descriptor] {
      connection.flush()
      for message in connection.receive() { desk.receive(message, from: connection, &driver, at: now) }
    } else if ready.descriptor == listener?.descriptor {
      acceptAll(at: now)
    }
  }

  private func acceptAll(at now: Instant) {
    guard let listener else { return }
    while true {
      let descriptor = celltop_accept(listener.descriptor)
      guard descriptor >= 0 else {
        if errno == EMFILE || errno == ENFILE {
          // Who connects waits in the socket's queue meanwhile.
          acceptAgain = now + Span(seconds: 1)
          readiness.change(listener.descriptor, reads: false, writes: false)
        }
        return
      }
      connections[descriptor] = GateConnection(accepted: descriptor, watchedBy: readiness)
    }
  }

  private func acceptAgain(at now: Instant) {
    guard acceptAgain > .zero, acceptAgain <= now, let listener else { return }
    acceptAgain = .zero
    readiness.change(listener.descriptor, writes: false)
  }

  /// Lets those go that have broken; one that breaks while it is written to counts as ready at once.
  private func drop(_ ready: [Readiness.Ready], at now: Instant) {
    let broken = ready.compactMap { connections[$0.descriptor] }.filter(\.isBroken)
    guard !broken.isEmpty else { return }
    for connection in broken {
      desk.lost(connection, &driver, at: now)
      connections[connection.descriptor] = nil
    }
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
