import Chance
import Domain
import Engine
import Policies
import Testing

@testable import WhatIf

@Suite("A session decided again") struct CounterfactualTests {
  private static let policies = ["fcfs", "dynamic", "sjf", "backfill", "fairshare"]

  private static func world(
    _ stage: Stage, _ text: String, from: Instant = .zero
  ) throws -> Counterfactual {
    let script = try SessionScript(stage.recording)
    var world = try Counterfactual(
      stage.recording, script: script, changes: Changes(parsing: text), from: from, catalogue: .standard)
    world.run()
    return world
  }

  /// Notebooks in the order in which they were opened, as worlds have them.
  private static func opened(_ stage: Stage) -> [[Stage.Life]] {
    stage.notebooks.indices.sorted { stage.notebooks[$0].opens < stage.notebooks[$1].opens }.map { stage.lives[$0] }
  }

  /// The same to within what rounding to whole microseconds, carried on by every later cell, may shift.
  private static func isSame(_ a: [[Stage.Life]], _ b: [[Stage.Life]], within most: Int64 = 40) -> Bool {
    func near(_ x: Instant?, _ y: Instant?) -> Bool {
      guard let x, let y else { return (x == nil) == (y == nil) }
      return abs(x.microseconds - y.microseconds) <= most
    }
    return a.count == b.count
      && zip(a, b).allSatisfy { one, other in
        one.count == other.count
          && zip(one, other).allSatisfy {
            near($0.submitted, $1.submitted) && near($0.started, $1.started) && near($0.ended, $1.ended)
          }
      }
  }

  @Test("with nothing changed gives every entry and the digest of the recording", arguments: UInt64(1)...20)
  func same(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    stage.samplesEvery = 700_000
    stage.orders = Self.orders(seed: seed)
    try stage.play(Self.policies[Int(seed) % Self.policies.count])
    let again = try Redecision(of: stage.recording, script: SessionScript(stage.recording), catalogue: .standard)
    #expect(again.isSame)
    #expect(again.entriesSame == Int64(stage.entries.count))
    #expect(again.digest == again.recordedDigest)
  }

  @Test("says at which entry a tampered recording parts, with both versions")
  func tampered() throws {
    var stage = Stage.drawn(seed: 4)
    try stage.play("fcfs")
    var recording = stage.recording
    let place = try #require(recording.entries.firstIndex { if case .cellStarted = $0.event { true } else { false } })
    guard case .cellStarted(let cell, let id, var allotment, let reason) = recording.entries[place].event else {
      return
    }
    allotment.cores = CoreSet([7])
    recording.entries[place].event = .cellStarted(cell, id, allotment, reason)
    let again = try Redecision(of: recording, script: SessionScript(stage.recording), catalogue: .standard)
    let difference = try #require(again.difference)
    #expect(difference.sequence == Int64(place + 1))
    #expect(difference.recorded == recording.entries[place])
    #expect(difference.again == stage.entries[place])
    #expect(again.entriesSame == Int64(place))
  }

  @Test("with the loop closed but nothing changed gives everyone the same life", arguments: UInt64(1)...40)
  func control(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    stage.samplesEvery = 700_000
    try stage.play(Self.policies[Int(seed) % Self.policies.count])
    let world = try Self.world(stage, "same")
    #expect(Self.isSame(Stage.lives(of: world), Self.opened(stage), within: 0), "seed \(seed)")
    let comparison = WorldComparison(of: world)
    #expect(comparison.recorded == comparison.again)
    #expect(comparison.users.allSatisfy { $0.gain == 0 })
  }

  @Test("under another policy gives what the same people live under it", arguments: UInt64(1)...40)
  func otherPolicy(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    try stage.play(Self.policies[Int(seed) % Self.policies.count])
    let other = Self.policies[Int(seed + 1 + seed / 5) % Self.policies.count]
    let world = try Self.world(stage, "policy=\(other)")
    try stage.play(other)
    #expect(Self.isSame(Stage.lives(of: world), Self.opened(stage)), "seed \(seed), \(other)")
  }

