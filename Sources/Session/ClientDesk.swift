import Domain
import Foundation
import GateLink
import Projections
import ServerLink

/// Serves the clients: their orders go to the engine, what happens goes to them, as far as their roles allow.
///
/// Used from the reception's thread. Entries are encoded once for all clients that are to have the same.
struct ClientDesk {
  /// Entries are gathered for so long before they are sent.
  static let gatherSpan = Span(microseconds: 25_000)
  static let pingPeriod = Span(seconds: 2)
  /// Answers that are kept for a user, for keys that come again.
  static let answersKept = 512

  private struct Asked {
    var key: UInt64
    var user: String
    weak var client: ClientConnection?
    var verb: Verb
    var isOperator: Bool
  }

  private struct Given {
    var byKey: [UInt64: GivenOrder] = [:]
    var order: [UInt64] = []
  }

  let limits: Limits
  let board: BoardBox
  private(set) var clients: [ClientConnection] = []
  private var asked: [CommandID: Asked] = [:]
  /// By the user's name, which the history knows, too.
  private var given: [String: Given] = [:]
  private var numbers = OrderNumbers()
  private var standing = OperatorsOrders()
  private var nextPing = Instant.zero
  private(set) var nextSend = Instant.zero

  init(limits: Limits, board: BoardBox, past: [PastAnswer] = []) {
    self.limits = limits
    self.board = board
    for one in past { remember(one.answer.key, one.user, one.order) }
  }

  /// Whether somebody wants to be told of entries.
  var hasStreams: Bool { clients.contains { $0.attach.stream != .none } }

  mutating func seat(_ client: ClientConnection, _ welcome: Welcome) {
    clients.append(client)
    client.send(.welcome(welcome))
  }

  /// When there is something to do though nobody speaks; `never` where there is nothing.
  func wakeAt(isGathering: Bool) -> Instant {
    guard !clients.isEmpty else { return .never }
    return isGathering ? min(nextPing, nextSend) : nextPing
  }

  /// Takes an order of a client; gives the command where the engine is to decide.
  mutating func take(_ order: Order, from client: ClientConnection, instance: String) -> Command? {
    let user = client.peer.user
    if let known = given[user]?.byKey[order.key] {
      answer(order, again: known, client, instance)
      return nil
    }
    remember(order.key, user, GivenOrder(verb: order.verb))
    if let refusal = refusal(of: order, client, instance) {
      let answer = Answered(key: order.key, sequence: nil, refusal)
      remember(order.key, user, GivenOrder(verb: order.verb, answer: answer))
      client.send(.answer(answer))
      return nil
    }
    let id = numbers.next(key: order.key)
    asked[id] = Asked(
      key: order.key, user: user, client: client, verb: order.verb, isOperator: client.role == .operator)
    return Command(id: id, author: user, why: order.why.printable(at: 200), verb: order.verb)
  }

  /// Answers an order whose key is known: as the first time where it is the same order, which is not done again.
  private mutating func answer(_ order: Order, again known: GivenOrder, _ client: ClientConnection, _ instance: String)
  {
    let isOfBefore = order.instance.map { $0 != instance } ?? false
    let notebook = order.verb.notebook.flatMap { id in board.look { $0[id]?.notebook } }
    guard known.isSaidAgain(by: order.verb, isOfBefore: isOfBefore, of: notebook) else {
      let refusal = known.refusal(calledHere: sentence(known.verb, for: client))
      return client.send(.answer(Answered(key: order.key, sequence: nil, refusal)))
    }
    // The first answer is given again; or it is still to come, and goes to whoever asked last: the connection of the one
    // before may have broken.
    if let answer = known.answer {
      client.send(.answer(answer))
    } else {
      redirect(order.key, of: client.peer.user, to: client)
    }
  }

  /// An order in words, with no name that the client may not see.
  private func sentence(_ verb: Verb, for client: ClientConnection) -> String {
    if let id = verb.notebook, let user = client.veiledFor, owner(of: id) != user {
      return "\(verb.word) on notebook-\(id.number)"
    }
    return board.look { $0.sentence(verb) }
  }

  private mutating func redirect(_ key: UInt64, of user: String, to client: ClientConnection) {
    for (id, one) in asked where one.key == key && one.user == user { asked[id]?.client = client }
  }

