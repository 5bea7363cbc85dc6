import Domain
import Projections

/// What the server tells a client, one JSON object a line, with one member that names the message.
///
/// A client passes over messages and members that it does not know: a version grows by them.
public enum ServerMessage: Hashable, Sendable {
  /// The answer to `attach`.
  case welcome(Welcome)
  /// The client is not wanted, and why; the server hangs up.
  case unwelcome(why: String)
  case snapshot(Snapshot)
  case tail(Tail)
  case answer(Answered)
  /// The answer to `status`.
  case status(id: UInt64, report: BoardReport)
  /// The answer to a question of the same name.
  case preview(PreviewAnswer)
  case processes(ProcessesAnswer)
  case code(CodeAnswer)
  /// A message other than a command was not obeyed, and why.
  case refused(why: String)
  /// A sign of life. `sequence` is the session's last entry, `at` the present instant in microseconds, `trouble` why the
  /// recording is incomplete at present.
  case ping(at: Int64, sequence: Int64, trouble: String?)
  /// The server is about to end, and why.
  case ending(why: String)
  /// A message of a later celltop.
  case unknown
}

/// What a client may do, by whose process it is.
public enum ClientRole: String, Codable, Hashable, Sendable, CaseIterable {
  /// May do everything.
  case `operator`
  /// May order the own notebooks about.
  case author
  /// May look.
  case observer
}

/// What the server says of itself to a client.
public struct Welcome: Codable, Hashable, Sendable {
  /// The version of the protocol that is spoken from now on.
  public var version: Int
  /// The server's name and version, for people.
  public var server: String
  /// Names this life of the server: after a restart it is another one, and numbers of notebooks and cells mean others.
  public var instance: String
  /// The session's number in the history; 0 where nothing is recorded, or nothing yet.
  public var session: Int64
  public var host: String
  /// The client's user, as the server sees it.
  public var user: String
  public var role: ClientRole
  /// Whether paths and code of other users' notebooks are withheld.
  public var isVeiled: Bool
  /// Wall time of the session's beginning, in microseconds since 1970.
  public var beganMicroseconds: Int64
  /// The present instant: microseconds since the session's beginning.
  public var at: Int64
  /// Where the session is recorded; nil where it is not, or the client may not know.
  public var history: String?
  /// The questions that the server answers, by name; nil where it answers none.
  public var answers: [String]?
  /// Why the recording is incomplete at present; nil where it is complete.
  public var trouble: String?

  /// Whether the server answers such a question.
  public func answers(_ kind: QuestionKind) -> Bool { answers?.contains(kind.rawValue) ?? false }

  public init(
    version: Int = clientProtocolVersion, server: String, instance: String, session: Int64, host: String, user: String,
    role: ClientRole, isVeiled: Bool, beganMicroseconds: Int64, at: Int64, history: String? = nil,
    answers: [String]? = nil, trouble: String? = nil
  ) {
    self.trouble = trouble
    self.version = version
    self.server = server
    self.instance = instance
    self.session = session
    self.host = host
    self.user = user
    self.role = role
    self.isVeiled = isVeiled
    self.beganMicroseconds = beganMicroseconds
    self.at = at
    self.history = history
    self.answers = answers
  }
}

/// The session as it is after an entry.
public struct Snapshot: Codable, Hashable, Sendable {
  public enum Why: String, Codable, Hashable, Sendable {
    /// The client attached.
    case attached
    /// The client was too slow for the tail: what was queued for it was dropped.
    case behind
  }

  public var why: Why
  /// The last entry that it holds; the tail goes on with the next.
  public var sequence: Int64
  /// The present instant: microseconds since the session's beginning.
  public var at: Int64
  /// For the stream of entries.
  public var report: BoardReport?
  /// For the packed stream: base64 of `Board.packedWhole`.
  public var board: String?
  /// Why the recording is incomplete at present; nil where it is complete.
  public var trouble: String?

  public init(
    why: Why, sequence: Int64, at: Int64, report: BoardReport? = nil, board: String? = nil, trouble: String? = nil
  ) {
    self.why = why
    self.sequence = sequence
    self.at = at
    self.report = report
    self.board = board
    self.trouble = trouble
  }
}

/// Entries, without a gap to those before.
public struct Tail: Codable, Hashable, Sendable {
  public var first: Int64
  public var last: Int64
  /// For the stream of entries: a JSON object each. What other programs read; a celltop reads `log`.
  public var entries: [EntryForm]?
  /// For the packed stream: base64 of `LogPacker`'s bytes.
  public var log: String?

  public init(first: Int64, last: Int64, entries: [EntryForm]? = nil, log: String? = nil) {
    self.first = first
    self.last = last
    self.entries = entries
    self.log = log
  }
}

