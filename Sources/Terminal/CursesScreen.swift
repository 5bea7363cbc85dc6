import CLinux
import CNcurses
import Canvas
import Glibc

/// The screen: ncurses for output, and nothing else of ncurses.
///
/// One at a time, and all calls from one thread (ncurses is not safe for more, and the type is not `Sendable`). While
/// it is open the terminal is in cbreak mode on its alternate screen, its cursor hidden. ``close()`` puts everything
/// back; a fatal signal does too, before the process dies.
///
/// Call ``TerminalLoop/blockSignals()`` before, and before any other thread starts.
public final class CursesScreen {
  /// How many colours it shows; a theme is resolved for this.
  public let depth: ColorDepth
  /// What it can show; grids are made with glyphs for this.
  public let repertoire: Repertoire
  /// The extent; changes in ``adoptSize()`` only.
  public private(set) var size: Size
  /// What drawing has cost.
  public private(set) var statistics = FrameStatistics()

  private let options: ScreenOptions
  private let modesBefore: termios
  private let handle: OpaquePointer
  private let inputFile: UnsafeMutablePointer<FILE>
  private let outputFile: UnsafeMutablePointer<FILE>
  private let errorLog: ErrorLog?
  private let catcher: FrameCatcher?
  private let terminal: TerminalOutput
  private var shortener: OutputShortener
  private var pairs: ColorPairs
  private var styles: [UInt16: ColorPairs.Drawn] = [:]
  private var shown: Grid?
  private var shownTheme: ResolvedTheme?
  private var isUp = false
  private var isClosed = false
  private var capturesMouse: Bool

  /// Opens the screen.
  ///
  /// - Throws: ``ScreenError``, with the terminal as it was.
  public init(_ options: ScreenOptions) throws(ScreenError) {
    guard isatty(options.input) == 1 else { throw .notATerminal("standard input") }
    guard isatty(options.output) == 1 else { throw .notATerminal("standard output") }
    guard let type = options.terminalType, !type.isEmpty else { throw .noTerminalType }
    try Terminfo.check(type, output: options.output)
    repertoire = CursesScreen.adoptLocale(wanted: options.repertoire)
    let wantsTrueColor = !options.isColorless && options.depthMax ?? .trueColor == .trueColor
    let direct =
      wantsTrueColor && (options.promisesTrueColor || type.hasSuffix("-direct"))
      ? Terminfo.directEntry(among: ScreenOptions.directEntries(for: type), output: options.output) : nil

    var modes = termios()
    tcgetattr(options.input, &modes)
    modesBefore = modes
    self.options = options
    capturesMouse = options.capturesMouse
    errorLog =
      if let path = options.errorLog, isatty(STDERR_FILENO) == 1 { try ErrorLog(path: path) } else { nil }
    guard let opened = CursesScreen.open(direct ?? type, options) else {
      errorLog?.close()
      throw .cannotStart(type)
    }
    (handle, inputFile, outputFile) = opened
    depth = CursesScreen.startColors(options)
    pairs = ColorPairs(hasColors: depth > .mono)
    catcher = FrameCatcher(fileno(outputFile))
    terminal = TerminalOutput(options.output)
    shortener = OutputShortener(.ofTerminal)
    size = Size(columns: 0, rows: 0)
    setUp()
  }

  deinit {
    close()
  }

  // MARK: Drawing

  /// Shows a grid, drawing only what differs from the one before. What lies outside of the screen is not drawn.
  ///
  /// - Parameter theme: resolved for ``depth``; another than before draws everything.
  public func present(_ grid: Grid, theme: ResolvedTheme) {
    guard isUp else { return }
    let cpuBefore = celltop_thread_processor_us()
    if terminal.isCut {
      terminal.isCut = false
      redraw()
    }
    if shownTheme != theme {
      // So that not even spaces wear a colour of the theme before, which ncurses takes to be drawn already.
      if shownTheme != nil { redraw() }
      shownTheme = theme
      styles.removeAll(keepingCapacity: true)
    }
    let runs = changedRuns(from: shown, to: grid)
    if runs.isEmpty {
      statistics.skipped += 1
    } else {
      for run in runs { draw(run, of: grid, theme: theme) }
      let bytes = update()
      shown = grid
      statistics.drawn += 1
      statistics.bytesOfLastFrame = bytes
      statistics.bytes = bytes.flatMap { bytes in statistics.bytes.map { $0 + bytes } }
    }
    statistics.cpu += .microseconds(celltop_thread_processor_us() - cpuBefore)
  }

