import Canvas
import Chance
import Glibc
import Testing

@testable import Terminal

@Suite("What ncurses writes, in fewer bytes")
struct OutputShortenerTests {
  private static let escape = "\u{1B}["

  @Test(
    "keeps what shows and leaves out what is said already",
    arguments: [
      // ncurses names both colours with each change; the one that stays is left out.
      ("[38;5;1m[48;5;234ma[38;5;2m[48;5;234mb[m", "[0;38;5;1;48;5;234ma[38;5;2mb"),
      // Bold goes, and the colours with it, as ncurses says; they come back at once.
      ("[0;1m[38;5;1m[48;5;9ma[0m[38;5;1m[48;5;9mb", "[0;1;38;5;1;48;5;9ma[22mb"),
      // A space shows its background alone.
      ("[31;40ma[32;40m [33;40mb", "[0;31;40ma [33mb"),
      ("[31;40ma[32;41m [33;40mb", "[0;31;40ma[41m [33;40mb"),
      // An underlined space shows more than that.
      ("[4;31;40ma[0;32;40m b", "[0;4;31;40ma[24;32m b"),
      ("[31;40ma[4;32;40m b", "[0;31;40ma[4;32m b"),
      // Movements need no colours, what erases needs the background.
      ("[31;40ma[32;41m[5;5H[33;40mb", "[0;31;40ma[5;5H[33mb"),
      ("[31;40ma[32;41m[Kb", "[0;31;40ma[41m[K[32mb"),
      // What repeats is said once, where that is shorter; never what stands before a mark or before ncurses' own repetition.
      ("[31ma▓▓▓▓b", "[0;31ma▓[3bb"),
      ("[31maaaa", "[0;31maaaa"),
      ("[31maaaaaaa", "[0;31ma[6b"),
      ("[31maaaaaaae\u{301}", "[0;31ma[6be\u{301}"),
      ("[31maaaaaaa\u{301}", "[0;31maaaaaaa\u{301}"),
      ("[31maaaaaaa[9b", "[0;31maaaaaaa[9b"),
      // True colours, in both forms.
      ("[38:2::1:2:3m[48:2::4:5:6ma[38:2::1:2:9m[48:2::4:5:6mb", "[0;38:2::1:2:3;48:2::4:5:6ma[38:2::1:2:9mb"),
      ("[38;2;1;2;3m[48;2;4;5;6ma[38;2;1;2;9mb", "[0;38;2;1;2;3;48;2;4;5;6ma[38;2;1;2;9mb"),
      // What is not understood goes through as it is.
      ("[31ma[38;7;1mb[m", "[m[31ma[38;7;1mb[m"), ("[31ma[>4;1mb[m", "[m[31ma[>4;1mb[m"),
      ("[31ma[5nb[m", "[m[31ma[5nb[m"),
    ])
  func table(pair: (String, String)) {
    var shortener = OutputShortener(.init(canTurnOff: true, canRepeat: true))
    let heard = pair.0.replacing("[", with: Self.escape)
    #expect(
      String(decoding: shortener.shorten(Array(heard.utf8)), as: UTF8.self) == pair.1.replacing("[", with: Self.escape))
  }

  @Test("asks of a terminal nothing that its entry does not tell of")
  func abilities() {
    var shortener = OutputShortener(.init())
    let heard = "[1;31ma[0;31mb▓▓▓▓▓▓▓▓".replacing("[", with: Self.escape)
    let expected = "[0;1;31ma[0;31mb▓▓▓▓▓▓▓▓".replacing("[", with: Self.escape)
    #expect(String(decoding: shortener.shorten(Array(heard.utf8)), as: UTF8.self) == expected)
  }

  @Test("knows from one frame to the next what the terminal writes with, until it is told to forget")
  func frames() {
    var shortener = OutputShortener(.init(canTurnOff: true))
    func said(_ text: String) -> String {
      let bytes = shortener.shorten(Array(text.replacing("[", with: Self.escape).utf8))
      return String(decoding: bytes, as: UTF8.self).replacing(Self.escape, with: "[")
    }
    #expect(said("[31;40ma[m") == "[0;31;40ma")
    #expect(said("[31;40mb[m") == "b")
    #expect(shortener.isColored)
    #expect(said("[mc") == "[mc")
    #expect(!shortener.isColored)
    shortener.forget()
    #expect(said("[31;40mb[m") == "[0;31;40mb")
    // A frame that is not understood begins as ncurses believes, and leaves nothing known.
    #expect(said("[31mx[5n[m") == "[m[31mx[5n[m")
    #expect(said("[31mb[m") == "[0;31mb")
    // Also where what is thrown away of it had led the terminal back to plain.
    #expect(said("[mx[5n[m") == "[m[mx[5n[m")
  }

  /// Every frame in turn, drawn by ncurses and shortened, shows on a terminal what is on the grid.
  @Test(
    "shows the grid, cell for cell",
    arguments: ["xterm-256color", "tmux-256color", "xterm-direct", "tmux-direct", "linux", "vt100"])
  func picture(type: String) async {
    await #expect(processExitsWith: .success) { [type] in
      var random = SplitMix(seed: 7)
      let pty = Pty(columns: 60, rows: 16)
      var options = pty.options(type: type)
      if type.hasSuffix("-direct") { options.colorTerm = "truecolor" }
      // ncurses-term has the entries beyond xterm's.
      guard let screen = try? CursesScreen(options) else {
        return require(type == "tmux-direct", "no screen for \(type)")
      }
      let theme = Theme.builtIn.resolved(for: screen.depth)
      var model = ModelTerminal(screen.size, erasesInColor: type != "tmux-256color" && type != "tmux-direct")
      // What the terminal has of the themes' attributes, beside colours where it has some (terminfo, `ncv`).
      let knows: Set<Int> = type == "vt100" ? [1, 4, 7] : type == "linux" ? [1, 7] : [1, 2, 3, 4, 7]
      var grid = Grid(size: screen.size)
      for frame in 0..<60 {
        if random.index(below: 12) == 0 { grid = Grid(size: screen.size) }
        for _ in 0..<random.index(below: 30) { grid.drawAnything(&random) }
        if frame % 20 == 19 { screen.redraw() }
        screen.present(grid, theme: theme)
        pty.collect()
        model.read(pty.take())
        if let wrong = model.difference(from: grid, theme, knows) {
          require(false, "\(type), frame \(frame): \(wrong)")
        }
      }
      require((screen.statistics.bytes ?? 0) > 0, "bytes")
      screen.close()
    }
  }
}

