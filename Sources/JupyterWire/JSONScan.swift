/// A value inside a JSON text that lies in somebody else's memory: valid only as long as that memory is.
///
/// Only what a gate needs is looked at; nothing is built for what is skipped.
public struct JSONSlice {
  /// The value's own text: with its quotes, brackets or braces.
  public let text: UnsafeRawBufferPointer

  init(_ text: UnsafeRawBufferPointer) { self.text = text }

  /// Whether this is a string that holds exactly `word` (ASCII), however it is escaped.
  public func holds(_ word: StaticString) -> Bool {
    guard text.count >= 2, text[0] == UInt8(ascii: "\"") else { return false }
    let body = text[1..<(text.count - 1)]
    if body.contains(UInt8(ascii: "\\")) {
      return string.map {
        Array($0.utf8).elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
      }
        ?? false
    }
    return body.count == word.utf8CodeUnitCount
      && body.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
  }

  /// The decoded string; nil where this is no string or an escape in it is wrong. Lone surrogates become U+FFFD.
  public var string: String? {
    guard text.count >= 2, text[0] == UInt8(ascii: "\""), text[text.count - 1] == UInt8(ascii: "\"") else { return nil }
    let body = text[1..<(text.count - 1)]
    guard body.contains(UInt8(ascii: "\\")) else { return String(decoding: body, as: UTF8.self) }
    return Self.decoded(UnsafeRawBufferPointer(rebasing: body))
  }

  /// `true` or `false`; nil where this is neither.
  public var bool: Bool? {
    if text.elementsEqual("true".utf8) { return true }
    return text.elementsEqual("false".utf8) ? false : nil
  }

  /// The members where this is an object; none otherwise.
  public var members: JSONMembers { JSONMembers(text) }

  private static func decoded(_ body: UnsafeRawBufferPointer) -> String? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(body.count)
    var units: [UInt16] = []
    func flushed() -> [UInt8] { Array(String(decoding: units, as: UTF16.self).utf8) }
    var i = 0
    while i < body.count {
      let byte = body[i]
      i += 1
      guard byte == UInt8(ascii: "\\") else {
        if !units.isEmpty {
          bytes += flushed()
          units.removeAll()
        }
        bytes.append(byte)
        continue
      }
      guard i < body.count else { return nil }
      let mark = body[i]
      i += 1
      if mark == UInt8(ascii: "u") {
        guard i + 4 <= body.count, let unit = hexadecimal(body[i..<(i + 4)]) else { return nil }
        units.append(unit)
        i += 4
        continue
      }
      guard let plain = escapes[mark] else { return nil }
      units.append(UInt16(plain))
    }
    return String(decoding: bytes + flushed(), as: UTF8.self)
  }

  private static func hexadecimal(_ digits: Slice<UnsafeRawBufferPointer>) -> UInt16? {
    var value: UInt16 = 0
    for digit in digits {
      switch digit {
      case 0x30...0x39: value = value << 4 | UInt16(digit - 0x30)
      case 0x41...0x46: value = value << 4 | UInt16(digit - 0x41 + 10)
      case 0x61...0x66: value = value << 4 | UInt16(digit - 0x61 + 10)
      default: return nil
      }
    }
    return value
  }

  private static let escapes: [UInt8: UInt8] = [
    0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 0x08, 0x66: 0x0c, 0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09,
  ]
}

/// The members of a JSON object, in the order of the text, keys as they stand.
///
/// Lenient where leniency is harmless (a number is not checked), but it never reads beyond the text, and it ends at the
/// first thing that cannot be a member: `isComplete` then stays false.
public struct JSONMembers: Sequence, IteratorProtocol {
  private let text: UnsafeRawBufferPointer
  private var at = 0
  private var begun = false
  /// Whether the closing brace was reached, with nothing but white space behind it.
  public private(set) var isComplete = false

  public init(_ text: UnsafeRawBufferPointer) { self.text = text }

  public mutating func next() -> (key: JSONSlice, value: JSONSlice)? {
    guard !isComplete, at < text.count || !begun else { return nil }
    skipSpace()
    if !begun {
      guard take(UInt8(ascii: "{")) else { return stop() }
      begun = true
      skipSpace()
      if take(UInt8(ascii: "}")) { return finish() }
    } else {
      if take(UInt8(ascii: "}")) { return finish() }
      guard take(UInt8(ascii: ",")) else { return stop() }
      skipSpace()
    }
    guard let key = takeString() else { return stop() }
    skipSpace()
    guard take(UInt8(ascii: ":")) else { return stop() }
    skipSpace()
    guard let value = takeValue() else { return stop() }
    return (key, value)
  }

  private mutating func stop() -> (key: JSONSlice, value: JSONSlice)? {
    begun = true
    at = text.count
    return nil
  }

  private mutating func finish() -> (key: JSONSlice, value: JSONSlice)? {
    skipSpace()
    isComplete = at == text.count
    at = text.count
    return nil
  }

  private mutating func skipSpace() {
    while at < text.count, text[at] == 0x20 || (0x09...0x0d).contains(text[at]) { at += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard at < text.count, text[at] == byte else { return false }
    at += 1
    return true
  }

  private func slice(from start: Int) -> JSONSlice { JSONSlice(UnsafeRawBufferPointer(rebasing: text[start..<at])) }

  private mutating func takeString() -> JSONSlice? {
    let start = at
    guard take(UInt8(ascii: "\"")) else { return nil }
    while at < text.count {
      let byte = text[at]
      at += 1
      if byte == UInt8(ascii: "\"") { return slice(from: start) }
      if byte == UInt8(ascii: "\\") { at += 1 }
    }
    at = text.count
    return nil
  }

  private mutating func takeValue() -> JSONSlice? {
    guard at < text.count else { return nil }
    let start = at
    switch text[at] {
    case UInt8(ascii: "\""): return takeString()
    case UInt8(ascii: "{"), UInt8(ascii: "["): return takeNested() ? slice(from: start) : nil
    default:
      while at < text.count, !isDelimiter(text[at]) { at += 1 }
      return at > start ? slice(from: start) : nil
    }
  }

  /// Skips an object or an array by counting its brackets: no recursion, so that depth costs nothing.
  private mutating func takeNested() -> Bool {
    var depth = 0
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "\""):
        guard takeString() != nil else { return false }
        continue
      default: break
      }
      at += 1
      if depth == 0 { return true }
    }
    return false
  }

  private func isDelimiter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, 0x09...0x0d, UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"),
      UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["):
      true
    default: false
    }
  }
}
