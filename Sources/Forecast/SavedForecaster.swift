import Domain

/// Why a saved forecaster was not taken.
public struct SavedForecasterError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String

  public init(_ why: String) {
    description =
      "what the forecaster had learned cannot be read: \(why). It learns anew from the sessions that are kept"
  }
}

// The saved form: packed numbers, a mark and a version first. Open notebooks are not saved: they belong to a session.
extension Forecaster {
  /// The version of the saved form and of what its keys mean; another one is refused.
  public static let savedVersion: UInt64 = 2
  private static let mark: UInt64 = 0x63_65_6C_6C

  /// What was learned, for `init(saved:)`.
  public var saved: [UInt8] {
    var sink = PackBytes()
    for number in [Self.mark, Self.savedVersion, UInt64(LogScale.bins), UInt64(Level.allCases.count), openings] {
      sink.put(number)
    }
    sink.put(UInt64(predictors.count))
    for predictor in predictors { predictor.save(to: &sink) }
    lifetimes.save(to: &sink)
    return sink.bytes
  }

  /// What was learned before.
  ///
  /// - Throws: `SavedForecasterError` where the bytes are not what `saved` gives, whatever they are instead.
  public init(saved bytes: [UInt8]) throws(SavedForecasterError) {
    let result: Result<Forecaster, PackError> = bytes.withUnsafeBytes { buffer in
      var source = PackSource(buffer)
      do throws(PackError) {
        let forecaster = try Forecaster(from: &source)
        return source.isAtEnd ? .success(forecaster) : .failure(PackError("bytes follow the end"))
      } catch { return .failure(error) }
    }
    do throws(PackError) { self = try result.get() } catch { throw SavedForecasterError(error.description) }
  }

  private init(from source: inout PackSource) throws(PackError) {
    guard try source.number() == Self.mark else { throw PackError("it does not begin like one") }
    let version = try source.number()
    guard version == Self.savedVersion else {
      throw PackError("it has version \(version), and this celltop reads version \(Self.savedVersion)")
    }
    guard try source.number() == UInt64(LogScale.bins), try source.number() == UInt64(Level.allCases.count) else {
      throw PackError("it has other bins or levels")
    }
    let openings = try source.number()
    guard try source.number() == UInt64(Quantity.allCases.count) else { throw PackError("it has other quantities") }
    var predictors: [Predictor] = []
    for quantity in Quantity.allCases { predictors.append(try Predictor(from: &source, quantity)) }
    self.init(predictors: predictors, lifetimes: try Lifetimes(from: &source), openings: openings)
  }
}

extension Predictor {
  fileprivate func save(to sink: inout PackBytes) {
    for share in trust { sink.put(share) }
    for calibrator in calibrators { for share in calibrator.shares { sink.put(share.bitPattern) } }
    for count in [coverage.outcomes, coverage.inHalf, coverage.inNinetyPercent, coverage.upToMedian] { sink.put(count) }
    sink.put(UInt64(table.count))
    for (key, sketch) in table.inOrderOfUse {
      sink.put(key)
      sink.put(UInt64(sketch.bins.count))
      for bin in sketch.bins {
        sink.put(UInt64(bin.place))
        sink.put(bin.weight)
      }
    }
  }

  fileprivate init(from source: inout PackSource, _ quantity: Quantity) throws(PackError) {
    var trust: [Float] = []
    for _ in 0..<Level.allCases.count * Self.classes { trust.append(try source.float()) }
    var calibrators: [Calibrator] = []
    for _ in Level.allCases {
      var shares: [Double] = []
      for _ in Calibrator.promised { shares.append(Double(bitPattern: try source.number())) }
      guard let calibrator = Calibrator(shares: shares) else { throw PackError("a share is out of its bounds") }
      calibrators.append(calibrator)
    }
    var coverage = Coverage()
    coverage.outcomes = try source.signed()
    coverage.inHalf = try source.signed()
    coverage.inNinetyPercent = try source.signed()
    coverage.upToMedian = try source.signed()
    let all = 0...max(coverage.outcomes, 0)
    guard coverage.outcomes >= 0, all.contains(coverage.inHalf), all.contains(coverage.inNinetyPercent),
      all.contains(coverage.upToMedian)
    else { throw PackError("a coverage is more than all") }
    var table = KeyedTable<DecayingSketch>(most: quantity.keysMost)
    let count = try source.number()
    guard count <= UInt64(quantity.keysMost) else { throw PackError("it has more contexts than it may") }
    for number in 0..<count {
      let key = try source.number()
      let bins = try source.number()
      guard bins <= UInt64(LogScale.bins) else { throw PackError("a sketch has more bins than there are") }
      var read: [DecayingSketch.Bin] = []
      for _ in 0..<bins {
        let place = try source.number()
        guard place < UInt64(LogScale.bins) else { throw PackError("a sketch has a bin that there is not") }
        read.append(DecayingSketch.Bin(place: UInt16(place), weight: try source.float()))
      }
      guard let sketch = DecayingSketch(bins: read, most: LogScale.bins) else {
        throw PackError("a sketch is out of order, or a weight is none")
      }
      table.update(key, from: sketch) { _ in }
      guard table.count == Int(number) + 1 else { throw PackError("a context stands in it twice") }
    }
    guard
      let predictor = Predictor(
        table: table, isCount: quantity.isCount, trust: trust, calibrators: calibrators, coverage: coverage)
    else { throw PackError("a trust is not from 0 to 1") }
    self = predictor
  }
}

extension Lifetimes {
  fileprivate func save(to sink: inout PackBytes) {
    sink.put(UInt64(table.count))
    for (key, counts) in table.inOrderOfUse {
      sink.put(key)
      for place in 0..<Self.classes {
        sink.put(counts.came[place])
        sink.put(counts.ended[place])
      }
    }
  }

  fileprivate init(from source: inout PackSource) throws(PackError) {
    var table = KeyedTable<Counts>(most: Self.keysMost)
    let count = try source.number()
    guard count <= UInt64(Self.keysMost) else { throw PackError("it has more lifetimes than it may") }
    for number in 0..<count {
      let key = try source.number()
      var came: [Float] = []
      var ended: [Float] = []
      for _ in 0..<Self.classes {
        came.append(try source.float())
        ended.append(try source.float())
      }
      guard let counts = Counts(came: came, ended: ended) else { throw PackError("a count is none") }
      table.update(key, from: counts) { _ in }
      guard table.count == Int(number) + 1 else { throw PackError("a lifetime stands in it twice") }
    }
    self.init(table: table)
  }
}

extension PackBytes {
  fileprivate mutating func put(_ value: Float) { put(UInt64(value.bitPattern)) }
}

extension PackSource {
  fileprivate mutating func float() throws(PackError) -> Float {
    guard let bits = UInt32(exactly: try number()) else { throw PackError("a number is larger than 32 bits") }
    return Float(bitPattern: bits)
  }
}
