import Domain
import History
import WhatIf

/// A session of the history as it can be decided again.
struct StoredRecording: Recording {
  let session: RecordedSession

  /// - Throws: `ToolError` where the session's beginning is gone: what is decided depends on all that came before.
  init(_ session: RecordedSession) throws {
    guard session.first <= 1 else {
      throw ToolError(
        "session \(session.id) begins with entry \(session.first): its beginning was pruned or never recorded, and nothing can be decided again without it"
      )
    }
    self.session = session
  }

  func forEachInput(_ body: (GivenInput) throws -> Bool) throws {
    var ordinal = 0
    try session.forEachInput { recorded, entries in
      ordinal += 1
      return try body(GivenInput(ordinal: ordinal, at: recorded.at, input: recorded.input, entries: entries[...]))
    }
  }
}
