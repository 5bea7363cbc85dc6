import Domain
import Testing

@testable import Policies

@Suite("The index of a notebook whose remaining run time is a distribution")
struct GittinsIndexTests {
  private static let second = 1_000_000.0

  @Test("for a certain remainder it is left × whole")
  func certain() {
    let left = Quantiles(certain: Span(seconds: 8))
    for done in [0.0, 3] {
      let expected = (8 - done) * 18 * Self.second * Self.second
      #expect(abs(left.index(after: done * Self.second, before: 10 * Self.second) / expected - 1) < 1e-9)
    }
  }

  @Test("what lasts a little longer than foreseen stays before what is long; what goes on falls behind")
  func outran() {
    let short = Quantiles(certain: Span(seconds: 0.2))
    let long = Quantiles(certain: Span(seconds: 4))
    let other = long.index(after: 0, before: 0)
    #expect(short.index(after: 0.3 * Self.second, before: Self.second) < other)
    #expect(short.index(after: 5 * Self.second, before: Self.second) > other)
  }

  @Test("beyond what was foreseen it never falls, and is never above that of a notebook of which nothing is known")
  func tail() {
    let short = Quantiles(certain: Span(seconds: 0.2))
    for before in [0, 1, 3600].map({ $0 * Self.second }) {
      var last = 0.0
      for done in stride(from: 0.21, to: 100, by: 0.37).map({ $0 * Self.second }) {
        let index = short.index(after: done, before: before)
        let attained = before + done + Self.second
        #expect(index >= last && index <= 2 * attained * attained)
        last = index
      }
    }
  }
}
