import CLinux
import Canvas
import Console
import Domain
import Engine
import Foundation
import History
import Projections
import Session
import Synchronization
import WhatIf

/// A recorded session as a console's source.
final class ReplaySource: ConsoleSource {
  /// The most pictures a second.
  static let framesMost = 15.0

  /// What a thread that decides again hands over.
  private enum Verdict: Sendable {
    case world(SideBySide, ReplayPlayer)
    case said(Flash.Level, String)
  }

  /// Where that thread and the console's meet.
  private final class Handover: Sendable {
    struct Box: Sendable {
      var verdict: Verdict?
      var onChange: (@Sendable () -> Void)?
      var isBusy = false
    }

    private let box = Mutex(Box())

    func withLock<Value: Sendable>(_ body: (inout Box) -> Value) -> Value { box.withLock { body(&$0) } }
  }

  private let session: RecordedSession
  private(set) var player: ReplayPlayer
  /// The session as it might have been, shown at the same instant.
  private var other: (player: ReplayPlayer, table: SideBySide)?
  private var last: Int64
  private let handover = Handover()

  /// - Throws: `HistoryError` where the session cannot be read.
  init(_ session: RecordedSession) throws {
    self.session = session
    player = ReplayPlayer(try RecordedTape(session))
    last = celltop_boottime_us()
  }

  func callOnChange(_ body: (@Sendable () -> Void)?) { handover.withLock { $0.onChange = body } }

  func refresh(_ state: inout ConsoleState) {
    let now = celltop_boottime_us()
    player.advance(by: Span(microseconds: now - last))
    last = now
    state.clock = Instant(microseconds: now)
    take(&state)
    if let trouble = player.trouble { state.tell(.warning, trouble) }
    showOther(&state)
    state.transport = TransportFacts(player)
    state.show(player.board, at: player.position)
  }

  /// Brings the other world to the same instant. Hidden or shown is the console's to say; hidden, the session is as long as it was.
  private func showOther(_ state: inout ConsoleState) {
    guard let end = other?.player.end else { return }
    guard state.alternative?.isShown == true else {
      if player.end > player.tape.end { player.endWithTape() }
      return
    }
    player.extend(to: end)
    other?.player.seek(to: player.position)
    if let board = other?.player.board { state.alternative?.board = board }
  }

  func obey(_ order: ReplayOrder, _ state: inout ConsoleState) {
    switch order {
    case .togglePlaying: player.togglePlaying()
    case .step(let count): player.step(by: count)
    case .changeSpeed(let direction): player.changeSpeed(direction)
    case .setSpeed(let speed): player.setSpeed(speed)
    case .seek(let instant): player.seek(to: instant)
    case .seekShare(let share): player.seek(toShare: share)
    case .seekMarker(let direction): seek(direction, Set(Marker.Kind.allCases), &state)
    case .seekMarkerOf(let kind, let direction): seek(direction, [kind], &state)
    case .search(let text, let direction): search(text, direction, &state)
    }
  }

  private func seek(_ direction: Int, _ kinds: Set<Marker.Kind>, _ state: inout ConsoleState) {
    if !player.seekToMarker(direction, kinds) {
      state.tell(.warning, "there is no such marker \(direction > 0 ? "after" : "before") this moment")
    }
  }

  private func search(_ text: String, _ direction: Int, _ state: inout ConsoleState) {
    let query: CellQuery
    do { query = try CellQuery(parsing: text) } catch { return state.tell(.warning, "\(error)") }
    guard let found = player.seek(toCell: query, direction) else {
      let where_ = direction > 0 ? "after" : "before"
      return state.tell(.warning, "no cell \(where_) this moment matches \(text.printable(at: 60))")
    }
    state.show(player.board, at: player.position)
    state.select(found: found.notebook)
    state.tell(
      .good,
      "\(player.board.name(of: found.notebook))[\(found.cell.number)] of \(found.user), submitted here (n: next, N: previous)"
    )
  }

  func submit(_ command: Command) {}

  func secondsToNextFrame(_ state: ConsoleState) -> Double? {
    guard let next = player.untilNext else {
      return state.flash.map { max(($0.until - state.clock).seconds, 0) + 0.01 }
    }
    // The times on the screen move by seconds of the session, entries when they are due.
    let toSecond = (1 - Double(player.position.microseconds % 1_000_000) / 1e6) / player.speed
    return max(min(next.seconds, toSecond), 1 / Self.framesMost)
  }

  func past(of state: ConsoleState) throws -> (any ConsoleSource, ConsoleState) {
    throw ToolError("this is the past already")
  }
}

// MARK: What if

extension ReplaySource {
  func whatIf(_ text: String, from: Instant, _ state: inout ConsoleState) {
    let changes: Changes
    do { changes = try Changes(parsing: text) } catch { return state.tell(.warning, "\(error)") }
    let isBusy = handover.withLock { box in
      defer { box.isBusy = true }
      return box.isBusy
    }
    guard !isBusy else { return state.tell(.warning, "the last what-if is not done yet") }
    state.tell(.good, "deciding again from \(Tool.clock(Int64(from.seconds))) on: \(changes.text.printable(at: 80)) …")
    let session = session
    let tape = player.tape
    let handover = handover
    let thread = Thread {
      let verdict = Self.decide(session, tape, changes, from)
      let wake = handover.withLock { box in
        box.verdict = verdict
        box.isBusy = false
        return box.onChange
      }
      wake?()
    }
    thread.name = "what-if"
    thread.stackSize = 4 << 20
    thread.start()
  }

  private static func decide(
    _ session: RecordedSession, _ tape: any ReplayTape, _ changes: Changes, _ from: Instant
  ) -> Verdict {
    do {
      if changes.isEmpty {
        let again = try SameAgain(session)
        return .said(again.isSame ? .good : .warning, again.text.split(separator: "\n").joined(separator: "; "))
      }
      let run = try WhatIfRun(session, changes, from: { _ in from })
      let base = (run.world.entries.first?.sequence ?? tape.last + 1) - 1
      let other = try MemoryTape(run.world.entries, after: base < tape.first ? nil : tape, through: base)
      return .world(run.table, ReplayPlayer(other))
    } catch { return .said(.warning, "\(error)") }
  }

  /// Takes over what was decided meanwhile.
  private func take(_ state: inout ConsoleState) {
    let verdict = handover.withLock { box in
      defer { box.verdict = nil }
      return box.verdict
    }
    switch verdict {
    case .world(let table, let player):
      other = (player, table)
      state.alternative = Alternative(table: table, board: player.board)
      state.tell(.good, "both worlds are on the screen: W shows them, Esc hides them")
    case .said(let level, let text): state.tell(level, text)
    case nil: break
    }
  }
}

extension TransportFacts {
  init(_ player: ReplayPlayer) {
    self.init(
      isPlaying: player.isPlaying, speed: player.speed, end: player.end, markers: player.markers, entry: player.count,
      entries: player.total)
  }
}
