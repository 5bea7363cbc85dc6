import Domain
import Glibc

/// What may be done with control groups here: where a kernel could be frozen, and where it could be kept to cores by more
/// than its own consent (cgroups(7), cpuset(7); Linux's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1).
public struct ControlGroups: Sendable {
  /// What a hierarchy is used for.
  public enum Use: String, Sendable, CaseIterable {
    case freezer, cpuset
  }

  /// One use, and how it stands with it.
  public struct Finding: Equatable, Sendable {
    public var use: Use
    /// 1 or 2; 0 where no hierarchy has it.
    public var version: Int
    /// The group that this process is in, below which a kernel's own would be made.
    public var directory: String
    /// Why it cannot be used, and the line that mends it; nil where it can.
    public var trouble: String?

    public var works: Bool { trouble == nil }
  }

  public var findings: [Finding]

  /// Whether the user wants none made and none removed: `CELLTOP_CGROUPS=off`.
  public static func areForbidden(_ environment: [String: String]) -> Bool { environment["CELLTOP_CGROUPS"] == "off" }

  /// What this process may do.
  public static func here() -> ControlGroups {
    ControlGroups(
      membership: ProcFiles.text("/proc/self/cgroup") ?? "", mounts: ProcFiles.text("/proc/self/mountinfo") ?? "",
      files: .system)
  }

  /// - Parameters:
  ///   - membership: `/proc/self/cgroup`.
  ///   - mounts: `/proc/self/mountinfo`.
  init(membership: String, mounts: String, files: ControlGroupFiles) {
    findings = Use.allCases.map { use in
      let version2 = ControlGroupMount.directory(of: "", membership: membership, mounts: mounts)
      let version1 = ControlGroupMount.directory(of: use.rawValue, membership: membership, mounts: mounts)
      let second = version2.map { Self.finding(use, version2: $0, files) }
      if let second, second.works { return second }
      let first = version1.map {
        Finding(use: use, version: 1, directory: $0, trouble: Self.unwritable($0, files))
      }
      if let first, first.works { return first }
      return second ?? first
        ?? Finding(
          use: use, version: 0, directory: "",
          trouble: "no hierarchy of control groups with \(use.rawValue) is mounted; \(Self.mountMend(mounts))")
    }
  }

  /// What gives this process a hierarchy where it has none.
  ///
  /// - Parameter mounts: `/proc/self/mountinfo`, from which it is seen whether the system has one out of reach.
  private static func mountMend(_ mounts: String) -> String {
    ControlGroupMount.all(in: mounts).isEmpty
      ? "as root: mount -t cgroup2 none /sys/fs/cgroup; in a container, start it with --cgroupns=private and a delegated group"
      : "it is mounted outside of this process's reach: start the container with --cgroupns=private and a delegated group"
  }

  private static func finding(_ use: Use, version2 directory: String, _ files: ControlGroupFiles) -> Finding {
    var trouble = unwritable(directory, files)
    if trouble == nil, use == .cpuset { trouble = noCpuset(directory, files) }
    return Finding(use: use, version: 2, directory: directory, trouble: trouble)
  }

  /// Why version 2 gives no cpuset below a group; nil where it does.
  ///
  /// This process is in the group, with Jupyter and others. Below a group that holds processes the system switches no controller
  /// on, or lets nobody into the groups below ("no internal processes"), the root excepted, which alone has no type.
  private static func noCpuset(_ directory: String, _ files: ControlGroupFiles) -> String? {
    if files.read(directory + "/cgroup.type") != nil {
      return "\(directory) holds processes itself, and so gives no cpuset to groups below it"
    }
    let offered = files.read(directory + "/cgroup.controllers") ?? ""
    return offered.split(whereSeparator: \.isWhitespace).contains("cpuset")
      ? nil : "the controller cpuset is not among those of \(directory)"
  }

  private static func unwritable(_ directory: String, _ files: ControlGroupFiles) -> String? {
    guard files.isWritable(directory), files.isWritable(directory + "/cgroup.procs") else {
      return
        "\(directory) is not writable; with systemd: Delegate=yes in the unit's [Service], or run Jupyter under 'systemd-run --user --scope -p Delegate=yes'"
    }
    return nil
  }

