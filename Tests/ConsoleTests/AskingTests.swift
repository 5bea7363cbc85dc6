import Canvas
import Domain
import Foundation
import Projections
import Testing
import Verbs

@testable import Console

@Suite("Questions before orders") struct AskingTests {
  private static let size = Size(columns: 120, rows: 40)
  private static func cell(of id: NotebookID) -> CellID { RichSession.board[id]?.cell?.cell.id ?? CellID(0) }

  /// The first notebooks of the table, tagged with Space.
  private static func tagged(_ count: Int) -> ConsoleState {
    var state = RichSession.live()
    state.press("home")
    for _ in 0..<count { state.press("space") }
    return state
  }

  private static func text(_ state: ConsoleState) -> String { state.screen(size: size).text }

  @Test("tags with Space, a range with v, and untags with U; marks stay with the notebook")
  func tags() {
    var state = Self.tagged(2)
    #expect(state.tagged == Set(state.rowOrder.prefix(2)))
    state.press("j", "j", "v")
    #expect(state.tagged.count >= 4)
    state.press("U")
    #expect(state.tagged.isEmpty)
    state.press("U")
    #expect(state.flash?.text == "nothing is tagged; Space tags")
  }

  @Test("names the victims and takes only y for an order on several")
  func several() {
    var state = Self.tagged(2)
    let ids = Array(state.rowOrder.prefix(2))
    let asked = state.press("h")
    #expect(asked.verbs.isEmpty)
    #expect(asked == [.preview(ids.map { .hold($0) })])
    for id in ids { #expect(Self.text(state).contains(state.board.name(of: id))) }
    #expect(Self.text(state).contains("[y/N]"))
    #expect(state.press("h").isEmpty)
    #expect(state.flash?.text == "nothing was done")
    state.press("h")
    #expect(state.press("y").verbs == ids.map { .hold($0) })
    #expect(state.press("z").verbs == ids.map { .release($0) })
    #expect(state.press("Z").verbs == ids.map { .hold($0) })
  }

  @Test("wants the word typed for more than three")
  func many() {
    var state = Self.tagged(5)
    state.press("h")
    #expect(Self.text(state).contains("Type hold and Enter"))
    state.type("hol")
    #expect(state.press("enter").isEmpty)
    #expect(state.flash?.text == "nothing was done")
    state.press("h")
    state.type("hold")
    #expect(state.press("enter").verbs.count == 5)
  }

  @Test("says what is at stake and that it is lost before it interrupts")
  func stake() {
    var state = RichSession.live()
    state.select(RichSession.churn)
    #expect(state.press("i") == [.preview([.interrupt(RichSession.churn, cell: Self.cell(of: RichSession.churn))])])
    let text = Self.text(state)
    #expect(
      text.contains("churn") && text.contains("ran ") && text.contains("is lost") && text.contains("Looking ahead"))
  }

  @Test("shows what was found out about the very orders that are asked about, and not about others")
  func previews() {
    var state = RichSession.live()
    state.select(RichSession.churn)
    let verb = Verb.interrupt(RichSession.churn, cell: Self.cell(of: RichSession.churn))
    let outcome = Preview.Outcome(waitMean: 12, antt: 1.5, stp: 2)
    var preview = Preview(
      verbs: [verb], before: outcome, after: Preview.Outcome(waitMean: 3, antt: 1.25, stp: 2.5),
      changes: [Preview.Change(RichSession.tune, wait: (Span(seconds: 40), .zero), end: (nil, nil))], refusals: [],
      horizon: Span(seconds: 60), unknown: 0, isCutShort: false)
    state.press("i")
    state.show(preview)
    #expect(Self.text(state).contains("ANTT 1.50 → 1.25"))
    #expect(Self.text(state).contains("starts now, without it in 40 s"))
    preview.verbs = [.hold(RichSession.churn)]
    state.show(preview)
    #expect(!Self.text(state).contains("ANTT"))
  }

