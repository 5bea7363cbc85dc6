import Domain
import GateLink
import JupyterWire

/// Cells: in from clients, held or forwarded, and their replies back.
extension Gate {
  /// Messages taken from one socket before the others have their turn.
  static let burst = 500
  /// Problems of one demand that its author is told: more would bury the cell's own output.
  static let problemsMost = 5

  func receiveShell(at now: Instant) {
    for _ in 0..<Self.burst where front.shell.mayHoldMore {
      let message = Multipart()
      guard message.receive(from: front.shell) else { return }
      guard message.count > 1 else { continue }
      arrive(message, at: now)
    }
  }

  private func arrive(_ message: Multipart, at now: Instant) {
    guard let layout = Layout(count: message.count, frame: { message[$0] }),
      let header = Header(message[layout.header])
    else {
      // What is malformed is the kernel's to judge.
      forward(message, at: now)
      return
    }
    let request = Request(
      client: Array(message[0]), message: message, header: Array(message[layout.header]), subshell: header.subshell)
    switch header.type {
    case .executeRequest:
      arrive(cell: request, header, layout, at: now)
    case .kernelInfoRequest, .completeRequest, .inspectRequest, .isCompleteRequest, .historyRequest, .commInfoRequest,
      .connectRequest:
      perform(queue.arrive(.reading(request), in: header.subshell, at: now), at: now)
    case .commOpen, .commMessage, .commClose:
      perform(queue.arrive(.comm(request), in: header.subshell, at: now), at: now)
    case .executeReply, .kernelInfoReply, .interruptRequest, .shutdownRequest,
      .status, .iopubWelcome, .other:
      perform(queue.arrive(.ordered(request), in: header.subshell, at: now), at: now)
    }
  }

  private func arrive(cell request: Request, _ header: Header, _ layout: Layout, at now: Instant) {
    let message = request.message
    let content = ExecuteRequest(message[layout.content])
    guard !content.silent else {
      return perform(queue.arrive(.ordered(request), in: header.subshell, at: now), at: now)
    }
    let parts = (layout.header...layout.content).map { message[$0] }
    guard signer.verifies(message[layout.signature], of: parts), signaturesSeen.isNew(Array(message[layout.signature]))
    else {
      // The kernel will drop it, as it would without a gate: waiting for its reply would be waiting for ever.
      forward(message, at: now)
      return
    }
    let (demand, problems) = DemandComment.reading(code: content.code)
    var request = request
    request.problems = problems.prefix(Self.problemsMost).map(\.description)
    let metadata = CellMetadata(message[layout.metadata])
    (request.tells, request.namesCell) = (metadata.tells, metadata.cell != nil)
    request.allowsInput = content.allowsInput
    request.code = content.code
    let cell = ShellQueue<Request>.Cell(
      messageID: header.id, payload: request, stopOnError: content.stopOnError,
      cell: metadata.cell, codeHash: CellSource.hash(of: content.code),
      demand: demand)
    perform(queue.arrive(.cell(cell), in: header.subshell, at: now), at: now)
  }

  /// Tells the code of the cell in hand where the engine was configured to be told; else nobody is.
  func tellCode(at now: Instant) {
    guard wantsCode, link.isGoverned, let lastCode, [queue.headKey, queue.runningKey].contains(lastCode.key) else {
      return
    }
    link.send(.code(key: lastCode.key, text: CodeText.beginning(of: lastCode.text)), at: now)
  }

  /// Forwards what the kernel answers and asks; true where there was anything.
  @discardableResult func receiveReplies(at now: Instant) -> Bool {
    var any = false
    let message = incoming
    for peer in peers.values {
      if forwardReplies(of: peer, at: now) { any = true }
      for (back, into) in [(peer.control, front.control), (peer.stdin, front.stdin)] {
        while message.receive(from: back) {
          any = true
          message.send(to: into, prefix: peer.identity)
        }
      }
    }
    return any
  }

