/// A point in time as a log or a notebook writes it: microseconds since 1970, and how exactly it is known.
struct Timestamp: Hashable {
  /// In the log's own time zone where it names none.
  var microseconds: Int64
  /// The last digit's worth: 1 s is 1,000,000.
  var resolutionMicroseconds: Int64

  /// The years that are believed: nothing that is read here was written before or will be written after. With a range
  /// under a hundred years every difference can be written in a trace.
  static let years = 2010...2099

  /// Reads `YYYY-MM-DD`, then `T`, a space or a colon, then `HH:MM:SS` with or without a fraction, then `Z`, `±HH:MM`,
  /// `±HHMM` or nothing (ISO 8601, and Arkouda's own way with a colon).
  ///
  /// - Returns: nil where the bytes do not begin like that, or name no possible time; else the time and what follows it.
  static func reading(_ bytes: ArraySlice<UInt8>) -> (time: Timestamp, rest: ArraySlice<UInt8>)? {
    guard bytes.count >= 19 else { return nil }
    let start = bytes.startIndex
    func number(_ from: Int, _ count: Int) -> Int? { bytes[(start + from)..<(start + from + count)].digits }
    func has(_ offset: Int, _ byte: UInt8) -> Bool { bytes[start + offset] == byte }
    guard has(4, 0x2D), has(7, 0x2D), has(13, 0x3A), has(16, 0x3A),
      has(10, 0x54) || has(10, 0x20) || has(10, 0x3A),
      let year = number(0, 4), years.contains(year), let month = number(5, 2), (1...12).contains(month),
      let day = number(8, 2), (1...31).contains(day), let hour = number(11, 2), hour < 24,
      let minute = number(14, 2), minute < 60, let second = number(17, 2), second <= 60
    else { return nil }
    var seconds = Int64(days(year, month, day)) * 86_400
    seconds += Int64(hour * 3600 + minute * 60 + second)
    var rest = bytes.dropFirst(19)
    var fraction: Int64 = 0
    var resolution: Int64 = 1_000_000
    if let dot = rest.first, dot == 0x2E || dot == 0x2C, let next = rest.dropFirst().first, (0x30...0x39).contains(next)
    {
      rest = rest.dropFirst()
      while let digit = rest.first, (0x30...0x39).contains(digit) {
        if resolution > 1 {
          resolution /= 10
          fraction += Int64(digit - 0x30) * resolution
        }
        rest = rest.dropFirst()
      }
    }
    seconds -= offset(&rest)
    return (Timestamp(microseconds: seconds * 1_000_000 + fraction, resolutionMicroseconds: resolution), rest)
  }

  /// Takes a time zone's offset off the front, in seconds; 0 where there is none.
  private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int64 {
    guard let sign = rest.first else { return 0 }
    if sign == 0x5A {
      rest = rest.dropFirst()
      return 0
    }
    guard sign == 0x2B || sign == 0x2D, rest.count >= 5 else { return 0 }
    let body = rest.dropFirst()
    let hasColon = body.count >= 5 && body[body.startIndex + 2] == 0x3A
    guard let hours = body.prefix(2).digits, hours < 24,
      let minutes = body.dropFirst(hasColon ? 3 : 2).prefix(2).digits, minutes < 60
    else { return 0 }
    rest = body.dropFirst(hasColon ? 5 : 4)
    return Int64(hours * 3600 + minutes * 60) * (sign == 0x2B ? 1 : -1)
  }

  /// Days since 1970 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
  static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// `2026-01-12 08:58:02` for a time in microseconds since 1970.
  static func text(_ microseconds: Int64) -> String {
    let seconds = microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0)
    let day = seconds / 86_400 - (seconds % 86_400 < 0 ? 1 : 0)
    let clock = seconds - day * 86_400
    let z = Int(day) + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return
      "\(year)-\(two(Int64(month)))-\(two(Int64(dayOfYear - (153 * shifted + 2) / 5 + 1))) \(two(clock / 3600)):\(two(clock / 60 % 60)):\(two(clock % 60))"
  }
}
