import Foundation
import Testing

/// What people set for the console: their keys, and how much colour and which characters they want.
@Suite("The console's settings on real terminals", .serialized) struct ConsoleSettingsTests {
  @Test(
    "takes keys from XDG_CONFIG_HOME, also where its folder comes later, and keeps the last good ones, saying what is wrong"
  )
  func keys() async throws {
    let stage = try TmuxStage(columns: 200, rows: 30)
    try await ConsoleTerminalTests.recorded(stage)
    let folder = stage.folder + "/conf/celltop"
    func write(_ text: String) throws {
      try text.write(toFile: folder + "/keys.toml", atomically: true, encoding: .utf8)
    }
    try await stage.start("XDG_CONFIG_HOME=\(stage.folder)/conf \(Checkout.celltop) replay --at 50%")
    try await stage.wait("the standard keys") { $0.contains("? help") }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try write("[keys]\nhelp = \"b\"\n")
    try await stage.wait("the other key") { $0.contains("b help") }
    try await stage.type("b")
    try await stage.wait("the help") { $0.contains("any key closes") || $0.contains("others close") }
    try await stage.type("q")
    try await stage.wait("the panes") { $0.contains("b help") && !$0.contains("clos") }
    // The message goes after some seconds, and a busy machine may look later.
    try await stage.waitStyled("what is wrong", again: { try write("[keys]\nhodl = \"b\"\n") }) {
      $0.contains("there is no action 'hodl'")
    }
    try await stage.type("b")
    try await stage.wait("the help by the key that was good") {
      $0.contains("any key closes") || $0.contains("others close")
    }
    try await stage.type("q")
    try write("")
    try await stage.wait("the standard keys again") { $0.contains("? help") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }

  @Test("tells a mistake among the keys as soon as it opens, and 'celltop keys' tells all and lists the actions")
  func mistakenKeys() async throws {
    let stage = try TmuxStage(columns: 160, rows: 30)
    try await ConsoleTerminalTests.recorded(stage)
    let folder = stage.folder + "/conf/celltop"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try "[keys]\nraise = \"up up\"\nhodl = \"b\"\n".write(
      toFile: folder + "/keys.toml", atomically: true, encoding: .utf8)
    try await stage.start("XDG_CONFIG_HOME=\(stage.folder)/conf \(Checkout.celltop) replay --at 50%")
    // It stands for half a minute.
    try await stage.wait("what is wrong, where, and what serves") {
      $0.contains("the standard keys serve: ") && $0.contains("line 3: there is no action 'hodl'")
    }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
    let environment = stage.environment.merging(["XDG_CONFIG_HOME": stage.folder + "/conf"]) { $1 }
    let told = try await Checkout.run(Checkout.celltop, ["keys"], environment: environment)
    #expect(told.status == 1 && told.output.isEmpty, "\(told)")
    for part in ["keys.toml: line 3: there is no action 'hodl'", "keys.toml: line 2: 'up up' is no key."] {
      #expect(told.errors.contains(part), "\(told.errors)")
    }
    let listed = try await Checkout.run(Checkout.celltop, ["keys", "--standard"], environment: environment)
    #expect(listed.status == 0 && listed.output.hasPrefix("[keys]\nquit = [\"q\", \"ctrl-c\"]"), "\(listed)")
  }

  @Test(
    "prints a screen with the colours that are wanted and the characters that there are",
    arguments: [
      ("NO_COLOR=1", false, false), ("NO_COLOR=", true, false), ("TERM=dumb", false, false), ("LC_ALL=C", true, true),
      ("LC_ALL=C TERM=dumb", false, true),
    ])
  func printed(settings: String, isColored: Bool, isASCII: Bool) async throws {
    let stage = try TmuxStage(columns: 100, rows: 30)
    try await stage.start("\(settings) \(Checkout.celltop) --once --size 60x15")
    var screen = ""
    try await stage.waitStyled("the end") {
      screen = $0
      return $0.contains("RC=3")
    }
    #expect(screen.contains("NO SERVER"), "\(screen)")
    #expect(screen.contains("38;5;") == isColored, "\(screen)")
    #expect(screen.unicodeScalars.allSatisfy { $0.isASCII } == isASCII, "\(screen)")
    try await stage.end()
  }

  @Test("draws no colours where NO_COLOR asks for none, and takes an empty one for nothing", arguments: ["1", ""])
  func noColor(value: String) async throws {
    let stage = try TmuxStage(columns: 100, rows: 30)
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("NO_COLOR=\(value) \(Checkout.celltop) replay --at 50%")
    var screen = ""
    try await stage.waitStyled("the replay") {
      screen = $0
      return $0.contains("REPLAY") && $0.contains("NOTEBOOKS")
    }
    #expect(["38;5;", "48;5;", "38;2;", "[31m", "[32m"].contains { screen.contains($0) } == value.isEmpty, "\(screen)")
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }
}
