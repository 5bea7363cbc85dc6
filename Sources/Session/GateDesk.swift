import Domain
import Engine
import Foundation
import GateLink
import NodeControl

/// Speaks with the gates: their messages become inputs, the engine's effects become messages.
///
/// Knows which connection speaks for which notebook. Used from the engine's thread.
struct GateDesk {
  /// How long a notebook is kept for a gate whose process is alive but whose connection is gone.
  static let graceSpan = Span(seconds: 3)

  /// What a cell asks for where neither its author nor an operator said anything.
  let defaultDemand: Demand
  let session: Int64
  /// Whether gates move the GPU memory of suspended cells away.
  let evictsGPUMemory: Bool
  /// Whom gates tell what a held cell waits for.
  let telling: Telling
  /// Where cells' code is kept; nil where gates keep it to themselves.
  let codes: CodeBook?
  private var connections: [NotebookID: GateConnection] = [:]
  /// Kernel processes, for sampling what they use.
  private(set) var kernels: [NotebookID: Int32] = [:]
  private var pings = PingRound()
  /// Whose name for itself means which notebook; of those that are open.
  private var notebooks: [GateName: NotebookID] = [:]
  private var gateNames: [NotebookID: GateName] = [:]
  private let limits: Limits
  /// Each that is opened stays in the books of the session.
  private var openings: Pace
  /// Nil once everybody is back who was awaited.
  private var recovery: Recovery?
  private var recoversUntil = Instant.zero
  /// What was ordered of notebooks before this server began, until their gates are back.
  private var standingOrders: [GateName: Recovery.StandingOrders] = [:]
  /// The gates of the server before this one.
  private var knownGates: Set<GateName> = []
  /// Those of them that have not been back yet.
  private var returning: Set<GateName> = []
  /// What was ordered of the cells in the hands of gates that are back, until those are in the books.
  private var cellOrders: [NotebookID: Recovery.StandingOrders] = [:]
  /// Gates that came while others were awaited and that the server before did not know: what was ordered of a document is
  /// theirs where nobody else comes for it.
  private var newcomers: [NotebookID] = []
  /// Cells that came while others were awaited, in the order of their coming.
  private var deferred: [(notebook: NotebookID, submission: Submission)] = []
  private var nextCommand = OrderNumbers.own
  private var orphans: [(notebook: NotebookID, pid: Int32, until: Instant)] = []

  init(
    defaultDemand: Demand, session: Int64, evictsGPUMemory: Bool = false, telling: Telling = Telling(),
    limits: Limits = Limits(), codes: CodeBook? = nil
  ) {
    self.codes = codes
    self.limits = limits
    openings = Pace(limits.notebooksPerMinute, inSeconds: 60, atOnce: limits.notebooksPerUser)
    self.defaultDemand = defaultDemand
    self.telling = telling
    self.evictsGPUMemory = evictsGPUMemory
    self.session = session
  }

  /// Handles one message of a gate.
  mutating func receive(
    _ message: GateMessage, from connection: GateConnection, _ driver: inout EngineDriver, at now: Instant
  ) {
    if case .hello(let hello) = message {
      welcome(hello, connection, &driver, at: now)
      return
    }
    guard let id = connection.notebook, connections[id] === connection else { return }
    switch message {
    case .hello, .pong: break
    case .submitted(let submission): submit(submission, id, &driver, at: now)
    case .ended(let key, let outcome), .withdrawn(let key, let outcome):
      deferred.removeAll { $0.notebook == id && $0.submission.key == key }
      let slot = driver.state[id]
      if slot.hasCell, slot.cell.source.key == key {
        driver.handle(.observation(.cellEnded(id, slot.cell.id, outcome)), at: now)
      }
    case .backlog(let count):
      driver.handle(.observation(.backlogChanged(id, Int32(clamping: count))), at: now)
    case .kernel(let state, let pid):
      guard claim(state == .dead ? 0 : pid, id, connection) else { return }
      switch state {
      case .starting: break
      case .ready: driver.handle(.observation(.kernelReady(id)), at: now)
      case .dead: driver.handle(.observation(.kernelDied(id)), at: now)
      }
    case .applied(_, _, let saved):
      if saved == true { driver.handle(.observation(.gpuMemorySaved(id)), at: now) }
    case .code(let key, let text): codes?.take(text, of: id, key: key)
    case .failed(let sequence, let why):
      driver.handle(.observation(.effectFailed(id, sequence: sequence, why: why.printable(at: 200))), at: now)
    }
  }

