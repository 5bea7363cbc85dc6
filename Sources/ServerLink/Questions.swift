import Domain
import GateLink

/// What a server answers beside orders and reports; it names in `Welcome.answers` what it knows.
public enum QuestionKind: String, Codable, Hashable, Sendable, CaseIterable {
  /// What orders are likely to bring.
  case preview
  /// The processes of a notebook's kernel.
  case processes
  /// The code of a notebook's cell in hand, where the server was configured to be told it.
  case code
}

/// Asks what orders are likely to bring; nothing is ordered.
public struct PreviewAsked: Codable, Hashable, Sendable {
  /// The most orders that are looked into together.
  public static let verbsMost = 1000

  /// The answer bears it.
  public var id: UInt64
  /// The orders that are asked about, from 1 to `verbsMost`, as if they were given together and in this order.
  public var verbs: [Verb]

  /// - Parameters:
  ///   - id: the answer bears it.
  ///   - verbs: from 1 to `verbsMost`.
  public init(id: UInt64, verbs: [Verb]) {
    self.id = id
    self.verbs = verbs
  }

  /// The question about as many of the orders, from the first on, as one may be about and a line has room for.
  public static func fitting(id: UInt64, _ verbs: [Verb]) -> PreviewAsked {
    var asked = PreviewAsked(id: id, verbs: Array(verbs.prefix(verbsMost)))
    while asked.verbs.count > 1, LineCodec.line(ClientMessage.preview(asked)).count >= LineCodec.lineBytesMost {
      asked.verbs.removeLast((asked.verbs.count + 7) / 8)
    }
    return asked
  }

  private enum CodingKeys: String, CodingKey { case id, verbs }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decode(UInt64.self, forKey: .id)
    verbs = try container.decode([VerbForm].self, forKey: .verbs).map(\.verb)
    guard (1...Self.verbsMost).contains(verbs.count) else {
      throw DecodingError.dataCorruptedError(
        forKey: .verbs, in: container, debugDescription: "from 1 to \(Self.verbsMost) orders can be asked about")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(verbs.map(VerbForm.init), forKey: .verbs)
  }
}

/// What orders are likely to bring: two worlds, without them and with them, as far as the forecasts reach.
public struct PreviewAnswer: Codable, Hashable, Sendable {
  /// What the cells in the books and those expected next come to: the mean of what they still wait, in seconds; ANTT and STP.
  public struct Outcome: Codable, Hashable, Sendable {
    /// The mean of what the cells still wait to their first start, in seconds.
    public var waitMean: Double
    /// The average normalised turnaround time, from 1 up, lower is better (Eyerman and Eeckhout, IEEE Micro 2008).
    public var antt: Double
    /// The system throughput, at most the number of notebooks, higher is better (the same).
    public var stp: Double

    public init(waitMean: Double, antt: Double, stp: Double) {
      self.waitMean = waitMean
      self.antt = antt
      self.stp = stp
    }
  }

  /// A notebook whose cell starts or ends at another time. Times are microseconds from now; what is left out does not happen
  /// within the horizon.
  public struct Change: Codable, Hashable, Sendable {
    /// The notebook's number.
    public var notebook: Int32
    /// From now to the cell's first start without the orders; 0 where it runs.
    public var waitBefore: Int64?
    /// The same with the orders.
    public var waitAfter: Int64?
    /// From now to the cell's end without the orders.
    public var endBefore: Int64?
    /// The same with the orders.
    public var endAfter: Int64?

    public init(notebook: Int32, wait: (Int64?, Int64?), end: (Int64?, Int64?)) {
      self.notebook = notebook
      (waitBefore, waitAfter) = wait
      (endBefore, endAfter) = end
    }
  }

  /// Why an order would not be obeyed.
  public struct Refused: Codable, Hashable, Sendable {
    /// The refusal's cause by its name, such as `stale`.
    public var cause: String
    /// The reason for people.
    public var text: String
    /// The order's place among those that were asked about, from 0.
    public var order: Int?

