import Domain
import Forecast
import History

/// What the past sessions teach about the next one.
enum PastForecaster {
  /// The most entries that are read, over all past sessions: opening must stay quick. Of a longer session its first
  /// ones are read, because later ones mean nothing without the notebooks that were opened before.
  static let entriesMost: Int64 = 20_000

  /// A forecaster that has learned from the newest live sessions, oldest of them first. A session that cannot be read
  /// teaches nothing.
  static func learned(from store: HistoryStore) -> Forecaster {
    var forecaster = Forecaster()
    var budget = entriesMost
    var chosen: [(session: Int64, limit: Int64)] = []
    for session in (try? store.sessions()) ?? [] where session.kind == "live" && session.entries > 0 {
      guard budget > 0 else { break }
      let limit = min(session.entries, budget)
      budget -= limit
      chosen.append((session.id, limit))
    }
    for (session, limit) in chosen.reversed() {
      forecaster.beginSession()
      for entry in (try? store.entries(of: session, limit: Int(limit))) ?? [] { forecaster.learn(from: entry) }
    }
    forecaster.beginSession()
    return forecaster
  }
}
