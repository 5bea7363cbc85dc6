import FoundationEssentials
import Glibc

/// Turns messages into lines of JSON and back.
///
/// A line is at most `lineBytesMost` long; what comes over a socket is hostile until it has been parsed.
public enum LineCodec {
  /// The longest line that is read; a longer one ends the connection.
  public static let lineBytesMost = 65_536

  /// The deepest nesting that is read; our own messages have a tenth of it.
  static let depthMost = 64

  /// The deepest nesting of objects and lists in a text of JSON; what stands within quotes does not count.
  private static func depth(of bytes: [UInt8]) -> Int {
    var (depth, deepest) = (0, 0)
    var (isQuoted, isEscaped) = (false, false)
    for byte in bytes {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if isQuoted {
        isEscaped = byte == UInt8(ascii: "\\")
      } else if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
        depth += 1
        deepest = max(deepest, depth)
      } else if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") {
        depth -= 1
      }
    }
    return deepest
  }

  /// One line with its newline.
  public static func line(_ message: some Encodable) -> [UInt8] { encoded(message) }

  /// The same for a gate's message, by the shorter way where there is one.
  public static func line(_ message: GateMessage) -> [UInt8] { message.quickLine ?? encoded(message) }

  static func encoded(_ message: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Our own messages hold integers, finite numbers and text alone, which always encode.
    guard let data = try? encoder.encode(message) else { return [] }
    return Array(data) + [UInt8(ascii: "\n")]
  }

  /// A gate's message, by the shorter way where there is one.
  ///
  /// - Throws: `LinkError.malformed` with what was wrong.
  public static func read(_ type: GateMessage.Type, from line: [UInt8]) throws(LinkError) -> GateMessage {
    if let message = GateMessage(quickLine: line) { return message }
    return try decoded(type, from: line)
  }

  /// - Throws: `LinkError.malformed` with what was wrong.
  public static func read<Message: Decodable>(_ type: Message.Type, from line: some Sequence<UInt8>) throws(LinkError)
    -> Message
  { try decoded(type, from: line) }

  static func decoded<Message: Decodable>(_ type: Message.Type, from line: some Sequence<UInt8>) throws(LinkError)
    -> Message
  {
    let bytes = Array(line)
    // Foundation's decoder crashes where its own bound of 512 is passed at a text's end.
    guard depth(of: bytes) <= depthMost else { throw .malformed("it is nested deeper than \(depthMost)") }
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw .malformed("\(error)")
    }
  }
}

/// What can go wrong between a gate and the engine.
public enum LinkError: Error, Equatable, Sendable {
  /// A line that is not a message, and why.
  case malformed(String)
  /// A line longer than `LineCodec.lineBytesMost`.
  case lineTooLong
}

/// Cuts arriving bytes into lines.
public struct LineBuffer: Sendable {
  private var bytes: [UInt8] = []
  private let lineBytesMost: Int

  /// - Parameter lineBytesMost: the longest line that is taken.
  public init(lineBytesMost: Int = LineCodec.lineBytesMost) { self.lineBytesMost = lineBytesMost }

  /// Adds bytes as they came and gives the complete lines, without their newlines, in order.
  ///
  /// - Throws: `LinkError.lineTooLong` once more than `lineBytesMost` bytes stand without a newline.
  public mutating func add(_ more: UnsafeRawBufferPointer) throws(LinkError) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var rest = more
    while let start = rest.baseAddress, let end = memchr(start, 10, rest.count) {
      let count = UnsafeRawPointer(end) - start
      guard bytes.count + count <= lineBytesMost else { throw .lineTooLong }
      bytes += UnsafeRawBufferPointer(rebasing: rest[..<count])
      if !bytes.isEmpty { lines.append(bytes) }
      bytes.removeAll(keepingCapacity: bytes.count <= LineCodec.lineBytesMost)
      rest = UnsafeRawBufferPointer(rebasing: rest[(count + 1)...])
    }
    guard bytes.count + rest.count <= lineBytesMost else { throw .lineTooLong }
    bytes += rest
    return lines
  }

  /// The same for bytes in any collection; they are copied first.
  ///
  /// - Throws: `LinkError.lineTooLong` once more than `lineBytesMost` bytes stand without a newline.
  public mutating func add(_ more: some Collection<UInt8>) throws(LinkError) -> [[UInt8]] {
    let all = Array(more)
    let result: Result<[[UInt8]], LinkError> = all.withUnsafeBytes { all in
      do throws(LinkError) { return .success(try add(all)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
