import Domain
import GateLink
import JupyterWire

/// What the kernel publishes, on its way to the clients; heartbeats and subscriptions.
extension Gate {
  /// Forwards what the kernel published; true where there was any.
  @discardableResult func receiveOutput(at now: Instant) -> Bool {
    let message = Multipart()
    for turn in 0..<Self.burst {
      guard message.receive(from: output) else { return turn > 0 }
      memory.forwarded(message.byteCount, at: now)
      if isForClients(message, at: now) { message.send(to: front.iopub) }
    }
    return true
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
    guard type == .status || !ownRequests.isEmpty || queue.isHalfComplete,
      let request = Header.id(of: message[layout.parent])
    else { return true }
    if ownRequests.contains(request) { return false }
    guard type == .status else {
      queue.showedSign(of: request, at: now)
      return true
    }
    let state = ExecutionState(message[layout.content])
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
    early = EarlyMessages()
    composer = Composer(session: header.session, signer: signer)
    link.send(.kernel(state: .ready, pid: kernelPid), at: now)
  }

  /// Takes new subscriptions, and greets the subscribers as the kernel would, once it is known to greet.
  func greetSubscribers() {
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
    let message = Multipart()
    while message.receive(from: front.heartbeat) { message.send(to: front.heartbeat) }
  }
}
