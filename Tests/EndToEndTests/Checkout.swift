import Foundation
import Subprocess
import Testing

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// The built programs and the Python environment that the end-to-end tests use.
enum Checkout {
  static let root: String = {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    return path
  }()

  /// The folder of the programs built together with this test.
  static let programs: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let arguments = CommandLine.arguments.first { $0.contains(".build/") && $0.hasSuffix(".xctest") } ?? own
    // Whole, since the programs are started in other folders, too.
    return URL(fileURLWithPath: arguments).standardizedFileURL.deletingLastPathComponent().path
  }()

  static var celltop: String { programs + "/celltop" }
  static var gate: String { programs + "/celltop-gate" }
  static var python: String {
    ProcessInfo.processInfo.environment["CELLTOP_PYTHON"] ?? root + "/.build/python/bin/python"
  }

  /// Why the tests with real kernels cannot run here; nil where they can.
  static var missing: String? {
    FileManager.default.isExecutableFile(atPath: python)
      ? nil : "skipped: there is no Python for kernels at \(python); 'make setup' makes it"
  }

  /// Runs a program to its end; timeout(1) ends it after `seconds`, with status 124.
  static func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], seconds: Int = 60
  ) async throws -> (status: Int32, output: String, errors: String) {
    let changes = Dictionary(
      uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), Optional($0.value)) })
    let result = try await Subprocess.run(
      .name("timeout"), arguments: Arguments(["--kill-after=10", "\(seconds)", program] + arguments),
      environment: .inherit.updating(changes), output: .string(limit: 4 << 20), error: .string(limit: 4 << 20))
    let status: Int32 =
      switch result.terminationStatus {
      case .exited(let code): code
      case .signaled(let number): 128 + number
      }
    return (status, result.standardOutput, result.standardError)
  }
}