  private mutating func welcome(
    _ hello: Hello, _ connection: GateConnection, _ driver: inout EngineDriver, at now: Instant
  ) {
    guard hello.version == gateProtocolVersion else {
      connection.refuse("this engine speaks version \(gateProtocolVersion), the gate \(hello.version)")
      return
    }
    guard hello.pid == connection.peer.pid else {
      connection.refuse("the gate says it is process \(hello.pid), and it is \(connection.peer.pid)")
      return
    }
    guard connection.notebook == nil else {
      connection.refuse("a connection says hello once")
      return
    }
    if case .fails(let why) = KernelClaim(kernel: hello.kernelPid, gate: connection.peer.pid, uid: connection.peer.uid)
    {
      connection.refuse(why)
      return
    }
    let name = hello.gate.printable(at: 64)
    let id: NotebookID
    let gate = GateName(gate: name, user: connection.peer.user)
    if let known = notebooks[gate], driver.state[known].state != .gone {
      id = known
      orphans.removeAll { $0.notebook == id }
    } else if gateNames.values.count(where: { $0.user == gate.user }) >= limits.notebooksPerUser {
      connection.refuse(
        "\(gate.user) has \(counted(limits.notebooksPerUser, "notebook")) open here, and a user can have no more")
      return
    } else if !openings.take(connection.peer.uid, at: now) {
      connection.refuse(
        "\(gate.user) opens notebooks too often: more than \(limits.notebooksPerMinute) a minute",
        retrySeconds: openings.retrySeconds(connection.peer.uid, at: now))
      return
    } else {
      id = NotebookID(Int32(driver.state.notebooks.count))
      let notebook = Notebook(
        id: id, node: NodeID(0), user: connection.peer.user, path: (hello.path ?? hello.connection).kept(at: 1024),
        kernel: (hello.language ?? "unknown").printable(at: 64), gate: name)
      driver.handle(.observation(.notebookOpened(notebook)), at: now)
      guard driver.state.contains(id) else { return }
      notebooks[gate] = id
      gateNames[id] = gate
      repeatStandingOrders(of: id, &driver, at: now)
    }
    recovery?.awaited?.remove(gate)
    if connections.updateValue(connection, forKey: id) == nil { pings.join(id) }
    connection.notebook = id
    connection.hearsStanding = hello.hearsStanding == true
    if hello.kernelPid > 0, !claim(hello.kernelPid, id, connection) { return }
    let makers = Set(driver.state[driver.state[id].node].node.gpus.map(\.maker))
    connection.send(
      .welcome(
        version: gateProtocolVersion, session: session, notebook: id.number,
        hides: GPUMaker.allCases.filter(makers.contains), evicts: evictsGPUMemory, tells: telling,
        wantsCode: codes == nil ? nil : true))
    reconcile(hello, id, &driver, at: now)
  }

  /// Brings the books and what the gate says of its cells together. What was ordered while it was away is said again.
  private mutating func reconcile(_ hello: Hello, _ id: NotebookID, _ driver: inout EngineDriver, at now: Instant) {
    if driver.state[id].state == .starting, hello.isReady == true || hello.running != nil {
      driver.handle(.observation(.kernelReady(id)), at: now)
    }
    // A kernel keeps the GPUs that it was shown first; where this engine knows what they are, it is no news.
    if let gpus = hello.gpus, !gpus.isEmpty {
      driver.handle(.observation(.gpusSeen(id, numbers(of: gpus, id, driver.state))), at: now)
    }
    let slot = driver.state[id]
    let known = slot.hasCell ? slot.cell.source.key : nil
    if let known, known != hello.running?.submission.key, known != hello.waiting?.key {
      driver.handle(.observation(.cellEnded(id, slot.cell.id, .lost)), at: now)
    }
    if let running = hello.running {
      if known == running.submission.key, slot.state != .queued {
        repeatOrders(id, running, driver.state)
      } else {
        let ran = Span(seconds: running.ranSeconds.isFinite ? max(0, min(running.ranSeconds, 1e9)) : 0)
        let key = running.submission.key
        // A cell that somebody suspended is taken up as running and suspended anew, so that only they resume it.
        let isOrdered = cellOrders[id].map { $0.key == key && $0.isSuspended } ?? false
        driver.handle(
          .observation(
            .cellFoundRunning(
              id, demand(of: running.submission), source(of: running.submission), ran: ran, running.cores,
              numbers(of: running.gpus ?? [], id, driver.state), suspended: running.suspended && !isOrdered)),
          at: now)
        repeatCellOrders(id, key, &driver, at: now)
      }
      if running.suspended, running.saved == true { driver.handle(.observation(.gpuMemorySaved(id)), at: now) }
    } else if let waiting = hello.waiting {
      if known != waiting.key {
        submit(waiting, id, &driver, at: now)
      } else if slot.state == .running {
        connections[id]?.send(grant(slot, driver.state))
      } else if slot.state == .queued {
        if let wait = slot.wait { tell(id, slot, wait, driver.state) }
      } else if slot.state == .suspended {
        // Suspended before its grant arrived: it has not begun, and stands in line anew.
        driver.handle(.observation(.cellEnded(id, slot.cell.id, .lost)), at: now)
        submit(waiting, id, &driver, at: now)
      }
    }
    driver.handle(.observation(.backlogChanged(id, Int32(clamping: hello.backlog))), at: now)
  }

