import CLinux
import CZeroMQ
import Domain
import GateLink
import Glibc
import NodeControl

/// The gate as a program: reads its arguments, starts the kernel, forwards until the kernel has ended.
public enum GateProgram {
  /// This process's arguments without the program's name, byte for byte.
  public static func arguments() -> [[UInt8]] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { place in
      CommandLine.unsafeArgv[place].map { text in
        UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) }
      }
    }
  }

  /// Runs the gate and ends the process as the kernel ended: with its exit status, or by the signal that killed it.
  ///
  /// Exit status 2 where the arguments are wrong, 1 where the gate cannot start. What the gate cannot stand in front of
  /// (an unknown signature scheme, say) is started without it: nobody shall be without a kernel because of celltop.
  ///
  /// - Parameter arguments: without the program's name, as execve(2) handed them over.
  public static func main(_ arguments: [[UInt8]]) -> Never {
    let options: GateOptions
    do throws(GateUsageError) {
      options = try GateOptions(parsing: arguments)
    } catch {
      switch error {
      case .help:
        write(GateOptions.usage, to: 1)
        exit(0)
      case .wrong(let why):
        write("celltop-gate: \(why)\n\n\(GateOptions.usage)", to: 2)
        exit(2)
      }
    }
    guard let bytes = PrivateFile.read(options.connectionPath) else {
      fail(
        "cannot read the connection file '\(options.connectionFile.printable(at: 200))': \(String(cString: strerror(errno)))"
      )
    }
    do throws(ParseError) {
      run(options, try ConnectionFile(parsing: bytes, name: options.connectionFile))
    } catch {
      write("celltop-gate: \(error.description); the kernel starts without a gate\n", to: 2)
      execute(options.command(connectionFile: options.connectionPath))
    }
  }

  private static func run(_ options: GateOptions, _ client: ConnectionFile) -> Never {
    // What a flood of output leaves in two heaps was measured at 5 MB more than in one.
    celltop_share_one_heap()
    // Before anything that makes a thread: signals blocked, the keeper and the kernel forked.
    celltop_mask_signals(Gate.forwarded, Int32(Gate.forwarded.count), 1)
    let signals = celltop_signalfd(Gate.forwarded, Int32(Gate.forwarded.count))
    guard signals >= 0 else { fail("cannot receive signals: \(String(cString: strerror(errno)))") }
    let entries = Environment.entries()
    let environment = Environment.values(entries)
    let spoken = options.spokenLanguage
    // A socket there means that somebody schedules here; whether he still lives is found out later.
    let isScheduled = SocketPath.candidates(environment: environment, uid: getuid()).contains { access($0, W_OK) == 0 }
    guard
      let start = KernelStart(
        client: client, clientPath: options.connectionFile,
        threads: ThreadPools.startThreads(language: spoken, isScheduled: isScheduled),
        hidden: GPUVisibility.hiddenAtStart(
          language: spoken, isScheduled: isScheduled, environment: environment,
          exists: { access($0, F_OK) == 0 }),
        group: Environment.controlGroup(environment))
    else {
      fail("cannot make a private directory and ports for the kernel: \(String(cString: strerror(errno)))")
    }
    let keeper = Keeper(
      command: options.command(connectionFile: Array(start.path.utf8)),
      environment: Environment.forKernel(entries, threads: start.threads, hidden: start.hidden),
      remains: Remains(directory: start.directory, group: start.group), ports: start.ports)
    // Should the keeper be killed, what it guarded becomes the gate's.
    celltop_set_subreaper()
    guard let started = keeper.start() else { fail("cannot start a process: \(String(cString: strerror(errno)))") }
    raiseDescriptorLimit()
    do throws(ZeroMQError) {
      let (status, context) = try forward(options, client, start, started, signals, environment)
      // The sockets are closed; the last messages leave now.
      context.terminate()
      end(as: status)
    } catch {
      fail(error.description)
    }
  }

  /// Each client costs the gate about a dozen descriptors, and many systems allow 1,024 unless asked. The kernel, which is
  /// started by then, keeps the limit that its user gave it.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    guard getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
    setrlimit(resource, &limit)
  }

  private static func forward(
    _ options: GateOptions, _ client: ConnectionFile, _ start: KernelStart, _ keeper: (pid: Int32, socket: Int32),
    _ signals: Int32, _ environment: [String: String]
  ) throws(ZeroMQError) -> (status: Int32, context: ZeroMQContext) {
    let gate = try Gate(
      options: options, client: client, start: start, keeper: keeper, signals: signals,
      parent: parentDescriptor(environment), environment: environment)
    for problem in gate.tellingChoice.problems { write("celltop-gate: \(problem); it is passed over\n", to: 2) }
    return (gate.run(), gate.context)
  }

  /// A descriptor that is readable when the parent ends, where the parent asked to be watched (`JPY_PARENT_PID`).
  private static func parentDescriptor(_ environment: [String: String]) -> Int32 {
    guard let text = environment["JPY_PARENT_PID"], let pid = Int32(text), pid > 1, pid == getppid() else { return -1 }
    return celltop_pidfd_open(pid)
  }

  private static func end(as status: Int32) -> Never {
    guard celltop_status_signalled(status) != 0 else { exit(celltop_status_exit(status)) }
    let number = celltop_status_signal(status)
    // The kernel has left its core file already; a second one of the gate would help nobody.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(UInt32(RLIMIT_CORE.rawValue)), &none)
    signal(number, SIG_DFL)
    celltop_unmask_all_signals()
    kill(getpid(), number)
    exit(128 + number)
  }

  private static func execute(_ command: [[UInt8]]) -> Never {
    CArguments(command).list.withUnsafeBufferPointer { _ = celltop_execute($0.baseAddress, environ) }
    let program = String(decoding: command[0], as: UTF8.self)
    fail("cannot start '\(program)': \(String(cString: strerror(errno)))", status: 127)
  }

  private static func fail(_ why: String, status: Int32 = 1) -> Never {
    write("celltop-gate: \(why)\n", to: 2)
    exit(status)
  }

  private static func write(_ text: String, to descriptor: Int32) {
    _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
  }
}