extension Grid {
  /// Something of what views draw.
  fileprivate mutating func drawAnything(_ random: inout SplitMix) {
    let point = Point(column: random.index(below: size.columns), row: random.index(below: size.rows))
    let role = Role.allCases[random.index(below: Role.allCases.count)]
    let width = 1 + random.index(below: size.columns)
    switch random.index(below: 6) {
    case 0:
      draw(
        ["cores 12", "日本語 x", "e\u{301}e\u{301} é", "a    b         c"][random.index(below: 4)], at: point, role: role)
    case 1: fill(Rect(column: point.column, row: point.row, columns: width, rows: 1), with: .shadeDark, role: role)
    case 2: fill(Rect(column: point.column, row: point.row, columns: width, rows: 3), role: role)
    case 3: setGround(role, in: Rect(column: point.column, row: point.row, columns: width, rows: 2))
    case 4: put(["█", "▁", "x", " "][random.index(below: 4)] as Unicode.Scalar, at: point, role: role)
    default:
      for column in 0..<size.columns { put(.idleCore, at: Point(column: column, row: point.row), role: .coreIdle) }
    }
  }
}

extension ModelTerminal {
  /// Where the terminal shows something else than the grid, in words; nil where it shows the same.
  fileprivate func difference(from grid: Grid, _ theme: ResolvedTheme, _ knows: Set<Int>) -> String? {
    for row in 0..<grid.size.rows {
      for column in 0..<grid.size.columns {
        let cell = grid[column: column, row: row]
        let style = theme.style(cell.role, on: cell.ground)
        let place = places[row][column]
        var text = ""
        if cell.part != .tail { text.unicodeScalars.append(contentsOf: cell.scalars) }
        var (seen, wanted) = (place.look, ModelTerminal.look(style, theme.depth))
        wanted.attributes.formIntersection(knows)
        let shows: Set<Int> = [4, 7]
        if cell.isBlank, seen.attributes.isDisjoint(with: shows), wanted.attributes.isDisjoint(with: shows) {
          (seen, wanted) = (Look(background: seen.background), Look(background: wanted.background))
        }
        if place.text != text || seen != wanted {
          return "\(column),\(row): '\(place.text)' \(seen), not '\(text)' \(wanted)"
        }
      }
    }
    return nil
  }

  private static func look(_ style: Style, _ depth: ColorDepth) -> Look {
    var look = Look(
      foreground: number(style.foreground, "39", depth), background: number(style.background, "49", depth))
    let bits: [(Attributes, Int)] = [(.bold, 1), (.dim, 2), (.italic, 3), (.underline, 4), (.reverse, 7)]
    look.attributes = Set(bits.filter { style.attributes.contains($0.0) }.map(\.1))
    // Eight colours have no bright ones.
    if depth == .sixteen, case .ansi(8...) = style.foreground { look.attributes.insert(1) }
    return look
  }

  private static func number(_ color: Color, _ none: String, _ depth: ColorDepth) -> String {
    switch color {
    case .terminalDefault: none
    case .ansi(let index): "\(30 + Int(index % 8))"
    case .palette(let index): "5;\(index)"
    case .rgb(let rgb): "2;\(rgb.red);\(rgb.green);\(rgb.blue)"
    }
  }
}
