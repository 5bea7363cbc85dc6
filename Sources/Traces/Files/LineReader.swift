import Domain
import Glibc

/// A file's lines, one at a time, plain or gzip-compressed, with bounded memory whatever is in it.
///
/// A line longer than `headMost` is given as its first `headMost - tailMost` and its last `tailMost` bytes, because a
/// log's long lines say at their beginning what they are and at their end whose they are.
struct LineReader: ~Copyable {
  static let headMost = 1 << 20
  static let tailMost = 1 << 12

  private let stream: ByteStream
  private var pending: [UInt8] = []
  private var place = 0
  private var isDone = false

  /// The number of the line given last; counted from 1.
  private(set) var number = 0
  /// How many lines were too long to be kept whole.
  private(set) var shortened = 0
  var path: String { stream.path }
  /// Why the lines end before the file's own end; nil where all was read.
  var damage: String? { stream.damage }

  /// - Throws: `TraceError` where the file cannot be opened.
  init(_ path: String) throws(TraceError) {
    stream = try ByteStream(path)
  }

  /// The next line without its end (LF or CRLF); nil after the last.
  ///
  /// - Throws: `TraceError` where the operating system cannot read.
  mutating func next() throws(TraceError) -> ArraySlice<UInt8>? {
    var searched = place
    var wasCut = false
    while true {
      if let end = newline(from: searched) {
        defer { place = end + 1 }
        return given(pending[place..<end], wasCut)
      }
      if isDone {
        guard place < pending.count else { return nil }
        defer { place = pending.count }
        return given(pending[place...], wasCut)
      }
      if place > 0 {
        pending.removeSubrange(..<place)
        place = 0
      }
      if pending.count > Self.headMost {
        // The middle of an overlong line goes; its head and its newest bytes stay.
        pending.removeSubrange((Self.headMost - Self.tailMost)..<(pending.count - Self.tailMost))
        wasCut = true
      }
      searched = pending.count
      var more: [UInt8] = []
      let goesOn = try stream.next { more.append(contentsOf: $0) }
      pending.append(contentsOf: more)
      if !goesOn { isDone = true }
    }
  }

  private func newline(from start: Int) -> Int? {
    pending.withUnsafeBytes { bytes in
      guard start < bytes.count, let base = bytes.baseAddress else { return nil }
      return memchr(base + start, 0x0A, bytes.count - start).map { UnsafeRawPointer($0) - base }
    }
  }

  private mutating func given(_ line: ArraySlice<UInt8>, _ wasCut: Bool) -> ArraySlice<UInt8> {
    number += 1
    if wasCut { shortened += 1 }
    return line.last == 0x0D ? line.dropLast() : line
  }
}

extension ArraySlice<UInt8> {
  /// Whether the bytes begin with that text.
  func begins(with text: StaticString) -> Bool {
    text.withUTF8Buffer { wanted in
      guard count >= wanted.count else { return false }
      var index = startIndex
      for byte in wanted {
        if self[index] != byte { return false }
        index += 1
      }
      return true
    }
  }

  /// What follows that text where the bytes begin with it; nil otherwise.
  func dropping(_ text: StaticString) -> ArraySlice<UInt8>? {
    begins(with: text) ? dropFirst(text.utf8CodeUnitCount) : nil
  }

  /// The place of a text, the first or the last; nil where it is not there.
  func place(of text: StaticString, last: Bool = false) -> Int? {
    let length = text.utf8CodeUnitCount
    guard count >= length, length > 0 else { return nil }
    return withUnsafeBytes { (bytes) -> Int? in
      guard let base = bytes.baseAddress else { return nil }
      var from = last ? bytes.count - length : 0
      while from >= 0, from + length <= bytes.count {
        if !last {
          // The next place where the text can begin.
          guard let next = memchr(base + from, Int32(text.utf8Start[0]), bytes.count - length + 1 - from) else {
            return nil
          }
          from = UnsafeRawPointer(next) - base
        }
        if memcmp(base + from, text.utf8Start, length) == 0 { return startIndex + from }
        from += last ? -1 : 1
      }
      return nil
    }
  }

  /// Without spaces and tabs at both ends.
  var trimmed: ArraySlice<UInt8> {
    var slice = drop { $0 == 0x20 || $0 == 0x09 }
    while let last = slice.last, last == 0x20 || last == 0x09 { slice.removeLast() }
    return slice
  }

  /// The bytes as text, what is no UTF-8 shown as replacement characters, shortened for a message.
  func shown(at limit: Int = 60) -> String { String(decoding: prefix(limit * 4), as: UTF8.self).printable(at: limit) }

  /// A finite decimal number; nil for anything else.
  var decimalNumber: Double? {
    guard count <= 64, let first, first != 0x20, let value = Double(String(decoding: self, as: UTF8.self)),
      value.isFinite
    else { return nil }
    return value
  }

  /// A whole number without a sign, of 1 to 15 digits; nil for anything else.
  var digits: Int? {
    guard (1...15).contains(count) else { return nil }
    var value = 0
    for byte in self {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    return value
  }
}
