import Foundation
import Testing

/// The console on terminals as they come: in tmux, on old ones, on ones that go away, stopped and resized.
@Suite("The console on real terminals", .serialized) struct ConsoleTerminalTests {
  /// A recorded session in a home of its own, to be shown by `celltop replay`.
  static func recorded(_ stage: TmuxStage) async throws {
    let trace = stage.folder + "/trace.jsonl"
    let made = try await Checkout.run(
      Checkout.celltop,
      [
        "trace", "generate", "--kind", "mixed", "--notebooks", "6", "--cores", "8", "--gpus", "2", "--seed", "3", "-o",
        trace,
      ],
      environment: stage.environment)
    try #require(made.status == 0, "\(made.output)")
    let ran = try await Checkout.run(
      Checkout.celltop,
      [
        "simulate", trace, "--policy", "dynamic", "--cores", "8", "--gpus", "2", "--record",
        stage.environment["XDG_DATA_HOME", default: ""] + "/celltop/history.sqlite",
      ],
      environment: stage.environment)
    try #require(ran.status == 0, "\(ran.output)")
  }

  static func console(_ stage: TmuxStage) -> Int32? {
    stage.processes("celltop\0replay").first ?? stage.processes("\0replay\0").first ?? stage.processes("replay").first
  }

  @Test(
    "opens in a vt100, in a Linux console and without colours, and leaves a clean screen for the prompt",
    arguments: ["vt100", "linux", "tmux-256color"])
  func oldTerminals(type: String) async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("TERM=\(type) \(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    try await stage.type("q")
    let end = try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    #expect(!end.contains("REPLAY") && !end.contains("help"), "nothing of the picture is left:\n\(end)")
    try await stage.end()
  }

  @Test(
    "says what is wrong where no screen can be opened",
    arguments: [
      ("TERM=dumb", "cannot move its cursor"), ("TERM=no-such-terminal", "is not in the terminfo database"),
      ("TERM=", "TERM is not set"),
    ])
  func noScreen(setting: String, text: String) async throws {
    let stage = try TmuxStage(columns: 120, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("\(setting) \(Checkout.celltop) replay")
    let end = try await stage.wait("the end") { $0.contains("RC=1") && $0.contains("TTY=same") }
    #expect(end.replacingOccurrences(of: "\n", with: "").contains(text), "\(end)")
    try await stage.end()
  }

  @Test("falls back to ASCII without a locale")
  func noLocale() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("LC_ALL=C NO_COLOR=1 \(Checkout.celltop) replay")
    let screen = try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    let isASCII = screen.unicodeScalars.allSatisfy { $0.isASCII }
    #expect(isASCII, "\(screen)")
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }

