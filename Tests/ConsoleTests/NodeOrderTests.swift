import Canvas
import Domain
import Foundation
import Projections
import Testing
import Verbs

@testable import Console

/// Orders about the node and about what cells ask for, by keys: the grid of what is drained, the policy, the demand.
@Suite("Orders about the node by keys") struct NodeOrderTests {
  private static let node = NodeID(0)
  private static let size = Size(columns: 120, rows: 40)

  @Test("D drains what Space chose on the grid, after asking with what it would bring, and z takes it back")
  func drain() {
    var state = RichSession.live()
    state.press("D")
    #expect(state.screen(size: Self.size).text.contains("drained: cores 15, GPUs 3"))
    state.press("space", "right", "space")
    let drained = Verb.drain(Self.node, CoreSet([0, 1]), GPUSet())
    #expect(state.press("enter") == [.preview([drained])])
    let asked = state.screen(size: Self.size).text
    #expect(asked.contains("REALLY?") && asked.contains("y does it"), "\(asked)")
    #expect(state.press("y").verbs == [drained])
    #expect(state.press("z").verbs == [.undrain(Self.node, CoreSet([0, 1]), GPUSet())])
  }

  @Test("D undrains what was drained and is chosen no longer, together with what is drained anew")
  func undrain() {
    var state = RichSession.live()
    state.press("D", "end", "space", "tab", "space", "enter")
    let verbs: [Verb] = [
      .undrain(Self.node, CoreSet(), GPUSet([3])), .drain(Self.node, CoreSet([0]), GPUSet()),
    ]
    #expect(state.press("y").verbs == verbs)
    #expect(state.press("z").verbs.count == 2)
  }

  @Test("D orders nothing where nothing was changed, nor where the answer is not y")
  func nothing() {
    var state = RichSession.live()
    #expect(state.press("D", "enter").isEmpty && state.layer == nil)
    #expect(state.flash?.text == "no core and no GPU was changed; Space drains or undrains one")
    #expect(state.press("D", "space", "enter", "enter").verbs.isEmpty)
    #expect(state.press("D", "space", "escape").isEmpty)
  }

  @Test(
    "the grid tells on small screens how many places it hides, scrolls to each, and how to leave it",
    arguments: [
      Size(columns: 20, rows: 5), Size(columns: 24, rows: 6), Size(columns: 30, rows: 8), Size(columns: 40, rows: 7),
      Size(columns: 60, rows: 15), Size(columns: 80, rows: 24),
    ])
  func smallGrid(size: Size) throws {
    for start in [RichSession.live(), RareBoards.state(RareBoards.many)] {
      for key in ["D", "a"] {
        var state = start
        state.size = size
        state.press(key)
        guard case .editor(let editor) = state.layer else {
          Issue.record("no grid at \(size)")
          continue
        }
        var seen: Set<Int> = []
        for place in 0..<editor.count {
          let screen = state.screen(size: size, glyphs: GlyphSet(.ascii))
          let text = screen.text
          #expect(screen.cells.contains { $0.role == .dialogChoiceSelected }, "\(text)")
          #expect(text.contains("Esc leaves") || text.contains("Esc back"), "\(text)")
          let numbers = text.split { !$0.isNumber }.compactMap { Int($0) }
          let number = place < editor.cores.count ? editor.cores[place] : editor.gpus[place - editor.cores.count]
          #expect(numbers.contains(number), "\(number) is under the cursor: \(text)")
          seen.insert(place)
          let perRow = editor.columns(within: size.columns)
          let rows = (editor.cores.count + perRow - 1) / perRow + (editor.gpus.count + perRow - 1) / perRow
          if rows > size.rows {
            let note = try #require(text.range(of: "[+][0-9]+ more", options: .regularExpression), "\(text)")
            let hidden = Int(text[note].drop { $0 == "+" }.prefix { $0.isNumber }) ?? 0
            #expect(hidden > 0 && hidden < editor.count)
          }
          state.press("right")
        }
        #expect(seen.count == editor.count)
      }
    }
  }

