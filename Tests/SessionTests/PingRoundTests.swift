import Domain
import Testing

@testable import Session

@Suite struct PingRoundTests {
  @Test("tells everybody once a period, a few at a time", arguments: [1, 64, 65, 1000])
  func everybody(count: Int) {
    var round = PingRound()
    for number in 0..<count { round.join(NotebookID(Int32(number))) }
    var told: [NotebookID: [Instant]] = [:]
    var now = Instant.zero
    while now < Instant.zero + Span(seconds: 20) {
      let turn = round.turn(at: now)
      #expect(turn.count <= PingRound.groupMost && Set(turn).count == turn.count)
      for id in turn { told[id, default: []].append(now) }
      now = round.next
    }
    #expect(told.count == count)
    for times in told.values {
      // A gate gives the engine up after five seconds of silence.
      for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier <= Span(seconds: 3)) }
      #expect((times.last ?? .zero) >= Instant.zero + Span(seconds: 17))
    }
  }

  @Test("passes nobody over when others leave")
  func leaving() {
    var round = PingRound()
    for number in 0..<200 { round.join(NotebookID(Int32(number))) }
    var told: Set<NotebookID> = []
    var now = Instant.zero
    for step in 0..<8 {
      told.formUnion(round.turn(at: now))
      round.leave(NotebookID(Int32(step)))
      now = round.next
    }
    #expect((8..<200).allSatisfy { told.contains(NotebookID(Int32($0))) })
    for number in 0..<200 { round.leave(NotebookID(Int32(number))) }
    #expect(round.turn(at: now).isEmpty)
  }
}
