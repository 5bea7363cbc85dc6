import Domain
import Glibc

extension NodeCapacity {
  /// What this process may use of this machine now.
  ///
  /// Cores: the affinity mask (a cpuset is part of it already), cut to the CPU quota of the control groups above this
  /// process, rounded down and at least one: a half core's worth of quota would only throttle everybody. Memory: the
  /// least of the machine's and the groups' limits. Control groups of version 2 and 1 are read; see cgroups(7).
  public static func here() -> NodeCapacity {
    let mask = LinuxNode.affinity(of: 0) ?? CoreSet(0..<1)
    let limits = ControlGroupLimits.here()
    var cores = mask
    if let quota = limits.cores { cores = mask.smallest(max(1, Int(quota))) }
    let total = ProcFiles.text("/proc/meminfo").flatMap(Self.memoryTotal(meminfo:)) ?? .zero
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return NodeCapacity(
      name: String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self), cores: cores,
      memory: limits.memory.map { min($0, total) } ?? total)
  }

  /// `MemTotal` of `/proc/meminfo`.
  static func memoryTotal(meminfo: String) -> Bytes? {
    for line in meminfo.split(separator: "\n") where line.hasPrefix("MemTotal:") {
      return line.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map { Bytes($0 * 1024) }
    }
    return nil
  }
}

/// What the control groups above a process leave it.
struct ControlGroupLimits: Equatable {
  /// Cores' worth of processor time; nil without a limit.
  var cores: Double?
  var memory: Bytes?

  static func here() -> ControlGroupLimits {
    ControlGroupLimits(
      membership: ProcFiles.text("/proc/self/cgroup") ?? "", mounts: ProcFiles.text("/proc/self/mountinfo") ?? "",
      read: ProcFiles.text)
  }

  /// - Parameters:
  ///   - membership: `/proc/self/cgroup`.
  ///   - mounts: `/proc/self/mountinfo`.
  ///   - read: gives a file's text, or nil where there is none.
  init(membership: String, mounts: String, read: (String) -> String?) {
    let mounted = ControlGroupMount.all(in: mounts)
    for line in membership.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",").map(String.init)
      let version2 = parts[0] == "0" && controllers.isEmpty
      for (controller, mount) in mounted
      where version2 ? controller.isEmpty : controllers.contains(controller) {
        for directory in Self.upwards(from: mount.directory(of: parts[2]), to: mount.point) {
          version2 ? takeVersion2(directory, read) : takeVersion1(directory, controller, read)
        }
      }
    }
  }

  private static func upwards(from directory: String, to top: String) -> [String] {
    var all: [String] = [top]
    var path = top
    for part in directory.dropFirst(top.count).split(separator: "/") where part != ".." {
      path += "/" + part
      all.append(path)
    }
    return all
  }

  private mutating func takeVersion2(_ directory: String, _ read: (String) -> String?) {
    let quota = read(directory + "/cpu.max")?.split(whereSeparator: \.isWhitespace).map { Double($0) } ?? []
    if quota.count == 2, let most = quota[0], let period = quota[1] { lower(cores: most, period: period) }
    lower(memory: read(directory + "/memory.max"))
  }

  private mutating func takeVersion1(_ directory: String, _ controller: String, _ read: (String) -> String?) {
    func number(_ name: String) -> Double? {
      read(directory + "/" + name).flatMap { Double($0.prefix { !$0.isWhitespace }) }
    }
    if controller == "cpu", let most = number("cpu.cfs_quota_us"), let period = number("cpu.cfs_period_us") {
      lower(cores: most, period: period)
    }
    if controller == "memory" { lower(memory: read(directory + "/memory.limit_in_bytes")) }
  }

  private mutating func lower(cores most: Double, period: Double) {
    guard most > 0, period > 0 else { return }
    cores = min(cores ?? .infinity, most / period)
  }

  private mutating func lower(memory text: String?) {
    guard let limit = text.flatMap({ Int64($0.prefix { !$0.isWhitespace }) }), limit > 0 else { return }
    memory = min(memory ?? Bytes(.max), Bytes(limit))
  }
}
