import Domain
import Forecast
import History

/// What the past sessions teach about the next one.
enum PastForecaster {
  /// The most entries that are read, over all past sessions: opening must stay quick.
  static let entriesMost: Int64 = 20_000

  /// A forecaster that has learned from the newest live sessions, oldest of them first. A session that cannot be read
  /// teaches nothing.
  static func learned(from store: HistoryStore) -> Forecaster {
    var forecaster = Forecaster()
    var budget = entriesMost
    var chosen: [SessionSummary] = []
    for session in (try? store.sessions()) ?? [] where session.kind == "live" && session.entries > 0 {
      guard budget > 0 else { break }
      budget -= session.entries
      chosen.append(session)
    }
    for session in chosen.reversed() {
      forecaster.beginSession()
      for entry in (try? store.entries(of: session.id, limit: Int(entriesMost))) ?? [] { forecaster.learn(from: entry) }
    }
    forecaster.beginSession()
    return forecaster
  }
}
