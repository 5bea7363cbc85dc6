import ArgumentParser
import Canvas
import Console
import Domain
import Glibc
import TraceViews
import Traces

/// `celltop trace show`: what is in a trace, in words and as a picture.
struct TraceShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a trace: its timeline, and how long cells run and people think.")
  @Argument(help: "A native trace, the AdobeTrace's CSV or a table of timings; gzip is read as it is.")
  var file: String
  @Option(help: "The picture's size, like 120x40. Without it: the terminal's, or 100x32.") var size: String?
  @Flag(help: "Words only, no picture.") var plain = false
  @Flag(help: "Print one JSON object.") var json = false

  func run() throws {
    let room = try size.map(Tool.size) ?? Self.terminalSize
    do throws(TraceError) {
      let trace = try TraceFile.read(file)
      if json {
        print(TraceCommand.object(of: Imported(trace: trace)))
        return
      }
      print(TraceCommand.summary(of: trace))
      if !trace.note.isEmpty { print("note   \(trace.note.printable(at: 200))") }
      guard !plain else { return }
      let rows = max(min(room.rows, trace.notebooks.count + 13), 16)
      let theme = Theme.builtIn
      let grid = tracePicture(
        trace, size: Size(columns: room.columns, rows: rows),
        glyphs: theme.glyphs(for: Self.isUTF8 ? .utf8 : .ascii))
      print("")
      if colourWanted, getenv("TERM").map({ String(cString: $0) }) != "dumb" {
        print(renderANSI(grid, theme: theme.resolved(for: Self.depth)), terminator: "")
      } else {
        print(grid.text)
      }
    } catch { refuseUse(error) }
  }

  /// The terminal's size, less the lines that are printed above; 100 × 32 where there is none.
  private static var terminalSize: Size {
    var window = winsize()
    guard isatty(1) == 1, ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 else {
      return Size(columns: 100, rows: 32)
    }
    return Size(columns: Int(window.ws_col), rows: max(Int(window.ws_row) - 8, 12))
  }

  private static var depth: ColorDepth {
    let promised = getenv("COLORTERM").map { String(cString: $0) }
    return promised == "truecolor" || promised == "24bit" ? .trueColor : .palette256
  }

  /// Whether the locale writes UTF-8, by the variables that decide it (setlocale(3)).
  private static var isUTF8: Bool {
    let names: [String] = ["LC_ALL", "LC_CTYPE", "LANG"]
    let given = names.compactMap { name in getenv(name).map { String(cString: $0) } }
    guard let locale = given.first(where: { !$0.isEmpty })?.uppercased() else { return true }
    return locale.contains("UTF-8") || locale.contains("UTF8")
  }
}
