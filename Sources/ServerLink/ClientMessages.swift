import Domain

/// The version of the protocol between a client and the server that this celltop speaks.
public let clientProtocolVersion = 1

/// What a client (a console, `celltop ctl`, any other program) tells the server, one JSON object a line. The object has one
/// member, whose name says which message it is: `{"command":{"key":7,…}}`. See Docs/PROTOCOL.md.
public enum ClientMessage: Hashable, Sendable {
  /// The first message of a connection.
  case attach(Attach)
  case command(Order)
  /// Asks for one report of the session as it is now.
  case status(id: UInt64)
  /// Asks what orders are likely to bring. A later question of a client takes the place of an earlier one.
  case preview(PreviewAsked)
  /// Asks for the processes of a notebook's kernel; likewise.
  case processes(id: UInt64, notebook: NotebookID)
  /// Asks for the code of a notebook's cell in hand.
  case code(id: UInt64, notebook: NotebookID)
  /// A server that was started for a console shall stay when the console leaves.
  case stay
  /// The server shall end; only an operator may say so.
  case stop
  /// The answer to `ping`.
  case pong
}

/// Who a client is and what it wants to be told.
public struct Attach: Codable, Hashable, Sendable {
  /// What a client is sent without asking.
  public enum Stream: String, Codable, Hashable, Sendable, CaseIterable {
    /// Nothing: it gives orders and asks for reports.
    case none
    /// A report, then entries, in JSON.
    case entries
    /// The same in the packed form, for another celltop.
    case packed
  }

  /// The versions of the protocol that the client speaks.
  public var versions: [Int]
  /// The client's name and version, for people.
  public var client: String
  public var stream: Stream
  /// The packed form that the client reads; needed for the packed stream alone.
  public var form: String?
  /// Whether the client wants to look only, whatever it might do.
  public var readOnly: Bool?

  public init(
    versions: [Int] = [clientProtocolVersion], client: String, stream: Stream, form: String? = nil,
    readOnly: Bool? = nil
  ) {
    self.versions = versions
    self.client = client
    self.stream = stream
    self.form = form
    self.readOnly = readOnly
  }
}

/// A command as a client sends it.
public struct Order: Codable, Hashable, Sendable {
  /// The greatest key: what every JSON library reads exactly.
  public static let keyMost: UInt64 = 1 << 53 - 1

  /// Chosen by the client, at random, from 1 to `keyMost`: a repeated key does nothing again and gets the first answer.
  public var key: UInt64
  public var verb: Verb
  /// Why, in the author's words.
  public var why: String
  /// The server's `instance` that the order is for; an order that may be repeated on another connection must name it,
  /// because another server numbers notebooks and cells anew.
  public var instance: String?

  public init(key: UInt64, verb: Verb, why: String = "", instance: String? = nil) {
    self.key = key
    self.verb = verb
    self.why = why
    self.instance = instance
  }

  private enum CodingKeys: String, CodingKey {
    case key, verb, why, instance
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    key = try container.decode(UInt64.self, forKey: .key)
    guard (1...Self.keyMost).contains(key) else {
      throw DecodingError.dataCorruptedError(
        forKey: .key, in: container, debugDescription: "a key is a number from 1 to \(Self.keyMost)")
    }
    verb = try container.decode(VerbForm.self, forKey: .verb).verb
    why = try container.decodeIfPresent(String.self, forKey: .why) ?? ""
    instance = try container.decodeIfPresent(String.self, forKey: .instance)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(key, forKey: .key)
    try container.encode(VerbForm(verb), forKey: .verb)
    if !why.isEmpty { try container.encode(why, forKey: .why) }
    try container.encodeIfPresent(instance, forKey: .instance)
  }
}

extension ClientMessage: Codable {
  private enum Names: String, CodingKey {
    case attach, command, status, preview, processes, code, stay, stop, pong
  }

  private enum StatusNames: String, CodingKey {
    case id, notebook
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Names.self)
    guard container.allKeys.count == 1, let name = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath,
          debugDescription:
            "an object with one of attach, command, status, preview, processes, code, stay, stop and pong is expected"))
    }
    switch name {
    case .attach: self = .attach(try container.decode(Attach.self, forKey: name))
    case .command: self = .command(try container.decode(Order.self, forKey: name))
    case .status:
      let inner = try container.nestedContainer(keyedBy: StatusNames.self, forKey: name)
      self = .status(id: try inner.decode(UInt64.self, forKey: .id))
    case .preview: self = .preview(try container.decode(PreviewAsked.self, forKey: name))
    case .processes:
      let inner = try container.nestedContainer(keyedBy: StatusNames.self, forKey: name)
      self = .processes(
        id: try inner.decode(UInt64.self, forKey: .id),
        notebook: NotebookID(try inner.decode(Int32.self, forKey: .notebook)))
    case .code:
      let inner = try container.nestedContainer(keyedBy: StatusNames.self, forKey: name)
      self = .code(
        id: try inner.decode(UInt64.self, forKey: .id),
        notebook: NotebookID(try inner.decode(Int32.self, forKey: .notebook)))
    case .stay: self = .stay
    case .stop: self = .stop
    case .pong: self = .pong
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Names.self)
    switch self {
    case .attach(let attach): try container.encode(attach, forKey: .attach)
    case .command(let order): try container.encode(order, forKey: .command)
    case .status(let id):
      var inner = container.nestedContainer(keyedBy: StatusNames.self, forKey: .status)
      try inner.encode(id, forKey: .id)
    case .preview(let asked): try container.encode(asked, forKey: .preview)
    case .processes(let id, let notebook):
      var inner = container.nestedContainer(keyedBy: StatusNames.self, forKey: .processes)
      try inner.encode(id, forKey: .id)
      try inner.encode(notebook.number, forKey: .notebook)
    case .code(let id, let notebook):
      var inner = container.nestedContainer(keyedBy: StatusNames.self, forKey: .code)
      try inner.encode(id, forKey: .id)
      try inner.encode(notebook.number, forKey: .notebook)
    case .stay: _ = container.nestedContainer(keyedBy: StatusNames.self, forKey: .stay)
    case .stop: _ = container.nestedContainer(keyedBy: StatusNames.self, forKey: .stop)
    case .pong: _ = container.nestedContainer(keyedBy: StatusNames.self, forKey: .pong)
    }
  }
}