/// The environment, and what the kernel's differs in.
///
/// Nothing obliges it to be UTF-8: what the gate reads is decoded, what it hands on are the bytes that it was given.
enum Environment {
  /// `NAME=value` as this process was given it.
  static func entries() -> [[UInt8]] {
    var all: [[UInt8]] = []
    var next = environ
    while let entry = next.pointee {
      all.append(UnsafeBufferPointer(start: entry, count: strlen(entry)).map { UInt8(bitPattern: $0) })
      next += 1
    }
    return all
  }

  /// The values by name.
  static func values(_ entries: [[UInt8]]) -> [String: String] {
    var all: [String: String] = [:]
    for entry in entries {
      guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
      all[String(decoding: entry[..<equals], as: UTF8.self)] = String(decoding: entry[(equals + 1)...], as: UTF8.self)
    }
    return all
  }

  static func current() -> [String: String] { values(entries()) }

  /// `NAME=value` for the kernel: the client's own, with what thread pools need where it says nothing else.
  ///
  /// - Parameter hidden: the makers whose GPUs it is to see none of.
  static func forKernel(_ entries: [[UInt8]], threads: Int?, hidden: [GPUMaker] = []) -> [[UInt8]] {
    let client = values(entries)
    var changes: [String: String] = [:]
    for maker in hidden { changes[maker.variable] = "" }
    changes[within] = client[sessionName]
    // What the author chose is kept where it is told of more threads later.
    if threads != nil, let own = client["OMP_NUM_THREADS"] { changes["CELLTOP_OWN_THREADS"] = own }
    for (name, value) in ThreadPools.environment(threads: threads, own: client) { changes[name] = value }
    let others = entries.filter { entry in
      let name = String(decoding: entry.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
      return changes[name] == nil && name != "JPY_PARENT_PID" && name != within
    }
    let all = others + changes.map { Array("\($0.key)=\($0.value)".utf8) }
    return all.sorted { $0.lexicographicallyPrecedes($1) }
  }
}

extension Environment {
  private static let sessionName = "JPY_SESSION_NAME"
  /// Names the session inside which a kernel runs, for gates that are started from there.
  private static let within = "CELLTOP_WITHIN"

