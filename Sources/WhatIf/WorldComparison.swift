import Domain
import Metrics

/// Two worlds side by side: a session as it was, and as it might have been, over the same cells.
///
/// Compared are the cells that ended in the recording at or after the moment of the change, and whose work is known. One
/// that never ends in the other world counts until that world's last moment: its wait is at least that long.
public struct WorldComparison: Sendable, Codable, Equatable {
  /// One world's figures; times in seconds. Waits are what a cell stood longer than it would have run alone.
  public struct Figures: Sendable, Codable, Equatable {
    public var antt = 0.0
    public var stp = 0.0
    public var worstNTT = 0.0
    public var jain = 1.0
    public var waitMean = 0.0
    public var waitP50 = 0.0
    public var waitP95 = 0.0
    public var waitMax = 0.0
    public var waitOver10s = 0.0
    public var turnaroundMean = 0.0
    public var makespan = 0.0
    public var gpuHours = 0.0
    public var coreHours = 0.0
    public var preemptions = 0

    public init() {}
  }

  /// A user or a notebook in both worlds; seconds.
  public struct Person: Sendable, Codable, Equatable {
    public var name: String
    public var cells: Int
    public var waitRecorded: Double
    public var waitAgain: Double
    public var turnaroundRecorded: Double
    public var turnaroundAgain: Double
    /// Cells that never end in the other world: their wait there is without bound, and counted up to its last moment.
    public var neverEnding: Int
    /// The wait that the change takes away: positive for who gains.
    public var gain: Double { waitRecorded - waitAgain }

    enum CodingKeys: String, CodingKey {
      case name, cells, waitRecorded, waitAgain, turnaroundRecorded, turnaroundAgain, neverEnding, gain
    }

    public init(name: String) {
      self.name = name
      (cells, neverEnding) = (0, 0)
      (waitRecorded, waitAgain, turnaroundRecorded, turnaroundAgain) = (0, 0, 0, 0)
    }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      name = try container.decode(String.self, forKey: .name)
      cells = try container.decode(Int.self, forKey: .cells)
      waitRecorded = try container.decode(Double.self, forKey: .waitRecorded)
      waitAgain = try container.decode(Double.self, forKey: .waitAgain)
      turnaroundRecorded = try container.decode(Double.self, forKey: .turnaroundRecorded)
      turnaroundAgain = try container.decode(Double.self, forKey: .turnaroundAgain)
      neverEnding = try container.decode(Int.self, forKey: .neverEnding)
    }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(cells, forKey: .cells)
      try container.encode(waitRecorded, forKey: .waitRecorded)
      try container.encode(waitAgain, forKey: .waitAgain)
      try container.encode(turnaroundRecorded, forKey: .turnaroundRecorded)
      try container.encode(turnaroundAgain, forKey: .turnaroundAgain)
      try container.encode(neverEnding, forKey: .neverEnding)
      try container.encode(gain, forKey: .gain)
    }
  }

  public var recorded = Figures()
  public var again = Figures()
  /// Who gained and who lost, most first.
  public var users: [Person] = []
  public var notebooks: [Person] = []
  public var cellsCompared = 0
  /// Cells left out because their work was never seen as a whole.
  public var cellsGuessed = 0
  /// Compared cells that never end in the other world, and recorded ones that are never submitted there.
  public var cellsNeverEnding = 0
  public var cellsNeverSubmitted = 0
  /// Recorded cells that the other world refuses: no node of it could hold them.
  public var cellsRefused = 0
  /// Orders that one world obeyed and the other refused.
  public var ordersDiffering = 0

  /// - Parameter world: played to its end.
  public init(of world: Counterfactual) {
    var then = World(keepsBetweenCells: world.script.policy.hasPrefix("reservation"))
    let policy = world.changes.policy ?? world.script.policy
    var now = World(keepsBetweenCells: policy.hasPrefix("reservation"))
    var byUser: [String: Person] = [:]
    for (index, record) in world.script.notebooks.enumerated() {
      var person = Person(name: record.notebook.name)
      then.begin(record.opened)
      now.begin(record.opened)
      for (place, cell) in record.cells.enumerated() {
        guard let ended = cell.ended, ended >= world.from, cell.outcome != .refused || world.lives[index][place] != nil
        else { continue }
        if cell.isWorkGuessed || cell.outcome == .lost {
          cellsGuessed += 1
          continue
        }
        guard let life = world.lives[index][place] else {
          cellsNeverSubmitted += 1
          continue
        }
        if life.outcome == .refused {
          cellsRefused += 1
          continue
        }
        if life.ended == nil {
          cellsNeverEnding += 1
          person.neverEnding += 1
        }
        cellsCompared += 1
        let end = life.ended ?? max(world.now, life.submitted + cell.alone)
        then.add(
          cell.submitted, cell.started ?? ended, ended, cell.alone, cores: cell.heldCores, gpus: cell.heldGPUs)
        now.add(
          life.submitted, life.started ?? end, end, cell.alone, cores: life.heldCores, gpus: life.heldGPUs)
        person.cells += 1
        person.turnaroundRecorded += (ended - cell.submitted).seconds
        person.turnaroundAgain += (end - life.submitted).seconds
        person.waitRecorded += max((ended - cell.submitted - cell.alone).seconds, 0)
        person.waitAgain += max((end - life.submitted - cell.alone).seconds, 0)
      }
      then.endNotebook()
      now.endNotebook()
      guard person.cells > 0 else { continue }
      notebooks.append(person)
      byUser[record.notebook.user, default: Person(name: record.notebook.user)].add(person)
    }
    users = byUser.values.sorted(by: Self.isBefore)
    // Notebooks of one name keep the order in which they were opened.
    notebooks = notebooks.enumerated().sorted {
      Self.isBefore($0.element, $1.element) || (!Self.isBefore($1.element, $0.element) && $0.offset < $1.offset)
    }.map(\.element)
    recorded = then.figures(preemptions: world.script.preemptions.count { $0 >= world.from })
    again = now.figures(preemptions: world.preemptions)
    ordersDiffering = world.ordersDiffering
  }

  private static func isBefore(_ a: Person, _ b: Person) -> Bool {
    if a.neverEnding != b.neverEnding { return a.neverEnding > b.neverEnding }
    return abs(a.gain) != abs(b.gain) ? abs(a.gain) > abs(b.gain) : a.name < b.name
  }
}

