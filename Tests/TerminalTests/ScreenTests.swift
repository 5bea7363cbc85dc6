import CLinux
import Canvas
import Glibc
import Testing

@testable import Terminal

// Each test runs in a process of its own: ncurses and signals belong to a whole process.

private func frame(_ text: String, _ size: Size) -> Grid {
  var grid = Grid(size: size)
  grid.draw(text, at: Point(column: 2, row: 1), role: .stateRunning)
  return grid
}

private let leavesAlternateScreen = "\u{1B}[?1049l"

@Suite("The screen")
struct ScreenTests {
  @Test("shows a frame, draws only what changed, and puts the terminal back")
  func presents() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let before = pty.modes
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      require(screen.size == Size(columns: 80, rows: 24), "size")
      require(screen.depth == .palette256, "depth \(screen.depth)")
      require(screen.repertoire == .utf8, "repertoire")
      require(pty.modes != before, "cbreak mode")
      let theme = Theme.builtIn.resolved(for: screen.depth)
      screen.present(frame("hello 日本", screen.size), theme: theme)
      require(pty.collect().contains("hello 日本"), "first frame")
      let written = pty.output.count
      screen.present(frame("hello 日本", screen.size), theme: theme)
      pty.collect()
      require(pty.output.count == written, "nothing changed, nothing written")
      screen.present(frame("hellO 日本", screen.size), theme: theme)
      pty.collect()
      require(pty.output.count - written < 60, "\(pty.output.count - written) bytes")
      require(screen.statistics.drawn == 2 && screen.statistics.skipped == 1, "statistics")
      screen.close()
      require(pty.collect().contains(leavesAlternateScreen), "alternate screen")
      require(pty.collect().contains(InputModes.mouseOff) && pty.collect().contains(InputModes.pasteOff), "input modes")
      require(pty.modes == before, "modes")
    }
  }

  @Test("takes the last colours off before a frame that goes to the terminal as ncurses writes it")
  func uncaughtFrame() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      let theme = Theme.builtIn.resolved(for: screen.depth)
      screen.present(frame("hello", screen.size), theme: theme)
      pty.collect()
      var memories = 0
      for descriptor in Int32(3)..<64 {
        var name = [CChar](repeating: 0, count: 256)
        guard readlink("/proc/self/fd/\(descriptor)", &name, 255) > 0 else { continue }
        if String(cString: name).contains("memfd:frame") {
          close(descriptor)
          memories += 1
        }
      }
      require(memories == 1, "\(memories) files in memory")
      let written = pty.output.count
      screen.present(frame("world", screen.size), theme: theme)
      pty.collect()
      let last = String(decoding: pty.output[written...], as: UTF8.self)
      require(last.hasPrefix("\u{1B}[m"), "the frame does not begin without colours")
      require(screen.statistics.bytesOfLastFrame == nil, "it was caught")
      screen.close()
    }
  }

  @Test("follows the window's size")
  func resizes() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty(columns: 40, rows: 10)
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      let theme = Theme.builtIn.resolved(for: screen.depth)
      for step in 0..<50 {
        pty.resize(columns: UInt16(1 + step * 7 % 300), rows: UInt16(1 + step * 5 % 90))
        require(screen.adoptSize() || step == 0, "resize \(step)")
        screen.present(frame("日本語", screen.size), theme: theme)
        pty.collect()
      }
      // A grid larger or smaller than the screen does no harm either.
      screen.present(frame("large", Size(columns: 500, rows: 200)), theme: theme)
      screen.present(frame("small", Size(columns: 3, rows: 2)), theme: theme)
      pty.collect()
      screen.close()
    }
  }

  @Test(
    "opens on terminals of all kinds, with the colours that they have",
    arguments: [
      "xterm-256color 2", "tmux-256color 2", "linux 1", "xterm 1", "vt100 0", "screen 1",
    ])
  func depths(kind: String) async {
    await #expect(processExitsWith: .success) { [kind] in
      let parts = kind.split(separator: " ").map(String.init)
      let pty = Pty()
      guard let screen = try? CursesScreen(pty.options(type: parts[0])) else { return require(false, "no screen") }
      require(screen.depth.rawValue == Int(parts[1]), "depth \(screen.depth) on \(kind)")
      var grid = Grid(size: screen.size)
      for role in Role.allCases {
        for ground in Role.allCases {
          let place = Int(role.rawValue) * Role.allCases.count + Int(ground.rawValue)
          let point = Point(column: place % 80, row: place / 80 % 24)
          grid.put("x" as Unicode.Scalar, at: point, role: role)
          grid.setGround(ground, in: Rect(column: point.column, row: point.row, columns: 1, rows: 1))
        }
        screen.present(grid, theme: Theme.builtIn.resolved(for: screen.depth))
        pty.collect()
      }
      screen.close()
    }
  }

  @Test("uses 24-bit colours where COLORTERM promises them and terminfo knows how, and none with NO_COLOR")
  func trueColor() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      var options = pty.options()
      options.colorTerm = "truecolor"
      guard let screen = try? CursesScreen(options) else { return require(false, "no screen") }
      screen.present(frame("colour", screen.size), theme: Theme.builtIn.resolved(for: screen.depth))
      let hasEntry = ["/usr/share/terminfo/x", "/lib/terminfo/x"].contains { access($0 + "/xterm-direct", R_OK) == 0 }
      require(screen.depth == (hasEntry ? .trueColor : .palette256), "depth \(screen.depth)")
      require(!hasEntry || pty.collect().contains("38:2"), "colours")
      screen.close()
    }
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      var options = pty.options()
      options.isColorless = true
      guard let screen = try? CursesScreen(options) else { return require(false, "no screen") }
      require(screen.depth == .mono, "depth \(screen.depth)")
      screen.present(frame("plain", screen.size), theme: Theme.builtIn.resolved(for: .mono))
      require(!pty.collect().contains("38;5"), "colours")
      screen.close()
    }
  }

  @Test("is refused, with the terminal untouched, where it cannot work")
  func refusals() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      let before = pty.modes
      var none = pty.options()
      none.terminalType = nil
      var file = pty.options()
      file.output = open("/dev/null", O_RDWR)
      let cases: [(ScreenOptions, ScreenError)] = [
        (none, .noTerminalType), (pty.options(type: "no-such-terminal"), .unknownTerminalType("no-such-terminal")),
        (pty.options(type: "dumb"), .cannotMoveCursor("dumb")), (file, .notATerminal("standard output")),
      ]
      for (options, expected) in cases {
        do {
          _ = try CursesScreen(options)
          require(false, "opened")
        } catch {
          require(error as? ScreenError == expected, "\(error)")
        }
      }
      require(pty.collect().isEmpty && pty.modes == before, "untouched")
    }
  }

  @Test("keeps standard error off the picture")
  func errorLog() async {
    await #expect(processExitsWith: .success) {
      let pty = Pty()
      dup2(pty.secondary, STDERR_FILENO)
      var path = Array("/tmp/celltop-test-XXXXXX".utf8CString)
      close(mkstemp(&path))
      defer { unlink(path) }
      var options = pty.options()
      options.errorLog = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard let screen = try? CursesScreen(options) else { return require(false, "no screen") }
      write(STDERR_FILENO, "hidden", 6)
      screen.close()
      write(STDERR_FILENO, "shown", 5)
      require(!pty.collect().contains("hidden") && pty.collect().contains("shown"), "standard error")
      var buffer = [UInt8](repeating: 0, count: 6)
      let log = open(path, O_RDONLY)
      require(read(log, &buffer, 6) == 6 && buffer == Array("hidden".utf8), "log")
      unlink(path)
    }
  }

  @Test("is put back by a fatal signal before the process dies", arguments: [SIGSEGV, SIGABRT, SIGILL, SIGTRAP])
  func crash(number: Int32) async {
    await #expect(processExitsWith: .success) { [number] in
      let pty = Pty()
      let before = pty.modes
      // What the handler passes on to must end the process at once, without a backtrace.
      signal(number, SIG_DFL)
      guard let screen = try? CursesScreen(pty.options()) else { return require(false, "no screen") }
      screen.present(frame("up", screen.size), theme: Theme.builtIn.resolved(for: screen.depth))
      require(pty.modes != before, "cbreak mode")
      pty.collect()
      let child = celltop_fork()
      if child == 0 {
        // The thread may block this one, which abort undoes.
        if number == SIGABRT { abort() }
        kill(getpid(), number)
        _exit(0)
      }
      var status: Int32 = 0
      waitpid(child, &status, 0)
      require(status & 0x7F == number, "died of \(status & 0x7F), not \(number)")
      require(pty.collect().contains(leavesAlternateScreen), "alternate screen")
      require(pty.modes == before, "modes")
    }
  }
}