  /// Draws everything with the next frame, because something else has written on the terminal.
  public func redraw() {
    shown = nil
    shortener.forget()
    clearok(celltop_stdscr(), true)
  }

  /// Has ncurses write what has changed, and sends that on in fewer bytes; says how many, where that is known.
  private func update() -> Int? {
    let caught = catcher?.written {
      wnoutrefresh(celltop_stdscr())
      doupdate()
    }
    guard let caught else {
      // ncurses believes that the frame before ended without colours, and where it was shortened it need not have.
      endColors()
      wnoutrefresh(celltop_stdscr())
      doupdate()
      return nil
    }
    let frame = shortener.shorten(caught)
    send(frame)
    return frame.count
  }

  private func draw(_ run: ChangedRun, of grid: Grid, theme: ResolvedTheme) {
    guard run.row < size.rows else { return }
    let end = min(run.columns.upperBound, size.columns)
    guard run.columns.lowerBound < end else { return }
    var cells: [cchar_t] = []
    cells.reserveCapacity(end - run.columns.lowerBound)
    var key: UInt16?
    var drawn = ColorPairs.Drawn(attributes: 0, pair: 0)
    for column in run.columns.lowerBound..<end {
      let cell = grid[column: column, row: run.row]
      guard cell.part != .tail else { continue }
      let cellKey = UInt16(cell.role.rawValue) << 8 | UInt16(cell.ground.rawValue)
      if key != cellKey {
        key = cellKey
        drawn = style(cell, key: cellKey, theme: theme)
      }
      let fits = cell.part == .whole || column + 1 < end
      appendCharacters(of: cell, fits: fits, drawn: drawn, to: &cells)
    }
    statistics.cellsChanged += end - run.columns.lowerBound
    mvwadd_wchnstr(celltop_stdscr(), Int32(run.row), Int32(run.columns.lowerBound), cells, Int32(cells.count))
  }

  private func style(_ cell: Cell, key: UInt16, theme: ResolvedTheme) -> ColorPairs.Drawn {
    if let known = styles[key] { return known }
    let made = pairs.drawn(theme.style(cell.role, on: cell.ground))
    styles[key] = made
    return made
  }

  /// Appends a cell as ncurses wants it. Where the C library sees another width than we do, or none, replacements keep
  /// the columns in place.
  private func appendCharacters(of cell: Cell, fits: Bool, drawn: ColorPairs.Drawn, to cells: inout [cchar_t]) {
    let base = wchar_t(bitPattern: UInt32(cell.base.value))
    let width: Int32 = cell.part == .lead ? 2 : 1
    guard base < 0x7F || (wcwidth(base) == width && fits) else {
      for _ in 0..<(fits ? width : 1) { cells.append(character(replacement, drawn)) }
      return
    }
    guard cell.hasMarks else { return cells.append(character(base, drawn)) }
    let marks = cell.scalars.dropFirst().map { wchar_t(bitPattern: UInt32($0.value)) }.filter { wcwidth($0) == 0 }
    cells.append(character([base] + marks + [0], drawn))
  }

  private var replacement: wchar_t { repertoire == .utf8 && wcwidth(0xFFFD) == 1 ? 0xFFFD : 0x3F }

  private func character(_ scalar: wchar_t, _ drawn: ColorPairs.Drawn) -> cchar_t {
    withUnsafeTemporaryAllocation(of: wchar_t.self, capacity: 2) { text in
      text[0] = scalar
      text[1] = 0
      return character(UnsafePointer(text.baseAddress!), drawn)
    }
  }

  private func character(_ scalars: UnsafePointer<wchar_t>, _ drawn: ColorPairs.Drawn) -> cchar_t {
    var result = cchar_t()
    var pair = drawn.pair
    setcchar(&result, scalars, drawn.attributes, 0, &pair)
    return result
  }

  // MARK: Size and mouse

