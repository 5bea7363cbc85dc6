import Chance
import Domain
import Engine
import Foundation
import GRDB
import Testing

@testable import History
@testable import Projections

@Suite("A recorded session") struct SeekTests {
  private static func fold<Fold: KeyFrame>(_ entries: some Sequence<Entry>) -> Fold {
    var fold = Fold()
    for entry in entries { fold.apply(entry) }
    return fold
  }

  /// The board without what a frame leaves out: the older parts of timelines.
  private static func recent(_ board: Board) -> Board {
    var recent = board
    for index in recent.notebooks.indices {
      recent.notebooks[index].segments.removeFirst(
        max(recent.notebooks[index].segments.count - Board.segmentsFramed, 0))
      recent.notebooks[index].marks.removeFirst(
        max(recent.notebooks[index].marks.count - Board.marksFramed, 0))
    }
    return recent
  }

  @Test("gives at every moment the state that its entries add up to", arguments: UInt64(1)...6)
  func state(seed: UInt64) throws {
    let place = TemporaryHistory()
    var played = try Played(seed: seed)
    try place.record(&played, rounds: 1500, into: place.open())
    let session = try HistoryStore(reading: place.path).recorded()
    #expect(session.last == Int64(played.entries.count) && session.end == played.entries.last?.at)
    let frames = try session.store.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM keyframe") ?? 0 }
    #expect(frames >= 4, "seed \(seed): \(frames) frames")
    var random = SplitMix(seed: seed)
    for _ in 0..<40 {
      let sequence = Int64(random.next() % UInt64(session.last + 1))
      let expected: SchedulerState = Self.fold(played.entries.prefix(Int(sequence)))
      let found = try session.fold(SchedulerState.self, through: sequence)
      #expect(found.forgettingTheClosed == expected.forgettingTheClosed, "seed \(seed), entry \(sequence)")
      #expect(found.brokenInvariants() == [])
    }
  }

  @Test("gives at every moment the board that its entries add up to", arguments: UInt64(1)...4)
  func board(seed: UInt64) throws {
    let place = TemporaryHistory()
    var played = try Played(seed: seed, closes: false)
    try place.record(&played, rounds: 400, into: place.open(), framesEvery: 100)
    let session = try HistoryStore(reading: place.path).recorded()
    var random = SplitMix(seed: seed)
    for _ in 0..<40 {
      let instant = Instant(microseconds: Int64(random.next() % UInt64(session.end.microseconds + 1)))
      let expected: Board = Self.fold(played.entries.filter { $0.at <= instant })
      let found = try session.fold(Board.self, at: instant)
      #expect(Self.recent(found) == Self.recent(expected), "seed \(seed), \(instant)")
      for (one, whole) in zip(found.notebooks, expected.notebooks) {
        #expect(whole.segments.suffix(one.segments.count) == one.segments[...], "seed \(seed), \(instant)")
        #expect(one.segments.count >= min(whole.segments.count, Board.segmentsFramed))
      }
    }
  }

