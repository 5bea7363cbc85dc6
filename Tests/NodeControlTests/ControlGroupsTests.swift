import Domain
import Foundation
import Testing

@testable import NodeControl

/// A directory that stands for the mounted hierarchies, and plays what the system does with their files.
private final class FakeRoot: @unchecked Sendable {
  let root = NSTemporaryDirectory() + "celltop-cgroup-" + UUID().uuidString
  /// Directories that cannot be written to.
  var sealed: Set<String> = []
  /// How often a freezer is asked before it is frozen.
  var patience = 0
  /// What was written, in order.
  private(set) var written: [String] = []

  init() throws { try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: root) }

  func add(_ path: String, _ text: String) throws {
    let file = root + "/" + path
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: true, encoding: .utf8)
  }

  func text(_ path: String) -> String? { try? String(contentsOfFile: root + "/" + path, encoding: .utf8) }
  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root + "/" + path) }

  var files: ControlGroupFiles {
    let system = ControlGroupFiles.system
    return ControlGroupFiles(
      read: { [self] path in
        if path.hasSuffix("/cgroup.events"), let wanted = system.read(path.replacing("events", with: "freeze")) {
          patience -= 1
          return "populated 1\nfrozen \(patience < 0 ? wanted.prefix(1) : "0")\n"
        }
        if path.hasSuffix("/freezer.state"), system.read(path) == "FROZEN" {
          patience -= 1
          return patience < 0 ? "FROZEN\n" : "FREEZING\n"
        }
        return system.read(path)
      },
      write: { [self] path, text in
        guard !sealed.contains(where: path.hasPrefix), FileManager.default.fileExists(atPath: path) else {
          return false
        }
        written.append("\(path.dropFirst(root.count + 1))=\(text)")
        let result =
          path.hasSuffix("subtree_control")
          ? String(text.dropFirst())
          : path.hasSuffix("cgroup.procs") ? (system.read(path) ?? "") + text + "\n" : text
        return (try? result.write(toFile: path, atomically: false, encoding: .utf8)) != nil
      },
      makeDirectory: { path in
        guard system.makeDirectory(path) else { return false }
        // The system fills a new group with its files.
        for name in [
          "cgroup.procs", "cgroup.freeze", "cgroup.events", "freezer.state", "cpuset.cpus", "cpuset.mems",
        ] { _ = FileManager.default.createFile(atPath: path + "/" + name, contents: Data()) }
        return true
      },
      // The system removes a group whole, and only an empty one.
      removeDirectory: { path in
        system.read(path + "/cgroup.procs")?.isEmpty != false
          && (try? FileManager.default.removeItem(atPath: path)) != nil
      },
      isWritable: { [self] path in
        !sealed.contains(where: path.hasPrefix) && FileManager.default.fileExists(atPath: path)
      }, names: system.names,
      awaits: { [self] path, milliseconds, isWanted in
        // A millisecond a look, without taking that long.
        (0..<milliseconds).contains { _ in files.read(path).map(isWanted) ?? false }
      })
  }

  func groups(_ membership: String, _ mounts: String) -> ControlGroups {
    ControlGroups(membership: membership, mounts: mounts, files: files)
  }

  func mount2(_ point: String) -> String { "30 23 0:26 / \(root)/\(point) rw - cgroup2 cgroup2 rw\n" }
  func mount1(_ controller: String) -> String {
    "31 23 0:27 / \(root)/\(controller) rw - cgroup cgroup rw,\(controller)\n"
  }
}

@Suite("Control groups for kernels")
struct ControlGroupsTests {
  @Test("version 2 serves both, where it is handed down whole")
  func version2() throws {
    let root = try FakeRoot()
    try root.add("u/job/cgroup.procs", "")
    try root.add("u/job/cgroup.controllers", "cpuset cpu memory\n")
    try root.add("u/job/cgroup.subtree_control", "")
    let groups = root.groups("0::/job\n", root.mount2("u"))
    #expect(groups.findings.map(\.version) == [2, 2] && groups.findings.allSatisfy(\.works))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    #expect(group.joinPaths == [root.root + "/u/job/celltop-77/cgroup.procs"])
    #expect(group.setCores(CoreSet([1, 2, 5])))
    #expect(root.text("u/job/celltop-77/cpuset.cpus") == "1-2,5")
    try root.add("u/job/celltop-77/cgroup.procs", "12\n13\n")
    #expect(group.members() == [12, 13])
    root.patience = 3
    #expect(group.freeze() && root.text("u/job/celltop-77/cgroup.freeze") == "1")
    group.thaw()
    #expect(root.text("u/job/celltop-77/cgroup.freeze") == "0")
    group.remove()
    #expect(root.exists("u/job/celltop-77"), "a group with processes stays")
    try root.add("u/job/celltop-77/cgroup.procs", "")
    group.remove()
    #expect(!root.exists("u/job/celltop-77"))
  }

