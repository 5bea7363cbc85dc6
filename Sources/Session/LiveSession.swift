import CLinux
import Domain
import Forecast
import Foundation
import GateLink
import History
import NodeControl
import Projections
import ServerLink
import Synchronization
import Verbs

/// A session on real kernels: one thread runs the engine, speaks with the gates and writes the history.
///
/// `@unchecked Sendable`: everything but the mailbox and the board box belongs to the engine's thread once it runs.
public final class LiveSession: @unchecked Sendable {
  public struct Configuration: Sendable {
    public var node: Node
    /// The policy at first. Whoever starts a session for people says which; this is the simplest, not the one that a server
    /// takes where nothing is said.
    public var policy = "fcfs"
    public var socketPath: String
    /// What a cell asks for where nothing else says anything.
    public var defaultDemand = Demand.oneCore
    public var host: String
    public var user: String
    public var note = ""
    /// Whether the GPU memory of suspended cells is moved away (cuda-checkpoint).
    public var evictsGPUMemory = false
    /// Told of entries once they are in the history, on the engine's thread; it must be quick.
    public var hears: (@Sendable ([Entry]) -> Void)?
    /// Told why the recording is incomplete, when it becomes so, and nil once it is complete again: first
    /// by the session's `init`, then as `hears`.
    public var hearsTrouble: (@Sendable (String?) -> Void)?
    /// Whom the gates tell what a held cell waits for.
    public var telling = Telling()
    /// Who may connect to the socket: 0600 for the owner alone.
    public var socketMode: UInt32 = 0o600
    public var access = AccessRules()
    public var limits = Limits()
    /// Whether the session ends when the last console has left it without a word.
    public var needsConsole = false
    /// The program's name and version, for clients.
    public var server = "celltop"
    /// From how long on a turn of the engine's thread is told of, and whom; nil for nobody. It must be quick.
    public var slowTurns: (least: Span, hears: @Sendable (SlowTurn) -> Void)?
    /// Where the session's instants come from; nil for a clock that begins with it.
    public var clock: SessionClock?

    public init(node: Node, socketPath: String, host: String, user: String) {
      self.node = node
      self.socketPath = socketPath
      self.host = host
      self.user = user
    }
  }

  /// How often the engine's thread wakes for a history that could not be written.
  static let retryPeriod = Span(seconds: 1)
  /// How long a turn of the engine's thread hears gates before it records and carries out what came of it.
  static let slice = Span(microseconds: 50_000)

  public let clock: SessionClock
  public let board = BoardBox()
  /// What has been counted and measured so far.
  public let meters = MeterBox()
  /// The session's number in the history; 0 where nothing is recorded, or nothing yet.
  public var number: Int64 { mailbox.withLock { $0.number } }

  private struct Mailbox {
    var commands: [Command] = []
    var gates: [Arrival] = []
    var onStopAsked: (@Sendable (String) -> Void)?
    /// Of the console in this process, and of clients.
    var questions: [(verbs: [Verb], answer: @Sendable (Preview) -> Void)] = []
    var clientQuestions: [(verbs: [Verb], answer: @Sendable (Preview) -> Void)] = []
    var isStopping = false
    var trouble: String?
    var number: Int64 = 0
    var facts = Facts()
    var kernels: [NotebookID: Int32] = [:]
  }

  /// What a scrape wants to know beside the board.
  public struct Facts: Sendable, Hashable {
    /// Gates that are connected.
    public var gates = 0
    /// Connections of consoles and other clients, and of those who have not said yet who they are.
    public var consoles = 0
    /// Entries that wait to be written, and those that were given up.
    public var entriesWaiting: Int64 = 0
    public var entriesLost: Int64 = 0
  }

  /// The facts as of the last turn of the engine's thread.
  public var facts: Facts { mailbox.withLock { $0.facts } }

