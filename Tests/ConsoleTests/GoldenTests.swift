import Canvas
import Domain
import Foundation
import Projections
import Testing

@testable import Console

/// A screen that is kept as a file: what it shows, and how large.
struct Scene: Sendable, CustomStringConvertible {
  enum Layer: String, Sendable {
    /// The characters, then a letter for each cell's role.
    case styled
    /// The characters in ASCII.
    case ascii
    /// The characters, then the attributes that carry the meaning without colours.
    case mono
  }

  var name: String
  var size: Size
  var layer = Layer.styled
  var state: @Sendable () -> ConsoleState

  var description: String { "\(name)-\(size.columns)x\(size.rows)-\(layer.rawValue)" }

  /// What the file holds.
  var picture: String {
    let state = state()
    switch layer {
    case .styled:
      let grid = state.screen(size: size)
      return grid.text + "\n==\n" + grid.styleLayer + "\n"
    case .ascii: return state.screen(size: size, glyphs: GlyphSet(.ascii)).text + "\n"
    case .mono:
      let grid = state.screen(size: size)
      return grid.text + "\n==\n" + Self.attributes(grid) + "\n"
    }
  }

  /// A letter a cell: `r` reverse, `b` bold, `u` underlined, `d` dim, `*` several of them.
  private static func attributes(_ grid: Grid) -> String {
    let theme = Theme.builtIn.resolved(for: .mono)
    return (0..<grid.size.rows).map { row in
      var line = ""
      for column in 0..<grid.size.columns {
        let cell = grid[column: column, row: row]
        let names = Attributes.names.filter {
          theme.style(cell.role, on: cell.ground).attributes.contains($0.attribute)
        }
        line += names.isEmpty ? " " : names.count > 1 ? "*" : String(names[0].name.prefix(1))
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}

@Suite("Screens as they were approved") struct GoldenTests {
  private static let sizes = [(200, 50), (120, 40), (80, 24), (60, 15), (20, 5)].map { Size(columns: $0, rows: $1) }
  private static let small = Size(columns: 80, rows: 24)
  private static let tiny = Size(columns: 60, rows: 15)

  static let scenes: [Scene] = sizes.flatMap(everySize) + layers + panes + rare + past

  private static func everySize(_ size: Size) -> [Scene] {
    [
      Scene(name: "live", size: size) { RichSession.live() },
      Scene(name: "live", size: size, layer: .ascii) { RichSession.live() },
      Scene(name: "live", size: size, layer: .mono) { RichSession.live() },
      Scene(name: "replay", size: size) { RichSession.replay() },
      Scene(name: "replay", size: size, layer: .ascii) { RichSession.replay() },
    ]
  }

  /// What lies over the panes, and what is asked and told below them.
  private static let layers: [Scene] = [
    Scene(name: "help", size: sizes[1]) { pressed(["?"]) },
    Scene(name: "help", size: small) { pressed(["?"]) },
    Scene(name: "help", size: tiny) { pressed(["?"]) },
    Scene(name: "help-page2", size: tiny) { pressed(["?", "space"]) },
    Scene(name: "help-replay", size: small, layer: .ascii) { pressed(["?"], in: RichSession.replay()) },
    Scene(name: "explain-queued", size: small) { explaining(RichSession.tune) },
    Scene(name: "explain-held", size: small) { explaining(RichSession.report) },
    Scene(name: "explain-suspended", size: tiny) { explaining(RichSession.embed) },
    Scene(name: "explain-running", size: small, layer: .ascii) { explaining(RichSession.churn) },
    Scene(name: "explain-thinking", size: Size(columns: 30, rows: 10)) { explaining(RichSession.svc) },
    Scene(name: "prompt", size: small) {
      var state = RichSession.live()
      state.press(":")
      state.type("p")
      return state
    },
    Scene(name: "seek-error", size: small) {
      var state = RichSession.replay()
      state.press("g")
      state.type("half past")
      state.press("enter")
      return state
    },
    Scene(name: "filter", size: small) {
      var state = RichSession.live()
      state.press("/")
      state.type("churn")
      return state
    },
    Scene(name: "filter-nothing", size: small) {
      var state = RichSession.live()
      state.press("/")
      state.type("zzz")
      state.press("enter")
      return state
    },
    Scene(name: "refused", size: small) { RefusalStage.refused() },
    Scene(name: "frozen-readonly", size: small) { pressed(["p", "x"], in: RichSession.live(isReadOnly: true)) },
    Scene(name: "trouble", size: small) { RefusalStage.inTrouble() },
    Scene(name: "menu", size: small) { about(RichSession.churn, ["x"]) },
    Scene(name: "menu", size: sizes[4]) { about(RichSession.churn, ["x"]) },
    Scene(name: "confirm", size: small, layer: .mono) { about(RichSession.churn, ["i"]) },
    Scene(name: "confirm", size: sizes[4]) { about(RichSession.churn, ["i"]) },
    Scene(name: "confirm-word", size: tiny) { pressed(["home", "space", "space", "space", "space", "h"]) },
    Scene(name: "editor", size: small) { about(RichSession.tune, ["a"]) },
    Scene(name: "editor-many", size: small, layer: .ascii) { pressed(["a"], in: RareBoards.state(RareBoards.many)) },
    Scene(name: "themes", size: tiny) {
      var state = RichSession.live()
      state.show(themes: ["base-dark", "mono", "nord"], current: "mono")
      return state
    },
    Scene(name: "confirm-quit", size: Size(columns: 18, rows: 4)) {
      pressed(["q"], in: RichSession.live(confirmsQuit: true))
    },
  ]

  /// Sessions to choose from, two worlds, and what changed.
  private static let past: [Scene] =
    sizes.map { size in Scene(name: "two-worlds", size: size) { PastStage.twoWorlds() } } + [
      Scene(name: "two-worlds", size: sizes[1], layer: .ascii) { PastStage.twoWorlds() },
      Scene(name: "two-worlds", size: small, layer: .mono) { PastStage.twoWorlds() },
      Scene(name: "sessions", size: sizes[1]) { PastStage.browsing() },
      Scene(name: "sessions", size: tiny, layer: .ascii) { PastStage.browsing() },
      Scene(name: "changes", size: small) { PastStage.changed() },
      Scene(name: "what-if-prompt", size: small) { pressed(["W"], in: RichSession.replay()) },
    ]

  /// Each pane zoomed.
  private static let panes: [Scene] =
    Pane.allCases.dropFirst().map { pane in
      Scene(name: "zoomed-\(pane)", size: small) { pressed(["\(pane.rawValue + 1)", "e"]) }
    } + [
      Scene(name: "zoomed-graphs", size: sizes[0]) { pressed(["6", "e"]) },
      Scene(name: "tree", size: small) { pressed(["t", "k", "enter"]) },
      Scene(name: "columns", size: small, layer: .ascii) { pressed(["s", "j"]) },
      Scene(name: "cursor", size: sizes[1]) {
        var state = RichSession.live()
        state.size = sizes[1]
        for key in ["3"] + Array(repeating: "left", count: 30) { state.press(key) }
        return state
      },
      Scene(name: "events-filtered", size: small) {
        var state = pressed(["5", "e", "/"])
        state.type("svc")
        state.press("enter")
        return state
      },
      Scene(name: "details", size: sizes[0]) { detailed() },
      Scene(name: "details", size: small, layer: .mono) { detailed() },
      Scene(name: "details", size: tiny, layer: .ascii) { detailed() },
    ]
    + Arrangement.allCases.dropFirst().map { arrangement in
      Scene(name: "layout-\(arrangement)", size: sizes[1], layer: .ascii) {
        pressed(Array(repeating: "+", count: arrangement.rawValue))
      }
    }

  private static func detailed() -> ConsoleState {
    var state = RichSession.live()
    state.select(RichSession.churn)
    state.press("enter")
    return state
  }

  /// What is seen rarely: nothing, very much, and hostile names.
  private static let rare: [Scene] = [
    Scene(name: "empty", size: sizes[1]) { RareBoards.state(RareBoards.empty) },
    Scene(name: "empty", size: small) { RareBoards.state(RareBoards.nodeOnly) },
    Scene(name: "many", size: sizes[0]) { RareBoards.state(RareBoards.many) },
    Scene(name: "many", size: small) { RareBoards.state(RareBoards.many) },
    Scene(name: "hostile", size: sizes[1]) { RareBoards.state(RareBoards.hostile) },
    Scene(name: "one-core", size: small) { RareBoards.state(RareBoards.oneCore) },
  ]

  private static func pressed(_ keys: [String], in state: ConsoleState = RichSession.live()) -> ConsoleState {
    var state = state
    for key in keys { state.press(key) }
    return state
  }

  private static func about(_ id: NotebookID, _ keys: [String]) -> ConsoleState {
    var state = RichSession.live()
    state.select(id)
    return pressed(keys, in: state)
  }

  private static func explaining(_ id: NotebookID) -> ConsoleState {
    var state = RichSession.live()
    state.select(id)
    state.press("w")
    return state
  }

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Goldens")
  private static let records = ProcessInfo.processInfo.environment["CELLTOP_RECORD_GOLDENS"] == "1"

  @Test("shows what was approved", arguments: scenes)
  func golden(scene: Scene) throws {
    let file = Self.folder.appendingPathComponent("\(scene).txt")
    let picture = scene.picture
    if Self.records { return try Data(picture.utf8).write(to: file) }
    let approved = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    #expect(
      picture == approved,
      "\(scene): \(Self.difference(approved, picture))\nIf it looks right, record it with CELLTOP_RECORD_GOLDENS=1")
  }

  @Test("keeps no file of a screen that is no longer tested")
  func orphans() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted()
    #expect(files == Set(Self.scenes.map { "\($0).txt" }).sorted())
  }

  @Test("means the same in ASCII as in UTF-8, cell for cell", arguments: scenes)
  func sameRoles(scene: Scene) {
    let state = scene.state()
    let fancy = state.screen(size: scene.size)
    let plain = state.screen(size: scene.size, glyphs: GlyphSet(.ascii))
    #expect(plain.text.unicodeScalars.allSatisfy { $0.isASCII })
    #expect(zip(fancy.cells, plain.cells).allSatisfy { $0.role == $1.role && $0.ground == $1.ground })
  }

  /// The lines that differ, the approved one first.
  private static func difference(_ approved: String, _ found: String) -> String {
    if approved.isEmpty { return "there is no approved screen\n" + found }
    let old = approved.split(separator: "\n", omittingEmptySubsequences: false)
    let new = found.split(separator: "\n", omittingEmptySubsequences: false)
    var lines: [String] = []
    for index in 0..<max(old.count, new.count) {
      let (before, after) = (index < old.count ? old[index] : "", index < new.count ? new[index] : "")
      if before != after { lines += ["line \(index + 1)", "- \(before)", "+ \(after)"] }
    }
    return "\(lines.count / 3) lines differ\n" + lines.prefix(60).joined(separator: "\n")
  }
}

/// States after an answer, and with a recording that failed.
enum RefusalStage {
  static func refused() -> ConsoleState {
    var state = RichSession.live()
    state.select(RichSession.digits)
    var tape = board()
    for intent in state.press("x") {
      guard case .order(let command) = intent else { continue }
      tape.apply(
        Entry(
          sequence: tape.sequence + 1, at: RichSession.now,
          event: .commandRefused(command, Refusal(.stale, "the cell on the screen has ended since"))))
    }
    state.show(tape, at: RichSession.now)
    return state
  }

  static func inTrouble() -> ConsoleState {
    var state = RichSession.live()
    var faulty = board()
    faulty.apply(
      Entry(sequence: faulty.sequence + 1, at: RichSession.now, event: .invariantBroken("core 3 is allotted twice")))
    state.trouble = "the history cannot be written: disk full"
    state.show(faulty, at: RichSession.now)
    return state
  }

  private static func board() -> Board { RichSession.board }
}
