import ArgumentParser
import Domain
import Foundation

/// `celltop doctor`: what works on this node, what does not, and the line that mends it.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what works on this node, what does not, and how to mend it.",
    discussion: """
      'less' is what celltop can do without, 'BROKEN' what it cannot. The exit status is 1 where anything is broken. \
      Nothing is made or changed.
      """)

  @Flag(help: "Print JSON: an object with 'works', 'checks' and 'node'.")
  var json = false

  func run() throws {
    try Tool.reporting {
      let examination = Examination(environment: ProcessInfo.processInfo.environment)
      let checks = examination.checks()
      let works = !checks.contains { $0.state == .broken }
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let report = Report(works: works, checks: checks, node: examination.nodeFacts())
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
      } else {
        for line in checks.flatMap(\.lines) { print(line) }
      }
      if !works { throw ExitCode(1) }
    }
  }

  private struct Report: Encodable {
    var works: Bool
    var checks: [DoctorCheck]
    var node: DoctorNode?
  }
}

/// The node as `celltop live` would schedule it.
struct DoctorNode: Encodable {
  struct Device: Encodable {
    var id: String
    var model: String
    var maker: GPUMaker
    var memoryBytes: Int64
    /// In use by whomever; nil where nobody tells.
    var memoryUsedBytes: Int64?
    /// The processes that compute on it.
    var processes: [Int32]
  }

  var name: String
  /// In the list format of cpusets: 0-3,8.
  var cores: String
  var packages: Int
  var numaNodes: Int
  var caches: Int
  var physicalCores: Int
  var memoryBytes: Int64
  var gpus: [Device]
}
