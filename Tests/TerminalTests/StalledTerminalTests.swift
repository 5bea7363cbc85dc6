import CLinux
import Canvas
import Glibc
import Testing

@testable import Terminal

// Each test runs in a process of its own, which SIGALRM ends where it would wait for ever.

@Suite("A terminal that takes nothing any more")
struct StalledTerminalTests {
  /// A screenful in which everything differs from the one before.
  private static func frame(_ number: Int, _ size: Size) -> Grid {
    var grid = Grid(size: size)
    for row in 0..<size.rows {
      let text = String((0..<size.columns).map { Character(Unicode.Scalar(UInt8(33 + ($0 + row + number * 7) % 90))) })
      grid.draw(text, at: Point(column: 0, row: row), role: .text)
    }
    return grid
  }

  @Test("does not keep the process from ending, and is put back", arguments: [SIGTERM, SIGHUP, SIGINT, SIGQUIT])
  func ends(number: Int32) async {
    await #expect(processExitsWith: .success) { [number] in
      alarm(60)
      TerminalLoop.blockSignals()
      let pty = Pty(columns: 300, rows: 100)
      let before = pty.modes
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      raise(number)
      let theme = Theme.builtIn.resolved(for: screen.depth)
      // More than any terminal keeps for a reader that does not come.
      for step in 0..<5 { screen.present(StalledTerminalTests.frame(step, screen.size), theme: theme) }
      var pending = sigset_t()
      sigpending(&pending)
      require(sigismember(&pending, number) == 1, "the signal is the loop's")
      screen.close()
      require(pty.modes == before, "modes")
    }
  }

  @Test("does not keep the screen from being put away once the loop has taken the signal")
  func closes() async {
    await #expect(processExitsWith: .success) {
      alarm(60)
      let pty = Pty()
      let before = pty.modes
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      let other = open("/proc/self/fd/\(pty.secondary)", O_WRONLY | O_NONBLOCK | O_NOCTTY)
      let junk = [UInt8](repeating: 65, count: 4096)
      while junk.withUnsafeBytes({ write(other, $0.baseAddress, $0.count) }) > 0 {}
      while junk.withUnsafeBytes({ write(other, $0.baseAddress, 1) }) > 0 {}
      screen.close()
      require(pty.modes == before, "modes")
    }
  }

  @Test("gets the whole picture again once it takes something")
  func recovers() async {
    await #expect(processExitsWith: .success) {
      alarm(60)
      TerminalLoop.blockSignals()
      let pty = Pty(columns: 300, rows: 100)
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      raise(SIGINT)
      let theme = Theme.builtIn.resolved(for: screen.depth)
      for step in 0..<5 { screen.present(StalledTerminalTests.frame(step, screen.size), theme: theme) }
      // The signal is taken, and what was kept for the reader is read.
      var set = sigset_t()
      sigemptyset(&set)
      sigaddset(&set, SIGINT)
      var taken: Int32 = 0
      sigwait(&set, &taken)
      var buffer = [UInt8](repeating: 0, count: 65_536)
      var waiting = pollfd(fd: pty.primary, events: Int16(POLLIN), revents: 0)
      while poll(&waiting, 1, 200) > 0, read(pty.primary, &buffer, buffer.count) > 0 {}
      let reader = celltop_fork()
      if reader == 0 {
        // Reads until the end of the last frame has come.
        var text: [UInt8] = []
        while !text.suffix(100_000).contains(0x7F) {
          var ready = pollfd(fd: pty.primary, events: Int16(POLLIN), revents: 0)
          poll(&ready, 1, -1)
          let count = read(pty.primary, &buffer, buffer.count)
          if count > 0 { text += buffer[..<count] }
        }
        _exit(text.count > 30_000 ? 0 : 1)
      }
      // The same picture as the last one: nothing of it would be drawn if it were believed to be there.
      screen.present(StalledTerminalTests.frame(4, screen.size), theme: theme)
      write(pty.secondary, "\u{7F}", 1)
      var status: Int32 = 0
      waitpid(reader, &status, 0)
      require(status == 0, "only a part was drawn")
      screen.close()
    }
  }
}
