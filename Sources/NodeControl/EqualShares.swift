import Domain
import Glibc

/// The node cut into equal parts, one a kernel, for the kernels' whole lives: by cores where there are enough, by CPU quota
/// otherwise, by turns on shared cores where no quota may be set.
///
/// **Source**: cgroups(7); Linux's Documentation/scheduler/sched-bwc.rst (`cpu.cfs_quota_us`) and admin-guide/cgroup-v2.rst
/// (`cpu.max`).
public struct EqualShares: Sendable {
  /// One kernel's part.
  public enum Share: Equatable, Sendable {
    /// These cores, and nobody else on them.
    case cores(CoreSet)
    /// All cores, for so many cores' worth of time; a process joins by writing its number into the file.
    case quota(join: String, cores: Double)
    /// A core that others have, too.
    case turns(CoreSet)
  }

  public let shares: [Share]
  /// How it is done, in a sentence; where it is not as it should be, why.
  public let account: String
  private let groups: [String]
  private let files: ControlGroupFiles

  /// The period of a quota in microseconds, as the kernel and containers have it.
  static let periodMicroseconds = 100_000
  static let prefix = "celltop-share-"

  /// Cuts the cores into `count` parts, and makes the control groups that this takes; `remove` takes them away.
  ///
  /// - Parameter cores: those of the node that may be used, at least one.
  public static func make(count: Int, of cores: CoreSet, owner: Int32 = getpid()) -> EqualShares {
    AbandonedGroups.remove()
    return make(
      count: count, of: cores, owner: owner, membership: ProcFiles.text("/proc/self/cgroup") ?? "",
      mounts: ProcFiles.text("/proc/self/mountinfo") ?? "", files: .system)
  }

  static func make(
    count: Int, of cores: CoreSet, owner: Int32, membership: String, mounts: String, files: ControlGroupFiles
  ) -> EqualShares {
    let all = Array(cores)
    guard all.count < count else {
      let shares = (0..<count).map { place in
        Share.cores(CoreSet(all[(place * all.count / count)..<((place + 1) * all.count / count)]))
      }
      return EqualShares(
        shares: shares, account: "each kernel is bound to cores of its own, \(all.count / max(count, 1)) or one more",
        groups: [], files: files)
    }
    let each = Double(all.count) / Double(max(count, 1))
    var made: [String] = []
    let places = [("", 2), ("cpu", 1)].compactMap { controller, version in
      ControlGroupMount.directory(of: controller, membership: membership, mounts: mounts).map { ($0, version) }
    }
    for (directory, version) in places {
      made = groups(count, each: each, in: directory, version: version, owner: owner, files)
      if made.count == count {
        let percent = Int((each * 100).rounded())
        return EqualShares(
          shares: made.map { .quota(join: $0 + "/cgroup.procs", cores: each) },
          account: "each kernel has a CPU quota of \(percent) % of a core (control groups, version \(version))",
          groups: made, files: files)
      }
      for group in made { _ = files.removeDirectory(group) }
    }
    return EqualShares(
      shares: (0..<count).map { .turns(CoreSet([all[$0 % all.count]])) },
      account: "no CPU quota may be set here (no writable control group with the cpu controller; run as root, or with"
        + " Delegate=cpu): kernels are bound to one core each and take turns with the others on it",
      groups: [], files: files)
  }

  /// As many groups as could be made.
  private static func groups(
    _ count: Int, each: Double, in directory: String, version: Int, owner: Int32, _ files: ControlGroupFiles
  ) -> [String] {
    if version == 2 {
      _ = files.write(directory + "/cgroup.subtree_control", "+cpu")
      let handed = files.read(directory + "/cgroup.subtree_control") ?? ""
      guard handed.split(whereSeparator: \.isWhitespace).contains("cpu") else { return [] }
    }
    var made: [String] = []
    let quota = Int((each * Double(periodMicroseconds)).rounded())
    for place in 0..<count {
      let group = "\(directory)/\(prefix)\(owner)-\(place)"
      guard files.read(group + "/cgroup.procs") != nil || files.makeDirectory(group) else { break }
      made.append(group)
      let isSet =
        version == 2
        ? files.write(group + "/cpu.max", "\(quota) \(periodMicroseconds)")
        : files.write(group + "/cpu.cfs_period_us", "\(periodMicroseconds)")
          && files.write(group + "/cpu.cfs_quota_us", "\(quota)")
      guard isSet else { break }
    }
    guard made.count == count else {
      for group in made { _ = files.removeDirectory(group) }
      return []
    }
    return made
  }

  /// Removes the control groups; false while a process is left in one.
  public func remove() -> Bool { groups.reduce(true) { files.removeDirectory($1) && $0 } }
}
