import Domain
import Glibc

/// Reads the small files of `/proc` and `/sys`.
enum ProcFiles {
  /// A file's bytes up to `most`; nil where it cannot be read, as when its process has just gone.
  static func bytes(_ path: String, most: Int = 1 << 20) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var all: [UInt8] = []
    let failed = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) { buffer in
      while all.count < most {
        let got = read(descriptor, buffer.baseAddress, buffer.count)
        if got < 0 { return true }
        if got == 0 { return false }
        all.append(contentsOf: buffer[..<got])
      }
      return false
    }
    return failed ? nil : all
  }

  /// Reads a file of the system as it changes, which it tells by POLLPRI (cgroups(7), sysfs), until its text is what is
  /// wanted; false where that takes longer, or there is no such file.
  static func awaits(_ path: String, milliseconds: Int32, _ isWanted: (String) -> Bool) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let end = TreeWatch.now() + Domain.Span(microseconds: Int64(milliseconds) * 1000)
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let got = pread(descriptor, &buffer, buffer.count, 0)
      guard got >= 0 else { return false }
      if isWanted(String(decoding: buffer[..<got], as: UTF8.self)) { return true }
      let left = (end - TreeWatch.now()).microseconds
      guard left > 0 else { return false }
      var wait = pollfd(fd: descriptor, events: Int16(POLLPRI), revents: 0)
      _ = poll(&wait, 1, Int32(clamping: (left + 999) / 1000))
    }
  }

  static func text(_ path: String) -> String? {
    bytes(path).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The numbers among the names in a directory: processes in `/proc`, threads in `task`. Nil where it is gone.
  static func numbers(in path: String) -> [Int32]? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var numbers: [Int32] = []
    while let entry = readdir(directory) {
      var value: Int32 = 0
      let isNumber = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: UInt8.self, capacity: 256) { byte in
          var i = 0
          while i < 10, (0x30...0x39).contains(byte[i]) {
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            if over { return false }
            value = product &+ Int32(byte[i] - 0x30)
            i += 1
          }
          return i > 0 && byte[i] == 0 && value > 0
        }
      }
      if isNumber { numbers.append(value) }
    }
    return numbers
  }
}

/// One line of `/proc/PID/stat` (proc(5)).
public struct ProcessRecord: Hashable, Sendable {
  public var pid: Int32
  public var state: UInt8
  public var parent: Int32
  public var group: Int32
  public var session: Int32
  /// Clock ticks, its ended and awaited children included.
  public var ticks: UInt64
  public var threads: Int
  /// Ticks after the machine's start; tells a process from a later one with its number.
  public var started: UInt64
  public var residentPages: Int

  /// Reads a `stat` line; the name in it may hold blanks, brackets and anything else.
  init?(_ bytes: [UInt8]) {
    guard let close = bytes.lastIndex(of: UInt8(ascii: ")")), let open = bytes.firstIndex(of: UInt8(ascii: "(")),
      open < close
    else { return nil }
    var at = 0
    guard let pid = Self.number(bytes, &at), at <= open else { return nil }
    at = close + 1
    // proc(5) counts fields from 1; the third, a letter, is the first behind the name.
    while at < bytes.count, bytes[at] == 0x20 { at += 1 }
    guard at < bytes.count, bytes[at] > 0x20 else { return nil }
    state = bytes[at]
    at += 1
    var fields: (parent: Int64, group: Int64, session: Int64, ticks: Int64) = (0, 0, 0, 0)
    var rest: (threads: Int64, started: Int64, pages: Int64) = (0, 0, 0)
    for field in 4...24 {
      guard let value = Self.number(bytes, &at) else { return nil }
      switch field {
      case 4: fields.parent = value
      case 5: fields.group = value
      case 6: fields.session = value
      case 14...17: fields.ticks &+= max(0, value)
      case 20: rest.threads = value
      case 22: rest.started = value
      case 24: rest.pages = value
      default: break
      }
    }
    self.pid = Int32(truncatingIfNeeded: pid)
    parent = Int32(truncatingIfNeeded: fields.parent)
    group = Int32(truncatingIfNeeded: fields.group)
    session = Int32(truncatingIfNeeded: fields.session)
    ticks = UInt64(fields.ticks)
    threads = Int(rest.threads)
    started = UInt64(clamping: rest.started)
    residentPages = Int(rest.pages)
  }

  /// The number at a place, blanks before it passed over; nil where there is none. Wraps where it is too large.
  private static func number(_ bytes: [UInt8], _ at: inout Int) -> Int64? {
    while at < bytes.count, bytes[at] == 0x20 { at += 1 }
    let isNegative = at < bytes.count && bytes[at] == 0x2d
    if isNegative { at += 1 }
    let first = at
    var value: Int64 = 0
    while at < bytes.count, (0x30...0x39).contains(bytes[at]) {
      value = value &* 10 &+ Int64(bytes[at] - 0x30)
      at += 1
    }
    return at > first ? (isNegative ? -value : value) : nil
  }

  /// Reads a process's line now; nil where it has gone.
  public static func now(_ pid: Int32) -> ProcessRecord? {
    ProcFiles.bytes("/proc/\(pid)/stat").flatMap(ProcessRecord.init)
  }

  /// Whether it has ended and waits for its parent to notice.
  public var isZombie: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