  /// The GPUs of a notebook's node that a gate names; others are none of ours.
  private func numbers(of gpus: [VisibleGPU], _ id: NotebookID, _ state: SchedulerState) -> GPUSet {
    let all = state[state[id].node].node.gpus
    return GPUSet(gpus.compactMap { named in all.firstIndex { $0.uuid == named.id && $0.maker == named.maker } })
  }

  /// Says again what a gate that was away may have missed of its running cell.
  private func repeatOrders(_ id: NotebookID, _ running: RunningCell, _ state: SchedulerState) {
    let slot = state[id]
    let key = slot.cell.source.key
    let sequence = state.sequence
    if slot.state == .suspended {
      if !running.suspended { connections[id]?.send(.suspend(sequence: sequence, key: key)) }
    } else if running.suspended {
      connections[id]?.send(resume(slot.allotment, state, sequence: sequence, key: key))
    } else if running.cores != slot.allotment.cores {
      connections[id]?.send(.resize(sequence: sequence, key: key, cores: slot.allotment.cores))
    }
  }

  private mutating func submit(
    _ submission: Submission, _ id: NotebookID, _ driver: inout EngineDriver, at now: Instant
  ) {
    let slot = driver.state[id]
    if slot.hasCell, slot.cell.source.key == submission.key { return }
    guard recovery == nil else {
      deferred.removeAll { $0.notebook == id }
      deferred.append((id, submission))
      return
    }
    let (source, demand) = (source(of: submission), demand(of: submission))
    driver.handle(
      .observation(.cellSubmitted(id, demand, source, driver.forecast(source, demand, in: id))), at: now)
    repeatCellOrders(id, submission.key, &driver, at: now)
  }

  private func demand(of submission: Submission) -> Demand { submission.demand?.over(defaultDemand) ?? defaultDemand }

  private func source(of submission: Submission) -> CellSource {
    CellSource(
      jupyterCell: submission.cell?.printable(at: 64), codeHash: submission.codeHash, key: submission.key)
  }

  /// A connection ended. Its notebook goes with its gate; a gate that lives is given `graceSpan` to come back.
  mutating func lost(_ connection: GateConnection, _ driver: inout EngineDriver, at now: Instant) {
    guard let id = connection.notebook, connections[id] === connection else { return }
    connections[id] = nil
    pings.leave(id)
    orphans.append((id, connection.peer.pid, now + Self.graceSpan))
    settleOrphans(&driver, at: now)
  }

  /// Closes the notebooks of gates that have ended or did not come back.
  mutating func settleOrphans(_ driver: inout EngineDriver, at now: Instant) {
    let gone = orphans.filter { $0.until <= now || !Self.isAlive($0.pid) }
    orphans.removeAll { orphan in gone.contains { $0.notebook == orphan.notebook } }
    for orphan in gone {
      kernels[orphan.notebook] = nil
      codes?.forget(orphan.notebook)
      cellOrders[orphan.notebook] = nil
      deferred.removeAll { $0.notebook == orphan.notebook }
      if let gate = gateNames.removeValue(forKey: orphan.notebook) { notebooks[gate] = nil }
      driver.handle(.observation(.notebookClosed(orphan.notebook)), at: now)
    }
  }

  private static func isAlive(_ pid: Int32) -> Bool { ProcessRecord.now(pid).map { !$0.isZombie } ?? false }

  /// When the next gates are to be told that the engine lives; `never` while there are none.
  var nextPing: Instant { connections.isEmpty ? .never : pings.next }

  /// Tells some gates, each in its turn, that the engine lives. A gate that was told so once and hears nothing for five
  /// seconds goes on without it, so that a console stopped by ^Z holds no cell for ever.
  mutating func ping(at now: Instant) {
    guard nextPing <= now else { return }
    for id in pings.turn(at: now) { connections[id]?.send(line: Self.pingLine) }
  }

