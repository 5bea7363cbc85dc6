import Domain
import Engine
import Foundation
import History
import Policies
import Projections
import Testing

@testable import Session

@Suite("Tapes: recorded, in memory, and one after the other") struct ReplayTapeTests {
  /// A session that the engine decided, with its inputs.
  private static func decided(cells: Int, seed: UInt64) throws -> (
    inputs: [(at: Instant, after: Int64, input: Input)], entries: [Entry]
  ) {
    var scheduler = try Scheduler(policy: "fcfs", from: .standard)
    var inputs: [(at: Instant, after: Int64, input: Input)] = []
    var entries: [Entry] = []
    var now = Instant.zero
    var state = seed
    func random(_ most: Int64) -> Int64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int64(state >> 33) % most
    }
    func give(_ input: Input) {
      inputs.append((now, scheduler.state.sequence, input))
      scheduler.handle(input, at: now)
      entries += scheduler.entries
    }
    give(.observation(.nodeFound(Node(id: NodeID(0), name: "node", cores: CoreSet(0..<2)))))
    for index in 0..<4 {
      let id = NotebookID(Int32(index))
      give(
        .observation(
          .notebookOpened(Notebook(id: id, node: NodeID(0), user: ["ana", "ben"][index % 2], path: "n\(index).ipynb"))))
      give(.observation(.kernelReady(id)))
    }
    var left = cells
    while left > 0 {
      now = now + Span(microseconds: random(9_000_000))
      let id = NotebookID(Int32(random(4)))
      let slot = scheduler.state[id]
      if slot.state == .thinking {
        give(.observation(.cellSubmitted(id, .oneCore, CellSource(key: UInt64(left)), nil)))
        left -= 1
      } else if slot.state == .running {
        give(.observation(.cellEnded(id, slot.cell.id, random(20) == 0 ? .error : .ok)))
      }
      if random(30) == 0 {
        give(.command(Command(id: CommandID(UInt64(left + 1)), author: "op", verb: .setPriority(id, Int32(random(9))))))
      }
    }
    return (inputs, entries)
  }

  private static func recorded(
    _ session: (inputs: [(at: Instant, after: Int64, input: Input)], entries: [Entry])
  ) throws -> (RecordedSession, String) {
    let folder = NSTemporaryDirectory() + "celltop-tape-" + UUID().uuidString
    let store = try HistoryStore(path: folder + "/history.sqlite")
    let writer = try SessionWriter(store, .init(kind: "live", host: "h", user: "u", beganMicroseconds: 0))
    for (index, given) in session.inputs.enumerated() {
      let next = index + 1 < session.inputs.count ? Int(session.inputs[index + 1].after) : session.entries.count
      writer.take(given.input, at: given.at, after: given.after, bringing: session.entries[Int(given.after)..<next])
      if index % 500 == 499 { writer.flush() }
    }
    writer.end(atMicroseconds: 1, digest: "d")
    return (try store.recorded(writer.session), folder)
  }

  @Test("shows of a recorded session what its entries add up to, wherever it is sent")
  func lazy() throws {
    let session = try Self.decided(cells: 3000, seed: 5)
    let (recorded, folder) = try Self.recorded(session)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var lazy = ReplayPlayer(try RecordedTape(recorded))
    var whole = ReplayPlayer(session.entries)
    #expect(lazy.end == whole.end && lazy.total == session.entries.count)
    #expect(Set(lazy.markers) == Set(whole.markers) && lazy.markers.map(\.at) == whole.markers.map(\.at))
    func compare(_ what: String) {
      #expect(lazy.position == whole.position && lazy.count == whole.count, "\(what)")
      #expect(lazy.board == whole.board, "\(what)")
      #expect(lazy.trouble == nil, "\(what)")
    }
    compare("at the beginning")
    for share in [1, 0.5, 0.99, 0.01, 0.7, 0.71, 0] {
      lazy.seek(toShare: share)
      whole.seek(toShare: share)
      compare("at \(share)")
    }
    for step in [1, 1, -1, 40, 200, -3, 5000, -4000] {
      lazy.step(by: step)
      whole.step(by: step)
      compare("after \(step)")
    }
    for direction in [1, 1, 1, -1, 1, -1, -1, -1] {
      #expect(lazy.seekToMarker(direction) == whole.seekToMarker(direction))
      compare("marker \(direction)")
      #expect(lazy.seekToMarker(direction, [.error]) == whole.seekToMarker(direction, [.error]))
      compare("error \(direction)")
    }
    lazy.seek(to: .zero)
    whole.seek(to: .zero)
    for player in 0..<2 { if player == 0 { lazy.togglePlaying() } else { whole.togglePlaying() } }
    for speed in [1.0, 60, 600, 3600, 3600, 3600] {
      lazy.setSpeed(speed)
      whole.setSpeed(speed)
      lazy.advance(by: Span(seconds: 0.5))
      whole.advance(by: Span(seconds: 0.5))
      compare("played at \(speed)")
      #expect(lazy.untilNext == whole.untilNext)
    }
  }

  @Test("finds cells by notebook, user and wait, forth and back, and says when there is none")
  func search() throws {
    let session = try Self.decided(cells: 400, seed: 8)
    let (recorded, folder) = try Self.recorded(session)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var player = ReplayPlayer(try RecordedTape(recorded))
    player.extend(to: player.end + Span(seconds: 1))
    let queued = session.entries.compactMap { entry -> (Instant, NotebookID)? in
      if case .cellQueued(let cell) = entry.event { (entry.at, cell.notebook) } else { nil }
    }
    for (text, wanted) in [("/n2", [2]), ("user:ana", [0, 2]), ("user:ben /n3", [3])] {
      let query = try CellQuery(parsing: text)
      let expected = queued.filter { wanted.contains(Int($0.1.number)) }.map(\.0)
      player.seek(to: .zero)
      var found: [Instant] = []
      while let cell = player.seek(toCell: query, 1) {
        #expect(wanted.contains(Int(cell.notebook.number)) && player.position == cell.at)
        found.append(cell.at)
      }
      #expect(found == expected, "\(text)")
      var back: [Instant] = []
      player.seek(to: player.end)
      while let cell = player.seek(toCell: query, -1) { back.append(cell.at) }
      #expect(back.reversed() == found, "\(text) backwards")
    }
    player.seek(to: .zero)
    #expect(player.seek(toCell: try CellQuery(parsing: "user:nobody"), 1) == nil)
    #expect(player.position == .zero && player.trouble == nil)
  }

  @Test("goes from the recorded past into another world without a seam")
  func followed() throws {
    let session = try Self.decided(cells: 500, seed: 3)
    let (recorded, folder) = try Self.recorded(session)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let base = session.entries.count / 2
    let tape = try MemoryTape(
      Array(session.entries[base...]), after: RecordedTape(recorded), through: Int64(base))
    var joined = ReplayPlayer(tape)
    var whole = ReplayPlayer(session.entries)
    #expect(joined.total == whole.total && joined.end == whole.end && joined.markers == whole.markers)
    for share in [0.2, 0.49, 0.51, 0.5, 0.9, 0.1, 1, 0] {
      joined.seek(toShare: share)
      whole.seek(toShare: share)
      #expect(joined.board == whole.board && joined.count == whole.count, "at \(share)")
    }
    #expect(try tape.entries(from: Int64(base) - 2, limit: 5) == Array(session.entries[(base - 3)..<(base + 2)]))
    whole.extend(to: whole.end + Span(seconds: 60))
    whole.seek(toShare: 1)
    #expect(whole.position == session.entries[session.entries.count - 1].at + Span(seconds: 60))
  }

  @Test("stands still and says why where the history cannot be read")
  func unreadable() throws {
    struct Broken: ReplayTape {
      var first: Int64 { 1 }
      var last: Int64 { 9 }
      var end: Instant { Instant(seconds: 9) }
      var markers: [Marker] { [] }
      private var error: HistoryError { HistoryError("the disk is gone") }
      func board(through sequence: Int64) throws -> Board { throw error }
      func entries(from start: Int64, limit: Int) throws -> [Entry] { throw error }
      func sequence(at instant: Instant) throws -> Int64 { throw error }
      func marker(_ direction: SeekDirection, of sequence: Int64, _ kinds: Set<Marker.Kind>) throws -> Marker? {
        throw error
      }
      func cell(_ direction: SeekDirection, of sequence: Int64, matching query: CellQuery) throws -> FoundCell? {
        throw error
      }
    }
    var player = ReplayPlayer(Broken())
    player.seek(toShare: 0.5)
    #expect(player.position == .zero && player.board == Board() && player.trouble == "the disk is gone")
    player.togglePlaying()
    player.advance(by: Span(seconds: 1))
    #expect(!player.isPlaying)
    #expect(player.seekToMarker(1) == false)
  }
}
