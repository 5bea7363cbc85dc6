import Chance
import Domain
import Projections
import Testing

@testable import Session

@Suite("The replay player") struct ReplayPlayerTests {
  private static let id = NotebookID(0)

  /// A session of `rounds` cells, drawn by lot: several entries an instant now and then, markers here and there.
  private static func session(rounds: Int, seed: UInt64) -> [Entry] {
    var random = SplitMix(seed: seed)
    var entries: [Entry] = []
    var now = Instant(seconds: 3)
    func add(_ event: Event) { entries.append(Entry(sequence: Int64(entries.count + 1), at: now, event: event)) }
    func pause() { if random.next() % 4 > 0 { now = now + Span(microseconds: Int64(random.next() % 3_000_000)) } }
    add(.nodeAdded(Node(id: NodeID(0), name: "node", cores: CoreSet(0..<4))))
    add(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "ana", path: "a.ipynb")))
    add(.kernelReady(id))
    for round in 1...rounds {
      pause()
      let cell = CellID(Int64(round))
      add(.cellQueued(Cell(id: cell, notebook: id, submitted: now, demand: .oneCore)))
      pause()
      add(.cellStarted(cell, id, Allotment(node: NodeID(0), cores: CoreSet([1])), Reason(.firstCome)))
      if random.next() % 10 == 0 {
        pause()
        let order = Command(id: CommandID(UInt64(round)), author: "ana", verb: .setPriority(id, Int32(round % 100)))
        add(.commandAccepted(order))
        add(.priorityChanged(id, Int32(round % 100)))
      }
      pause()
      add(.cellEnded(cell, id, random.next() % 20 == 0 ? .error : .ok))
    }
    return entries
  }

  /// What the board must be: the entries until `instant`, folded one by one.
  private static func fold(_ entries: [Entry], until instant: Instant) -> Board {
    var board = Board()
    for entry in entries where entry.at <= instant { board.apply(entry) }
    return board
  }

  @Test("shows at every position the fold of the entries until then", arguments: UInt64(1)...12)
  func seek(seed: UInt64) {
    let entries = Self.session(rounds: 60, seed: seed)
    var player = ReplayPlayer(entries)
    var random = SplitMix(seed: seed &* 31)
    for _ in 0..<60 {
      let instant = Instant(microseconds: Int64(random.next() % UInt64(player.end.microseconds + 1)))
      player.seek(to: instant)
      #expect(player.position == instant, "seed \(seed)")
      #expect(player.board == Self.fold(entries, until: instant), "seed \(seed), at \(instant)")
    }
  }

  @Test("is longer for a world that lasts longer, and as long as it was without it")
  func extended() {
    let entries = Self.session(rounds: 10, seed: 3)
    var player = ReplayPlayer(entries)
    let end = player.end
    player.extend(to: end + Span(seconds: 100))
    player.seek(to: end + Span(seconds: 50))
    #expect(player.position == end + Span(seconds: 50))
    player.endWithTape()
    #expect(player.end == end && player.position == end)
    #expect(player.board == Self.fold(entries, until: end))
    player.extend(to: end + Span(seconds: 100))
    player.seek(to: Instant(seconds: 5))
    player.endWithTape()
    #expect(player.end == end && player.position == Instant(seconds: 5))
  }

  @Test("shows the same over key frames, there and back")
  func keyFrames() {
    let entries = Self.session(rounds: 2200, seed: 7)
    #expect(entries.count > 3 * MemoryTape.keyFrameEvery)
    var player = ReplayPlayer(entries)
    for share in [1, 0.999, 0.7, 0.34, 0.33, 0.8, 0, 0.5, 0.01, 1] {
      player.seek(toShare: share)
      #expect(player.board == Self.fold(entries, until: player.position), "at \(share)")
    }
    for count in [MemoryTape.keyFrameEvery + 1, -1, -1, 1, -3, 2] {
      if count > 1000 { player.step(by: count - player.count) } else { player.step(by: count) }
      #expect(player.board.sequence == Int64(player.count))
    }
  }

  @Test("begins paused at the first entry, and bears an empty session")
  func beginning() {
    let entries = Self.session(rounds: 3, seed: 1)
    let player = ReplayPlayer(entries)
    #expect(player.position == Instant(seconds: 3))
    #expect(!player.isPlaying)
    #expect(player.count == 3)
    var empty = ReplayPlayer([])
    empty.togglePlaying()
    empty.advance(by: Span(seconds: 5))
    empty.step(by: 1)
    empty.step(by: -1)
    #expect(empty.seekToMarker(1) == false)
    #expect(empty.board == Board())
    #expect(empty.share == 1)
  }

  @Test("steps entry by entry, through several of one instant, forth and back, and pauses")
  func steps() {
    let entries = Self.session(rounds: 20, seed: 3)
    var player = ReplayPlayer(entries)
    player.togglePlaying()
    player.seek(to: .zero)
    player.step(by: 0)
    var forth: [Board] = [player.board]
    for _ in entries {
      player.step(by: 1)
      forth.append(player.board)
      #expect(player.position == entries[player.count - 1].at)
    }
    #expect(!player.isPlaying)
    player.step(by: 1)
    #expect(player.count == entries.count)
    for board in forth.reversed().dropFirst() {
      player.step(by: -1)
      #expect(player.board == board)
    }
    player.step(by: -1)
    #expect(player.count == 0)
    #expect(player.position == .zero)
  }

  @Test("goes from marker to marker, each once, and says when there is none")
  func markers() {
    let entries = Self.session(rounds: 100, seed: 5)
    var player = ReplayPlayer(entries)
    #expect(player.markers == Self.fold(entries, until: player.end).markers)
    #expect(player.markers.count > 5)
    var instants: [Instant] = []
    for marker in player.markers where marker.at != instants.last { instants.append(marker.at) }
    player.seek(to: .zero)
    var visited: [Instant] = []
    while player.seekToMarker(1) { visited.append(player.position) }
    #expect(visited == instants)
    #expect(player.seekToMarker(1) == false)
    var back: [Instant] = []
    player.seek(to: player.end)
    while player.seekToMarker(-1) { back.append(player.position) }
    #expect(back.reversed() == instants.filter { $0 < player.end })
  }

  @Test("climbs and descends the ladder of speeds, from between its rungs as well, and stays on it")
  func speeds() {
    var player = ReplayPlayer(Self.session(rounds: 2, seed: 1))
    var seen: [Double] = []
    for _ in 0..<20 {
      player.changeSpeed(1)
      seen.append(player.speed)
    }
    #expect(seen == Array(ReplayPlayer.speeds[4...]) + Array(repeating: 3600, count: 20 - 11))
    for _ in 0..<30 { player.changeSpeed(-1) }
    #expect(player.speed == 0.125)
    player.setSpeed(3)
    player.changeSpeed(1)
    #expect(player.speed == 4)
    player.setSpeed(3)
    player.changeSpeed(-1)
    #expect(player.speed == 2)
    player.setSpeed(1e9)
    #expect(player.speed == 3600)
    player.setSpeed(0)
    #expect(player.speed == 0.125)
  }

  @Test("plays by real time and speed, stops at the end, and begins again from there")
  func playing() {
    let entries = Self.session(rounds: 40, seed: 9)
    var player = ReplayPlayer(entries)
    let start = player.position
    player.advance(by: Span(seconds: 1))
    #expect(player.position == start)
    player.togglePlaying()
    player.setSpeed(4)
    player.advance(by: Span(seconds: 1.5))
    #expect(player.position == start + Span(seconds: 6))
    #expect(player.board == Self.fold(entries, until: player.position))
    player.advance(by: Span(seconds: 1e6))
    #expect(player.position == player.end)
    #expect(!player.isPlaying)
    #expect(player.untilNext == nil)
    player.togglePlaying()
    #expect(player.isPlaying)
    #expect(player.position == .zero)
  }

  @Test("wakes exactly when the next entry is due, at any speed", arguments: [0.125, 1, 8, 3600])
  func nextDue(speed: Double) throws {
    let entries = Self.session(rounds: 40, seed: 11)
    var player = ReplayPlayer(entries)
    player.setSpeed(speed)
    player.togglePlaying()
    while player.isPlaying {
      let before = player.count
      let wait = try #require(player.untilNext)
      player.advance(by: wait + Span(microseconds: 1))
      #expect(player.count > before)
    }
    #expect(player.count == entries.count)
  }

  @Test("keeps within the session wherever it is sent")
  func bounds() {
    var player = ReplayPlayer(Self.session(rounds: 5, seed: 2))
    player.seek(to: Instant(seconds: -50))
    #expect(player.position == .zero)
    player.seek(to: .never)
    #expect(player.position == player.end)
    player.seek(toShare: -3)
    #expect(player.position == .zero)
    player.seek(toShare: .nan)
    #expect(player.position == .zero)
    player.seek(toShare: 7)
    #expect(player.share == 1)
  }
}
