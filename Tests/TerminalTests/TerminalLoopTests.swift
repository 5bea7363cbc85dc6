import CLinux
import Canvas
import Glibc
import Testing

@testable import Terminal

// Each test runs in a process of its own: signals belong to a whole process. They are raised, that is, sent to the thread
// of the loop: the threads that swift-testing started before do not block them.

/// Runs a loop and gives all its events; `act` is called with each batch, and a nil verdict goes on without a deadline.
private func events(of loop: TerminalLoop, _ act: ([LoopEvent]) -> LoopVerdict? = { _ in nil }) -> [LoopEvent] {
  var all: [LoopEvent] = []
  loop.run { batch in
    all += batch
    return act(batch) ?? .wait(until: nil)
  }
  return all
}

private func key(_ character: Character) -> LoopEvent { .input(.key(KeyPress(.character(character)))) }

@Suite("The terminal loop")
struct TerminalLoopTests {
  @Test("delivers keys, changes, deadlines and signals, and ends when told to terminate")
  func delivers() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let loop = TerminalLoop(input: pty.secondary)
      var modes = termios()
      tcgetattr(pty.secondary, &modes)
      cfmakeraw(&modes)
      tcsetattr(pty.secondary, TCSANOW, &modes)
      pty.type("a")
      let all = events(of: loop) { batch in
        switch batch.last {
        case key("a"):
          loop.waker.wake()
          loop.waker.wake()
          return nil
        case .modelChanged: return .wait(until: ContinuousClock.now + .milliseconds(5))
        case .deadline: raise(SIGWINCH)
        case .resized: raise(SIGINT)
        case .interrupted: raise(SIGTERM)
        default: break
        }
        return nil
      }
      require(all == [key("a"), .modelChanged, .deadline, .resized, .interrupted, .terminated(SIGTERM)], "\(all)")
    }
  }

  @Test("takes an escape for a key when nothing follows, without a key to wake it")
  func escape() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let loop = TerminalLoop(input: pty.secondary)
      var modes = termios()
      tcgetattr(pty.secondary, &modes)
      cfmakeraw(&modes)
      tcsetattr(pty.secondary, TCSANOW, &modes)
      pty.type("\u{1B}")
      let all = events(of: loop) { _ in .stop }
      require(all == [.input(.key(KeyPress(.escape)))], "\(all)")
    }
  }

  @Test("does not wake while nothing happens, and gathers a storm of changes")
  func quiet() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let loop = TerminalLoop(input: pty.secondary)
      loop.changeInterval = .milliseconds(40)
      let start = ContinuousClock.now
      var changes = 0
      loop.waker.wake()
      _ = events(of: loop) { batch in
        if batch.contains(.deadline) { return .stop }
        changes += 1
        loop.waker.wake()
        return .wait(until: start + .milliseconds(400))
      }
      require(changes <= 12, "\(changes) changes in 400 ms")
      require(loop.wakeUps <= 3 * changes + 3, "\(loop.wakeUps) wake-ups")
    }
  }

  @Test("ends when the terminal is gone")
  func hangup() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let loop = TerminalLoop(input: pty.secondary)
      close(pty.primary)
      let all = events(of: loop)
      require(all == [.inputEnded], "\(all)")
      // One look tells that it is gone: a loop that went on looking would spin.
      require(loop.wakeUps <= 2, "\(loop.wakeUps) wake-ups")
    }
  }

  @Test("leaves the terminal as it was after SIGTERM")
  func terminated() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let before = pty.modes
      TerminalLoop.blockSignals()
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      let loop = TerminalLoop(input: pty.secondary)
      screen.present(Grid(size: screen.size), theme: Theme.builtIn.resolved(for: screen.depth))
      pty.collect()
      raise(SIGTERM)
      var last: LoopEvent?
      loop.run(on: screen) { batch in
        last = batch.last
        return .wait(until: nil)
      }
      screen.close()
      require(last == .terminated(SIGTERM), "\(String(describing: last))")
      require(pty.collect().contains("\u{1B}[?1049l"), "alternate screen")
      require(pty.modes == before, "modes")
    }
  }

  @Test("takes the new size before it says that the window was resized")
  func resizes() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      TerminalLoop.blockSignals()
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      let loop = TerminalLoop(input: pty.secondary)
      pty.resize(columns: 200, rows: 50)
      raise(SIGWINCH)
      loop.run(on: screen) { batch in
        require(batch == [.resized] && screen.size == Size(columns: 200, rows: 50), "\(batch) \(screen.size)")
        return .stop
      }
      screen.close()
    }
  }
}