  @Test("is stopped by ^Z, gives the terminal back, and comes back with fg")
  func stopped() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("bash --norc -i; true")
    try await stage.type("PS1='ready> '", "Enter")
    try await stage.wait("a prompt") { $0.contains("ready>") }
    try await stage.type("'\(Checkout.celltop)' replay", "Enter")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    try await stage.type("C-z")
    try await stage.wait("the prompt") { $0.contains("ready>") && !$0.contains("NOTEBOOKS") }
    try await stage.type("fg", "Enter")
    try await stage.wait("the replay again") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    try await stage.type("q")
    try await stage.wait("the prompt again") { $0.contains("ready>") && !$0.contains("NOTEBOOKS") }
    try await stage.end()
  }

  @Test("ends when its terminal is gone, and does not spin")
  func terminalGone() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    let console = try #require(Self.console(stage))
    try await stage.end()
    let isGone = await stage.eventually(seconds: 20) { kill(console, 0) != 0 }
    #expect(isGone)
  }

  @Test("survives a storm of sizes, and fits the last one")
  func resizes() async throws {
    let stage = try TmuxStage(columns: 200, rows: 50)
    try await Self.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    for step in 0..<60 { try await stage.resize(columns: 1 + step * 37 % 300, rows: 1 + step * 13 % 90) }
    try await stage.resize(columns: 100, rows: 30)
    try await stage.wait("the replay at 100×30") { screen in
      let lines = screen.split(separator: "\n", omittingEmptySubsequences: false)
      return screen.contains("REPLAY") && screen.contains("NOTEBOOKS") && lines.allSatisfy { $0.count <= 100 }
    }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("shrinks to a line of status and to next to nothing, and is whole again when it grows")
  func tiny() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await Self.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay --at 50%")
    // A message below the panes may pass by meanwhile.
    func panes(_ screen: String) -> [Substring] {
      Array(screen.split(separator: "\n", omittingEmptySubsequences: false).prefix(20))
    }
    let whole = panes(try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") })
    let console = try #require(Self.console(stage))
    for (columns, rows) in [(19, 4), (60, 4), (12, 24), (3, 2), (1, 1)] {
      try await stage.resize(columns: columns, rows: rows)
      try await stage.wait("\(columns)×\(rows)") { screen in
        let lines = screen.split(separator: "\n").filter { !$0.allSatisfy { $0 == " " } }
        let isOne = columns < 3 ? lines.count <= 1 : lines.count == 1
        return isOne && lines.allSatisfy { $0.count <= columns } && !screen.contains("NOTEBOOKS")
      }
    }
    try await stage.resize(columns: 80, rows: 24)
    try await stage.wait("the same screen again") { panes($0) == whole }
    #expect(kill(console, 0) == 0 && Self.console(stage) == console)
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("writes no frame of more bytes than allowed: 25 kB at 200×50 with 64 cores, 8 GPUs and 200 notebooks")
  func bytes() async throws {
    let stage = try TmuxStage()
    let result = try await Checkout.run(
      Checkout.celltop, ["bench", "console", "--notebook-counts", "200", "--frames", "12", "--size", "200x50"],
      environment: stage.environment)
    let figures = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.errors)")
    let first = try #require(figures["bytesFirst"] as? Int)
    let most = try #require(figures["bytesMost"] as? Int)
    // A whole screen cannot be told in fewer bytes than its letters: what was counted is a picture.
    #expect((2000...25_000).contains(first), "\(first) bytes for the first frame")
    #expect((1...25_000).contains(most), "\(most) bytes for one of the next")
  }

  @Test("changes its look when the theme's file does, keeps the last good one, and says what is wrong")
  func hotReload() async throws {
    let stage = try TmuxStage(columns: 100, rows: 30)
    try await Self.recorded(stage)
    let folder = stage.folder + "/.config/celltop/themes"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    func write(_ color: Int) throws {
      // As editors do: beside it, then renamed.
      let text = "inherits = \"base-dark\"\n[palette]\nfg = { rgb = \"#FFAAFF\", c256 = \(color), c16 = \"white\" }\n"
      try text.write(toFile: folder + "/mine.toml", atomically: true, encoding: .utf8)
    }
    try write(219)
    try await stage.start("\(Checkout.celltop) replay --at 50% --theme mine")
    try await stage.waitStyled("the first look") { $0.contains("38;5;219") }
    try write(183)
    try await stage.waitStyled("the second look") { $0.contains("38;5;183") && !$0.contains("38;5;219") }
    func spoil() throws {
      try "inherits = ".write(toFile: folder + "/mine.toml", atomically: true, encoding: .utf8)
    }
    // The message goes after some seconds, and a busy machine may look later.
    try await stage.waitStyled("what is wrong, in the last good look", again: spoil) {
      $0.contains("cannot use the theme 'mine'") && $0.contains("38;5;183")
    }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }

  @Test("prints the node once, as a screen and as JSON, without a terminal and without starting anything")
  func once() async throws {
    let stage = try TmuxStage()
    let screen = try await Checkout.run(
      Checkout.celltop, ["--once", "--size", "80x24"], environment: stage.environment)
    #expect(screen.status == 3 && screen.output.contains("NOTEBOOKS"), "\(screen.output)")
    #expect(screen.output.contains("NO SERVER") && screen.output.contains("celltop serve"), "\(screen.output)")
    #expect(!screen.output.contains("LIVE"), "\(screen.output)")
    #expect(screen.output.split(separator: "\n", omittingEmptySubsequences: false).allSatisfy { $0.count <= 80 })
    let pane = try await Checkout.run(
      Checkout.celltop, ["--once", "--pane", "queue", "--size", "60x15"], environment: stage.environment)
    #expect(pane.status == 3 && pane.output.contains("QUEUE") && !pane.output.contains("NOTEBOOKS"))
    let json = try await Checkout.run(Checkout.celltop, ["--json"], environment: stage.environment)
    let facts = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect((facts["cores"] as? Int ?? 0) > 0 && facts["notebooks"] is [Any])
    #expect(json.status == 3 && (facts["noServer"] as? String ?? "").contains("celltop serve"))
    #expect(!FileManager.default.fileExists(atPath: stage.folder + "/data"))
    let part = try await Checkout.run(Checkout.celltop, ["--json", "--pane", "node"], environment: stage.environment)
    let own = try #require(try JSONSerialization.jsonObject(with: Data(part.output.utf8)) as? [String: Any])
    #expect(Set(own.keys) == ["nodes", "session", "atSeconds", "endSeconds", "sequence", "noServer"])
    let wrong = try await Checkout.run(Checkout.celltop, ["--once", "--pane", "sky"], environment: stage.environment)
    #expect(wrong.status == 2)
  }

  @Test(
    "names what is close to a wrong word, and only that",
    arguments: [
      (["--polcy", "os"], "unknown option '--polcy'. Did you mean '--policy'?", true),
      (["--bogus"], "unknown option '--bogus'.", false),
      (["relay"], "there is no command 'relay'. Did you mean 'replay'?", true),
      (["frobnicate"], "there is no command 'frobnicate'.", false),
    ])
  func suggestions(arguments: [String], text: String, isNear: Bool) async throws {
    let stage = try TmuxStage()
    let wrong = try await Checkout.run(Checkout.celltop, arguments, environment: stage.environment)
    #expect(wrong.status == 2 && wrong.output.isEmpty)
    #expect(wrong.errors.contains(text) && wrong.errors.contains("Did you mean") == isNear, "\(wrong.errors)")
    #expect(wrong.errors.contains("celltop --help") && !wrong.errors.contains("celltop live"), "\(wrong.errors)")
  }
}
