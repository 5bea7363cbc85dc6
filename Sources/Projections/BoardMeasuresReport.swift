import Domain
import Metrics

// What the graphs and the maps show, as JSON.
extension BoardReport {
  /// What the session came to so far.
  public struct MeasuresRow: Codable, Hashable, Sendable {
    /// Of the notebooks that have run; nil before one has.
    public var antt: Double?
    public var stp: Double?
    /// Whether cores were shared: T_alone is then not known, and the ANTT is at least, the STP at most what is said.
    public var areBounds: Bool
    public var notebooks: Int64
    public var starts: Int64
    public var waitMeanSeconds: Double
    public var waitMedianSeconds: Double
    public var waitP95Seconds: Double
    public var waitMostSeconds: Double
    public var waitsOver1s: Int64
    public var waitsOver10s: Int64
    public var preemptions: Int64

    init(_ measures: RunningMeasures) {
      (antt, stp, areBounds) = (measures.antt, measures.stp, measures.hasShared)
      (notebooks, starts) = (measures.notebooks, measures.starts)
      (waitMeanSeconds, waitMostSeconds) = (measures.waitMean.seconds, measures.waitMost.seconds)
      (waitMedianSeconds, waitP95Seconds) = (measures.wait(atShare: 0.5).seconds, measures.wait(atShare: 0.95).seconds)
      (waitsOver1s, waitsOver10s) = (measures.over1s, measures.over10s)
      preemptions = measures.preemptions
    }
  }

  /// A GPU, and who is on it.
  public struct GPURow: Codable, Hashable, Sendable {
    public var number: Int
    public var isDrained: Bool
    /// The notebooks whose cells hold it, by number.
    public var users: [Int32]
    /// How many notebooks have memory on it, and how much in all.
    public var residents: Int
    public var residentMemory: Int64

    init(_ place: NodeMap.Place) {
      (number, isDrained) = (place.number, place.isDrained)
      users = place.users.map(\.number)
      (residents, residentMemory) = (place.residents, place.memory.count)
    }
  }

  /// The last ten minutes, oldest first: the mean of each step, null where nothing is known.
  public struct LoadRow: Codable, Hashable, Sendable {
    public var stepSeconds: Double
    /// Cores and GPUs allotted.
    public var cores: [Double?]
    public var gpus: [Double?]
    /// In use, in bytes.
    public var memory: [Double?]
    /// Cells that wait or are suspended.
    public var waiting: [Double?]

    private static let step = Span(seconds: 30)
    private static let steps = 20

    init(_ board: Board, at now: Instant) {
      let reach = Span(microseconds: Self.step.microseconds * Int64(Self.steps))
      let level = board.load.level(reaching: reach)
      func series(_ quantity: LoadHistory.Quantity, times factor: Double) -> [Double?] {
        level.means(
          of: quantity.rawValue, from: Instant(microseconds: now.microseconds - reach.microseconds), part: Self.step,
          parts: Self.steps, now: now
        ).map { $0.map { $0 * factor } }
      }
      stepSeconds = Self.step.seconds
      (cores, gpus) = (series(.cores, times: 0.001), series(.gpus, times: 0.001))
      (memory, waiting) = (series(.memory, times: 1_048_576), series(.waiting, times: 0.001))
    }
  }
}
