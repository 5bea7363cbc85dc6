import Canvas
import Foundation
import Testing

@testable import Console

@Suite("Theme files")
struct ThemeFileTests {
  static let shipped = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Themes").path(percentEncoded: false)
  static let shippedNames = [
    "base-dark", "catppuccin-latte", "catppuccin-mocha", "dracula", "gruvbox", "high-contrast", "mono", "nord",
    "okabe-ito",
    "solarized-dark", "solarized-light", "terminal16", "tokyo-night",
  ]

  private func problems(_ texts: [String: String], of name: String = "mine") -> [String] {
    do {
      _ = try ThemeCatalog(texts: texts).theme(named: name)
      return []
    } catch {
      return error.problems
    }
  }

  @Test("that are shipped are all there")
  func shippedThere() {
    #expect(Set(ThemeCatalog(directories: [Self.shipped]).themeNames).isSuperset(of: Self.shippedNames))
  }

  @Test("that are shipped can be read, and their text can be", arguments: shippedNames)
  func shippedContrast(name: String) throws {
    let theme = try ThemeCatalog(directories: [Self.shipped]).theme(named: name).resolved(for: .trueColor)
    let decoration: Set<Role> = [
      .border, .coreIdle, .coreReserved, .gpuIdle, .stateGone, .keybarDisabled, .inputCursor,
    ]
    for role in Role.allCases where !decoration.contains(role) {
      let style = theme.style(role)
      guard case .rgb(let ink) = style.foreground, case .rgb(let paper) = style.background else { continue }
      #expect(ink.contrast(with: paper) >= 4.5, "\(role.name): \(ink.hex) on \(paper.hex)")
    }
    for ground in [Role.tableRowSelected, .status, .dialog, .flash] {
      guard case .rgb(let ink) = theme.style(.text, on: ground).foreground,
        case .rgb(let paper) = theme.style(.text, on: ground).background
      else { continue }
      #expect(ink.contrast(with: paper) >= 4.5, "text on \(ground.name): \(ink.hex) on \(paper.hex)")
    }
  }

  @Test("that are shipped pass the lint", arguments: shippedNames)
  func shippedLint(name: String) throws {
    let lint = ThemeLint(try ThemeCatalog(directories: [Self.shipped]).theme(named: name))
    #expect(lint.findings.isEmpty, "\(lint.findings.map(\.description))")
  }

  @Test("that hide text fail the lint, by role, ground and contrast")
  func lint() throws {
    let text = "inherits = \"base-dark\"\n[palette]\ndim = { rgb = \"#30343C\", c256 = 236, c16 = \"black\" }"
    let lint = ThemeLint(try ThemeCatalog(texts: ["grey": text]).theme(named: "grey"))
    #expect(lint.findings.contains { $0.role == "text.dim" && $0.ground == "text" && $0.contrast < 2 })
    #expect(lint.findings.allSatisfy { $0.description.contains("and 4.5 is the least") })
  }

  @Test("that hide text in 256 or in 16 colours only fail the lint, with the depth named")
  func lintOfFewColours() throws {
    func findings(_ palette: String) throws -> [ThemeLint.Finding] {
      let text = "inherits = \"base-dark\"\n[palette]\n" + palette
      return ThemeLint(try ThemeCatalog(texts: ["few": text]).theme(named: "few")).findings
    }
    let dim = try findings("dim = { rgb = \"#9299A4\", c256 = 238, c16 = \"white\" }")
    #expect(!dim.isEmpty && dim.allSatisfy { $0.depth == .palette256 && $0.description.contains("in 256 colours") })
    let run = try findings("run = { rgb = \"#8FC98B\", c256 = 114, c16 = \"blue\" }")
    #expect(!run.isEmpty && run.allSatisfy { $0.depth == .sixteen && $0.description.contains("in 16 colours") })
  }

