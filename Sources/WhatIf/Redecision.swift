import Domain
import Engine

/// A recorded session decided again from its inputs with nothing changed: whether the engine says today what it said then.
public struct Redecision: Sendable {
  /// The first entry that is not the same.
  public struct Difference: Sendable, Hashable {
    /// Its place in the log.
    public var sequence: Int64
    /// What the recording has there; nil where it ends before.
    public var recorded: Entry?
    /// What was decided now; nil where nothing was.
    public var again: Entry?
    /// The number of the input after which they part.
    public var ordinal: Int
  }

  /// Nil where every entry is the same.
  public private(set) var difference: Difference?
  /// How many entries were compared and found the same.
  public private(set) var entriesSame: Int64 = 0
  public private(set) var inputs = 0
  /// The engine as it stands after the last input that was the same.
  public private(set) var scheduler: Scheduler
  /// The digest of the recorded entries.
  public private(set) var recordedDigest = Digest()
  public let policy: String

  public var isSame: Bool { difference == nil }
  public var digest: Digest { scheduler.ledger.digest }

  /// - Parameter explainsWaits: whether the recorded engine explained waits.
  /// - Throws: `Refusal` where the catalogue has no such policy.
  init(policy: String, explainsWaits: Bool, catalogue: PolicyCatalogue) throws(Refusal) {
    self.policy = policy
    scheduler = try Scheduler(
      policy: policy, from: catalogue, settings: Scheduler.Settings(explainsWaits: explainsWaits))
  }

  /// Decides a whole recording again.
  ///
  /// - Throws: `WhatIfError` where it holds no inputs, `Refusal` where its policy is unknown today, or why it cannot be
  ///   read.
  public init(of recording: some Recording, script: SessionScript, catalogue: PolicyCatalogue) throws {
    try self.init(policy: script.policy, explainsWaits: script.explainsWaits, catalogue: catalogue)
    try recording.forEachInput { given in
      take(given)
      return difference == nil
    }
  }

  /// Decides one input again; nothing once they have parted.
  mutating func take(_ given: GivenInput) {
    guard difference == nil else { return }
    inputs = given.ordinal
    for entry in given.entries { recordedDigest.absorb(entry.event, sequence: entry.sequence, at: entry.at) }
    scheduler.handle(given.input, at: given.at)
    let again = scheduler.entries
    var place = given.entries.startIndex
    for entry in again {
      let recorded = place < given.entries.endIndex ? given.entries[place] : nil
      guard entry == recorded else { return part(recorded, entry, given.ordinal) }
      entriesSame += 1
      place += 1
    }
    if place < given.entries.endIndex { part(given.entries[place], nil, given.ordinal) }
  }

  private mutating func part(_ recorded: Entry?, _ again: Entry?, _ ordinal: Int) {
    let sequence = recorded?.sequence ?? again?.sequence ?? 0
    difference = Difference(sequence: sequence, recorded: recorded, again: again, ordinal: ordinal)
  }
}
