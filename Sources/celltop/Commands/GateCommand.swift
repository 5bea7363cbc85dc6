import ArgumentParser
import Foundation

/// `celltop gate`: hands over to the gate's own, smaller program.
struct GateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gate", abstract: "Stand before a kernel (used by kernelspecs).",
    discussion: "celltop gate -f CONNECTION_FILE -- KERNEL ARGUMENTS…")

  @Argument(parsing: .captureForPassthrough, help: "Passed to celltop-gate as it is.")
  var arguments: [String] = []

  func run() throws {
    try Tool.reporting {
      let program = try Installation().gate()
      // Byte for byte: what was parsed is text, which a path need not be.
      let given = (0..<arguments.count).map { CommandLine.unsafeArgv[Int(CommandLine.argc) - arguments.count + $0] }
      execv(program, [strdup(program)] + given + [nil])
      throw ToolError("cannot start \(program): \(String(cString: strerror(errno)))")
    }
  }
}