  /// The group that can be used for this; nil where there is none.
  public func finding(for use: Use) -> Finding? { findings.first { $0.use == use && $0.works } }
}

/// The file operations that control groups need; tests put a directory of their own in place of the system's.
struct ControlGroupFiles: Sendable {
  var read: @Sendable (String) -> String?
  /// Writes a text over a file that exists; false with `errno` where the system refuses.
  var write: @Sendable (String, String) -> Bool
  var makeDirectory: @Sendable (String) -> Bool
  var removeDirectory: @Sendable (String) -> Bool
  var isWritable: @Sendable (String) -> Bool
  var names: @Sendable (String) -> [String]
  /// Reads a file as it changes until its text is what is wanted; false where it is not within so many milliseconds.
  var awaits: @Sendable (String, Int32, (String) -> Bool) -> Bool

  static let system = ControlGroupFiles(
    read: { ProcFiles.text($0) },
    write: { path, text in
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return false }
      defer { close(descriptor) }
      return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count
    },
    makeDirectory: { mkdir($0, 0o755) == 0 },
    removeDirectory: { rmdir($0) == 0 },
    isWritable: { access($0, W_OK) == 0 },
    names: { path in
      guard let directory = opendir(path) else { return [] }
      defer { closedir(directory) }
      var names: [String] = []
      while let entry = readdir(directory) {
        names.append(
          withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
          })
      }
      return names
    }, awaits: { path, milliseconds, isWanted in ProcFiles.awaits(path, milliseconds: milliseconds, isWanted) })
}

/// The control groups of one kernel: one in each hierarchy that is used, all of one name.
///
/// What is made here is a convenience, never a condition: each act says whether it worked, and whoever asked falls back
/// on signals and affinity masks.
public struct KernelGroup: Sendable {
  private let files: ControlGroupFiles
  private let freezer: (directory: String, version: Int)?
  private let cpuset: (directory: String, version: Int)?

  /// What a group's name begins with; the gate's process follows.
  static let prefix = "celltop-"
  /// How long a group may take to freeze; a process in an uninterruptible call can take longer, and is stopped by signals.
  static let freezeMillisecondsMost: Int32 = 200
  /// How long version 1, which tells nobody when it is done, is left alone between two looks.
  static let looksMilliseconds: Int32 = 1

  /// Makes the groups for a gate's kernel; nil where none can be made.
  ///
  /// Groups of gates that have ended without removing theirs are removed first: their processes are gone.
  public static func make(_ groups: ControlGroups, gate: Int32) -> KernelGroup? {
    make(groups, gate: gate, files: .system, isAlive: AbandonedGroups.isAlive)
  }

  static func make(
    _ groups: ControlGroups, gate: Int32, files: ControlGroupFiles, isAlive: (Int32) -> Bool
  ) -> KernelGroup? {
    func made(_ use: ControlGroups.Use) -> (directory: String, version: Int)? {
      guard let finding = groups.finding(for: use) else { return nil }
      for old in AbandonedGroups.found(in: finding.directory, files: files, isAlive: isAlive) {
        _ = files.removeDirectory(old)
      }
      let directory = "\(finding.directory)/\(prefix)\(gate)"
      if use == .cpuset, finding.version == 2 {
        _ = files.write(finding.directory + "/cgroup.subtree_control", "+cpuset")
        let handed = files.read(finding.directory + "/cgroup.subtree_control") ?? ""
        guard handed.split(whereSeparator: \.isWhitespace).contains("cpuset") else { return nil }
      }
      let isThere = files.read(directory + "/cgroup.procs") != nil
      guard isThere || files.makeDirectory(directory) else { return nil }
      if use == .cpuset, finding.version == 1, !inherit(directory, from: finding.directory, files) {
        _ = files.removeDirectory(directory)
        return nil
      }
      return (directory, finding.version)
    }
    let freezer = made(.freezer)
    let cpuset = made(.cpuset)
    guard freezer != nil || cpuset != nil else { return nil }
    return KernelGroup(files: files, freezer: freezer, cpuset: cpuset)
  }