  private static let pingLine = LineCodec.line(EngineMessage.ping)

  /// How many gates are connected.
  var gates: Int { connections.count }

  /// Whether a notebook waits for its gate to come back.
  var hasOrphans: Bool { !orphans.isEmpty }

  /// Carries effects out, by telling the gates.
  func perform(_ effects: [Effect], _ state: SchedulerState) {
    for effect in effects {
      guard let connection = connections[effect.notebook] else { continue }
      if let message = message(for: effect, state) { connection.send(message) }
    }
  }

  private func grant(_ slot: NotebookSlot, _ state: SchedulerState, sequence: Int64? = nil) -> EngineMessage {
    .grant(
      sequence: sequence ?? state.sequence, key: slot.cell.source.key, cores: slot.allotment.cores,
      gpus: named(slot.allotment, state))
  }

  private func resume(
    _ allotment: Allotment, _ state: SchedulerState, sequence: Int64, key: UInt64
  ) -> EngineMessage {
    .resume(sequence: sequence, key: key, cores: allotment.cores, gpus: named(allotment, state))
  }

  /// The GPUs of an allotment as a gate needs to know them.
  private func named(_ allotment: Allotment, _ state: SchedulerState) -> [VisibleGPU] {
    let all = state[allotment.node].node.gpus
    return allotment.gpus.filter(all.indices.contains).map { VisibleGPU(id: all[$0].uuid, maker: all[$0].maker) }
  }

  /// The message that carries an effect out; nil where its cell is no longer in the books, because what came in the
  /// same batch ended it: the order would reach the next cell.
  private func message(for effect: Effect, _ state: SchedulerState) -> EngineMessage? {
    if case .refuse(let key, let why) = effect.act {
      return .refuse(sequence: effect.sequence, key: key, why: why)
    }
    let slot = state[effect.notebook]
    guard slot.hasCell, slot.cell.id == effect.cell else { return nil }
    let key = slot.cell.source.key
    let sequence = effect.sequence
    switch effect.act {
    case .grant(_, let allotment):
      var granted = slot
      granted.allotment = allotment
      return grant(granted, state, sequence: sequence)
    case .refuse: return nil
    case .resize(_, let allotment): return .resize(sequence: sequence, key: key, cores: allotment.cores)
    case .suspend: return .suspend(sequence: sequence, key: key)
    case .resume(_, let allotment): return resume(allotment, state, sequence: sequence, key: key)
    case .interrupt: return .interrupt(sequence: sequence, key: key)
    case .tell(_, let wait):
      tell(effect.notebook, slot, wait, state)
      return nil
    }
  }

  /// Says where a cell stands that waits for its start: what a suspended one waits for is no part of its output.
  private func tell(_ id: NotebookID, _ slot: NotebookSlot, _ wait: Wait, _ state: SchedulerState) {
    guard slot.state == .queued, let connection = connections[id], connection.hearsStanding else { return }
    connection.send(.standing(key: slot.cell.source.key, now: Standing(wait, at: state.now)))
  }
}

// MARK: Processes that gates name, and gates that come back after a crash

extension GateDesk {
  /// Takes a kernel's process where what the gate says of it is true; a gate that says what is not is let go.
  ///
  /// - Parameter pid: 0 for none.
  private mutating func claim(_ pid: Int32, _ id: NotebookID, _ connection: GateConnection) -> Bool {
    guard pid > 0 else {
      kernels[id] = nil
      return true
    }
    switch KernelClaim(kernel: pid, gate: connection.peer.pid, uid: connection.peer.uid) {
    case .holds: kernels[id] = pid
    case .unknown: kernels[id] = nil
    case .fails(let why):
      connection.refuse(why)
      return false
    }
    return true
  }

  /// Grants nothing from now on until the gates are back that held cores before this server began, or `Recovery.patience` is
  /// over; takes up what had been ordered of the node.
  ///
  /// The policy in force is taken up unless this server was told of another one than the server before.
  mutating func recover(_ recovery: Recovery, _ driver: inout EngineDriver, at now: Instant) {
    self.recovery = recovery
    standingOrders = recovery.orders
    (knownGates, returning) = (recovery.gates, recovery.gates)
    recoversUntil = now + Recovery.patience
    let told = driver.state.policyName
    if let policy = recovery.policy, policy != told, (recovery.firstPolicy ?? told) == told {
      order(.setPolicy(policy), by: recovery.policyAuthor, &driver, at: now)
    }
    for place in recovery.drained where driver.state.contains(place.node) {
      // Cores that this server was not given need no draining.
      let node = driver.state[place.node].node
      let (cores, gpus) = (place.cores.intersection(node.cores), place.gpus.intersection(node.gpuSet))
      guard !cores.isEmpty || !gpus.isEmpty else { continue }
      order(.drain(place.node, cores, gpus), by: place.author, &driver, at: now)
    }
  }

