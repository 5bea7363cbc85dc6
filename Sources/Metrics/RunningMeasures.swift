import Domain

/// The measures of a session that goes on, in memory that does not grow with it: what a screen tells of it so far.
///
/// The same definitions as in ``Measures``: of each notebook T_alone sums its cells' run times alone and T_shared their
/// (ended − submitted), over the cells that ended well; ANTT is the mean of T_shared / T_alone over the notebooks, and STP
/// the sum of T_alone / T_shared. Waits run from submission to the first start, and are kept in classes an eighth of an
/// octave wide: a percentile is told too high by an eighth at the most.
public struct RunningMeasures: Sendable, Hashable {
  /// Cells that started, and so have waited.
  public private(set) var starts: Int64 = 0
  /// Notebooks of which a cell ended well.
  public private(set) var notebooks: Int64 = 0
  /// How many starts had waited over 1 s and over 10 s.
  public private(set) var over1s: Int64 = 0
  public private(set) var over10s: Int64 = 0
  public private(set) var waitMost = Span.zero
  public private(set) var preemptions: Int64 = 0
  /// Whether cells shared what they ran on: then nobody knows how long they would have run alone, and the true ANTT is
  /// higher than what is told.
  public private(set) var hasShared = false
  private var waitSum: Int64 = 0
  private var slowdowns = 0.0
  private var progresses = 0.0
  /// Starts by the class of their wait.
  private var classes: [Int32] = []

  public init() {}

  /// A cell started for the first time.
  public mutating func started(after wait: Span) {
    let wait = max(wait, .zero)
    starts += 1
    waitSum += wait.microseconds
    waitMost = max(waitMost, wait)
    if wait > Span(microseconds: 1_000_000) { over1s += 1 }
    if wait > Span(microseconds: 10_000_000) { over10s += 1 }
    let place = Self.place(of: wait)
    while classes.count <= place { classes.append(0) }
    classes[place] += 1
  }

  /// A cell was preempted.
  public mutating func preempted() { preemptions += 1 }

  /// A cell runs on what others use at the same time.
  public mutating func shared() { hasShared = true }

  /// A notebook's cell ended well: what the notebook had come to before, and what it comes to now.
  public mutating func ended(from before: (alone: Span, shared: Span), to after: (alone: Span, shared: Span)) {
    if let ratio = Self.ratio(before) {
      slowdowns -= ratio
      progresses -= 1 / ratio
      notebooks -= 1
    }
    guard let ratio = Self.ratio(after) else { return }
    slowdowns += ratio
    progresses += 1 / ratio
    notebooks += 1
  }

  private static func ratio(_ times: (alone: Span, shared: Span)) -> Double? {
    guard times.alone > .zero, times.shared > .zero else { return nil }
    return Double(times.shared.microseconds) / Double(times.alone.microseconds)
  }

  /// The mean normalised turnaround so far; nil before a cell has ended well.
  public var antt: Double? { notebooks > 0 ? slowdowns / Double(notebooks) : nil }

  /// The system throughput so far; nil before a cell has ended well.
  public var stp: Double? { notebooks > 0 ? progresses : nil }

  /// The mean wait; zero before the first start.
  public var waitMean: Span { Span(microseconds: starts > 0 ? waitSum / starts : 0) }

  /// The wait that so great a share of the starts did not exceed, by nearest rank.
  public func wait(atShare share: Double) -> Span {
    let rank = min(max(Int64((share * Double(starts)).rounded(.up)), 1), starts)
    var seen: Int64 = 0
    for (place, count) in classes.enumerated() {
      seen += Int64(count)
      if seen >= rank, count > 0 { return min(Self.upperEnd(of: place), waitMost) }
    }
    return waitMost
  }

  /// Eight classes an octave; the first octaves, below 8 µs, are one microsecond a class.
  private static func place(of wait: Span) -> Int {
    let value = UInt64(wait.microseconds)
    guard value >= 8 else { return Int(value) }
    let octave = 63 - value.leadingZeroBitCount
    return (octave - 2) * 8 + Int(value >> UInt64(octave - 3) & 7)
  }

  private static func upperEnd(of place: Int) -> Span {
    guard place >= 8 else { return Span(microseconds: Int64(place)) }
    let octave = place / 8 + 2
    let part = UInt64(place % 8) + 9
    // Beyond the last octave there is nothing; it is cut to the longest wait anyway.
    return Span(microseconds: Int64(clamping: part << UInt64(min(octave - 3, 59)) - 1))
  }
}

extension RunningMeasures: Packable {
  public func pack(into sink: inout some PackSink) {
    for value in [starts, notebooks, over1s, over10s, waitMost.microseconds, preemptions, waitSum] { sink.put(value) }
    sink.put(hasShared)
    sink.put(slowdowns.bitPattern)
    sink.put(progresses.bitPattern)
    sink.put(UInt64(classes.count))
    for count in classes { sink.put(UInt64(count)) }
  }

  public init(from source: inout PackSource) throws(PackError) {
    self.init()
    starts = try source.signed()
    notebooks = try source.signed()
    over1s = try source.signed()
    over10s = try source.signed()
    waitMost = Span(microseconds: try source.signed())
    preemptions = try source.signed()
    waitSum = try source.signed()
    hasShared = try source.bool()
    slowdowns = Double(bitPattern: try source.number())
    progresses = Double(bitPattern: try source.number())
    let count = try source.number()
    guard count <= 512 else { throw PackError("\(count) classes of waits are too many") }
    for _ in 0..<count { classes.append(Int32(clamping: try source.number())) }
  }
}
