import Chance
import Domain
import Metrics
import Testing

@testable import Projections

@Suite("How much was in use when, and what it came to") struct LoadHistoryTests {
  @Test("gives the mean of each bucket, the open one included, and nothing where nothing is known")
  func means() {
    var load = BucketedMeans(width: Span(seconds: 10), series: 2, bucketsMost: 8)
    load.hold([4000, 0], from: .zero, to: Instant(seconds: 5))
    load.hold([0, 1000], from: Instant(seconds: 5), to: Instant(seconds: 25))
    let now = Instant(seconds: 25)
    let cores = load.means(of: 0, from: .zero, part: Span(seconds: 10), parts: 4, now: now)
    #expect(cores == [2000, 0, 0, nil])
    #expect(load.means(of: 1, from: .zero, part: Span(seconds: 10), parts: 3, now: now) == [500, 1000, 1000])
    #expect(load.means(of: 1, from: .zero, part: Span(seconds: 20), parts: 1, now: now) == [750])
  }

  @Test(
    "keeps no more than it may over any gap, and the same whether time comes in steps or at once", arguments: 1...30)
  func steps(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var fine = BucketedMeans(width: Span(seconds: 1), series: 1, bucketsMost: 16)
    var coarse = fine
    var now = Instant.zero
    for _ in 0..<40 {
      let amount = Int64(random.next() % 64)
      let end = now + Span(microseconds: Int64(random.next() % (random.next() % 5 == 0 ? 90_000_000 : 3_000_000)))
      var at = now
      while at < end {
        let next = min(end, at + Span(microseconds: 1 + Int64(random.next() % 2_000_000)))
        fine.hold([amount], from: at, to: next)
        at = next
      }
      coarse.hold([amount], from: now, to: end)
      now = end
      #expect(fine.count <= 20)
      let begin = now - Span(seconds: 8)
      #expect(
        fine.means(of: 0, from: begin, part: Span(seconds: 1), parts: 8, now: now)
          == coarse.means(of: 0, from: begin, part: Span(seconds: 1), parts: 8, now: now), "seed \(seed)")
    }
  }

  @Test("follows cores, GPUs, memory and the queue of a session, and the index says what the notebooks say")
  func session() throws {
    var tape = Tape(cores: 4, gpus: 2)
    let one = tape.open("a", at: 1)
    let two = tape.open("b", at: 2)
    let cell = tape.run(one, on: CoreSet([0, 1]), gpus: GPUSet([1]), at: 10)
    _ = tape.queue(two, at: 15)
    tape.add(.usageSampled(one, Usage(millicores: 900, memory: Bytes(512 << 20))), at: 20)
    #expect(tape.board.amounts == [2000, 1000, 512, 1000])
    #expect(tape.board.waitingNotebooks == [two])
    #expect(tape.board.holdingNotebooks == [one])
    tape.add(.cellEnded(cell, one, .ok), at: 30)
    let load = tape.board.load(until: Instant(seconds: 40))
    func means(_ quantity: LoadHistory.Quantity) -> [Double?] {
      load.levels[1].means(
        of: quantity.rawValue, from: .zero, part: Span(seconds: 10), parts: 4, now: Instant(seconds: 40))
    }
    #expect(means(.cores) == [0, 2000, 2000, 0])
    #expect(means(.gpus) == [0, 1000, 1000, 0])
    #expect(means(.waiting) == [0, 500, 1000, 1000])
    #expect(means(.memory) == [0, 0, 512, 512])
    #expect(
      load.gpus.means(of: 1, from: .zero, part: Span(seconds: 10), parts: 3, now: Instant(seconds: 40)) == [
        0, 1000, 1000,
      ])
    #expect(tape.board[one]?.past.map(\.ran) == [20])
    #expect(tape.board[one]?.resident == ResidentMemory(gpus: GPUSet([1]), each: .zero))
    tape.add(.kernelDied(one), at: 41)
    #expect(tape.board[one]?.resident == nil)
  }

  @Test("tells the work of a cell that had fewer cores than it asked for, by Amdahl's law")
  func work() throws {
    var tape = Tape(cores: 8)
    let id = tape.open("a", at: 0)
    let cell = tape.queue(id, Demand(coresLeast: 1, coresMost: 4), at: 10)
    tape.add(.cellStarted(cell, id, .on(CoreSet([0])), Reason(.firstCome)), at: 20)
    tape.add(.cellResized(cell, id, .on(CoreSet([0, 1, 2, 3])), Reason(.grownIntoIdle)), at: 60)
    tape.add(.cellEnded(cell, id, .ok), at: 70)
    // 40 s at a quarter of the rate, then 10 s at full rate.
    let facts = try #require(tape.board[id])
    #expect(facts.alone == 20)
    #expect(facts.shared == 60)
    #expect(tape.board.measures.antt == 3)
    #expect(tape.board.measures.stp.map { abs($0 - 1 / 3) < 1e-12 } == true)
    #expect(tape.board.measures.waitMean == 10)
  }

  @Test("tells percentiles of waits no lower than they are, and an eighth too high at the most", arguments: 1...20)
  func waits(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var measures = RunningMeasures()
    var waits: [Span] = []
    for _ in 0..<200 {
      let wait = Span(microseconds: Int64(random.next() % (1 << (random.next() % 40))))
      measures.started(after: wait)
      waits.append(wait)
    }
    waits.sort()
    for share in [0.01, 0.5, 0.9, 0.95, 0.99, 1] {
      let exact = waits[max(Int((share * 200).rounded(.up)) - 1, 0)]
      let told = measures.wait(atShare: share)
      #expect(told >= exact, "seed \(seed), \(share)")
      #expect(told.seconds <= exact.seconds * 1.126 + 1e-6, "seed \(seed), \(share)")
    }
    #expect(measures.waitMost == waits[199])
    #expect(measures.over1s == Int64(waits.count { $0.seconds > 1 }))
  }

  @Test("reads from a frame the board that was packed, and an older frame without its past")
  func frames() throws {
    var tape = Tape(cores: 4, gpus: 2)
    let ids = (0..<5).map { tape.open("n\($0)", at: Double($0)) }
    for round in 0..<60 {
      let id = ids[round % 5]
      let cell = tape.run(id, on: CoreSet([round % 4]), gpus: GPUSet([round % 2]), at: 10 + Double(round) * 7)
      if round % 9 == 0 { tape.add(.cellSuspended(cell, id, Reason(.preempted)), at: tape.now.seconds + 1) }
      tape.add(.cellEnded(cell, id, .ok), at: tape.now.seconds + 3)
    }
    _ = tape.run(ids[0], on: CoreSet([1]), at: 900)
    var sink = PackBytes()
    tape.board.packFrame(into: &sink)
    let read = try Self.read(sink.bytes)
    #expect(read == tape.board)
    #expect(read.amounts == tape.board.amounts)
    #expect(read.holdingNotebooks == tape.board.holdingNotebooks)
    // What version 2 had ends where the details of the nodes begin.
    var past = PackBytes()
    past.putDetails(of: tape.board.nodes.map(\.node))
    tape.board.load.pack(into: &past)
    past.put(tape.board.measures)
    for facts in tape.board.notebooks { facts.packPast(into: &past) }
    var old = try Self.read(Array(sink.bytes.dropLast(past.bytes.count)))
    #expect(
      old.load
        == {
          var load = LoadHistory(); load.follow(gpus: 2); return load
        }())
    #expect(old.notebooks.map(\.segments) == tape.board.notebooks.map(\.segments))
    // It goes on from there.
    for second in [901.0, 905, 960] {
      old.apply(Entry(sequence: old.sequence + 1, at: Instant(seconds: second), event: .backlogChanged(ids[1], 1)))
    }
    #expect(
      old.load.levels[1].means(
        of: 0, from: Instant(seconds: 910), part: Span(seconds: 10), parts: 2, now: Instant(seconds: 960)) == [
          1000, 1000,
        ])
    for cut in 1..<min(sink.bytes.count, 400) {
      #expect(throws: PackError.self) { _ = try Self.read(Array(sink.bytes.dropLast(past.bytes.count + cut))) }
    }
  }

  private static func read(_ bytes: [UInt8]) throws -> Board {
    try bytes.withUnsafeBytes { buffer in
      var source = PackSource(buffer)
      return try Board(frame: &source, closed: { _ in nil })
    }
  }
}
