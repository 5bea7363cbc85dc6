import Domain
import GateLink
import Glibc
import JupyterWire
import NodeControl

/// What the engine says, and how it is enforced.
extension Gate {
  /// The kernel with all that descends from it; the keeper above it has adopted its orphans.
  var tree: ProcessTree { ProcessTree(root: keeper.pid, includesRoot: false) }

  func receiveFromEngine(at now: Instant) {
    guard watch.woke(.link), link.isConnected else { return }
    link.flush(at: now)
    for message in link.receive(at: now) {
      switch message {
      case .welcome(_, _, _, let hides, let evicts, let tells, let wantsCode):
        orders.welcomed()
        self.wantsCode = wantsCode == true
        tellCode(at: now)
        telling = tellingChoice.over(tells)
        gpus.govern(hides ?? [])
        if evicts == true {
          eviction.mover = CUDACheckpoint.find(environment: Environment.current()).map(CUDACheckpoint.init(program:))
        } else if eviction.place == .there {
          // What an earlier engine had moved away must be able to come back.
          eviction.mover = nil
        }
      case .unwelcome, .ping: continue
      case .standing(let key, now: let what): notice.heard(what, of: key, at: now)
      case .grant(let sequence, let key, let granted, let shown): grant(sequence, key, granted, shown, at: now)
      case .resize(let sequence, let key, let granted):
        carryOut(sequence, key, at: now) { () throws(NodeError) in try setCores(granted) }
      case .suspend(let sequence, let key):
        carryOut(sequence, key, at: now) { () throws(NodeError) in try suspend(order: sequence) }
      case .resume(let sequence, let key, let granted, let shown):
        // Its GPUs are those that it had: a kernel sees no others, whatever is said.
        let trouble = gpus.trouble(with: shown ?? [])
        carryOut(sequence, key, at: now) { () throws(NodeError) in
          // Whatever becomes of its cores, a kernel that nobody lets go on hangs.
          try both { () throws(NodeError) in
            if granted != cores, !granted.isEmpty { try setCores(granted) }
          } and: { () throws(NodeError) in
            try resume(order: sequence)
          }
        }
        if let trouble { link.send(.failed(sequence: sequence, why: trouble), at: now) }
      case .interrupt(let sequence, let key): interrupt(sequence, key, at: now)
      case .refuse(let sequence, let key, let why):
        guard let acts = queue.refuse(key, why: why, at: now) else {
          link.send(.failed(sequence: sequence, why: "cell \(key) does not wait"), at: now)
          continue
        }
        perform(acts, at: now)
        link.send(.applied(sequence: sequence, cores: CoreSet()), at: now)
      }
    }
  }

  func hello(at now: Instant) -> Hello {
    backlogTold = queue.backlog
    return Hello(
      pid: getpid(), kernelPid: kernelPid, gate: name, path: session.flatMap { $0.hasPrefix("/") ? $0 : nil },
      language: language,
      connection: String(options.connectionFile.split(separator: "/").last ?? ""),
      running: queue.runningNow(at: now).map {
        RunningCell(
          submission: $0.submission, ranSeconds: $0.ran.seconds, cores: runsGoverned ? cores : nil,
          suspended: isSuspended || suspendsAgain != nil,
          gpus: gpus.running(isGoverned: runsGoverned, asked: $0.submission.demand?.gpus),
          saved: eviction.place == .out ? true : nil)
      }, waiting: queue.waiting, backlog: queue.backlog, isReady: kernelSpoke,
      hearsStanding: true, gpus: gpus.granted.isEmpty ? nil : gpus.granted)
  }

  /// Answers an order that has been carried out already; false for a new one.
  private func answersOld(_ sequence: Int64, at now: Instant) -> Bool {
    guard orders.isOld(sequence) else { return false }
    link.send(.applied(sequence: sequence, cores: cores ?? allCores), at: now)
    return true
  }

  private func grant(
    _ sequence: Int64, _ key: UInt64, _ granted: CoreSet, _ shown: [VisibleGPU], at now: Instant
  ) {
    guard !answersOld(sequence, at: now) else { return }
    if key == queue.runningKey {
      return carryOut(sequence, key, at: now) { () throws(NodeError) in try setCores(granted) }
    }
    guard key == queue.headKey else {
      return link.send(.failed(sequence: sequence, why: "cell \(key) neither waits nor runs"), at: now)
    }
    // Cores first, then the cell: it must not run a moment anywhere else.
    var failure: NodeError?
    do throws(NodeError) {
      try both { () throws(NodeError) in
        if isSuspended { try resume() }
      } and: { () throws(NodeError) in
        try setCores(granted)
      }
    } catch { failure = error }
    runsGoverned = true
    let trouble = gpus.grant(shown)
    gpuTrouble = trouble
    perform(queue.grant(key, at: now) ?? [], at: now)
    if failure == nil { orders.carriedOut(sequence) }
    if let why = failure?.description ?? trouble {
      link.send(.failed(sequence: sequence, why: why), at: now)
    } else {
      // Nobody waits for this word, and now the kernel wants the core that the engine would be woken on.
      link.mention(
        .applied(sequence: sequence, cores: cores ?? CoreSet()), patience: Self.grantMentionedWithin, at: now)
    }
  }

  /// The end of a short cell takes the word along that its grant was carried out; a longer one's goes by itself after this.
  static let grantMentionedWithin = Span(microseconds: 20_000)

