/// The rule by which a decision about a cell's resources was made.
public enum Rule: UInt8, Hashable, Sendable, CaseIterable {
  case firstCome = 0
  case backfilled = 1
  case shortest = 2
  case leastAttained = 3
  case aged = 4
  case fairShare = 5
  case partition = 6
  case reservation = 7
  case sharedByAll = 8
  case priority = 9
  case pinned = 10
  case grownIntoIdle = 11
  case shrunkForOthers = 12
  case preempted = 13
  case operatorSuspended = 14
  case operatorResumed = 15
  case adopted = 16
  case anticipated = 17
  case drained = 18
  case evicted = 19
}

/// Why a decision was made: a rule, and the notebook for or because of which it was applied.
@frozen public struct Reason: Hashable, Sendable {
  public var rule: Rule
  public var other: NotebookID?

  @inlinable public init(_ rule: Rule, for other: NotebookID? = nil) {
    self.rule = rule
    self.other = other
  }

  /// The reason as a clause: "it was first in line".
  public func clause(naming name: (NotebookID) -> String) -> String {
    let other = other.map(name) ?? "another notebook"
    return switch rule {
    case .firstCome: "it was first in line and its cores and GPUs were free"
    case .backfilled: "it fits beside \(other) without delaying it"
    case .shortest: "its notebook has the least work left for its size"
    case .leastAttained: "its notebook has had the least service so far"
    case .aged: "it had waited as long as anyone may"
    case .fairShare: "its user has had the least so far"
    case .partition: "it runs in its notebook's own part of the node"
    case .reservation: "its notebook holds what it will ever need"
    case .sharedByAll: "everyone shares everything under this policy"
    case .priority: "its priority is the highest"
    case .pinned: "the operator pinned it there"
    case .grownIntoIdle: "cores were idle and it can use them"
    case .shrunkForOthers: "\(other) needed cores that it could spare"
    case .preempted: "\(other) goes before it"
    case .operatorSuspended: "an operator suspended it"
    case .operatorResumed: "an operator resumed it"
    case .adopted: "it was running already when the engine came"
    case .anticipated: "\(other) is about to need the place"
    case .drained: "an operator drained what it ran on"
    case .evicted: "\(other) needs the GPU memory that it kept while idle"
    }
  }
}

/// What keeps a cell from starting.
public enum WaitCause: UInt8, Hashable, Sendable, CaseIterable {
  case cores = 0
  case gpus = 1
  case memory = 2
  case gpuMemory = 3
  /// Its turn has not come: the rule serves others first, though the resources may be idle.
  case turn = 4
  /// An operator holds the notebook.
  case held = 5
  /// An operator suspended the cell and has not resumed it.
  case operatorSuspended = 6
  /// The cores or GPUs of its pin are taken.
  case pin = 7
  /// What it needs is being drained.
  case drain = 8
  /// Room is kept for a cell that is about to arrive.
  case anticipation = 9
}

/// Why a cell waits, for whom, and until when.
public struct Wait: Hashable, Sendable {
  /// From when on a wait for the first start is a moment to jump to.
  public static let long = Span(seconds: 60)

  public var cause: WaitCause
  /// How many cores or GPUs are missing (memory: mebibytes; room kept: seconds until the arrival expected); 0 where the cause is no quantity.
  public var lacking: Int32
  /// Who holds what is missing, most first, four at the most.
  public var holders: [NotebookID]
  /// 1 for the next to start.
  public var place: Int32
  /// When it is expected to start; nil where nothing can be said.
  public var expected: ExpectedStart?

  public init(
    cause: WaitCause, lacking: Int32 = 0, holders: [NotebookID] = [], place: Int32, expected: ExpectedStart? = nil
  ) {
    self.cause = cause
    self.lacking = lacking
    self.holders = holders
    self.place = place
    self.expected = expected
  }

  /// The wait as a clause: "needs 2 more cores, held by churn, digits".
  public func clause(naming name: (NotebookID) -> String) -> String {
    let held = holders.isEmpty ? "" : ", held by " + holders.map(name).joined(separator: ", ")
    let number = max(lacking, 1)
    return switch cause {
    case .cores: "needs \(number) more core\(number == 1 ? "" : "s")\(held)"
    case .gpus: "needs \(number) more GPU\(number == 1 ? "" : "s")\(held)"
    case .memory: "needs \(number) MiB more memory\(held)"
    case .gpuMemory: "needs \(number) MiB more GPU memory\(held)"
    case .turn: holders.isEmpty ? "its turn has not come" : "goes after " + holders.map(name).joined(separator: ", ")
    case .held: "held by an operator"
    case .operatorSuspended: "suspended by an operator"
    case .pin: "its pinned cores or GPUs are taken\(held)"
    case .drain: "what it needs is being drained"
    case .anticipation:
      "room is kept for \(holders.first.map(name) ?? "a cell about to arrive"), expected \(Self.inTime(seconds: lacking))"
    }
  }

  private static func inTime(seconds: Int32) -> String {
    switch seconds {
    case ..<1: "now"
    case ..<120: "in \(seconds) s"
    case ..<7200: "in \(seconds / 60) min"
    default: "in \(seconds / 3600) h"
    }
  }
}

/// A range for a cell's start.
@frozen public struct ExpectedStart: Hashable, Sendable {
  public var early: Instant
  public var median: Instant
  public var late: Instant

  @inlinable public init(early: Instant, median: Instant, late: Instant) {
    self.early = early
    self.median = median
    self.late = late
  }
}

/// Why something was not done.
public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Cause: UInt8, Hashable, Sendable, CaseIterable {
    case unknownNotebook = 0
    case unknownCell = 1
    case unknownNode = 2
    /// What was on the screen is no longer so.
    case stale = 3
    /// The state does not allow it.
    case wrongState = 4
    case demandTooLarge = 5
    case alreadyTaken = 6
    case unknownPolicy = 7
    case outOfRange = 8
    /// The session is over or only watched.
    case readOnly = 9
    /// Who asks may not.
    case notAllowed = 10
  }

  public var cause: Cause
  /// A clause that can follow "refused: ".
  public var text: String

  public init(_ cause: Cause, _ text: String) {
    self.cause = cause
    self.text = text
  }

  public var description: String { text }
}
