import Chance
import Domain
import Engine
import Testing

/// Inputs of all kinds, most of them sensible in the state of the moment and some of them not.
struct Walk {
  private var random: SplitMix
  private var orders: UInt64 = 0
  private(set) var clock = Instant.zero

  init(seed: UInt64) { random = SplitMix(seed: seed) }

  private mutating func roll(_ sides: Int) -> Int { Int(random.next() % UInt64(sides)) }

  /// One of the notebooks; now and then one that is not there.
  private mutating func notebook(_ state: SchedulerState) -> NotebookID {
    if roll(40) == 0 || state.notebooks.isEmpty { return NotebookID([-1, 999][roll(2)]) }
    return NotebookID(Int32(roll(state.notebooks.count)))
  }

  private mutating func cell(_ id: NotebookID, _ state: SchedulerState) -> CellID {
    state.contains(id) && roll(20) != 0 ? state[id].cell.id : CellID(Int64(roll(50)))
  }

  private mutating func cores() -> CoreSet { CoreSet((0...roll(4)).map { _ in roll(9) }) }
  private mutating func gpus() -> GPUSet { GPUSet((0..<roll(3)).map { _ in roll(3) }) }
  private mutating func node() -> NodeID { NodeID(Int32(roll(20) == 0 ? 5 : roll(2))) }

  private mutating func demand() -> Demand {
    let least = Int32(1 + roll(roll(10) == 0 ? 12 : 4))
    return Demand(
      coresLeast: least, coresMost: least + Int32(roll(5)), gpus: Int32(roll(3) == 0 ? roll(4) : 0),
      memory: Bytes(Int64(roll(3) == 0 ? roll(110) : 0)))
  }

  private mutating func forecast() -> CellForecast? {
    roll(3) == 0 ? nil : .quartiles(Double(roll(10)), Double(roll(20)), Double(roll(40)))
  }

  /// The instant of the next input: mostly a little later, sometimes earlier than the last.
  mutating func instant(wakeAt: Instant) -> Instant {
    switch roll(12) {
    case 0: return clock - Span(seconds: Double(roll(5)))
    case 1 where wakeAt != .never: clock = max(clock, wakeAt)
    case 2...4: break
    default: clock = clock + Span(microseconds: Int64(roll(3_000_000)))
    }
    return clock
  }

  mutating func input(_ state: SchedulerState) -> Input {
    if state.nodes.isEmpty { return .observation(.nodeFound(Self.node("a", memory: 100))) }
    if state.nodes.count == 1, roll(60) == 0 { return .observation(.nodeFound(Self.node("b", memory: 0))) }
    switch roll(10) {
    case 0: return .timer
    case 1...3:
      if roll(15) != 0 { orders += 1 }
      return .command(Command(id: CommandID(orders), author: "ops", verb: verb(state)))
    default: return .observation(observation(state))
    }
  }

  private static func node(_ name: String, memory: Int64) -> Node {
    Node(
      id: NodeID(0), name: name, cores: CoreSet(0..<8), gpus: [GPU(uuid: "g0"), GPU(uuid: "g1")],
      memory: Bytes(memory))
  }

  private mutating func observation(_ state: SchedulerState) -> Observation {
    let id = notebook(state)
    let source = CellSource(codeHash: random.next() % 9, key: random.next() % 99)
    switch roll(20) {
    case 0, 1:
      let document = (user: ["ana", "ben"][roll(2)], path: "\(roll(4)).ipynb")
      return .notebookOpened(Notebook(id: id, node: node(), user: document.user, path: document.path))
    case 2: return .kernelReady(id)
    case 3: return roll(3) == 0 ? .notebookClosed(id) : .kernelDied(id)
    case 4: return .backlogChanged(id, Int32(roll(4)))
    case 5:
      return .cellFoundRunning(
        id, demand(), source, ran: Span(seconds: Double(roll(20))), roll(3) == 0 ? nil : cores(),
        suspended: roll(3) == 0)
    case 6: return .usageSampled(id, Usage(millicores: Int32(roll(8000)), memory: Bytes(Int64(roll(99)))))
    case 7: return .effectFailed(id, sequence: Int64(roll(99)), why: "no such process")
    case 8...12: return .cellEnded(id, cell(id, state), CellOutcome.allCases[roll(CellOutcome.allCases.count)])
    default: return .cellSubmitted(id, demand(), source, forecast())
    }
  }

