import CLinux
import Domain
import Glibc

/// This machine, through `/proc`, `sched_setaffinity` and signals: needs no privilege for one's own processes.
public final class LinuxNode: NodeDriver {
  /// The control groups of the one kernel whose tree this node is asked about; nil where there are none, or several
  /// kernels.
  private let group: KernelGroup?
  /// Whether the tree was stopped by its control group rather than by signals.
  private var isFrozen = false
  /// The locks on files that the tree keeps however long it is let go on for them.
  private var keptLocks: Set<String> = []
  private var watch = TreeWatch()
  private let calls: ProcessCalls

  public init(group: KernelGroup? = nil) {
    self.group = group
    calls = .system
  }

  init(group: KernelGroup? = nil, calls: ProcessCalls) {
    self.group = group
    self.calls = calls
  }

  public func capacity() -> NodeCapacity { NodeCapacity.here() }

  public func setCores(_ cores: CoreSet, of tree: ProcessTree) throws(NodeError) -> CoreSet {
    let words = Self.words(of: cores)
    guard !words.isEmpty else { throw .noCores }
    // First the cpuset: changing it may reset the masks of those in it.
    group?.setCores(cores)
    var bound: Set<Int32> = []
    var kept: CoreSet?
    var refusal: NodeError?
    // A thread that starts between our listing and our binding inherits the old mask: go on until nothing is new. A
    // thread's number is small, so a process that makes threads without end cannot keep us here for ever.
    let end = TreeWatch.now() + Self.bindingMost
    for _ in 0..<Self.passesMost where TreeWatch.now() < end {
      var new = false
      for pid in tree.members() {
        // Of thousands of processes the rest is bound by `keepCores`; the kernel's own is the first.
        if kept != nil, TreeWatch.now() >= end { break }
        for thread in ProcFiles.numbers(in: "/proc/\(pid)/task") ?? [] where bound.insert(thread).inserted {
          new = true
          let number = calls.bind(thread, words)
          if number != 0, number != ESRCH, refusal == nil {
            // Somebody else's process, which `sudo` starts, keeps nobody from the rest.
            refusal = .refused(doing: "bind thread \(thread) to cores \(cores)", errno: number)
          }
          if kept == nil { kept = Self.affinity(of: thread) }
        }
      }
      if !new { break }
    }
    guard let kept else { throw .gone(root: tree.root) }
    if let refusal { throw refusal }
    return kept
  }

  public func keepCores(_ cores: CoreSet, of tree: ProcessTree) -> Int {
    let wanted = Self.words(of: cores)
    guard !wanted.isEmpty else { return 0 }
    var present = [UInt64](repeating: 0, count: (CoreSet.greatest + 1) / 64)
    var strays = 0
    for pid in tree.members() {
      for thread in ProcFiles.numbers(in: "/proc/\(pid)/task") ?? [] {
        let bytes = celltop_get_affinity(thread, &present, present.count * 8)
        guard bytes > 0 else { continue }
        // A thread that keeps itself to fewer cores, as OMP_PROC_BIND has it, may.
        let isStray = (0..<(bytes / 8)).contains { present[$0] & ~($0 < wanted.count ? wanted[$0] : 0) != 0 }
        if isStray, calls.bind(thread, wanted) == 0 { strays += 1 }
      }
    }
    return strays
  }

  /// A set of cores as the system's masks have it; empty for none.
  private static func words(of cores: CoreSet) -> [UInt64] {
    var words: [UInt64] = []
    for core in cores {
      while words.count <= core / 64 { words.append(0) }
      words[core / 64] |= 1 << UInt64(core % 64)
    }
    return words
  }

  /// How long binding may take: a kernel that forks thousands of processes must not hold up its gate.
  static let bindingMost = Domain.Span(microseconds: 100_000)
  /// Passes over a tree before it is left as it is; two are usual.
  static let passesMost = 16

  /// How often a tree that was stopped with locked files is let go on, and for how long each time.
  static let lockTurnsMost = 10
  static let lockTurnMilliseconds: Int32 = 5

