import Chance
import Domain
import Projections
import Testing

@Suite("The timeline's buckets") struct TimelineTests {
  /// One notebook that thinks from 10, is queued from 20, runs from 24 and thinks again from 36.
  private static func tape() -> Tape {
    var tape = Tape()
    let id = tape.open("a", at: 10)
    let cell = tape.queue(id, at: 20)
    tape.add(.cellStarted(cell, id, .on(CoreSet([0])), Reason(.firstCome)), at: 24)
    tape.add(.cellEnded(cell, id, .ok), at: 36)
    return tape
  }

  @Test("keeps a stretch's state and beginning in its eight bytes")
  func segments() {
    for state in NotebookState.allCases {
      for microseconds in [0, 1, -1, 1_700_000_000_000_000, 1 << 59, -(1 << 59)] as [Int64] {
        let segment = Segment(state: state, from: Instant(microseconds: microseconds))
        #expect(segment.state == state && segment.from.microseconds == microseconds)
      }
    }
    #expect(NotebookState.allCases.allSatisfy { $0.rawValue < 8 })
  }

  private static func line(_ board: Board, window: Span, columns: Int, now: Double) -> String {
    let timeline = Timeline(
      board, of: [NotebookID(0)], scale: TimeScale(window: window, columns: columns, end: Instant(seconds: now)),
      now: Instant(seconds: now))
    return timeline.rows[0].states.map(letter).joined()
  }

  private static func letter(_ state: NotebookState?) -> String {
    switch state {
    case .starting: "s"
    case .thinking: "t"
    case .queued: "q"
    case .running: "r"
    case .suspended: "z"
    case .gone: "-"
    case nil: " "
    }
  }

  @Test("shows in each bucket the state that took most of it")
  func dominant() {
    // Buckets of 5 s: 20-25 is four seconds queued and one running; 35-40 is one running and four thinking.
    #expect(Self.line(Self.tape().board, window: 50, columns: 10, now: 49) == "  ttqrrttt")
  }

  @Test("shows nothing before a notebook was opened, and nothing of what is to come")
  func edges() {
    #expect(Self.line(Self.tape().board, window: 10, columns: 10, now: 9.5) == "          ")
    #expect(Self.line(Self.tape().board, window: 10, columns: 10, now: 10) == "         t")
  }

  @Test("stands still within a bucket and then moves by one whole bucket")
  func wholeBuckets() {
    let board = Self.tape().board
    func timeline(_ now: Double) -> Timeline {
      Timeline(
        board, of: [NotebookID(0)], scale: TimeScale(window: 50, columns: 10, end: Instant(seconds: now)),
        now: Instant(seconds: now))
    }
    let early = timeline(45)
    for tenth in 0..<50 {
      let now = 45 + Double(tenth) / 10
      #expect(timeline(now).start == early.start)
      #expect(timeline(now).rows[0].states.dropLast() == early.rows[0].states.dropLast(), "at \(now)")
    }
    #expect(timeline(50).start == early.start + 5)
    #expect(timeline(50).rows[0].states.dropLast() == early.rows[0].states.dropFirst())
  }

  @Test("moves by several buckets at once where it is told to, and leaves empty what is to come")
  func strides() {
    let board = Self.tape().board
    func line(_ now: Double) -> String {
      let scale = TimeScale(window: 50, columns: 10, end: Instant(seconds: now), stride: 4)
      return Timeline(board, of: [NotebookID(0)], scale: scale, now: Instant(seconds: now)).rows[0].states.map(
        Self.letter
      )
      .joined()
    }
    // Buckets of 5 s: 40-60 is filled one by one, and then the next four come.
    #expect(line(40) == "ttqrrtt   ")
    #expect(line(49.9) == "ttqrrttt  ")
    #expect(line(59.9) == "ttqrrttttt")
    #expect(line(60) == "rtttttt   ")
  }