  @Test("with another capacity gives what the same people live on it", arguments: UInt64(1)...20)
  func otherCapacity(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    try stage.play("fcfs")
    let cores = seed % 2 == 0 ? 12 : 8
    let world = try Self.world(stage, "cores=\(cores),gpus=\(seed % 3 + 1)")
    stage.node.cores = CoreSet(0..<cores)
    stage.node.gpus = (0..<Int(seed % 3 + 1)).map { GPU(uuid: "\($0)") }
    try stage.play("fcfs")
    #expect(Self.isSame(Stage.lives(of: world), Self.opened(stage)), "seed \(seed)")
  }

  /// Holds and priorities at moments drawn by lot.
  private static func orders(seed: UInt64) -> [Stage.Order] {
    var random = SplitMix(seed: seed ^ 77)
    return (0..<4).map { index in
      let id = NotebookID(Int32(random.next() % 7))
      let at = Int64(random.next() % 60_000_000) + 20_000_001 + Int64(index)
      let kind = random.next() % 3
      return Stage.Order(at: at) { state in
        guard state.contains(id), state[id].state != .gone else { return nil }
        let slot = state[id]
        if kind == 0 { return .setPriority(id, 7) }
        if kind == 1, slot.state == .running { return .suspend(id, cell: slot.cell.id) }
        if slot.state == .suspended { return .resume(id, cell: slot.cell.id) }
        return slot.isHeld ? .release(id) : .setPriority(id, -3)
      }
    }.sorted { $0.at < $1.at }
  }

  @Test("without an operator's order gives what the same people live without it", arguments: UInt64(1)...20)
  func withoutOrder(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    stage.orders = [Stage.Order(at: 25_000_000) { _ in .setPriority(NotebookID(Int32(seed % 3)), 50) }]
    try stage.play("dynamic")
    let world = try Self.world(stage, "without=action:1")
    stage.orders = []
    try stage.play("dynamic")
    #expect(Self.isSame(Stage.lives(of: world), Self.opened(stage)), "seed \(seed)")
  }

  @Test("from any moment on, the past stays and the rest is decided anew", arguments: UInt64(1)...30)
  func fromTheMiddle(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    stage.orders = Self.orders(seed: seed)
    try stage.play("fcfs")
    let from = Instant(microseconds: stage.entries[stage.entries.count / 2].at.microseconds + 1)
    let control = try Self.world(stage, "same", from: from)
    #expect(control.pastDifference == nil)
    #expect(control.entries.first.map { $0.at >= from } ?? true)
    for (record, lives) in zip(control.script.notebooks, control.lives) {
      for (cell, life) in zip(record.cells, lives) {
        guard let life else {
          #expect(cell.ended.map { $0 < from } ?? false, "seed \(seed): only what was over is left out")
          continue
        }
        #expect(life.id == cell.id && life.started == cell.started && life.ended == cell.ended, "seed \(seed)")
      }
    }
    // An order of the same moment does what the change does, as long as what is ordered does not look at the state.
    stage.orders.removeAll { $0.at >= from.microseconds }
    for number in 0..<3 {
      let at = from.microseconds + Int64(number + 1) * 7_000_001
      stage.orders.append(Stage.Order(at: at) { _ in .setPriority(NotebookID(Int32(number)), Int32(number * 5 - 4)) })
    }
    try stage.play("fcfs")
    let world = try Self.world(stage, "policy=dynamic", from: from)
    stage.orders.append(Stage.Order(at: from.microseconds) { _ in .setPolicy("dynamic") })
    stage.orders.sort { $0.at < $1.at }
    try stage.play("fcfs")
    let expected = Self.opened(stage).map { $0.filter { $0.ended.map { $0 >= from } ?? true } }
    #expect(Self.isSame(Stage.lives(of: world), expected), "seed \(seed)")
  }