  /// Asks the terminal for its size and takes it; call it after SIGWINCH. True when it has changed.
  @discardableResult
  public func adoptSize() -> Bool {
    var window = winsize()
    guard celltop_window_size(options.output, &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
      // A terminal that does not know its size (a serial line): terminfo's, which ncurses has taken.
      let window = celltop_stdscr()
      if size.columns == 0 { size = Size(columns: Int(getmaxx(window)), rows: Int(getmaxy(window))) }
      return false
    }
    let new = Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    guard new != size else { return false }
    resizeterm(Int32(new.rows), Int32(new.columns))
    size = new
    werase(celltop_stdscr())
    redraw()
    return true
  }

  /// Takes the mouse, or leaves it to the terminal so that text can be selected and copied.
  public func setMouse(_ captured: Bool) {
    capturesMouse = captured
    guard isUp else { return }
    send(captured ? InputModes.mouseOn : InputModes.mouseOff)
  }

  /// Asks the terminal to put a text into its clipboard (OSC 52, xterm's "Manipulate Selection Data"). Whether it does is its
  /// own choice: tmux wants `set -s set-clipboard on`, or `allow-passthrough on` and a terminal that does.
  ///
  /// - Parameters:
  ///   - text: at most 74,994 bytes of it, for xterm takes no more.
  ///   - throughTmux: also wraps it for the terminal that tmux itself runs on.
  public func copy(_ text: String, throughTmux: Bool) {
    guard isUp else { return }
    let sequence = "\u{1B}]52;c;\(Self.base64(Array(text.utf8.prefix(74_994))))\u{07}"
    send(sequence)
    if throughTmux { send("\u{1B}Ptmux;\u{1B}\(sequence)\u{1B}\\") }
  }

