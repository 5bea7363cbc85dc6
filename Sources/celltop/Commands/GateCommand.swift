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
      var argv = ([program] + arguments).map { strdup($0) }
      argv.append(nil)
      execv(program, argv)
      throw ToolError("cannot start \(program): \(String(cString: strerror(errno)))")
    }
  }
}
