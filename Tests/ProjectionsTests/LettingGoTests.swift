import Domain
import Projections
import Testing

@Suite("Notebooks that have closed") struct LettingGoTests {
  /// Forty notebooks of three cells each, one after the other; the sixth stays open to the end.
  private func tape() -> Tape {
    var tape = Tape()
    var longest: NotebookID?
    for number in 0..<40 {
      let id = tape.open("n\(number % 3)", at: Double(number * 100))
      for turn in 0..<3 {
        let cell = tape.queue(id, at: Double(number * 100 + turn * 10 + 1))
        tape.add(
          .cellStarted(cell, id, .on(CoreSet([0])), Reason(.firstCome)),
          .commandAccepted(Command(id: CommandID(1), author: "ana", verb: .setPriority(id, 1))),
          .usageSampled(id, Usage(millicores: 1000, memory: Bytes(1 << 20))), at: tape.now.seconds + 2)
        tape.add(.cellEnded(cell, id, .ok), at: tape.now.seconds + 3)
      }
      if number == 5 { longest = id } else { tape.add(.notebookClosed(id), at: tape.now.seconds + 5) }
    }
    if let longest { tape.add(.notebookClosed(longest), at: tape.now.seconds + 5) }
    return tape
  }

  @Test("keep their past where they are among the latest, and their row for ever; what is recorded is the same")
  func past() {
    let tape = tape()
    var board = Board()
    board.closedKept = 10
    for entry in tape.entries.dropLast() { board.apply(entry) }
    #expect(board.notebooks[5].segments.count > 5, "it is open")
    #expect(board.notebooks[4].segments.count == 2)
    for entry in tape.entries.suffix(1) { board.apply(entry) }
    let whole = tape.board
    for place in 0..<40 {
      let (kept, all) = (board.notebooks[place], whole.notebooks[place])
      if place >= 30 {
        #expect(kept == all)
        continue
      }
      #expect(kept.segments.map(\.state) == [.starting, .gone] && kept.marks.isEmpty && kept.usage == nil)
      #expect(kept.segments.first?.from == all.segments.first?.from && kept.segments.last == all.segments.last)
      #expect(kept.name == all.name && kept.notebook == all.notebook && kept.state == .gone && kept.since == all.since)
      #expect(kept.cellsEnded == 3 && kept.ran == all.ran && kept.waited == all.waited)
    }
    #expect(PackedFrame(board) == PackedFrame(whole), "what a replay begins from")
    #expect(board.packedWhole == whole.packedWhole, "what a console is sent")
    #expect(board.measures == whole.measures && board.events == whole.events && board.markers == whole.markers)
  }

  @Test("are listed in a report where they are open or among the latest")
  func report() {
    let tape = tape()
    var board = Board()
    for entry in tape.entries.dropLast() { board.apply(entry) }
    func numbers(_ most: Int?) -> [Int32] {
      BoardReport(board, at: board.now, session: 1, end: board.now, entries: board.sequence, closedMost: most)
        .notebooks.map(\.number)
    }
    #expect(numbers(nil) == Array(0..<40))
    #expect(numbers(3) == [5, 37, 38, 39])
    #expect(numbers(0) == [5] && numbers(100) == Array(0..<40))
  }
}