  @Test("version 2 freezes without any controller, and then has no cpuset")
  func freezerAlone() throws {
    let root = try FakeRoot()
    try root.add("u/job/cgroup.procs", "")
    try root.add("u/job/cgroup.controllers", "memory\n")
    let groups = root.groups("0::/job\n", root.mount2("u"))
    #expect(groups.finding(for: .freezer)?.version == 2 && groups.finding(for: .cpuset) == nil)
    #expect(groups.findings[1].trouble?.hasPrefix("the controller cpuset is not among those of ") == true)
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    #expect(!group.setCores(CoreSet([0])) && group.freeze())
  }

  @Test("a controller that is offered and cannot be switched on is no cpuset")
  func refusedController() throws {
    let root = try FakeRoot()
    try root.add("u/job/cgroup.procs", "1\n")
    try root.add("u/job/cgroup.controllers", "cpuset\n")
    // No subtree_control to write: as where a group with processes refuses it.
    let groups = root.groups("0::/job\n", root.mount2("u"))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    #expect(!group.setCores(CoreSet([0])) && group.joinPaths.count == 1)
  }

  @Test("version 2 has no cpuset below a group that holds processes, which only its root may; version 1 has it then")
  func populated() throws {
    let root = try FakeRoot()
    try root.add("u/job/cgroup.procs", "1\n")
    try root.add("u/job/cgroup.controllers", "cpuset\n")
    try root.add("u/job/cgroup.subtree_control", "")
    // Every group but the root has a type.
    try root.add("u/job/cgroup.type", "domain\n")
    let groups = root.groups("0::/job\n", root.mount2("u"))
    #expect(groups.findings[0].works && groups.findings[1].trouble?.contains("holds processes itself") == true)
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    #expect(!group.setCores(CoreSet([0])) && group.joinPaths == [root.root + "/u/job/celltop-77/cgroup.procs"])
    #expect(root.text("u/job/cgroup.subtree_control")?.isEmpty == true, "nothing is switched on for nothing")
    try root.add("cpuset/a/cgroup.procs", "")
    try root.add("cpuset/a/cpuset.cpus", "0-7\n")
    try root.add("cpuset/a/cpuset.mems", "0\n")
    let both = root.groups("4:cpuset:/a\n0::/job\n", root.mount1("cpuset") + root.mount2("u"))
    #expect(both.findings.map(\.version) == [2, 1] && both.findings.allSatisfy(\.works))
    let mixed = try #require(KernelGroup.make(both, gate: 78, files: root.files) { _ in true })
    #expect(mixed.setCores(CoreSet([3])) && root.text("cpuset/a/celltop-78/cpuset.cpus") == "3")
  }

  @Test("version 1 serves where version 2 is not writable, each hierarchy for its use")
  func version1() throws {
    let root = try FakeRoot()
    try root.add("u/cgroup.procs", "")
    root.sealed = [root.root + "/u"]
    for name in ["freezer", "cpuset"] { try root.add("\(name)/a/cgroup.procs", "") }
    try root.add("cpuset/a/cpuset.cpus", "0-7\n")
    try root.add("cpuset/a/cpuset.mems", "0\n")
    let groups = root.groups(
      "5:freezer:/a\n4:cpuset:/a\n0::/\n", root.mount1("freezer") + root.mount1("cpuset") + root.mount2("u"))
    #expect(groups.findings.map(\.version) == [1, 1] && groups.findings.allSatisfy(\.works))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    #expect(group.joinPaths == ["freezer", "cpuset"].map { "\(root.root)/\($0)/a/celltop-77/cgroup.procs" })
    #expect(root.text("cpuset/a/celltop-77/cpuset.mems") == "0\n")
    root.patience = 2
    #expect(group.freeze() && root.text("freezer/a/celltop-77/freezer.state") == "FROZEN")
    #expect(root.written.count { $0.hasSuffix("freezer.state=FROZEN") } == 3, "a half frozen group is told again")
    group.thaw()
    #expect(root.text("freezer/a/celltop-77/freezer.state") == "THAWED")
  }

