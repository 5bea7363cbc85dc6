import Glibc

/// Control groups that nobody will remove any more: of gates and benches that were killed before they could, and of which no
/// process is left (cgroups(7)).
public enum AbandonedGroups {
  /// The directories of those beside this process's own groups, sorted.
  public static func here() -> [String] {
    found(
      membership: ProcFiles.text("/proc/self/cgroup") ?? "", mounts: ProcFiles.text("/proc/self/mountinfo") ?? "",
      files: .system, isAlive: isAlive)
  }

  /// Removes those that this process may remove; gives them.
  @discardableResult public static func remove() -> [String] {
    here().filter { ControlGroupFiles.system.removeDirectory($0) }
  }

  static func found(
    membership: String, mounts: String, files: ControlGroupFiles, isAlive: (Int32) -> Bool
  ) -> [String] {
    let controllers = ["", "cpu"] + ControlGroups.Use.allCases.map(\.rawValue)
    let directories = controllers.compactMap {
      ControlGroupMount.directory(of: $0, membership: membership, mounts: mounts)
    }
    return Set(directories).flatMap { found(in: $0, files: files, isAlive: isAlive) }.sorted()
  }

  /// Those in one directory. A group with a process in it is somebody's still, whoever made it.
  static func found(in directory: String, files: ControlGroupFiles, isAlive: (Int32) -> Bool) -> [String] {
    files.names(directory).sorted().compactMap { name in
      guard let maker = maker(of: name), !isAlive(maker) else { return nil }
      let path = "\(directory)/\(name)"
      return files.read(path + "/cgroup.procs")?.contains { $0.isNumber } == false ? path : nil
    }
  }

  /// The process that made a group, by the group's name; nil for the groups of others.
  private static func maker(of name: String) -> Int32? {
    if name.hasPrefix(EqualShares.prefix) {
      let numbers = name.dropFirst(EqualShares.prefix.count).split(separator: "-").map { Int32($0) }
      return numbers.count == 2 && numbers[1] != nil ? numbers[0] : nil
    }
    return name.hasPrefix(KernelGroup.prefix) ? Int32(name.dropFirst(KernelGroup.prefix.count)) : nil
  }

  static func isAlive(_ pid: Int32) -> Bool { kill(pid, 0) == 0 || errno == EPERM }
}
