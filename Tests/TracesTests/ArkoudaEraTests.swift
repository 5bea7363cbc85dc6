import Domain
import Testing

@testable import Traces

@Suite("Arkouda logs of every era")
struct ArkoudaEraTests {
  private func imported(_ texts: String..., threshold: Double = 0.5) throws -> Imported {
    let folder = try Scratch()
    let paths = try texts.enumerated().map { try folder.write($0.element, "server-\($0.offset).log") }
    return try ArkoudaLog.read(paths, thresholdSeconds: threshold)
  }

  @Test(
    "recovers a drawn schedule", arguments: ArkoudaWriter.Era.allCases.filter { $0 != .summer2020 },
    [1, 2, 3, 4] as [UInt64])
  func schedule(era: ArkoudaWriter.Era, seed: UInt64) throws {
    // From before midnight on; without names, one user: nothing tells two apart.
    let writer = ArkoudaWriter(seed: seed, users: era.namesUsers ? ["ann", "ben"] : ["ann"], from: 86_300)
    let found = try imported(writer.log(era))
    let requests = writer.requests.count
    let failed = writer.requests.count { $0.fails }
    #expect(
      found.notes[0] == "\(requests) requests, \(failed) ended in an error, 0 never answered; 1 starts of the server")
    #expect(found.leftOut.entries.isEmpty, "\(found.leftOut)")
    var recovered = 0
    for user in Set(writer.cells.map(\.user)) {
      let truth = writer.cells.filter { $0.user == user }
      let notebooks = found.trace.notebooks.filter { !era.namesUsers || $0.user == user }
      #expect(notebooks.count == 1, "seed \(seed)")
      let cells = notebooks.flatMap(\.cells)
      // Thoughts are at least 2 s, so that a stamp of 1 s cannot hide one.
      #expect(cells.count == truth.count, "\(era), seed \(seed)")
      for (index, cell) in cells.enumerated() where index < truth.count {
        let think = index == 0 ? 0 : truth[index].start - truth[index - 1].end
        #expect(abs(cell.think.seconds - think) <= era.resolutionSeconds, "\(era), seed \(seed), cell \(index)")
        #expect(abs(cell.run.seconds - (truth[index].end - truth[index].start)) <= era.resolutionSeconds)
        recovered += 1
      }
    }
    #expect(recovered == writer.cells.count)
  }

  @Test("says that the summer of 2020 has no times")
  func untimed() throws {
    let error = #expect(throws: TraceError.self) { try imported(ArkoudaWriter(seed: 1).log(.summer2020)) }
    #expect(
      error?.description.contains("server-0.log:8: is a request without a time") == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("no think time can be recovered") == true)
  }

  @Test(
    "refuses what is no log, with the line that says so",
    arguments: [
      ("", "is empty"), ("\n\nhello\nworld\n", ":3: 'hello' is not of an Arkouda server's log"),
      ("{\"cells\": []}", ":1: '{\"cells\": []}' is not of"), ("\u{0}\u{1}\u{FFFD}", ":1: '"),
    ])
  func refuses(text: String, expected: String) throws {
    let error = #expect(throws: TraceError.self) { try imported(text) }
    #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
  }

  @Test("knows a cell that comes again by its commands")
  func commands() throws {
    func line(_ second: Int, _ text: String) -> String {
      "2026-01-12 08:00:\(second) [ServerDaemon] run Line 1 INFO [Chapel ] \(text)"
    }
    var lines: [String] = []
    for (second, commands) in [(10, ["array", "argsort"]), (20, ["array"]), (30, ["array", "argsort"])] {
      for command in commands {
        lines += [
          line(second, ">>> \(command) [\"id_\(second)\"]"), line(second, "repMsg: {\"msg\":\"\",\"user\":\"ann\"}"),
          line(second, "<<< \(command) took 0.001 sec"),
        ]
      }
    }
    let notebook = try imported(lines.joined(separator: "\n")).trace.notebooks[0]
    let codes = notebook.cells.indices.map { notebook.source(of: $0).codeHash }
    #expect(codes.count == 3 && codes[0] == codes[2] && codes[0] != codes[1] && !codes.contains(0))
  }

  @Test("marks a killed server, goes on after its restart, and counts other output")
  func killed() throws {
    let text = """
      2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] >>> connect \n\
      2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] repMsg: {"msg":"hi","user":"ann"}
      2026-01-12 08:00:00 [ServerDaemon] run Line 1 INFO [Chapel ] <<< connect took 5.1e-05 sec
      2026-01-12 08:00:09 [GenSymIO] read Line 1 DEBUG [Chapel ] something else
      slurmstepd: error: oom-kill
      2026-01-12 08:00:10 [ServerDaemon] run Line 1 INFO [Chapel ] >>> argsort ["id_1"]
      *     server listening on tcp://node01:5555    *
      2026-01-12 08:01:00 [ServerDaemon] run Line 1 INFO [Chapel ] >>> array [binary data]
      2026-01-12 08:01:00 [ServerDaemon] run Line 1 INFO [Chapel ] repMsg: {"msg":"created id_1","user":"ann"}
      2026-01-12 08:01:02 [ServerDaemon] run Line 1 ERROR [Chapel ] <<< array resulted in <IOError>: disk
      2026-01-12 08:01:05 [ServerDaemon] run Line 1 INFO [Chapel ] >>> tondarray ["id_1"]
      2026-01-12 08:01:05 [ServerDaemon] run Line 1 INFO [Chapel ] repMsg: <binary-data>
      2026-01-12 08:01:05 [ServerDaemon] run Line 1 INFO [Chapel ] <<< tondarray took 0.1 sec
      """
    let found = try imported(text)
    #expect(found.trace.notebooks.map(\.name) == ["ann-1"])
    #expect(found.trace.notebooks[0].cells.map(\.outcome) == [.ok, .lost, .error, .ok])
    #expect(found.leftOut.count(of: "lines of other output") == 2)
    #expect(found.leftOut.entries[0].first.hasSuffix("server-0.log:4"))
    #expect(found.notes[0] == "4 requests, 1 ended in an error, 1 never answered; 1 starts of the server")
    #expect(abs(found.trace.notebooks[0].cells[2].run.seconds - 2) <= 1)
  }

  @Test(
    "reads every wording of an end",
    arguments: [
      ("connect took 0.0004sec", 0.0004, false), ("x took 5.1e-05 sec", 5.1e-05, false),
      ("[pdarray]<int64,1> took 2 sec", 2, false),
      ("[int] resulted in error Error: a in b in  0.5 sec", 0.5, true),
      ("x resulted in error: bad took 3 sec in 0.25 sec", 0.25, true),
      ("shutdown initiated by ann took 0.125 sec", 0.125, false),
    ])
  func wordings(text: String, took: Double, failed: Bool) throws {
    guard case .ended(let seconds, let fails, _) = ArkoudaLine(Array("<<< \(text)".utf8)[...]).message else {
      Issue.record("'\(text)' is no end")
      return
    }
    #expect(seconds == took)
    #expect(fails == failed)
  }

  @Test("takes files that overlap for different servers")
  func servers() throws {
    let a = ArkoudaWriter(seed: 5, users: ["ann"])
    let b = ArkoudaWriter(seed: 6, users: ["ann"])
    let found = try imported(a.log(.may2025), b.log(.may2025))
    #expect(found.trace.notebooks.count == 2)
    #expect(found.trace.cellCount == a.cells.count + b.cells.count)
    #expect(Set(found.trace.notebooks.map(\.name)).count == 2)
  }

  @Test("lets a log without dates begin when the dated one does")
  func undated() throws {
    let dated = ArkoudaWriter(seed: 5, users: ["ann"])
    let undated = ArkoudaWriter(seed: 6, users: ["ben"])
    let found = try imported(undated.log(.october2019), dated.log(.may2025))
    #expect(found.trace.notebooks.map(\.arrival) == [.zero, .zero])
    #expect(found.trace.cellCount == dated.cells.count + undated.cells.count)
  }

  @Test("does not let a reply pretend to be another user's")
  func users() {
    let reply = Array(#"{"msg":"\"user\":\"mallory\"", "user":"ann"}"#.utf8)[...]
    #expect(ArkoudaLine.user(in: reply) == "ann")
    #expect(ArkoudaLine.user(in: Array(#"{"msg":"x"}"#.utf8)[...]) == nil)
  }
}
