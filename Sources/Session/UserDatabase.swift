import CLinux
import Domain
import Foundation

/// The system's users and groups (getpwuid_r(3), getgrouplist(3)).
///
/// Reading it takes descriptors. Where they have run out the C library does not always say so, but that there is no such user or
/// that it is in no group: so it is made sure that there were some, before and after.
enum UserDatabase {
  /// How many descriptors a reading may take at a time: the switch's, the file's, and a name service's socket.
  private static let descriptorsMost = 4
  /// What means that there is no such user; everything else, that it could not be found out.
  private static let absences: Set<Int32> = [0, ENOENT, ESRCH, EBADF, EPERM]

  /// The login name of a user number, or the number itself where it has none; nil where that cannot be told at present.
  static func login(_ uid: UInt32) -> String? {
    guard hasRoom() else { return nil }
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    let failure = getpwuid_r(uid, &entry, &buffer, buffer.count, &found)
    if failure == 0, found != nil, let name = entry.pw_name { return String(cString: name) }
    return absences.contains(failure) && hasRoom() ? "\(uid)" : nil
  }

  /// The names of the groups that a user is in; nil where that cannot be told at present.
  static func groups(of uid: UInt32) -> Set<String>? {
    guard hasRoom() else { return nil }
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    let failure = getpwuid_r(uid, &entry, &buffer, buffer.count, &found)
    guard failure == 0, found != nil, let name = entry.pw_name else {
      return absences.contains(failure) && hasRoom() ? [] : nil
    }
    var count: Int32 = 256
    var numbers = [gid_t](repeating: 0, count: Int(count))
    if getgrouplist(name, entry.pw_gid, &numbers, &count) < 0 {
      // The count is now that of the groups (getgrouplist(3)).
      numbers = [gid_t](repeating: 0, count: Int(count))
      guard getgrouplist(name, entry.pw_gid, &numbers, &count) >= 0 else { return nil }
    }
    let names = Set(numbers.prefix(Int(max(count, 0))).compactMap(groupName))
    return hasRoom() ? names : nil
  }

  private static func groupName(_ gid: gid_t) -> String? {
    var entry = group()
    var found: UnsafeMutablePointer<group>?
    var buffer = [CChar](repeating: 0, count: 65_536)
    guard getgrgid_r(gid, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.gr_name else {
      return nil
    }
    return String(cString: name)
  }

  /// Why a name could not be told, for whoever is turned away.
  static var trouble: String {
    hasRoom()
      ? "the server cannot look your name up at present" : "the server has no descriptor left for one more connection"
  }

  /// Whether there are descriptors for a reading, and so many others.
  static func hasRoom(besides others: Int = 0) -> Bool {
    let some = (0..<descriptorsMost + others).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
    for one in some where one >= 0 { close(one) }
    return !some.contains { $0 < 0 }
  }
}

/// The groups that a user is in, by name; remembered for a minute, and for longer while they cannot be told.
struct GroupBook {
  static let keptFor = Span(seconds: 60)

  private let read: (UInt32) -> Set<String>?
  private var known: [UInt32: (groups: Set<String>, until: Instant)] = [:]

  /// - Parameter read: what the system says; nil where it cannot tell at present.
  init(read: @escaping (UInt32) -> Set<String>? = UserDatabase.groups) { self.read = read }

  /// The groups; nil where they are not known, and cannot be told at present.
  mutating func groups(of uid: UInt32, at now: Instant) -> Set<String>? {
    if let entry = known[uid], entry.until > now { return entry.groups }
    guard let groups = read(uid) else { return known[uid]?.groups }
    if known.count > 1024 { known = [:] }
    known[uid] = (groups, now + Self.keptFor)
    return groups
  }
}
