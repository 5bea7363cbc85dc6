import Domain

extension Quantiles {
  /// What is left of a run that has lasted for `ran`: the value below which it lies with probability `share`.
  ///
  /// The distribution is taken to be linear between its quantiles, and above the last one to fall as far again with each
  /// halving of what is left of it. A run that has outlived all of it lives on as processes do, of which half of those
  /// that have run for t run for 2t (Harchol-Balter and Downey, ACM TOCS 15(3), 1997).
  public func left(after ran: Span, at share: Double) -> Span {
    let known = Self.shares.indices.map { Double(self[$0].microseconds) }
    let lived = Double(ran.microseconds)
    guard lived < known[4] else {
      return Span(microseconds: Int64((max(lived, 1) * share / max(1 - share, 1e-3)).rounded()))
    }
    let ended = Self.probability(upTo: lived, known)
    let value = Self.value(at: ended + share * (1 - ended), known)
    return Span(microseconds: Int64(max(value - lived, 0).rounded()))
  }

  private static func probability(upTo value: Double, _ known: [Double]) -> Double {
    guard value > known[0] else { return 0 }
    for place in 1..<known.count where value < known[place] {
      let part = (value - known[place - 1]) / (known[place] - known[place - 1])
      return shares[place - 1] + part * (shares[place] - shares[place - 1])
    }
    return shares[4]
  }

  private static func value(at share: Double, _ known: [Double]) -> Double {
    guard share > shares[0] else { return known[0] }
    for place in 1..<known.count where share <= shares[place] {
      let part = (share - shares[place - 1]) / (shares[place] - shares[place - 1])
      return known[place - 1] + part * (known[place] - known[place - 1])
    }
    let halvings = (1 - shares[4]) / max(1 - share, 1e-3) - 1
    return known[4] + max(known[4] - known[3], 0) * halvings
  }
}
