import Canvas
import Domain
import Testing
import Verbs

@testable import Console

/// What an author, who is no operator, finds on the screen of a server for all.
@Suite("Roles on the screen") struct RoleTests {
  private static let size = Size(columns: 120, rows: 40)

  /// Ana, who may order her own notebooks about.
  private static func author() -> ConsoleState {
    var state = RichSession.live()
    state.session.ordersOwnOnly = true
    return state
  }

  /// A notebook of ana's, and one of somebody else's.
  private static func notebooks(_ state: ConsoleState) throws -> (own: NotebookID, other: NotebookID, owner: String) {
    let shown = state.board.notebooks.filter { $0.state != .gone }
    let own = try #require(shown.first { $0.notebook.user == state.session.user })
    let other = try #require(shown.first { $0.notebook.user != state.session.user })
    return (own.notebook.id, other.notebook.id, other.notebook.user)
  }

  /// The role in which the word of a key stands in the key bar.
  private static func role(of word: String, _ state: ConsoleState) throws -> Role {
    let grid = state.screen(size: size)
    let row = size.rows - 1
    let line = (0..<size.columns).map { String(grid[column: $0, row: row].base) }
    let place = try #require(
      (0..<size.columns).first { start in line[start...].joined().hasPrefix(word) }, "\(word) in \(line.joined())")
    return grid[column: place, row: row].role
  }

  @Test("keys that do nothing for others' notebooks are dim there, and say why; on the own ones they work")
  func keys() throws {
    var state = Self.author()
    let (own, other, owner) = try Self.notebooks(state)
    state.select(other)
    for word in ["suspend", "pin", "prio", "hold", "release"] {
      #expect(try Self.role(of: word, state) == .keybarDisabled)
    }
    for word in ["help", "undo", "filter"] { #expect(try Self.role(of: word, state) == .keybarLabel) }
    for key in ["x", "P", "h", "i", "[", "E"] {
      #expect(state.press(key).isEmpty, "\(key)")
      #expect(state.flash?.text == "it is \(owner)'s notebook: you may order your own about", "\(key)")
      #expect(state.layer == nil, "\(key)")
    }
    state.press("?")
    #expect(state.screen(size: Self.size).text.contains("(…): it is"))
    state.press("escape")
    state.select(own)
    for word in ["suspend", "pin", "hold"] { #expect(try Self.role(of: word, state) == .keybarLabel) }
    #expect(state.press("h").verbs == [.hold(own)])
  }

  @Test("orders about the node are said to be operators' while they are typed, and refused")
  func node() {
    var state = Self.author()
    state.press(":")
    state.type("drai")
    #expect(state.screen(size: Self.size).text.contains("(operators only)"))
    state.press("escape", "escape")
    #expect(state.command("policy sjf").isEmpty)
    #expect(state.flash?.text == "'policy' is about the whole node: only an operator may say so")
    #expect(state.layer == nil)
    #expect(state.command("priority 5 on all").verbs.isEmpty)
  }

  @Test("whoever may only look finds every order dim")
  func observer() throws {
    var state = RichSession.live(isReadOnly: true)
    for word in ["suspend", "hold", "undo"] { #expect(try Self.role(of: word, state) == .keybarDisabled) }
    #expect(try Self.role(of: "why", state) == .keybarLabel)
    state.press("?")
    #expect(state.screen(size: Self.size).text.contains("(…): you may"))
  }
}
