import Chance
import Canvas
import Domain
import Projections

@testable import Console

/// Entries written one after the other, and the board folded from them.
struct Tape {
  private(set) var board = Board()
  private(set) var now = Instant.zero
  private var nextCell: Int64 = 1

  init(node: Node? = nil) {
    if let node { add(.nodeAdded(node)) }
  }

  mutating func add(_ events: Event..., at seconds: Double? = nil) {
    if let seconds { now = Instant(seconds: seconds) }
    for event in events { board.apply(Entry(sequence: board.sequence + 1, at: now, event: event)) }
  }

  mutating func open(
    _ name: String, user: String = "ana", isReady: Bool = true, at seconds: Double? = nil
  ) -> NotebookID {
    let id = NotebookID(Int32(board.notebooks.count))
    add(.notebookOpened(Notebook(id: id, node: NodeID(0), user: user, path: "/home/x/\(name).ipynb")), at: seconds)
    if isReady { add(.kernelReady(id)) }
    return id
  }

  mutating func queue(_ id: NotebookID, _ demand: Demand = .oneCore, at seconds: Double? = nil) -> Domain.Cell {
    if let seconds { now = Instant(seconds: seconds) }
    let cell = Domain.Cell(id: CellID(nextCell), notebook: id, submitted: now, demand: demand)
    nextCell += 1
    add(.cellQueued(cell))
    return cell
  }

  mutating func run(_ id: NotebookID, on cores: CoreSet, gpus: GPUSet = GPUSet(), at seconds: Double? = nil) -> CellID {
    let cell = queue(id, at: seconds)
    let allotment = Allotment(node: NodeID(0), cores: cores, gpus: gpus)
    add(.cellStarted(cell.id, id, allotment, Reason(.firstCome)))
    return cell.id
  }

  mutating func order(_ verb: Verb, by author: String = "ana", at seconds: Double? = nil) {
    let id = CommandID(9000 + UInt64(board.sequence))
    add(.commandAccepted(Command(id: id, author: author, verb: verb)), at: seconds)
  }
}

/// A session with a notebook in every state, pins, a drained core, GPUs, a queue and markers: what goldens show.
enum RichSession {
  static let churn = NotebookID(0)
  static let digits = NotebookID(1)
  static let tune = NotebookID(2)
  static let svc = NotebookID(3)
  static let twin = NotebookID(4)
  static let embed = NotebookID(5)
  static let report = NotebookID(6)
  static let foreign = NotebookID(7)

  static let now = Instant(seconds: 605.25)
  /// 14:00:00 in a place one hour ahead of UTC.
  static let began: Int64 = 1_773_406_800_000_000

  static let board: Board = {
    let gpus = (0..<4).map { GPU(uuid: "GPU-\($0)", model: "H100", memory: Bytes(80 << 30)) }
    var tape = Tape(node: Node(id: NodeID(0), name: "node7", cores: CoreSet(0..<16), gpus: gpus))
    tape.add(.policyChanged("fcfs"))
    _ = tape.open("churn-model", at: 2)
    _ = tape.open("digits", user: "ben", at: 4)
    _ = tape.open("llm-finetune-experiments-2026", user: "carla", at: 30)
    _ = tape.open("svc", at: 31)
    _ = tape.open("churn-model", user: "dave", at: 60)
    _ = tape.open("embeddings", user: "ben", at: 61)
    _ = tape.open("report", user: "carla", at: 62)
    work(&tape)
    queue(&tape)
    return tape.board
  }()

