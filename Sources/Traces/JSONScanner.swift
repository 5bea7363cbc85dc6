/// What a scanner found wrong, before anyone knows in which file and line.
struct JSONFault: Error, Equatable {
  var because: String
}

/// Reads JSON text from left to right, value by value, without building a tree.
///
/// The trace readers use it because a line's mistakes must be told by field, and because a million cells are read in a
/// second only without a tree between the bytes and the values (RFC 8259).
struct JSONScanner {
  private let bytes: UnsafeBufferPointer<UInt8>
  private(set) var position: Int
  private let end: Int

  init(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) {
    self.bytes = bytes
    position = start
    self.end = end
  }

  /// True once only blanks are left.
  mutating func isAtEnd() -> Bool {
    skipBlanks()
    return position >= end
  }

  private mutating func skipBlanks() {
    while position < end, bytes[position] == 0x20 || bytes[position] == 0x09 || bytes[position] == 0x0D {
      position += 1
    }
  }

  /// Takes `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard position < end, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  mutating func expect(_ byte: UInt8) throws(JSONFault) {
    guard take(byte) else {
      throw JSONFault(because: "has \(found()) where '\(Character(UnicodeScalar(byte)))' belongs")
    }
  }

  /// What comes next, in words.
  private func found() -> String {
    guard position < end else { return "the line's end" }
    let stop = Swift.min(position + 12, end)
    let text = String(decoding: bytes[position..<stop], as: UTF8.self)
    return "'" + String(text.unicodeScalars.map { $0.value < 32 ? "?" : Character($0) }) + "'"
  }

  /// The members of an object: `body` reads each one's value.
  mutating func object<Failure: Error>(
    fault: (JSONFault) -> Failure, _ body: (inout JSONScanner, String) throws(Failure) -> Void
  ) throws(Failure) {
    do throws(JSONFault) { try expect(UInt8(ascii: "{")) } catch { throw fault(error) }
    if take(UInt8(ascii: "}")) { return }
    while true {
      let key: String
      do throws(JSONFault) {
        key = try string()
        try expect(UInt8(ascii: ":"))
      } catch { throw fault(error) }
      try body(&self, key)
      if take(UInt8(ascii: "}")) { return }
      do throws(JSONFault) { try expect(UInt8(ascii: ",")) } catch { throw fault(error) }
    }
  }

  mutating func string() throws(JSONFault) -> String {
    try expect(UInt8(ascii: "\""))
    let start = position
    while position < end, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\") { position += 1 }
    if position < end, bytes[position] == UInt8(ascii: "\"") {
      defer { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }
    return try escapedString(from: start)
  }

  private mutating func escapedString(from start: Int) throws(JSONFault) -> String {
    var text = Array(bytes[start..<position])
    while position < end {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
      guard byte == UInt8(ascii: "\\") else {
        text.append(byte)
        continue
      }
      guard position < end else { break }
      let escape = bytes[position]
      position += 1
      switch escape {
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
      case UInt8(ascii: "u"): text.append(contentsOf: String(try unicodeScalar()).utf8)
      default: throw JSONFault(because: "has an escape that JSON does not know")
      }
    }
    throw JSONFault(because: "is a text without its closing '\"'")
  }

  private mutating func unicodeScalar() throws(JSONFault) -> Character {
    let high = try fourDigits()
    if let scalar = UnicodeScalar(high) { return Character(scalar) }
    guard position + 1 < end, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u") else {
      throw JSONFault(because: "has half of a surrogate pair")
    }
    position += 2
    let low = try fourDigits()
    let value = 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF))
    guard (0xD800..<0xDC00).contains(high), (0xDC00..<0xE000).contains(low), let scalar = UnicodeScalar(value) else {
      throw JSONFault(because: "has half of a surrogate pair")
    }
    return Character(scalar)
  }

  private mutating func fourDigits() throws(JSONFault) -> UInt32 {
    guard position + 4 <= end,
      let value = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw JSONFault(because: "has an escape that JSON does not know") }
    position += 4
    return value
  }

  /// A number, and nothing else; whole numbers of up to 15 digits and short fractions are read without rounding twice.
  mutating func number() throws(JSONFault) -> Double {
    skipBlanks()
    let start = position
    var mantissa: Int64 = 0
    var digits = 0
    var fraction = 0
    var isPlain = true
    if position < end, bytes[position] == UInt8(ascii: "-") { position += 1 }
    scan: while position < end {
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        digits += 1
        if digits <= 15 { mantissa = mantissa * 10 + Int64(bytes[position] - UInt8(ascii: "0")) }
        if !isPlain { fraction += 1 }
      case UInt8(ascii: "."): isPlain = false
      case UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"): digits = 99
      default: break scan
      }
      position += 1
    }
    guard position > start else { throw JSONFault(because: "is \(found()) and not a number") }
    if digits <= 15 && digits > 0 && fraction <= 15 && (isPlain || fraction > 0) {
      let value = Double(mantissa) / Self.powers[fraction]
      return bytes[start] == UInt8(ascii: "-") ? -value : value
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else { throw JSONFault(because: "is '\(text)' and not a number") }
    return value
  }

  private static let powers: [Double] = (0...15).map { exponent in (0..<exponent).reduce(1.0) { value, _ in value * 10 }
  }
}
