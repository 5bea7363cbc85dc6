import Foundation
import Testing

/// The tests that need a real Jupyter client, in Python, run as one test a file.
@Suite(.serialized, .enabled(if: Checkout.missing == nil, "\(Checkout.missing ?? "")"))
struct PythonSuites {
  @Test(
    "the gate before real kernels, the node, and the player",
    arguments: [
      "test_gate.py", "test_author.py", "test_subshells.py", "test_endings.py", "test_transport.py", "test_node.py",
      "test_player.py", "test_server.py", "test_control.py", "test_operations.py", "test_languages.py",
      "test_culling.py", "test_benches.py", "test_kernelspecs.py",
    ])
  func suite(file: String) async throws {
    let result = try await Checkout.run(
      Checkout.python,
      ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", Checkout.root + "/Tests/EndToEndTests/Python/" + file],
      environment: ["CELLTOP_GATE": Checkout.gate, "CELLTOP_TOOL": Checkout.celltop], seconds: 600)
    #expect(result.status == 0, "\(result.output.suffix(4000))\n\(result.errors.suffix(1000))")
    print("\(file): \(result.output.split(separator: "\n").last ?? "")")
  }

  @Test("jupyter_kernel_test gives the same results direct and behind the gate")
  func conformance() async throws {
    let result = try await Checkout.run(
      Checkout.python, [Checkout.root + "/Tests/EndToEndTests/Python/kernel_conformance.py", Checkout.gate],
      seconds: 600)
    #expect(result.status == 0, "\(result.output.suffix(4000))\n\(result.errors.suffix(1000))")
    print(result.output)
  }

  /// Whether `.ci/setup --tests` has made what Tests/Conformance runs on.
  static let hasConformance = FileManager.default.fileExists(atPath: Checkout.root + "/.build/conformance/seven/stamp")

  @Test(
    "suites, kernels and clients of others find the gate like the kernel itself: a small part of `make conformance`",
    .enabled(if: hasConformance, "skipped: there is no .build/conformance; '.ci/setup --tests' makes it"))
  func small() async throws {
    let result = try await Checkout.run(
      Checkout.python,
      [Checkout.root + "/Tests/Conformance", "--small", "--again", "--minutes", "12", "--tool", Checkout.celltop],
      seconds: 900)
    #expect(result.status == 0, "\(result.output.suffix(4000))\n\(result.errors.suffix(2000))")
    print(result.output)
  }
}
