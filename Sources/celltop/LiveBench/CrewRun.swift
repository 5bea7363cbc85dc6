import CLinux
import Foundation
import LiveBench

/// One run of the crew of players: orders in, a chronicle out, and what else the machine did meanwhile.
struct CrewRun {
  /// One notebook of a run.
  struct Part: Encodable {
    var path: String
    var name: String
    var kernel: String
    var thinks: [Double] = []
    var environment: [String: String] = [:]
    /// Seconds after the run's beginning.
    var arrival = 0.0
    /// Groups are played one after the other.
    var group = 0
    var cells_most: Int?
  }

  private struct Orders: Encodable {
    var events: String
    var parent: Int32
    var counts_processor_time: Bool
    var parts: [Part]
  }

  let folder: BenchFolder
  let python: String
  let crew: String
  /// A folder for sockets and runtime files.
  let runtime: String

  /// Names of variables that would make a kernel other than it comes.
  private static let poolVariables = [
    "OMP_", "OPENBLAS_", "MKL_", "GOTO_", "BLIS_", "NUMEXPR_", "VECLIB_", "KMP_", "LOKY_",
  ]

  /// Plays, and waits until every process that came of it has gone.
  ///
  /// - Parameters:
  ///   - name: of the file of events.
  ///   - socket: the engine's, for gated kernels.
  /// - Throws: `ToolError` where the crew cannot be started, or is not done after `secondsMost`.
  func play(
    _ name: String, _ parts: [Part], countsProcessorTime: Bool = false, socket: String? = nil, secondsMost: Double
  ) throws -> (chronicle: Chronicle, load: OtherLoad) {
    let events = "\(folder.path)/events/\(name).jsonl"
    unlink(events)
    let orders = Orders(
      events: events, parent: getpid(), counts_processor_time: countsProcessorTime, parts: parts)
    try folder.write(orders, "events/\(name)-orders.json")
    let log = "\(folder.path)/events/\(name).log"
    unlink(log)
    let before = ProcessorTime.now()
    let pid = try ChildProcess.spawn(
      [python, crew, "\(folder.path)/events/\(name)-orders.json"], environment: environment(socket), log: log)
    let deadline = monotonicSeconds() + secondsMost
    var status: Int32 = 0
    while waitpid(pid, &status, WNOHANG) == 0 {
      if monotonicSeconds() > deadline {
        kill(pid, SIGTERM)
        Self.reap(within: 15)
        throw ToolError("the run \(name) was not done after \(Int(secondsMost)) s; its log is \(log)")
      }
      poll(nil, 0, 20)
    }
    Self.reap(within: 5)
    let load = ProcessorTime.others(from: before, to: .now())
    let text = (try? String(contentsOfFile: events, encoding: .utf8)) ?? ""
    return (Chronicle(text), load)
  }

  /// The environment of crew and kernels: the user's, without what would set thread pools, in folders of the bench's own.
  private func environment(_ socket: String?) -> [String: String] {
    var environment = ProcessInfo.processInfo.environment.filter { variable in
      !Self.poolVariables.contains { variable.key.hasPrefix($0) }
    }
    environment["JUPYTER_PATH"] = folder.path + "/kernels"
    environment["JUPYTER_RUNTIME_DIR"] = runtime + "/jupyter"
    environment["IPYTHONDIR"] = runtime + "/ipython"
    environment["PYTHONUNBUFFERED"] = "1"
    environment["CELLTOP_SOCKET"] = socket ?? runtime + "/nobody.sock"
    return environment
  }

  /// Waits for orphans, of which this process is the reaper; those that do not end in time are killed.
  static func reap(within seconds: Double) {
    let deadline = monotonicSeconds() + seconds
    while true {
      let done = waitpid(-1, nil, WNOHANG)
      if done > 0 { continue }
      if done < 0 { return }
      if monotonicSeconds() > deadline {
        for child in children() { kill(child, SIGKILL) }
        while waitpid(-1, nil, 0) > 0 {}
        return
      }
      poll(nil, 0, 20)
    }
  }

  /// This process's own children (proc(5), `children`).
  private static func children() -> [Int32] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.flatMap { task in
      ((try? String(contentsOfFile: "/proc/self/task/\(task)/children", encoding: .utf8)) ?? "")
        .split(separator: " ").compactMap { Int32($0) }
    }
  }
}