  @Test(
    "shows what is asked and how to answer however small the screen is",
    arguments: [Size(columns: 20, rows: 5), Size(columns: 40, rows: 10), Size(columns: 60, rows: 15)])
  func smallScreens(size: Size) {
    func words(_ state: ConsoleState) -> String {
      // As it reads without the frame, where words break.
      let plain = state.screen(size: size, glyphs: GlyphSet(.ascii)).text
      return plain.filter { !"|+-".contains($0) }.split { " \n".contains($0) }.joined(separator: " ")
    }
    func previewed(_ state: inout ConsoleState, _ verbs: [Verb]) {
      let outcome = Preview.Outcome(waitMean: 12, antt: 1.5, stp: 2)
      state.show(
        Preview(
          verbs: verbs, before: outcome, after: Preview.Outcome(waitMean: 3, antt: 1.25, stp: 2.5),
          changes: (0..<8).map {
            Preview.Change(NotebookID($0), wait: (Span(seconds: 40), Span(seconds: Double($0))), end: (nil, nil))
          }, refusals: [], horizon: Span(seconds: 60), unknown: 3, isCutShort: false))
    }
    var several = Self.tagged(3)
    several.press("h")
    previewed(&several, several.rowOrder.prefix(3).map { .hold($0) })
    #expect(words(several).contains("hold on 3") && words(several).contains("[y/N]"), "\(words(several))")
    var many = Self.tagged(5)
    many.press("h")
    many.type("hol")
    #expect(
      words(many).contains("hold on 5") && words(many).contains("Type hold") && words(many).contains("hol_"),
      "\(words(many))")
    var one = RichSession.live()
    one.select(RichSession.churn)
    one.press("i")
    previewed(&one, [.interrupt(RichSession.churn, cell: Self.cell(of: RichSession.churn))])
    #expect(words(one).contains("interrupt") && words(one).contains("[y/N]"), "\(words(one))")
    var menu = RichSession.live()
    menu.select(RichSession.churn)
    menu.press("x")
    for choice in ["> s", "> g", "> e", "> i"] {
      #expect(words(menu).contains(choice), "\(choice): \(words(menu))")
      menu.press("j")
    }
    var why = RichSession.live()
    why.select(RichSession.report)
    why.press("w")
    previewed(&why, [.release(RichSession.report)])
    #expect(words(why).contains("report"), "\(words(why))")
    #expect(size.rows < 10 || words(why).contains("release on report"), "\(words(why))")
  }

  @Test("says how many lines of a question had no room")
  func cut() {
    var state = Self.tagged(5)
    state.press("h")
    #expect(!Self.text(state).contains("more ─"))
    let small = state.screen(size: Size(columns: 40, rows: 8)).text
    #expect(small.contains(" lines more "), "\(small)")
  }

  @Test("names every core in full on the grid, however many there are", arguments: [40, 60, 80, 120])
  func manyCores(columns: Int) {
    var state = RareBoards.state(RareBoards.many)
    state.size = Size(columns: columns, rows: 60)
    state.press("home", "a")
    let lines = state.screen(size: state.size, glyphs: GlyphSet(.ascii)).text.split(separator: "\n")
    let fields = lines.flatMap { $0.split { " +|".contains($0) } }
    for core in [5, 105, 205, 255] {
      // The number, and a letter (with a number where letters have begun again) or a dot for whose it is.
      let text = "\(core)"
      let found = fields.filter {
        $0.hasPrefix(text) && $0.count <= text.count + 2 && $0.dropFirst(text.count).first?.isNumber == false
      }
      #expect(found.count == (core < 8 ? 2 : 1), "\(core) at \(columns): \(found)")
    }
    state.press("down")
    guard case .editor(let editor) = state.layer else {
      Issue.record("no editor")
      return
    }
    #expect(editor.cursor == editor.columns(within: columns))
  }

  @Test("names the smallest order that helps a waiting cell, and asks what it would bring")
  func remedies() {
    var state = RichSession.live()
    state.select(RichSession.report)
    #expect(state.press("w") == [.preview([.release(RichSession.report)])])
    #expect(Self.text(state).contains("release on report"))
    state.press("escape")
    state.select(RichSession.embed)
    #expect(
      state.press("w") == [.preview([.resume(RichSession.embed, cell: Self.cell(of: RichSession.embed))])])
  }

  /// Four cores: `wide` runs on three for long, `narrow` on one for a moment; `first` and `last` wait for cores.
  private static func crowded(lacking: Int32, priority: Int32 = 0) -> (ConsoleState, [NotebookID]) {
    var tape = Tape(node: Node(id: NodeID(0), name: "n", cores: CoreSet(0..<4), memory: Bytes(1 << 30)))
    let ids = ["wide", "narrow", "first", "last"].map { tape.open($0) }
    _ = tape.run(ids[0], on: CoreSet([0, 1, 2]), at: 10)
    _ = tape.run(ids[1], on: CoreSet([3]), at: 50)
    tape.add(.priorityChanged(ids[2], priority))
    for (place, id) in ids.dropFirst(2).enumerated() {
      let cell = tape.queue(id, at: 60)
      tape.add(
        .cellWaits(
          cell.id, id,
          Wait(cause: .cores, lacking: lacking, holders: [ids[0], ids[1]], place: Int32(place + 1))))
    }
    var state = ConsoleState(session: RichSession.live().session)
    state.size = size
    state.show(tape.board, at: tape.now)
    return (state, ids)
  }

  @Test(
    "suspends the holder with least at stake that frees enough, more only where one does not do, and goes ahead of the line"
  )
  func enough() {
    // What is lacking, whose cells are suspended.
    for (lacking, victims) in [(1, [1]), (2, [0]), (4, [1, 0])] as [(Int32, [Int])] {
      let (state, ids) = Self.crowded(lacking: lacking)
      let cells = victims.map { Verb.suspend(ids[$0], cell: state.board[ids[$0]]?.cell?.cell.id ?? CellID(0)) }
      #expect(state.remedy(for: ids[2]) == cells, "\(lacking)")
      // What is freed would be the first one's.
      #expect(state.remedy(for: ids[3]) == [.setPriority(ids[3], 1)] + cells, "\(lacking)")
    }
    #expect(Self.crowded(lacking: 5).0.remedy(for: NotebookID(2)).isEmpty)
    var (state, ids) = Self.crowded(lacking: 1, priority: 7)
    #expect(state.remedy(for: ids[3]).first == .setPriority(ids[3], 8))
    #expect(Self.crowded(lacking: 1, priority: 100).0.remedy(for: ids[3]).isEmpty)
    state.select(ids[3])
    state.press("w")
    #expect(Self.text(state).contains("The smallest orders that help: priority 8 on last, then suspend on narrow"))
    // The engine says that the first does what the second was for.
    let verbs = state.remedy(for: ids[3])
    func found(_ refusals: [Preview.Refused]) -> Preview {
      let outcome = Preview.Outcome(waitMean: 12, antt: 1.5, stp: 2)
      return Preview(
        verbs: verbs, before: outcome, after: outcome,
        changes: [Preview.Change(ids[3], wait: (Span(seconds: 40), .zero), end: (nil, nil))], refusals: refusals,
        horizon: Span(seconds: 60), unknown: 0, isCutShort: false)
    }
    let gone = Preview.Refused(order: 1, Refusal(.wrongState, "only a running cell can be suspended"))
    state.show(found([gone]))
    let text = Self.text(state)
    #expect(text.contains("The smallest order that helps: priority 8 on last") && !text.contains("then suspend"))
    #expect(text.contains("last starts now") && !text.contains("refuse"))
    state.show(found([Preview.Refused(order: 0, Refusal(.outOfRange, "too high")), gone]))
    #expect(Self.text(state).contains("No order frees what it needs at once"))
    state.show(found([Preview.Refused(order: 0, Refusal(.notAllowed, "it is ben's notebook"))]))
    #expect(Self.text(state).contains("What would help is not yours to order: it is ben's notebook."))
  }

  @Test("chooses cores and GPUs on a grid: Space toggles, Enter pins, none unpins, Esc leaves")
  func editor() {
    var state = RichSession.live()
    state.select(RichSession.tune)
    state.press("a")
    #expect(Self.text(state).contains("CORES AND GPUS"))
    let pinned = state.press("space", "l", "space", "tab", "space", "enter").verbs
    #expect(
      pinned == [.pin(RichSession.tune, Pin(node: NodeID(0), cores: CoreSet([0, 1]), gpus: GPUSet([0])))])
    state.press("a", "space", "escape")
    #expect(state.layer == nil)
    state.select(RichSession.svc)
    #expect(state.press("a", "n", "enter").verbs == [.unpin(RichSession.svc)])
    var replay = RichSession.replay()
    replay.press("a", "space")
    #expect(replay.flash?.text == "this is a replay: what is past cannot be ordered about")
  }

  @Test("completes with Tab and recalls with the arrows")
  func palette() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press(":")
    state.type("sus")
    state.press("tab")
    #expect(state.layer == .prompt(Prompt(purpose: .command, text: "suspend ")))
    state.type("at")
    state.press("tab")
    #expect(state.press("enter").contains(.remember("suspend at-end")))
    state.command("hold")
    state.press(":", "up", "up")
    guard case .prompt(let prompt) = state.layer else {
      Issue.record("no prompt")
      return
    }
    #expect(prompt.text == "suspend at-end")
    state.press("down", "down")
    #expect(state.layer == .prompt(Prompt(purpose: .command)))
  }

  @Test("turns read-only and back, unless it was opened so")
  func readOnly() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.command("read-only")
    #expect(Self.text(state).contains("ro:"))
    #expect(state.press("h").isEmpty)
    state.command("read-only")
    #expect(state.press("h").verbs == [.hold(RichSession.digits)])
    var watched = RichSession.live(isReadOnly: true)
    watched.command("read-only")
    #expect(watched.session.isReadOnly)
    // Another session takes its place (the server was started anew): what the operator chose holds, and can be taken back.
    state.command("read-only")
    state.turn(to: RichSession.live().session, isAnother: true)
    #expect(state.session.isReadOnly && !state.session.isReadOnlyForGood)
    state.command("read-only")
    state.turn(to: RichSession.live().session, isAnother: true)
    #expect(!state.session.isReadOnly)
  }

  @Test("shows each theme as the cursor comes to it, and goes back with Esc")
  func themes() {
    var state = RichSession.live()
    #expect(state.press("T") == [.listThemes])
    state.show(themes: ["base-dark", "mono", "nord"], current: "mono")
    #expect(state.press("j") == [.showTheme("nord")])
    #expect(state.press("escape") == [.showTheme("mono")])
    state.show(themes: ["base-dark", "mono", "nord"], current: "mono")
    #expect(state.press("k", "enter").last == .keepTheme("base-dark"))
  }

  @Test("copies without anything that could command a terminal")
  func copying() {
    var state = RareBoards.state(RareBoards.hostile)
    state.press("home")
    for case .copy(let text) in state.press("y") {
      #expect(!text.isEmpty && !text.unicodeScalars.contains { $0 != "\n" && isHostile($0) })
    }
    #expect(state.flash?.text.hasPrefix("copied ") == true)
  }
}

