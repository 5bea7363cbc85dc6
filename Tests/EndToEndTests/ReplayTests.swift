import Foundation
import Testing

/// A recorded session as its operator meets it: on the screens, as another world, and for other programs.
@Suite(.serialized) struct ReplayTests {
  private static let trace = """
    {"celltop-trace": 1, "name": "three", "note": ""}
    {"notebook": "long", "user": "ana", "arrival": 0.0, "priority": 0, "cells": [{"think": 1.0, "run": 60.0, "cores": 4, "parallel": 1, "gpus": 0, "memory": 0, "gpuMemory": 0}, {"think": 5.0, "run": 40.0, "cores": 4, "parallel": 1, "gpus": 1, "memory": 0, "gpuMemory": 0}]}
    {"notebook": "short", "user": "ben", "arrival": 2.0, "priority": 0, "cells": [{"think": 1.0, "run": 4.0, "cores": 2, "parallel": 1, "gpus": 0, "memory": 0, "gpuMemory": 0}, {"think": 8.0, "run": 3.0, "cores": 2, "parallel": 1, "gpus": 1, "memory": 0, "gpuMemory": 0}]}
    {"notebook": "<i>&'x", "user": "=eva", "arrival": 4.0, "priority": 0, "cells": [{"think": 2.0, "run": 30.0, "cores": 1, "parallel": 1, "gpus": 1, "memory": 0, "gpuMemory": 0}]}

    """

