import CLinux
import Canvas
import Console
import Domain
import Foundation
import Projections
import Session
import Terminal

/// Where a console's boards come from and its orders go.
protocol ConsoleSource: AnyObject {
  /// Sets what wakes the console when there is something new.
  func callOnChange(_ body: (@Sendable () -> Void)?)
  /// Brings the state up to date for drawing now.
  func refresh(_ state: inout ConsoleState)
  func obey(_ order: ReplayOrder)
  func submit(_ command: Command)
  /// How long the picture can stand still, in seconds; nil for as long as nothing happens.
  func secondsToNextFrame(_ state: ConsoleState) -> Double?
}

/// Runs a console on a terminal until it is left.
final class ConsoleRunner {
  private let screen: CursesScreen
  private let theme: ResolvedTheme
  private let glyphs: GlyphSet
  private let loop = TerminalLoop()
  private let source: any ConsoleSource
  private var state: ConsoleState
  private var hasMouse = true

  /// - Throws: `ScreenError` where the terminal cannot show it.
  init(_ source: any ConsoleSource, state: ConsoleState, theme: Theme, log: String?) throws {
    var options = ScreenOptions.fromEnvironment()
    options.errorLog = log
    screen = try CursesScreen(options)
    self.theme = theme.resolved(for: screen.depth)
    glyphs = theme.glyphs(for: screen.repertoire)
    self.source = source
    self.state = state
  }

  /// Until the operator leaves, the terminal is gone or the process is told to end.
  func run() {
    let waker = loop.waker
    source.callOnChange { waker.wake() }
    draw()
    loop.run(on: screen) { [self] events in
      for event in events where handle(event) == .leave { return .stop }
      draw()
      let next = source.secondsToNextFrame(state)
      return .wait(until: next.map { ContinuousClock.now + .seconds($0) })
    }
    source.callOnChange(nil)
    screen.close()
  }

  private enum Verdict { case stay, leave }

  private func handle(_ event: LoopEvent) -> Verdict {
    switch event {
    case .input(let key):
      source.refresh(&state)
      for intent in state.handle(key) where perform(intent) == .leave { return .leave }
      return .stay
    case .interrupted:
      return state.handle(.key(KeyPress(.character("c"), .control))).contains(.quit) ? .leave : .stay
    case .modelChanged, .deadline, .resized, .suspendRequested: return .stay
    case .resumed:
      screen.redraw()
      return .stay
    case .terminated, .inputEnded: return .leave
    }
  }

  private func perform(_ intent: Intent) -> Verdict {
    switch intent {
    case .quit: return .leave
    case .redraw: screen.redraw()
    case .order(let command): source.submit(command)
    case .replay(let order): source.obey(order)
    case .toggleMouse:
      hasMouse.toggle()
      screen.setMouse(hasMouse)
    case .dump(let path):
      let text = state.screen(size: screen.size, glyphs: glyphs).text
      do {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        state.tell(.good, "the screen was written to \(path)")
      } catch {
        state.tell(.warning, "cannot write \(path): \(error.localizedDescription)")
      }
    }
    return .stay
  }

  private func draw() {
    source.refresh(&state)
    screen.present(state.screen(size: screen.size, glyphs: glyphs), theme: theme)
  }
}

/// A live session as a console's source.
final class LiveSource: ConsoleSource {
  private let session: LiveSession

  init(_ session: LiveSession) { self.session = session }

  func callOnChange(_ body: (@Sendable () -> Void)?) { session.board.callOnChange(body) }

  func refresh(_ state: inout ConsoleState) {
    state.trouble = session.trouble
    state.clock = session.clock.now
    state.show(session.board.take(), at: session.clock.now)
  }

  func obey(_ order: ReplayOrder) {}

  func submit(_ command: Command) { session.submit(command) }

  /// Once a second, for the clock: one that stands still looks like a console that hangs.
  func secondsToNextFrame(_ state: ConsoleState) -> Double? {
    1 - Double(session.clock.now.microseconds % 1_000_000) / 1e6 + 0.001
  }
}

/// A recorded session as a console's source.
final class ReplaySource: ConsoleSource {
  /// The most pictures a second.
  static let framesMost = 15.0

  private var player: ReplayPlayer
  private var last: Int64

  init(_ player: ReplayPlayer) {
    self.player = player
    last = celltop_boottime_us()
  }

  func callOnChange(_ body: (@Sendable () -> Void)?) {}

  func refresh(_ state: inout ConsoleState) {
    let now = celltop_boottime_us()
    player.advance(by: Span(microseconds: now - last))
    last = now
    state.clock = Instant(microseconds: now)
    state.transport = TransportFacts(player)
    state.show(player.board, at: player.position)
  }

  func obey(_ order: ReplayOrder) {
    switch order {
    case .togglePlaying: player.togglePlaying()
    case .step(let count): player.step(by: count)
    case .changeSpeed(let direction): player.changeSpeed(direction)
    case .setSpeed(let speed): player.setSpeed(speed)
    case .seek(let instant): player.seek(to: instant)
    case .seekShare(let share): player.seek(toShare: share)
    case .seekMarker(let direction): player.seekToMarker(direction)
    }
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
}

extension TransportFacts {
  init(_ player: ReplayPlayer) {
    self.init(
      isPlaying: player.isPlaying, speed: player.speed, end: player.end, markers: player.markers, entry: player.count,
      entries: player.entries.count)
  }
}