@Suite("Files of keys") struct KeyFileTests {
  private func problems(_ text: String) -> [String] {
    do {
      _ = try KeyMap(parsing: text, path: "keys.toml")
      return []
    } catch { return error.problems }
  }

  @Test("give actions other keys, several or none, and leave the rest")
  func right() throws {
    let map = try KeyMap(
      parsing: "[keys]\nhold = \"ctrl-h\"\nraise = [\"}\", \"F7\"]\nfaster = \"alt-f\"\nmark = []\n", path: "k")
    #expect(map.keys(for: .hold) == ["ctrl-h"])
    #expect(map.keys(for: .raise) == ["}", "F7"])
    #expect(map.keys(for: .mark) == [])
    #expect(KeyPress(named: "h").flatMap { map.action(for: $0) } == nil)
    #expect(map.keys(for: .quit) == KeyMap.standard.keys(for: .quit))
    var state = RichSession.live()
    state.select(RichSession.digits)
    #expect(state.handle(.key(KeyPress(.character("h"), .control)), keys: map).verbs == [.hold(RichSession.digits)])
  }

  @Test("say in which line what is wrong, and what is possible there")
  func wrong() {
    let table: [(String, String)] = [
      ("[keys]\n\nhodl = \"h\"", "line 3: there is no action 'hodl'. There are home"),
      ("[keys]\nhold = \"hyper-h\"", "line 2: 'hyper-h' is no key. Keys are written like q, G, F9, ctrl-r"),
      ("[keys]\nhold = 3", "line 2: that is no key."),
      ("[keys]\nhold = \"b\"\nrelease = \"b\"", "line 3: 'b' is given to 'hold' as well. A key can mean one thing."),
      ("[key]\nhold = \"h\"", "line 1: there is no 'key' here. There is [keys]."),
      ("[keys\n", "line 1 is not TOML"),
      ("[keys]\nhold = \"r\"", "line 2: 'hold' takes the only key of 'release'"),
      ("[keys]\nhold = \"h\"\nquit = []", "line 3: 'quit' is left without a key."),
      ("# mine\nkeys.hold = \"g\"", "line 2: 'hold' takes the only key of 'go'"),
      ("[keys]\n'quit'\t= []", "line 2: 'quit' is left without a key."),
      ("[keys]\nhold = \"h\"\nmark = \"?\"\nhelp = []", "line 4: 'help' is left without a key."),
    ]
    for (text, part) in table {
      let found = problems(text)
      let wanted = part.hasSuffix("home") ? String(part.dropLast(4)) : part
      #expect(found.contains { $0.hasPrefix(wanted) }, "\(text): \(found)")
    }
    #expect(problems("[keys]\nhodl = \"h\"").first?.hasSuffix("'celltop keys' lists them.") == true)
  }

