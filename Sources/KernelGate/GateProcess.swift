import CLinux
import Domain
import GateLink
import Glibc
import JupyterWire
import NodeControl

/// Signals, control, and the kernel's life and death.
extension Gate {
  /// The signals that are the kernel's, not the gate's.
  static let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]
  /// How long a kernel whose parent has gone may take to end by itself.
  static let orphanGrace = Span(microseconds: 2_000_000)
  /// How long a suspended cell may run to answer an interrupt.
  static let interruptGrace = Span(microseconds: 1_000_000)
  /// How long after it was let go on a kernel's main thread may not be the one that a signal to the process finds: as long as a
  /// busy machine may take to run it.
  static let freshlyResumed = Span(microseconds: 10_000_000)
  /// How long an interrupt waits for a kernel to come to a cell that the gate sent something ahead of.
  static let interruptPatience = Span(microseconds: 3_000_000)
  /// How long after a cell's input was published the kernel most likely is in its code. An interrupt before that is caught by
  /// ipykernel itself, which then never answers, as it is without a gate.
  static let reachingSpan = Span(microseconds: 200_000)
  /// How long nothing has come from an ended kernel when all has come: its sockets' bytes are here already, and libzmq's
  /// thread takes moments to hand them over.
  static let lastOutputQuiet = Span(microseconds: 20_000)

  func receiveSignals(at now: Instant) {
    while watch.woke(.signals), case let number = celltop_next_signal(signals), number > 0 {
      if number == SIGINT {
        interruptKernel(at: now)
        perform(queue.interrupted(at: now), at: now)
      } else {
        try? resume()
        signalKernel(number)
      }
    }
    guard parentLives, parentDied else { return }
    // Whoever started us is gone, and with them everybody who could reach this kernel.
    parentLives = false
    hurryInterrupts()
    try? resume()
    signalKernel(SIGTERM)
    delayed.append(Delayed(at: now + Self.orphanGrace, act: .signal(SIGKILL)))
  }

  /// Sends SIGINT, a little later where the kernel had to be resumed for it.
  func interruptKernel(at now: Instant) {
    delayed.append(Delayed(at: afterResume(at: now, forInterrupt: true), act: .signal(SIGINT)))
    performDelayed(at: now)
  }

  /// Interrupts the kernel for the engine, in the way that the kernel wants.
  func interruptForEngine(at now: Instant) {
    guard options.interruptsByMessage else { return interruptKernel(at: now) }
    delayed.append(Delayed(at: afterResume(at: now, forInterrupt: true), act: .interruptRequest))
    performDelayed(at: now)
  }

  /// Resumes a suspended kernel; gives the moment from which an interrupt is safe.
  ///
  /// - Parameter forInterrupt: whether the running cell may survive what comes, and is then suspended again.
  private func afterResume(at now: Instant, forInterrupt: Bool) -> Instant {
    let last = delayed.last?.at ?? now
    if !forInterrupt { suspendsAgain = nil }
    guard isSuspended else { return max(now, last, resumedAt + LinuxNode.interruptDelay) }
    try? resume()
    if forInterrupt, let key = queue.runningKey {
      suspendsAgain = (key, now + Self.interruptGrace + (behindOwn == nil ? .zero : Self.interruptPatience))
    }
    return max(now + LinuxNode.interruptDelay, last)
  }

  /// The kernel's group, which holds what it runs as well: that is what jupyter_client signals without a gate.
  private func signalKernel(_ number: Int32) {
    guard kernelPid > 0, exitStatus == nil else { return }
    if number == SIGINT, Self.now() - resumedAt < Self.freshlyResumed,
      GroupInterrupt.send(toGroupOf: kernelPid, among: tree.members())
    {
      return
    }
    if kill(-kernelPid, number) != 0 { kill(kernelPid, number) }
  }

  /// Lets interrupts wait for no cell any more: what stands behind them ends the kernel.
  private func hurryInterrupts() { (behindOwn, reachable) = (nil, .zero) }

  /// When something that was delayed may be done.
  func due(_ delayed: Delayed) -> Instant {
    guard delayed.isInterrupt else { return delayed.at }
    return behindOwn != nil ? delayed.at + Self.interruptPatience : max(delayed.at, reachable)
  }

  func performDelayed(at now: Instant) {
    while let first = delayed.first, due(first) <= now {
      delayed.removeFirst()
      switch first.act {
      case .signal(let number): signalKernel(number)
      case .control(let client, let message, _):
        guard let peer = peer(client, at: now) else { continue }
        if !kernelSpoke { early.note(message, .control) }
        message.send(to: peer.control, from: 1)
      case .interruptRequest:
        // On a client of the gate's own, whose replies nobody reads.
        if ownPeer == nil {
          ownPeer = try? Peer(context, identity: Array("celltop-\(name)".utf8), kernel: kernel, now: now)
        }
        let own = stamp()
        ownRequests.sent(own.id, isRead: false)
        ownPeer?.control.send(Composer(session: name, signer: signer).interrupt(stamp: own))
      }
    }
  }

  /// Control passes at once; an interrupt or a shutdown first wakes a suspended kernel.
  func receiveControl(at now: Instant) {
    while front.control.mayHoldMore {
      let message = Multipart()
      guard message.receive(from: front.control) else { return }
      guard message.count > 1 else { continue }
      var at = delayed.last?.at ?? now
      var isInterrupt = false
      if let layout = Layout(count: message.count, frame: { message[$0] }) {
        let type = Header.type(of: message[layout.header])
        isInterrupt = type == .interruptRequest
        if type == .shutdownRequest { hurryInterrupts() }
        if type == .interruptRequest || type == .shutdownRequest {
          at = afterResume(at: now, forInterrupt: type == .interruptRequest)
        }
        if type == .interruptRequest { perform(queue.interrupted(at: now), at: now) }
      }
      delayed.append(Delayed(at: at, act: .control(client: Array(message[0]), message, isInterrupt: isInterrupt)))
      performDelayed(at: now)
    }
  }

  func receiveFromKeeper(at now: Instant) {
    guard watch.woke(.keeper) else { return }
    var wait = [pollfd(fd: keeper.socket, events: Int16(POLLIN), revents: 0)]
    while exitStatus == nil, poll(&wait, 1, 0) > 0 {
      guard let message = KeeperMessage.read(from: keeper.socket) else {
        // Without a keeper the kernel has been killed (its parent died), and nobody guards what it left. A frozen one
        // dies once it is let go on.
        try? resume()
        remains.clear { _ in true }
        exitStatus = SIGKILL
        break
      }
      switch message.kind {
      case .started:
        kernelPid = message.value
        link.send(.kernel(state: .starting, pid: kernelPid), at: now)
      case .exited: kernelExited(message.value)
      case .startAgain, .finish: continue
      }
    }
    guard exitStatus != nil else { return }
    if let head = queue.head { clearNotice(of: head.cell) }
    perform(queue.kernelDied(), at: now)
    link.send(.kernel(state: .dead, pid: kernelPid), at: now)
  }

  /// A kernel that ended before its first word because somebody took one of its ports gets others; what else ends it
  /// is final. The clients' ports are bound by now.
  private func kernelExited(_ status: Int32) {
    guard !kernelSpoke, restartsLeft > 0, status != 0, ports?.isTaken == true,
      let others = HeldPorts(avoiding: [])
    else {
      exitStatus = status
      return
    }
    restartsLeft -= 1
    let moved = kernel.moved(to: others.numbers)
    guard PrivateFile.write(moved.text(), to: kernelFile), let fresh = try? BackSockets.output(context, moved) else {
      exitStatus = status
      return
    }
    // What is held finds its client's new sockets when it is sent; what was sent is sent again.
    (kernel, ports, output, peers, ownPeer) = (moved, others, fresh, [:], nil)
    early.repeatAll { peer($0, at: Self.now()) }
    KeeperMessage(kind: .startAgain).write(to: keeper.socket)
  }

  /// What the kernel wrote before it ended is still on its way to us: fetch it until nothing more comes.
  func drainLastOutput() {
    var quietSince = Self.now()
    while Self.now() - quietSince < Self.lastOutputQuiet {
      output.mayHoldMore = true
      for peer in peers.values { (peer.control.mayHoldMore, peer.shell.mayHoldMore) = (true, true) }
      let published = receiveOutput(at: Self.now(), atOnce: true)
      let replied = receiveReplies(at: Self.now())
      if published || replied {
        quietSince = Self.now()
        continue
      }
      let sockets = [output] + peers.values.flatMap { [$0.shell, $0.control] }
      var waits = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      poll(&waits, nfds_t(waits.count), Int32(Self.lastOutputQuiet.microseconds / 1000))
    }
    KeeperMessage(kind: .finish).write(to: keeper.socket)
    // Its end closes the socket: what the kernel left behind is gone then.
    _ = KeeperMessage.read(from: keeper.socket)
  }
}