  private func forwardReplies(of peer: Peer, at now: Instant) -> Bool {
    guard peer.shell.mayHoldMore else { return false }
    let message = Multipart()
    var any = false
    while message.receive(from: peer.shell) {
      any = true
      guard let layout = Layout(count: message.count, frame: { message[$0] }),
        let type = Header.type(of: message[layout.header])
      else {
        message.send(to: front.shell, prefix: peer.identity)
        continue
      }
      noteKernel(header: message[layout.header], at: now)
      if kernelSpoke { sayBusy() }
      guard type == .executeReply || type == .kernelInfoReply else {
        message.send(to: front.shell, prefix: peer.identity)
        continue
      }
      let request = Header.id(of: message[layout.parent]) ?? ""
      let isOwn = !ownRequests.isEmpty && ownRequests.replied(to: request)
      if let asked = probe, asked.request == request {
        probe = nil
        perform(queue.answered(probeBehind: asked.number, at: now), at: now)
        continue
      }
      guard !isOwn else { continue }
      if type == .kernelInfoReply {
        let reply = KernelInfoReply(message[layout.content])
        language = language ?? reply.language
        suitsByName = SilentRequests.suit(implementation: reply.implementation)
        message.send(to: front.shell, prefix: peer.identity)
        continue
      }
      let status = ReplyStatus(message[layout.content])
      message.send(to: front.shell, prefix: peer.identity)
      guard queue.runs(request) else { continue }
      // What the client sent before it could know of this reply is in our socket already: a failing cell aborts it too.
      receiveShell(at: now)
      perform(queue.replied(to: request, status, at: now), at: now)
    }
    return any
  }

  func receiveStdin(at now: Instant) {
    guard front.stdin.mayHoldMore else { return }
    let message = Multipart()
    while message.receive(from: front.stdin) {
      guard message.count > 1, let peer = peer(message[0], at: now) else { continue }
      message.send(to: peer.stdin, from: 1)
    }
  }

  /// Sends a client's message to the kernel's shell, on the connection that stands for the client now.
  private func forward(_ message: Multipart, at now: Instant) {
    guard let peer = peer(message[0], at: now) else { return }
    if !kernelSpoke { early.note(message, .shell) }
    message.send(to: peer.shell, from: 1)
  }

  /// Carries out what the queue decided.
  func perform(_ acts: [ShellQueue<Request>.Act], at now: Instant) {
    for act in acts {
      switch act {
      case .forward(let request): forward(request.message, at: now)
      case .announce(let submission):
        link.send(.submitted(submission), at: now)
        lastCode = queue.head.map { (submission.key, $0.cell.payload.code) }
        tellCode(at: now)
      case .start(let cell, _):
        clearNotice(of: cell)
        var problems = cell.payload.problems
        toldAhead = false
        if let peer = peer(cell.payload.client, at: now) {
          let subshell = cell.payload.subshell
          if let trouble = tellGPUs(by: peer, in: subshell) { problems.append(trouble) }
          tellPools(by: peer, in: subshell)
          if subshell == nil { behindOwn = toldAhead ? cell.messageID : nil }
        }
        tell(problems, of: cell)
        forward(cell.payload.message, at: now)
        pace.cellStarted(at: now)
      case .tellBusy(let cell): tellBusy(cell.payload, at: now)
      case .tellAborted(let cell, let told):
        clearNotice(of: cell)
        answer(cell.payload, busyTold: told) { $0.abortedReply(parent: $1, stamp: $2) }
      case .tellRefused(let cell, let told, let why):
        clearNotice(of: cell)
        tellRefused(cell.payload, busyTold: told, why: why)
      case .probe(let cell): sendProbe(behind: cell, at: now)
      case .withdrawn(let key, let outcome): link.send(.withdrawn(key: key, outcome: outcome), at: now)
      case .ended(let key, let outcome):
        runsGoverned = false
        (behindOwn, reachable) = (nil, .zero)
        // A suspend may have met a cell that was over already: nobody would let the kernel go on before the next cell.
        try? resume()
        // Before the gate sleeps, and in one piece with the next cell's announcement where one waits.
        link.mention(.ended(key: key, outcome: outcome), patience: .zero, at: now)
      }
    }
  }

