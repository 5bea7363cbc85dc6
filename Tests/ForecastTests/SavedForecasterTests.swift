import Domain
import Testing

@testable import Forecast

@Suite("What the forecaster keeps")
struct SavedForecasterTests {
  @Test("is the same when read back, and goes on the same", arguments: UInt64(1)...2)
  func roundTrip(seed: UInt64) throws {
    var past = Past.drawn(seed)
    past.forecaster.beginSession()
    var again = past
    again.forecaster = try Forecaster(saved: past.forecaster.saved)
    #expect(again.forecaster == past.forecaster)
    past.play(seed + 100, cells: 100)
    again.play(seed + 100, cells: 100)
    #expect(again.forecaster == past.forecaster)
    #expect(again.forecaster.saved == past.forecaster.saved)
  }

  @Test("is refused where it is cut short, at any place")
  func cut() {
    let bytes = Past.drawn(1, cells: 40).forecaster.saved
    for length in stride(from: 0, to: bytes.count, by: max(bytes.count / 60, 1)) {
      #expect(throws: SavedForecasterError.self) { try Forecaster(saved: Array(bytes[..<length])) }
    }
    #expect(throws: SavedForecasterError.self) { try Forecaster(saved: bytes + [0]) }
  }

  @Test("is refused or sound where bytes were changed", arguments: UInt64(1)...20)
  func changed(seed: UInt64) {
    var dice = Dice(state: seed)
    var bytes = Past.drawn(1, cells: 40).forecaster.saved
    for _ in 0..<3 { bytes[dice.number(0..<bytes.count)] = UInt8(truncatingIfNeeded: dice.next()) }
    guard let forecaster = try? Forecaster(saved: bytes) else { return }
    var past = Past(forecaster: forecaster)
    past.open(0, "book1.ipynb", user: "user1")
    past.run(0, code: 3, seconds: 4)
    #expect(past.forecast(3, in: 0)?.run.isOrdered == true)
  }

  @Test(
    "says what is wrong with it",
    arguments: [
      ([], "the bytes end within a number"), ([1, 2, 3], "it does not begin like one"),
      (version(99), "it has version 99, and this celltop reads version 2"),
    ] as [([UInt8], String)])
  func texts(bytes: [UInt8], why: String) {
    #expect(throws: SavedForecasterError(why)) { try Forecaster(saved: bytes) }
  }

  static func version(_ number: UInt8) -> [UInt8] {
    var bytes = Forecaster().saved
    bytes[5] = number
    return bytes
  }
}
