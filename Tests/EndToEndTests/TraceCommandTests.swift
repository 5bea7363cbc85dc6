import Foundation
import Testing

@Suite("celltop trace on the command line")
struct TraceCommandTests {
  private static let log = """
    server listening on tcp://node01:5555
    2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] >>> connect
    2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] repMsg: {"msg":"hi","user":"ann"}
    2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] <<< connect took 0.0001 sec
    something else
    2026-01-12 08:00:09 [ServerDaemon] run Line 1 INFO [Chapel ] >>> argsort ["id_1"]
    2026-01-12 08:00:11 [ServerDaemon] run Line 1 INFO [Chapel ] repMsg: {"msg":"created id_2","user":"ann"}
    2026-01-12 08:00:11 [ServerDaemon] run Line 1 INFO [Chapel ] <<< argsort took 2.0 sec

    """

  @Test("imports, shows, exports and generates; tells what is wrong, and where")
  func wholeWay() async throws {
    let folder = NSTemporaryDirectory() + "celltop-trace-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Self.log.write(toFile: folder + "/a.log", atomically: true, encoding: .utf8)
    func celltop(_ arguments: String...) async throws -> (status: Int32, output: String, errors: String) {
      try await Checkout.run(Checkout.celltop, ["trace"] + arguments)
    }

    let imported = try await celltop("import", "arkouda", folder + "/a.log", "-o", folder + "/a.jsonl")
    #expect(imported.status == 0, "\(imported.errors)")
    #expect(imported.output.contains("a: 1 notebook of 1 user, 2 cells"))
    #expect(imported.output.contains("left   1 × lines of other output, first at \(folder)/a.log:5"))

    let shown = try await celltop("show", folder + "/a.jsonl", "--size", "60x20")
    #expect(shown.status == 0 && shown.output.contains("TIMELINE") && shown.output.contains("ann-1"))
    #expect(!shown.output.contains("\u{1B}"), "no escapes where no terminal reads")

    let json = try await celltop("import", "arkouda", folder + "/a.log", "--json", "-o", folder + "/b.jsonl")
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    #expect(object?["cells"] as? Int == 2)

    let exported = try await celltop("export", "swf", folder + "/a.jsonl", "-o", folder + "/a.swf")
    #expect(exported.status == 0 && exported.output.hasPrefix("2 jobs"))

    let generated = try await celltop(
      "generate", "--kind", "ml", "--notebooks", "40", "--think", "lognormal:2.7,1.2", "-o", folder + "/g.jsonl")
    #expect(generated.status == 0, "\(generated.errors)")
    for again in [
      ["generate", "-o", folder + "/g.jsonl"], ["export", "swf", folder + "/a.jsonl", "-o", folder + "/a.swf"],
      ["import", "arkouda", folder + "/a.log", "-o", folder + "/a.jsonl"],
    ] {
      let before = try Data(contentsOf: URL(fileURLWithPath: again[again.count - 1]))
      let refused = try await Checkout.run(Checkout.celltop, ["trace"] + again)
      #expect(refused.status == 2 && refused.errors.contains("is there already"), "\(again): \(refused.errors)")
      #expect(refused.errors.contains("--force"))
      #expect(try Data(contentsOf: URL(fileURLWithPath: again[again.count - 1])) == before)
    }
    let replaced = try await celltop("import", "arkouda", folder + "/a.log", "--force", "-o", folder + "/a.jsonl")
    #expect(replaced.status == 0, "\(replaced.errors)")
    let fitted = try await celltop("fit", folder + "/g.jsonl", "--json")
    let fit = try JSONSerialization.jsonObject(with: Data(fitted.output.utf8)) as? [String: Any]
    #expect((fit?["models"] as? [[String: Any]])?.count == 6)

    for (arguments, expected) in [
      (["import", "arkouda", folder + "/a.jsonl", "-o", folder + "/x"], "a.jsonl:1: '"),
      (["import", "swf", folder + "/a.log", "-o", folder + "/x"], "a.log:1: 'server listening"),
      (["import", "ipynb", folder + "/a.log", "-o", folder + "/x"], "a.log:1: 'server listening"),
      (["import", "adobe", folder + "/a.log", "-o", folder + "/x"], "a.log:1: is not the AdobeTrace's header"),
      (["import", "history", "--history", folder + "/none", "-o", folder + "/x"], "there is no history"),
      (["show", folder + "/a.log"], "a.log:1: has 'server liste'"),
      (["fit", folder + "/a.jsonl"], "has 1 think times in the range"),
      (["generate", "--kind", "ml", "--think", "cauchy:1", "-o", folder + "/x"], "there is no model 'cauchy:1'"),
      (
        ["generate", "--kind", "cpu", "--like", folder + "/a.jsonl", "-o", folder + "/x"], "--think and --like are for"
      ),
      (
        ["import", "nosuch", folder + "/a.log", "-o", folder + "/x"],
        "knows no format 'nosuch'. It knows adobe, arkouda"
      ),
      (["export", "nosuch", folder + "/a.jsonl", "-o", folder + "/x"], "knows no format 'nosuch'. It knows swf."),
      (["import", "arkouda", folder + "/none.log", "-o", folder + "/x"], "none.log: No such file"),
      (["import", "history", "--history", folder + "/\u{1B}[2Jnone", "-o", folder + "/x"], "[2Jnone"),
    ] {
      let refused = try await Checkout.run(Checkout.celltop, ["trace"] + arguments)
      #expect(refused.status == 2, "\(arguments)")
      #expect(refused.errors.contains(expected), "\(arguments): \(refused.errors)")
      #expect(!refused.errors.contains("\u{1B}"), "no escapes of a name reach the terminal")
    }
    #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
  }
}
