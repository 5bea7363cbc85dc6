import CLinux
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Synchronization

/// Receives whoever connects: gates are handed to the engine's thread, clients are served here, on a thread of their own, so
/// that none of them, however slow or many, delays a grant.
///
/// `@unchecked Sendable`: everything but the box belongs to its thread once it runs.
final class Reception: @unchecked Sendable {
  /// What the server says of itself.
  struct Identity: Sendable {
    var host: String
    var instance: String
    var server: String
    var history: String?
    var beganMicroseconds: Int64
  }

  /// What a reception makes happen elsewhere; each is called on the reception's thread, and must be quick.
  struct Doors: Sendable {
    /// A gate has said hello.
    var gate: @Sendable (Arrival) -> Void
    var command: @Sendable (Command) -> Void
    /// The session is to end, and why.
    var stop: @Sendable (String) -> Void
  }

  /// Whoever has connected and not said who it is.
  private struct Guest {
    var peer: PeerConnection
    var until: Instant
    /// Its user connects too often: only an operator's client is taken.
    var isTooMany: Bool
  }

  private struct Box {
    var entries: [Entry] = []
    var session: Int64 = 0
    var trouble: String?
    var wantsEntries = false
    var isStopping: String?
  }

  /// How often it is looked whether the socket is in its place.
  static let lookPeriod = Span(seconds: 2)

  private let clock: SessionClock
  private let identity: Identity
  private let access: AccessRules
  private let limits: Limits
  private let doors: Doors
  private let box = Mutex(Box())
  private let wake: Int32 = celltop_eventfd()
  private let attendance = Attendance()
  /// Nil once the session has ended.
  private var listener: Listener?
  private var guests: [Guest] = []
  private var desk: ClientDesk
  private let questions: QuestionDesk
  private var groups = GroupBook()
  private var pace: Pace
  /// Kept open to be closed where the descriptors run out, so that whoever comes can be told.
  private var spare: Int32
  private var acceptAgain = Instant.zero
  private var nextLook = Instant.zero
  private var consoles: ConsoleWatch
  private var thread: Thread?
  private let finished = DispatchSemaphore(value: 0)

  init(
    _ listener: Listener, _ identity: Identity, access: AccessRules, limits: Limits, clock: SessionClock,
    board: BoardBox, needsConsole: Bool, doors: Doors, sources: QuestionDesk.Sources, past: [PastAnswer]
  ) {
    self.listener = listener
    self.identity = identity
    self.access = access
    self.limits = limits
    self.clock = clock
    self.doors = doors
    consoles = ConsoleWatch(needsConsole: needsConsole, at: clock.now)
    pace = Pace(limits.connectionsPerSecond, inSeconds: 1, atOnce: limits.connectionsPerUser)
    desk = ClientDesk(limits: limits, board: board, past: past)
    questions = QuestionDesk(sources) { [wake] in celltop_eventfd_signal(wake) }
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
  }

  deinit {
    close(wake)
    if spare >= 0 { close(spare) }
  }

  func start() {
    let thread = Thread { [self] in
      run()
      finished.signal()
    }
    thread.name = "reception"
    thread.stackSize = 4 << 20
    self.thread = thread
    thread.start()
  }

  /// Says goodbye to the clients and closes the socket.
  func stop(_ why: String) {
    guard thread != nil else {
      listener = nil
      return
    }
    box.withLock { $0.isStopping = why }
    celltop_eventfd_signal(wake)
    finished.wait()
    thread = nil
  }

  /// Hands entries over that have been recorded and folded into the board. Called by the engine's thread; it never waits.
  func publish(_ entries: [Entry], session: Int64, trouble: String?) {
    let isNews = box.withLock { box in
      (box.session, box.trouble) = (session, trouble)
      let wasEmpty = box.entries.isEmpty
      if box.wantsEntries {
        box.entries += entries
      } else {
        box.entries += entries.filter(\.event.isForTheDesk)
      }
      return wasEmpty && !box.entries.isEmpty
    }
    if isNews { celltop_eventfd_signal(wake) }
  }

  /// How many connections there are in all.
  var connectionCount: Int { attendance.all }
}

// MARK: Its thread

extension Reception {
  /// By how much it lets the engine's thread go first, where both have something to do (setpriority(2)).
  private static let nice: Int32 = 5

  private func run() {
    celltop_give_way(Self.nice)
    while true {
      let ready = waitForWork()
      let now = clock.now
      celltop_eventfd_clear(wake)
      if ready.isConnecting { accept(at: now) }
      greet(ready.guests, at: now)
      for client in ready.clients {
        client.flush()
        for message in client.receive(at: now) { serve(message, client, at: now) }
      }
      questions.turn(at: now)
      tell(at: now)
      desk.ping(trouble: box.withLock { $0.trouble }, at: now)
      drop(at: now)
      look(at: now)
      if let why = box.withLock({ $0.isStopping }) { return end(why) }
    }
  }