  /// Asks the kernel what it is, on the connection that the running cell took; no client sees the answer.
  private func sendProbe(behind cell: ShellQueue<Request>.Cell, at now: Instant) {
    guard let number = queue.mainRunning, let peer = peer(cell.payload.client, at: now) else { return }
    let own = stamp()
    ownRequests.sent(own.id)
    probe = (own.id, number)
    let composer = Composer(session: name, signer: signer)
    send(composer.frames("kernel_info_request", parent: [], content: "{}", stamp: own), by: peer)
  }

  /// Sends the kernel a request of the gate's own, on a client's connection.
  func send(_ frames: [[UInt8]], by peer: Peer) {
    if !kernelSpoke { early.note(frames, of: peer.identity) }
    peer.shell.send(frames)
  }

  /// The composer in the kernel's name; before the kernel has spoken, in a name of our own.
  var voice: Composer {
    composer ?? Composer(session: name, signer: signer)
  }

  func publish(_ state: String, for request: Request) {
    publish(voice.status(state, parent: request.header, stamp: stamp()), topic: "status")
  }

  /// Tells the author what of the cell's demand could not be read or met, as output of the cell: it counts for nothing
  /// else.
  private func tell(_ problems: [String], of cell: ShellQueue<Request>.Cell) {
    guard !problems.isEmpty else { return }
    let request = cell.payload
    if queue.tellsBusy(for: cell.messageID) { publish("busy", for: request) }
    let text = problems.map { "celltop: \($0)\n" }.joined()
    let content = #"{"name":"stderr","text":\#(text.jsonQuoted)}"#
    publish(
      voice.frames("stream", parent: request.header, content: content, stamp: stamp()), topic: "stream.stderr")
  }

  /// How long a held cell's busy waits for the kernel's first word: without any, a server would take the kernel for idle.
  static let firstWordPatience = Span(microseconds: 10_000_000)

  /// Tells a held cell's client that the kernel is busy, once that can be said in the kernel's session: to JupyterLab another
  /// session is another kernel, whose messages it drops where they are still being handled. Without a gate, too, nobody
  /// hears of a cell before the kernel has spoken.
  private func tellBusy(_ request: Request, at now: Instant) {
    if !busyUnsaid.contains(where: { $0.header == request.header }) { busyUnsaid.append(request) }
    if kernelSpoke { return sayBusy() }
    busySaidBy = min(busySaidBy, now + Self.firstWordPatience)
  }

  /// Says what waits to be said of held cells.
  func sayBusy() {
    guard !busyUnsaid.isEmpty else { return }
    let told = busyUnsaid
    (busyUnsaid, busySaidBy) = ([], .never)
    for request in told { publish("busy", for: request) }
  }

  func publish(_ frames: [[UInt8]], topic: String) {
    // Whatever else is said of a cell comes behind its busy.
    sayBusy()
    front.iopub.send([Array("kernel.\(voice.session).\(topic)".utf8)] + frames)
  }

  private func answer(
    _ request: Request, busyTold: Bool, with reply: (Composer, [UInt8], Composer.Stamp) -> [[UInt8]]
  ) {
    if !busyTold { publish("busy", for: request) }
    front.shell.send([request.client] + reply(voice, request.header, stamp()))
    publish("idle", for: request)
  }

  private func tellRefused(_ request: Request, busyTold: Bool, why: String) {
    if !busyTold { publish("busy", for: request) }
    let name = "CellRefused"
    publish(voice.error(name: name, value: why, parent: request.header, reply: false, stamp: stamp()), topic: "error")
    answer(request, busyTold: true) { $0.error(name: name, value: why, parent: $1, reply: true, stamp: $2) }
  }

  func tellBacklog(at now: Instant) {
    guard queue.backlog != backlogTold else { return }
    backlogTold = queue.backlog
    link.send(.backlog(count: backlogTold), at: now)
  }
}