  @Test("moves no more than twice a second of whoever watches", arguments: [0.125, 1, 9, 60, 3600])
  func strideOfSpeed(speed: Double) {
    for columns in [1, 10, 60, 172, 300] {
      let stride = TimeScale.stride(window: 180, columns: columns, speed: speed)
      #expect(stride >= 1 && stride <= max(columns / 8, 1))
      let perSecond = speed / (180 / Double(columns)) / Double(stride)
      #expect(perSecond <= 2 || stride == max(columns / 8, 1), "\(perSecond) moves a second, \(columns) columns")
    }
    #expect(TimeScale.stride(window: .zero, columns: 0, speed: -1) == 1)
  }

  @Test("shows an operator's action over a preemption in the same bucket")
  func marks() {
    var tape = Self.tape()
    let id = NotebookID(0)
    let cell = tape.run(id, on: CoreSet([0]), at: 40)
    tape.add(.commandAccepted(Command(id: CommandID(1), author: "ana", verb: .hold(id))), at: 41)
    tape.add(.cellSuspended(cell, id, Reason(.preempted)), at: 42)
    tape.add(.cellResumed(cell, id, .on(CoreSet([0])), Reason(.firstCome)), at: 43)
    tape.add(.cellSuspended(cell, id, Reason(.preempted)), at: 47)
    let timeline = Timeline(
      tape.board, of: [id], scale: TimeScale(window: 50, columns: 10, end: Instant(seconds: 49)),
      now: Instant(seconds: 49))
    #expect(timeline.rows[0].marks == Array(repeating: nil, count: 8) + [.action, .preemption])
  }

  @Test("gives a row for each notebook asked for, in that order, and none for strangers")
  func rows() {
    var tape = Self.tape()
    let second = tape.open("b", at: 41)
    let timeline = Timeline(
      tape.board, of: [second, NotebookID(9), NotebookID(0)],
      scale: TimeScale(window: 10, columns: 4, end: Instant(seconds: 42)), now: Instant(seconds: 42))
    #expect(timeline.rows.map(\.notebook) == [second, NotebookID(0)])
    #expect(timeline.rows.allSatisfy { $0.states.count == 4 && $0.marks.count == 4 })
  }

  @Test("bears windows of no length and of no columns", arguments: [0, 1, 3], [-1, 0, 1, 7])
  func degenerate(window: Int, columns: Int) {
    for now in [0, 1e-6, 36, 1e9] {
      let timeline = Timeline(
        Self.tape().board, of: [NotebookID(0)],
        scale: TimeScale(window: Span(microseconds: Int64(window)), columns: columns, end: Instant(seconds: now)),
        now: Instant(seconds: now))
      #expect(timeline.rows[0].states.count == max(columns, 1))
    }
  }

  @Test("agrees with the state at the middle of every bucket that has only one", arguments: UInt64(1)...20)
  func agreesWithSegments(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var tape = Tape()
    let id = tape.open("a", at: 1)
    var at = 1.0
    for _ in 0..<40 {
      at += Double(random.next() % 9_000) / 1000
      let cell = tape.queue(id, at: at)
      at += Double(random.next() % 5_000) / 1000
      tape.add(.cellStarted(cell, id, .on(CoreSet([0])), Reason(.firstCome)), at: at)
      at += Double(random.next() % 9_000) / 1000
      tape.add(.cellEnded(cell, id, .ok), at: at)
    }
    let facts = try #require(tape.board[id])
    let columns = 10 + Int(random.next() % 150)
    let timeline = Timeline(
      tape.board, of: [id], scale: TimeScale(window: 120, columns: columns, end: Instant(seconds: at)),
      now: Instant(seconds: at))
    for (column, state) in timeline.rows[0].states.dropLast().enumerated() {
      let from = timeline.start + Span(microseconds: timeline.bucket.microseconds * Int64(column))
      let until = from + timeline.bucket
      let isWhole = !facts.segments.contains { $0.from > from && $0.from < until }
      if isWhole { #expect(state == facts.state(at: from), "seed \(seed), column \(column)") }
    }
  }
}
