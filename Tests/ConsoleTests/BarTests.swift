import Canvas
import Domain
import Projections
import Testing

@testable import Console

/// The bar below the panes: what is on it stands still while nothing about it changes.
@Suite("The bar of the session") struct BarTests {
  private static let size = Size(columns: 120, rows: 40)

  /// The bar's line, and the columns of its marks.
  private static func bar(_ state: ConsoleState, _ size: Size = size) throws -> [Character] {
    let row = try #require(state.layout(size).transport).row
    let grid = state.screen(size: size)
    return (0..<size.columns).map { Character(grid[column: $0, row: row].base) }
  }

  private static func marks(_ line: [Character]) -> [Int: Character] {
    var marks: [Int: Character] = [:]
    let start = line.firstIndex(of: "├") ?? 0
    for (column, character) in line.enumerated() where column > start && "▲!xwf".contains(character) {
      marks[column] = character
    }
    return marks
  }

  /// Marks of every kind, some of them at nearly the same moment.
  private static let board: Board = {
    var board = RichSession.board
    func add(_ at: Double, _ event: Event) {
      board.apply(Entry(sequence: board.sequence + 1, at: Instant(seconds: at), event: event))
    }
    for (number, part) in (0..<40).map({ $0 * $0 % 97 }).sorted().enumerated() {
      let at = 610 + Double(part) * 3 + Double(number) * 0.4
      let cell = CellID(Int64(900 + number))
      add(at, .commandAccepted(Command(id: CommandID(UInt64(number)), author: "ana", verb: .setPolicy("fcfs"))))
      add(at + 0.7, .cellSuspended(cell, RichSession.churn, Reason(.preempted, for: RichSession.digits)))
      if number % 3 == 0 { add(at + 0.9, .cellEnded(cell, RichSession.twin, .error)) }
    }
    return board
  }()

  @Test("one mark goes before the others in a column, whichever came last")
  func precedence() throws {
    let order: [Marker.Kind] = [.fault, .action, .error, .preemption, .wait]
    #expect(Set(order) == Set(Marker.Kind.allCases) && order.map(\.precedence) == [5, 4, 3, 2, 1])
    let glyphs: [Marker.Kind: Character] = [.fault: "f", .action: "▲", .error: "x", .preemption: "!", .wait: "w"]
    for (place, kind) in order.enumerated() {
      for several in [Array(order[place...]), order[place...].reversed()] {
        var state = RichSession.replay()
        state.transport?.markers = several.enumerated().map {
          Marker(at: Instant(seconds: 300 + Double($0) * 0.1), sequence: Int64($0), kind: $1, notebook: nil)
        }
        #expect(Array(Self.marks(try Self.bar(state)).values) == [glyphs[kind]], "\(several)")
      }
    }
    // The timeline's rows have the same.
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<2)))
    let id = tape.open("a", at: 1)
    let cell = tape.run(id, on: CoreSet([0]), at: 2)
    tape.order(.hold(id), at: 3)
    tape.add(.cellSuspended(cell, id, Reason(.preempted, for: id)), at: 3.1)
    let scale = TimeScale(window: Span(seconds: 60), columns: 30, end: Instant(seconds: 5))
    let row = Timeline(tape.board, of: [id], scale: scale, now: Instant(seconds: 5)).rows[0]
    #expect(row.marks.compactMap { $0 } == [.action])
  }

  @Test("a live session's marks stand still while it goes on, and move together when the bar is full")
  func liveStandsStill() throws {
    var state = RichSession.state(RichSession.live().session, Self.board, Instant(seconds: 950))
    var before: [Int: Character]?
    var moves = 0
    var heads: [Int] = []
    for second in 0..<1800 {
      let now = Instant(seconds: 950 + Double(second))
      state.clock = now
      state.show(Self.board, at: now)
      let line = try Self.bar(state)
      let head = try #require(line.lastIndex(of: "●"))
      var marks = Self.marks(line)
      marks[head] = nil
      if let before, before != marks { moves += 1 }
      before = marks
      heads.append(head)
      // What has passed takes three quarters of the bar at the least.
      let start = try #require(line.firstIndex(of: "├"))
      #expect((head - start) * 4 >= (Self.size.columns - 20 - start) * 3 - 8, "\(String(line))")
    }
    // From 950 s to 2750 s the bar is made longer by an eighth to a quarter each time.
    #expect((1...8).contains(moves), "\(moves) moves")
    #expect(Set(heads).count > 5, "the head goes on")
  }

  @Test(
    "a replay's bar begins and ends in the same columns, whatever entry, speed or moment is shown",
    arguments: [80, 120])
  func replayStandsStill(columns: Int) throws {
    let size = Size(columns: columns, rows: 40)
    var ends: Set<[Int?]> = []
    var marks: Set<[Int]> = []
    for (entry, speed, isPlaying) in [
      (1, 1.0, false), (99, 8, true), (100, 15, true), (12_345, 3600, true), (7, 0.125, false),
    ] {
      var state = RichSession.replay()
      state.transport?.entries = 12_345
      state.transport?.entry = entry
      state.transport?.speed = speed
      state.transport?.isPlaying = isPlaying
      let line = try Self.bar(state, size)
      ends.insert([line.firstIndex(of: "├"), line.lastIndex(of: "┤")])
      marks.insert(Self.marks(line).keys.sorted())
    }
    #expect(ends.count == 1 && marks.count == 1, "\(ends) \(marks)")
  }
}
