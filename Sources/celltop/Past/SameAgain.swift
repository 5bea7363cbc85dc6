import Domain
import History
import Policies
import Projections
import WhatIf

/// A recorded session decided again with nothing changed, in words.
struct SameAgain: Encodable {
  struct Difference: Encodable {
    var sequence: Int64
    var atSeconds: Double
    var recorded: String?
    var again: String?
    var why: String
  }

  var session: Int64
  var policy: String
  var isSame: Bool
  var entriesSame: Int64
  var inputs: Int
  /// Of the recorded entries, as far as they were compared; and of those decided again.
  var digestRecorded: String?
  var digestAgain: String?
  var difference: Difference?

  /// - Throws: as `WhatIfRun`.
  init(_ session: RecordedSession) throws {
    let recording = try StoredRecording(session)
    let again = try Redecision(of: recording, script: SessionScript(recording), catalogue: .standard)
    self.session = session.id
    policy = again.policy
    isSame = again.isSame
    entriesSame = again.entriesSame
    inputs = again.inputs
    guard let found = again.difference else {
      digestRecorded = session.summary.digest ?? again.recordedDigest.hexadecimal
      digestAgain = again.digest.hexadecimal
      isSame = digestRecorded == digestAgain
      return
    }
    let board = try session.fold(Board.self, through: found.sequence - 1)
    difference = Difference(
      sequence: found.sequence, atSeconds: (found.recorded ?? found.again)?.at.seconds ?? 0,
      recorded: found.recorded.map { Self.sentence($0, board) }, again: found.again.map { Self.sentence($0, board) },
      why: Self.why(found, input: found.ordinal))
  }

  /// The entry as people read it, on a board that has seen it.
  private static func sentence(_ entry: Entry, _ board: Board) -> String {
    var board = board
    board.apply(entry)
    return board.sentence(entry).printable(at: 300)
  }

  private static func why(_ difference: Redecision.Difference, input: Int) -> String {
    let cause = "the engine or the policy has changed since, or the history lacks an input"
    switch (difference.recorded, difference.again) {
    case (nil, _): return "input \(input) brings an entry more today: \(cause)"
    case (_, nil): return "input \(input) brings an entry less today: \(cause)"
    case (let then?, let now?):
      if then.at != now.at { return "the same place in the log, at another time: \(cause)" }
      if then.event == now.event { return "the numbers of the entries differ: \(cause)" }
      return "input \(input) is answered otherwise today: \(cause)"
    }
  }

  var text: String {
    guard let difference else {
      let digest = digestAgain ?? ""
      return isSame
        ? "session \(session) decided again under \(policy): the same \(entriesSame) entries from \(inputs) inputs, digest \(digest)"
        : "session \(session) decided again under \(policy): the same \(entriesSame) entries, but the recording's digest is \(digestRecorded ?? "") and theirs \(digest): the recording was changed after it was closed"
    }
    return """
      session \(session) decided again under \(policy): the first \(entriesSame) entries are the same, entry \(difference.sequence) is another
      recorded: \(difference.recorded ?? "nothing")
      today:    \(difference.again ?? "nothing")
      \(difference.why)
      """
  }
}
