import Domain
import Projections
import Verbs

extension ConsoleState {
  /// The fewest orders that would let a waiting cell start now, or sooner; empty where none are known, or none can be given.
  func remedy(for id: NotebookID) -> [Verb] {
    guard session.mode != .replay, !session.isReadOnly else { return [] }
    return shown.remedy(for: id, at: shownNow, in: table.waiting)
  }
}