  @Test("the right button on a core that nobody is on opens the grid there")
  func mouse() throws {
    var state = RichSession.live()
    state.size = Self.size
    let grid = state.screen(size: Self.size)
    var idle: (point: Point, core: Int)?
    for row in 0..<grid.size.rows {
      for column in 0..<grid.size.columns where idle == nil {
        let point = Point(column: column, row: row)
        if case .core(let core, nil) = state.hit(at: point), core > 0 { idle = (point, core) }
      }
    }
    let found = try #require(idle)
    _ = state.handle(.mouse(MouseEvent(.press(.right), at: found.point)))
    let isDrained = RichSession.board.nodes[0].drainedCores.contains(found.core)
    let verbs = state.press("space", "enter", "y").verbs
    #expect(
      verbs == [
        isDrained
          ? .undrain(Self.node, CoreSet([found.core]), GPUSet()) : .drain(Self.node, CoreSet([found.core]), GPUSet())
      ])
  }

  @Test("O switches the policy: it offers the names, asks, and only y does it")
  func policy() {
    var state = RichSession.live()
    state.policies = ["dynamic", "fcfs", "sjf"]
    state.press("O")
    #expect(state.screen(size: Self.size).text.contains("dynamic · fcfs · sjf"))
    state.type("sj")
    state.press("tab")
    let intents = state.press("enter")
    #expect(intents.contains(.preview([.setPolicy("sjf")])) && intents.verbs.isEmpty)
    #expect(state.press("y").verbs == [.setPolicy("sjf")])
    #expect(state.press("z").verbs == [.setPolicy("fcfs")])
  }

  @Test("a policy that there is not is refused at once, and one that the engine refuses is not asked about any more")
  func refusedPolicy() {
    var state = RichSession.live()
    state.policies = ["dynamic", "fcfs", "sjf"]
    #expect(state.command("policy nosuch").isEmpty && state.layer == nil)
    #expect(state.flash?.text == "there is no policy 'nosuch'; there are dynamic, fcfs, sjf")
    // A policy's options are the engine's to know.
    let verb = Verb.setPolicy("dynamic:nosuch")
    #expect(state.command("policy dynamic:nosuch") == [.preview([verb])])
    let outcome = Preview.Outcome(waitMean: 12, antt: 1.5, stp: 2)
    state.show(
      Preview(
        verbs: [verb], before: outcome, after: outcome, changes: [],
        refusals: [Preview.Refused(order: 0, Refusal(.outOfRange, "it has no such option"))],
        horizon: Span(seconds: 60), unknown: 0, isCutShort: false))
    let refused = state.screen(size: Self.size).text
    #expect(refused.contains("REFUSED") && refused.contains("it has no such option") && !refused.contains("[y/N]"))
    #expect(state.press("y").isEmpty && state.layer == nil && state.flash?.text == "it has no such option")
    // What was found out then is not what is so now.
    state.command("policy dynamic:nosuch")
    #expect(state.screen(size: Self.size).text.contains("[y/N]"))
    #expect(state.press("y").verbs == [verb])
  }

  @Test("d says what later cells ask for, of the notebook under the cursor or of the tagged ones")
  func demand() {
    var state = RichSession.live()
    state.select(RichSession.digits)
    state.press("d")
    #expect(state.screen(size: Self.size).text.contains("such as demand cores=1-4"))
    state.type("cores=2")
    let verbs = state.press("enter").verbs
    #expect(verbs.count == 1 && verbs.first?.notebook == RichSession.digits, "\(verbs)")
    #expect(verbs.first?.word == "demand")
    state.press("home", "space", "space", "d")
    state.type("own")
    state.press("enter")
    guard case .confirm(let asked) = state.layer else {
      Issue.record("orders on two are asked about")
      return
    }
    #expect(asked.verbs.count == 2)
  }

  @Test(
    "are refused with the reason, and dim in the key bar, where a role may not give them", arguments: ["D", "O", "d"])
  func roles(key: String) throws {
    var author = RichSession.live()
    author.session.ordersOwnOnly = true
    let other = try #require(author.board.openNotebooks.first { author.board[$0]?.notebook.user != "ana" })
    author.select(other)
    #expect(author.press(key).isEmpty && author.layer == nil)
    let why = key == "d" ? "you may order your own about" : "is about the whole node: only an operator may say so"
    #expect(author.flash?.text.contains(why) == true, "\(author.flash?.text ?? "")")
    var replay = RichSession.replay()
    #expect(replay.press(key).isEmpty && replay.layer == nil)
    #expect(replay.flash?.text == "this is a replay: what is past cannot be ordered about")
    var watched = RichSession.live(isReadOnly: true)
    #expect(watched.press(key).isEmpty && watched.layer == nil)
    #expect(watched.flash?.text == "this console is read-only")
    let wide = Size(columns: 240, rows: 40)
    let grid = watched.screen(size: wide)
    let bar = (0..<wide.columns).map { grid[column: $0, row: wide.rows - 1] }
    let text = bar.map { String($0.base) }.joined()
    let place = try #require(text.range(of: "(\(key) ")?.lowerBound.utf16Offset(in: text))
    #expect(bar[place].role == .keybarDisabled)
  }

  @Test("what a role may not do looks switched off without colours, too")
  func disabledInMono() {
    let mono = Theme.builtIn.resolved(for: .mono)
    for enabled in [Role.keybarKey, .keybarLabel, .helpKey, .helpText] {
      #expect(mono.style(.keybarDisabled) != mono.style(enabled), "\(enabled)")
    }
    #expect(mono.style(.keybarDisabled).attributes.contains(.dim))
  }
}