  @Test("keeps its books through every change", arguments: UInt64(1)...12)
  func books(seed: UInt64) throws {
    var stage = Stage.drawn(seed: seed)
    stage.orders = Self.orders(seed: seed)
    try stage.play("dynamic")
    let from = Instant(microseconds: stage.entries[stage.entries.count / 3].at.microseconds)
    for text in ["cores=3,gpus=1", "cores=16,gpus=4", "policy=os", "policy=reservation", "without=actions"] {
      let world = try Self.world(stage, text, from: from)
      var state = SchedulerState()
      for entry in stage.entries where entry.at < from { state.apply(entry) }
      var sequence = state.sequence
      for entry in world.entries {
        sequence += 1
        #expect(entry.sequence == sequence, "seed \(seed), \(text): no gap after the past")
        state.apply(entry)
      }
      #expect(state.brokenInvariants() == [], "seed \(seed), \(text)")
      #expect(!world.entries.contains { if case .decisionRefused = $0.event { true } else { false } })
    }
  }

  @Test("counts who never gets what is no longer there")
  func tooSmall() throws {
    let cell = Stage.CellPlan(think: 1_000_000, run: 5_000_000, demand: Demand(coresLeast: 1, coresMost: 1, gpus: 2))
    var stage = Stage([.init(user: "ana", opens: 0, cells: [cell, cell, cell])])
    try stage.play("fcfs")
    let refused = WorldComparison(of: try Self.world(stage, "gpus=1"))
    #expect(refused.cellsRefused == 3 && refused.cellsCompared == 0)
    // The second cell is queued when a GPU is taken away; it waits for ever, and the third never comes.
    let from = Instant(microseconds: 6_500_000)
    let starved = WorldComparison(of: try Self.world(stage, "gpus=1", from: from))
    #expect(starved.cellsNeverEnding == 1 && starved.cellsNeverSubmitted == 1)
  }

  @Test("an interrupted cell runs on where nobody interrupts it, and its run time is called a guess")
  func interrupted() throws {
    let cell = Stage.CellPlan(think: 1_000_000, run: 50_000_000, demand: .oneCore)
    var stage = Stage([.init(user: "ana", opens: 0, cells: [cell])])
    try stage.play("fcfs")
    // The operator interrupts after 10 s, and the kernel answers after 0.2 s.
    var scheduler = try Scheduler(policy: "fcfs", from: .standard)
    var recording = RecordingInMemory(inputs: [], entries: [])
    func give(_ input: Input, _ at: Instant) {
      recording.inputs.append((at, scheduler.state.sequence, input))
      scheduler.handle(input, at: at)
      recording.entries += scheduler.entries
    }
    for given in stage.inputs where given.at < Instant(seconds: 11) { give(given.input, given.at) }
    let order = Command(id: CommandID(1), author: "op", verb: .interrupt(NotebookID(0), cell: CellID(1)))
    give(.command(order), Instant(seconds: 11))
    give(.observation(.cellEnded(NotebookID(0), CellID(1), .interrupted)), Instant(seconds: 11.2))
    let script = try SessionScript(recording)
    func life(_ text: String) throws -> Counterfactual.Life? {
      var world = try Counterfactual(
        recording, script: script, changes: Changes(parsing: text), from: .zero, catalogue: .standard)
      world.run()
      #expect(WorldComparison(of: world).cellsGuessed == 1)
      return world.lives[0][0]
    }
    #expect(try life("same")?.ended == Instant(seconds: 11.2))
    #expect(try life("same")?.outcome == .interrupted)
    let free = try #require(try life("without=action:1"))
    #expect(free.ended == free.started.map { $0 + Span(seconds: 50) })
  }

