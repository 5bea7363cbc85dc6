import Testing

@testable import Domain

/// A stretch of samples: some inputs bring nothing, some several entries, some say what their entry says.
private struct Stretch {
  var packer = LogPacker(after: 41)
  var entries: [Entry] = []
  var inputs: [(input: Input, at: Instant, after: Int64)] = []

  init(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var samples = Samples(seed: seed &* 7)
    var events = (0..<3).flatMap { _ in samples.events() }
    events.shuffle(using: &random)
    var given = (0..<3).flatMap { _ in samples.inputs() }
    var now = Instant(microseconds: 3)
    while !events.isEmpty {
      now = now + Span(microseconds: Int64(random.next() % 90_000_000_000))
      var brought = events.suffix(Int(random.next() % 5)).map { event in
        Entry(sequence: 0, at: random.next() % 3 == 0 ? now + Span(microseconds: 9) : now, event: event)
      }
      events.removeLast(min(brought.count, events.count))
      for index in brought.indices { brought[index].sequence = packer.last + 1 + Int64(index) }
      var input: Input? = given.popLast() ?? .timer
      if let event = brought.first?.event {
        if case .cellQueued(let cell) = event {
          input = .observation(.cellSubmitted(cell.notebook, cell.demand, cell.source, cell.forecast))
        }
        if case .cellEnded(let cell, let id, let outcome) = event, random.next() % 2 == 0 {
          input = .observation(.cellEnded(id, cell, outcome))
        }
      }
      if random.next() % 10 == 0 { input = nil }
      // An input may come late: its instant is before that of the last entry.
      let at = random.next() % 5 == 0 ? now - Span(microseconds: 50) : now
      if let input { inputs.append((input, at, packer.last)) }
      packer.append(input, at: at, bringing: brought[...])
      entries += brought
    }
  }
}

@Suite("The packed log") struct LogPackerTests {
  @Test("gives back every event and every input with its place", arguments: UInt64(1)...40)
  func roundTrip(seed: UInt64) throws {
    let stretch = Stretch(seed: seed)
    try stretch.packer.bytes.bytes.withUnsafeBytes { bytes in
      var log = try LogUnpacker(bytes, first: 42, format: LogPacker.format)
      var entries: [Entry] = []
      while let entry = try log.nextEntry() { entries.append(entry) }
      #expect(entries == stretch.entries, "seed \(seed)")
      log = try LogUnpacker(bytes, first: 42, format: LogPacker.format)
      var place = 0
      while let item = try log.next() {
        guard case .input(let input, let at, let after, _) = item else { continue }
        #expect(input == stretch.inputs[place].input, "seed \(seed), input \(place)")
        #expect(at == stretch.inputs[place].at && after == stretch.inputs[place].after, "seed \(seed), input \(place)")
        place += 1
      }
      #expect(place == stretch.inputs.count)
    }
    #expect(stretch.packer.last == stretch.entries.last?.sequence)
    #expect(stretch.packer.lastAt == stretch.entries.last?.at || stretch.entries.last.map { $0.at }! > .zero)
  }

  @Test("reads damaged bytes to an error or to other entries, never to a crash", arguments: UInt64(1)...40)
  func damage(seed: UInt64) {
    let whole = Stretch(seed: seed).packer.bytes.bytes
    var random = SplitMix(seed: seed)
    for _ in 0..<50 {
      var bytes = whole
      for _ in 0..<(1 + random.next() % 4) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      if random.next() % 3 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
      bytes.withUnsafeBytes { buffer in
        guard var log = try? LogUnpacker(buffer, first: 1, format: LogPacker.format) else { return }
        var count = 0
        do { while try log.next() != nil { count += 1 } } catch { #expect(!"\(error)".isEmpty) }
        #expect(count <= bytes.count * 2)
      }
    }
  }

  @Test("refuses a form that it does not know")
  func form() {
    _ = [UInt8]([1]).withUnsafeBytes { bytes in
      #expect { try LogUnpacker(bytes, first: 1, format: 9) } throws: {
        "\($0)" == "the log has form 9, and this celltop reads form 1"
      }
    }
  }

  @Test("writes sets of cores as runs, over word boundaries too")
  func runs() {
    for numbers in [
      [], [0], Array(0..<64), Array(60..<70), [1, 3, 5], Array(0..<256), Array(250..<700), [63, 64, 4095],
    ] {
      let set = CoreSet(numbers)
      var found: [Int] = []
      var runs = 0
      set.forEachRun { start, length in
        found += start..<start + length
        runs += 1
      }
      #expect(found == numbers)
      var again = CoreSet()
      set.forEachRun { again.insertRun($0, $1) }
      #expect(again == set)
    }
  }
}
