import CLinux
import Foundation
import Glibc

/// What a process of this machine uses, as /proc tells it (proc(5)).
struct ProcessGauge {
  struct Reading {
    /// Processor time since the process began.
    var processorSeconds = 0.0
    var residentBytes = 0
    var descriptors = 0
    var threads = 0
  }

  let pid: pid_t

  /// Nil where there is no such process, or it is not ours to look at.
  func read() -> Reading? {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")"),
      let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
    else { return nil }
    // From the third field on, which is the state.
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let threads = Int(fields[17]), let pages = Int(fields[21])
    else { return nil }
    return Reading(
      processorSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))),
      residentBytes: pages * Int(getpagesize()), descriptors: open.count, threads: threads)
  }
}