  private static func work(_ tape: inout Tape) {
    let first = tape.run(churn, on: CoreSet(0..<4), gpus: GPUSet([0]), at: 65)
    let failed = tape.run(svc, on: CoreSet([10]), at: 70)
    tape.add(.cellEnded(failed, svc, .error), at: 140)
    tape.add(.cellEnded(first, churn, .ok), at: 300)
    let embedding = tape.run(embed, on: CoreSet(6..<8), gpus: GPUSet([1]), at: 310)
    tape.order(.setPriority(tune, 5), by: "carla", at: 350)
    tape.add(.priorityChanged(tune, 5))
    let second = tape.run(svc, on: CoreSet([10]), at: 400)
    tape.add(.cellSuspended(second, svc, Reason(.preempted, for: churn)), at: 430)
    let running = tape.run(churn, on: CoreSet(0..<4), gpus: GPUSet([0, 2]), at: 431)
    tape.add(.cellResumed(second, svc, Allotment(node: NodeID(0), cores: CoreSet([10])), Reason(.firstCome)), at: 460)
    tape.add(.cellEnded(second, svc, .ok), at: 500)
    tape.order(.pin(svc, Pin(node: NodeID(0), cores: CoreSet([10, 11]))), at: 510)
    tape.add(.pinned(svc, Pin(node: NodeID(0), cores: CoreSet([10, 11]))))
    tape.add(.pinned(churn, Pin(node: NodeID(0), cores: CoreSet(0..<4))))
    tape.order(.drain(NodeID(0), CoreSet([15]), GPUSet()), at: 520)
    tape.add(.drainChanged(NodeID(0), CoreSet([15]), GPUSet([3])))
    tape.order(.suspend(embed, cell: embedding), by: "ben", at: 540)
    tape.add(.cellSuspended(embedding, embed, Reason(.operatorSuspended)))
    tape.add(.cellWaits(embedding, embed, Wait(cause: .operatorSuspended, place: 4)))
    _ = tape.run(digits, on: CoreSet([4, 6, 8]), at: 545)
    tape.add(.usageSampled(churn, Usage(millicores: 3870, memory: Bytes(3_400 << 20))))
    tape.add(.usageSampled(digits, Usage(millicores: 2960, memory: Bytes(612 << 20))))
    tape.add(.usageSampled(svc, Usage(millicores: 0, memory: Bytes(210 << 20))))
    tape.add(.backlogChanged(churn, 12))
    _ = running
  }

  private static func queue(_ tape: inout Tape) {
    let tuning = tape.queue(tune, Demand(coresLeast: 2, coresMost: 8, gpus: 3), at: 560)
    let soon = ExpectedStart(early: Instant(seconds: 620), median: Instant(seconds: 645), late: Instant(seconds: 695))
    tape.add(.cellWaits(tuning.id, tune, Wait(cause: .gpus, lacking: 2, holders: [churn], place: 1, expected: soon)))
    let behind = tape.queue(twin, Demand(coresLeast: 4, coresMost: 4), at: 575)
    tape.add(.cellWaits(behind.id, twin, Wait(cause: .turn, holders: [tune], place: 2)))
    tape.order(.hold(report), by: "carla", at: 580)
    tape.add(.held(report))
    let held = tape.queue(report, at: 590)
    tape.add(.cellWaits(held.id, report, Wait(cause: .held, place: 3)))
    _ = tape.open("Übung 日本語", user: "eve", isReady: false, at: 600)
    tape.add(.notebookClosed(tape.open("old", user: "eve", at: 601)))
  }

  static func live(isReadOnly: Bool = false, confirmsQuit: Bool = false) -> ConsoleState {
    state(
      SessionFacts(
        mode: .live, number: 3, user: "ana", beganWallMicroseconds: began, utcOffsetSeconds: 3600,
        isReadOnly: isReadOnly, confirmsQuit: confirmsQuit), board, now)
  }

  static func replay() -> ConsoleState {
    var state = state(
      SessionFacts(mode: .replay, number: 3, user: "ana", beganWallMicroseconds: began, utcOffsetSeconds: 3600), board,
      now)
    state.transport = TransportFacts(
      isPlaying: true, speed: 4, end: Instant(seconds: 1210), markers: board.markers, entry: Int(board.sequence),
      entries: 120)
    return state
  }

  static func state(_ session: SessionFacts, _ board: Board, _ now: Instant) -> ConsoleState {
    var state = ConsoleState(session: session)
    state.clock = now
    state.readsProcesses = session.mode == .live
    state.show(board, at: now)
    return state
  }
}

extension ConsoleState {
  /// Presses keys by their names: `]`, `F9`, `ctrl-c`, `space`. Gives the intents of all.
  @discardableResult
  mutating func press(_ names: String...) -> [Intent] {
    names.flatMap { name in KeyPress(named: name).map { handle(.key($0)) } ?? [] }
  }

  /// Types a text, character by character.
  @discardableResult
  mutating func type(_ text: String) -> [Intent] { text.flatMap { handle(.key(KeyPress(.character($0)))) } }

  /// Opens the palette, types a command and enters it.
  @discardableResult
  mutating func command(_ text: String) -> [Intent] {
    press(":")
    type(text)
    return press("enter").filter { if case .remember = $0 { false } else { true } }
  }

  /// Puts the cursor onto a notebook, by the keys that a person would use.
  mutating func select(_ id: NotebookID) {
    press("home")
    for _ in rowOrder where selected != id { press("j") }
  }
}

extension [Intent] {
  /// The orders among them.
  var verbs: [Verb] {
    compactMap { if case .order(let command) = $0 { command.verb } else { nil } }
  }
}
