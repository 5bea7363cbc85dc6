import Chance
import Canvas
import Domain
import Projections

@testable import Console

/// Boards that are seen rarely, and boards drawn by lot.
enum RareBoards {
  static let empty = Tape()
  static let nodeOnly = Tape(node: Node(id: NodeID(0), name: "twin", cores: CoreSet(0..<8)))

  /// 256 cores, 8 GPUs, 300 notebooks.
  static let many: Tape = {
    let gpus = (0..<8).map { GPU(uuid: "GPU-\($0)") }
    var tape = Tape(node: Node(id: NodeID(0), name: "big", cores: CoreSet(0..<256), gpus: gpus))
    tape.add(.policyChanged("fcfs"))
    for number in 0..<300 {
      let id = tape.open("experiment-\(number)", user: "user\(number % 40)", at: Double(number))
      if number % 3 == 0 { _ = tape.run(id, on: CoreSet([number % 256, (number + 1) % 256])) }
      if number % 3 == 1 {
        let cell = tape.queue(id)
        tape.add(.cellWaits(cell.id, id, Wait(cause: .turn, place: Int32(number / 3 + 1))))
      }
    }
    return tape
  }()

  /// Names that would move the cursor, turn the line round, or be wider than they look.
  static let hostile: Tape = {
    var tape = Tape(node: Node(id: NodeID(0), name: "n\u{1B}[2Jode", cores: CoreSet(0..<4)))
    let names = [
      "\u{1B}[31mred", "a\u{202E}txt.exe", "line\nbreak\ttab", "👩‍👩‍👧‍👦 family",
      String(repeating: "é\u{301}\u{302}\u{303}", count: 20),
      "日本語のとても長い名前のノートブックです", "", "\u{0}", String(repeating: "x", count: 500),
    ]
    for (index, name) in names.enumerated() {
      let id = tape.open(name, user: "u\u{9B}31m\u{200D}", at: Double(index))
      if index < 4 { _ = tape.run(id, on: CoreSet([index])) } else { _ = tape.queue(id) }
    }
    return tape
  }()

  static let oneCore: Tape = {
    var tape = Tape(node: Node(id: NodeID(0), name: "tiny", cores: CoreSet([0]), gpus: [GPU(uuid: "GPU-0")]))
    tape.add(.policyChanged("fcfs"))
    let first = tape.open("a", at: 1)
    let second = tape.open("b", at: 2)
    _ = tape.run(first, on: CoreSet([0]), gpus: GPUSet([0]), at: 3)
    let cell = tape.queue(second, at: 4)
    tape.add(.cellWaits(cell.id, second, Wait(cause: .cores, lacking: 1, holders: [first], place: 1)))
    return tape
  }()

  static func state(_ tape: Tape, mode: SessionFacts.Mode = .live) -> ConsoleState {
    let facts = SessionFacts(
      mode: mode, number: 1, user: "ana", beganWallMicroseconds: RichSession.began, utcOffsetSeconds: 3600)
    return RichSession.state(facts, tape.board, tape.now + Span(seconds: 2.5))
  }

  /// A board after so many events drawn by lot, sensible ones and others.
  static func random(_ random: inout SplitMix) -> Tape {
    let cores = [1, 2, 7, 16, 130, 700][Int(random.next() % 6)]
    let gpus = [0, 0, 1, 8, 30][Int(random.next() % 5)]
    let node = Node(
      id: NodeID(0), name: "node", cores: CoreSet(0..<cores), gpus: (0..<gpus).map { GPU(uuid: "\($0)") })
    var tape = random.next() % 20 == 0 ? Tape() : Tape(node: node)
    for _ in 0..<Int(random.next() % 120) { step(&tape, &random, cores: cores, gpus: gpus) }
    return tape
  }

  private static func step(_ tape: inout Tape, _ random: inout SplitMix, cores: Int, gpus: Int) {
    let at = tape.now.seconds + Double(random.next() % 1_000_000) / 10_000 * (random.next() % 50 == 0 ? 10_000 : 1)
    let count = UInt64(tape.board.notebooks.count)
    if count == 0 || random.next() % 6 == 0 {
      let names = ["churn", "日本", "a\u{202E}b", "", String(repeating: "n", count: 90), "svc"]
      _ = tape.open(names.randomElement(using: &random) ?? "", isReady: random.next() % 4 > 0, at: at)
      return
    }
    let id = NotebookID(Int32(random.next() % (count + 1)))
    let places = CoreSet((0...Int(random.next() % 5)).map { _ in Int(random.next() % UInt64(cores)) })
    let devices = gpus == 0 ? GPUSet() : GPUSet([Int(random.next() % UInt64(gpus))])
    let cell = tape.board[id]?.cell?.cell.id ?? CellID(1)
    let allotment = Allotment(node: NodeID(0), cores: places, gpus: devices, shared: random.next() % 9 == 0)
    let soon = Instant(seconds: at + Double(random.next() % 100) - 20)
    let events: [Event] = [
      .cellStarted(cell, id, allotment, Reason(.backfilled, for: id)), .cellSuspended(cell, id, Reason(.preempted)),
      .cellSuspended(cell, id, Reason(.operatorSuspended)), .cellResumed(cell, id, allotment, Reason(.aged)),
      .cellEnded(cell, id, .error), .cellEnded(cell, id, .ok), .notebookClosed(id), .kernelDied(id), .kernelReady(id),
      .priorityChanged(id, Int32(truncatingIfNeeded: random.next())), .held(id), .released(id),
      .pinned(id, Pin(node: NodeID(0), cores: places, gpus: devices)), .unpinned(id), .backlogChanged(id, 7),
      .usageSampled(
        id, Usage(millicores: Int32(random.next() % 1_000_000), memory: Bytes(Int64(random.next() % (1 << 50))))),
      .drainChanged(NodeID(0), places, devices), .invariantBroken("fault"), .policyChanged("dynamic"),
      .commandAccepted(Command(id: CommandID(random.next()), author: "ana", verb: .hold(id))),
      .cellWaits(
        cell, id,
        Wait(
          cause: WaitCause.allCases.randomElement(using: &random) ?? .turn, lacking: 3, holders: [id], place: 1,
          expected: ExpectedStart(early: soon, median: soon + Span(seconds: 5), late: soon + Span(seconds: 50)))),
    ]
    if random.next() % 3 == 0 {
      if tape.board[id] != nil { _ = tape.queue(id, Demand(coresLeast: 1, coresMost: 3), at: at) }
    } else if let event = events.randomElement(using: &random) {
      tape.add(event, at: at)
    }
  }
}
