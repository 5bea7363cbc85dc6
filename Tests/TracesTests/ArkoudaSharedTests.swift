import Domain
import Foundation
import Testing

@testable import Traces

/// Where the project's real input lies; it is not in the repository.
enum SharedInput {
  static let folder: String = {
    var path = #filePath
    for _ in 0..<4 { path = (path as NSString).deletingLastPathComponent }
    return path + "/shared/data"
  }()
  static var isThere: Bool { FileManager.default.fileExists(atPath: folder + "/arkouda-truth.csv") }
  static let absent: Comment = "skipped: the sample input ../shared/data is not there"
}

@Suite("Arkouda logs against the truth", .enabled(if: SharedInput.isThere, SharedInput.absent))
struct ArkoudaSharedTests {
  @Test("recovers requests, cells and think times", arguments: ["2021-06", "2023-03", "2026", "2019-12"])
  func truth(era: String) throws {
    let truth = try ArkoudaTruth(
      String(contentsOfFile: SharedInput.folder + "/arkouda-truth.csv", encoding: .utf8))
    let imported = try ArkoudaLog.read([SharedInput.folder + "/arkouda-\(era).log"])
    let trace = imported.trace
    for threshold in [0.1, 0.25, 0.5, 0.75, 1, 2] {
      let t = try ArkoudaLog.read([SharedInput.folder + "/arkouda-\(era).log"], thresholdSeconds: threshold).trace
      let score = truth.score(t, zero: truth.cells[0].start, resolution: era == "2019-12" ? 0.01 : 1, namesUsers: era != "2019-12")
      print(era, threshold, t.cellCount, t.notebooks.count, score)
    }
    print(trace.note, imported.notes, imported.leftOut)
    print(trace.notebooks.map { "\($0.name) \($0.cells.count)" })
  }
}
