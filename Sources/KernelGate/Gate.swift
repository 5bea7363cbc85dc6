import CLinux
import CZeroMQ
import Domain
import GateLink
import Glibc
import JupyterWire
import NodeControl

/// A proxy between a Jupyter client and one kernel that holds each cell until it is granted.
///
/// One thread, one poll loop: everything below runs on it. The rules of what is held and when are `ShellQueue`'s; this
/// class carries its acts out. Its parts: `GateShell` (cells), `GateOutput` (iopub), `GateEngine` (grants and their
/// enforcement), `GateProcess` (signals, control, the kernel's end).
final class Gate {
  /// A request as it came, with the identity of the client to answer: its `Peer` may be another by the time it is sent.
  struct Request {
    var client: [UInt8]
    var message: Multipart
    var header: [UInt8]
    /// `subshell_id`; nil for the main shell.
    var subshell: String?
    /// What could not be read of the author's demand, for the author.
    var problems: [String] = []
    /// The cell's own word on whether its author is told why it waits.
    var tells: Bool?
    /// The beginning of a cell's code, for an engine that was configured to be told.
    var code = ""
    /// Whether the request names its cell in a document.
    var namesCell = false
    /// Whether somebody would answer `input()`.
    var allowsInput = false
  }

  let options: GateOptions
  /// What the kernel's own connection file says, where it lies, and its ports.
  var kernel: ConnectionFile
  let kernelFile: String
  var ports: HeldPorts?
  /// Starts still allowed to a kernel whose ports were taken.
  var restartsLeft = 3
  let signer: MessageSigner
  let node: LinuxNode
  /// The cores that the gate itself may use: a kernel without a grant has all of them.
  let allCores: CoreSet
  let context: ZeroMQContext
  let front: FrontSockets
  var output: ZeroMQSocket { didSet { watch.forget() } }
  let link: EngineLink
  let signals: Int32
  let keeper: (pid: Int32, socket: Int32)
  let remains: Remains
  /// Readable when the process that started the gate has ended; -1 where that is nobody's business.
  let parent: Int32
  let name: String

  var peers: [[UInt8]: Peer] = [:] { didSet { watch.forget() } }
  /// The gate itself as a client, made when it first needs to be one.
  var ownPeer: Peer?
  var queue = ShellQueues<Request>()
  /// Makes messages in the kernel's name; nil until the kernel has said its session.
  var composer: Composer?
  var kernelPid: Int32 = 0
  var kernelSpoke = false
  /// The exit status once the kernel has ended.
  var exitStatus: Int32?
  /// `language_info.name`, from the command line or the kernel.
  var language: String?
  /// Whether the kernel may be asked something ahead of a cell, by its command and by its own word.
  let suitsByCommand: Bool
  var suitsByName = true
  /// Whether the kernel greets subscribers (JEP 65), and who waits to be greeted.
  var kernelWelcomes = false
  var unwelcomed: [[UInt8]] = []
  var ownRequests = OwnRequests()
  /// Held cells whose client is told that the kernel is busy once the kernel has spoken, in whose session that is said, and until
  /// when its first word is waited for.
  var busyUnsaid: [Request] = []
  var busySaidBy = Instant.never
  /// What was asked behind a cell of which the kernel has shown no sign: the request, and the cell's number in the main
  /// shell.
  var probe: (request: String, number: UInt64)?
  /// What was sent to a kernel that has not spoken yet, for the one that is started in its place.
  var early = EarlyMessages()
  /// The grants, resizes, suspensions and resumptions of the engine that governs now.
  var orders = OrderLog()
  var isSuspended = false
  /// When the kernel was last let go on: an interrupt just after it may be lost.
  var resumedAt = Instant.zero
  /// A suspended cell was resumed for an interrupt that it may catch: which it is, and when it is suspended again.
  var suspendsAgain: (key: UInt64, at: Instant)?
  /// The cores last set; nil before the first grant.
  var cores: CoreSet?
  /// When the kernel's threads are looked at next, for some that run on other cores than the granted ones.
  var keepsCoresAt = Instant.never
  /// The threads that the kernel's pools have, as far as is known: OpenMP keeps a number for each thread that calls it, and
  /// so for each subshell.
  var pools: [String?: Int]
  /// Which GPUs the kernel sees.
  var gpus: GPUVisibility
  /// Where the kernel's GPU memory is, while it may be moved.
  var eviction = GPUEviction()
  /// Why the next cell will not see its GPUs, for its author.
  var gpuTrouble: String?
  var runsGoverned = false
  var backlogTold = 0
  var signaturesSeen = SignatureHistory()
  var delayed: [Delayed] = []
  /// The main shell's cell that was sent behind a silent request of the gate's own, until the kernel shows that it has come to
  /// it: an interrupt would end that request, or nothing, and the cell would run.
  var behindOwn: String?
  /// From when on an interrupt finds the cell that was behind it.
  var reachable = Instant.zero
  /// Whether the kernel was told something ahead of the cell that is being sent.
  var toldAhead = false
  var memory = MemoryReturn()
  /// What the author of the held cell is told of its wait.
  var notice = AuthorNotice()
  let tellingChoice: TellingChoice
  /// Whether the engine was configured to be told the cells' code, and the code of the cell that was announced last.
  var wantsCode = false
  var lastCode: (key: UInt64, text: String)?
  var telling: Telling

