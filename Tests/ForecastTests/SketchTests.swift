import Domain
import Testing

@testable import Forecast

/// A small random generator, so that a failing test can be repeated from its seed.
struct Dice {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33 ^ state
  }
  mutating func number(_ range: Range<Int>) -> Int { range.lowerBound + Int(next() % UInt64(range.count)) }
  /// From 0 up to 1.
  mutating func share() -> Double { Double(next() % 1_000_000) / 1e6 }
  /// Heavy-tailed, from 0.01 to some thousands.
  mutating func time() -> Double { 0.01 / max(share() * share(), 1e-6) }
}

@Suite("Sketches")
struct SketchTests {
  @Test("put a value into a bin that holds it, in order, within six per cent")
  func bins() {
    var last = 0.0
    for place in 0..<LogScale.bins {
      let (low, high) = (LogScale.value(at: Double(place)), LogScale.value(at: Double(place + 1)))
      #expect(low >= last && high > low && high / low < 1.0626)
      #expect(LogScale.bin(of: (low + high) / 2) == place)
      last = low
    }
    for value in [0.0, -1, .nan, 1e-300] { #expect(LogScale.bin(of: value) == 0) }
    for value in [1e300, .infinity] { #expect(LogScale.bin(of: value) == LogScale.bins - 1) }
  }

  @Test("stay in order, bounded and whole, whatever is added", arguments: UInt64(1)...20)
  func order(seed: UInt64) {
    var dice = Dice(state: seed)
    var sketch = DecayingSketch()
    for count in 1...500 {
      sketch.add(LogScale.bin(of: dice.time()), keep: 0.98, most: 24)
      #expect(sketch.bins.count <= 24)
      #expect(zip(sketch.bins, sketch.bins.dropFirst()).allSatisfy { $0.place < $1.place })
      let expected = (1 - Float.pow(0.98, count)) / 0.02
      #expect(abs(sketch.weight - expected) < 0.2, "a merge or a decay lost weight")
    }
  }

  @Test("forget what is long ago")
  func decay() {
    var sketch = DecayingSketch()
    for _ in 0..<200 { sketch.add(100, keep: 0.9, most: 48) }
    for _ in 0..<200 { sketch.add(300, keep: 0.9, most: 48) }
    #expect(sketch.bins.map(\.place) == [300])
    #expect(abs(sketch.weight - 10) < 0.01)
  }

  @Test("are no larger after a million values than after a thousand")
  func million() {
    var dice = Dice(state: 7)
    var sketch = DecayingSketch()
    for _ in 0..<1_000_000 { sketch.add(dice.number(0..<LogScale.bins), keep: 0.5, most: 4) }
    #expect(sketch.bins.count <= 4 && sketch.weight < 2.001)
  }

  @Test("give back what went in, as a blend's quantiles", arguments: [0.01, 1.0, 60.0, 86_400.0])
  func blend(value: Double) {
    var sketch = DecayingSketch()
    for _ in 0..<400 { sketch.add(LogScale.bin(of: value), keep: 1, most: 48) }
    let blend = Blend([(sketch, 1)], isCount: false)
    for share in [0.05, 0.5, 0.95] { #expect(abs(blend.value(at: share) / value - 1) < 0.13) }
  }
}

extension Float {
  fileprivate static func pow(_ base: Float, _ times: Int) -> Float {
    (0..<times).reduce(1) { power, _ in power * base }
  }
}

@Suite("Keyed tables")
struct KeyedTableTests {
  @Test("keep the most recently used keys, as a plain list would", arguments: UInt64(1)...10)
  func model(seed: UInt64) {
    var dice = Dice(state: seed)
    var table = KeyedTable<Int>(most: 16)
    var model: [(key: UInt64, value: Int)] = []
    for _ in 0..<2000 {
      let key = UInt64(dice.number(1..<40))
      table.update(key, from: 0) { $0 += 1 }
      if let place = model.firstIndex(where: { $0.key == key }) {
        let known = model.remove(at: place)
        model.append((key, known.value + 1))
      } else {
        if model.count == 16 { model.removeFirst() }
        model.append((key, 1))
      }
    }
    #expect(table.inOrderOfUse.map(\.key) == model.map(\.key))
    #expect(table.inOrderOfUse.map(\.value) == model.map(\.value))
  }

  @Test("hold no more than they may after a million keys")
  func million() {
    var table = KeyedTable<Int>(most: 1000)
    for key in 0..<UInt64(1_000_000) { table.update(key &* 0x9E37_79B9_7F4A_7C15, from: 0) { $0 += 1 } }
    #expect(table.count == 1000)
  }
}
