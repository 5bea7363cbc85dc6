import Domain
import GateLink
import JupyterWire

/// The queues of a kernel's main shell and of its subshells (JEP 91), and the one grant that they share.
///
/// Each shell runs its cells one after the other, whatever the others do; a grant binds the whole process. So a notebook has
/// one cell in the engine's books, its *lead*:
///
/// - While none of its cells runs on a grant, the first that waits at the head of any shell is announced; the heads of other
///   shells stand behind it.
/// - Once it runs, heads of the other shells start at once, on its grant. A cell thus waits for the engine and for those
///   before it in its own shell, as in the kernel itself, and never for a cell of another shell: nothing can deadlock that
///   could not without a gate.
/// - The lead's end is told when no such rider runs any more, since until then its cores are in use; or as soon as another
///   cell wants a grant of its own, which it then gets. Riders go on meanwhile.
/// - An interrupt reaches the main shell alone, so a rider is left to end by itself.
struct ShellQueues<Payload> {
  typealias Queue = ShellQueue<Payload>
  typealias Act = Queue.Act

  private struct Shell {
    /// `subshell_id`; nil for the main shell.
    var name: String?
    var queue = Queue()
  }

  /// The main shell first; a subshell as long as something waits or runs in it.
  private var shells = [Shell()]
  private var announced: Announced?
  private var lead: Lead?
  /// Heads behind the announced one, in order of arrival.
  private var behind: [(shell: String?, number: UInt64)] = []
  private var lastKey: UInt64 = 0

  init() {}

  // MARK: What came

  /// A request came from a client, for a subshell or for none.
  mutating func arrive(_ arrival: Queue.Arrival, in name: String? = nil, at now: Instant) -> [Act] {
    change(name, at: now) { $0.arrive(arrival, at: now) }
  }

  /// The announced cell was granted. Nil where `key` is not its key.
  mutating func grant(_ key: UInt64, at now: Instant) -> [Act]? {
    guard let granted = announced, granted.key == key, let what = waiting else { return nil }
    announced = nil
    lead = Lead(shell: granted.shell, number: granted.number, key: key, submission: what, since: now)
    var acts = change(granted.shell, at: now) { $0.grant(granted.number, at: now) ?? [] }
    while !behind.isEmpty, lead?.outcome == nil, lead != nil {
      let next = behind.removeFirst()
      acts += change(next.shell, at: now) { $0.grant(next.number, at: now) ?? [] }
    }
    return acts
  }

  /// The announced cell can never run. Nil where `key` is not its key.
  mutating func refuse(_ key: UInt64, why: String, at now: Instant) -> [Act]? {
    guard let refused = announced, refused.key == key else { return nil }
    announced = nil
    let acts = change(refused.shell, at: now) { $0.refuse(refused.number, why: why, at: now) ?? [] }
    return acts + announceNext(at: now)
  }

  mutating func replied(to messageID: String, _ status: ReplyStatus, at now: Instant) -> [Act] {
    guard let shell = shell(running: messageID) else { return [] }
    return change(shell.name, at: now) { $0.replied(to: messageID, status, at: now) }
  }

  mutating func published(_ state: ExecutionState, for messageID: String, at now: Instant) -> (
    acts: [Act], suppress: Bool
  ) {
    guard let shell = shell(running: messageID) else {
      return (state != .busy ? othersIdle { _ in true } : [], false)
    }
    var suppress = false
    let acts = change(shell.name, at: now) { queue in
      let (acts, isTold) = queue.published(state, for: messageID, at: now)
      suppress = isTold
      return acts
    }
    // Clients have one state for the whole kernel: one shell's idle is what those see whose cells another shell still holds.
    return (acts + (state == .idle ? othersIdle { $0 != shell.name } : []), suppress)
  }

  /// The shells that are meant hear of an idle that none of their cells brought.
  private mutating func othersIdle(_ isMeant: (String?) -> Bool) -> [Act] {
    shells.indices.flatMap { isMeant(shells[$0].name) ? shells[$0].queue.othersIdle() : [] }
  }

  mutating func tellsBusy(for messageID: String) -> Bool {
    guard let place = shells.firstIndex(where: { $0.queue.runningMessageID == messageID }) else { return false }
    return shells[place].queue.tellsBusy()
  }

  /// Output of a running cell came.
  mutating func showedSign(of messageID: String, at now: Instant) {
    guard let place = shells.firstIndex(where: { $0.queue.runningMessageID == messageID }) else { return }
    shells[place].queue.showedSign(at: now)
  }

  /// An interrupt is on its way to the kernel, whose main shell alone it reaches.
  mutating func interrupted(at now: Instant) -> [Act] {
    var acts = change(nil, at: now) { $0.interrupted(at: now) }
    guard shells[0].queue.runningKey == nil else { return acts }
    for name in shells.dropFirst().map(\.name) {
      acts += change(name, at: now) { $0.runningKey == nil ? $0.interrupted(at: now) : [] }
    }
    return acts + announceNext(at: now)
  }

  /// The kernel answered what was asked behind the main shell's running cell, which then had this number.
  mutating func answered(probeBehind number: UInt64, at now: Instant) -> [Act] {
    change(nil, at: now) { $0.answered(probeBehind: number, at: now) }
  }

  mutating func kernelDied() -> [Act] {
    var acts: [Act] = []
    if let lead { acts.append(.ended(key: lead.key, lead.outcome ?? .lost)) }
    if let announced { acts.append(.withdrawn(key: announced.key, .lost)) }
    shells = [Shell()]
    (announced, lead) = (nil, nil)
    behind = []
    return acts
  }

