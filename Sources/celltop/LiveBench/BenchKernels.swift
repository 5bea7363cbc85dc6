import Foundation
import NodeControl

/// The kernelspecs of a live bench: the environment's Python kernel as it is, behind a gate, and bound to a share of the
/// node before it starts, as a container would have it.
struct BenchKernels {
  /// The name of the kernel without celltop.
  static let direct = "bench-direct"
  /// The name of the kernel behind a gate.
  static let gated = "python3-celltop"

  private let folder: String
  private let python: String

  /// - Parameter folder: a data directory of Jupyter for this bench alone (`JUPYTER_PATH`).
  /// - Throws: `ToolError` where the environment has no kernel.
  init(folder: String, python: String, gate: String) throws {
    self.folder = folder
    self.python = python
    try Installation().wrapKernel(python: python, gate: gate, into: folder)
    try write(Self.direct, before: [])
  }

  /// Writes the spec of a kernel that is bound to a share, and gives its name.
  ///
  /// - Throws: `ToolError`.
  func bound(to share: EqualShares.Share, number: Int) throws -> String {
    let name = "bench-share-\(number)"
    switch share {
    case .cores(let cores), .turns(let cores): try write(name, before: ["taskset", "-c", "\(cores)"])
    case .quota(let join, _): try write(name, before: ["/bin/sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", join])
    }
    return name
  }

  private func write(_ name: String, before: [String]) throws {
    let directory = "\(folder)/kernels/\(name)"
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let argv = before + [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
      let spec: [String: Any] = ["argv": argv, "display_name": name, "language": "python"]
      try JSONSerialization.data(withJSONObject: spec).write(
        to: URL(fileURLWithPath: directory + "/kernel.json"), options: .atomic)
    } catch { throw ToolError("cannot write the kernelspec \(directory): \(error.localizedDescription)") }
  }
}