    public init(_ refusal: Refusal, order: Int) {
      (cause, text, self.order) = ("\(refusal.cause)", refusal.text, order)
    }

    /// The refusal as the engine has it; a cause of a later celltop counts as `readOnly`.
    public var refusal: Refusal {
      Refusal(Refusal.Cause.allCases.first { "\($0)" == cause } ?? .readOnly, text)
    }
  }

  /// The question's.
  public var id: UInt64
  /// Why orders would not be obeyed; empty where all would be.
  public var refusals: [Refused]
  /// What happens without the orders; nil where the client's role does not allow them, and nothing was looked into.
  public var before: Outcome?
  /// What happens with them; nil as above.
  public var after: Outcome?
  /// Those that gain or lose most first.
  public var changes: [Change]
  /// How far it was looked ahead, in microseconds.
  public var horizon: Int64
  /// Cells about whose length nothing is known.
  public var unknown: Int
  /// Whether the time to look ran out before the horizon did.
  public var isCutShort: Bool

  public init(
    id: UInt64, refusals: [Refused], before: Outcome? = nil, after: Outcome? = nil, changes: [Change] = [],
    horizon: Int64 = 0, unknown: Int = 0, isCutShort: Bool = false
  ) {
    self.id = id
    self.refusals = refusals
    (self.before, self.after) = (before, after)
    self.changes = changes
    self.horizon = horizon
    self.unknown = unknown
    self.isCutShort = isCutShort
  }
}

/// The processes of a notebook's kernel, as they are when it is asked.
public struct ProcessesAnswer: Codable, Hashable, Sendable {
  /// The most processes that are listed.
  public static let rowsMost = 1000

  /// One process; each stands below the one that started it.
  public struct Row: Codable, Hashable, Sendable {
    /// The process's number, as the server's node has it.
    public var pid: Int32
    /// How deep below the kernel's own process, which is 0.
    public var depth: Int
    /// The operating system's letter for its state (proc(5)).
    public var state: String
    /// The program's name, 15 bytes at the most (proc(5), `comm`).
    public var name: String
    /// How many threads it has.
    public var threads: Int
    /// Processor time since it began, in microseconds.
    public var cpu: Int64
    /// Resident, in bytes.
    public var memory: Int64

    public init(pid: Int32, depth: Int, state: String, name: String, threads: Int, cpu: Int64, memory: Int64) {
      self.pid = pid
      self.depth = depth
      self.state = state
      self.name = name
      self.threads = threads
      self.cpu = cpu
      self.memory = memory
    }
  }

  /// The question's.
  public var id: UInt64
  /// The notebook's number.
  public var notebook: Int32
  /// The processes, the kernel's own first; empty where none is known or told.
  public var rows: [Row]
  /// How many more there are than are listed.
  public var more: Int
  /// Why none are told; nil where they are.
  public var why: String?

  public init(id: UInt64, notebook: Int32, rows: [Row] = [], more: Int = 0, why: String? = nil) {
    self.id = id
    self.notebook = notebook
    self.rows = rows
    self.more = more
    self.why = why
  }
}

/// The code of a notebook's cell in hand.
public struct CodeAnswer: Codable, Hashable, Sendable {
  /// The question's.
  public var id: UInt64
  /// The notebook's number.
  public var notebook: Int32
  /// The number of the cell whose code it is; nil where none is told.
  public var cell: Int64?
  /// The code, 32 KiB of it at the most; nil where it is not told, and `why` says why.
  public var text: String?
  /// Why the code is not told; nil where it is.
  public var why: String?

  public init(id: UInt64, notebook: Int32, cell: Int64? = nil, text: String? = nil, why: String? = nil) {
    self.id = id
    self.notebook = notebook
    self.cell = cell
    self.text = text
    self.why = why
  }
}
