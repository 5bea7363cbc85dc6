import Domain

extension Quantiles {
  /// What serving a notebook costs for what it brings, in microseconds squared; the least goes first.
  ///
  /// The quantiles are those of the run time that the notebook had left when its cell was submitted. With weight
  /// 1 / T_alone, the index is the least, over how long to serve it, of E[service] / E[1 / T_alone; it ends within]: Gittins'
  /// index, by which the least expected weighted time to completion is found on one machine. For a certain run time it is left × whole. Beyond the
  /// last quantile nothing is known but what it has had, so left and whole are what it has had: least attained first.
  ///
  /// **Source**: Gittins, "Bandit processes and dynamic allocation indices", J. R. Stat. Soc. B 41 (1979); Aalto, Ayesta and
  /// Righter, "On the Gittins index in the M/G/1 queue", Queueing Systems 63 (2009).
  ///
  /// - Parameters:
  ///   - done: microseconds of the cell's work that are done since its submission.
  ///   - before: microseconds that the notebook had run before the cell.
  func index(after done: Double, before: Double) -> Double {
    let attained = before + done
    var least = 2 * (attained + 1_000_000) * (attained + 1_000_000)
    var alive = 0.0
    for (place, mass) in Self.masses.enumerated() where at(place) > done { alive += mass }
    guard alive > 0 else { return least }
    var ended = 0.0
    var value = 0.0
    var served = 0.0
    for (place, mass) in Self.masses.enumerated() where at(place) > done {
      let left = max(at(place) - done, 1000)
      ended += mass
      value += mass / max(before + at(place), 1000)
      served += mass * left
      let effort = served + (alive - ended) * left
      least = min(least, effort / value)
    }
    return least
  }

  private func at(_ place: Int) -> Double {
    let span =
      switch place {
      case 0: p05
      case 1: p25
      case 2: p50
      case 3: p75
      default: p95
      }
    return Double(span.microseconds)
  }
}
