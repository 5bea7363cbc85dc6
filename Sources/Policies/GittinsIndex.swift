import Domain

extension Quantiles {
  /// What serving a notebook costs for what it brings, in microseconds squared; the least goes first.
  ///
  /// The quantiles are those of the run time that the notebook had left when its cell was submitted. With weight
  /// 1 / T_alone, the index is the least, over how long to serve it, of E[service] / E[1 / T_alone; it ends within]: Gittins'
  /// index, by which the least expected weighted time to completion is found on one machine. For a certain run time it is left × whole. Beyond the
  /// last quantile nothing is known but what the remainder has had: half of what came so far comes again, as of all lengths
  /// whose logarithms are equally frequent. So left is what has been done since the cell's submission, and for a notebook that
  /// began with it the index is least attained first. It is never above what it is for one of which nothing is known.
  ///
  /// **Source**: Gittins, "Bandit processes and dynamic allocation indices", J. R. Stat. Soc. B 41 (1979); Aalto, Ayesta and
  /// Righter, "On the Gittins index in the M/G/1 queue", Queueing Systems 63 (2009).
  ///
  /// - Parameters:
  ///   - done: microseconds of the cell's work that are done since its submission.
  ///   - before: microseconds that the notebook had run before the cell.
  func index(after done: Double, before: Double) -> Double {
    let attained = before + done
    let unknown = 2 * (attained + 1_000_000) * (attained + 1_000_000)
    var alive = 0.0
    for (place, mass) in Self.masses.enumerated() where at(place) > done { alive += mass }
    guard alive > 0 else {
      let left = max(done, 1000)
      return min(left * (attained + left), unknown)
    }
    var least = unknown
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

  private func at(_ place: Int) -> Double { Double(self[place].microseconds) }
}
