import Domain
import ServerLink

/// What a user ordered under a key, and its answer as soon as there is one.
struct GivenOrder {
  var verb: Verb
  /// Where it was given to an earlier life of the server, whose notebooks and cells had other numbers.
  var past: Past?
  /// Nil while it is still to come.
  var answer: Answered?

  /// What is left of an order's notebook when the server that numbered it is gone.
  struct Past {
    /// Nil where the order was about no notebook, or its row is missing.
    var notebook: Notebook?
  }

  /// Whether an order that comes under the same key is this one, said again.
  ///
  /// - Parameters:
  ///   - isOfBefore: whether its numbers are those of an earlier life of the server, too.
  ///   - notebook: the one that has its number now; nil where it is about none.
  func isSaidAgain(by other: Verb, isOfBefore: Bool, of notebook: Notebook?) -> Bool {
    guard let past, !isOfBefore, let id = other.notebook, verb.notebook != nil else { return other == verb }
    return verb.numbered(id, other.cell) == other
      && (past.notebook == nil || past.notebook?.documentKey == notebook?.documentKey)
  }

  /// Why its key cannot be given to another order.
  ///
  /// - Parameter sentence: the order in words, as the user may hear them, if its numbers are of this life of the server.
  func refusal(calledHere sentence: String) -> Refusal {
    var what = sentence
    if let past, verb.notebook != nil {
      what = "\(verb.word) on \(past.notebook?.name ?? "a notebook"), before the server was started anew"
    }
    let became =
      switch answer?.accepted {
      case true?: "was done"
      case false?: "was refused"
      case nil: "is not answered yet"
      }
    return Refusal(
      .alreadyTaken,
      "its key was used for another order (\(what.printable(at: 200))), which \(became); give this one another key")
  }
}

extension Verb {
  /// The same order about the notebook and the cell that have these numbers.
  fileprivate func numbered(_ id: NotebookID, _ number: CellID?) -> Verb {
    let cell = number ?? self.cell ?? CellID(0)
    return switch self {
    case .suspend: .suspend(id, cell: cell)
    case .resume: .resume(id, cell: cell)
    case .interrupt: .interrupt(id, cell: cell)
    case .setPriority(_, let priority): .setPriority(id, priority)
    case .pin(_, let pin): .pin(id, pin)
    case .unpin: .unpin(id)
    case .hold: .hold(id)
    case .release: .release(id)
    case .overrideDemand(_, let demand): .overrideDemand(id, demand)
    case .suspendAfter(_, _, let grace): .suspendAfter(id, cell: cell, grace)
    case .suspendAtEnd: .suspendAtEnd(id, cell: cell)
    case .callOff: .callOff(id, cell: cell)
    case .drain, .undrain, .setPolicy: self
    }
  }
}
