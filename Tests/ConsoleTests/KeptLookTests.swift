import Canvas
import Domain
import Projections
import Testing

@testable import Console

@Suite("What a console keeps of its screen") struct KeptLookTests {
  @Test("keeps sort, groups, columns, layout and the timeline's length, and opens with them")
  func roundTrip() {
    var state = RichSession.live()
    let fresh = state.look
    #expect(fresh == KeptLook() && KeptLook(parsing: fresh.text) == fresh)
    for key in [">", "I", "t", "+", "="] { state.press(key) }
    for key in ["s", "down", "space"] { state.press(key) }
    state.press("escape")
    let kept = state.look
    #expect(kept.sort != fresh.sort && kept.isSortInverted && kept.isTree && kept.arrangement == .table)
    #expect(kept.hiddenColumns != fresh.hiddenColumns && kept.window != fresh.window)
    var later = RichSession.live()
    later.look = KeptLook(parsing: kept.text)
    #expect(later.look == kept)
    let size = Size(columns: 200, rows: 50)
    #expect(later.screen(size: size).text.contains("▼") || later.screen(size: size).text.contains("▲"))
  }

  @Test(
    "passes over what it does not know, whatever a file holds",
    arguments: [
      "", "\n\n", "sort", "sort nothing", "hidden name", "timeline -5", "timeline 99999999999999999999",
      "layout x\u{1B}[2J",
      "inverted maybe", "later 1 2 3", String(repeating: "sort ", count: 10_000), "\u{0}\u{202E}sort\u{0}",
    ])
  func hostile(text: String) {
    var expected = KeptLook()
    // An empty list of hidden columns is a list.
    if text == "hidden name" { expected.hiddenColumns = [] }
    #expect(KeptLook(parsing: text) == expected)
  }

  @Test("names the moment under the timeline's cursor for the way into the past")
  func moment() {
    var state = RichSession.live()
    #expect(state.momentOfInterest == nil)
    state.press("3")
    for _ in 0..<3 { state.press("left") }
    let cursor = state.momentOfInterest
    #expect(cursor != nil && cursor ?? .never < state.now)
    #expect(state.press("H") == [.enterHistory])
  }
}
