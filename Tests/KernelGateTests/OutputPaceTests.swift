import Domain
import Testing

@testable import KernelGate

@Suite("Output gathers in a flood, and only there")
struct OutputPaceTests {
  /// Plays a gate: messages come at these moments, and it reads what is there when it is woken or done resting.
  ///
  /// - Returns: how often it read, and the longest that a message lay there.
  private func play(_ moments: [Int64]) -> (reads: Int, longest: Int64) {
    var pace = OutputPace()
    var (reads, longest, next) = (0, Int64(0), 0)
    while next < moments.count {
      let now = max(moments[next], pace.restsUntil.microseconds)
      let first = moments[next]
      var count = 0
      while next < moments.count, moments[next] <= now { (count, next) = (count + 1, next + 1) }
      pace.came(count, at: Instant(microseconds: now))
      reads += 1
      longest = max(longest, now - first)
    }
    return (reads, longest)
  }

  @Test(
    "a flood is taken together however quick the kernel is: few wake-ups, and none late",
    arguments: [20, 100, 265, 350, 500, 700] as [Int64])
  func flood(apart: Int64) {
    let messages: Int64 = 20_000
    let (reads, longest) = play((1...messages).map { $0 * apart })
    let milliseconds = messages * apart / 1000
    #expect(Int64(reads) < milliseconds / 3 + 100, "one for some milliseconds, but for the beginning")
    #expect(longest <= OutputPace.restMost.microseconds)
  }

  @Test("a kernel that stands still now and then, for want of a core, stays a flood")
  func pauses() {
    // 40 messages in 30 ms, then nothing for 60.
    var moments: [Int64] = []
    for turn in Int64(0)..<200 {
      for message in Int64(0)..<40 { moments.append(turn * 90_000 + 1 + message * 750) }
    }
    #expect(play(moments).reads < 200 * 12, "not the first 24 of each turn by themselves")
  }

  @Test("a flood's first messages are late by no more than a small part of what it has taken")
  func firstMessages() {
    for length in 1...400 {
      let (_, longest) = play((1...length).map { Int64($0) * 200 })
      #expect(longest <= max(OutputPace.rest.microseconds, Int64(length) * 200 / OutputPace.restShare))
    }
  }

  @Test("what comes slowly is never left, nor what comes behind a flood")
  func slow() {
    let slowly = (1...1000).map { Int64($0) * 2500 }
    #expect(play(slowly).reads == 1000 && play(slowly).longest == 0)
    let flood = (1...2000).map { Int64($0) * 50 }
    let behind = (1...50).map { 2_000_000 + Int64($0) * 2500 }
    #expect(play(flood + behind).reads - play(flood).reads == 50)
  }

  @Test("gathers while there is a flood, and lets a cell's few messages pass")
  func pace() {
    var pace = OutputPace()
    func at(_ milliseconds: Int64) -> Instant { Instant(microseconds: milliseconds * 1000) }
    for turn in Int64(1)...50 {
      pace.came(3, at: at(turn * 6))
      #expect(!pace.rests(at: at(turn * 6)))
    }
    for _ in 0..<23 { pace.came(1, at: at(1000)) }
    #expect(!pace.rests(at: at(1000)))
    pace.came(1, at: at(1000))
    #expect(pace.rests(at: at(1000)) && pace.hasRested)
    #expect(!pace.rests(at: at(1001)) && pace.hasRested, "what came meanwhile is to be looked for")
    pace.came(0, at: at(1001))
    #expect(!pace.hasRested)
  }

  @Test("gathers for 8 ms at a cell's beginning, and for as long as a flood then rests")
  func beginning() {
    var pace = OutputPace()
    func at(_ microseconds: Int64) -> Instant { Instant(microseconds: microseconds) }
    #expect(!pace.isBeginning(at: at(0)), "no cell was sent yet")
    pace.cellStarted(at: at(10_000))
    #expect(pace.isBeginning(at: at(10_000)) && pace.isBeginning(at: at(17_999)))
    #expect(!pace.isBeginning(at: at(18_000)))
    #expect(!pace.rests(at: at(10_000)), "whoever is awake reads what there is")
    #expect(pace.wake(isBeginning: true) == at(18_000))
    pace.came(24, at: at(17_500))
    #expect(pace.wake(isBeginning: true) == at(18_500), "a flood's rest reaches further")
    #expect(pace.wake(isBeginning: false) == at(18_500))
  }
}
