import Domain
import Foundation
import LiveBench

/// The folder of a live bench: its plan, what is finished, the recordings and the results. Each finished run is a file that
/// comes to be whole or not at all, so that a bench that was interrupted goes on where it was.
struct BenchFolder {
  let path: String

  /// Opens or makes the folder.
  ///
  /// - Parameter plan: what is to be done; where the folder holds another plan, its runs cannot be used.
  /// - Throws: `ToolError`.
  init(_ path: String, plan: BenchPlan) throws {
    self.path =
      (path as NSString).standardizingPath.hasPrefix("/")
      ? (path as NSString).standardizingPath
      : FileManager.default.currentDirectoryPath + "/" + (path as NSString).standardizingPath
    for part in [
      "arms", "side", "events", "history", "notebooks", "reserving", "one-core", "kernels", "timelines", "traces",
    ] {
      do {
        try FileManager.default.createDirectory(atPath: "\(self.path)/\(part)", withIntermediateDirectories: true)
      } catch { throw ToolError("cannot make the folder \(self.path)/\(part): \(error.localizedDescription)") }
    }
    let kept: BenchPlan? = read("plan.json")
    if kept == nil, FileManager.default.fileExists(atPath: self.path + "/plan.json") {
      throw ToolError("\(self.path)/plan.json cannot be read. Name another folder with --output, or remove this one")
    }
    if let kept, kept != plan {
      throw ToolError(
        "\(self.path) holds a bench with other settings, whose runs cannot be mixed with these. Give the same options to go on with it, or name another folder with --output"
      )
    }
    if kept == nil { try write(plan, "plan.json") }
  }

  /// A file's value; nil where it is missing or cannot be read, and the run is done again.
  func read<Value: Decodable>(_ name: String) -> Value? {
    FileManager.default.contents(atPath: "\(path)/\(name)").flatMap { try? JSONDecoder().decode(Value.self, from: $0) }
  }

  /// Writes a value, whole or not at all.
  ///
  /// - Throws: `ToolError`.
  func write(_ value: some Encodable, _ name: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    try write(text: String(decoding: try encoder.encode(value), as: UTF8.self) + "\n", name)
  }

  /// - Throws: `ToolError`.
  func write(text: String, _ name: String) throws {
    let output = try AtomicOutput("\(path)/\(name)", replaces: true)
    try output.write(text)
    try output.finish()
  }

  /// An arm that is finished; one that failed is tried again.
  func arm(_ key: ArmKey) -> ArmRecord? {
    let record: ArmRecord? = read("arms/\(key.slug).json")
    return record.flatMap { $0.key == key && $0.failure == nil ? $0 : nil }
  }

  func keep(_ arm: ArmRecord) throws { try write(arm, "arms/\(arm.key.slug).json") }

  func side(_ name: String) -> SideRun? { read("side/\(name).json") }

  func keep(_ side: SideRun) throws { try write(side, "side/\(side.name).json") }
}
