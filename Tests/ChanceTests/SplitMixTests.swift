import Chance
import Testing

@Suite("The seeded generator")
struct SplitMixTests {
  @Test("gives the published sequence")
  func published() {
    // The first numbers for the seed 1234567, as in the reference implementation by Vigna (splitmix64.c).
    var random = SplitMix(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in random.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }

  @Test("draws with the mean and the spread that it should", arguments: UInt64(1)...5)
  func moments(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let count = 40_000.0
    let exponential = (0..<40_000).map { _ in random.exponential(mean: 3) }
    let normal = (0..<40_000).map { _ in random.normal() }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / count }
    // Five standard errors.
    #expect(abs(mean(exponential) - 3) < 5 * 3 / count.squareRoot(), "seed \(seed)")
    #expect(abs(mean(normal)) < 5 / count.squareRoot(), "seed \(seed)")
    #expect(abs(mean(normal.map { $0 * $0 }) - 1) < 5 * (2 / count).squareRoot(), "seed \(seed)")
  }

  @Test("takes the logarithm that it says")
  func logarithm() {
    // -ln(1 - u) of the uniform draw beside it: both generators are in step.
    var one = SplitMix(seed: 3)
    var other = SplitMix(seed: 3)
    for _ in 0..<1000 {
      let drawn = one.exponential(mean: 1)
      let uniform = other.uniform()
      var power = 1.0
      var sum = 1.0
      for k in 1...120 {
        power *= -drawn / Double(k)
        sum += power
      }
      #expect(abs(sum - (1 - uniform)) < 1e-11)
    }
  }
}