  /// Version 1 lets nobody into a cpuset without cores and memory nodes.
  private static func inherit(_ directory: String, from parent: String, _ files: ControlGroupFiles) -> Bool {
    ["cpuset.cpus", "cpuset.mems"].allSatisfy { name in
      guard let text = files.read("\(parent)/\(name)") else { return false }
      return files.write("\(directory)/\(name)", text)
    }
  }

  /// The files into which a process's number is written for it to be in the groups.
  var joinPaths: [String] {
    var seen: [String] = []
    for directory in [freezer?.directory, cpuset?.directory].compactMap(\.self) where !seen.contains(directory) {
      seen.append(directory)
    }
    return seen.map { $0 + "/cgroup.procs" }
  }

  /// How many times `gather` looks for somebody who is still outside; whoever is inside has its children there.
  static let gatheringsMost = 8

  /// Puts processes that run already into the groups, and those that they make meanwhile.
  ///
  /// The system takes 10 to 20 ms to move the first (it waits until nobody forks), so no kernel does this on the way to its own
  /// start: its keeper does, while the kernel starts.
  ///
  /// - Parameter members: the processes that belong in there, at the moment of the call.
  public func gather(_ members: () -> [Int32]) {
    for path in joinPaths {
      for _ in 0..<Self.gatheringsMost {
        let inside = Set((files.read(path) ?? "").split(separator: "\n").compactMap { Int32($0) })
        let moved = members().filter { !inside.contains($0) && files.write(path, "\($0)") }
        if moved.isEmpty { break }
      }
    }
  }

  /// The processes in the group that can be frozen: who could not join is not frozen with it.
  public func members() -> Set<Int32> {
    guard let freezer, let members = files.read(freezer.directory + "/cgroup.procs") else { return [] }
    return Set(members.split(separator: "\n").compactMap { Int32($0) })
  }

  /// Stops every process of the group at once; none of them can notice it, nor escape by making others.
  ///
  /// Waits for it, asleep: version 2 tells when a group is frozen, version 1 has to be asked.
  ///
  /// - Returns: false where that did not work within `freezeMillisecondsMost`; then nothing is frozen.
  public func freeze() -> Bool {
    guard let freezer else { return false }
    let isFrozen =
      freezer.version == 2
      ? files.write(freezer.directory + "/cgroup.freeze", "1")
        && files.awaits(freezer.directory + "/cgroup.events", Self.freezeMillisecondsMost) { $0.contains("frozen 1") }
      : freezeOld(freezer.directory + "/freezer.state")
    if !isFrozen { thaw() }
    return isFrozen
  }

  private func freezeOld(_ path: String) -> Bool {
    for _ in 0..<(Self.freezeMillisecondsMost / Self.looksMilliseconds) {
      // A half frozen group (FREEZING) goes on when it is told again.
      guard files.write(path, "FROZEN") else { return false }
      if files.awaits(path, Self.looksMilliseconds, { $0.hasPrefix("FROZEN") }) { return true }
    }
    return false
  }

  /// Lets every process of the group go on; harmless where none is frozen.
  public func thaw() {
    guard let freezer else { return }
    if freezer.version == 2 {
      _ = files.write(freezer.directory + "/cgroup.freeze", "0")
    } else {
      _ = files.write(freezer.directory + "/freezer.state", "THAWED")
    }
  }

  /// Keeps the group to these cores, whatever its processes ask for; false where there is no cpuset or it was refused.
  @discardableResult public func setCores(_ cores: CoreSet) -> Bool {
    guard let cpuset else { return false }
    return files.write(cpuset.directory + "/cpuset.cpus", cores.description)
  }

  /// Removes the groups; they must be empty.
  public func remove() {
    for directory in [freezer?.directory, cpuset?.directory].compactMap(\.self) {
      _ = files.removeDirectory(directory)
    }
  }
}
