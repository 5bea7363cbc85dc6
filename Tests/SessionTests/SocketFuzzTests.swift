import CLinux
import Chance
import Domain
import Foundation
import GateLink
import Projections
import ServerLink
import Testing

@testable import Session

/// What a hostile peer would send: made from good lines by a seed.
private struct HostileText {
  private var chance: SplitMix

  init(seed: UInt64) { chance = SplitMix(seed: seed) }

  private static let gateLines: [String] = {
    let hello = Hello(
      pid: getpid(), kernelPid: 0, gate: "fuzz", path: "/x/f.ipynb", language: "python", connection: "k", backlog: 1,
      isReady: true)
    var back = hello
    back.running = RunningCell(
      submission: Submission(key: 3, cell: "c", codeHash: 9, demand: nil), ranSeconds: 4, cores: CoreSet([0]),
      suspended: false)
    var demand = DemandComment()
    demand.coresLeast = 1
    let messages: [GateMessage] = [
      .hello(hello), .hello(back), .submitted(Submission(key: 1, cell: "c", codeHash: 1, demand: demand)),
      .ended(key: 1, outcome: .ok), .withdrawn(key: 2, outcome: .aborted), .backlog(count: 4),
      .kernel(state: .ready, pid: 0), .applied(sequence: 5, cores: CoreSet([0, 1])), .failed(sequence: 4, why: "no"),
      .code(key: 1, text: "print(1)\n"),
      .pong,
    ]
    return messages.map { String(decoding: LineCodec.line($0), as: UTF8.self) }
  }()

  private static let clientLines: [String] = {
    let id = NotebookID(0)
    let verbs: [Verb] = [
      .hold(id), .release(id), .suspend(id, cell: CellID(1)), .setPriority(id, 3), .setPolicy("fcfs"),
      .pin(id, Pin(node: NodeID(0), cores: CoreSet([0]))), .drain(NodeID(0), CoreSet([1]), GPUSet()),
      .overrideDemand(id, Demand(coresLeast: 2)), .suspendAfter(id, cell: CellID(1), Span(seconds: 1)),
    ]
    let messages: [ClientMessage] =
      [
        .attach(Attach(client: "f", stream: .entries)),
        .attach(Attach(client: "f", stream: .packed, form: Board.wireForm)),
        .status(id: 1), .pong, .stay, .preview(PreviewAsked(id: 2, verbs: [.hold(id), .setPriority(id, 3)])),
        .processes(id: 3, notebook: id), .code(id: 4, notebook: id),
      ] + verbs.enumerated().map { .command(Order(key: UInt64($0 + 1), verb: $1)) }
    return messages.map { String(decoding: LineCodec.line($0), as: UTF8.self) }
  }()

  mutating func pick<Value>(_ values: [Value]) -> Value { values[Int(chance.next() % UInt64(values.count))] }
  mutating func below(_ count: Int) -> Int { Int(chance.next() % UInt64(max(count, 1))) }

  /// A conversation: good lines in any order, some spoiled. A greeting comes first more often than not.
  mutating func conversation() -> [UInt8] {
    let lines = pick([Self.gateLines, Self.clientLines, Self.gateLines + Self.clientLines])
    var bytes: [UInt8] = below(4) > 0 ? Array(lines[below(2)].utf8) : []
    for _ in 0..<(1 + below(12)) {
      let line = Array(pick(lines).utf8)
      bytes += below(3) > 0 ? spoiled(line) : line
    }
    return bytes
  }

  /// A line that something is wrong with.
  mutating func spoiled(_ line: [UInt8]) -> [UInt8] {
    var line = line
    switch below(11) {
    case 0: for _ in 0...below(4) { line[below(line.count)] = UInt8(truncatingIfNeeded: chance.next()) }
    case 1: line.removeLast(below(line.count))
    case 2: line += line
    case 3:
      line.insert(
        contentsOf: (0..<below(64)).map { _ in UInt8(truncatingIfNeeded: chance.next()) }, at: below(line.count))
    case 4:
      line = replaceNumber(
        line, by: pick(["-1", "99999999999999999999", "1e308", "-9223372036854775808", "4096", "null", "0.5", "[]"]))
    case 5: line = [UInt8](repeating: UInt8(ascii: "["), count: 1 + below(3000)) + [10]
    case 6: line = Array("{\"command\":".utf8) + line.dropLast() + Array("}\n".utf8)
    case 7: line = [UInt8](repeating: UInt8(ascii: "x"), count: 60_000 + below(12_000)) + [10]
    case 8: line = Array("{\"hello\":{\"_0\":{}},\"attach\":{}}\n".utf8)
    case 9: line = (0..<below(400)).map { _ in UInt8(truncatingIfNeeded: chance.next()) } + [10]
    case _:
      line = Array(String(decoding: line, as: UTF8.self).replacingOccurrences(of: "0", with: "\\u0000\\ud800").utf8)
    }
    return line
  }

