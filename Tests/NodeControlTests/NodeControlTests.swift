import CLinux
import Domain
import Glibc
import Testing

@testable import NodeControl

@Suite("This machine")
struct LinuxNodeTests {
  @Test("finds a process's children, and binds every one of them")
  func binds() throws {
    let family = Family()
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    #expect(tree.members().first == family.pid)
    #expect(ProcessTree(root: family.pid, includesRoot: false).members().count == 2)
    let core = try #require(Array(LinuxNode.affinity(of: 0) ?? CoreSet()).first)
    let node = LinuxNode()
    #expect(try node.setCores(CoreSet([core]), of: tree) == CoreSet([core]))
    for member in tree.members() { #expect(LinuxNode.affinity(of: member) == CoreSet([core])) }
    #expect(throws: NodeError.noCores) { try node.setCores(CoreSet(), of: tree) }
    #expect(throws: NodeError.self) { try node.setCores(CoreSet([4000]), of: tree) }
  }

  @Test("stops a whole tree and lets it go on")
  func suspends() throws {
    let family = Family()
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    func states() -> Set<UInt8> { Set(tree.members().compactMap { ProcessRecord.now($0)?.state }) }
    let node = LinuxNode()
    try node.suspend(tree)
    #expect(family.until { states() == [UInt8(ascii: "T")] })
    try node.resume(tree)
    #expect(family.until { states() == [UInt8(ascii: "S")] })
  }

  @Test("one process that is refused keeps nobody from the rest, and is told afterwards")
  func refused() throws {
    let family = Family()
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    let members = tree.members()
    // As of somebody else's process, which `sudo` starts; in turn each of the three.
    for stranger in members {
      let system = ProcessCalls.system
      let node = LinuxNode(
        calls: ProcessCalls(
          signal: { $0 == stranger ? EPERM : system.signal($0, $1) },
          bind: { $0 == stranger ? EPERM : system.bind($0, $1) }))
      let others = members.filter { $0 != stranger }
      func states(of pids: [Int32]) -> Set<UInt8> { Set(pids.compactMap { ProcessRecord.now($0)?.state }) }
      #expect(throws: NodeError.refused(doing: "stop process \(stranger)", errno: EPERM)) { try node.suspend(tree) }
      #expect(family.until { states(of: others) == [UInt8(ascii: "T")] })
      #expect(ProcessRecord.now(stranger)?.isStopped == false)
      try node.resume(tree)
      #expect(family.until { states(of: members) == [UInt8(ascii: "S")] }, "whom nobody stopped needs no word to go on")
      kill(stranger, SIGSTOP)
      #expect(family.until { states(of: [stranger]) == [UInt8(ascii: "T")] })
      #expect(throws: NodeError.refused(doing: "continue process \(stranger)", errno: EPERM)) { try node.resume(tree) }
      kill(stranger, SIGCONT)
      let all = try #require(LinuxNode.affinity(of: 0))
      let core = all.smallest(1)
      #expect(throws: NodeError.refused(doing: "bind thread \(stranger) to cores \(core)", errno: EPERM)) {
        try node.setCores(core, of: tree)
      }
      #expect(others.allSatisfy { LinuxNode.affinity(of: $0) == core })
      _ = try LinuxNode().setCores(all, of: tree)
    }
  }

  @Test("says that a tree is gone")
  func gone() {
    let node = LinuxNode()
    let tree = ProcessTree(root: 0x3fff_ffff)
    #expect(throws: NodeError.gone(root: 0x3fff_ffff)) { try node.suspend(tree) }
    #expect(throws: NodeError.gone(root: 0x3fff_ffff)) { try node.resume(tree) }
    #expect(throws: NodeError.gone(root: 0x3fff_ffff)) { try node.setCores(CoreSet([0]), of: tree) }
    #expect(node.usage(of: tree) == nil)
  }

  @Test("counts processor time, memory, processes and threads of a tree")
  func usage() throws {
    let sample = try #require(LinuxNode().usage(of: ProcessTree(root: getpid())))
    #expect(sample.cpu > .zero && sample.memory > .zero && sample.processes >= 1 && sample.threads >= 1)
    let family = Family()
    let trees = [ProcessTree(root: family.pid), ProcessTree(root: 0x3fff_ffff), ProcessTree(root: getpid())]
    try #require(family.until { LinuxNode().usage(of: trees).map { $0?.processes ?? 0 }.first == 3 })
    let samples = LinuxNode().usage(of: trees)
    #expect(samples.count == 3 && samples[1] == nil && samples[2] != nil)
    #expect(LinuxNode().usage(of: []).isEmpty)
  }

  @Test("has at least one core, some memory and a name")
  func capacity() {
    let here = LinuxNode().capacity()
    #expect(here.cores.count >= 1 && here.memory > .zero && !here.name.isEmpty)
    #expect(here.cores.isSubset(of: LinuxNode.affinity(of: 0) ?? CoreSet()))
  }
}

@Suite("Reading /proc")
struct ProcFileTests {
  @Test("reads a stat line whatever the process is called")
  func stat() throws {
    let line =
      "42 (a) b (c)) S 7 42 40 0 -1 4194560 100 0 0 0 11 5 3 1 20 0 4 0 123456 1000000 250 18446744073709551615 0 0\n"
    let record = try #require(ProcessRecord(Array(line.utf8)))
    #expect(record.pid == 42 && record.parent == 7 && record.group == 42 && record.session == 40)
    #expect(record.ticks == 20 && record.threads == 4 && record.started == 123_456 && record.residentPages == 250)
    #expect(!record.isZombie)
  }

