import Domain

extension GateMessage {
  /// Reads a line as `quickLine` writes it, byte for byte; nil for whatever is not quite so, which the general decoder judges. A
  /// line of every cell goes this way: the general decoder was a tenth of what a cell costs the engine.
  init?(quickLine line: [UInt8]) {
    let message = line.withUnsafeBufferPointer { bytes -> GateMessage? in
      var text = QuickText(rest: bytes[...])
      let message: GateMessage?
      if text.takes(#"{"submitted":{"_0":{"#) {
        message = Self.submitted(&text)
      } else if text.takes(#"{"ended":{"key":"#) {
        message = Self.ended(&text)
      } else if text.takes(#"{"applied":{"cores":""#) {
        message = Self.applied(&text)
      } else {
        message = nil
      }
      return text.rest.isEmpty ? message : nil
    }
    guard let message else { return nil }
    self = message
  }

  private static func submitted(_ text: inout QuickText) -> GateMessage? {
    var cell: String?
    if text.takes(#""cell":""#) {
      guard let id = text.plainString(), text.takes(",") else { return nil }
      cell = id
    }
    guard text.takes(#""codeHash":"#), let hash = text.number(), text.takes(#","key":"#), let key = text.number(),
      text.takes("}}}")
    else { return nil }
    return .submitted(Submission(key: key, cell: cell, codeHash: hash, demand: nil))
  }

  private static func ended(_ text: inout QuickText) -> GateMessage? {
    guard let key = text.number(), text.takes(#","outcome":"#), let number = text.number(), text.takes("}}"),
      let raw = CellOutcome.RawValue(exactly: number), let outcome = CellOutcome(rawValue: raw)
    else { return nil }
    return .ended(key: key, outcome: outcome)
  }

  private static func applied(_ text: inout QuickText) -> GateMessage? {
    guard let list = text.plainString(), let cores = try? CoreSet(parsing: list), text.takes(#","sequence":"#),
      let number = text.number(), let sequence = Int64(exactly: number), text.takes("}}")
    else { return nil }
    return .applied(sequence: sequence, cores: cores)
  }

  /// Whether a byte stands for itself in a JSON string.
  static func isPlain(_ byte: UInt8) -> Bool {
    (0x20..<0x7f).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }
}

/// A text that is read from its beginning; what was not as asked may have been read in part.
private struct QuickText {
  var rest: Slice<UnsafeBufferPointer<UInt8>>

  /// Whether the text goes on so, which is passed over then.
  mutating func takes(_ expected: StaticString) -> Bool {
    let count = expected.utf8CodeUnitCount
    guard rest.count >= count else { return false }
    for index in 0..<count where rest[rest.startIndex + index] != expected.utf8Start[index] { return false }
    rest = rest.dropFirst(count)
    return true
  }

  /// A whole number as JSON writes it: digits alone, none in vain.
  mutating func number() -> UInt64? {
    var value: UInt64 = 0
    var count = 0
    while let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      guard count == 0 || value > 0 else { return nil }
      let (tenfold, isOver) = value.multipliedReportingOverflow(by: 10)
      let (sum, isPast) = tenfold.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      guard !isOver, !isPast else { return nil }
      (value, count) = (sum, count + 1)
      rest = rest.dropFirst()
    }
    return count > 0 ? value : nil
  }

  /// The rest of a string of which each byte stands for itself, with the quote at its end.
  mutating func plainString() -> String? {
    guard let end = rest.firstIndex(of: UInt8(ascii: "\"")), rest[..<end].allSatisfy(GateMessage.isPlain) else {
      return nil
    }
    defer { rest = rest[(end + 1)...] }
    return String(decoding: rest[..<end], as: UTF8.self)
  }
}