  private let mailbox = Mutex(Mailbox())
  private let wake: Int32 = celltop_eventfd()
  /// Nil once the session has ended.
  private var reception: Reception?
  /// The reception's; here only word is left in its lock file.
  private var listener: Listener?
  private var tracedNumber: Int64 = 0
  /// Sessions before this one of which something had not been taken up when it began.
  private let pendingBefore: [String]
  private let hearsTrouble: (@Sendable (String?) -> Void)?
  private var toldTrouble: String?
  private var driver: EngineDriver
  private var desk: GateDesk
  private let sampler: UsageSampler
  private let previews = PreviewDesk()
  private let clientPreviews = PreviewDesk()
  private let readiness: Readiness
  /// By descriptor.
  private var connections: [Int32: GateConnection] = [:]
  /// Gates that have arrived and wait to be greeted.
  private var arrivals: [Arrival] = []
  /// Gates that have said more than is handled at once, and when they are heard again.
  private var overheard: [Int32: Instant] = [:]
  private var thread: Thread?
  private let finished = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - nodeDriver: asked what the kernels use.
  ///   - history: the file to record in; nil records nothing. Where it cannot be opened or written, the session goes on
  ///     all the same, `trouble` says why, and the recording begins as soon as it is possible.
  /// - Throws: `SessionError` or `Refusal`, before anything runs.
  public init(_ configuration: Configuration, on nodeDriver: any NodeDriver, history: String?) throws {
    clock = configuration.clock ?? SessionClock()
    hearsTrouble = configuration.hearsTrouble
    let listener = try Listener(path: configuration.socketPath, mode: configuration.socketMode)
    readiness = try Readiness()
    readiness.watch(wake)
    let began = clock.beganWallMicroseconds
    let recovery = listener.trace.map { Recovery(trace: $0, history: history, beganMicroseconds: began) }
    pendingBefore = recovery?.pending ?? []
    let notes = [configuration.note, recovery?.note ?? ""].filter { !$0.isEmpty }
    let heading = SessionWriter.Heading(
      kind: "live", host: configuration.host, user: configuration.user,
      beganMicroseconds: clock.beganWallMicroseconds, note: notes.joined(separator: "; "))
    let writer = history.map { SessionWriter(path: $0, heading) }
    let session = writer?.session ?? 0
    let past = history.flatMap { try? HistoryStore(reading: $0) }.map {
      PastForecaster(of: $0, before: session > 0 ? session : .max)
    }
    let keeper = history.map { ForecasterKeeper(besideHistory: $0, trouble: past?.trouble) }
    driver = try EngineDriver(
      policy: configuration.policy, forecaster: past?.forecaster ?? Forecaster(), keeper: keeper, writer: writer,
      board: board, meters: meters, closedKept: configuration.limits.closedNotebooks, hears: configuration.hears)
    driver.trace = configuration.slowTurns.map { TurnTrace(TurnTrace.Hearer(least: $0.least, hears: $0.hears)) }
    desk = GateDesk(
      defaultDemand: configuration.defaultDemand, session: session, evictsGPUMemory: configuration.evictsGPUMemory,
      telling: configuration.telling, limits: configuration.limits,
      codes: configuration.access.showsCode ? CodeBook() : nil)
    sampler = UsageSampler(node: nodeDriver) { [wake] in celltop_eventfd_signal(wake) }
    driver.handle(.observation(.nodeFound(configuration.node)), at: clock.now)
    if let recovery { desk.recover(recovery, &driver, at: clock.now) }
    _ = driver.commit()
    self.listener = listener
    tellTrouble()
    let identity = Reception.Identity(
      host: configuration.host, instance: String(UInt64.random(in: .min ... .max), radix: 16),
      server: configuration.server, history: history, beganMicroseconds: clock.beganWallMicroseconds)
    reception = Reception(
      listener, identity, access: configuration.access, limits: configuration.limits, clock: clock, board: board,
      needsConsole: configuration.needsConsole,
      doors: Reception.Doors(
        gate: { [weak self] in self?.take($0) }, command: { [weak self] in self?.submit($0) },
        stop: { [weak self] in self?.stopAsked($0) }),
      sources: QuestionDesk.Sources(
        preview: { [weak self] in self?.previewForClient($0, $1) },
        kernel: { [weak self] in self?.kernelProcess(of: $0) }, codes: desk.codes),
      past: history.map { PastAnswer.all(in: $0, before: session, last: ClientDesk.answersKept) } ?? [])
    reception?.publish([], session: driver.session, trouble: driver.trouble)
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
    reception?.start()
  }

  func take(_ gate: Arrival) {
    // One that comes while the session ends is hung up on, and tries again with the next.
    mailbox.withLock { box in if !box.isStopping { box.gates.append(gate) } }
    celltop_eventfd_signal(wake)
  }

