import Foundation
import Testing

/// What a console takes from outside and what it leaves behind: names, themes, its own arrangement.
@Suite("The console's habits", .serialized) struct ConsoleHabitsTests {
  @Test("names that want to move the cursor, colour the screen or name the window are shown, and do nothing")
  func hostileNames() async throws {
    let stage = try TmuxStage(columns: 100, rows: 30)
    let names = [
      "\u{1B}[2J\u{1B}[31mred", "\u{1B}]0;pwned\u{7}title", "a\rb\nc\u{8}\u{8}", "\u{202E}evil\u{2066}",
      "👩‍👩‍👧‍👦日本\u{FE0F}\u{301}",
    ]
    var text = "{\"celltop-trace\":1,\"name\":\"hostile\",\"note\":\"\"}\n"
    for (number, name) in names.enumerated() {
      let row: [String: Any] = [
        "notebook": "\(name)\(number)", "user": "\(name)", "arrival": 0, "priority": 0,
        "cells": [["think": 0, "run": 30 + number, "cores": 1]],
      ]
      text += String(decoding: try JSONSerialization.data(withJSONObject: row), as: UTF8.self) + "\n"
    }
    try text.write(toFile: stage.folder + "/trace.jsonl", atomically: true, encoding: .utf8)
    let ran = try await Checkout.run(
      Checkout.celltop,
      [
        "simulate", stage.folder + "/trace.jsonl", "--policy", "fcfs", "--cores", "2", "--record",
        stage.folder + "/data/celltop/history.sqlite",
      ], environment: stage.environment)
    try #require(ran.status == 0, "\(ran.errors)")
    try await stage.start("\(Checkout.celltop) replay --at 20%")
    let title = try await stage.fact("pane_title")
    let screen = try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS 5") }
    let rows = screen.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(rows.first?.contains("REPLAY") == true, "the top line is where it was:\n\(screen)")
    #expect(rows.contains { $0.contains("red0") } && rows.contains { $0.contains("title1") }, "\(screen)")
    #expect(try await stage.fact("pane_title") == title)
    for key in ["Enter", "Enter", "2", "3", "5", "1", "y"] { try await stage.type(key) }
    try await stage.wait("still in order") { $0.split(separator: "\n").first?.contains("REPLAY") == true }
    #expect(try await stage.fact("pane_title") == title)
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("opens as it was left: the columns, the order, the groups and the layout")
  func remembers() async throws {
    let stage = try TmuxStage(columns: 120, rows: 40)
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay; \(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("NOTEBOOKS") && $0.contains("OWNER") }
    try await stage.type("s", "Down", "Down", "Space")
    try await stage.wait("a column less") { !$0.contains("OWNER") }
    try await stage.type("s", "t", ">", "I", "q")
    try await stage.wait("the second console, as the first was left") { screen in
      screen.contains("NOTEBOOKS") && !screen.contains("OWNER") && screen.contains("▼") && screen.contains("REPLAY")
    }
    let file = try String(contentsOfFile: stage.folder + "/state/celltop/layout", encoding: .utf8)
    #expect(file.contains("grouped yes") && file.contains("hidden opened owner"), "\(file)")
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }

  @Test("lists the themes, a user's own among them, and says of each bad one what is wrong and where")
  func themes() async throws {
    let stage = try TmuxStage()
    let folder = stage.folder + "/.config/celltop/themes"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let files = [
      "pale": "inherits = \"base-dark\"\n[palette]\nfg = { rgb = \"#333333\", c256 = 236, c16 = \"black\" }\n",
      "ring": "inherits = \"gnir\"\n", "gnir": "inherits = \"ring\"\n", "odd": "inherits = \"nord\"\ncolour = 1\n",
      "torn": "[palette\n",
    ]
    for (name, text) in files { try text.write(toFile: "\(folder)/\(name).toml", atomically: true, encoding: .utf8) }
    func themes(_ words: String...) async throws -> (status: Int32, output: String, errors: String) {
      try await Checkout.run(Checkout.celltop, ["themes"] + words, environment: stage.environment)
    }
    let listed = try await themes("list")
    let names = Set(listed.output.split(separator: "\n").map(String.init))
    #expect(listed.status == 0 && names.isSuperset(of: Array(files.keys) + ["nord", "mono", "okabe-ito"]), "\(names)")
    let json = try JSONSerialization.jsonObject(with: Data(try await themes("list", "--json").output.utf8)) as? [String]
    #expect(Set(json ?? []) == names)
    let good = try await themes("lint", "nord", "dracula")
    #expect(good.status == 0 && good.output.contains("nord: can be read"), "\(good.output)")
    for (name, word) in [("pale", "contrast"), ("ring", "ring"), ("odd", "colour"), ("torn", "line 1")] {
      let bad = try await themes("lint", name)
      #expect(bad.status == 1 && (bad.output + bad.errors).contains(word), "\(name): \(bad.output) \(bad.errors)")
    }
    let all = try await themes("lint")
    #expect(all.status == 1 && all.output.contains("gruvbox: can be read"), "\(all.output)")
  }

  @Test("the documents' pictures are as they are drawn")
  func pictures() async throws {
    let drawn = try await Checkout.run(
      Checkout.celltop, ["screens", Checkout.root + "/Docs/Screens", "--check"],
      environment: try TmuxStage().environment)
    #expect(drawn.status == 0, "\(drawn.errors)")
  }
}
