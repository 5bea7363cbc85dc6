import Domain
import Foundation
import Glibc
import LiveBench
import NodeControl

/// What the live bench runs on: hardware, versions, and what else the machine does meanwhile.
enum MachineFacts {
  /// Hardware and versions, asked for now.
  static func here(cores: CoreSet, python: String) -> Machine {
    func first(_ path: String, _ name: String) -> String {
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
      return line.map {
        $0.split(separator: ":").dropFirst().joined(separator: ":").trimmingCharacters(in: .whitespaces)
      }
        ?? "unknown"
    }
    var facts: [Machine.Fact] = [
      .init("processor", first("/proc/cpuinfo", "model name")),
      .init("cores used", "\(cores.count) (\(cores))"),
      .init("memory", first("/proc/meminfo", "MemTotal")),
      .init("Linux", trimmed("/proc/sys/kernel/osrelease")),
      .init("shares by", sharesByNotebook ? "session (sched_autogroup_enabled is 1)" : "thread"),
      .init("celltop", Celltop.configuration.version),
    ]
    #if DEBUG
      facts.append(.init("build", "debug: do not compare its figures"))
    #else
      facts.append(.init("build", "release"))
    #endif
    for line in versions(python: python) { facts.append(line) }
    return Machine(cores: cores.count, facts: facts)
  }

  private static func trimmed(_ path: String) -> String {
    ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "unknown").trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Whether Linux shares a core among sessions, and so among kernels, rather than threads (sched(7)).
  static var sharesByNotebook: Bool { trimmed("/proc/sys/kernel/sched_autogroup_enabled") == "1" }

  private static func versions(python: String) -> [Machine.Fact] {
    let names = [
      "ipykernel", "jupyter_client", "numpy", "scipy", "scikit-learn", "pandas", "joblib", "threadpoolctl",
    ]
    let code = """
      import sys, importlib.metadata as m
      print('Python', sys.version.split()[0])
      for n in \(names):
          try: print(n, m.version(n))
          except Exception: print(n, 'missing')
      """
    let output = ChildProcess.output([python, "-c", code], environment: ProcessInfo.processInfo.environment)
    return (output?.text ?? "").split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      return words.count == 2 ? .init(words[0], words[1]) : nil
    }
  }
}

/// The processor time of the whole machine and of this process with all that descends from it (proc(5), getrusage(2)).
///
/// Whoever uses it must have made itself the reaper of its orphans, and have waited for them: time of a process that is
/// not waited for is nobody's.
struct ProcessorTime {
  private var busy: Double
  private var stolen: Double
  private var ours: Double
  private var wall: Double
  /// How long some process has waited for a disk; nil where the system does not tell (CONFIG_PSI).
  private var diskWaits: Double?

  /// The counters now, in seconds.
  static func now() -> ProcessorTime {
    let line = ((try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? "").split(separator: "\n").first ?? ""
    let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
    let hertz = Double(max(sysconf(Int32(_SC_CLK_TCK)), 1))
    func tick(_ place: Int) -> Double { ticks.indices.contains(place) ? ticks[place] / hertz : 0 }
    var own = rusage()
    var children = rusage()
    getrusage(RUSAGE_SELF.rawValue, &own)
    getrusage(RUSAGE_CHILDREN.rawValue, &children)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    // User (niced as well), system, and interrupts; idle, waiting for input and stolen time are not work.
    return ProcessorTime(
      busy: tick(0) + tick(1) + tick(2) + tick(5) + tick(6), stolen: tick(7),
      ours: [own, children].reduce(0) { $0 + seconds($1.ru_utime) + seconds($1.ru_stime) },
      wall: monotonicSeconds(), diskWaits: diskWaits())
  }

  /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345`, in microseconds (psi.rst in Linux's documentation).
  private static func diskWaits() -> Double? {
    let text = (try? String(contentsOfFile: "/proc/pressure/io", encoding: .utf8)) ?? ""
    let some = text.split(separator: "\n").first { $0.hasPrefix("some ") }
    return some?.split(separator: "=").last.flatMap { Double($0) }.map { $0 / 1e6 }
  }

  /// What others took between two moments, as shares of the machine.
  static func others(from before: ProcessorTime, to after: ProcessorTime) -> OtherLoad {
    let span = max(after.wall - before.wall, 1e-9)
    let whole = span * Double(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1))
    let others = (after.busy - before.busy) - (after.ours - before.ours)
    let waits = after.diskWaits.flatMap { last in before.diskWaits.map { max(last - $0, 0) / span } }
    return OtherLoad(
      others: max(others, 0) / whole, stolen: max(after.stolen - before.stolen, 0) / whole, diskWaits: waits)
  }
}
