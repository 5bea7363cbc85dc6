import Domain
import Glibc

/// Samples the use of many process trees at a bounded cost.
///
/// Reading all of `/proc` finds every process of every tree, but costs some 10 µs a process of the whole node, whoseever
/// they are. So that is done when its cost has been earned: a scan that took *t* is followed by the next one after
/// 1,000 *t* (0.1 % of a core) and not before `scanPeriodLeast`. In between only the known processes are read, with the
/// children that their main threads have made since; the few that come otherwise count from the next scan on. Where those are
/// thousands, because a kernel forks without end, whoever samples is told to `rest` for longer.
struct TreeWatch {
  /// The least time between two readings of all of `/proc`.
  static let scanPeriodLeast = Span(microseconds: 2_000_000)
  /// How many times its own length a scan keeps the next one away.
  static let scanShare: Int64 = 1000

  /// How often a tree is read again because one of it went while it was read.
  private static let readingsMost = 3

  private struct Member: Hashable {
    var pid: Int32
    /// Tells it from a later process with its number.
    var started: UInt64
  }

  private var known: [ProcessTree: [Member]] = [:]
  private var nextScan = Instant.zero
  /// How long the next reading should wait, so that readings cost no more than `readingShare` allows.
  private(set) var rest = Span.zero
  /// How many times its own length of processor time a reading keeps the next one away: 0.3 % of a core.
  static let readingShare: Int64 = 333

  /// What each of the trees has used and holds now, in their order; nil for one that is gone.
  mutating func usage(of trees: [ProcessTree]) -> [UsageSample?] {
    let before = Self.spent()
    let scan = nextScan
    defer {
      // A scan has its own way to be paid for.
      rest = nextScan == scan ? Span(microseconds: (Self.spent() - before) * Self.readingShare) : .zero
    }
    return read(trees)
  }

  private mutating func read(_ trees: [ProcessTree]) -> [UsageSample?] {
    guard !trees.isEmpty else {
      known = [:]
      return []
    }
    let began = Self.now()
    if began >= nextScan {
      let table = ProcessTable.now()
      let before = known
      known = Dictionary(
        trees.map { tree in
          (tree, table.members(of: tree).compactMap { table[$0] }.map { Member(pid: $0.pid, started: $0.started) })
        }, uniquingKeysWith: { first, _ in first })
      let ended = Self.now()
      let rest = Span(microseconds: (ended - began).microseconds * Self.scanShare)
      nextScan = ended + max(rest, Self.scanPeriodLeast)
      return trees.map { tree in
        let wentMeanwhile = before[tree]?.contains { table[$0.pid]?.started != $0.started } == true
        return wentMeanwhile ? sample(tree) : table.usage(of: tree)
      }
    }
    known = known.filter { trees.contains($0.key) }
    return trees.map { sample($0) }
  }

  /// Reads one tree again: what is known of it, and the children of those.
  private mutating func sample(_ tree: ProcessTree) -> UsageSample? {
    var members = known[tree] ?? []
    if members.isEmpty {
      members = tree.members().compactMap(ProcessRecord.now).map { Member(pid: $0.pid, started: $0.started) }
    }
    var seen = Set(members.map(\.pid))
    seen.insert(tree.root)
    var records: [ProcessRecord] = []
    var next = 0
    var wentMeanwhile = false
    while next < members.count {
      let member = members[next]
      next += 1
      guard let record = ProcessRecord.now(member.pid), record.started == member.started else {
        wentMeanwhile = true
        continue
      }
      records.append(record)
      for child in ProcessTree.children(of: record.pid, in: record.pid) ?? [] where seen.insert(child).inserted {
        if let made = ProcessRecord.now(child) { members.append(Member(pid: child, started: made.started)) }
      }
    }
    // The time of one that went is its parent's now, which was read before: else it would be nobody's until the next look.
    for _ in 0..<Self.readingsMost where wentMeanwhile {
      let again = records.compactMap { one in
        ProcessRecord.now(one.pid).flatMap { $0.started == one.started ? $0 : nil }
      }
      wentMeanwhile = again.count < records.count
      records = again
    }
    known[tree] = records.map { Member(pid: $0.pid, started: $0.started) }
    guard tree.includesRoot else {
      guard let keeper = ProcessRecord.now(tree.root) else { return nil }
      return UsageSample(records, keeper: keeper)
    }
    guard records.first?.pid == tree.root, records.first?.isZombie == false else { return nil }
    return UsageSample(records, keeper: nil)
  }

  static func now() -> Instant { Instant(microseconds: reading(CLOCK_MONOTONIC)) }

  /// Processor time of this thread, in microseconds.
  static func spent() -> Int64 { reading(CLOCK_THREAD_CPUTIME_ID) }

  private static func reading(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}