  /// Does something to the running cell's processes and tells the engine how that went.
  private func carryOut(_ sequence: Int64, _ key: UInt64, at now: Instant, _ act: () throws(NodeError) -> Void) {
    guard !answersOld(sequence, at: now) else { return }
    guard key == queue.runningKey else {
      return link.send(.failed(sequence: sequence, why: "cell \(key) does not run"), at: now)
    }
    do throws(NodeError) {
      try act()
      orders.carriedOut(sequence)
      link.send(.applied(sequence: sequence, cores: cores ?? allCores), at: now)
    } catch {
      link.send(.failed(sequence: sequence, why: error.description), at: now)
    }
  }

  private func interrupt(_ sequence: Int64, _ key: UInt64, at now: Instant) {
    guard key == queue.runningKey || key == queue.headKey else {
      return link.send(.failed(sequence: sequence, why: "cell \(key) neither waits nor runs"), at: now)
    }
    if key == queue.runningKey { interruptForEngine(at: now) }
    perform(queue.interrupted(at: now), at: now)
    link.send(.applied(sequence: sequence, cores: cores ?? allCores), at: now)
  }

  private func setCores(_ wanted: CoreSet) throws(NodeError) {
    // The same cores again cost nothing: threads inherit them.
    guard wanted != cores else { return }
    do throws(NodeError) { cores = try node.setCores(wanted, of: tree) } catch {
      // Refused for one process, the kernel may be bound all the same: what it has counts, not what it had.
      if let present = LinuxNode.affinity(of: kernelPid) { cores = present }
      throw error
    }
  }

  /// Does both, whatever becomes of the first; throws what the first of them threw.
  private func both(_ first: () throws(NodeError) -> Void, and second: () throws(NodeError) -> Void) throws(NodeError) {
    var failure: NodeError?
    do throws(NodeError) { try first() } catch { failure = error }
    do throws(NodeError) { try second() } catch { failure = failure ?? error }
    if let failure { throw failure }
  }

  /// How often a running cell's threads are looked at: worker processes that a library starts with masks of their own
  /// are found within it. Measured: 0.1 ms for 14 threads.
  static let keepsCoresEvery = Span(microseconds: 1_000_000)
  /// How many times its own length a look keeps the next one away: half a percent of a core, however many processes the
  /// kernel has made.
  static let keepsCoresShare: Int64 = 200

  /// Keeps the running cell to its cores, as threads and processes appear.
  func keepCores(at now: Instant) {
    guard let cores, runsGoverned, queue.runningKey != nil, !isSuspended else {
      keepsCoresAt = .never
      return
    }
    guard keepsCoresAt != .never else {
      keepsCoresAt = now + Self.keepsCoresEvery
      return
    }
    guard now >= keepsCoresAt else { return }
    _ = node.keepCores(cores, of: tree)
    let took = Self.now() - now
    keepsCoresAt = now + max(Self.keepsCoresEvery, Span(microseconds: took.microseconds * Self.keepsCoresShare))
  }

  /// Suspends the cell that was resumed for an interrupt, caught it and runs on: its cores are somebody else's.
  func suspendAgain(at now: Instant) {
    guard let (key, at) = suspendsAgain, now >= at else { return }
    suspendsAgain = nil
    guard key == queue.runningKey, link.isGoverned else { return }
    try? suspend()
  }

  /// Without an engine for long enough, the head runs on all cores, and a suspended kernel goes on.
  func releaseWithoutEngine(at now: Instant) {
    guard now >= link.releases else { return }
    if isSuspended { try? resume() }
    guard let key = queue.headKey else { return }
    // A kernel that no engine has bound has all cores already.
    if cores != nil { try? setCores(allCores) }
    runsGoverned = false
    perform(queue.grant(key, at: now) ?? [], at: now)
  }

  /// Tells the kernel's thread pools the number of its cores, when that has changed, on the connection that the cell
  /// will take.
  func tellPools(by peer: Peer, in subshell: String?) {
    let threads = (cores ?? allCores).count
    guard threads != (pools[subshell] ?? (cores == nil ? threads : nil)),
      suitsByCommand, suitsByName, let code = ThreadPools.code(threads: threads, language: language)
    else { return }
    pools[subshell] = threads
    tell(code, by: peer, in: subshell)
  }

  /// Shows the kernel the GPUs that it may use, when they have changed, on the connection that the cell will take.
  ///
  /// - Returns: for the cell's author, why it will not see what it was granted; nil where it will.
  func tellGPUs(by peer: Peer, in subshell: String?) -> String? {
    defer { gpuTrouble = nil }
    let changes = gpus.changes(isGoverned: runsGoverned)
    guard !changes.isEmpty else { return gpuTrouble }
    // A kernel that calls itself unsuitable after it was started without GPUs must still be shown them.
    guard let code = EnvironmentCode.setting(changes, language: suitsByCommand ? language : nil) else {
      // Nothing can be hidden from such a kernel, nor shown to it: it sees what it saw at its start.
      return gpus.granted.isEmpty
        ? nil : "celltop cannot show GPUs to a running \(language ?? "unknown") kernel; it sees those of its start"
    }
    gpus.note(changes)
    tell(code, by: peer, in: subshell)
    return gpuTrouble
  }

  private func tell(_ code: String, by peer: Peer, in subshell: String?) {
    let own = stamp()
    ownRequests.sent(own.id)
    toldAhead = true
    send(Composer(session: name, signer: signer).silentExecute(code: code, in: subshell, stamp: own), by: peer)
  }
}
