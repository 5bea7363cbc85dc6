import Foundation

/// How many files and sockets this process may have open.
public enum DescriptorLimit {
  /// Raises the limit to the most that the system allows, because each gate and each console takes one, and a login
  /// usually begins with 1,024. Programs started later inherit it.
  ///
  /// - Returns: the limit that holds now (getrlimit(2)).
  @discardableResult public static func raise() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    return Int(clamping: limit.rlim_cur)
  }
}
