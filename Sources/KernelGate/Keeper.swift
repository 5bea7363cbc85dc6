import CLinux
import Glibc
import NodeControl

/// What the gate and the keeper say to each other: eight bytes each.
struct KeeperMessage: Equatable {
  enum Kind: Int32 {
    /// Keeper: the kernel runs; its process.
    case started = 1
    /// Keeper: the kernel has ended; its status as waitpid(2) gives it. It stays a zombie, so that its number cannot
    /// come to mean another process, until the gate answers.
    case exited = 2
    /// Gate: start it again.
    case startAgain = 3
    /// Gate: bury it with what it left running in its session, and go.
    case finish = 4
  }

  var kind: Kind
  var value: Int32 = 0

  func write(to descriptor: Int32) {
    let words = [kind.rawValue, value]
    // Eight bytes fit into an empty socket's buffer whole; a reader that is gone is noticed by reading.
    _ = words.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// The next message; nil at the end.
  static func read(from descriptor: Int32) -> KeeperMessage? {
    var words: [Int32] = [0, 0]
    let got = words.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_WAITALL)) }
    guard got == 8, let kind = Kind(rawValue: words[0]) else { return nil }
    return KeeperMessage(kind: kind, value: words[1])
  }
}

/// A tiny process between the gate and the kernel, so that the kernel and all that descends from it die with the gate,
/// even when the gate is killed by SIGKILL.
///
/// It adopts the kernel's orphans (PR_SET_CHILD_SUBREAPER), so nothing escapes it by a double fork; it stands in a
/// session of its own, so that a signal to the gate's process group, which is how jupyter_client kills, misses it. When
/// its end of the socket closes, the gate is dead.
struct Keeper {
  var command: [[UInt8]]
  /// `NAME=value`, without `JPY_PARENT_PID`: that one is the keeper's own number, which only it knows.
  var environment: [[UInt8]]
  /// What is cleared away at the end. The kernel lives in its control group, so that it can be frozen; the keeper does not.
  var remains: Remains
  /// The ports that the gate keeps for the kernel; what the fork copies of them is let go of.
  var ports: HeldPorts?

  /// How long the gate leaves the cores to its kernel's start at the most.
  static let startMilliseconds: Int32 = 100

  /// Forks the keeper, which starts the kernel. Must be called while this process has one thread.
  ///
  /// - Returns: the keeper's process and this side of the socket; nil with `errno` where the system refused.
  func start() -> (pid: Int32, socket: Int32)? {
    var ends: [Int32] = [-1, -1]
    guard celltop_socket_pair(&ends) == 0 else { return nil }
    let pid = celltop_fork()
    if pid == 0 {
      close(ends[0])
      ports?.release()
      keep(ends[1])
    }
    close(ends[1])
    guard pid > 0 else { return nil }
    // Its first word, that the kernel runs, is waited for, not read: whatever the gate did meanwhile it would do on cores that the
    // two want for that, and a busy machine has none to spare.
    var waits = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
    _ = poll(&waits, 1, Self.startMilliseconds)
    return (pid, ends[0])
  }

  private func keep(_ gate: Int32) -> Never {
    setsid()
    celltop_set_name(ProcessTree.keeperName)
    celltop_set_subreaper()
    // Whoever signals the gate's group means the gate; this process ends by the socket alone.
    let masked = (1...31).map { Int32($0) }.filter { $0 != SIGKILL && $0 != SIGSTOP }
    celltop_mask_signals(masked, Int32(masked.count), 1)
    let signals = celltop_signalfd([SIGCHLD], 1)
    var kernel = startKernel(for: gate)
    var told = false
    while true {
      var waits = [
        pollfd(fd: gate, events: Int16(POLLIN), revents: 0), pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
      ]
      _ = poll(&waits, 2, -1)
      while celltop_next_signal(signals) >= 0 {}
      told = bury(except: kernel, told: told, gate: gate)
      guard waits[0].revents != 0 else { continue }
      switch KeeperMessage.read(from: gate)?.kind {
      case .startAgain?:
        waitpid(kernel, nil, 0)
        kernel = startKernel(for: gate)
        told = false
      case .finish?:
        remains.clear { ProcessRecord.now($0)?.session == kernel }
        _exit(0)
      case .started?, .exited?, nil:
        remains.clear { _ in true }
        _exit(0)
      }
    }
  }

  /// Reaps orphans that have ended; tells the gate once that the kernel has.
  private func bury(except kernel: Int32, told: Bool, gate: Int32) -> Bool {
    for pid in ProcessTree(root: getpid(), includesRoot: false).members() where pid != kernel {
      waitpid(pid, nil, WNOHANG)
    }
    var status: Int32 = 0
    guard !told, celltop_peek_exit(kernel, &status) == 1 else { return told }
    KeeperMessage(kind: .exited, value: status).write(to: gate)
    return true
  }

  /// Starts the kernel, tells the gate, and puts the kernel into its control groups.
  private func startKernel(for gate: Int32) -> Int32 {
    let kernel = startKernel()
    KeeperMessage(kind: .started, value: kernel).write(to: gate)
    remains.group?.gather { ProcessTree(root: getpid(), includesRoot: false).members() }
    return kernel
  }

  /// Executes the kernel: a session of its own, no signal blocked, killed when the keeper dies. Where its program cannot be
  /// executed, that is said where it would have said it, and it ends with 127 as a shell has it.
  private func startKernel() -> Int32 {
    let arguments = CArguments(command)
    let environment = CArguments(environment + [Array("JPY_PARENT_PID=\(getpid())".utf8)])
    defer {
      arguments.free()
      environment.free()
    }
    var reason: Int32 = 0
    let kernel = celltop_start_child(arguments.list, environment.list, &reason)
    if reason != 0 {
      let program = String(decoding: command[0], as: UTF8.self)
      let why = "celltop-gate: cannot start '\(program)': \(String(cString: strerror(reason)))\n"
      _ = why.withCString { write(2, $0, strlen($0)) }
    }
    return kernel
  }
}

/// Texts as execve(2) wants them, each ended by a zero byte and the list by a null; they stay until they are freed, or the process
/// becomes another.
struct CArguments {
  let list: [UnsafeMutablePointer<CChar>?]

  init(_ texts: [[UInt8]]) {
    list =
      texts.map { text in
        (text.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { $0.baseAddress.flatMap { strdup($0) } }
      } + [nil]
  }

  func free() { for text in list { Glibc.free(text) } }
}