  @Test("that hide what stands on the selected row alone fail the lint")
  func lintOfTheSelectedRow() throws {
    let text = "inherits = \"base-dark\"\n[palette]\nsel = { rgb = \"#7A7A7A\", c256 = 243, c16 = \"black\" }"
    let findings = ThemeLint(try ThemeCatalog(texts: ["row": text]).theme(named: "row")).findings
    for role in ["timeline.thinking", "table.row.tagged", "notebook.3", "state.queued", "text.accent"] {
      for depth in [ColorDepth.trueColor, .palette256] {
        let isFound = findings.contains { $0.role == role && $0.ground == "table.row.selected" && $0.depth == depth }
        #expect(isFound, "\(role) in \(depth)")
      }
    }
  }

  @Test("are linted for every role that views draw as text, on every ground on which they do")
  func lintCoversTheViews() {
    var missing: Set<String> = []
    for scene in GoldenTests.scenes {
      for cell in scene.state().screen(size: scene.size).cells where cell.base != " " {
        guard !ThemeLint.isDrawing(cell.role), !ThemeLint.checks(cell.role, on: cell.ground) else { continue }
        missing.insert("\(cell.role.name) on \(cell.ground.name)")
      }
    }
    #expect(missing.isEmpty, "\(missing.sorted())")
  }

  @Test(
    "set the selected row off in 16 colours by attributes, where its ground is the screen's", arguments: shippedNames)
  func selectionInSixteen(name: String) throws {
    let theme = try ThemeCatalog(directories: [Self.shipped]).theme(named: name).resolved(for: .sixteen)
    let (row, paper) = (theme.style(.text, on: .tableRowSelected), theme.style(.text))
    #expect(row.background != paper.background || row.attributes.contains(.reverse))
    #expect(theme.style(.text, on: .status).attributes == paper.attributes)
  }

  @Test("keep states apart without colours: each has a mark and a letter of its own", arguments: shippedNames)
  func marks(name: String) throws {
    let theme = try ThemeCatalog(directories: [Self.shipped]).theme(named: name)
    let states: [Role] = [
      .stateStarting, .stateRunning, .stateThinking, .stateQueued, .stateHeld, .stateSuspended, .stateGone,
      .stateFailed,
    ]
    for repertoire in Repertoire.allCases {
      let glyphs = theme.glyphs(for: repertoire)
      let marks = states.map { glyphs.mark(for: $0) }
      #expect(Set(marks).count == states.count, "\(name) \(repertoire): \(marks)")
    }
  }

  @Test("say of base-dark what the code says")
  func baseIsBuiltIn() throws {
    let file = try ThemeCatalog(directories: [Self.shipped]).theme(named: "base-dark")
    #expect(file.palette == Theme.builtIn.palette)
    for name in Set(file.rules.keys).union(Theme.builtIn.rules.keys).sorted() {
      #expect(file.rules[name] == Theme.builtIn.rules[name], "\(name)")
    }
    #expect(file.gradients == Theme.builtIn.gradients)
  }

  @Test("need not exist for the built-in theme")
  func noFiles() throws {
    let catalog = ThemeCatalog(directories: ["/no/such/directory"])
    #expect(catalog.themeNames == ["base-dark"])
    #expect(try catalog.theme(named: "base-dark") == .builtIn)
  }

  @Test("inherit rules and recolour them with their own palette")
  func inheritance() throws {
    let theme = try ThemeCatalog(texts: [
      "mine": "inherits = \"middle\"\n[palette]\nrun = \"bright-blue\"",
      "middle": "inherits = \"base-dark\"\n[style]\n\"state.running\" = { attr = [] }",
    ]).theme(named: "mine")
    #expect(theme.resolved(for: .sixteen).style(.stateRunning).foreground == .ansi(12))
    #expect(theme.resolved(for: .sixteen).style(.stateRunning).attributes == [])
    #expect(theme.name == "mine")
  }

