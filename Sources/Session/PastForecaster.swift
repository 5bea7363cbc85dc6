import Domain
import Forecast
import Foundation
import History

/// What the past sessions teach about the next one: what was kept, and what was recorded since.
struct PastForecaster {
  /// The most entries that are read where nothing was kept: the newest sessions that have so few together.
  static let entriesMost: Int64 = 500_000
  /// How many entries are read at a time.
  private static let stretch = 5_000

  private(set) var forecaster = Forecaster()
  /// Why what was kept could not be used; nil where it was, or there was nothing.
  private(set) var trouble: String?

  /// Reads what was kept beside the history, and folds the live sessions recorded since in, oldest first. A session that
  /// cannot be read teaches nothing.
  ///
  /// - Parameter present: the session that begins now, which has the greatest number in its history.
  init(of store: HistoryStore, before present: Int64) {
    let sessions = ((try? store.sessions()) ?? []).filter {
      $0.kind == "live" && $0.entries > 0 && $0.id < present
    }
    var from: (session: Int64, sequence: Int64) = (0, 0)
    do {
      // A file that knows of sessions still to come belongs to a history that is no more.
      if let kept = try ForecasterFile(besideHistory: store.path).read(), kept.session < present {
        forecaster = kept.forecaster
        from = (kept.session, kept.sequence)
      }
    } catch { trouble = "\(error)" }
    var budget = Self.entriesMost
    for session in sessions.prefix(while: { session in
      budget -= session.id == from.session ? max(session.entries - from.sequence, 0) : session.entries
      return session.id >= from.session && budget >= 0
    }).reversed() {
      forecaster.beginSession()
      learn(session.id, from: session.id == from.session ? from.sequence + 1 : 1, store)
    }
    forecaster.beginSession()
  }

  private mutating func learn(_ session: Int64, from first: Int64, _ store: HistoryStore) {
    var next = first
    while let entries = try? store.entries(of: session, from: next, limit: Self.stretch), let last = entries.last {
      for entry in entries { forecaster.learn(from: entry) }
      next = last.sequence + 1
    }
  }
}