  /// Stops the tree, where it can be at a moment in which it has no file locked.
  ///
  /// Kernels of one user write into one database (IPython's history): one that were stopped within its transaction would hold up
  /// all others for as long as it stands, and their authors would be told of an error.
  public func suspend(_ tree: ProcessTree) throws(NodeError) {
    for turn in 0... {
      try stop(tree)
      if !isFrozen { awaitStopped(tree) }
      let held = FileLocks.held(by: tree.members())
      keptLocks.formIntersection(held)
      if held.isSubset(of: keptLocks) { return }
      guard turn < Self.lockTurnsMost else {
        // It keeps them for good, as one does that must run only once.
        keptLocks = held
        return
      }
      try resume(tree)
      poll(nil, 0, Self.lockTurnMilliseconds)
    }
  }

  /// A signal is sent before it is heeded: until then a process may yet lock a file. Waits some 20 ms at the most, for what may
  /// not be stopped never is.
  private func awaitStopped(_ tree: ProcessTree) {
    for _ in 0..<20 {
      let runs = tree.members().contains { pid in
        ProcessRecord.now(pid).map { !$0.isStopped && !$0.isOver } ?? false
      }
      guard runs else { return }
      poll(nil, 0, 1)
    }
  }

  private func stop(_ tree: ProcessTree) throws(NodeError) {
    if freeze(tree) { return }
    var stopped: Set<Int32> = []
    var refusal: NodeError?
    for _ in 0..<Self.passesMost {
      var new = false
      for pid in tree.members() where stopped.insert(pid).inserted {
        new = true
        let number = calls.signal(pid, SIGSTOP)
        if number != 0, number != ESRCH, refusal == nil {
          refusal = .refused(doing: "stop process \(pid)", errno: number)
        }
      }
      if !new { break }
    }
    guard !stopped.isEmpty else { throw .gone(root: tree.root) }
    if let refusal { throw refusal }
  }

  /// Freezes the tree where all of it is in the control group; false where signals must do it.
  private func freeze(_ tree: ProcessTree) -> Bool {
    guard let group else { return false }
    let all = tree.members()
    let inside = group.members()
    // The system does not list those that have ended and that their parents have not asked about; nothing of them runs.
    let isWhole = all.allSatisfy { inside.contains($0) || ProcessRecord.now($0)?.isOver != false }
    guard !all.isEmpty, isWhole, group.freeze() else { return false }
    isFrozen = true
    return true
  }

  public func resume(_ tree: ProcessTree) throws(NodeError) {
    if isFrozen {
      isFrozen = false
      group?.thaw()
      return
    }
    let all = tree.members()
    guard !all.isEmpty else { throw .gone(root: tree.root) }
    var refusal: NodeError?
    // The youngest first, so that no parent wakes to find a child stopped.
    for pid in all.reversed() {
      let number = calls.signal(pid, SIGCONT)
      guard number != 0, number != ESRCH, refusal == nil else { continue }
      // Whom we may not signal we have not stopped either: it goes on as it did.
      guard ProcessRecord.now(pid)?.isStopped == true else { continue }
      refusal = .refused(doing: "continue process \(pid)", errno: number)
    }
    if let refusal { throw refusal }
  }

  public func usage(of trees: [ProcessTree]) -> [UsageSample?] {
    watch.usage(of: trees)
  }

  public var samplingRest: Domain.Span { watch.rest }

  /// The cores of a thread, or nil where it has gone.
  public static func affinity(of thread: Int32) -> CoreSet? {
    var words = [UInt64](repeating: 0, count: (CoreSet.greatest + 1) / 64)
    let bytes = celltop_get_affinity(thread, &words, words.count * 8)
    guard bytes > 0 else { return nil }
    var cores = CoreSet()
    for (index, word) in words.enumerated() where word != 0 {
      for bit in 0..<64 where word & (1 << UInt64(bit)) != 0 { cores.insert(index * 64 + bit) }
    }
    return cores
  }
}

/// The system calls that act on a process, each giving 0 or its `errno`; tests refuse some of them.
struct ProcessCalls {
  /// kill(2).
  var signal: (_ pid: Int32, _ number: Int32) -> Int32
  /// sched_setaffinity(2).
  var bind: (_ thread: Int32, _ words: [UInt64]) -> Int32

  static var system: ProcessCalls {
    ProcessCalls(
      signal: { kill($0, $1) == 0 ? 0 : errno },
      bind: { celltop_set_affinity($0, $1, $1.count * 8) < 0 ? errno : 0 })
  }
}
