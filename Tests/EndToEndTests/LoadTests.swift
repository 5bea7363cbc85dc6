import Foundation
import Testing

/// Short runs of the load and recovery benches: what must hold on any machine and in any build. The figures that are promised are
/// measured with `celltop bench load` and `celltop bench recovery` in release.
@Suite(.serialized) struct LoadTests {
  private struct Load: Decodable {
    var cellsSubmitted: Double
    var cellsWaitingBefore: Double
    var cellsGranted: Double
    var cellsGrantedTwice: Double
    var cellsEnded: Double
    var cellsInHandBefore: Double
    var ranWithoutEngine: Double
    var cellsLost: Double
    var coresGivenTwice: Double
    var ordersRefused: Double
    var gatesThatLostTheEngine: Double
    var descriptorsStart: Double
    var descriptorsEnd: Double
    struct Sample: Decodable {
      var residentBytes: Int
      var descriptors: Int
    }
    var samples: [Sample]
    var consolesStuck: Double
    var consolesLost: Double
  }

  @Test("an engine under many gates grants every cell once, and keeps its descriptors")
  func load() async throws {
    let result = try await Checkout.run(
      Checkout.celltop,
      [
        "bench", "load", "--gates", "80", "--rate", "20", "--seconds", "10", "--warm", "3", "--consoles", "19",
        "--json",
      ], seconds: 480)
    let line = try #require(result.output.split(separator: "\n").last, "\(result.errors.suffix(2000))")
    let load = try JSONDecoder().decode(Load.self, from: Data(line.utf8))
    #expect(load.cellsSubmitted > 50, "\(line)")
    // Every cell began once, by a grant unless its gate had no engine, and ended once.
    #expect(load.cellsLost == 0 && load.cellsGrantedTwice == 0, "\(line)")
    #expect(load.cellsGranted + load.ranWithoutEngine == load.cellsSubmitted + load.cellsWaitingBefore, "\(line)")
    #expect(load.cellsEnded == load.cellsSubmitted + load.cellsInHandBefore, "\(line)")
    #expect(load.consolesStuck == 1 && load.consolesLost == 0, "\(line)")
    #expect(load.samples.count >= 10 && load.samples.allSatisfy { $0.residentBytes > 1 << 20 && $0.descriptors > 100 })
    #expect(load.coresGivenTwice == 0 && load.ordersRefused == 0, "\(line)")
    // An engine that a busy machine lets run for less than a moment in five seconds is given up by its gates, as it should be;
    // then cells waited, and descriptors came and went.
    if load.gatesThatLostTheEngine == 0 {
      #expect(load.descriptorsEnd <= load.descriptorsStart + 3, "\(line)")
      #expect(load.ranWithoutEngine == 0, "\(line)")
    }
    print("load: \(line)")
  }

  @Test(
    "an engine that is killed under load loses no cell, gives no core twice, and its successor says what it resumes")
  func recovery() async throws {
    let result = try await Checkout.run(
      Checkout.celltop,
      // Cells long enough that some outlive the two seconds that a server takes to start on a busy machine.
      ["bench", "recovery", "--gates", "30", "--kills", "2", "--allowed", "5", "--run", "5", "--json"], seconds: 480
    )
    #expect(result.status == 0, "\(result.output.suffix(2000))\n\(result.errors.suffix(2000))")
    let line = try #require(result.output.split(separator: "\n").last)
    let facts = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    // A run in which nothing ran or waited at a kill would show nothing.
    #expect((facts["ranAtAKill"] as? Double ?? 0) > 0 && (facts["adopted"] as? Double ?? 0) > 0, "\(line)")
    #expect((facts["waitedAtAKill"] as? Double ?? 0) > 0, "\(line)")
    #expect(facts["cellsGrantedTwice"] as? Double == 0, "\(line)")
    #expect(facts["cells"] as? Double == facts["cellsEnded"] as? Double, "\(line)")
    print("recovery: \(line)")
  }

  @Test(
    "refuses a load that cannot be", arguments: [["--gates", "0"], ["--gates", "10", "--rate", "100", "--run", "1"]])
  func use(arguments: [String]) async throws {
    let result = try await Checkout.run(Checkout.celltop, ["bench", "load"] + arguments)
    #expect(result.status == 2 && result.errors.contains("--"))
  }
}