  /// Something that waits for its moment: an interrupt just after a resume.
  struct Delayed {
    enum Act {
      case signal(Int32)
      case control(client: [UInt8], Multipart, isInterrupt: Bool)
      case interruptRequest
    }
    var at: Instant
    var act: Act

    var isInterrupt: Bool {
      switch act {
      case .signal(let number): number == SIGINT
      case .control(_, _, let isInterrupt): isInterrupt
      case .interruptRequest: true
      }
    }
  }

  init(
    options: GateOptions, client: ConnectionFile, start: KernelStart, keeper: (pid: Int32, socket: Int32),
    signals: Int32, parent: Int32, environment: [String: String]
  ) throws(ZeroMQError) {
    self.options = options
    node = LinuxNode(group: start.group)
    remains = Remains(directory: start.directory, group: start.group)
    gpus = GPUVisibility(client: environment, hidden: start.hidden)
    (kernel, kernelFile, ports) = (start.file, start.path, start.ports)
    self.keeper = keeper
    self.signals = signals
    self.parent = parent
    language = options.language
    suitsByCommand = SilentRequests.suit(command: options.command)
    signer = MessageSigner(key: Array(client.key.utf8))
    allCores = LinuxNode.affinity(of: 0) ?? CoreSet(0..<1)
    pools = [nil: start.threads ?? allCores.count]
    tellingChoice = TellingChoice(environment: environment)
    telling = tellingChoice.over(nil)
    name = Self.randomHex(bytes: 16)
    context = try ZeroMQContext()
    front = try FrontSockets(context, at: client, parent: parent)
    output = try BackSockets.output(context, kernel)
    link = EngineLink(
      paths: SocketPath.candidates(environment: environment, uid: getuid()),
      trusts: { SocketPath.isTrusted($0, server: $1, uid: getuid(), environment: environment) },
      failOpenAfter: options.failOpenAfter, now: Self.now())
    session = Environment.session(environment, connectionFile: client.notebook)
  }

  /// The session or document that a server named for this very kernel; nil where none did.
  let session: String?

