import CLinux
import Domain
import Glibc

/// This machine, through `/proc`, `sched_setaffinity` and signals: needs no privilege for one's own processes.
public final class LinuxNode: NodeDriver {
  public init() {}

  public func capacity() -> NodeCapacity { NodeCapacity.here() }

  public func setCores(_ cores: CoreSet, of tree: ProcessTree) throws(NodeError) -> CoreSet {
    guard let greatest = Array(cores).last else { throw .noCores }
    var words = [UInt64](repeating: 0, count: greatest / 64 + 1)
    for core in cores { words[core / 64] |= 1 << UInt64(core % 64) }
    var bound: Set<Int32> = []
    var kept: CoreSet?
    // A thread that starts between our listing and our binding inherits the old mask: go on until nothing is new. A
    // thread's number is small, so a process that makes threads without end cannot keep us here for ever.
    for _ in 0..<Self.passesMost {
      var new = false
      for pid in tree.members() {
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

  /// Passes over a tree before it is left as it is; two are usual.
  static let passesMost = 16

  public func suspend(_ tree: ProcessTree) throws(NodeError) {
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

  public func resume(_ tree: ProcessTree) throws(NodeError) {
    let all = tree.members()
    guard !all.isEmpty else { throw .gone(root: tree.root) }
    // The youngest first, so that no parent wakes to find a child stopped.
    for pid in all.reversed() where kill(pid, SIGCONT) != 0 && errno != ESRCH {
      throw .refused(doing: "continue process \(pid)", errno: errno)
    }
  }

  public func usage(of trees: [ProcessTree]) -> [UsageSample?] {
    guard !trees.isEmpty else { return [] }
    let table = ProcessTable.now()
    return trees.map { table.usage(of: $0) }
  }

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