  /// The session that a server named for this kernel, by variable or connection file; nil where none did. What runs inside
  /// a notebook has its notebook's name in the environment, and nobody named it.
  static func session(_ environment: [String: String], connectionFile named: String?) -> String? {
    [environment[sessionName], named].compactMap(\.self).first { !$0.isEmpty && $0 != environment[within] }
  }

  /// The control groups for the kernel, unless `CELLTOP_CGROUPS=off` forbids them; nil where none can be made.
  static func controlGroup(_ environment: [String: String]) -> KernelGroup? {
    ControlGroups.areForbidden(environment) ? nil : KernelGroup.make(.here(), gate: getpid())
  }
}

/// Where a kernel that is about to start will listen, written down in a private directory, and what it starts with.
struct KernelStart {
  var directory: String
  /// The kernel's connection file; it has the basename of the client's, by which some kernels name themselves.
  var path: String
  var file: ConnectionFile
  /// Those that are kept for it; nil where it listens in its private directory.
  var ports: HeldPorts?
  /// The threads that its pools begin with; nil for what they choose.
  var threads: Int?
  /// The makers whose GPUs it does not see until it is granted some.
  var hidden: [GPUMaker]
  /// Its control groups, where there are any.
  var group: KernelGroup?

  /// Nil with `errno` where there is no port or no directory to be had.
  init?(client: ConnectionFile, clientPath: String, threads: Int?, hidden: [GPUMaker], group: KernelGroup?) {
    self.threads = threads
    self.hidden = hidden
    self.group = group
    let isLocal = client.transport == "ipc"
    if !isLocal {
      ports = HeldPorts(avoiding: client.ports)
      guard ports != nil else { return nil }
    }
    guard let directory = PrivateFile.directory(bytesMost: isLocal ? ConnectionFile.directoryBytesMost : .max)
    else { return nil }
    self.directory = directory
    path = directory + "/" + (clientPath.split(separator: "/").last.map(String.init) ?? "kernel.json")
    file = ports.map { client.moved(to: $0.numbers) } ?? client.moved(into: directory)
    guard PrivateFile.write(file.text(), to: path) else { return nil }
  }
}

/// Small files, read whole; what is written is for its owner alone, because it holds the key.
enum PrivateFile {
  static func read(_ path: String) -> [UInt8]? { read(Array(path.utf8)) }

  /// - Parameter path: the bytes that name it, which need not be UTF-8.
  static func read(_ path: [UInt8]) -> [UInt8]? {
    let descriptor = (path.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
      $0.baseAddress.map { open($0, O_RDONLY | O_CLOEXEC) } ?? -1
    }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while all.count < 1 << 20 {
      let got = Glibc.read(descriptor, &buffer, buffer.count)
      if got < 0 { return nil }
      if got == 0 { return all }
      all += buffer[..<got]
    }
    errno = EFBIG
    return nil
  }

  static func write(_ bytes: [UInt8], to path: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return Glibc.write(descriptor, bytes, bytes.count) == bytes.count
  }

  /// A new directory that only this user may enter, in the user's runtime directory where there is one.
  ///
  /// - Parameter bytesMost: the longest path that will do.
  static func directory(bytesMost: Int = .max) -> String? {
    let bases = [getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR")].compactMap { $0.map { String(cString: $0) } } + ["/tmp"]
    for base in bases where base.hasPrefix("/") {
      var template = Array((base + "/celltop-gate-XXXXXX").utf8CString)
      guard template.count - 1 <= bytesMost else { continue }
      if mkdtemp(&template) != nil {
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      }
    }
    return nil
  }

  /// Removes a directory and the files in it.
  static func remove(directory: String) {
    if let listing = opendir(directory) {
      while let entry = readdir(listing) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { unlink(directory + "/" + name) }
      }
      closedir(listing)
    }
    rmdir(directory)
  }
}