  /// When `settleRecovery` is to be called; `never` where nobody is awaited.
  var recoveryDue: Instant { recovery == nil ? .never : recovery?.awaited?.isEmpty == true ? .zero : recoversUntil }

  /// Lets the cells that came meanwhile stand in line once everybody is back, or it has been waited long enough.
  mutating func settleRecovery(_ driver: inout EngineDriver, at now: Instant) {
    guard recoveryDue <= now else { return }
    recovery = nil
    for id in newcomers where connections[id] != nil { repeatStandingOrders(of: id, &driver, at: now) }
    newcomers = []
    let waiting = deferred
    deferred = []
    for (id, submission) in waiting where connections[id] != nil && !driver.state[id].hasCell {
      submit(submission, id, &driver, at: now)
    }
  }

  /// Says again what had been ordered of a notebook whose gate is back, or whose kernel was started anew meanwhile.
  private mutating func repeatStandingOrders(
    of id: NotebookID, _ driver: inout EngineDriver, at now: Instant
  ) {
    guard let gate = gateNames[id] else { return }
    if recovery != nil, standingOrders[gate] == nil, !knownGates.contains(gate) { return newcomers.append(id) }
    if returning.remove(gate) != nil {
      dropInherited(id, standingOrders[gate]?.orders ?? [], &driver, at: now)
    }
    let path = driver.state.descriptions[Int(id.number)].path
    guard let name = standingOrders[gate] == nil ? predecessor(of: gate, path) : gate,
      let given = standingOrders.removeValue(forKey: name)
    else { return }
    for one in given.orders { order(one.verb(id, CellID(0), now), by: one.author, &driver, at: now) }
    if !given.ofCell.isEmpty { cellOrders[id] = given }
  }

  /// Takes away what a notebook that is back got from another one of its document that was back before it, and had not itself.
  private mutating func dropInherited(
    _ id: NotebookID, _ own: [Recovery.StandingOrders.Order], _ driver: inout EngineDriver, at now: Instant
  ) {
    let words = Set(own.map { $0.verb(id, CellID(0), now).word })
    let slot = driver.state[id]
    let inherited: [(isThere: Bool, given: Verb, back: Verb)] = [
      (slot.priority != 0, .setPriority(id, 0), .setPriority(id, 0)), (slot.isHeld, .hold(id), .release(id)),
      (slot.pin != nil, .pin(id, slot.pin ?? Pin(node: NodeID(0), cores: CoreSet(), gpus: GPUSet())), .unpin(id)),
      (slot.demandOverride != nil, .overrideDemand(id, slot.demandOverride), .overrideDemand(id, nil)),
    ]
    for one in inherited where one.isThere && !words.contains(one.given.word) {
      order(one.back, by: Self.ownName, &driver, at: now)
    }
  }

  /// A gate of the same user and document that did not come back, for one that was not there before.
  private func predecessor(of gate: GateName, _ path: String) -> GateName? {
    guard !knownGates.contains(gate) else { return nil }
    let same = standingOrders.filter { $0.key.user == gate.user && $0.value.path == path }
    return same.keys.min { $0.gate < $1.gate }
  }

  /// Says again what had been ordered of a notebook's cell, once that is in the books; of another cell it does not hold.
  private mutating func repeatCellOrders(
    _ id: NotebookID, _ key: UInt64, _ driver: inout EngineDriver, at now: Instant
  ) {
    guard let given = cellOrders.removeValue(forKey: id), given.key == key, driver.state[id].hasCell else { return }
    let cell = driver.state[id].cell.id
    for one in given.ofCell { order(one.verb(id, cell, now), by: one.author, &driver, at: now) }
  }

  /// Who gives the orders that nobody else is known to have given.
  static let ownName = "celltop"

  private mutating func order(_ verb: Verb, by author: String, _ driver: inout EngineDriver, at now: Instant) {
    nextCommand += 1
    driver.handle(
      .command(
        Command(
          id: CommandID(nextCommand), author: author, why: "as before the server was started anew", verb: verb)),
      at: now)
  }
}
