import Console
import Domain
import Foundation
import History

extension SessionSummary {
  /// How long it lasted, in seconds: to its end where that is known, else to its last entry.
  var lengthSeconds: Int64 {
    max((endedMicroseconds ?? beganMicroseconds) - beganMicroseconds, lengthMicroseconds) / 1_000_000
  }
}

/// The recorded sessions, for a console that is open.
enum PastSessions {
  /// - Parameter path: the history's file; nil for the standard one.
  static func store(_ path: String? = nil) throws -> HistoryStore {
    try HistoryStore(reading: path ?? HistoryStore.standardPath(environment: ProcessInfo.processInfo.environment))
  }

  /// - Throws: `HistoryError` where the history cannot be read.
  static func rows() throws -> [SessionList.Row] {
    let format = DateFormatter()
    format.dateFormat = "yyyy-MM-dd HH:mm"
    return try store().sessions().map { session in
      SessionList.Row(
        number: session.id,
        began: format.string(from: Date(timeIntervalSince1970: Double(session.beganMicroseconds) / 1e6)),
        length: Span(microseconds: session.lengthMicroseconds), kind: session.kind, user: session.user,
        entries: session.entries, actions: session.actions, note: session.note)
    }
  }

  /// A console over a recorded session, at a moment of it.
  ///
  /// - Throws: `HistoryError` where there is none of that number, or it cannot be read.
  static func open(
    _ number: Int64?, in path: String? = nil, hasLive: Bool, at instant: Instant = .zero
  ) throws -> (any ConsoleSource, ConsoleState) {
    let session = try store(path).recorded(number)
    let source = try ReplaySource(session)
    var state = ConsoleState(session: Tool.facts(of: session.summary, hasLive: hasLive))
    if instant > .zero { source.obey(.seek(instant), &state) }
    source.refresh(&state)
    return (source, state)
  }
}
