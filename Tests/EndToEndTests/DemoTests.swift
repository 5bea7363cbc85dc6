import CLinux
import Domain
import Foundation
import History
import Session
import Testing

/// The demonstration as a newcomer meets it: real kernels, real gates, a real terminal.
@Suite(.serialized, .enabled(if: Checkout.missing == nil, "\(Checkout.missing ?? "")"))
struct DemoTests {
  /// The line of the notebook table that the cursor is on.
  private func selectedLine(_ screen: String) -> String {
    screen.split(separator: "\n").first { $0.hasPrefix("▶") }.map(String.init) ?? ""
  }

  /// Whether a process is stopped (proc(5): state T). The demonstration is run without control groups, which would freeze
  /// it instead.
  private func isStopped(_ pid: Int32) -> Bool {
    let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    return stat.split(separator: ")").last?.split(separator: " ").first == "T"
  }

  @Test("opens over four real kernels, obeys the operator, and leaves nothing behind")
  func wholeWay() async throws {
    let stage = try TmuxStage()
    try await stage.start("\(Checkout.celltop) demo --policy fcfs --notebooks 4 --think-scale 0.02 --seed 3")
    try await stage.wait("four notebooks") { $0.contains("nb 4") }
    try await stage.wait("a queue with reasons") { $0.contains("waits") && $0.contains("needs 1 more core, held by") }
    #expect(stage.kernels().count >= 4)

    // The notebook under the cursor is the first one; its cells run again and again.
    // A cell may end before the key arrives; then the order is refused, and the next cell is tried.
    var isPinned = false
    for _ in 0..<20 where !isPinned {
      try await stage.wait("the first one running") { selectedLine($0).contains("● running") }
      try await stage.type("P")
      isPinned = try await stage.wait("the pin, or that nothing runs") { screen in
        screen.contains("pinned to core") || !selectedLine(screen).contains("● running")
      }.contains("pinned to core")
    }
    #expect(isPinned)
    for _ in 0..<3 { try await stage.type("]") }
    try await stage.wait("the priority") { $0.contains("priority 3") }
    var isSuspended = false
    for _ in 0..<20 where !isSuspended {
      try await stage.wait("the first one running again") { selectedLine($0).contains("● running") }
      try await stage.type("x")
      let menu = try await stage.wait("the menu, or that nothing runs") { screen in
        screen.contains("GIVE WAY") || !selectedLine(screen).contains("● running")
      }
      guard menu.contains("GIVE WAY") else { continue }
      // What it would bring is told before it is done.
      try await stage.wait("a look ahead") { !$0.contains("Looking ahead") }
      try await stage.type("s")
      let after = try await stage.wait("an answer") { screen in
        selectedLine(screen).contains("‖ suspend") || !selectedLine(screen).contains("● running")
      }
      isSuspended = selectedLine(after).contains("‖ suspend")
    }
    #expect(isSuspended)
    // The board is shown before the gate has carried the order out.
    let stopped = await stage.eventually { stage.kernels().count { isStopped($0) } == 1 }
    #expect(stopped, "the suspended kernel's process is stopped")
    try await stage.type("x")
    try await stage.wait("the cell going on") { $0.contains("may go on") || selectedLine($0).contains("● running") }
    try await stage.type("w")
    try await stage.wait("an explanation") { $0.contains("WHY") }
    // Escape and the next key in one breath would be Alt and that key.
    try await stage.type("Escape")
    try await stage.wait("the panes") { !$0.contains("WHY") }
    try await stage.type("?")
    try await stage.wait("the help") { $0.contains("KEYS") && $0.contains("suspend the running cell") }
    try await stage.type("Escape")
    try await stage.wait("the panes") { !$0.contains("KEYS") }
    try await stage.type("q")
    let end = try await stage.wait("the end") { $0.contains("TTY=") }
    #expect(end.contains("RC=0"))
    #expect(end.contains("TTY=same"))
    #expect(stage.kernels().isEmpty)
    #expect(stage.processes("celltop-gate").isEmpty)
    #expect(stage.processes("play.py").isEmpty)
    try await stage.end()

    let list = try await Checkout.run(Checkout.celltop, ["history", "list"], environment: stage.environment)
    #expect(list.status == 0 && list.output.contains("demo") && list.output.contains("ended"))
    try await replay(in: stage)
  }

  /// The moment that a replay's first line shows.
  private func clock(_ screen: String) -> Substring? {
    guard let mark = screen.range(of: "REPLAY 1 ") else { return nil }
    return screen[mark.upperBound...].prefix(8)
  }

  /// Plays the session of `stage` in a small terminal.
  private func replay(in first: TmuxStage) async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await stage.start("XDG_DATA_HOME=\(first.folder)/data \(Checkout.celltop) replay")
    try await stage.wait("the replay") { $0.contains("REPLAY") && $0.contains("‖ 1×") }
    try await stage.type("g", "9", "0", "%", "Enter")
    let late = try await stage.wait("nearly the end") { $0.contains("NOTEBOOKS 4") }
    #expect(late.contains("REPLAY 1"))
    try await stage.type("}", "}", "}")
    let before = try await stage.wait("the speed") { $0.contains("8×") }
    // What is left may be played to its end before anybody looks: that the clock has moved on remains to be seen.
    try await stage.type("Space")
    try await stage.wait("a later moment") { clock($0) != nil && clock($0) != clock(before) }
    try await stage.type("]")
    try await stage.type("x")
    try await stage.wait("a refusal") { $0.contains("this is a replay") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("a killed console leaves a history that replays to its last entry, and kernels that go on")
  func killed() async throws {
    let stage = try TmuxStage(columns: 80, rows: 24)
    try await stage.start("\(Checkout.celltop) demo --notebooks 4 --think-scale 0.5 --rounds 1")
    try await stage.wait("a cell that runs") { screen in
      screen.contains("NOTEBOOKS 4") && screen.contains("run ")
        && screen.split(separator: "\n").contains { $0.contains("● running") }
    }
    let console = try #require(stage.processes("celltop\0demo").first ?? stage.processes("\0demo\0").first)
    #expect(stage.kernels().count >= 4)
    kill(console, SIGKILL)
    try await stage.wait("the end of the console") { $0.contains("RC=137") }

    let store = try HistoryStore(path: stage.folder + "/data/celltop/history.sqlite")
    let session = try store.session(nil)
    #expect(session.endedMicroseconds == nil, "it is told from one that ended")
    let entries = try store.entries(of: session.id)
    #expect(Int64(entries.count) == session.entries && !entries.isEmpty)
    // Who had submitted nothing yet has no round to finish.
    let busy = Set(entries.compactMap { if case .cellQueued(let cell) = $0.event { cell.notebook } else { nil } })
    #expect(!busy.isEmpty && stage.kernels().count >= busy.count, "the kernels go on")
    var player = ReplayPlayer(entries)
    player.seek(toShare: 1)
    #expect(player.board.sequence == session.entries)
    #expect(player.board.notebooks.count == 4)

    // The players notice that their parent is gone, finish their round and end their kernels. Here they are told to.
    for pid in stage.processes("play.py") { kill(pid, SIGTERM) }
    #expect(
      await stage.eventually {
        stage.kernels().isEmpty && stage.processes("celltop-gate").isEmpty
      })
    try await stage.end()
  }
}
