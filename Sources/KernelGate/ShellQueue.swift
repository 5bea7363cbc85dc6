import Domain
import GateLink
import JupyterWire

/// What waits on one shell of a kernel, and what runs: the gate's rules as a pure value.
///
/// Requests and replies go in with the time, acts come out; it sends nothing itself. The rules:
///
/// - One cell is forwarded at a time, each only when granted; the first that waits is the *head*, and it alone is
///   announced.
/// - A cell has ended when its reply *and* its idle have come, in either order; where a kernel leaves one of them out,
///   `completionPatience` after the last sign of it.
/// - Clients send Run All at once and count on the kernel to abort what waits behind an error, so the queue aborts what
///   stood in it when the failing reply came.
/// - An interrupt while a cell runs is the kernel's to answer; while none runs, it aborts what waits. A cell that the
///   kernel has shown no sign of may be one that it threw away, or one that it has not come to: the gate asks something
///   behind it, and only when that is answered first is the interrupted cell given up.
/// - Order is first-in-first-out for `strictOrder`; then requests that only read pass what waits, and so do comm messages,
///   which keep their order among themselves: a running cell may await one (ipykernel attends to them from 7.4 on while a cell
///   awaits, whatever stands before them). Silent requests pass a held cell, but not one that stands behind a running one.
struct ShellQueue<Payload> {
  /// How long a hold keeps strict order.
  static var strictOrder: Span { Span(microseconds: 200_000) }
  /// How long a head waits before its client is told that the kernel is busy: shorter waits show nothing.
  ///
  /// Well below 50 ms: jupyter console looks at iopub so long after it sent a cell, and where it then finds nothing but an idle
  /// left from before, it takes that for the cell's.
  static var busyAfter: Span { Span(microseconds: 20_000) }
  /// How long a reply without an idle, or an idle without a reply, is waited upon after the cell's last sign.
  static var completionPatience: Span { Span(microseconds: 2_000_000) }

  /// A non-silent `execute_request`.
  struct Cell {
    var messageID: String
    var payload: Payload
    var stopOnError = true
    var cell: String?
    var codeHash: UInt64 = 0
    var demand: DemandComment?
  }

  enum Arrival {
    case cell(Cell)
    /// Keeps its place among its like, and behind cells unless those wait long: silent requests, types that nobody knows.
    case ordered(Payload)
    /// Keeps its place among its like, and may pass waiting cells after `strictOrder`.
    case comm(Payload)
    /// Only reads: may pass waiting cells after `strictOrder`.
    case reading(Payload)
  }

  enum Act {
    case forward(Payload)
    /// A cell became the head.
    case announce(Submission)
    /// Forward this granted cell.
    case start(Cell, key: UInt64)
    /// Publish `busy` in the kernel's name.
    case tellBusy(Cell)
    /// Publish busy (unless told), reply `aborted`, publish idle.
    case tellAborted(Cell, busyTold: Bool)
    /// The same with an error that says why the cell can never run.
    case tellRefused(Cell, busyTold: Bool, why: String)
    /// Ask the kernel something, on this cell's connection and so behind it, and tell `answered` the answer.
    case probe(Cell)
    case withdrawn(key: UInt64, CellOutcome)
    case ended(key: UInt64, CellOutcome)
  }

  struct WaitingHead {
    var cell: Cell
    var since: Instant
  }

  private struct Head {
    var cell: Cell
    var key: UInt64
    var since: Instant
    var busyTold = false
  }

  private struct Running {
    var cell: Cell
    var key: UInt64
    var since: Instant
    var lastSign: Instant
    var busyTold: Bool
    var acknowledged = false
    var interrupted = false
    var probed = false
    /// The kernel answered what was sent behind the cell.
    var passedOver = false
    var reply: ReplyStatus?
    var idle = false
  }

  private var entries: [(arrival: Arrival, doomed: Bool)] = []
  private var head: Head?
  private var running: Running?
  private var holdBegan: Instant?
  private var lastKey: UInt64 = 0
  /// Cells behind the head, or behind the running cell.
  private(set) var backlog = 0

  init() {}

  /// A request came from a client.
  mutating func arrive(_ arrival: Arrival, at now: Instant) -> [Act] {
    if case .cell = arrival { backlog += 1 }
    entries.append((arrival, false))
    return advance(at: now)
  }

  /// The head was granted. Nil where `key` is not the head's: it was withdrawn meanwhile, or runs already.
  mutating func grant(_ key: UInt64, at now: Instant) -> [Act]? {
    guard let granted = head, granted.key == key else { return nil }
    head = nil
    running = Running(
      cell: granted.cell, key: key, since: now, lastSign: now, busyTold: granted.busyTold)
    return [.start(granted.cell, key: key)] + advance(at: now)
  }