  /// Sets what is called, on a thread of the session's, when a client asks for the session's end; it must be quick.
  public func callOnStopAsked(_ body: (@Sendable (String) -> Void)?) { mailbox.withLock { $0.onStopAsked = body } }

  private func stopAsked(_ why: String) { mailbox.withLock { $0.onStopAsked }?(why) }

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

  private func previewForClient(_ verbs: [Verb], _ answer: @escaping @Sendable (Preview) -> Void) {
    mailbox.withLock { $0.clientQuestions.append((verbs, answer)) }
    celltop_eventfd_signal(wake)
  }

  /// Why the recording is incomplete at present; nil where it is complete.
  public var trouble: String? { mailbox.withLock { $0.trouble } }

  /// The process of a notebook's kernel, by its number; nil where none is known.
  public func kernelProcess(of id: NotebookID) -> Int32? { mailbox.withLock { $0.kernels[id] } }

  /// Ends the session: the recording is closed, the socket is gone, gates go on without an engine.
  ///
  /// - Parameter why: told to the clients.
  public func stop(_ why: String = "the session has ended") {
    mailbox.withLock { $0.isStopping = true }
    celltop_eventfd_signal(wake)
    if thread != nil { finished.wait() }
    thread = nil
    // The engine's last entries are told before the goodbye.
    reception?.stop(why)
    reception = nil
  }
}

// MARK: The engine's thread

extension LiveSession {
  private func run() {
    celltop_take_short_turns()
    while true {
      let ready = readiness.wait(milliseconds: timeoutMilliseconds())
      let now = clock.now
      defer { meters.update { $0.turned(in: clock.now - now) } }
      driver.trace?.begin()
      celltop_eventfd_clear(wake)
      let mail = takeMail()
      for command in mail.commands { driver.handle(.command(command), at: now) }
      // Only the last question is still asked.
      if let question = mail.questions.last { previews.ask(question.verbs, driver.engine, at: now, question.answer) }
      if let question = mail.clientQuestions.last {
        clientPreviews.ask(question.verbs, driver.engine, at: now, question.answer)
      }
      arrivals += mail.gates
      hearGates(ready, at: now)
      driver.trace?.mark(.hear)
      if driver.wakeAt <= now { driver.handle(.timer, at: now) }
      desk.settleRecovery(&driver, at: now)
      if desk.hasOrphans { desk.settleOrphans(&driver, at: now) }
      sample(at: now)
      driver.trace?.mark(.timers)
      if mail.isStopping {
        sampler.end()
        _ = commit()
        driver.end(atMicroseconds: clock.wallMicroseconds)
        tellTrouble()
        (connections, arrivals) = ([:], [])
        // The next server takes up what was ordered here.
        listener?.legacy = number > 0 ? trace : ""
        listener = nil
        desk = GateDesk(defaultDemand: desk.defaultDemand, session: number)
        return
      }
      let effects = commit()
      driver.trace?.mark(.show)
      desk.perform(effects, driver.state)
      driver.trace?.mark(.tell)
      desk.ping(at: now)
      drop(ready, at: now)
      tellTrouble()
      driver.trace?.end()
    }
  }

  private func takeMail() -> Mailbox {
    mailbox.withLock { box in
      defer { (box.commands, box.questions, box.clientQuestions, box.gates) = ([], [], [], []) }
      return box
    }
  }

  /// Records what was decided, shows it and tells the clients; gives the effects.
  private func commit() -> [Effect] {
    let (entries, effects) = driver.commit()
    reception?.publish(entries, session: driver.session, trouble: driver.trouble)
    return effects
  }

  private func tellTrouble() {
    let (trouble, number, unwritten) = (driver.trouble, driver.session, driver.unwritten)
    let others = max((reception?.connectionCount ?? 0) - connections.count, 0)
    let facts = Facts(
      gates: desk.gates, consoles: others, entriesWaiting: unwritten.waiting, entriesLost: unwritten.lost)
    let kernels = desk.kernels
    mailbox.withLock { ($0.trouble, $0.number, $0.facts, $0.kernels) = (trouble, number, facts, kernels) }
    if trouble != toldTrouble {
      toldTrouble = trouble
      hearsTrouble?(trouble)
    }
    guard number != tracedNumber else { return }
    tracedNumber = number
    listener?.leave(trace: number > 0 ? trace : "0")
  }