  @Test("knows of closed notebooks what they came to, though no frame holds them")
  func closedNotebooks() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 5)
    try place.record(&played, rounds: 2000, into: place.open(), framesEvery: 200)
    let found = try place.open().recorded().fold(Board.self, through: .max)
    #expect(found.notebooks.count { $0.state == .gone } > 10)
    for (facts, expected) in zip(found.notebooks, played.board.notebooks) {
      #expect(facts.name == expected.name && facts.state == expected.state && facts.since == expected.since)
      #expect(facts.cellsEnded == expected.cellsEnded && facts.cellsFailed == expected.cellsFailed)
      #expect(facts.waited == expected.waited && facts.ran == expected.ran && facts.priority == expected.priority)
    }
  }

  @Test("finds the entry of an instant and the instant of an entry, several of one instant included")
  func moments() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 3)
    try place.record(&played, rounds: 3000, into: place.open())
    let session = try place.open().recorded()
    var random = SplitMix(seed: 9)
    for _ in 0..<100 {
      let instant = Instant(microseconds: Int64(random.next() % UInt64(session.end.microseconds + 1_000_000)))
      let expected = Int64(played.entries.count { $0.at <= instant })
      #expect(try session.sequence(at: instant) == expected)
    }
    #expect(try session.sequence(at: Instant(microseconds: -5)) == 0)
    #expect(try session.sequence(at: session.end) == session.last)
    #expect(try session.sequence(at: played.entries[0].at) >= 1)
  }

  @Test("passes over a damaged key frame and one of another version, and folds from an older one")
  func badFrames() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 4)
    let store = try place.open()
    try place.record(&played, rounds: 1000, into: store)
    try store.database.write { db in
      try db.execute(sql: "UPDATE keyframe SET frame = zeroblob(40) WHERE rowid % 3 = 0")
      try db.execute(sql: "UPDATE keyframe SET version = 99 WHERE rowid % 3 = 1")
    }
    let session = try store.recorded()
    for sequence in stride(from: 1, through: session.last, by: 97) {
      let expected: SchedulerState = Self.fold(played.entries.prefix(Int(sequence)))
      #expect(
        try session.fold(SchedulerState.self, through: sequence).forgettingTheClosed == expected.forgettingTheClosed)
    }
  }

  @Test("keeps tables that agree with the fold, and answers questions in a line of SQL")
  func tables() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 8)
    let store = try place.open()
    try place.record(&played, rounds: 2000, into: store)
    let rows = try store.database.read {
      try Row.fetchAll(
        $0, sql: "SELECT user, cells, failed, waited_us, ran_us FROM notebook ORDER BY notebook")
    }
    #expect(rows.count == played.board.notebooks.count)
    for (row, facts) in zip(rows, played.board.notebooks) {
      #expect(row["user"] as String == facts.notebook.user && row["cells"] as Int == facts.cellsEnded)
      #expect(row["failed"] as Int == facts.cellsFailed && row["waited_us"] as Int64 == facts.waited.microseconds)
      #expect(row["ran_us"] as Int64 == facts.ran.microseconds)
    }
    func ask(_ sql: String) throws -> [Row] { try store.database.read { try Row.fetchAll($0, sql: sql) } }
    let longest = try ask("SELECT user, path, waited FROM waits ORDER BY waited DESC LIMIT 1")
    #expect(longest[0]["waited"] as Double > 0)
    // The wall-clock of suspension, from the entries themselves.
    var since: [CellID: Instant] = [:]
    var lay: [CellID: Span] = [:]
    var endedAfter: Set<CellID> = []
    for entry in played.entries {
      if case .cellSuspended(let cell, _, _) = entry.event { since[cell] = entry.at }
      if case .cellResumed(let cell, _, _, _) = entry.event, let began = since.updateValue(.never, forKey: cell) {
        lay[cell, default: .zero] = lay[cell, default: .zero] + (entry.at - began)
      }
      if case .cellEnded(let cell, _, _) = entry.event, let began = since[cell] {
        endedAfter.insert(cell)
        if began != .never { lay[cell, default: .zero] = lay[cell, default: .zero] + (entry.at - began) }
      }
    }
    let stops = try ask("SELECT suspended, times FROM suspensions")
    #expect(stops.count == endedAfter.count && !stops.isEmpty)
    let told = stops.reduce(0) { $0 + ($1["suspended"] as Double) }
    // A cell that goes on at the session's end is not among them.
    let seen = endedAfter.reduce(Span.zero) { $0 + (lay[$1] ?? .zero) }
    #expect(stops.allSatisfy { ($0["times"] as Int) > 0 } && abs(told - seen.seconds) < 0.001)
    let cells = try ask("SELECT user, sum(cells) AS cells, sum(gpu_hours) AS hours FROM hours_by_user GROUP BY user")
    let ended = played.entries.count { if case .cellQueued = $0.event { true } else { false } }
    #expect(cells.reduce(0) { $0 + ($1["cells"] as Int) } == ended)
    // The GPUs that were held, from the entries themselves.
    var state = SchedulerState()
    var held: Int64 = 0
    for entry in played.entries {
      let gpus = state.notebooks.reduce(0) { $0 + ($1.state == .running ? $1.allotment.gpus.count : 0) }
      held += Int64(gpus) * (entry.at - state.now).microseconds
      state.apply(entry)
    }
    let running = state.notebooks.filter { $0.state == .running }.reduce(Int64(0)) { sum, slot in
      sum + Int64(slot.allotment.gpus.count) * (state.now - slot.runningSince).microseconds
    }
    let counted = cells.reduce(0.0) { $0 + ($1["hours"] as Double) } * 3.6e9
    // A cell that still runs is counted up to its last change.
    #expect(counted <= Double(held) + 1 && counted >= Double(held - running) - 1)
    let orders = try ask("SELECT author, sum(preemptions) AS n FROM preemptions_by_operator GROUP BY author")
    let suspended = played.entries.count {
      if case .commandAccepted(let command) = $0.event, command.verb.word == "suspend" { true } else { false }
    }
    #expect(orders.reduce(0) { $0 + ($1["n"] as Int) } == suspended && suspended > 5)
    #expect(try ask("SELECT * FROM forecasts WHERE basis = 'code' AND within IS NOT NULL").count > 50)
  }

  @Test("goes from marker to marker, and finds cells by notebook, user, wait and outcome")
  func markersAndCells() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 6, closes: false)
    try place.record(&played, rounds: 1500, into: place.open())
    let session = try place.open().recorded()
    let all = try session.markers()
    let actions = played.entries.filter { if case .commandAccepted = $0.event { true } else { false } }
    #expect(try session.markers([.action]).map(\.sequence) == actions.map(\.sequence))
    var visited: [RecordedMarker] = []
    var at: Int64 = 0
    while let next = try session.marker(.next, of: at) {
      visited.append(next)
      at = next.sequence
    }
    #expect(visited.map(\.sequence) == all.map(\.sequence).reduce(into: []) { if $0.last != $1 { $0.append($1) } })
    #expect(try session.marker(.previous, of: all[3].sequence, [.action])?.kind == .action)
    #expect(try session.marker(.previous, of: 1) == nil)

    let query = try CellQuery(parsing: "user:ana wait>1s")
    let found = try session.cells(matching: query)
    #expect(found.count > 5 && found.allSatisfy { $0.user == "ana" })
    #expect(found.map(\.sequence) == found.map(\.sequence).sorted())
    #expect(try session.cell(.next, of: found[2].sequence, matching: query) == found[3])
    #expect(try session.cell(.previous, of: found[2].sequence, matching: query) == found[1])
    #expect(try session.cells(matching: CellQuery(parsing: "outcome:error")).allSatisfy { $0.outcome == "error" })
    #expect(try session.cells(matching: CellQuery(parsing: "/BOOK-1")).allSatisfy { $0.path.contains("book-1") })
    for bad in ["", "user:", "wait>soon", "outcome:bad", "ana"] {
      #expect(throws: ParseError.self) { try CellQuery(parsing: bad) }
    }
  }

  @Test("gives each input with the entries that it brought, from any moment on")
  func inputs() throws {
    let place = TemporaryHistory()
    var played = try Played(seed: 7)
    try place.record(&played, rounds: 800, into: place.open())
    let session = try place.open().recorded()
    var again = try Scheduler(policy: "dynamic", from: .standard)
    try session.forEachInput { input, brought in
      #expect(again.entries(for: input.input, at: input.at) == brought)
      return true
    }
    #expect(again.ledger.digest.hexadecimal == session.summary.digest)
    let middle = session.last / 2
    let late = try session.inputs(after: middle)
    let all = try session.inputs()
    #expect(late == all.filter { $0.after >= middle })
  }
}