  /// The head can never run. Nil where `key` is not the head's.
  mutating func refuse(_ key: UInt64, why: String, at now: Instant) -> [Act]? {
    guard let refused = head, refused.key == key else { return nil }
    head = nil
    var acts: [Act] = [.tellRefused(refused.cell, busyTold: refused.busyTold, why: why)]
    if refused.cell.stopOnError { acts += doomAll() }
    return acts + advance(at: now)
  }

  /// The kernel replied to an `execute_request`.
  mutating func replied(to messageID: String, _ status: ReplyStatus, at now: Instant) -> [Act] {
    guard running?.cell.messageID == messageID else { return [] }
    running?.reply = status
    running?.lastSign = now
    running?.acknowledged = true
    if status != .ok, running?.cell.stopOnError == true {
      for index in entries.indices { entries[index].doomed = true }
    }
    return finishIfComplete(at: now)
  }

  /// The kernel published a status that belongs to this request. `suppress` is true for a busy that the client has
  /// been told already.
  mutating func published(_ state: ExecutionState, for messageID: String, at now: Instant) -> (
    acts: [Act], suppress: Bool
  ) {
    guard running?.cell.messageID == messageID else { return ([], false) }
    running?.lastSign = now
    running?.acknowledged = true
    switch state {
    case .busy:
      let told = running?.busyTold ?? false
      running?.busyTold = true
      return ([], told)
    case .idle:
      running?.idle = true
      return (finishIfComplete(at: now), false)
    case .other: return ([], false)
    }
  }

  /// The kernel published the idle of a request that is none of this queue's cells, or its `starting`, which belongs to none:
  /// what the cell's client was told before stands no longer, since it goes by the latest status.
  mutating func othersIdle() -> [Act] {
    if let cell = running, !cell.acknowledged { running?.busyTold = false }
    return head.map { $0.busyTold ? [.tellBusy($0.cell)] : [] } ?? []
  }

  /// The running cell's client is told that the kernel is busy before the kernel says so; false where it has been told.
  mutating func tellsBusy() -> Bool {
    guard running?.busyTold == false else { return false }
    running?.busyTold = true
    return true
  }

  /// Whether output that belongs to this request matters to the clock of `completionPatience`.
  var isHalfComplete: Bool { running.map { ($0.reply != nil) != $0.idle } ?? false }

  /// Output of the running cell came after its reply or its idle: more may follow.
  mutating func showedSign(at now: Instant) { running?.lastSign = now }

  /// An interrupt is on its way to the kernel.
  mutating func interrupted(at now: Instant) -> [Act] {
    if let cell = running {
      running?.interrupted = true
      guard !cell.acknowledged, !cell.probed else { return giveUpIfPassedOver(at: now) }
      running?.probed = true
      return [.probe(cell.cell)]
    }
    var acts: [Act] = []
    if let waiting = head {
      head = nil
      acts += [.tellAborted(waiting.cell, busyTold: waiting.busyTold), .withdrawn(key: waiting.key, .interrupted)]
    }
    return acts + doomAll() + advance(at: now)
  }

  /// The kernel answered what was asked behind the cell with this key.
  mutating func answered(probeBehind key: UInt64, at now: Instant) -> [Act] {
    guard running?.key == key else { return [] }
    running?.passedOver = true
    return giveUpIfPassedOver(at: now)
  }

  /// When the running cell is given up: its output and the answer come on different ways, and one may be the quicker.
  private var givenUpAt: Instant {
    guard let cell = running, cell.interrupted, cell.passedOver, !cell.acknowledged else { return .never }
    return cell.since + Self.completionPatience
  }

  /// Ends a cell that the kernel never took up (it found it malformed, say): it will never reply to it either.
  private mutating func giveUpIfPassedOver(at now: Instant) -> [Act] {
    guard let cell = running, now >= givenUpAt else { return [] }
    if cell.cell.stopOnError {
      for index in entries.indices { entries[index].doomed = true }
    }
    return [.tellAborted(cell.cell, busyTold: cell.busyTold)] + finish(.aborted, at: now)
  }

  /// The kernel has ended: nothing that waits or runs will have an end of its own.
  mutating func kernelDied() -> [Act] {
    defer { (head, running, entries, backlog) = (nil, nil, [], 0) }
    if let running { return [.ended(key: running.key, .lost)] }
    return head.map { [.withdrawn(key: $0.key, .lost)] } ?? []
  }

  /// Time has passed.
  mutating func tick(at now: Instant) -> [Act] {
    var acts: [Act] = []
    if let waiting = head, !waiting.busyTold, now - waiting.since >= Self.busyAfter {
      head?.busyTold = true
      acts.append(.tellBusy(waiting.cell))
    }
    if let cell = running, isHalfComplete, now - cell.lastSign >= Self.completionPatience {
      acts += finish(outcome(of: cell), at: now)
    }
    return acts + giveUpIfPassedOver(at: now) + letPass(at: now)
  }