  private mutating func verb(_ state: SchedulerState) -> Verb {
    let id = notebook(state)
    switch roll(17) {
    case 0: return .suspend(id, cell: cell(id, state))
    case 1, 2: return .resume(id, cell: cell(id, state))
    case 3: return .interrupt(id, cell: cell(id, state))
    case 4: return .setPriority(id, Int32(roll(260) - 130))
    case 5: return .pin(id, Pin(node: node(), cores: cores(), gpus: gpus(), reserves: roll(3) == 0))
    case 6, 7: return .unpin(id)
    case 8: return .hold(id)
    case 9, 10: return .release(id)
    case 11: return roll(2) == 0 ? .drain(node(), cores(), gpus()) : .undrain(node(), CoreSet(0..<8), GPUSet(0..<2))
    case 13: return .suspendAfter(id, cell: cell(id, state), Span(seconds: Double(roll(30))))
    case 14: return .suspendAtEnd(id, cell: cell(id, state))
    case 15: return .callOff(id, cell: cell(id, state))
    case 12: return .setPolicy(["fcfs", "dynamic", "os", "lottery"][roll(4)])
    default: return .overrideDemand(id, roll(2) == 0 ? demand() : nil)
    }
  }
}

@Suite("Random sessions")
struct WalkTests {
  static func scheduler(_ policy: String) throws -> Scheduler {
    try Scheduler(policy: policy, from: Stage.catalogue, settings: Scheduler.Settings(explainsWaits: true))
  }

  /// One random session: its inputs, its entries, and whatever was wrong after one of its inputs.
  struct Session {
    var inputs: [(input: Input, at: Instant)] = []
    var entries: [Entry] = []
    var digest = Digest()
    var faults: [String] = []

    init(_ policy: String, seed: UInt64, length: Int = 400) throws {
      var walk = Walk(seed: seed)
      var scheduler = try WalkTests.scheduler(policy)
      var folded = SchedulerState()
      for step in 0..<length {
        let next = (input: walk.input(scheduler.state), at: walk.instant(wakeAt: scheduler.wakeAt))
        inputs.append(next)
        scheduler.handle(next.input, at: next.at)
        for entry in scheduler.entries {
          if entry.sequence != folded.sequence + 1 { faults.append("\(step): the sequence has a gap at \(entry)") }
          if entry.at < folded.now { faults.append("\(step): time falls at \(entry)") }
          if case .decisionRefused(let refusal) = entry.event { faults.append("\(step): refused: \(refusal)") }
          folded.apply(entry)
        }
        if folded != scheduler.state { faults.append("\(step): folding does not give the state") }
        faults += scheduler.state.brokenInvariants().map { "\(step): \($0), after \(next)" }
        entries += scheduler.entries
        guard faults.isEmpty else { return }
      }
      digest = scheduler.ledger.digest
    }
  }

  @Test(
    "keep the books, sequence and time, and are folded from their entries", arguments: ["fcfs", "dynamic"],
    UInt64(1)...40)
  func booksHold(policy: String, seed: UInt64) throws {
    let session = try Session(policy, seed: seed)
    #expect(session.faults == [])
    #expect(session.entries.count > 250, "the walk is one in which something happens")
  }

  @Test("give the same entries and digest again", arguments: ["fcfs", "dynamic"], UInt64(1)...40)
  func again(policy: String, seed: UInt64) throws {
    let session = try Session(policy, seed: seed)
    var scheduler = try Self.scheduler(policy)
    var entries: [Entry] = []
    for next in session.inputs { entries += scheduler.entries(for: next.input, at: next.at) }
    #expect(entries == session.entries)
    #expect(scheduler.ledger.digest == session.digest)
    var digest = Digest()
    for entry in session.entries { digest.absorb(entry) }
    #expect(digest == session.digest, "the digest is that of the entries and of nothing else")
  }

  @Test("survive packing, input by input and entry by entry", arguments: ["fcfs", "dynamic"], UInt64(1)...40)
  func packing(policy: String, seed: UInt64) throws {
    let session = try Session(policy, seed: seed)
    for entry in session.entries { #expect(try Entry(packed: entry.packed) == entry) }
    for next in session.inputs { #expect(try Input(packed: next.input.packed) == next.input) }
  }

  @Test("between them bring every kind of event that a sound session has")
  func coverage() throws {
    var words: Set<String> = []
    for seed in UInt64(1)...40 {
      for entry in try Session("dynamic", seed: seed).entries {
        words.insert(String("\(entry.event)".prefix { $0 != "(" }))
      }
    }
    let all = [
      "policyChanged", "nodeAdded", "drainChanged", "notebookOpened", "kernelReady", "kernelDied", "notebookClosed",
      "backlogChanged", "cellQueued", "cellRefused", "cellWaits", "cellStarted", "cellAdopted", "cellResized",
      "cellSuspended", "cellResumed", "interruptRequested", "cellEnded", "priorityChanged", "pinned", "unpinned",
      "held", "released", "resumeOrdered", "demandOverridden", "commandAccepted", "commandRefused", "effectFailed",
      "usageSampled", "suspensionPlanned", "suspensionCalledOff",
    ]
    #expect(all.filter { !words.contains($0) } == [])
  }
}
