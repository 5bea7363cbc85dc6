import Domain
import Foundation
import Synchronization
import Testing

@testable import NodeControl

/// The node cut into equal parts: by cores, by quota, by turns.
@Suite struct EqualSharesTests {
  /// Control groups in memory.
  private final class Groups: Sendable {
    let files = Mutex<[String: String]>([:])
    let refusals: Set<String>

    init(_ files: [String: String], refusing: Set<String> = []) {
      refusals = refusing
      self.files.withLock { $0 = files }
    }

    var access: ControlGroupFiles {
      ControlGroupFiles(
        read: { path in self.files.withLock { $0[path] } },
        write: { path, text in
          guard !self.refusals.contains((path as NSString).lastPathComponent) else { return false }
          self.files.withLock { $0[path] = text.hasPrefix("+") ? String(text.dropFirst()) : text }
          return true
        },
        makeDirectory: { path in
          self.files.withLock { $0[path + "/cgroup.procs"] = "" }
          return true
        },
        removeDirectory: { path in
          self.files.withLock { files in
            for name in files.keys where name.hasPrefix(path + "/") { files[name] = nil }
          }
          return true
        }, isWritable: { _ in true }, names: { _ in [] },
        awaits: { [self] path, _, isWanted in files.withLock { isWanted($0[path] ?? "") } })
    }
  }

  private static let version1 = (
    membership: "1:cpu:/\n", mounts: "30 25 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
  )
  private static let version2 = (
    membership: "0::/me\n", mounts: "30 25 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
  )

  private func make(
    _ count: Int, _ cores: CoreSet, _ place: (membership: String, mounts: String), _ groups: Groups
  ) -> EqualShares {
    EqualShares.make(
      count: count, of: cores, owner: 7, membership: place.membership, mounts: place.mounts, files: groups.access)
  }

  @Test("gives whole cores where there are enough, every core to one")
  func cores() {
    let shares = make(3, CoreSet(0..<8), Self.version1, Groups([:])).shares
    let sets = shares.compactMap { share in if case .cores(let cores) = share { cores } else { nil } }
    #expect(sets.count == 3 && sets.map(\.count).sorted() == [2, 3, 3])
    #expect(sets.reduce(into: CoreSet()) { $0.formUnion($1) } == CoreSet(0..<8))
  }

  @Test("gives quotas of equal size by version 1 where there are more kernels than cores, and removes the groups")
  func quota() {
    let groups = Groups([:])
    let shares = make(8, CoreSet(0..<2), Self.version1, groups)
    #expect(
      shares.shares.first == .quota(join: "/sys/fs/cgroup/cpu/celltop-share-7-0/cgroup.procs", cores: 0.25))
    #expect(Set(shares.shares.map { "\($0)" }).count == 8)
    #expect(groups.files.withLock { $0["/sys/fs/cgroup/cpu/celltop-share-7-3/cpu.cfs_quota_us"] } == "25000")
    #expect(groups.files.withLock { $0["/sys/fs/cgroup/cpu/celltop-share-7-3/cpu.cfs_period_us"] } == "100000")
    #expect(shares.account.contains("25 %"))
    #expect(shares.remove() && groups.files.withLock { $0.isEmpty })
  }

  @Test("gives quotas by version 2 where the controller is handed down")
  func quota2() {
    let groups = Groups([:])
    let shares = make(4, CoreSet(0..<2), Self.version2, groups)
    #expect(shares.account.contains("version 2"))
    #expect(groups.files.withLock { $0["/sys/fs/cgroup/me/celltop-share-7-1/cpu.max"] } == "50000 100000")
  }

  @Test("says plainly where no quota can be had, leaves no group behind, and lets kernels take turns")
  func turns() {
    let groups = Groups([:], refusing: ["cpu.cfs_quota_us"])
    let shares = make(3, CoreSet(0..<2), Self.version1, groups)
    #expect(shares.shares == [.turns(CoreSet(0..<1)), .turns(CoreSet(1..<2)), .turns(CoreSet(0..<1))])
    #expect(shares.account.contains("no CPU quota") && groups.files.withLock { $0.isEmpty })
    let closed = Groups([:], refusing: ["cgroup.subtree_control"])
    #expect(make(3, CoreSet(0..<2), Self.version2, closed).shares.first == .turns(CoreSet(0..<1)))
  }
}