  @Test("takes nothing from a line that is none", arguments: ["", "42", "42 (x", "42 (x) S 1", "x (y) S 1 2 3"])
  func noStat(line: String) {
    #expect(ProcessRecord(Array(line.utf8)) == nil)
  }

  @Test("puts descendants and the members of the session into a tree, orphans included")
  func table() {
    func record(_ pid: Int32, parent: Int32, session: Int32) -> ProcessRecord {
      let line = "\(pid) (x) S \(parent) \(session) \(session) 0 0 0 0 0 0 0 1 1 0 0 20 0 2 0 5 0 3 0\n"
      return ProcessRecord(Array(line.utf8))!
    }
    let table = ProcessTable([
      record(10, parent: 1, session: 10), record(11, parent: 10, session: 10), record(12, parent: 11, session: 12),
      record(13, parent: 1, session: 10), record(14, parent: 13, session: 10), record(20, parent: 1, session: 20),
    ])
    #expect(Set(table.members(of: ProcessTree(root: 10))) == [10, 11, 12, 13, 14])
    #expect(Set(table.members(of: ProcessTree(root: 10, includesRoot: false))) == [11, 12])
    #expect(table.usage(of: ProcessTree(root: 10))?.threads == 10)
    #expect(table.usage(of: ProcessTree(root: 99)) == nil)
  }
}

@Suite("Control groups' limits")
struct ControlGroupTests {
  static let version2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

  @Test("takes the least of all groups above the process, version 2")
  func nested() {
    let files = [
      "/sys/fs/cgroup/a/cpu.max": "400000 100000\n", "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "1073741824\n",
    ]
    let limits = ControlGroupLimits(membership: "0::/a/b\n", mounts: Self.version2) { files[$0] }
    #expect(limits.cores == 4 && limits.memory == Bytes(1 << 30))
  }

  @Test("reads version 1's quota and limit, a quota of -1 being none")
  func version1() {
    let mounts = """
      31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
      32 23 0:28 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
      """
    let membership = "4:cpu,cpuacct:/job\n3:memory:/docker/x\n1:name=systemd:/\n"
    var files = [
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n",
    ]
    var limits = ControlGroupLimits(membership: membership, mounts: mounts) { files[$0] }
    #expect(limits.cores == 1.5 && limits.memory == Bytes(2 << 20))
    files["/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us"] = "-1\n"
    limits = ControlGroupLimits(membership: membership, mounts: mounts) { files[$0] }
    #expect(limits.cores == nil)
  }

  @Test("finds no limit where there is nothing, or nonsense")
  func none() {
    #expect(
      ControlGroupLimits(membership: "", mounts: "") { _ in nil }
        == ControlGroupLimits(membership: "x", mounts: "y") { _ in "z" })
    let limits = ControlGroupLimits(membership: "0::/../../etc\n", mounts: Self.version2) { _ in "one two three" }
    #expect(limits.cores == nil && limits.memory == nil)
  }

  @Test("reads the machine's memory")
  func meminfo() {
    #expect(NodeCapacity.memoryTotal(meminfo: "MemTotal:       16 kB\nMemFree: 1 kB\n") == Bytes(16_384))
    #expect(NodeCapacity.memoryTotal(meminfo: "nothing") == nil)
  }
}

@Suite("The twin")
struct TwinNodeTests {
  let node = TwinNode(capacity: NodeCapacity(name: "twin", cores: CoreSet(0..<4), memory: Bytes(1 << 30)))

  @Test("remembers cores, suspension and use")
  func remembers() throws {
    let tree = ProcessTree(root: 7)
    node.begin(root: 7)
    #expect(try node.setCores(CoreSet([1, 9]), of: tree) == CoreSet([1]))
    try node.suspend(tree)
    node.spend(Domain.Span(seconds: 1), root: 7)
    #expect(node.usage(of: tree)?.cpu == .zero, "a suspended tree uses nothing")
    try node.resume(tree)
    node.spend(Domain.Span(seconds: 1), root: 7)
    #expect(node.usage(of: tree)?.cpu == Domain.Span(seconds: 1))
    #expect(node.trees[7]?.cores == CoreSet([1]))
    #expect(node.usage(of: [ProcessTree(root: 8), tree]).map { $0?.cpu } == [nil, Domain.Span(seconds: 1)])
  }

  @Test("refuses as the real one does, and fails once when told to")
  func fails() throws {
    let tree = ProcessTree(root: 7)
    #expect(throws: NodeError.gone(root: 7)) { try node.suspend(tree) }
    node.begin(root: 7)
    #expect(throws: NodeError.noCores) { try node.setCores(CoreSet(), of: tree) }
    node.nextFailure = .refused(doing: "stop process 7", errno: 1)
    #expect(throws: NodeError.refused(doing: "stop process 7", errno: 1)) { try node.suspend(tree) }
    try node.suspend(tree)
    node.end(root: 7)
    #expect(node.usage(of: tree) == nil)
  }
}
