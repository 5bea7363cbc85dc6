import Canvas
import Glibc
import Testing

@testable import Terminal

// Each test runs in a process of its own: the environment and the locale belong to a whole process.

@Suite("What is printed")
struct PrintedFormTests {
  @Test(
    "has the colours of the terminal, the characters of the locale, and none with NO_COLOR",
    arguments: [
      "xterm-256color||C.UTF-8 256 utf8", "xterm||C.UTF-8 16 utf8", "dumb||C.UTF-8 none utf8",
      "no-such-terminal||C.UTF-8 none utf8", "||C.UTF-8 none utf8", "vt100||C none ascii",
      "xterm-256color||C 256 ascii", "xterm-256color|1|C.UTF-8 none utf8",
    ])
  func forms(kind: String) async {
    await #expect(processExitsWith: .success) { [kind] in
      let words = kind.split(separator: " ").map(String.init)
      let given = words[0].split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      let pty = Pty()
      setenv("TERM", given[0], 1)
      setenv("NO_COLOR", given[1], 1)
      setenv("LC_ALL", given[2], 1)
      var options = ScreenOptions.fromEnvironment()
      options.output = pty.secondary
      let form = PrintedForm(options)
      let depths: [String: ColorDepth?] = ["256": .palette256, "16": .sixteen, "none": nil]
      require(form.depth == depths[words[1]], "\(kind): \(String(describing: form.depth))")
      require(form.repertoire == (words[2] == "utf8" ? .utf8 : .ascii), "\(kind): \(form.repertoire)")
      options.output = open("/dev/null", O_RDWR)
      require(PrintedForm(options).depth == nil, "a file has no colours")
    }
  }

  @Test("takes TERM, COLORTERM and NO_COLOR from the environment; an empty NO_COLOR asks for nothing")
  func environment() async {
    await #expect(processExitsWith: .success) {
      setenv("TERM", "tmux-256color", 1)
      setenv("COLORTERM", "truecolor", 1)
      for (value, isColorless) in [("", false), ("0", true), ("1", true)] {
        setenv("NO_COLOR", value, 1)
        require(ScreenOptions.fromEnvironment().isColorless == isColorless, "NO_COLOR=\(value)")
      }
      unsetenv("NO_COLOR")
      let options = ScreenOptions.fromEnvironment()
      require(!options.isColorless && options.terminalType == "tmux-256color", "TERM")
      require(options.colorTerm == "truecolor", "COLORTERM")
    }
  }
}