  private func refusal(of order: Order, _ client: ClientConnection, _ instance: String) -> Refusal? {
    if let meant = order.instance, meant != instance {
      return Refusal(.stale, "the server was started anew since: its notebooks and cells have other numbers")
    }
    return refusal(of: order.verb, client)
  }

  /// Why a client may not give an order; nil where it may.
  func refusal(of verb: Verb, _ client: ClientConnection) -> Refusal? {
    AccessRules.refusal(
      of: verb, by: client.peer.user, client.role, owner: verb.notebook.flatMap(owner(of:)),
      isOverridden: standing.stands(against: verb, isPlanned: isPlanned(verb)))
  }

  /// Whether a suspension is planned for the cell of the notebook that an order is about.
  private func isPlanned(_ verb: Verb) -> Bool {
    guard let id = verb.notebook else { return false }
    return board.look { $0[id]?.planned != nil }
  }

  /// Why a client may not know what goes on inside a notebook; nil where it may.
  func secret(of id: NotebookID, to client: ClientConnection) -> String? {
    guard let owner = owner(of: id) else { return "there is no notebook \(id.number)" }
    guard let user = client.veiledFor, user != owner else { return nil }
    return "it is \(owner)'s notebook: its processes are its author's and the operators' to see"
  }

  /// Why a client may not see the code of a notebook's cells; nil where it may. Whoever may only look may not.
  func codeSecret(of id: NotebookID, to client: ClientConnection) -> String? {
    guard let owner = owner(of: id) else { return "there is no notebook \(id.number)" }
    switch client.role {
    case .operator: return nil
    case .author where owner == client.peer.user: return nil
    case .author: return "it is \(owner)'s notebook: its code is its author's and the operators' to see"
    case .observer: return "you are an observer here: code is the author's and the operators' to see"
    }
  }

  private func owner(of id: NotebookID) -> String? { board.look { $0[id]?.notebook.user } }

  private mutating func remember(_ key: UInt64, _ user: String, _ order: GivenOrder) {
    var book = given[user] ?? Given()
    if book.byKey.updateValue(order, forKey: key) == nil { book.order.append(key) }
    if book.order.count > Self.answersKept { book.byKey[book.order.removeFirst()] = nil }
    given[user] = book
  }

  /// Gives a report of the session as a client may see it.
  ///
  /// - Parameter facts: the session's number, and why it is not fully recorded.
  func report(
    for client: ClientConnection, _ facts: (session: Int64, trouble: String?), at now: Instant
  ) -> BoardReport {
    report(seen(board.take(), by: client), facts, now)
  }

  private func report(_ board: Board, _ facts: (session: Int64, trouble: String?), _ now: Instant) -> BoardReport {
    var report = BoardReport(
      board, at: now, session: facts.session, end: board.now, entries: board.sequence,
      closedMost: limits.closedNotebooks)
    report.notRecorded = facts.trouble
    return report
  }

  private func seen(_ board: Board, by client: ClientConnection) -> Board {
    client.veiledFor.map { Veil(for: $0).cover(board) } ?? board
  }

  /// Tells the clients what has happened: answers to those who asked, entries to those who follow.
  mutating func tell(_ entries: [Entry], _ facts: (session: Int64, trouble: String?), at now: Instant) {
    for entry in entries { note(entry) }
    if !entries.isEmpty { nextSend = now + Self.gatherSpan }
    guard hasStreams else { return }
    sendTails(entries)
    sendSnapshots(facts, at: now)
  }

