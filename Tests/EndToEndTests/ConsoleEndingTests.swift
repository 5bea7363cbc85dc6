import Foundation
import Testing

/// How the console goes away, whatever takes it away: the terminal is given back, or there is a word on how to get it back.
@Suite("The console's end", .serialized) struct ConsoleEndingTests {
  private func shown(_ stage: TmuxStage) async throws -> Int32 {
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    return try #require(ConsoleTerminalTests.console(stage))
  }

  @Test("puts the terminal back when it is told to end", arguments: [SIGTERM, SIGHUP, SIGQUIT])
  func told(number: Int32) async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    let console = try await shown(stage)
    kill(console, number)
    let end = try await stage.wait("the end") { $0.contains("TTY=") }
    #expect(end.contains("TTY=same"), "signal \(number): \(end)")
    #expect(!end.contains("NOTEBOOKS"), "signal \(number): \(end)")
    try await stage.end()
  }

  // Swift prints where the process was before it dies, which takes seconds: afterwards, and below the prompt that was there.
  @Test(
    "puts the terminal back when it crashes, and dies of what it crashed with",
    arguments: [SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL])
  func crashes(number: Int32) async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    let console = try await shown(stage)
    kill(console, number)
    let end = try await stage.wait("the end") { $0.contains("TTY=") }
    #expect(end.contains("TTY=same") && end.contains("RC=\(128 + number)"), "signal \(number): \(end)")
    #expect(!end.contains("NOTEBOOKS"), "signal \(number): \(end)")
    try await stage.end()
  }

  @Test("killed outright it leaves the terminal as it was drawn, and reset puts it back, as the documents say")
  func killed() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("bash --norc --noediting -i; true")
    try await stage.type("PS1='ready> '", "Enter")
    try await stage.wait("a prompt") { $0.contains("ready>") }
    try await stage.type("'\(Checkout.celltop)' replay", "Enter")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    kill(try #require(ConsoleTerminalTests.console(stage)), SIGKILL)
    try await stage.wait("the prompt on the picture") { $0.contains("ready>") }
    // Blindly: what is typed may not be shown, and Enter may not be a line's end.
    try await stage.type("C-j", "reset; stty -g > \(stage.folder)/after; echo back", "C-j")
    let screen = try await stage.wait("a clean screen") { $0.contains("back") && !$0.contains("NOTEBOOKS") }
    #expect(screen.contains("ready>"))
    try await stage.type("echo seen", "Enter")
    try await stage.wait("what is typed") { $0.contains("echo seen") }
    // What reset makes of it is a sane terminal, and not the one that was there: lines, echo, signals, and Enter ends a line.
    let after = Self.modes(stage.folder + "/after")
    try #require(after.count >= 4)
    let (input, local) = (tcflag_t(after[0], radix: 16) ?? 0, tcflag_t(after[3], radix: 16) ?? 0)
    let wanted = tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    #expect(local & wanted == wanted && input & tcflag_t(ICRNL) != 0, "\(after)")
    try await stage.end()
  }

  /// The modes that stty(1) wrote, those of input, output, control and local first.
  private static func modes(_ path: String) -> [Substring] {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").first?.split(separator: ":") ?? []
  }
}