  /// Whether nothing of it runs: a zombie whose first thread has ended may have others.
  var isOver: Bool { isZombie && threads <= 1 }

  /// Whether a signal has stopped it.
  var isStopped: Bool { state == UInt8(ascii: "T") }
}

extension ProcessTree {
  /// The processes of the tree that live now, the top first; a child that appears meanwhile may be missed, so those
  /// who must reach all of them ask until nothing new comes.
  ///
  /// Where the top is included, members of its session that no longer descend from it belong to the tree too: a
  /// kernel's background jobs whose parent has ended.
  public func members() -> [Int32] {
    guard let first = ProcessRecord.now(root), !first.isZombie else { return [] }
    var found = includesRoot ? [root] : []
    var seen: Set<Int32> = [root]
    var open = [root]
    var complete = true
    while let pid = open.popLast() {
      guard let children = Self.children(of: pid) else {
        complete = complete && kill(pid, 0) != 0
        continue
      }
      for child in children where seen.insert(child).inserted {
        found.append(child)
        open.append(child)
      }
    }
    return complete ? found : ProcessTable.now().members(of: self)
  }

  /// The children of every thread of a process; nil where it has gone or the system does not keep the list
  /// (`CONFIG_PROC_CHILDREN`).
  private static func children(of pid: Int32) -> [Int32]? {
    guard let threads = ProcFiles.numbers(in: "/proc/\(pid)/task") else { return nil }
    var all: [Int32] = []
    for thread in threads {
      guard let some = children(of: thread, in: pid) else {
        if thread == pid { return nil }
        continue
      }
      all += some
    }
    return all
  }

  /// The children that one thread of a process made; nil as above.
  static func children(of thread: Int32, in pid: Int32) -> [Int32]? {
    ProcFiles.bytes("/proc/\(pid)/task/\(thread)/children").map {
      $0.split(separator: 0x20).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }
  }

  /// The tree of the kernel with this number: below its keeper, where a gate stands before it, because the keeper adopts
  /// the kernel's orphans and keeps the time of those that have ended.
  public static func ofKernel(_ pid: Int32) -> ProcessTree {
    guard let parent = ProcessRecord.now(pid)?.parent, parent > 1,
      ProcFiles.text("/proc/\(parent)/comm") == keeperName + "\n"
    else { return ProcessTree(root: pid) }
    return ProcessTree(root: parent, includesRoot: false)
  }

  /// What a keeper calls itself (`PR_SET_NAME`).
  public static let keeperName = "celltop-keeper"
}

/// All processes of the node at one moment: one reading of `/proc` serves any number of trees.
public struct ProcessTable: Sendable {
  private var records: [Int32: ProcessRecord] = [:]
  private var children: [Int32: [Int32]] = [:]
  private var sessions: [Int32: [Int32]] = [:]

  init(_ all: [ProcessRecord]) {
    for record in all.sorted(by: { $0.pid < $1.pid }) {
      records[record.pid] = record
      children[record.parent, default: []].append(record.pid)
      sessions[record.session, default: []].append(record.pid)
    }
  }

  /// Reads all of `/proc`: about 15 µs a process.
  public static func now() -> ProcessTable {
    ProcessTable((ProcFiles.numbers(in: "/proc") ?? []).compactMap(ProcessRecord.now))
  }

  public subscript(pid: Int32) -> ProcessRecord? { records[pid] }

  /// The tree's processes, the top first: descendants, and where the top is included the members of its session with
  /// their own descendants.
  public func members(of tree: ProcessTree) -> [Int32] {
    guard let top = records[tree.root], !top.isZombie else { return [] }
    var found = tree.includesRoot ? [tree.root] : []
    var seen: Set<Int32> = [tree.root]
    var open = [tree.root]
    if tree.includesRoot, top.session == tree.root {
      for member in sessions[tree.root] ?? [] where seen.insert(member).inserted {
        found.append(member)
        open.append(member)
      }
    }
    while let pid = open.popLast() {
      for child in children[pid] ?? [] where seen.insert(child).inserted {
        found.append(child)
        open.append(child)
      }
    }
    return found
  }

  /// What the tree used and holds at the table's moment; nil where it was gone.
  public func usage(of tree: ProcessTree) -> UsageSample? {
    let all = members(of: tree).compactMap { records[$0] }
    guard !all.isEmpty || (!tree.includesRoot && records[tree.root] != nil) else { return nil }
    return UsageSample(all, keeper: tree.includesRoot ? nil : records[tree.root])
  }
}

extension UsageSample {
  /// The sum over a tree's processes.
  ///
  /// - Parameter keeper: the process above the tree, whose own time counts though it is no part of it: the time of the
  ///   orphans that it has buried is in there.
  init(_ all: [ProcessRecord], keeper: ProcessRecord?) {
    let ticks = all.reduce(keeper?.ticks ?? 0) { $0 &+ $1.ticks }
    self.init(
      cpu: .init(microseconds: Int64(ticks) * 1_000_000 / Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))),
      memory: Bytes(all.reduce(0) { $0 + Int64($1.residentPages) } * Int64(sysconf(Int32(_SC_PAGESIZE)))),
      processes: all.count, threads: all.reduce(0) { $0 + $1.threads })
  }
}
