import Foundation
import Testing

/// What a console does at its start, before any key.
@Suite("The console's start", .serialized) struct ConsoleStartTests {
  @Test("a simulated demonstration runs by itself, with its use of cores and memory, and obeys")
  func simulatedDemonstration() async throws {
    let stage = try TmuxStage(columns: 180, rows: 40)
    try await stage.start("\(Checkout.celltop) demo --simulated --notebooks 6 --seed 2 --speed 4")
    try await stage.wait("the simulated session") { $0.contains("● SIMULATED") && $0.contains("NOTEBOOKS") }
    // Cores in use and memory, such as "0.94    64M", in the row of a notebook whose cell runs.
    try await stage.wait("what a running cell uses") { screen in
      screen.split(separator: "\n").contains { row in
        row.contains("● running") && row.contains(#/ [0-9]+\.[0-9][0-9] +[0-9.]+[MG] /#)
      }
    }
    try await stage.type("h")
    try await stage.wait("an order obeyed") { $0.contains("ok: hold") || $0.contains("held") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") && $0.contains("TTY=same") }
    try await stage.end()
  }

  @Test("plays at once where it is told to")
  func plays() async throws {
    let stage = try TmuxStage(columns: 100, rows: 30)
    try await ConsoleTerminalTests.recorded(stage)
    try await stage.start("\(Checkout.celltop) replay --at 1% --play --speed 3600")
    // Nobody presses a key: it gets to the end by itself.
    try await stage.wait("the end of the recording") { $0.contains("REPLAY") && $0.contains("‖ 3600×") }
    try await stage.type("q")
    try await stage.wait("the end") { $0.contains("RC=0") }
    try await stage.end()
  }
}