  @Test("a kernel's death comes when its cell has run as far as it did then")
  func death() throws {
    var scheduler = try Scheduler(policy: "fcfs", from: .standard)
    var recording = RecordingInMemory(inputs: [], entries: [])
    func give(_ observation: Observation, _ seconds: Double) {
      recording.inputs.append((Instant(seconds: seconds), scheduler.state.sequence, .observation(observation)))
      scheduler.handle(.observation(observation), at: Instant(seconds: seconds))
      recording.entries += scheduler.entries
    }
    let ids = [NotebookID(0), NotebookID(1)]
    give(.nodeFound(Node(id: NodeID(0), name: "n", cores: CoreSet([0]))), 0)
    for id in ids {
      give(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "u\(id.number)", path: "p\(id.number)")), 1)
      give(.kernelReady(id), 1)
    }
    give(.cellSubmitted(ids[0], .oneCore, CellSource(key: 1), nil), 2)
    give(.cellSubmitted(ids[1], .oneCore, CellSource(key: 2), nil), 3)
    give(.cellEnded(ids[0], CellID(1), .ok), 10)
    give(.kernelDied(ids[1]), 14)
    give(.kernelReady(ids[1]), 15)
    give(.cellSubmitted(ids[1], .oneCore, CellSource(key: 3), nil), 18)
    give(.cellEnded(ids[1], CellID(3), .ok), 20)
    give(.notebookClosed(ids[1]), 25)
    var world = try Counterfactual(
      recording, script: SessionScript(recording), changes: Changes(parsing: "cores=2"), from: .zero,
      catalogue: .standard)
    world.run()
    // It starts at once, and its kernel dies 4 s later: at 7 instead of 14; the rest follows 7 s earlier.
    let lives = try #require(world.lives[1].compactMap { $0 } as [Counterfactual.Life]?)
    #expect(
      lives[0].started == Instant(seconds: 3) && lives[0].ended == Instant(seconds: 7) && lives[0].outcome == .lost)
    #expect(lives[1].submitted == Instant(seconds: 11) && lives[1].ended == Instant(seconds: 13))
    let closed = world.entries.first { if case .notebookClosed = $0.event { true } else { false } }
    #expect(closed?.at == Instant(seconds: 18))
  }

  @Test("refuses what makes no sense, in words")
  func errors() throws {
    var stage = Stage.drawn(seed: 2)
    stage.orders = [Stage.Order(at: 25_000_000) { _ in .setPriority(NotebookID(0), 5) }]
    try stage.play("fcfs")
    func message(_ text: String, from: Double = 0) -> String {
      do {
        _ = try Self.world(stage, text, from: Instant(seconds: from))
        return ""
      } catch { return "\(error)" }
    }
    #expect(message("without=action:9") == "there is no action 9: the session has 1")
    #expect(message("without=action:1", from: 30).contains("before the moment"))
    #expect(message("policy=best").contains("there is no policy 'best'"))
    #expect(message("policy=best", from: 30).contains("there is no policy 'best'"))
    #expect(message("with=hold:n0").contains("--from"))
    #expect(message("with=hold:nobody", from: 30).contains("there is no open notebook 'nobody'"))
    let empty = RecordingInMemory(inputs: [], entries: stage.entries)
    #expect(throws: WhatIfError.self) { try SessionScript(empty) }
  }

  @Test("an order that nobody gave is given at that moment")
  func withOrder() throws {
    let cell = Stage.CellPlan(think: 1_000_000, run: 20_000_000, demand: Demand(coresLeast: 8, coresMost: 8))
    var stage = Stage([
      .init(user: "ana", opens: 0, cells: [cell, cell]), .init(user: "ben", opens: 100, cells: [cell, cell]),
    ])
    try stage.play("fcfs")
    let world = try Self.world(stage, "with=hold:n1", from: Instant(seconds: 5))
    #expect(world.lives[1][0]?.started == nil)
    let comparison = WorldComparison(of: world)
    #expect(comparison.cellsNeverEnding == 1)
    #expect(comparison.users.first?.name == "ben" && (comparison.users.first?.gain ?? 0) < 0)
    #expect(comparison.users.last.map { $0.name == "ana" && $0.gain > 0 } == true)
  }
}
