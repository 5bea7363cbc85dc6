import Domain
import Foundation
import Testing

@testable import Session

@Suite("A session that was started for a console") struct ConsoleWatchTests {
  private func at(_ seconds: Double) -> Instant { Instant(seconds: seconds) }

  @Test("waits for the console, outlives one that is back soon, and ends once nobody has been there for a while")
  func grace() {
    var watch = ConsoleWatch(needsConsole: true, at: .zero)
    func isOver(_ isFollowed: Bool, _ seconds: Double) -> Bool { watch.isOver(isFollowed: isFollowed, at: at(seconds)) }
    // A client that only asks something comes and goes before the console.
    #expect(!isOver(true, 1))
    #expect(!isOver(false, 2) && !isOver(false, 29))
    #expect(!isOver(true, 100))
    #expect(!isOver(false, 100), "a broken connection is not the end")
    #expect(!isOver(false, 109) && watch.wakeAt == at(110))
    #expect(!isOver(true, 109))
    #expect(!isOver(false, 118))
    #expect(isOver(false, 119))
    #expect(!isOver(false, 200), "it is said once")
  }

  @Test("waits for a console that is stopped as long as its process lives")
  func stopped() throws {
    let console = Process()
    console.executableURL = URL(fileURLWithPath: "/bin/sleep")
    console.arguments = ["600"]
    try console.run()
    var watch = ConsoleWatch(needsConsole: true, at: .zero)
    func isOver(_ isFollowed: Bool, _ seconds: Double) -> Bool { watch.isOver(isFollowed: isFollowed, at: at(seconds)) }
    #expect(!isOver(true, 1))
    kill(console.processIdentifier, SIGSTOP)
    watch.lost(console.processIdentifier)
    for seconds in stride(from: 60.0, through: 3600, by: 60) {
      #expect(!isOver(false, seconds))
    }
    kill(console.processIdentifier, SIGKILL)
    console.waitUntilExit()
    #expect(!isOver(false, 3601))
    #expect(isOver(false, 3610))
  }

  @Test("goes on for ever where it needs no console, or is told to stay")
  func stays() {
    for (needsConsole, isTold) in [(false, false), (true, true)] {
      var watch = ConsoleWatch(needsConsole: needsConsole, at: .zero)
      if isTold { watch.stay() }
      let isOver = watch.isOver(isFollowed: false, at: at(1000))
      #expect(!isOver && watch.wakeAt == .never)
    }
  }
}
