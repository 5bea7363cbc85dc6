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
  let truth: ArkoudaTruth

  init() throws {
    truth = try ArkoudaTruth(String(contentsOfFile: SharedInput.folder + "/arkouda-truth.csv", encoding: .utf8))
  }

  private func log(_ era: String) -> String { SharedInput.folder + "/arkouda-\(era).log" }

  @Test("recovers requests, sessions, cells and think times", arguments: ["2021-06", "2023-03", "2026"])
  func stamped(era: String) throws {
    let imported = try ArkoudaLog.read([log(era)])
    #expect(imported.notes[0] == "482 requests, 8 ended in an error, 1 never answered; 5 starts of the server")
    #expect(imported.trace.notebooks.count == 11)
    #expect(Set(imported.trace.notebooks.map(\.user)) == ["alice", "bob", "carol"])
    #expect(imported.leftOut.entries.isEmpty)
    let score = truth.score(imported.trace, resolution: 1)
    print("Arkouda \(era): \(score)")
    #expect(Double(score.recovered) >= 0.95 * Double(score.cells), "\(score)")
    #expect(score.thinksWithin == score.thinks && score.thinks > 200, "\(score)")
    let outcomes = imported.trace.notebooks.flatMap(\.cells).map(\.outcome)
    #expect(outcomes.count { $0 == .error } == 8 && outcomes.count { $0 == .lost } == 1)
  }

  @Test("recovers what can be without users and dates")
  func sinceStart() throws {
    let imported = try ArkoudaLog.read([log("2019-12")])
    #expect(imported.notes[0] == "482 requests, 8 ended in an error, 1 never answered; 5 starts of the server")
    let score = truth.scoreWithoutUsers(imported.trace, resolution: 0.01)
    print("Arkouda 2019-12: \(score)")
    #expect(Double(score.recovered) >= 0.95 * Double(score.cells), "\(score)")
  }

  @Test("shows what the threshold does", arguments: [0.1, 0.25, 0.5, 0.75, 1, 2])
  func threshold(seconds: Double) throws {
    for era in ["2026", "2019-12"] {
      let trace = try ArkoudaLog.read([log(era)], thresholdSeconds: seconds).trace
      let score =
        era == "2026" ? truth.score(trace, resolution: 1) : truth.scoreWithoutUsers(trace, resolution: 0.01)
      print("Arkouda \(era), threshold \(seconds) s: \(trace.cellCount) cells, \(score)")
      #expect(trace.cellCount > 0)
    }
  }

  @Test("reads a rotated, compressed log as one")
  func rotated() throws {
    let whole = try ArkoudaLog.read([log("2026")])
    let text = try String(contentsOfFile: log("2026"), encoding: .utf8)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let folder = try Scratch()
    let paths = try (0..<5).map { part -> String in
      let lines = lines[(part * lines.count / 5)..<((part + 1) * lines.count / 5)]
      let bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
      return try folder.write(part % 2 == 0 ? Gzip.packed(bytes) : bytes, "server.log.\(9 - part)")
    }
    let parts = try ArkoudaLog.read(paths.reversed())
    #expect(parts.trace.notebooks == whole.trace.notebooks)
  }
}
