import Foundation
import Testing

/// The mouse and the clipboard as a terminal has them: reports in SGR form (xterm's 1006) in, OSC 52 out.
@Suite("The console's mouse and clipboard", .serialized) struct ConsoleMouseTests {
  private let left = 0
  private let drag = 32
  private let wheelDown = 65

  private func shown(columns: Int = 200, rows: Int = 50) async throws -> TmuxStage {
    let stage = try TmuxStage(columns: columns, rows: rows)
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay --at 50%")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("NOTEBOOKS") }
    return stage
  }

  private func report(_ stage: TmuxStage, _ code: Int, _ column: Int, _ row: Int, isRelease: Bool = false) async throws
  {
    try await stage.send(raw: "\u{1B}[<\(code);\(column + 1);\(row + 1)\(isRelease ? "m" : "M")")
  }

  private func click(_ stage: TmuxStage, _ column: Int, _ row: Int) async throws {
    try await report(stage, left, column, row)
    try await report(stage, left, column, row, isRelease: true)
  }

  /// The lines of the screen, and the number of the one in which a text stands first.
  private func lines(_ screen: String) -> [String] {
    screen.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  private func row(of text: String, _ screen: String) throws -> Int {
    try #require(lines(screen).firstIndex { $0.contains(text) }, "\(text) in \(screen)")
  }

  private func selected(_ screen: String) -> Int? { lines(screen).firstIndex { $0.hasPrefix("▶") } }

  @Test("a click selects, a second one opens, the wheel moves, a heading sorts; beyond column 223, too")
  func clicks() async throws {
    let stage = try await shown(columns: 240)
    let screen = try await stage.screen()
    let header = try row(of: "OWNER", screen)
    try await click(stage, 5, header + 3)
    try await stage.wait("the third notebook selected") { selected($0) == header + 3 }
    try await click(stage, 5, header + 3)
    try await stage.wait("its details") { $0.contains("PAST CELLS") && !$0.contains("NOTEBOOKS") }
    try await stage.type("Escape")
    let back = try await stage.wait("the table again") { $0.contains("NOTEBOOKS") }
    try await report(stage, wheelDown, 5, header + 1)
    try await stage.wait("the last one") { (selected($0) ?? 0) > header + 3 }
    let place = try #require(lines(back)[header].range(of: "PRI"))
    try await click(
      stage, lines(back)[header].distance(from: lines(back)[header].startIndex, to: place.lowerBound) + 1, header)
    try await stage.wait("the order by priority") { $0.contains("▼priority") }
    // What the X10 form of reports could not name.
    try await click(stage, 235, try row(of: "EVENTS", screen) + 1)
    try await stage.type("e")
    try await stage.wait("the pane at the right edge alone") { !$0.contains("NOTEBOOKS") && !$0.contains("TIMELINE") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("a drag on the timeline moves its cursor, and a drag on the bar the replay")
  func drags() async throws {
    let stage = try await shown()
    let screen = try await stage.screen()
    let timeline = try row(of: "TIMELINE", screen) + 1
    func moment(_ screen: String) -> String? {
      lines(screen).first { $0.contains(" run ") && $0.contains(" think ") && $0.contains("since") }
    }
    try await report(stage, left, 100, timeline)
    let first = try #require(moment(try await stage.wait("the facts of a moment") { moment($0) != nil }))
    try await report(stage, drag, 130, timeline)
    let second = try #require(moment(try await stage.wait("another moment") { moment($0) ?? first != first }))
    try await report(stage, left, 130, timeline, isRelease: true)
    // Released, the mouse drags nothing.
    try await report(stage, drag, 90, 0)
    try await stage.type("F")
    try await stage.wait("no cursor") { moment($0) == nil }
    #expect(first != second)
    let bar = try row(of: "entry ", screen)
    func entry(_ screen: String) -> Int? {
      screen.firstMatch(of: /entry +(\d+)\//).flatMap { Int($0.1) }
    }
    let before = try #require(entry(screen))
    let track = try #require(lines(screen)[bar].firstIndex(of: "├"))
    let start = lines(screen)[bar].distance(from: lines(screen)[bar].startIndex, to: track)
    try await report(stage, left, start + 20, bar)
    let earlier = try #require(entry(try await stage.wait("an earlier entry") { entry($0) ?? before < before }))
    try await report(stage, drag, start + 120, bar)
    try await stage.wait("a later entry") { entry($0) ?? 0 > earlier }
    try await report(stage, left, start + 120, bar, isRelease: true)
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("m gives the mouse to the terminal and takes it again, and leaving gives it back")
  func releases() async throws {
    let stage = try await shown(columns: 80, rows: 24)
    #expect(try await stage.fact("mouse_any_flag") + stage.fact("mouse_sgr_flag") == "11")
    try await stage.type("m")
    try await eventually("the mouse given away") { try await stage.fact("mouse_any_flag") == "0" }
    try await stage.type("m")
    try await eventually("the mouse taken") { try await stage.fact("mouse_any_flag") == "1" }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    #expect(try await stage.fact("mouse_any_flag") == "0")
    try await stage.end()
  }

  @Test("y copies what is known of the row into the terminal's clipboard")
  func copies() async throws {
    let stage = try await shown(columns: 80, rows: 24)
    try await stage.allowCopying()
    try await stage.type("j", "y")
    try await stage.wait("the word") { $0.contains("copied") }
    let name = try #require(
      lines(try await stage.screen()).first { $0.hasPrefix("▶") }?.split(separator: " ").first { $0.hasPrefix("n") })
    try await eventually("the copy") { try await stage.clipboard().contains("\(name) of ") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }

  private func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(60)
    while clock.now < deadline {
      if try await condition() { return }
      poll(nil, 0, 50)
    }
    Issue.record("never seen: \(what)")
  }
}