  private var trace: String { Recovery.trace(number, began: clock.beganWallMicroseconds, after: pendingBefore) }

  /// How long nothing has to be done; -1 for as long as nothing happens.
  private func timeoutMilliseconds() -> Int32 {
    guard arrivals.isEmpty else { return 0 }
    let now = clock.now
    var next = driver.wakeAt
    if desk.hasOrphans { next = min(next, now + Span(microseconds: 100_000)) }
    next = min(next, desk.nextPing, desk.recoveryDue)
    if let first = overheard.values.min() { next = min(next, first) }
    // What could not be written is tried again though nothing else happens.
    if driver.trouble != nil { next = min(next, now + Self.retryPeriod) }
    if let due = sampler.due, driver.state.runningCount > 0 { next = min(next, due) }
    guard next < .never else { return -1 }
    return Int32(clamping: max(0, (next - now).microseconds + 999) / 1000)
  }

  /// Greets those who have arrived and hears those who have something to say, as many as a slice of time allows: a thousand at
  /// once, each with a hundred messages, keep nobody from being granted a cell, or from hearing that the engine lives. The
  /// others' turn comes next: their words wait in their sockets.
  private func hearGates(_ ready: [Readiness.Ready], at now: Instant) {
    var end = now + Self.slice
    // Tells whether the slice is over, and meanwhile gives signs of life.
    func passes() -> Bool {
      let time = clock.now
      desk.ping(at: time)
      return time >= end
    }
    for one in ready {
      serve(one.descriptor, at: now)
      if passes() { break }
    }
    // Who has waited longest first.
    for (descriptor, _) in overheard.filter({ $0.value <= now }).sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) })
    {
      serve(descriptor, at: now)
      if passes() { break }
    }
    // Who arrives has a slice of his own, for those who are connected may always have something to say.
    end = clock.now + Self.slice
    var count = 0
    while count < arrivals.count {
      greet(arrivals[count], at: now)
      count += 1
      if passes() { break }
    }
    arrivals.removeFirst(count)
  }

  private func greet(_ arrival: Arrival, at now: Instant) {
    // One that has given up meanwhile is back under another connection, or will be.
    guard !arrival.gate.peer.hasLeft else { return }
    let descriptor = arrival.gate.peer.descriptor
    guard arrival.gate.peer.attend(readiness) else { return }
    connections[descriptor] = arrival.gate
    desk.receive(.hello(arrival.hello), from: arrival.gate, &driver, at: now)
    // What came along with the greeting waits in no descriptor.
    if arrival.gate.peer.hasLines { serve(descriptor, at: now) }
  }

  /// Handles what has come at one descriptor.
  private func serve(_ descriptor: Int32, at now: Instant) {
    guard let connection = connections[descriptor] else { return }
    connection.peer.flush()
    for message in connection.receive(at: now) { desk.receive(message, from: connection, &driver, at: now) }
    overheard[descriptor] = connection.hearAgain(at: now)
    connection.peer.hear(overheard[descriptor] == nil)
  }

  /// Lets those go that have broken; one that breaks while it is written to counts as ready at once.
  private func drop(_ ready: [Readiness.Ready], at now: Instant) {
    let broken = ready.compactMap { connections[$0.descriptor] }.filter(\.isBroken)
    guard !broken.isEmpty else { return }
    for connection in broken {
      for message in connection.lastWords() { desk.receive(message, from: connection, &driver, at: now) }
      desk.lost(connection, &driver, at: now)
      connections[connection.peer.descriptor] = nil
      overheard[connection.peer.descriptor] = nil
    }
    desk.perform(commit(), driver.state)
  }

  private func sample(at now: Instant) {
    for (id, usage) in sampler.take() { driver.handle(.observation(.usageSampled(id, usage)), at: now) }
    guard driver.state.runningCount > 0 else { return sampler.rest() }
    guard sampler.isDue(at: now) else { return }
    let running = driver.state.running.sorted { $0.number < $1.number }
    sampler.begin(running.compactMap { id in desk.kernels[id].map { (id, $0) } }, at: now)
  }
}