  /// A simulated session in the stage's own history.
  private static func record(_ trace: String = ReplayTests.trace, in stage: TmuxStage) async throws {
    let path = stage.folder + "/three.jsonl"
    try trace.write(toFile: path, atomically: true, encoding: .utf8)
    let history = stage.folder + "/data/celltop/history.sqlite"
    let result = try await Checkout.run(
      Checkout.celltop,
      ["simulate", path, "--policy", "fcfs", "--cores", "4", "--gpus", "1", "--record", history, "--reasons"],
      environment: stage.environment)
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test("plays, seeks, searches, compares moments and worlds, and leaves the terminal as it was")
  func screens() async throws {
    let stage = try TmuxStage(columns: 140, rows: 44)
    try await Self.record(in: stage)
    try await stage.start("\(Checkout.celltop) replay")
    let first = try await stage.wait("the beginning") { $0.contains("REPLAY of session 1") && $0.contains("‖ 1×") }
    // What stands behind the bar: the session's last moment and its length.
    let end = String(first.split(separator: "\n").last { $0.contains("┤") }?.split(separator: "┤").last ?? "never")
    try await stage.type("g", "5", "0", "%", "Enter")
    try await stage.wait("the middle") { $0.contains("NOTEBOOKS 3") || $0.contains("NOTEBOOKS 2") }
    try await stage.type("g", "/", "s", "h", "o", "r", "t", "Enter", "g", "0", "%", "Enter", "n")
    try await stage.wait("the first cell found") { $0.contains("short[2] of ben, submitted here") }
    try await stage.type("M", "g", "w", "a", "i", "t", "Enter", "c")
    try await stage.wait("what changed") { $0.contains("CHANGES") && $0.contains("short: ") }
    try await stage.type("Escape")
    try await stage.wait("the panes") { !$0.contains("CHANGES") }
    try await stage.type("g", "0", "%", "Enter", "W")
    try await stage.wait("the question") { $0.contains("what if: ") }
    try await stage.type("policy=sjf", "Enter")
    let worlds = try await stage.wait("both worlds") { $0.contains("WHAT IF policy=sjf") && $0.contains("AS IT WAS") }
    #expect(worlds.contains("ANTT") && worlds.contains("gains"))
    try await stage.type("g", "6", "0", "%", "Enter")
    try await stage.wait("both scrubbed") { screen in
      screen.split(separator: "\n").count { $0.contains("▓") && $0.contains("long") } == 2
    }
    try await stage.type("Escape")
    try await stage.wait("the session as it was, with its own end") { screen in
      !screen.contains("WHAT IF policy") && screen.contains(end)
    }
    try await stage.type("S")
    try await stage.wait("the sessions") { $0.contains("SESSIONS") && $0.contains("simulated") }
    try await stage.type("Escape")
    try await stage.wait("the panes again") { !$0.contains("SESSIONS · Enter") }
    try await stage.type("}", "}", "}", "}", "}", "}", "}", "}", "Space")
    try await stage.wait("the end") { $0.contains("‖ 300×") || $0.contains("▶ 300×") }
    try await stage.type("L")
    try await stage.wait("that there is no live session") { $0.contains("no live session behind") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("shows no figures of worlds in which nothing can be compared")
  func nothingToCompare() async throws {
    let stage = try TmuxStage()
    let trace = """
      {"celltop-trace": 1, "name": "alone", "note": ""}
      {"notebook": "alone", "user": "ana", "arrival": 0.0, "cells": [{"think": 1.0, "run": 6.0, "cores": 1, "gpus": 1}]}

      """
    try await Self.record(trace, in: stage)
    let result = try await Checkout.run(
      Checkout.celltop, ["replay", "1", "--what-if", "gpus=0"], environment: stage.environment)
    #expect(result.status == 0 && result.output.contains("no cell can be compared"), "\(result)")
    for name in ["ANTT", "STP", "Jain's index", "wait mean"] {
      let line = result.output.split(separator: "\n").first { $0.hasPrefix(name + " ") } ?? ""
      #expect(line.dropFirst(name.count).split(separator: " ") == ["-", "-"], "\(result.output)")
    }
  }

  @Test("goes from a live session into its history and back")
  func fromLive() async throws {
    let stage = try TmuxStage(columns: 120, rows: 40)
    try await stage.start(Checkout.celltop)
    try await stage.wait("the live session") { $0.contains("● LIVE") }
    try await stage.type("H")
    try await stage.wait("its history") { $0.contains("REPLAY of session 1") && $0.contains("L live") }
    try await stage.type("L")
    try await stage.wait("the live session again") { $0.contains("● LIVE") }
    try await stage.type("S")
    try await stage.wait("the sessions") { $0.contains("SESSIONS") }
    try await stage.type("Enter")
    try await stage.wait("its history from the list") { $0.contains("REPLAY of session 1") }
    try await stage.type("L")
    try await stage.wait("the live session once more") { $0.contains("● LIVE") }
    try await stage.type("q", "y")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("answers what if and writes every format from the command line, and replaces nothing unasked")
  func commands() async throws {
    let stage = try TmuxStage()
    try await Self.record(in: stage)
    func celltop(_ arguments: String...) async throws -> (status: Int32, output: String, errors: String) {
      try await Checkout.run(Checkout.celltop, arguments, environment: stage.environment)
    }
    let same = try await celltop("replay", "1", "--what-if", "same")
    #expect(same.status == 0 && same.output.contains("the same"), "\(same)")
    let json = try await celltop("replay", "1", "--what-if", "policy=sjf,gpus=2", "--json")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let comparison = try #require(report["comparison"] as? [String: Any])
    let (then, now) = (comparison["recorded"] as? [String: Any], comparison["again"] as? [String: Any])
    let antt = (then?["antt"] as? Double ?? 0, now?["antt"] as? Double ?? 9)
    #expect(antt.1 < antt.0 && comparison["cellsCompared"] as? Int == 5)
    let once = try await celltop("replay", "1", "--at", "30s", "--once", "--json")
    let board = try #require(try JSONSerialization.jsonObject(with: Data(once.output.utf8)) as? [String: Any])
    #expect(board["atSeconds"] as? Double == 30 && (board["notebooks"] as? [Any])?.count == 3)
    #expect((board["timeline"] as? [Any])?.count == 3)
    // A simulation that was asked to records why its cells waited, as a live session does.
    let queue = try #require(board["queue"] as? [[String: Any]])
    #expect(queue.count == 2 && queue.allSatisfy { ($0["reason"] as? String)?.contains("need") == true }, "\(queue)")
    // Neither has a terminal; that there is no such session is said first.
    let missing = try await celltop("replay", "99")
    #expect(missing.status == 1 && missing.errors.contains("no session 99"), "\(missing)")
    let there = try await celltop("replay", "1")
    #expect(there.status == 1 && there.errors.contains("needs a terminal"), "\(there)")
    let part = try await celltop("replay", "1", "--at", "30s", "--once", "--json", "--pane", "timeline")
    let own = try #require(try JSONSerialization.jsonObject(with: Data(part.output.utf8)) as? [String: Any])
    #expect(Set(own.keys) == ["timeline", "session", "atSeconds", "endSeconds", "sequence"])
    let changes = try await celltop("replay", "1", "--at", "0%", "--until", "100%")
    #expect(changes.status == 0 && changes.output.contains("5 cells ended"))
    for (arguments, message) in [
      (["--what-if", "policy=best"], "there is no policy 'best'"),
      (["--what-if", "colour=red"], "no change of that name"),
      (["--what-if", "without=action:3"], "there is no action 3"), (["--from", "10s"], "--from is for --what-if"),
      (["--once", "--pane", "sky"], "--pane is one of"),
      (["--actions", "--json", "--pane", "queue"], "--pane is for the screen and its facts"),
      (["--what-if", "gpus=2", "--from", "yesterday"], "neither a time"),
    ] {
      let result = try await Checkout.run(
        Checkout.celltop, ["replay", "1"] + arguments, environment: stage.environment)
      #expect(result.status == 2 && result.errors.contains(message), "\(arguments): \(result)")
    }
    for format in ["json", "perfetto", "cast", "html", "csv"] {
      let path = "\(stage.folder)/out.\(format)"
      let first = try await celltop("history", "export", "1", "--format", format, "-o", path, "--size", "80x24")
      #expect(first.status == 0, "\(format): \(first.errors)")
      #expect(FileManager.default.fileExists(atPath: path), "\(format)")
      let second = try await celltop("history", "export", "1", "--format", format, "-o", path, "--size", "80x24")
      #expect(second.status == 1 && second.errors.contains("is there already"), "\(format): \(second)")
      let forced = try await celltop(
        "history", "export", "1", "--format", format, "-o", path, "--force", "--size", "80x24")
      #expect(forced.status == 0, "\(format): \(forced.errors)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.folder + "/out.csv").count == 5)
    let tables = try await celltop("history", "export", "1", "--format", "csv", "-o", "\(stage.folder)/tables/")
    #expect(tables.status == 0 && FileManager.default.fileExists(atPath: stage.folder + "/tables/cells.csv"))
    let bare = try await Checkout.run(
      "env", ["--chdir", stage.folder, Checkout.celltop, "simulate", "three.jsonl", "--record", "bare.sqlite"],
      environment: stage.environment)
    #expect(bare.status == 0 && FileManager.default.fileExists(atPath: stage.folder + "/bare.sqlite"), "\(bare)")
    let left = try FileManager.default.contentsOfDirectory(atPath: stage.folder).filter { $0.contains(".part") }
    #expect(left.isEmpty, "no draft is left behind")
    let page = try String(contentsOfFile: stage.folder + "/out.html", encoding: .utf8)
    #expect(!page.contains("<i>&'x") && page.contains("&lt;i&gt;&amp;"))
    let nowhere = try await celltop(
      "history", "export", "1", "--format", "json", "-o", "\(stage.folder)/no/such/place.json")
    #expect(nowhere.status == 1 && nowhere.errors.contains("cannot write"))
  }
}
