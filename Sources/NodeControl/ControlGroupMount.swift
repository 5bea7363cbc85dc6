/// A mounted hierarchy of control groups (cgroups(7)).
struct ControlGroupMount {
  var root: String
  var point: String

  /// A group's directory below the mount: inside a container the mount's root is itself a part of the group's path.
  func directory(of group: String) -> String {
    if root != "/", group == root || group.hasPrefix(root + "/") { return point + group.dropFirst(root.count) }
    return group == "/" ? point : point + group
  }

  /// Mounts by controller, from `/proc/self/mountinfo`; the empty name is version 2.
  static func all(in mounts: String) -> [(controller: String, mount: ControlGroupMount)] {
    mounts.split(separator: "\n").flatMap { line -> [(String, ControlGroupMount)] in
      let halves = line.split(separator: " ").split(separator: "-", maxSplits: 1).map(Array.init)
      guard halves.count == 2, halves[0].count > 4, let kind = halves[1].first else { return [] }
      let mount = ControlGroupMount(root: String(halves[0][3]), point: String(halves[0][4]))
      if kind == "cgroup2" { return [("", mount)] }
      guard kind == "cgroup", let options = halves[1].last else { return [] }
      return options.split(separator: ",").map { (String($0), mount) }
    }
  }

  /// The directory of the group that a process is in, in the hierarchy of a controller; the empty name is version 2.
  ///
  /// - Parameter membership: `/proc/PID/cgroup`.
  static func directory(of controller: String, membership: String, mounts: String) -> String? {
    guard let mount = all(in: mounts).first(where: { $0.controller == controller })?.mount else { return nil }
    for line in membership.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let isMine =
        controller.isEmpty
        ? parts[0] == "0" && parts[1].isEmpty : parts[1].split(separator: ",").contains { $0 == controller }
      // A group above the mount's root shows as a path upwards: it is out of reach.
      if isMine { return parts[2].contains("..") ? nil : mount.directory(of: parts[2]) }
    }
    return nil
  }
}
