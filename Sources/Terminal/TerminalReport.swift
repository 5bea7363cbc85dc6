import CNcurses
import Canvas
import Glibc

/// What a terminal is able to do, without a screen being opened on it.
public struct TerminalReport: Sendable {
  public var type: String
  /// The colours that its terminfo entry promises; 24-bit ones where `COLORTERM` promises them.
  public var colors: Int
  public var isTrueColor: Bool
  public var isUTF8: Bool
  /// Characters across and down; nil where it does not tell.
  public var size: Size?

  /// - Throws: ``ScreenError`` that says why no screen could be opened.
  public init(_ options: ScreenOptions) throws(ScreenError) {
    guard isatty(options.input) != 0 else { throw .notATerminal("standard input") }
    guard isatty(options.output) != 0 else { throw .notATerminal("standard output") }
    guard let name = options.terminalType, !name.isEmpty else { throw .noTerminalType }
    try Terminfo.check(name, output: options.output)
    type = name
    colors = Terminfo.number("colors", of: name, output: options.output)
    isTrueColor =
      options.promisesTrueColor
      && Terminfo.directEntry(among: ScreenOptions.directEntries(for: name), output: options.output) != nil
    setlocale(LC_CTYPE, "")
    isUTF8 = nl_langinfo(nl_item(CODESET)).map { String(cString: $0) } == "UTF-8"
    var window = winsize()
    size =
      ioctl(options.output, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0
      ? Size(columns: Int(window.ws_col), rows: Int(window.ws_row)) : nil
  }
}

extension Terminfo {
  /// A numeric capability of an entry; 0 where it has none.
  static func number(_ capability: String, of name: String, output: Int32) -> Int {
    var result: Int32 = 0
    guard celltop_setupterm(name, output, &result) == OK else { return 0 }
    defer { _ = celltop_forget_terminal() }
    return max(0, Int(tigetnum(capability)))
  }
}