  @Test("are printed with every action, and read again to the same keys")
  func printed() throws {
    let own = try KeyMap(parsing: "[keys]\nhold = \"ctrl-h\"\nmark = []\nraise = ['\"', '\\']\n", path: "k")
    for map in [KeyMap.standard, own] {
      let again = try KeyMap(parsing: map.file, path: "k")
      for action in KeyAction.allCases {
        #expect(again.keys(for: action) == map.keys(for: action), "\(action)")
        #expect(map.file.contains("\n\(action.rawValue) = ") && map.file.contains(" # \(action.words)\n"))
      }
    }
  }

  /// The page of the keys, of which everything below its last heading is made from the map.
  @Test("are on the page of the keys, every action by the name that a file knows")
  func page() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Docs/KEYS.md").standardizedFileURL
    let text = try String(contentsOf: path, encoding: .utf8)
    let heading = "## All of them\n"
    let start = try #require(text.range(of: heading)?.upperBound)
    let rows = KeyAction.allCases.map { action in
      let keys = KeyMap.standard.keys(for: action).map { "`\($0)`" }.joined(separator: " ")
      let place = action.isForReplay.map { $0 ? "replay" : "live" } ?? "both"
      return "| `\(action.rawValue)` | \(keys) | \(action.words) | \(place) |"
    }
    let wanted = (["", "| action | keys | what it does | where |", "|---|---|---|---|"] + rows).joined(separator: "\n")
    if ProcessInfo.processInfo.environment["CELLTOP_RECORD_GOLDENS"] == "1" {
      return try Data((text[..<start] + wanted + "\n").utf8).write(to: path)
    }
    #expect(text[start...] == wanted + "\n", "if it is right, record it with CELLTOP_RECORD_GOLDENS=1")
  }
}
