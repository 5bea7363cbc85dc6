/// A moment in a session's time: microseconds since the session began.
///
/// The core never asks a clock; a driver passes the instant in. A live driver derives it from the monotonic clock, so it
/// never falls, whatever happens to the wall clock; the session's record keeps the wall time of its beginning.
@frozen public struct Instant: Hashable, Comparable, Sendable, Codable {
  public var microseconds: Int64

  @inlinable public init(microseconds: Int64) { self.microseconds = microseconds }

  /// The instant `seconds` after the session's beginning, to the nearest microsecond.
  @inlinable public init(seconds: Double) { microseconds = .rounding(seconds * 1e6) }

  /// The session's beginning.
  public static let zero = Instant(microseconds: 0)
  /// Later than every instant that a session reaches.
  public static let never = Instant(microseconds: .max)

  /// Seconds since the session's beginning, for display and statistics only.
  @inlinable public var seconds: Double { Double(microseconds) / 1e6 }

  @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.microseconds < b.microseconds }
  @inlinable public static func - (a: Instant, b: Instant) -> Span {
    Span(microseconds: .clampedDifference(a.microseconds, b.microseconds))
  }
  @inlinable public static func + (a: Instant, b: Span) -> Instant {
    let (sum, overflow) = a.microseconds.addingReportingOverflow(b.microseconds)
    return overflow ? .never : Instant(microseconds: sum)
  }
  @inlinable public static func - (a: Instant, b: Span) -> Instant {
    Instant(microseconds: .clampedDifference(a.microseconds, b.microseconds))
  }
}

// Numbers from outside may be of any size: quantities stay at the ends of their range rather than trap.
extension Int64 {
  @inlinable @inline(__always) static func clampedSum(_ a: Int64, _ b: Int64) -> Int64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? (b < 0 ? .min : .max) : sum
  }

  @inlinable @inline(__always) static func clampedDifference(_ a: Int64, _ b: Int64) -> Int64 {
    let (difference, overflow) = a.subtractingReportingOverflow(b)
    return overflow ? (b < 0 ? .max : .min) : difference
  }

  /// The nearest whole number, or the end of the range beyond it; 0 for no number.
  @inlinable public static func rounding(_ value: Double) -> Int64 {
    if abs(value) < 9.2e18 { return Int64(value.rounded()) }
    return value.isNaN ? 0 : value < 0 ? .min : .max
  }
}

/// A length of time in microseconds; negative only as the difference of two instants.
@frozen public struct Span: Hashable, Comparable, Sendable, Codable {
  public var microseconds: Int64

  @inlinable public init(microseconds: Int64) { self.microseconds = microseconds }

  /// `seconds`, to the nearest microsecond.
  @inlinable public init(seconds: Double) { microseconds = .rounding(seconds * 1e6) }

  public static let zero = Span(microseconds: 0)

  /// Seconds, for display and statistics only.
  @inlinable public var seconds: Double { Double(microseconds) / 1e6 }

  @inlinable public static func < (a: Span, b: Span) -> Bool { a.microseconds < b.microseconds }
  @inlinable public static func + (a: Span, b: Span) -> Span {
    Span(microseconds: .clampedSum(a.microseconds, b.microseconds))
  }
  @inlinable public static func - (a: Span, b: Span) -> Span {
    Span(microseconds: .clampedDifference(a.microseconds, b.microseconds))
  }
  @inlinable public static func += (a: inout Span, b: Span) { a = a + b }
}

extension Span {
  /// Reads `20s`, `5m`, `2h`, `1.5h`, `90d`, and `us` and `ms`; a number alone is seconds.
  ///
  /// - Throws: `ParseError` where it is none of these, or negative.
  public init(parsing text: String) throws(ParseError) {
    let units: [(String, Double)] = [("us", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
    let unit = units.first { text.hasSuffix($0.0) && !text.dropLast($0.0.count).isEmpty }
    guard let value = Double(text.dropLast(unit?.0.count ?? 0)), value >= 0, value * (unit?.1 ?? 1) < 1e12 else {
      throw ParseError(reading: "the time", text: text, because: "it is no number of s, m, h or d", mend: "20s")
    }
    self.init(seconds: value * (unit?.1 ?? 1))
  }
}

/// A size of memory in bytes.
@frozen public struct Bytes: Hashable, Comparable, Sendable, Codable {
  public var count: Int64

  @inlinable public init(_ count: Int64) { self.count = count }

  public static let zero = Bytes(0)

  @inlinable public static func < (a: Bytes, b: Bytes) -> Bool { a.count < b.count }
  @inlinable public static func + (a: Bytes, b: Bytes) -> Bytes { Bytes(.clampedSum(a.count, b.count)) }
  @inlinable public static func - (a: Bytes, b: Bytes) -> Bytes { Bytes(.clampedDifference(a.count, b.count)) }
}

extension Bytes {
  /// Reads `512`, `64K`, `1.5G`, `8GiB`: powers of 1,024, as memory is counted.
  ///
  /// - Throws: `ParseError` that says which part is not a size.
  public init(parsing text: String) throws(ParseError) {
    let body = text.uppercased()
    let digits = body.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = body.dropFirst(digits.count)
    let shifts: [String: Int] = ["": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40]
    let plain =
      unit.hasSuffix("IB") ? unit.dropLast(2) : (unit.count > 1 && unit.hasSuffix("B") ? unit.dropLast() : unit)
    guard let value = Double(digits), let shift = shifts[String(plain)], value.isFinite, value >= 0,
      value * Double(1 << shift) < 9e18
    else {
      throw ParseError(reading: "the size", text: text, because: "it is not a number with K, M, G or T", mend: "8G")
    }
    self.init(Int64((value * Double(1 << shift)).rounded()))
  }
}

extension Bytes {
  /// As people say it: `8G`, `1.5G`, `512M`, or the bytes where they are few.
  public var words: String {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] where count >= 1 << shift {
      let tenths = (Double(count) / Double(1 << shift) * 10).rounded() / 10
      return (tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)") + unit
    }
    return "\(count) bytes"
  }
}

/// Text from outside that could not be read: what was read, what was wrong in it, and what it should look like.
public struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String

  /// - Parameters:
  ///   - what: what the text was meant to be, with its article: "the core list".
  ///   - text: the text itself; shortened to 80 characters and stripped of control characters.
  ///   - because: what is wrong, as a clause.
  ///   - mend: an example that is right.
  public init(reading what: String, text: String, because: String, mend: String) {
    description =
      "cannot read \(what) '\(text.printable(at: 80))': \(because.printable(at: 600)). Write it like \(mend.printable(at: 600))"
  }
}