  private mutating func note(_ entry: Entry) {
    switch entry.event {
    case .commandAccepted(let command): answer(command, nil, entry.sequence)
    case .commandRefused(let command, let refusal): answer(command, refusal, entry.sequence)
    case .cellEnded(_, let id, _): standing.forget(id, all: false)
    case .notebookOpened(let notebook): standing.open(notebook.id, notebook.documentKey)
    case .notebookClosed(let id):
      if let notebook = board.look({ $0[id]?.notebook }) { standing.close(id, notebook.documentKey) }
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .backlogChanged,
      .cellQueued, .cellRefused, .cellWaits, .cellStarted, .cellAdopted, .cellResized, .cellSuspended, .cellResumed,
      .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden,
      .decisionRefused, .effectFailed, .usageSampled, .invariantBroken, .memoryEvicted, .gpusSeen,
      .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  private mutating func answer(_ command: Command, _ refusal: Refusal?, _ sequence: Int64) {
    let asked = asked.removeValue(forKey: command.id)
    if refusal == nil {
      standing.note(
        command.verb, byOperator: asked?.isOperator ?? isOperators(command), isPlanned: isPlanned(command.verb))
    }
    guard let asked else { return }
    let answer = Answered(key: asked.key, sequence: sequence, refusal)
    remember(asked.key, asked.user, GivenOrder(verb: asked.verb, answer: answer))
    asked.client?.send(.answer(answer))
  }

  /// Whether a command that no client gave is an operator's: it comes from the console in this process, which is, or was
  /// given before the server was started anew, by the notebook's author or another.
  private func isOperators(_ command: Command) -> Bool {
    command.id.number < OrderNumbers.own || command.author != command.verb.notebook.flatMap(owner(of:))
  }

  private struct Audience: Hashable {
    var stream: Attach.Stream
    var veiledFor: String?
    var after: Int64
  }

  /// - Parameter entries: ascending. Those before the snapshot of the first who follows may have gaps: as long as nobody followed,
  ///   only some were kept.
  private func sendTails(_ entries: [Entry]) {
    guard let first = entries.first, let last = entries.last else { return }
    var lines: [Audience: [UInt8]] = [:]
    for client in clients where client.attach.stream != .none && client.needsSnapshot == nil {
      guard client.sentThrough < last.sequence else { continue }
      let audience = Audience(
        stream: client.attach.stream, veiledFor: client.veiledFor, after: max(client.sentThrough, first.sequence - 1))
      let line = lines[audience] ?? line(for: audience, entries.drop { $0.sequence <= audience.after })
      lines[audience] = line
      client.sentThrough = last.sequence
      client.send(stream: line, isSnapshot: false)
    }
  }

  private func line(for audience: Audience, _ entries: ArraySlice<Entry>) -> [UInt8] {
    var entries = entries
    if let user = audience.veiledFor {
      let veil = Veil(for: user)
      entries = board.look { board in entries.map { veil.cover($0) { board[$0]?.notebook.user } } }[...]
    }
    switch audience.stream {
    case .none: return []
    case .entries: return Tail.textLine(entries)
    case .packed: return Tail.packedLine(entries)
    }
  }

  private func sendSnapshots(_ facts: (session: Int64, trouble: String?), at now: Instant) {
    let due = clients.filter { $0.needsSnapshot != nil && $0.isDrained && !$0.isBroken }
    guard !due.isEmpty else { return }
    let whole = board.take()
    for client in due {
      guard let why = client.needsSnapshot else { continue }
      let seen = seen(whole, by: client)
      var snapshot = Snapshot(
        why: why, sequence: seen.sequence, at: now.microseconds, trouble: facts.trouble)
      switch client.attach.stream {
      case .none: break
      case .entries: snapshot.report = report(seen, facts, now)
      case .packed: snapshot.board = Data(seen.packedWhole).base64EncodedString()
      }
      client.needsSnapshot = nil
      client.sentThrough = seen.sequence
      client.send(stream: LineCodec.line(ServerMessage.snapshot(snapshot)), isSnapshot: true)
    }
  }

  /// Gives a sign of life where it is time to, and lets go of clients that have given none.
  mutating func ping(trouble: String?, at now: Instant) {
    guard nextPing <= now, !clients.isEmpty else { return }
    // Where this thread itself did not run, because the machine slept or it was stopped, nobody's silence means anything.
    if now - nextPing > Self.pingPeriod { for client in clients { client.heard = now } }
    nextPing = now + Self.pingPeriod
    let sequence = board.look { $0.sequence }
    for client in clients {
      if now - client.heard > Span(seconds: Double(limits.silenceSeconds)) {
        client.refuse("nothing was heard of the client for \(limits.silenceSeconds) s")
      } else if client.attach.stream == .none || client.isDrained {
        client.send(.ping(at: now.microseconds, sequence: sequence, trouble: trouble))
      }
    }
  }

  /// Takes the clients away that have left and been heard to the end, and gives them.
  @discardableResult
  mutating func dropGone() -> [ClientConnection] {
    let gone = clients.filter(\.isGone)
    if !gone.isEmpty { clients.removeAll(where: \.isGone) }
    return gone
  }

  /// Says goodbye.
  func end(_ why: String) { for client in clients { client.send(.ending(why: why)) } }
}