  @Test("nothing that is not writable is used, and why is told")
  func sealed() throws {
    let root = try FakeRoot()
    try root.add("u/job/cgroup.procs", "")
    root.sealed = [root.root]
    let groups = root.groups("0::/job\n", root.mount2("u"))
    #expect(groups.findings.allSatisfy { $0.version == 2 && $0.trouble?.contains("Delegate=yes") == true })
    #expect(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true } == nil)
    for name in ["freezer", "cpuset"] { try root.add("\(name)/cgroup.procs", "") }
    let both = root.groups(
      "5:freezer:/\n4:cpuset:/\n0::/job\n", root.mount1("freezer") + root.mount1("cpuset") + root.mount2("u"))
    #expect(both.findings.map(\.version) == [2, 2], "the version that is mended by a line is told")
    let none = root.groups("", "")
    #expect(none.findings.allSatisfy { $0.version == 0 && $0.trouble?.contains("is mounted; as root: mount") == true })
    let outside = root.groups("0::/../../x\n", root.mount2("u"))
    #expect(outside.finding(for: .freezer) == nil, "a group above the mount is out of reach")
  }

  @Test("processes are put into every group, with those that they make meanwhile, and the refused stay out")
  func gathers() throws {
    let root = try FakeRoot()
    for name in ["freezer", "cpuset"] { try root.add("\(name)/a/cgroup.procs", "") }
    try root.add("cpuset/a/cpuset.cpus", "0-7\n")
    try root.add("cpuset/a/cpuset.mems", "0\n")
    let groups = root.groups("5:freezer:/a\n4:cpuset:/a\n", root.mount1("freezer") + root.mount1("cpuset"))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    var looks = 0
    group.gather {
      looks += 1
      return looks == 1 ? [12] : [12, 13]
    }
    #expect(group.members() == [12, 13])
    #expect(root.text("cpuset/a/celltop-77/cgroup.procs") == "12\n13\n")
    root.sealed = [root.root]
    looks = 0
    group.gather {
      looks += 1
      return [14]
    }
    #expect(looks == 2 && group.members() == [12, 13], "a look for each group, and no more where nobody can be moved")
  }

  @Test("a child that has ended, and that nobody has asked about, keeps nobody from freezing; one outside does")
  func zombie() throws {
    let root = try FakeRoot()
    try root.add("u/cgroup.procs", "")
    let groups = root.groups("0::/\n", root.mount2("u"))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    // The shell becomes a program that asks about no child.
    let family = Family(command: "sleep 600 & sleep 600 & exec sleep 600")
    let tree = ProcessTree(root: family.pid)
    try #require(
      family.until { tree.members().count == 3 && ProcFiles.text("/proc/\(family.pid)/comm") == "sleep\n" })
    let ended = try #require(tree.members().last)
    kill(ended, SIGKILL)
    try #require(family.until { ProcessRecord.now(ended)?.isOver == true })
    let alive = tree.members().filter { $0 != ended }
    try root.add("u/celltop-77/cgroup.procs", alive.map { "\($0)\n" }.joined())
    let node = LinuxNode(group: group)
    try node.suspend(tree)
    #expect(root.text("u/celltop-77/cgroup.freeze") == "1", "frozen, and not stopped by signals")
    #expect(alive.allSatisfy { ProcessRecord.now($0)?.isStopped == false })
    try node.resume(tree)
    #expect(root.text("u/celltop-77/cgroup.freeze") == "0")
    try root.add("u/celltop-77/cgroup.procs", "\(family.pid)\n")
    try node.suspend(tree)
    #expect(family.until { alive.allSatisfy { ProcessRecord.now($0)?.isStopped == true } })
    try node.resume(tree)
  }

  @Test("a group that does not freeze in time goes on")
  func slow() throws {
    let root = try FakeRoot()
    try root.add("u/cgroup.procs", "")
    let groups = root.groups("0::/\n", root.mount2("u"))
    let group = try #require(KernelGroup.make(groups, gate: 77, files: root.files) { _ in true })
    root.patience = .max
    #expect(!group.freeze())
    #expect(root.text("u/celltop-77/cgroup.freeze") == "0")
  }

  @Test("groups that dead gates left behind are removed, but for those with processes")
  func sweep() throws {
    let root = try FakeRoot()
    try root.add("u/cgroup.procs", "")
    for (name, members) in [("celltop-5", ""), ("celltop-6", ""), ("celltop-7", "99\n"), ("celltop-x", "")] {
      try root.add("u/\(name)/cgroup.procs", members)
    }
    let groups = root.groups("0::/\n", root.mount2("u"))
    _ = KernelGroup.make(groups, gate: 77, files: root.files) { $0 == 6 }
    #expect(
      ["celltop-5", "celltop-6", "celltop-7", "celltop-x"].map { root.exists("u/\($0)") } == [false, true, true, true])
  }

  @Test("what killed gates and benches left in any hierarchy is found: empty groups of makers that are no more")
  func abandoned() throws {
    let root = try FakeRoot()
    for name in ["u", "cpu", "cpuset", "freezer"] { try root.add("\(name)/a/cgroup.procs", "1\n") }
    let made: [(String, String)] = [
      ("cpuset/a/celltop-5", ""), ("cpuset/a/celltop-6", ""), ("cpuset/a/celltop-7", "99\n"),
      ("freezer/a/celltop-5", ""), ("cpu/a/celltop-share-5-0", ""), ("cpu/a/celltop-share-5-11", "\n"),
      ("cpu/a/celltop-share-6-0", ""), ("cpu/a/celltop-share-5", ""), ("cpu/a/celltop-share-x-1", ""),
      ("u/a/celltop-5-1", ""), ("u/a/other-5", ""), ("cpuset/celltop-5", ""),
    ]
    for (path, members) in made { try root.add("\(path)/cgroup.procs", members) }
    let found = AbandonedGroups.found(
      membership: "5:freezer:/a\n4:cpuset:/a\n1:cpu:/a\n0::/a\n",
      mounts: root.mount1("freezer") + root.mount1("cpuset") + root.mount1("cpu") + root.mount2("u"), files: root.files
    ) { $0 == 6 }
    #expect(
      found.map { String($0.dropFirst(root.root.count + 1)) } == [
        "cpu/a/celltop-share-5-0", "cpu/a/celltop-share-5-11", "cpuset/a/celltop-5", "freezer/a/celltop-5",
      ])
  }
}