  /// The monotonic clock.
  static func now() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }

  static func randomHex(bytes: Int) -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<bytes).map { _ in
      let byte = UInt8.random(in: .min ... .max, using: &generator)
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }

  /// A stamp for a message of the gate's own.
  func stamp() -> Composer.Stamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    func padded(_ value: Int, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let day =
      "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
    let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
    return Composer.Stamp(
      id: Self.randomHex(bytes: 16), date: "\(day)T\(clock).\(padded(time.tv_nsec / 1000, 6))Z")
  }

  /// Forwards until the kernel has ended; gives its exit status as waitpid(2) does.
  func run() -> Int32 {
    while true {
      turn(at: Self.now())
      if let exitStatus {
        drainLastOutput()
        return exitStatus
      }
      wait()
    }
  }

  /// One turn: everything that has come, then everything that is due.
  private func turn(at now: Instant) {
    receiveSignals(at: now)
    receiveControl(at: now)
    receiveShell(at: now)
    receiveStdin(at: now)
    echoHeartbeats()
    greetSubscribers()
    // Whatever else it was that ended the sleep, a reply say: what was published before it goes out before it.
    if leavesOutput, !pace.rests(at: now) { output.mayHoldMore = true }
    receiveOutput(at: now)
    receiveReplies(at: now)
    receiveFromEngine(at: now)
    receiveFromKeeper(at: now)
    let later = Self.now()
    performDelayed(at: later)
    evict(at: later)
    suspendAgain(at: later)
    keepCores(at: later)
    perform(queue.tick(at: later), at: later)
    if later >= busySaidBy { sayBusy() }
    tellAuthor(at: later)
    link.tick(at: later) { self.hello(at: later) }
    releaseWithoutEngine(at: later)
    tellBacklog(at: later)
    memory.tick(at: later)
    link.flush(at: later)
  }

  /// Sleeps until something comes or something is due.
  private func wait() {
    watch.list {
      [front.control, front.shell, front.stdin, front.heartbeat, front.iopub, output]
        + peers.values.flatMap { [$0.shell, $0.control, $0.stdin] }
    }
    watch.watch(.signals, signals)
    watch.watch(.keeper, keeper.socket)
    watch.watch(.parent, parentLives ? parent : -1)
    watch.watch(.link, link.descriptor, isWriting: link.wantsToWrite)
    let now = Self.now()
    leavesOutput = queue.runningKey != nil && !queue.isHalfComplete && pace.isBeginning(at: now)
    if leavesOutput { output.mayHoldMore = false }
    let rests = leavesOutput || pace.rests(at: now)
    let wake = min(nextWake(), evictionWake(at: now), rests ? pace.wake(isBeginning: leavesOutput) : .never)
    let left = wake == .never ? -1 : max(0, ((wake - now).microseconds + 999) / 1000)
    watch.sleep(milliseconds: Int32(min(left, 60_000)), resting: rests ? output : nil)
    if watch.woke(.parent) { parentDied = true }
  }

  private func nextWake() -> Instant {
    var wake = min(queue.wake, link.wake, link.mentionDue, keepsCoresAt)
    if let next = delayed.first { wake = min(wake, due(next)) }
    if let suspendsAgain { wake = min(wake, suspendsAgain.at) }
    if queue.headKey != nil || isSuspended { wake = min(wake, link.releases) }
    return min(wake, memory.wake, noticeWake, busySaidBy)
  }

  var parentLives = true
  private(set) var parentDied = false
  var watch = Watch()
  /// What was published last, taken from socket to socket.
  let incoming = Multipart()
  var pace = OutputPace()
  /// Whether the last sleep passed over the kernel's output, of which there may be some.
  private var leavesOutput = false

  /// The client with this identity in front; made at its first message.
  func peer(_ identity: UnsafeRawBufferPointer, at now: Instant) -> Peer? { peer(Array(identity), at: now) }

  /// The same; nil where the system has no socket left.
  func peer(_ key: [UInt8], at now: Instant) -> Peer? {
    if let known = peers[key] {
      known.lastUsed = now
      return known
    }
    if peers.count >= Self.peersMost {
      // Whose cell waits or runs may well be silent for hours, and waits for its answer.
      let kept = queue.pending.map(\.client)
      let others = peers.values.filter { !kept.contains($0.identity) }
      if let oldest = others.min(by: { $0.lastUsed < $1.lastUsed }) { peers[oldest.identity] = nil }
    }
    let made = try? Peer(context, identity: key, kernel: kernel, now: now)
    peers[key] = made
    return made
  }

  /// Clients come and go unseen (each reload of a page is a new one): beyond this many the one silent longest is
  /// forgotten.
  static let peersMost = 64
}

/// Gives memory back to the system once a flood of output has passed: the allocator keeps it otherwise, and a gate lives
/// as long as its kernel.
struct MemoryReturn {
  private var bytes = 0
  private var last = Instant.zero
  static let floodBytes = 8 << 20
  static let quiet = Span(microseconds: 1_000_000)

  mutating func forwarded(_ count: Int, at now: Instant) {
    bytes += count
    last = now
  }

  var wake: Instant { bytes >= Self.floodBytes ? last + Self.quiet : .never }

  mutating func tick(at now: Instant) {
    guard now >= wake else { return }
    bytes = 0
    celltop_return_memory()
  }
}

/// The signatures of the latest cells: a kernel drops a message whose signature it has seen, so a gate that waited for its
/// reply would wait for ever.
struct SignatureHistory {
  private var ring: [[UInt8]] = []
  private var seen: Set<[UInt8]> = []
  private var next = 0
  static let kept = 4096

  /// False where `signature` is among the latest; an empty one is no signature, and always new.
  mutating func isNew(_ signature: [UInt8]) -> Bool {
    guard !signature.isEmpty else { return true }
    guard seen.insert(signature).inserted else { return false }
    if ring.count < Self.kept {
      ring.append(signature)
    } else {
      seen.remove(ring[next])
      ring[next] = signature
      next = (next + 1) % Self.kept
    }
    return true
  }
}