  private mutating func replaceNumber(_ line: [UInt8], by text: String) -> [UInt8] {
    let digits = line.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(line[$0]) }
    guard !digits.isEmpty else { return line }
    let place = pick(digits)
    return Array(line[..<place]) + Array(text.utf8) + Array(line[(place + 1)...])
  }
}

/// Input from outside that is malformed, huge, cut short, repeated and mixed, against the decoders and against a session
/// that listens. `make fuzz` does the same for an hour; a failure names its seed.
@Suite(.serialized) struct SocketFuzzTests {
  /// How long each of the two tests goes on; without it a fixed number of seeds.
  private static let seconds = ProcessInfo.processInfo.environment["CELLTOP_FUZZ_SECONDS"].flatMap(Double.init)

  /// Calls `body` with seeds, as many as there is time for.
  private func forSeeds(_ count: UInt64, _ body: (UInt64) throws -> Void) rethrows -> UInt64 {
    let first = ProcessInfo.processInfo.environment["CELLTOP_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
    guard let seconds = Self.seconds else {
      for seed in first..<(first + count) { try body(seed) }
      return count
    }
    // Processor time, in microseconds (clock(3), POSIX).
    let end = clock() + Int(seconds / 2 * 1e6)
    var seed = first
    while clock() < end {
      try body(seed)
      seed += 1
    }
    return seed - first
  }

  @Test("the decoders take or refuse any line, and never crash")
  func decoders() throws {
    let stage = try Stage()
    let whole = stage.live.board.take().packedWhole
    let tail = Tail.packedLine([Entry(sequence: 1, at: .zero, event: .policyChanged("fcfs"))][...])
    let done = forSeeds(3000) { seed in
      var text = HostileText(seed: seed)
      let line = text.conversation().split(separator: 10).first.map(Array.init) ?? []
      _ = try? LineCodec.read(GateMessage.self, from: line)
      _ = try? LineCodec.read(ClientMessage.self, from: line)
      _ = try? LineCodec.read(EngineMessage.self, from: line)
      _ = try? LineCodec.read(ServerMessage.self, from: line)
      var buffer = LineBuffer(lineBytesMost: 4096)
      _ = try? buffer.add(line)
      _ = try? Board(whole: text.spoiled(whole))
      var fold = AttachedBoard()
      if let message = try? LineCodec.read(ServerMessage.self, from: text.spoiled(tail)) { _ = try? fold.take(message) }
    }
    print("\(done) seeds against the decoders")
  }

  @Test("a session that listens goes on granting whatever comes, and its books stay whole")
  func listener() throws {
    let stage = try Stage(cores: 64, limits: { $0.gateMessagesPerSecond = 100_000 })
    let good = try stage.gate("good")
    var key: UInt64 = 0
    let done = forSeeds(150) { seed in
      var text = HostileText(seed: seed)
      var peers = (0..<(1 + text.below(3))).map { _ in (celltop_connect_unix(stage.socket), text.conversation()) }
      // In pieces, by turns.
      while let index = peers.firstIndex(where: { !$0.1.isEmpty }) {
        let place = text.below(2) == 0 ? index : text.below(peers.count)
        let piece = min(1 + text.below(4096), peers[place].1.count)
        let sent = peers[place].1.withUnsafeBytes { celltop_send(peers[place].0, $0.baseAddress, piece) }
        if sent > 0 { peers[place].1.removeFirst(sent) } else if sent < 0, errno != EAGAIN { peers[place].1 = [] }
      }
      for peer in peers where peer.0 >= 0 { close(peer.0) }
      key += 1
      good.submit(key)
      // What the hostile ones hold or drain is no failure: they are the operator's user. It is taken back until it is granted.
      var answer: EngineMessage?
      for _ in 0..<10 where answer == nil {
        takeBack(stage)
        answer = good.await(seconds: 1) { isDecision($0, key) }
      }
      #expect(answer != nil, "seed \(seed)")
      good.send(.ended(key: key, outcome: .ok))
      let board = stage.live.board.look { ($0.faults, $0.events.last) }
      #expect(board.0 == 0, "seed \(seed): \(String(describing: board.1))")
    }
    print("\(done) seeds against a session that listens")
  }

  private func isDecision(_ message: EngineMessage, _ wanted: UInt64) -> Bool {
    switch message {
    case .grant(_, let key, _, _), .refuse(_, let key, _): key == wanted
    case .welcome, .unwelcome, .resize, .suspend, .resume, .interrupt, .standing, .ping: false
    }
  }

  private func takeBack(_ stage: Stage) {
    let good = NotebookID(0)
    let verbs: [Verb] = [
      .undrain(NodeID(0), CoreSet(0..<64), GPUSet()), .release(good), .setPolicy("fcfs"), .overrideDemand(good, nil),
      .unpin(good), .setPriority(good, 100),
    ]
    for verb in verbs { stage.order(verb, id: UInt64.random(in: (1 << 55)...(1 << 60))) }
  }
}