/// An entry in JSON, as far as every entry has the same members; what else it holds depends on its event.
public struct EntryForm: Codable, Hashable, Sendable {
  public var sequence: Int64
  /// Microseconds since the session's beginning.
  public var at: Int64
  public var event: String
  public var notebook: Int32?
  public var cell: Int64?
}

/// What became of a command.
public struct Answered: Codable, Hashable, Sendable {
  public var key: UInt64
  public var accepted: Bool
  /// The entry that records it; nil where the order did not reach the engine.
  public var sequence: Int64?
  /// Why it was not obeyed.
  public var cause: String?
  public var text: String?

  public init(key: UInt64, accepted: Bool, sequence: Int64? = nil, cause: String? = nil, text: String? = nil) {
    self.key = key
    self.accepted = accepted
    self.sequence = sequence
    self.cause = cause
    self.text = text
  }

  public init(key: UInt64, sequence: Int64?, _ refusal: Refusal?) {
    self.init(
      key: key, accepted: refusal == nil, sequence: sequence, cause: refusal.map { "\($0.cause)" }, text: refusal?.text)
  }

  /// Why it was not obeyed; nil where it was.
  public var refusal: Refusal? {
    guard !accepted else { return nil }
    let known = Refusal.Cause.allCases.first { "\($0)" == cause } ?? .readOnly
    return Refusal(known, text ?? "no reason was given")
  }
}

extension ServerMessage: Codable {
  private enum Names: String, CodingKey {
    case welcome, unwelcome, snapshot, tail, answer, status, preview, processes, code, refused, ping, ending
  }

  private enum Parts: String, CodingKey {
    case why, id, report, at, sequence, trouble
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Names.self)
    guard let name = container.allKeys.first else {
      self = .unknown
      return
    }
    func parts() throws -> KeyedDecodingContainer<Parts> {
      try container.nestedContainer(keyedBy: Parts.self, forKey: name)
    }
    switch name {
    case .welcome: self = .welcome(try container.decode(Welcome.self, forKey: name))
    case .unwelcome: self = .unwelcome(why: try parts().decode(String.self, forKey: .why))
    case .snapshot: self = .snapshot(try container.decode(Snapshot.self, forKey: name))
    case .tail: self = .tail(try container.decode(Tail.self, forKey: name))
    case .answer: self = .answer(try container.decode(Answered.self, forKey: name))
    case .status:
      self = .status(
        id: try parts().decode(UInt64.self, forKey: .id), report: try parts().decode(BoardReport.self, forKey: .report))
    case .preview: self = .preview(try container.decode(PreviewAnswer.self, forKey: name))
    case .processes: self = .processes(try container.decode(ProcessesAnswer.self, forKey: name))
    case .code: self = .code(try container.decode(CodeAnswer.self, forKey: name))
    case .refused: self = .refused(why: try parts().decode(String.self, forKey: .why))
    case .ping:
      self = .ping(
        at: try parts().decode(Int64.self, forKey: .at), sequence: try parts().decode(Int64.self, forKey: .sequence),
        trouble: try parts().decodeIfPresent(String.self, forKey: .trouble))
    case .ending: self = .ending(why: try parts().decode(String.self, forKey: .why))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Names.self)
    func why(_ name: Names, _ text: String) throws {
      var parts = container.nestedContainer(keyedBy: Parts.self, forKey: name)
      try parts.encode(text, forKey: .why)
    }
    switch self {
    case .welcome(let welcome): try container.encode(welcome, forKey: .welcome)
    case .unwelcome(let text): try why(.unwelcome, text)
    case .snapshot(let snapshot): try container.encode(snapshot, forKey: .snapshot)
    case .tail(let tail): try container.encode(tail, forKey: .tail)
    case .answer(let answer): try container.encode(answer, forKey: .answer)
    case .status(let id, let report):
      var parts = container.nestedContainer(keyedBy: Parts.self, forKey: .status)
      try parts.encode(id, forKey: .id)
      try parts.encode(report, forKey: .report)
    case .preview(let answer): try container.encode(answer, forKey: .preview)
    case .processes(let answer): try container.encode(answer, forKey: .processes)
    case .code(let answer): try container.encode(answer, forKey: .code)
    case .refused(let text): try why(.refused, text)
    case .ping(let at, let sequence, let trouble):
      var parts = container.nestedContainer(keyedBy: Parts.self, forKey: .ping)
      try parts.encode(at, forKey: .at)
      try parts.encode(sequence, forKey: .sequence)
      try parts.encodeIfPresent(trouble, forKey: .trouble)
    case .ending(let text): try why(.ending, text)
    case .unknown: break
    }
  }
}