  private func end(_ why: String) {
    tell(at: .never)
    desk.end(why)
    guests = []
    desk = ClientDesk(limits: limits, board: desk.board)
    listener = nil
  }

  private func waitForWork() -> (isConnecting: Bool, guests: Set<Int32>, clients: [ClientConnection]) {
    let now = clock.now
    // A descriptor of -1 is passed over by poll(2).
    let listening = acceptAgain <= now ? listener?.descriptor ?? -1 : -1
    var descriptors = [
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0), pollfd(fd: listening, events: Int16(POLLIN), revents: 0),
    ]
    for guest in guests { descriptors.append(pollfd(fd: guest.peer.descriptor, events: Int16(POLLIN), revents: 0)) }
    for client in desk.clients {
      // One that has said too much is not heard until it may say more.
      let hears = client.hearAgain(at: now) == nil
      let events = client.isBroken ? 0 : (hears ? POLLIN : 0) | (client.wantsToWrite ? POLLOUT : 0)
      descriptors.append(
        pollfd(fd: events == 0 ? -1 : client.peer.descriptor, events: Int16(events), revents: 0))
    }
    guard poll(&descriptors, nfds_t(descriptors.count), timeoutMilliseconds(now)) >= 0 else { return (false, [], []) }
    let first = 2 + guests.count
    let later = clock.now
    let clients = zip(desk.clients, descriptors[first...]).filter { client, found in
      found.revents != 0 || client.hearAgain(at: later).map { $0 <= later } ?? false
    }.map(\.0)
    return (
      descriptors[1].revents != 0, Set(descriptors[2..<first].filter { $0.revents != 0 }.map(\.fd)), clients
    )
  }

  private func timeoutMilliseconds(_ now: Instant) -> Int32 {
    let isGathering = box.withLock { !$0.entries.isEmpty }
    var next = min(desk.wakeAt(isGathering: isGathering), nextLook, questions.wakeAt)
    if let first = guests.map(\.until).min() { next = min(next, first) }
    if !desk.hasStreams { next = min(next, consoles.wakeAt) }
    if acceptAgain > now { next = min(next, acceptAgain) }
    if let first = desk.clients.compactMap({ $0.hearAgain(at: now) }).min() { next = min(next, first) }
    return Int32(clamping: max(0, (next - now).microseconds + 999) / 1000)
  }

  // MARK: Whoever connects

  /// How many are let in before those who are in are looked after again: whoever connects without an end, and does not even
  /// wait for the answer, holds up nobody.
  private static let acceptedAtOnce = 32

  private func accept(at now: Instant) {
    guard let listener else { return }
    for _ in 0..<Self.acceptedAtOnce {
      // Where nobody's name can be looked up, nobody is taken for a second: one is told, the others wait.
      guard UserDatabase.hasRoom(besides: 1) else { return turnAway(listener, at: now) }
      let descriptor = celltop_accept(listener.descriptor)
      guard descriptor >= 0 else {
        if errno == EMFILE || errno == ENFILE { turnAway(listener, at: now) }
        return
      }
      guard
        let peer = PeerConnection(
          accepted: descriptor, lineBytesMost: limits.lineBytes, seat: { [attendance] in attendance.sit($0) })
      else { continue }
      let isTooMany = !pace.take(peer.uid, at: now)
      if let why = crowd(peer) {
        peer.refuse(why, retrySeconds: PeerConnection.retrySeconds)
      } else if isTooMany, !isOperator(peer, at: now) {
        turnAwayTooMany(peer, at: now)
      } else {
        let until = now + Span(seconds: Double(limits.greetingSeconds))
        guests.append(Guest(peer: peer, until: until, isTooMany: isTooMany))
      }
    }
  }

  private func turnAwayTooMany(_ peer: PeerConnection, at now: Instant) {
    peer.refuse(
      "\(peer.user) connects too often: more than \(limits.connectionsPerSecond) times a second",
      retrySeconds: pace.retrySeconds(peer.uid, at: now))
  }

  /// Whether somebody is an operator as far as can be told at present.
  private func isOperator(_ peer: PeerConnection, at now: Instant) -> Bool {
    let groups = self.groups.groups(of: peer.uid, at: now) ?? []
    return access.role(uid: peer.uid, user: peer.user, groups: groups, serverUser: getuid()) == .operator
  }

  /// Why one more connection is too many; nil where it is not.
  private func crowd(_ peer: PeerConnection) -> String? {
    if attendance.all > limits.connections {
      return "the server has \(limits.connections) connections, and takes no more"
    }
    guard attendance.count(of: peer.uid) > limits.connectionsPerUser else { return nil }
    return "\(peer.user) has \(limits.connectionsPerUser) connections, and a user can have no more"
  }

  /// The descriptors have run out: tells the one who waits, and takes nobody for a second.
  private func turnAway(_ listener: Listener, at now: Instant) {
    acceptAgain = now + Span(seconds: 1)
    guard spare >= 0 else { return }
    close(spare)
    let descriptor = celltop_accept(listener.descriptor)
    if descriptor >= 0, let peer = PeerConnection(accepted: descriptor, seat: { _ in nil }) {
      peer.refuse(PeerConnection.hasNoRoom, retrySeconds: PeerConnection.retrySeconds)
    }
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
  }

  /// Hears who the guests are. Those who do not say so in time are let go.
  private func greet(_ ready: Set<Int32>, at now: Instant) {
    var left: [Guest] = []
    for guest in guests {
      if ready.contains(guest.peer.descriptor) {
        do throws(LinkError) { try guest.peer.receive() } catch {
          guest.peer.refuse("a message could not be read: \(error.sentence)")
          continue
        }
      }
      if let line = guest.peer.nextLine() {
        welcome(guest, line, at: now)
      } else if guest.peer.isBroken {
        continue
      } else if guest.until <= now {
        guest.peer.refuse("nothing was said within \(limits.greetingSeconds) s; a gate says hello, a client attach")
      } else {
        left.append(guest)
      }
    }
    guests = left
  }

  /// Which greeting a line is.
  private struct Knock: Decodable {
    struct Anything: Decodable {}
    var hello: Anything?
    var attach: Anything?
  }

  private func welcome(_ guest: Guest, _ line: [UInt8], at now: Instant) {
    let peer = guest.peer
    do throws(LinkError) {
      let knock = try LineCodec.read(Knock.self, from: line)
      if knock.hello != nil {
        // An operator's gates are gates like others'.
        if guest.isTooMany { return turnAwayTooMany(peer, at: now) }
        guard case .hello(let hello) = try LineCodec.read(GateMessage.self, from: line) else { return }
        let gate = GateConnection(peer, messagesPerSecond: limits.gateMessagesPerSecond, at: now)
        doors.gate(Arrival(gate: gate, hello: hello))
      } else if knock.attach != nil {
        guard case .attach(let attach) = try LineCodec.read(ClientMessage.self, from: line) else { return }
        seat(peer, attach, at: now)
      } else {
        peer.refuse("the first message is neither a gate's hello nor a client's attach")
      }
    } catch {
      peer.refuse("a message could not be read: \(error.sentence)")
    }
  }

  private func seat(_ peer: PeerConnection, _ attach: Attach, at now: Instant) {
    guard let groups = groups.groups(of: peer.uid, at: now) else {
      return peer.refuse(UserDatabase.trouble, retrySeconds: PeerConnection.retrySeconds)
    }
    let known = access.role(uid: peer.uid, user: peer.user, groups: groups, serverUser: getuid())
    if let why = refusal(of: peer, attach, known) { return peer.refuse(why) }
    guard let given = known else { return }
    let role: ClientRole = attach.readOnly == true ? .observer : given
    let isVeiled = given != .operator && !access.showsPaths
    let client = ClientConnection(
      peer, attach, role: role, veiledFor: isVeiled ? peer.user : nil, limits: limits, at: now)
    let (session, trouble) = box.withLock { box in
      box.wantsEntries = box.wantsEntries || attach.stream != .none
      return (box.session, box.trouble)
    }
    desk.seat(
      client,
      Welcome(
        server: identity.server, instance: identity.instance, session: session, host: identity.host, user: peer.user,
        role: role, isVeiled: isVeiled, beganMicroseconds: identity.beganMicroseconds, at: clock.now.microseconds,
        history: given == .operator ? identity.history : nil,
        answers: QuestionKind.allCases.filter { $0 != .code || questions.sources.codes != nil }.map(\.rawValue),
        trouble: trouble))
    // What came along with the greeting waits in no descriptor.
    for message in client.receive(at: now) { serve(message, client, at: now) }
  }

  /// Why a client is not taken; nil where it is.
  private func refusal(of peer: PeerConnection, _ attach: Attach, _ role: ClientRole?) -> String? {
    guard attach.versions.contains(clientProtocolVersion) else {
      let theirs = attach.versions.prefix(8).map(String.init).joined(separator: ", ")
      return
        "this server speaks version \(clientProtocolVersion) of the clients' protocol, and the client \(theirs.isEmpty ? "none" : theirs). Run the same celltop on both sides"
    }
    guard role != nil else { return "\(peer.user) is not among those who may look here; its operators can change that" }
    if attach.stream == .packed, attach.form != Board.wireForm {
      return
        "the server's packed form is \(Board.wireForm), and the client's \((attach.form ?? "none").printable(at: 40)): they are different versions of celltop. Run the same one, or ask for the stream 'entries'"
    }
    if desk.clients.count >= limits.clients { return "the server has \(limits.clients) clients, and takes no more" }
    guard desk.clients.count(where: { $0.peer.uid == peer.uid }) >= limits.clientsPerUser else { return nil }
    return "\(peer.user) has \(limits.clientsPerUser) clients here, and a user can have no more"
  }

  // MARK: Clients

  private func serve(_ message: ClientMessage, _ client: ClientConnection, at now: Instant) {
    switch message {
    case .attach: client.refuse("a connection says attach once")
    case .pong: break
    case .command(let order):
      if let command = desk.take(order, from: client, instance: identity.instance) { doors.command(command) }
    case .status(let id):
      let report = desk.report(for: client, box.withLock { ($0.session, $0.trouble) }, at: now)
      client.send(.status(id: id, report: report))
    case .preview(let asked):
      let refusals = asked.verbs.enumerated().compactMap { place, verb in
        desk.refusal(of: verb, client).map { PreviewAnswer.Refused($0, order: place) }
      }
      guard refusals.isEmpty else { return client.send(.preview(PreviewAnswer(id: asked.id, refusals: refusals))) }
      questions.ask(asked, from: client)
    case .processes(let id, let notebook):
      if let why = desk.secret(of: notebook, to: client) {
        return client.send(.processes(ProcessesAnswer(id: id, notebook: notebook.number, why: why)))
      }
      questions.askProcesses(id: id, of: notebook, from: client)
    case .code(let id, let notebook): client.send(.code(code(of: notebook, id: id, for: client)))
    case .stay:
      guard client.role == .operator else {
        return client.send(.refused(why: "only an operator may keep the server when its console leaves"))
      }
      consoles.stay()
    case .stop:
      guard client.role == .operator else { return client.send(.refused(why: "only an operator may end the server")) }
      doors.stop("\(client.peer.user) ended it")
    }
  }

  /// The code of a notebook's cell, for those who may see it.
  private func code(of id: NotebookID, id question: UInt64, for client: ClientConnection) -> CodeAnswer {
    guard let codes = questions.sources.codes else {
      return CodeAnswer(
        id: question, notebook: id.number, why: "cells' code is not told here: its operators can change that")
    }
    if let why = desk.codeSecret(of: id, to: client) { return CodeAnswer(id: question, notebook: id.number, why: why) }
    guard let cell = desk.board.look({ $0[id]?.cell?.cell }) else {
      return CodeAnswer(id: question, notebook: id.number, why: "it has no cell")
    }
    guard let text = codes.text(of: id, key: cell.source.key) else {
      return CodeAnswer(id: question, notebook: id.number, why: "its gate has not told the code")
    }
    return CodeAnswer(id: question, notebook: id.number, cell: cell.id.number, text: text)
  }

  private func tell(at now: Instant) {
    let isDue = desk.nextSend <= now
    let (entries, facts) = box.withLock { box in
      let facts = (session: box.session, trouble: box.trouble)
      // Answers are not kept waiting.
      guard isDue || box.entries.contains(where: \.event.isAnswer) else { return ([Entry](), facts) }
      defer { box.entries = [] }
      return (box.entries, facts)
    }
    desk.tell(entries, facts, at: now == .never ? clock.now : now)
  }

  /// Takes away who has left; ends a session that was started for a console once no console is there.
  private func drop(at now: Instant) {
    for client in desk.dropGone() where client.attach.stream == .packed { consoles.lost(client.peer.pid) }
    if !desk.hasStreams { box.withLock { $0.wantsEntries = false } }
    if consoles.isOver(isFollowed: desk.hasStreams, at: now) {
      doors.stop("the console that it was started for is gone")
    }
  }

  /// Puts the socket back where somebody took it away; ends a session whose place another engine has taken.
  private func look(at now: Instant) {
    guard nextLook <= now else { return }
    nextLook = now + Self.lookPeriod
    guard let listener, listener.restore() == .lost else { return }
    nextLook = .never
    doors.stop("its socket's files were removed, and another engine listens at \(listener.path) now")
  }
}

extension Event {
  /// Whether it says what became of a command.
  fileprivate var isAnswer: Bool {
    switch self {
    case .commandAccepted, .commandRefused: true
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellQueued, .cellRefused, .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended,
      .cellResumed, .interruptRequested, .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
      .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
      false
    }
  }

  /// Whether the desk must know of it though nobody follows the entries.
  fileprivate var isForTheDesk: Bool {
    switch self {
    case .commandAccepted, .commandRefused, .notebookOpened, .notebookClosed, .cellEnded: true
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .backlogChanged, .cellQueued,
      .cellRefused, .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed,
      .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden,
      .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .gpusSeen, .suspensionPlanned,
      .suspensionCalledOff:
      false
    }
  }
}