  /// RFC 4648, section 4.
  static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count / 3 * 4 + 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var number = 0
      for byte in group { number = number << 8 | Int(byte) }
      number <<= 8 * (3 - group.count)
      for place in 0..<4 {
        text.append(place <= group.count ? digits[number >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  // MARK: Up and down

  /// Puts the terminal back and frees the screen. Later calls have no effect.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    putAway()
    delscreen(handle)
    fclose(inputFile)
    fclose(outputFile)
    errorLog?.close()
  }

  /// Stops the process as ^Z does, the terminal put back, and comes back when it is continued. Where nobody could
  /// continue it (an orphaned process group) the kernel does not stop it.
  public func suspendProcess() {
    guard isUp else { return }
    putAway()
    var stop = sigset_t()
    sigemptyset(&stop)
    sigaddset(&stop, SIGTSTP)
    let action = signal(SIGTSTP, SIG_DFL)
    raise(SIGTSTP)
    pthread_sigmask(SIG_UNBLOCK, &stop, nil)
    pthread_sigmask(SIG_BLOCK, &stop, nil)
    signal(SIGTSTP, action)
    takeBack()
  }

  private func setUp() {
    cbreak()
    noecho()
    nonl()
    intrflush(celltop_stdscr(), false)
    leaveok(celltop_stdscr(), true)
    scrollok(celltop_stdscr(), false)
    typeahead(-1)
    // ^S and ^Q are keys, ^V too; ^C, ^Z and ^\ stay signals.
    var modes = termios()
    tcgetattr(options.output, &modes)
    modes.c_iflag &= ~tcflag_t(IXON)
    modes.c_lflag &= ~tcflag_t(IEXTEN)
    tcsetattr(options.output, TCSADRAIN, &modes)
    def_prog_mode()
    // Until the first endwin and refresh, ncurses 6.4 flushes at every cursor movement instead of once a frame.
    endwin()
    takeBack()
  }

  private func takeBack() {
    errorLog?.begin()
    guardAgainstCrashes()
    isUp = true
    refresh()
    curs_set(0)
    adoptSize()
    redraw()
    send(InputModes.pasteOn + (capturesMouse ? InputModes.mouseOn : ""))
  }

  /// Has the terminal write without colours and attributes, as ncurses believes it does after each frame.
  private func endColors() {
    if shortener.isColored { send("\u{1B}[m") }
    shortener.forget()
  }

  private func putAway() {
    guard isUp else { return }
    isUp = false
    terminal.isEnding = true
    defer { terminal.isEnding = false }
    endColors()
    send(InputModes.mouseOff + InputModes.pasteOff)
    // ncurses writes into memory where it can: it would wait for a terminal that takes nothing.
    if let caught = catcher?.written(endDrawing) { send(caught) } else if !terminal.isCut { endDrawing() }
    var modes = modesBefore
    tcsetattr(options.input, terminal.isCut ? TCSANOW : TCSADRAIN, &modes)
    celltop_unguard_terminal()
    errorLog?.end()
  }

  private func endDrawing() {
    // A terminal without an alternate screen (vt100, linux) would leave the picture, and the prompt on its last line.
    if Terminfo.string("rmcup").isEmpty {
      werase(celltop_stdscr())
      clearok(celltop_stdscr(), true)
      wnoutrefresh(celltop_stdscr())
      doupdate()
    }
    endwin()
  }

  /// Sends what is no drawing past ncurses, whose `putp` knows standard output only. In between frames ncurses holds
  /// nothing back, so the order is kept.
  private func send(_ sequence: String) { send(Array(sequence.utf8)) }

  private func send(_ bytes: [UInt8]) { terminal.write(bytes) }

  private func guardAgainstCrashes() {
    var bytes = Array((InputModes.mouseOff + InputModes.pasteOff).utf8)
    for name in ["sgr0", "op", "cnorm", "rmcup"] { bytes += Terminfo.string(name) }
    var modes = modesBefore
    let text = bytes.map { CChar(bitPattern: $0) }
    // The guard is a courtesy: a terminal whose capabilities are too long for it still works.
    _ = celltop_guard_terminal(options.output, text, text.count, &modes, errorLog?.saved ?? -1)
  }
}

// MARK: - Opening

extension CursesScreen {
  private typealias Opened = (OpaquePointer, UnsafeMutablePointer<FILE>, UnsafeMutablePointer<FILE>)

  /// Starts ncurses on copies of the descriptors, without its signal handlers: signals are the loop's.
  private static func open(_ type: String, _ options: ScreenOptions) -> Opened? {
    guard let output = fdopen(celltop_duplicate(options.output), "w") else { return nil }
    guard let input = fdopen(celltop_duplicate(options.input), "r") else {
      fclose(output)
      return nil
    }
    let handled = [SIGINT, SIGTERM, SIGTSTP, SIGWINCH]
    var before = handled.map { _ in sigaction() }
    for (index, number) in handled.enumerated() { sigaction(number, nil, &before[index]) }
    defer { for (index, number) in handled.enumerated() { sigaction(number, &before[index], nil) } }
    guard let screen = newterm(type, output, input) else {
      fclose(output)
      fclose(input)
      return nil
    }
    return (screen, input, output)
  }

  /// Takes the environment's locale for characters only (numbers keep their point), and says what it can show. With
  /// UTF-8 wanted and a locale without it, `C.UTF-8` is tried.
  static func adoptLocale(wanted: Repertoire?) -> Repertoire {
    setlocale(LC_CTYPE, "")
    if wanted == .utf8, !localeIsUTF8 { setlocale(LC_CTYPE, "C.UTF-8") }
    return wanted == .ascii || !localeIsUTF8 ? .ascii : .utf8
  }

  private static var localeIsUTF8: Bool {
    guard let codeset = nl_langinfo(nl_item(CODESET)) else { return false }
    return String(cString: codeset) == "UTF-8"
  }

  private static func startColors(_ options: ScreenOptions) -> ColorDepth {
    let most = options.isColorless ? .mono : options.depthMax ?? .trueColor
    guard most > .mono, has_colors() else { return .mono }
    guard start_color() == OK else { return .mono }
    use_default_colors()
    let colors = celltop_colors()
    let has: ColorDepth = colors >= 1 << 24 ? .trueColor : colors >= 256 ? .palette256 : .sixteen
    return min(has, most)
  }
}

/// What is switched on beside ncurses: reports of the mouse (buttons, drags; SGR form) and bracketed paste.
enum InputModes {
  static let mouseOn = "\u{1B}[?1000h\u{1B}[?1002h\u{1B}[?1006h"
  static let mouseOff = "\u{1B}[?1006l\u{1B}[?1002l\u{1B}[?1000l"
  static let pasteOn = "\u{1B}[?2004h"
  static let pasteOff = "\u{1B}[?2004l"
}
