import Domain

/// Means over time of some quantities, in buckets of one width, of which the latest are kept.
public struct BucketedMeans: Sendable, Hashable {
  /// The width of a bucket.
  public let width: Span
  /// How many quantities there are.
  public let series: Int
  /// The closed buckets that are kept at the most.
  let bucketsMost: Int
  /// The bucket that is open: it begins at this many widths.
  private(set) var bucket: Int64 = 0
  /// The means of the closed buckets, oldest first, one after the other for each quantity.
  private(set) var values: [UInt32] = []
  /// The open bucket's sums so far: amount × microseconds.
  private(set) var open: [Int64]

  init(width: Span, series: Int, bucketsMost: Int) {
    self.width = width
    self.series = series
    self.bucketsMost = bucketsMost
    open = Array(repeating: 0, count: series)
  }

  /// The amounts were these between two instants.
  mutating func hold(_ amounts: [Int64], from start: Instant, to end: Instant) {
    var at = max(start.microseconds, 0)
    let last = end.microseconds
    guard at < last else { return }
    let width = width.microseconds
    // Nobody sees what lies further back than is kept; and what was not followed is not known.
    let far = last / width - Int64(bucketsMost) - 1
    if far > bucket || at >= (bucket + 1) * width {
      values.removeAll(keepingCapacity: true)
      open = Array(repeating: 0, count: series)
      bucket = max(far, at / width)
      at = max(at, bucket * width)
    }
    while at < last {
      let stop = min((bucket + 1) * width, last)
      for place in 0..<series { open[place] &+= amounts[place] &* (stop - at) }
      at = stop
      if at == (bucket + 1) * width { close() }
    }
  }

  private mutating func close() {
    // In quarters more at once, so that not every bucket moves all others.
    if values.count >= series * bucketsMost * 5 / 4 { values.removeFirst(series * (bucketsMost / 4)) }
    for place in 0..<series {
      values.append(UInt32(clamping: (open[place] + width.microseconds / 2) / width.microseconds))
      open[place] = 0
    }
    bucket += 1
  }

  /// How many closed buckets are kept.
  public var count: Int { values.count / max(series, 1) }

  /// When the first closed bucket begins.
  public var start: Instant { Instant(microseconds: (bucket - Int64(count)) * width.microseconds) }

  /// The means of one quantity over equal parts of a stretch of time, oldest first; nil where nothing is known.
  ///
  /// - Parameter now: up to when the open bucket is filled.
  public func means(of place: Int, from begin: Instant, part: Span, parts: Int, now: Instant) -> [Double?] {
    let width = width.microseconds
    let first = bucket - Int64(count)
    let filled = now.microseconds - bucket * width
    return (0..<max(parts, 0)).map { index in
      let low = begin.microseconds + Int64(index) * part.microseconds
      guard low <= now.microseconds else { return nil }
      let one = max(low / width, first)
      let other = min((low + max(part.microseconds, 1) - 1) / width, bucket)
      guard low >= 0 || other >= 0, one <= other else { return nil }
      var sum = 0.0
      var weight = 0.0
      for number in one...other {
        if number < bucket {
          sum += Double(values[Int(number - first) * series + place])
          weight += 1
        } else if filled > 0 {
          let share = Double(filled) / Double(width)
          sum += Double(open[place]) / Double(width)
          weight += min(share, 1)
        }
      }
      return weight > 0 ? sum / weight : nil
    }
  }
}

extension BucketedMeans {
  func pack(into sink: inout some PackSink) {
    sink.put(bucket)
    for sum in open { sink.put(sum) }
    sink.put(UInt64(values.count))
    // Neighbours in time are alike.
    for index in values.indices {
      let before = index >= series ? Int64(values[index - series]) : 0
      sink.put(Int64(values[index]) - before)
    }
  }

  mutating func unpack(from source: inout PackSource) throws(PackError) {
    bucket = try source.signed()
    for place in 0..<series { open[place] = try source.signed() }
    let count = try source.number()
    guard count <= UInt64(series * bucketsMost * 2), series == 0 || count % UInt64(series) == 0 else {
      throw PackError("a history of \(count) buckets is too long")
    }
    values = []
    values.reserveCapacity(Int(count))
    for index in 0..<Int(count) {
      let before = index >= series ? Int64(values[index - series]) : 0
      guard let value = UInt32(exactly: before &+ (try source.signed())) else {
        throw PackError("a history goes beyond its range")
      }
      values.append(value)
    }
  }
}

/// How much was in use over the session, at four resolutions: the latest minutes by the second, the latest days by twenty
/// minutes.
public struct LoadHistory: Sendable, Hashable {
  /// What is followed.
  public enum Quantity: Int, Sendable, Hashable, CaseIterable {
    /// Cores and GPUs allotted, in thousandths.
    case cores, gpus
    /// Memory in use, in mebibytes.
    case memory
    /// Cells that wait or are suspended, in thousandths.
    case waiting
  }

  static let widths = [Span(seconds: 1), Span(seconds: 10), Span(seconds: 120), Span(seconds: 1200)]
  static let bucketsMost = 256

  /// From the finest to the coarsest.
  public private(set) var levels = LoadHistory.widths.map {
    BucketedMeans(width: $0, series: Quantity.allCases.count, bucketsMost: LoadHistory.bucketsMost)
  }
  /// Of each GPU of the first node whether it was allotted, in thousandths.
  public private(set) var gpus = BucketedMeans(width: Span(seconds: 10), series: 0, bucketsMost: 64)

  mutating func hold(_ amounts: [Int64], _ gpusTaken: [Int64], from start: Instant, to end: Instant) {
    guard start < end else { return }
    for index in levels.indices { levels[index].hold(amounts, from: start, to: end) }
    if gpus.series > 0 { gpus.hold(gpusTaken, from: start, to: end) }
  }

  /// Follows so many GPUs from now on.
  mutating func follow(gpus count: Int) {
    if count != gpus.series { gpus = BucketedMeans(width: gpus.width, series: count, bucketsMost: gpus.bucketsMost) }
  }

  /// The finest level that reaches so far back.
  public func level(reaching window: Span) -> BucketedMeans {
    levels.first { $0.width.microseconds * Int64(Self.bucketsMost) >= window.microseconds } ?? levels[levels.count - 1]
  }

  func pack(into sink: inout some PackSink) {
    for level in levels { level.pack(into: &sink) }
    sink.put(UInt64(gpus.series))
    gpus.pack(into: &sink)
  }

  init() {}

  init(from source: inout PackSource) throws(PackError) {
    for index in levels.indices { try levels[index].unpack(from: &source) }
    let count = try source.number()
    guard count <= 4096 else { throw PackError("\(count) GPUs are too many") }
    follow(gpus: Int(count))
    try gpus.unpack(from: &source)
  }
}
