import Testing

@testable import Canvas

@Suite("Themes")
struct ThemeTests {
  @Test("name roles by their dotted path")
  func names() {
    #expect(Role.tableRowSelected.name == "table.row.selected")
    #expect(Role.notebook11.name == "notebook.11")
    #expect(Role.load0.name == "load.0")
    #expect(Role(named: "state.running") == .stateRunning)
    #expect(Role(named: "state.flying") == nil)
    #expect(Set(Role.allCases.map(\.name)).count == Role.allCases.count)
  }

  @Test("mark notebooks by letter and colour")
  func notebookMarks() {
    #expect(NotebookMark(0) == NotebookMark(0))
    #expect([0, 25, 26, 51, 52].map { NotebookMark($0).letter } == ["A", "Z", "a", "z", "A"])
    #expect(NotebookMark(13).role == .notebook1)
    #expect(Set((0..<156).map(NotebookMark.init)).count == 156)
  }

  @Test("give the ground's colours where the role sets none")
  func grounds() {
    let theme = Theme.builtIn.resolved(for: .palette256)
    let style = theme.style(.stateRunning, on: .tableRowSelected)
    #expect(style.foreground == .palette(114))
    #expect(style.background == .palette(17))
    #expect(style.attributes == .bold)
    #expect(theme.style(.text, on: .tableRowSelected).foreground == .palette(231))
    #expect(theme.style(.text) == theme.root)
  }

  @Test("fall back along the dots, and to text in the end")
  func fallback() {
    let theme = Theme(
      name: "t", palette: ["a": .ansi(1), "b": .ansi(2)],
      rules: [
        "text": StyleRule(foreground: "a", background: "b"),
        "table": StyleRule(foreground: "b", attributes: .underline),
        "table.row.selected": StyleRule(attributes: []),
      ]
    ).resolved(for: .sixteen)
    #expect(theme.style(.tableHeader) == Style(foreground: .ansi(2), background: .ansi(2), attributes: .underline))
    #expect(theme.style(.tableRowSelected).attributes == [])
    #expect(theme.style(.border) == Style(foreground: .ansi(1), background: .ansi(2)))
  }

  @Test("show no colour at all in mono, and still tell a selected row")
  func mono() {
    let theme = Theme.builtIn.resolved(for: .mono)
    for role in Role.allCases {
      let style = theme.style(role, on: .dialog)
      #expect(style.foreground == .terminalDefault && style.background == .terminalDefault, "\(role.name)")
    }
    #expect(theme.style(.text, on: .tableRowSelected).attributes == .reverse)
  }

  @Test("take a new palette alone as a new theme")
  func inheritance() {
    let child = Theme(name: "child", palette: ["run": .ansi(4)], rules: ["state.running": StyleRule(attributes: [])])
      .inheriting(from: .builtIn)
    let style = child.resolved(for: .trueColor).style(.stateRunning)
    #expect(style.foreground == .ansi(4))
    #expect(style.attributes == [])
    #expect(child.resolved(for: .trueColor).style(.timelineRunning).foreground == .ansi(4))
    #expect(child.name == "child")
  }

  @Test("name only colours that exist, in every rule of the built-in one")
  func builtInIsSound() {
    for (name, rule) in Theme.builtIn.rules {
      #expect(Theme.isRuleName(name), "\(name)")
      for color in [rule.foreground, rule.background].compactMap({ $0 }) {
        #expect(Theme.builtIn.color(named: color) != nil, "\(name): \(color)")
      }
    }
    #expect(Set(Theme.builtIn.gradients.keys) == Set(Theme.gradientNames))
  }

  @Test("mix gradients in Oklab from the first stop to the last")
  func gradients() throws {
    let gradient = try #require(Gradient(stops: [RGB(0), RGB(0xFFFFFF)], c256: [1, 2], c16: [3]))
    #expect(gradient.color(at: 0, for: .trueColor) == .rgb(RGB(0)))
    #expect(gradient.color(at: 1, for: .trueColor) == .rgb(RGB(0xFFFFFF)))
    #expect(gradient.color(at: 0.5, for: .trueColor) == .rgb(RGB(0x636363)))
    #expect(gradient.color(at: 0.5, for: .palette256) == .palette(2))
    #expect(gradient.color(at: 9, for: .sixteen) == .ansi(3))
    #expect(Gradient(stops: [], c256: [1], c16: [1]) == nil)
    #expect(Role.load(0) == .load0 && Role.load(0.55) == .load5 && Role.load(2) == .load9 && Role.load(.nan) == .load0)
  }

  @Test("measure contrast as WCAG does")
  func contrast() {
    #expect(abs(RGB(0).contrast(with: RGB(0xFFFFFF)) - 21) < 0.01)
    #expect(RGB(0x777777).contrast(with: RGB(0x777777)) == 1)
  }
}

@Suite("Rendering")
struct RenderingTests {
  private func sample() -> Grid {
    var grid = Grid(size: Size(columns: 4, rows: 2))
    grid.draw("a<", at: Point(column: 0, row: 0), role: .stateRunning)
    grid.draw("日", at: Point(column: 0, row: 1))
    return grid
  }

  @Test("writes SGR sequences only where the style changes")
  func ansi() {
    let theme = Theme(
      name: "t", palette: ["a": .ansi(9)], rules: ["state.running": StyleRule(foreground: "a", attributes: .bold)])
    #expect(
      renderANSI(sample(), theme: theme.resolved(for: .sixteen))
        == "\u{1B}[0;1;91ma<\u{1B}[0m  \u{1B}[0m\n\u{1B}[0m日  \u{1B}[0m\n")
  }

  @Test("writes SVG with escaped text, the theme's colours and a title")
  func svg() {
    let picture = renderSVG(sample(), theme: Theme.builtIn.resolved(for: .trueColor), title: "a & b")
    #expect(picture.contains("<title>a &amp; b</title>"))
    #expect(picture.contains("fill=\"#8fc98b\""))
    #expect(picture.contains(">a&lt;</text>"))
    #expect(picture.contains("日"))
  }
}
