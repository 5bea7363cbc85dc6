import Domain

/// What a crowd of gates saw of its engine.
struct CrowdFigures {
  var began = Instant.zero
  var submitted = 0
  var granted = 0
  var ended = 0
  /// Cells that were in hand when these figures began, and those of them that waited for a grant.
  var inHandBefore = 0
  var waitingBefore = 0
  /// Grants of a cell that ran by a grant already.
  var grantedTwice = 0
  /// Cells that the engine granted where the gate had none waiting, and other orders that made no sense.
  var refused = 0
  var lastRefusal = ""
  /// Orders that crossed the end of their cell on the way.
  var late = 0
  /// Cells that ran because there was no engine.
  var ranWithoutEngine = 0
  /// Cores that were granted while another cell held them.
  var coresGivenTwice = 0
  /// Gates that lost the engine, and when one last did.
  var lost = 0
  var lastLost = Instant.zero
  /// When a gate was last welcomed.
  var lastGoverned = Instant.zero
  /// Microseconds from submission to grant, of the cells for which there was room when they were submitted: as many cores
  /// idle as they asked for, and an eighth of the node besides.
  var waits: [Int32] = []
  /// Whether there was room for the cell that a gate has in hand.
  var roomy: [Int: Bool] = [:]

  /// Whether each cell started once, by a grant or for want of an engine, and ended once: asked when none is in hand.
  var isWhole: Bool {
    grantedTwice == 0 && ended == submitted + inHandBefore
      && granted + ranWithoutEngine == submitted + waitingBefore
  }

  /// Milliseconds that this share of the waits did not exceed; NaN for none.
  func wait(share: Double) -> Double {
    let sorted = waits.sorted()
    guard !sorted.isEmpty else { return .nan }
    return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1000
  }
}
