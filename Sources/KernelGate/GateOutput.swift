import Domain
import GateLink
import JupyterWire

/// What the kernel publishes, on its way to the clients; heartbeats and subscriptions.
extension Gate {
  /// Forwards what the kernel published; true where there was any.
  ///
  /// - Parameter atOnce: whether a flood is not left to gather.
  @discardableResult func receiveOutput(at now: Instant, atOnce: Bool = false) -> Bool {
    guard atOnce || !pace.rests(at: now) else { return false }
    if pace.hasRested { output.mayHoldMore = true }
    var count = 0
    while count < Self.burst, incoming.receive(from: output) {
      count += 1
      memory.forwarded(incoming.byteCount, at: now)
      if isForClients(incoming, at: now) { incoming.send(to: front.iopub) }
      if kernelSpoke { sayBusy() }
    }
    pace.came(count, at: now)
    if pace.rests(at: now) { output.mayHoldMore = false }
    return count > 0
  }

  /// Takes note of what concerns the queue; false for what no client may see.
  private func isForClients(_ message: Multipart, at now: Instant) -> Bool {
    guard let layout = Layout(count: message.count, frame: { message[$0] }),
      let type = Header.type(of: message[layout.header])
    else { return true }
    noteKernel(header: message[layout.header], at: now)
    if type == .iopubWelcome {
      kernelWelcomes = true
      greetSubscribers()
      return false
    }
    guard type == .status || !ownRequests.isEmpty || queue.isHalfComplete || behindOwn != nil else { return true }
    // A kernel's first status has no parent.
    guard let request = Header.id(of: message[layout.parent]) ?? (type == .status ? "" : nil) else { return true }
    let state = type == .status ? ExecutionState(message[layout.content]) : .other
    if !ownRequests.isEmpty, ownRequests.published(for: request, isIdle: state == .idle) { return false }
    guard type == .status else {
      // Its input mostly: the busy before it comes a moment before an interrupt would find the cell.
      if request == behindOwn { (behindOwn, reachable) = (nil, now + Self.reachingSpan) }
      queue.showedSign(of: request, at: now)
      return true
    }
    let (acts, suppress) = queue.published(state, for: request, at: now)
    guard !acts.isEmpty else { return !suppress }
    // The idle goes out before the next cell's busy.
    message.send(to: front.iopub)
    perform(acts, at: now)
    return false
  }

  /// Learns the kernel's session, and that it lives, from its first message.
  func noteKernel(header: UnsafeRawBufferPointer, at now: Instant) {
    guard !kernelSpoke, let header = Header(header), !header.session.isEmpty else { return }
    kernelSpoke = true
    ports?.release()
    early = EarlyMessages()
    composer = Composer(session: header.session, signer: signer)
    link.send(.kernel(state: .ready, pid: kernelPid), at: now)
  }

  /// Takes new subscriptions, and greets the subscribers as the kernel would, once it is known to greet.
  func greetSubscribers() {
    guard front.iopub.mayHoldMore || !unwelcomed.isEmpty else { return }
    let message = Multipart()
    while message.receive(from: front.iopub) {
      guard message[0].first == 1 else { continue }
      unwelcomed.append(Array(message[0].dropFirst()))
    }
    guard kernelWelcomes, let composer else { return }
    for topic in unwelcomed {
      let frames = composer.welcome(subscription: String(decoding: topic, as: UTF8.self), stamp: stamp())
      front.iopub.send((topic.isEmpty ? [] : [topic]) + frames)
    }
    unwelcomed = []
  }

  func echoHeartbeats() {
    guard front.heartbeat.mayHoldMore else { return }
    let message = Multipart()
    while message.receive(from: front.heartbeat) { message.send(to: front.heartbeat) }
  }
}
