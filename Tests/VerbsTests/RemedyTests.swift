import Domain
import Projections
import Testing

@testable import Verbs

@Suite("What would let a waiting cell start") struct RemedyTests {
  private static func lines(_ desk: Desk, for id: NotebookID) -> [String] {
    desk.board.remedy(for: id, at: desk.board.now, in: WaitingOrder(desk.board)).map { $0.line(on: desk.board).text }
  }

  @Test("gives back what is drained")
  func drained() {
    var desk = Desk()
    let digits = desk.open("digits")
    let cell = desk.submit(digits, 1)
    #expect(Self.lines(desk, for: digits).isEmpty, "nobody has said why it waits")
    desk.tell(
      .drainChanged(NodeID(0), CoreSet([2, 3]), GPUSet([1])),
      .cellWaits(cell, digits, Wait(cause: .drain, lacking: 2, place: 1)))
    #expect(Self.lines(desk, for: digits) == ["undrain cores 2-3 gpus 1"])
  }

  @Test("suspends who holds what is missing, and goes before who stands ahead")
  func ahead() {
    var desk = Desk()
    let (churn, first, last) = (desk.open("churn"), desk.open("first"), desk.open("last"))
    desk.run(churn, 1)
    for (place, id) in [first, last].enumerated() {
      let queued = desk.submit(id, Int64(place + 2))
      desk.tell(.cellWaits(queued, id, Wait(cause: .cores, lacking: 1, holders: [churn], place: Int32(place + 1))))
    }
    #expect(Self.lines(desk, for: first) == ["suspend on churn"])
    #expect(Self.lines(desk, for: last) == ["priority 1 on last", "suspend on churn"])
  }
}