extension WorldComparison.Person {
  fileprivate mutating func add(_ other: Self) {
    cells += other.cells
    neverEnding += other.neverEnding
    waitRecorded += other.waitRecorded
    waitAgain += other.waitAgain
    turnaroundRecorded += other.turnaroundRecorded
    turnaroundAgain += other.turnaroundAgain
  }
}

/// Gathers one world's figures.
private struct World {
  private var tally = Tally(cells: 0, notebooks: 0)
  private let keepsBetweenCells: Bool
  private var alone: Int64 = 0
  private var shared: Int64 = 0
  private var first = Instant.never
  private var last = Instant.zero
  private var cores = 0.0
  private var gpus = 0.0
  private var peak = (cores: 0.0, gpus: 0.0)
  private var opened = Instant.zero

  init(keepsBetweenCells: Bool) { self.keepsBetweenCells = keepsBetweenCells }

  mutating func begin(_ instant: Instant) {
    opened = instant
    (alone, shared, first, last, cores, gpus, peak) = (0, 0, .never, .zero, 0, 0, (0, 0))
  }

  mutating func add(
    _ submitted: Instant, _ started: Instant, _ ended: Instant, _ runAlone: Span, cores held: Double,
    gpus heldGPUs: Double
  ) {
    tally.arrived(at: submitted)
    tally.cellEnded(submitted: submitted, started: started, ended: ended, runAlone: runAlone)
    alone += runAlone.microseconds
    shared += (ended - submitted).microseconds
    first = min(first, started)
    last = max(last, ended)
    cores += held
    gpus += heldGPUs
    let ran = Double(max((ended - started).microseconds, 1))
    peak = (max(peak.cores, held / ran), max(peak.gpus, heldGPUs / ran))
  }

  mutating func endNotebook() {
    guard first != .never else { return }
    tally.notebookEnded(alone: alone, shared: shared, think: 0)
    // A reservation is held while its author thinks.
    let whole = Double((last - first).microseconds)
    tally.heldCores += keepsBetweenCells ? max(peak.cores.rounded() * whole, cores) : cores
    tally.heldGPUs += keepsBetweenCells ? max(peak.gpus.rounded() * whole, gpus) : gpus
  }

  mutating func figures(preemptions: Int) -> WorldComparison.Figures {
    let measures = tally.measures(cores: 1, gpus: 1)
    var result = WorldComparison.Figures()
    result.antt = measures.antt
    result.stp = measures.stp
    result.worstNTT = measures.worstNTT
    result.jain = measures.jain
    result.waitMean = measures.wait.mean
    result.waitP50 = measures.wait.p50
    result.waitP95 = measures.wait.p95
    result.waitMax = measures.wait.max
    result.waitOver10s = measures.wait.over10s
    result.turnaroundMean = measures.turnaroundMean
    result.makespan = measures.makespan
    result.gpuHours = tally.heldGPUs / 3.6e9
    result.coreHours = tally.heldCores / 3.6e9
    result.preemptions = preemptions
    return result
  }
}
