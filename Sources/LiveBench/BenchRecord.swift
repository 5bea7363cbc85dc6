/// What else the machine did meanwhile.
public struct OtherLoad: Codable, Hashable, Sendable {
  /// More of the machine's processor time than this makes an arm noisy.
  public static let noisyShare = 0.05
  public static let noisySteal = 0.02
  public static let noisyDisk = 0.05

  /// Shares of the machine's processor time: of processes that are not the bench's, and stolen by the host.
  public var others: Double
  public var stolen: Double

  /// The share of the time in which some process waited for a disk (`/proc/pressure/io`); nil where that is not told.
  public var diskWaits: Double?

  public init(others: Double, stolen: Double, diskWaits: Double? = nil) {
    self.others = others
    self.stolen = stolen
    self.diskWaits = diskWaits
  }

  public var isNoisy: Bool {
    others > Self.noisyShare || stolen > Self.noisySteal || (diskWaits ?? 0) > Self.noisyDisk
  }
}

/// One finished arm, as it is kept in the bench's folder.
public struct ArmRecord: Codable, Hashable, Sendable {
  public var key: ArmKey
  public var cells: [TimedCell]
  public var load: OtherLoad
  public var kernelStartSeconds: Double
  /// How the scheme was put in place, in a sentence.
  public var setUp: String
  /// For arms that celltop scheduled: where the recording is, and what it says.
  public var session: Session?
  /// Why the arm does not count; nil where it does.
  public var failure: String?

  /// What the recording of a scheduled arm says.
  public struct Session: Codable, Hashable, Sendable {
    /// Relative to the bench's folder.
    public var history: String
    public var number: Int64
    public var preemptions: Int
    public var shrinks: Int
    public var waits: Int
    public var unexplainedWaits: Int
    public var faults: Int

    public init(history: String, number: Int64, account: SessionAccount) {
      self.history = history
      self.number = number
      preemptions = account.preemptions
      shrinks = account.shrinks
      waits = account.waits
      unexplainedWaits = account.unexplainedWaits
      faults = account.faults
    }
  }

  public init(
    key: ArmKey, cells: [TimedCell], load: OtherLoad, kernelStartSeconds: Double, setUp: String,
    session: Session? = nil, failure: String? = nil
  ) {
    self.key = key
    self.cells = cells
    self.load = load
    self.kernelStartSeconds = kernelStartSeconds
    self.setUp = setUp
    self.session = session
    self.failure = failure
  }
}

/// One run that is no arm: alone, for calibration, or to learn from.
public struct SideRun: Codable, Hashable, Sendable {
  public var name: String
  public var cells: [TimedCell]
  public var load: OtherLoad
  public var kernelStartSeconds: Double

  public init(name: String, cells: [TimedCell], load: OtherLoad, kernelStartSeconds: Double) {
    self.name = name
    self.cells = cells
    self.load = load
    self.kernelStartSeconds = kernelStartSeconds
  }
}

/// What the bench ran on, and with.
public struct Machine: Codable, Hashable, Sendable {
  public var cores: Int
  public var facts: [Fact]

  /// A name and a value, in the order of a table.
  public struct Fact: Codable, Hashable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(cores: Int, facts: [Fact]) {
    self.cores = cores
    self.facts = facts
  }
}

/// Everything that a bench found out, finished or not.
public struct BenchRecord: Codable, Sendable {
  public var plan: BenchPlan
  public var machine: Machine
  /// The demand of each document's cells: cores, least and most.
  public var demands: [String: [CellDemand]]
  public var sides: [SideRun]
  public var arms: [ArmRecord]
  /// Wall time that the bench took, in seconds, and when it ended, in text.
  public var seconds: Double
  public var when: String

  public init(
    plan: BenchPlan, machine: Machine, demands: [String: [CellDemand]], sides: [SideRun], arms: [ArmRecord],
    seconds: Double, when: String
  ) {
    self.plan = plan
    self.machine = machine
    self.demands = demands
    self.sides = sides
    self.arms = arms
    self.seconds = seconds
    self.when = when
  }

  /// The cores that a cell asks for.
  public struct CellDemand: Codable, Hashable, Sendable {
    public var least: Int
    public var most: Int

    public init(least: Int, most: Int) {
      self.least = least
      self.most = most
    }
  }

  /// A run that is no arm; nil where it was not played.
  func side(_ side: Side) -> SideRun? { sides.first { $0.name == side.name } }

  /// The cells of the runs of a kind that were played, by the number in its name.
  func runs(_ side: (Int) -> Side) -> [[TimedCell]] {
    sides.indices.compactMap { self.side(side($0 + 1))?.cells }
  }

  /// T_alone, from the runs of each document by itself.
  public var alone: AloneTimes { AloneTimes(runs { .alone($0) }) }

  /// The measures of one arm; nil where it failed.
  public func measures(of arm: ArmRecord, alone: AloneTimes) -> LiveMeasures? {
    guard arm.failure == nil else { return nil }
    let names = plan.names(of: arm.key.workload)
    let thinks = plan.thinks(
      arm.key.workload, repetition: arm.key.repetition,
      cells: names.map { demands[plan.document(of: $0)]?.count ?? 0 })
    return LiveMeasures(
      arm.cells, names: names, document: plan.document(of:), thinks: thinks, alone: alone)
  }

  /// The arms of one workload and scheme that count, in order of repetition.
  public func arms(_ workload: Workload, _ scheme: Scheme) -> [ArmRecord] {
    arms.filter { $0.key.workload == workload && $0.key.scheme == scheme && $0.failure == nil }
      .sorted { $0.key.repetition < $1.key.repetition }
  }
}