  @Test("set marks, gradients and attributes")
  func everything() throws {
    let text = """
      inherits = "base-dark"
      [palette]
      run = { rgb = "#A3BE8C", c256 = 108, c16 = "green" }
      [style]
      "state.running" = { fg = "run", bg = "default", glyph = "★", ascii = "r", attr = ["bold", "dim"], mono = "bold" }
      [gradient]
      load = { stops = ["#000000", "#FFFFFF"], space = "oklab", c256 = [110, 131], c16 = ["cyan", "red"] }
      """
    let theme = try ThemeCatalog(texts: ["mine": text]).theme(named: "mine")
    let style = theme.resolved(for: .trueColor).style(.stateRunning)
    #expect(style == Style(foreground: .rgb(RGB(0xA3BE8C)), background: .terminalDefault, attributes: [.bold, .dim]))
    #expect(theme.resolved(for: .mono).style(.stateRunning).attributes == .bold)
    #expect(theme.glyphs(for: .utf8).mark(for: .stateRunning) == "★")
    #expect(theme.glyphs(for: .ascii).mark(for: .stateRunning) == "r")
    #expect(theme.resolved(for: .palette256).style(.load9).foreground == .palette(131))
  }

  @Test(
    "say what is wrong, where, and how to mend it",
    arguments: [
      ("x = 1", "the file has the unknown key 'x'. Known are inherits, palette, style, gradient."),
      ("inherits = 3", "inherits is not the name of a theme. Write it like inherits = \"base-dark\"."),
      ("inherits = \"none\"", "'mine' inherits 'none', and there is no theme of that name. There are base-dark, mine."),
      ("inherits = \"../x\"", "'../x' is a path. Name a theme, and put its file among the others."),
      (
        "inherits = \"mine\"",
        "themes inherit in a circle: mine → mine. Take inherits out of one of them."
      ),
      (
        "[palette]\nrun = \"gren\"",
        "[palette] run is not a colour for every kind of terminal. Write it like { rgb = \"#A3BE8C\", c256 = 108, "
          + "c16 = \"green\" }, or name one of the terminal's own: \"green\", \"bright-green\", \"default\"."
      ),
      ("[style]\n\"table.rwo\" = {}", "[style] \"table.rwo\": there is no such role. There are table, table.header,"),
      ("[style]\n\"x.y\" = {}", "[style] \"x.y\": there is no such role. Roles begin with one of text, good,"),
      ("[style]\ngood = { fg = \"nix\" }", "[style] \"good\" fg: the palette has no colour 'nix'. It has default."),
      ("[style]\ngood = { colour = \"x\" }", "[style] \"good\" has the unknown key 'colour'. Known are fg, bg,"),
      ("[style]\ngood = { attr = \"bald\" }", "[style] \"good\" attr: there is no attribute 'bald'. There are bold,"),
      ("[style]\ngood = { glyph = \"日\" }", "[style] \"good\" glyph is not a single character that is one cell wide."),
      ("[style]\ngood = { ascii = \"é\" }", "[style] \"good\" ascii is not a single ASCII character."),
      ("[gradient]\nheat = {}", "[gradient] heat: there is no such gradient. There is load."),
      ("[gradient]\nload = { stops = [] }", "[gradient] load needs colours for every depth. Write it like"),
      ("[palette", "line 1, column 9 is not TOML: "),
    ])
  func errors(text: String, problem: String) {
    let found = problems(["mine": text])
    #expect(found.count == 1 && found[0].hasPrefix(problem), "\(found)")
  }

  @Test("tell a circle of inheritance by all its names")
  func circle() {
    let found = problems(["mine": "inherits = \"b\"", "b": "inherits = \"c\"", "c": "inherits = \"b\""])
    #expect(found == ["themes inherit in a circle: mine → b → c → b. Take inherits out of one of them."])
  }

  @Test("report every problem at once")
  func all() {
    #expect(problems(["mine": "x = 1\n[style]\n\"q\" = {}\n[palette]\na = 1"]).count == 3)
  }
}
