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
  private var watch = TreeWatch()

  public init(group: KernelGroup? = nil) { self.group = group }

  public func capacity() -> NodeCapacity { NodeCapacity.here() }

  public func setCores(_ cores: CoreSet, of tree: ProcessTree) throws(NodeError) -> CoreSet {
    let words = Self.words(of: cores)
    guard !words.isEmpty else { throw .noCores }
    // First the cpuset: changing it may reset the masks of those in it.
    group?.setCores(cores)
    var bound: Set<Int32> = []
    var kept: CoreSet?
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
          if celltop_set_affinity(thread, words, words.count * 8) < 0, errno != ESRCH {
            throw .refused(doing: "bind thread \(thread) to cores \(cores)", errno: errno)
          }
          if kept == nil { kept = Self.affinity(of: thread) }
        }
      }
      if !new { break }
    }
    guard let kept else { throw .gone(root: tree.root) }
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
        if isStray, celltop_set_affinity(thread, wanted, wanted.count * 8) >= 0 { strays += 1 }
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

  public func suspend(_ tree: ProcessTree) throws(NodeError) {
    if freeze(tree) { return }
    var stopped: Set<Int32> = []
    for _ in 0..<Self.passesMost {
      var new = false
      for pid in tree.members() where stopped.insert(pid).inserted {
        new = true
        if kill(pid, SIGSTOP) != 0, errno != ESRCH { throw .refused(doing: "stop process \(pid)", errno: errno) }
      }
      if !new { break }
    }
    guard !stopped.isEmpty else { throw .gone(root: tree.root) }
  }

  /// Freezes the tree where all of it is in the control group; false where signals must do it.
  private func freeze(_ tree: ProcessTree) -> Bool {
    guard let group else { return false }
    let all = tree.members()
    guard !all.isEmpty, group.members().isSuperset(of: all), group.freeze() else { return false }
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
    // The youngest first, so that no parent wakes to find a child stopped.
    for pid in all.reversed() where kill(pid, SIGCONT) != 0 && errno != ESRCH {
      throw .refused(doing: "continue process \(pid)", errno: errno)
    }
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