@Suite("Control groups of this machine")
struct RealControlGroupsTests {
  /// Freezes and thaws a real process in a group of one version; says so where none is writable here.
  @Test("freeze a process and let it go on", arguments: [1, 2])
  func freezes(version: Int) throws {
    let mounts = (ProcFiles.text("/proc/self/mountinfo") ?? "").split(separator: "\n")
      .filter { $0.contains(version == 1 ? " - cgroup " : " - cgroup2 ") }.joined(separator: "\n")
    let groups = ControlGroups(
      membership: ProcFiles.text("/proc/self/cgroup") ?? "", mounts: mounts, files: .system)
    // Named for a process that lives: others who make groups at this moment remove those of the dead.
    let family = Family()
    guard groups.finding(for: .freezer) != nil, let group = KernelGroup.make(groups, gate: family.pid) else {
      print("skipped: no freezer of version \(version) is writable here")
      return
    }
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    group.gather { tree.members() }
    #expect(group.members().isSuperset(of: tree.members()), "the shell and the children that it had made before")
    defer {
      group.thaw()
      for member in group.members() { kill(member, SIGKILL) }
    }
    let node = LinuxNode(group: group)
    try node.suspend(tree)
    #expect(tree.members().allSatisfy { ProcessRecord.now($0)?.state != UInt8(ascii: "T") }, "no signal was used")
    kill(family.pid, SIGUSR1)
    #expect(ProcessRecord.now(family.pid) != nil, "a frozen process takes no signal")
    try node.resume(tree)
    #expect(family.until { ProcessRecord.now(family.pid).map(\.isZombie) != false }, "which it has waited for")
    for member in group.members() { kill(member, SIGKILL) }
    #expect(family.until { group.members().isEmpty })
    group.remove()
    #expect(group.joinPaths.allSatisfy { access($0, F_OK) != 0 })
  }

  @Test("are not used for a tree that is not in them")
  func strangers() throws {
    guard let group = KernelGroup.make(.here(), gate: getpid() + 500_000_000) else {
      print("skipped: no control group is writable here")
      return
    }
    defer { group.remove() }
    let family = Family()
    let tree = ProcessTree(root: family.pid)
    try #require(family.until { tree.members().count == 3 })
    let node = LinuxNode(group: group)
    try node.suspend(tree)
    #expect(family.until { tree.members().allSatisfy { ProcessRecord.now($0)?.state == UInt8(ascii: "T") } })
    try node.resume(tree)
  }
}
