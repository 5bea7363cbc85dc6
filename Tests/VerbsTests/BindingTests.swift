import Domain
import Projections
import Testing

@testable import Verbs

@Suite("Lines bound to notebooks and cells") struct BindingTests {
  /// churn runs cell 1, digits waits with cell 2, embed (of ben) thinks.
  private static func desk() -> Desk {
    var desk = Desk()
    desk.run(desk.open("churn"), 1)
    desk.submit(desk.open("digits"), 2)
    desk.open("embed", user: "ben")
    return desk
  }
  private static let (churn, digits, embed) = (NotebookID(0), NotebookID(1), NotebookID(2))

  private static func orders(_ text: String, _ selection: Selection = Selection(cursor: churn)) throws -> Orders {
    try Line(parsing: text).orders(on: desk().board, selection)
  }

  @Test("name the cell that the board shows")
  func cells() throws {
    #expect(try Self.orders("suspend").verbs == [.suspend(Self.churn, cell: CellID(1))])
    #expect(
      try Self.orders("suspend after 20s").verbs == [.suspendAfter(Self.churn, cell: CellID(1), Span(seconds: 20))])
    #expect(try Self.orders("suspend at-end on digits").verbs == [.suspendAtEnd(Self.digits, cell: CellID(2))])
    #expect(try Self.orders("interrupt").verbs == [.interrupt(Self.churn, cell: CellID(1))])
    #expect(
      try Self.orders("pin").verbs == [.pin(Self.churn, Pin(node: NodeID(0), cores: CoreSet([1])))])
    #expect(
      try Self.orders("demand cores=2").verbs == [.overrideDemand(Self.churn, Demand(coresLeast: 2, coresMost: 2))])
  }

  @Test("mean the tagged ones before the cursor, and who is named before both")
  func whom() throws {
    let tagged = Selection(cursor: Self.churn, tagged: [Self.digits, Self.embed], filtered: [Self.embed])
    #expect(try Self.orders("hold", tagged).verbs == [.hold(Self.digits), .hold(Self.embed)])
    #expect(try Self.orders("hold on filtered", tagged).verbs == [.hold(Self.embed)])
    #expect(try Self.orders("hold on all", tagged).verbs == [.hold(Self.churn), .hold(Self.digits), .hold(Self.embed)])
    #expect(try Self.orders("hold on user:ben,churn", tagged).verbs == [.hold(Self.embed), .hold(Self.churn)])
    #expect(try Self.orders("hold on state:queued", tagged).verbs == [.hold(Self.digits)])
    #expect(try Self.orders("hold on #1,dig", tagged).verbs == [.hold(Self.digits)])
  }

  @Test("leave out whom the act does not fit, and say why of each")
  func leavesOut() throws {
    let orders = try Self.orders("suspend on all")
    #expect(orders.verbs == [.suspend(Self.churn, cell: CellID(1))])
    #expect(
      orders.refused.map(\.refusal.text) == [
        "digits waits already; h holds it there", "embed is thinking; there is no cell to suspend",
      ])
  }

  private static let wrong: [(String, String)] = [
    ("hold on nobody", "no notebook of that name is open"), ("hold on #9", "no notebook with that number is open"),
    ("hold on user:eve", "nobody of that name has a notebook open"),
    ("hold on state:running,state:suspended", "no notebook is suspended"),
    ("hold on state:asleep", "there is no such state"),
    ("hold on tagged", "no notebook is tagged"), ("hold on filtered", "the filter leaves no notebook"),
    ("drain 4", "n has the cores 0-3 and 2 GPUs"), ("drain gpus 2", "n has the cores 0-3 and 2 GPUs"),
  ]

  @Test("say who is not there")
  func errors() {
    for (text, part) in Self.wrong {
      do {
        let orders = try Self.orders(text)
        Issue.record("'\(text)' gave \(orders)")
      } catch { #expect("\(error)".contains(part), "\(text): \(error)") }
    }
  }

  @Test("are taken back by the order that restores what was")
  func undoing() throws {
    var desk = Self.desk()
    let pin = Pin(node: NodeID(0), cores: CoreSet([2]))
    desk.tell(
      .priorityChanged(Self.churn, 3), .pinned(Self.embed, pin), .drainChanged(NodeID(0), CoreSet([3]), GPUSet()))
    let table: [(Verb, Verb?)] = [
      (.suspend(Self.churn, cell: CellID(1)), .resume(Self.churn, cell: CellID(1))),
      (.suspendAfter(Self.churn, cell: CellID(1), Span(seconds: 5)), .callOff(Self.churn, cell: CellID(1))),
      (.suspendAtEnd(Self.churn, cell: CellID(1)), .callOff(Self.churn, cell: CellID(1))),
      (.interrupt(Self.churn, cell: CellID(1)), nil), (.setPriority(Self.churn, 9), .setPriority(Self.churn, 3)),
      (.pin(Self.churn, pin), .unpin(Self.churn)), (.unpin(Self.embed), .pin(Self.embed, pin)),
      (.hold(Self.churn), .release(Self.churn)), (.release(Self.churn), nil),
      (.drain(NodeID(0), CoreSet([2, 3]), GPUSet([1])), .undrain(NodeID(0), CoreSet([2]), GPUSet([1]))),
      (.undrain(NodeID(0), CoreSet([2, 3]), GPUSet()), .drain(NodeID(0), CoreSet([3]), GPUSet())),
      (.setPolicy("sjf"), .setPolicy("fcfs")),
      (.overrideDemand(Self.churn, .oneCore), .overrideDemand(Self.churn, nil)),
    ]
    for (verb, undo) in table { #expect(verb.undoing(on: desk.board) == undo, "\(verb)") }
  }

  @Test("are told as done in the number of what they were about")
  func told() {
    let board = Self.desk().board
    let node = NodeID(0)
    #expect(Verb.drain(node, CoreSet([0]), GPUSet()).done(on: board) == "core 0 drained")
    #expect(Verb.drain(node, CoreSet([0, 1]), GPUSet([1])).done(on: board) == "cores 0-1, GPU 1 drained")
    #expect(Verb.undrain(node, CoreSet(), GPUSet([0, 1])).done(on: board) == "GPUs 0-1 undrained")
  }

  @Test("come back as lines that give the same order")
  func lines() throws {
    let desk = Self.desk()
    let cell = CellID(1)
    let verbs: [Verb] = [
      .suspend(Self.churn, cell: cell), .interrupt(Self.churn, cell: cell), .suspendAtEnd(Self.churn, cell: cell),
      .suspendAfter(Self.churn, cell: cell, Span(seconds: 20)), .setPriority(Self.embed, -7), .hold(Self.digits),
      .pin(Self.embed, Pin(node: NodeID(0), cores: CoreSet([0, 1]), gpus: GPUSet([1]), reserves: true)),
      .drain(NodeID(0), CoreSet([1]), GPUSet([0])), .setPolicy("os"),
      .overrideDemand(Self.embed, Demand(coresLeast: 1, coresMost: 4, gpus: 1, memory: Bytes(1 << 30))),
      .overrideDemand(Self.embed, nil),
    ]
    for verb in verbs {
      let line = verb.line(on: desk.board)
      #expect(try Line(parsing: line.text).orders(on: desk.board).verbs == [verb], "\(line.text)")
    }
  }

  private static let completions: [(String, [String])] = [
    ("su", ["suspend"]), ("", Grammar.words.map(\.name)), ("suspend a", ["after ", "at-end"]),
    ("suspend after ", ["10s", "20s", "1m", "5m"]), ("suspend o", ["on "]), ("hold on d", ["digits"]),
    ("hold on churn,e", ["embed"]), ("hold on user:", ["user:ana", "user:ben"]), ("hold on churn ", ["because "]),
    ("policy s", ["sjf"]), ("pin cores ", ["0-3", "alone"]), ("demand cores=2 m", ["memory="]),
    ("undrain cores ", []), ("hold because th", []), ("fly ", []),
  ]

  @Test("offer what can be typed next")
  func completion() {
    for (text, candidates) in Self.completions {
      let completion = Grammar.completion(of: text, on: Self.desk().board, policies: ["fcfs", "sjf"])
      #expect(completion.candidates == candidates, "\(text)")
    }
    #expect(Grammar.completion(of: "suspend a", on: Self.desk().board).common == "a")
    #expect(Grammar.completion(of: "hold on churn,e", on: Self.desk().board).before == "hold on churn,")
  }

  @Test("name a notebook whatever its name, and are completed to what names it")
  func anyName() throws {
    for name in [
      "say \"hi\"", "a,b", "my book", "back\\slash \"", "\"", "on", "all", "because", "a \u{202E}b", "#1", "-5", "'",
      "日本 語", "user:ana", "state:running",
    ] {
      var desk = Self.desk()
      let id = desk.open(name)
      let line = Verb.hold(id).line(on: desk.board)
      #expect(try Line(parsing: line.text).notebooks(on: desk.board) == [id], "\(line.text)")
      let known = name.contains(/^(#|user:|state:)/) ? "#\(id.number)" : desk.board.name(of: id)
      let typed = String(Grammar.quoted(known).dropLast(known.count > 2 ? 1 : 0))
      for line in ["hold on " + typed, "hold on churn," + typed] {
        let completion = Grammar.completion(of: line, on: desk.board)
        #expect(completion.candidates.contains(Grammar.quoted(known)), "\(line): \(completion)")
        let whole = completion.before + Grammar.quoted(known)
        #expect(try Line(parsing: whole).notebooks(on: desk.board).contains(id), "\(whole)")
      }
    }
    // Whatever a notebook is called, a number means the notebook of that number.
    var desk = Self.desk()
    let wrong = desk.open("#0")
    #expect(try Line(parsing: "hold on #0").notebooks(on: desk.board) == [Self.churn])
    #expect(try Line(parsing: "hold on #\(wrong.number)").notebooks(on: desk.board) == [wrong])
    desk = Self.desk()
    desk.open("my book")
    #expect(Grammar.completion(of: "hold on my", on: desk.board).candidates == ["\"my book\""])
    #expect(Grammar.completion(of: "hold on \"my b", on: desk.board).candidates == ["\"my book\""])
  }
}
