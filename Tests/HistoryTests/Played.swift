import Domain
import Engine
import Foundation
import Policies
import Projections
import Testing

@testable import History

/// A session of the real engine, told by lot what happens: cells come, run, are suspended by orders, and end; notebooks
/// open and close.
struct Played {
  private(set) var engine: Scheduler
  private(set) var board = Board()
  private(set) var entries: [Entry] = []
  private var random: SplitMix
  private var now = Instant.zero
  private var key: UInt64 = 0
  private let closes: Bool

  init(seed: UInt64, policy: String = "dynamic", closes: Bool = true) throws {
    engine = try Scheduler(policy: policy, from: .standard)
    random = SplitMix(seed: seed)
    self.closes = closes
  }

  var frames: [PackedFrame] { [PackedFrame(engine.state), PackedFrame(board)] }
  var digest: String { engine.ledger.digest.hexadecimal }

  /// Lets `rounds` things happen; `take` is given each input with what it brought.
  mutating func play(_ rounds: Int, _ take: (Input, Instant, Int64, [Entry]) -> Void = { _, _, _, _ in }) {
    for _ in 0..<rounds {
      if random.next() % 3 > 0 { now = now + Span(microseconds: Int64(random.next() % 30_000_000)) }
      let input = next()
      let before = engine.state.sequence
      engine.handle(input, at: now)
      for entry in engine.entries { board.apply(entry) }
      entries += engine.entries
      take(input, now, before, engine.entries)
    }
  }

  private mutating func next() -> Input {
    if engine.state.nodes.isEmpty {
      return .observation(
        .nodeFound(
          Node(
            id: NodeID(0), name: "n", cores: CoreSet(0..<8), gpus: [GPU(uuid: "g0"), GPU(uuid: "g1")],
            memory: Bytes(64 << 30))))
    }
    if engine.wakeAt <= now { return .timer }
    let open = engine.state.notebooks.indices.filter { engine.state.notebooks[$0].state != .gone }
    if open.count < 6 {
      let number = engine.state.notebooks.count
      return .observation(
        .notebookOpened(
          Notebook(
            id: NotebookID(Int32(number)), node: NodeID(0), user: ["ana", "ben", "eva"][number % 3],
            path: "/home/book-\(number % 4).ipynb", gate: "g\(number)")))
    }
    let id = NotebookID(Int32(open[Int(random.next() % UInt64(open.count))]))
    let slot = engine.state[id]
    let isRare = random.next() % 12 == 0
    key += 1
    switch slot.state {
    case .starting: return .observation(.kernelReady(id))
    case .thinking:
      if closes, isRare { return .observation(.notebookClosed(id)) }
      return .observation(
        .cellSubmitted(
          id, Demand(coresMost: 1 + Int32(random.next() % 4), gpus: Int32(random.next() % 2), memory: Bytes(1 << 30)),
          CellSource(codeHash: random.next() % 9, key: key),
          random.next() % 3 == 0
            ? nil : CellForecast(run: Quantiles(certain: Span(microseconds: 9_000_000)), basis: .code)))
    case .running:
      if isRare { return order(.suspend(id, cell: slot.cell.id)) }
      return .observation(.cellEnded(id, slot.cell.id, random.next() % 8 == 0 ? .error : .ok))
    case .suspended: return order(.resume(id, cell: slot.cell.id))
    case .queued, .gone: return order(.setPriority(id, Int32(key % 100)))
    }
  }

  private func order(_ verb: Verb) -> Input {
    .command(Command(id: CommandID(key), author: key % 2 == 0 ? "ana" : "root", why: "a test", verb: verb))
  }
}

extension TemporaryHistory {
  static let heading = SessionWriter.Heading(
    kind: "live", host: "node7", user: "ana", beganMicroseconds: 1_700_000_000_000_000)

  /// Records a played session, flushing now and then.
  @discardableResult
  func record(
    _ played: inout Played, rounds: Int, into store: HistoryStore, framesEvery: Int64 = 300, ends: Bool = true
  ) throws -> SessionWriter {
    let writer = try SessionWriter(store, Self.heading, retrySpan: .zero, framesEvery: framesEvery)
    for _ in 0..<max(rounds / 10, 1) {
      played.play(10) { writer.take($0, at: $1, after: $2, bringing: $3) }
      let frames = played.frames
      #expect(writer.flush(frames: { frames }))
    }
    if ends {
      writer.end(
        atMicroseconds: Self.heading.beganMicroseconds + played.engine.state.now.microseconds, digest: played.digest)
    }
    return writer
  }
}

/// A small generator with a seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
