import Canvas
import Glibc

/// What a screen is opened with.
public struct ScreenOptions: Sendable {
  /// The terminal's input.
  public var input: Int32 = STDIN_FILENO
  /// The terminal's output.
  public var output: Int32 = STDOUT_FILENO
  /// The terminal's type, as `TERM` gives it.
  public var terminalType: String?
  /// What `COLORTERM` says: `truecolor` or `24bit` allow true colour.
  public var colorTerm: String?
  /// No colours, as `NO_COLOR` asks (no-color.org: set and not empty).
  public var isColorless = false
  /// The colours to use at most; nil takes what the terminal has.
  public var depthMax: ColorDepth?
  /// The repertoire; nil takes what the locale allows.
  public var repertoire: Repertoire?
  /// Whether the mouse is ours from the start; see ``CursesScreen/setMouse(_:)``.
  public var capturesMouse = true
  /// Where standard error goes while the screen is up, so that a library's message does not break the picture; nil
  /// leaves it alone, and so does standard error that is no terminal.
  public var errorLog: String?

  /// Options that know nothing of the environment.
  public init() {}

  /// Options as the environment asks: `TERM`, `COLORTERM`, `NO_COLOR`.
  public static func fromEnvironment() -> ScreenOptions {
    var options = ScreenOptions()
    options.terminalType = environment("TERM")
    options.colorTerm = environment("COLORTERM")
    options.isColorless = isColorless(noColor: environment("NO_COLOR"))
    return options
  }

  /// Whether `NO_COLOR` asks for no colours: where it is set, and not empty (no-color.org).
  public static func isColorless(noColor: String?) -> Bool { noColor?.isEmpty == false }

  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// The terminfo entries to try for true colour, best first: `xterm-direct` for `xterm-256color`.
  static func directEntries(for terminalType: String) -> [String] {
    if terminalType.hasSuffix("-direct") { return [terminalType] }
    var family = terminalType[...]
    for suffix in ["-256color", "-16color", "-color"] where family.hasSuffix(suffix) {
      family.removeLast(suffix.count)
      break
    }
    return ["\(family)-direct"]
  }

  /// Whether `COLORTERM` promises true colour.
  var promisesTrueColor: Bool { colorTerm == "truecolor" || colorTerm == "24bit" }
}

/// Why a screen cannot be opened.
public enum ScreenError: Error, Hashable, CustomStringConvertible {
  /// Input or output is a file or a pipe.
  case notATerminal(String)
  /// `TERM` is unset or empty.
  case noTerminalType
  /// terminfo has no such entry.
  case unknownTerminalType(String)
  /// The terminal cannot do what a screen needs.
  case cannotMoveCursor(String)
  /// ncurses refuses for a reason that it does not give.
  case cannotStart(String)
  /// The log for standard error cannot be opened.
  case cannotOpenLog(String, reason: String)

  public var description: String {
    switch self {
    case .notATerminal(let which):
      "cannot open the screen: \(which) is not a terminal. Run celltop in a terminal, or use --once to print a screen."
    case .noTerminalType:
      "cannot open the screen: TERM is not set. Try TERM=xterm-256color, or use --once to print a screen."
    case .unknownTerminalType(let name):
      "cannot open the screen: the terminal type '\(name)' (TERM) is not in the terminfo database. "
        + "Install ncurses-term, or try TERM=xterm-256color."
    case .cannotMoveCursor(let name):
      "cannot open the screen: a terminal of type '\(name)' (TERM) cannot move its cursor. "
        + "Try TERM=xterm-256color if it can, or use --once to print a screen."
    case .cannotStart(let name):
      "cannot open the screen: ncurses does not start on a terminal of type '\(name)'. Try TERM=xterm-256color."
    case .cannotOpenLog(let path, let reason):
      "cannot open the log '\(path)' for standard error: \(reason). Make its directory writable or name another."
    }
  }
}