  /// When `tick` next has something to do.
  var wake: Instant {
    var next = Instant.never
    if let head, !head.busyTold { next = min(next, head.since + Self.busyAfter) }
    if let running, isHalfComplete { next = min(next, running.lastSign + Self.completionPatience) }
    next = min(next, givenUpAt)
    for entry in entries {
      switch entry.arrival {
      case .cell: continue
      case .ordered: if let head { next = min(next, head.since + Self.strictOrder) }
      case .reading, .comm: if let holdBegan { next = min(next, holdBegan + Self.strictOrder) }
      }
    }
    return next
  }

  /// The head, as a submission.
  var waiting: Submission? { head.map { submission($0.cell, key: $0.key) } }

  /// The cell that runs, as a submission, and for how long.
  func runningNow(at now: Instant) -> (submission: Submission, ran: Span)? {
    running.map { (submission($0.cell, key: $0.key), now - $0.since) }
  }

  var headKey: UInt64? { head?.key }
  /// The head, and since when it has waited.
  var waitingHead: WaitingHead? { head.map { WaitingHead(cell: $0.cell, since: $0.since) } }
  /// Whether nothing waits or runs.
  var isEmpty: Bool { entries.isEmpty && head == nil && running == nil }
  var headPayload: Payload? { head?.cell.payload }
  var runningPayload: Payload? { running?.cell.payload }
  var runningKey: UInt64? { running?.key }
  /// The running request's identifier, which its output names as its parent.
  var runningMessageID: String? { running?.cell.messageID }

  private func submission(_ cell: Cell, key: UInt64) -> Submission {
    Submission(key: key, cell: cell.cell, codeHash: cell.codeHash, demand: cell.demand)
  }
}

extension ShellQueue {
  /// Forwards what stands first and needs no grant, and makes the first cell the head.
  private mutating func advance(at now: Instant) -> [Act] {
    var acts: [Act] = []
    var taken = 0
    loop: while taken < entries.count, head == nil {
      switch entries[taken].arrival {
      case .ordered(let payload), .reading(let payload), .comm(let payload): acts.append(.forward(payload))
      case .cell(let cell):
        guard running == nil else { break loop }
        lastKey += 1
        backlog -= 1
        head = Head(cell: cell, key: lastKey, since: now)
        acts.append(.announce(submission(cell, key: lastKey)))
      }
      taken += 1
    }
    entries.removeFirst(taken)
    let holds = head != nil || backlog > 0
    holdBegan = holds ? holdBegan ?? now : nil
    return acts + letPass(at: now)
  }

  /// Lets pass what may, once strict order is over.
  private mutating func letPass(at now: Instant) -> [Act] {
    let othersPass = holdBegan.map { now - $0 >= Self.strictOrder } ?? false
    let orderedPasses = head.map { now - $0.since >= Self.strictOrder } ?? false
    guard othersPass || orderedPasses, !entries.isEmpty else { return [] }
    var acts: [Act] = []
    entries.removeAll { entry in
      switch entry.arrival {
      case .ordered(let payload) where orderedPasses: acts.append(.forward(payload))
      case .reading(let payload) where othersPass: acts.append(.forward(payload))
      case .comm(let payload) where othersPass: acts.append(.forward(payload))
      case .cell, .ordered, .reading, .comm: return false
      }
      return true
    }
    return acts
  }

  private mutating func doomAll() -> [Act] {
    for index in entries.indices { entries[index].doomed = true }
    return abortDoomed()
  }

  private mutating func abortDoomed() -> [Act] {
    var acts: [Act] = []
    entries.removeAll { entry in
      guard case .cell(let cell) = entry.arrival, entry.doomed else { return false }
      acts.append(.tellAborted(cell, busyTold: false))
      return true
    }
    backlog -= acts.count
    return acts
  }

  private mutating func finishIfComplete(at now: Instant) -> [Act] {
    guard let cell = running, cell.reply != nil, cell.idle else { return [] }
    return finish(outcome(of: cell), at: now)
  }

  private func outcome(of cell: Running) -> CellOutcome {
    switch cell.reply {
    case .ok?, nil: .ok
    case .error(let name)?: cell.interrupted || name == "KeyboardInterrupt" ? .interrupted : .error
    case .aborted?: cell.interrupted ? .interrupted : .aborted
    }
  }

  private mutating func finish(_ outcome: CellOutcome, at now: Instant) -> [Act] {
    guard let cell = running else { return [] }
    running = nil
    return [.ended(key: cell.key, outcome)] + abortDoomed() + advance(at: now)
  }
}