  mutating func tick(at now: Instant) -> [Act] {
    guard now >= wake else { return [] }
    return shells.map(\.name).flatMap { name in change(name, at: now) { $0.tick(at: now) } }
  }

  // MARK: What is

  /// When `tick` next has something to do.
  var wake: Instant { shells.reduce(.never) { min($0, $1.queue.wake) } }

  /// The announced cell, as a submission.
  var waiting: Submission? {
    guard let announced, var what = shell(announced.shell)?.queue.waiting else { return nil }
    what.key = announced.key
    return what
  }

  /// The cell that holds the grant, as a submission, and for how long.
  func runningNow(at now: Instant) -> (submission: Submission, ran: Span)? {
    lead.map { ($0.submission, now - $0.since) }
  }

  /// Cells that wait behind the announced or running ones.
  var backlog: Int { shells.reduce(behind.count) { $0 + $1.queue.backlog } }
  @inline(never) var headKey: UInt64? { announced?.key }
  /// The announced cell's request, and since when it has waited at its shell's head.
  var head: Queue.WaitingHead? {
    guard let announced else { return nil }
    return shell(announced.shell)?.queue.waitingHead
  }
  /// The key of the cell that holds the grant.
  ///
  /// Never inlined: the optimizer of Swift 6.3.1 crashes where it is (CopyPropagation, "found outside of lifetime use").
  @inline(never) var runningKey: UInt64? { lead?.key }
  /// Which cell of the main shell runs, by its number in that shell.
  var mainRunning: UInt64? { shells[0].queue.runningKey }
  /// What waits at a head or runs, in any shell.
  var pending: [Payload] {
    shells.flatMap { [$0.queue.headPayload, $0.queue.runningPayload].compactMap(\.self) }
  }
  func runs(_ messageID: String) -> Bool { shell(running: messageID) != nil }
  /// Whether output that belongs to a running cell matters to a clock.
  var isHalfComplete: Bool { shells.contains { $0.queue.isHalfComplete } }

  private func shell(_ name: String?) -> Shell? { shells.first { $0.name == name } }
  private func shell(running messageID: String) -> Shell? {
    shells.first { $0.queue.runningMessageID == messageID }
  }

  // MARK: The grant

  /// Changes one shell's queue, and makes of its acts what they mean to the engine.
  private mutating func change(_ name: String?, at now: Instant, _ body: (inout Queue) -> [Act]) -> [Act] {
    let place = shells.firstIndex { $0.name == name } ?? shells.count
    if place == shells.count { shells.append(Shell(name: name)) }
    let acts = body(&shells[place].queue)
    var all: [Act] = []
    for act in acts { all += settle(act, of: name, at: now) }
    // What a subshell does not need any more is forgotten with it.
    shells.removeAll { $0.name == name && name != nil && $0.queue.isEmpty }
    return all
  }

  private mutating func settle(_ act: Act, of name: String?, at now: Instant) -> [Act] {
    switch act {
    case .forward, .tellBusy, .tellAborted, .tellRefused, .probe, .start: [act]
    case .announce(let submission): announce(submission, of: name, at: now)
    case .withdrawn(let number, let outcome): withdrawn(number, of: name, outcome, at: now)
    case .ended(let number, let outcome): ended(number, of: name, outcome)
    }
  }

  private mutating func announce(_ submission: Submission, of name: String?, at now: Instant) -> [Act] {
    if let lead {
      guard let outcome = lead.outcome else {
        return change(name, at: now) { $0.grant(submission.key, at: now) ?? [] }
      }
      self.lead = nil
      return [.ended(key: lead.key, outcome)] + announce(submission, of: name, at: now)
    }
    guard announced == nil else {
      behind.append((name, submission.key))
      return []
    }
    lastKey += 1
    announced = Announced(shell: name, number: submission.key, key: lastKey)
    var told = submission
    told.key = lastKey
    return [.announce(told)]
  }

  private mutating func withdrawn(_ number: UInt64, of name: String?, _ outcome: CellOutcome, at now: Instant) -> [Act]
  {
    guard let known = announced, known.shell == name, known.number == number else {
      behind.removeAll { $0.shell == name && $0.number == number }
      return []
    }
    announced = nil
    return [.withdrawn(key: known.key, outcome)] + announceNext(at: now)
  }

  private mutating func announceNext(at now: Instant) -> [Act] {
    guard announced == nil, lead == nil, !behind.isEmpty else { return [] }
    let next = behind.removeFirst()
    guard let what = shell(next.shell)?.queue.waiting else { return announceNext(at: now) }
    return announce(what, of: next.shell, at: now)
  }

  private mutating func ended(_ number: UInt64, of name: String?, _ outcome: CellOutcome) -> [Act] {
    let othersRun = shells.contains { $0.queue.runningKey != nil }
    guard let known = lead else { return [] }
    if known.shell == name, known.number == number { lead?.outcome = outcome }
    guard let told = lead?.outcome, !othersRun else { return [] }
    lead = nil
    return [.ended(key: known.key, told)]
  }
}

/// A cell that is announced, by its number in its own shell and by that which the engine knows.
private struct Announced {
  var shell: String?
  var number: UInt64
  var key: UInt64
}

private struct Lead {
  var shell: String?
  var number: UInt64
  var key: UInt64
  var submission: Submission
  var since: Instant
  /// Set once it has ended and only riders run.
  var outcome: CellOutcome?
}
