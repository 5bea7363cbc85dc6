import ArgumentParser
import Domain
import Foundation
import NodeControl

/// `celltop bench node`: what it costs to watch kernels.
struct NodeBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node", abstract: "Measure what it costs to sample and to bind kernels.",
    discussion: """
      Starts process trees of its own, a shell with two children each, and samples them once a second as a session does. \
      Prints a JSON object: microseconds of processor time, and the share of one core.
      """)

  @Option(help: "Process trees, one a kernel.") var trees = 50
  @Option(help: "Further processes in the first tree, as of a kernel that forks without end.") var forks = 0
  @Option(help: "Seconds to sample for.") var seconds = 20

  func validate() throws {
    guard (1...1000).contains(trees), (1...3600).contains(seconds), (0...20_000).contains(forks) else {
      throw ValidationError("--trees is from 1 to 1000, --seconds from 1 to 3600, --forks up to 20000")
    }
  }

  func run() throws {
    try Tool.reporting {
      let pids = try (0..<trees).map { tree in
        let children = tree == 0 ? 2 + forks : 2
        let text = "i=0; while [ $i -lt \(children) ]; do sleep 3600 & i=$((i + 1)); done; wait"
        return try ChildProcess.spawn(
          ["/bin/sh", "-c", text], environment: ["PATH": "/usr/bin:/bin"], log: "/dev/null")
      }
      defer {
        for pid in pids {
          kill(-pid, SIGKILL)
          waitpid(pid, nil, 0)
        }
      }
      let node = LinuxNode()
      let all = pids.map { ProcessTree(root: $0) }
      let expected = 3 * trees + forks
      while node.usage(of: all).reduce(0, { $0 + ($1?.processes ?? 0) }) < expected { sleep(1) }
      var processes = 0
      var samples = 0
      let end = Date().addingTimeInterval(Double(seconds))
      let sampling = spent {
        while Date() < end {
          processes = node.usage(of: all).reduce(0) { $0 + ($1?.processes ?? 0) }
          samples += 1
          // A session samples once a second, and less often where that costs too much.
          Thread.sleep(until: min(end, Date().addingTimeInterval(max(1, node.samplingRest.seconds))))
        }
      }
      let cores = node.capacity().cores
      let keeping = spent { for tree in all { _ = node.keepCores(cores, of: tree) } }
      let share = Double(sampling) / Double(seconds) / 1e6
      print(
        #"{"bench":"node","trees":\#(trees),"processes":\#(processes),"nodeProcesses":\#(Self.processesOfNode()),"#
          + #""samples":\#(samples),"sampleMicroseconds":\#(sampling / Int64(max(samples, 1))),"shareOfACore":\#(String(format: "%.5f", share)),"#
          + #""keepCoresMicrosecondsATree":\#(keeping / Int64(trees))}"#)
    }
  }

  private static func processesOfNode() -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.count { Int($0) != nil }
  }

  /// The processor time that a body takes of this process, in microseconds.
  private func spent(_ body: () -> Void) -> Int64 {
    let before = processorSeconds()
    body()
    return Int64((processorSeconds() - before) * 1e6)
  }
}
