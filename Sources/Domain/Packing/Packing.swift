/// Takes a value's parts, in order: either to store them or to digest them.
public protocol PackSink {
  mutating func put(_ value: UInt64)
  mutating func put(_ value: Int64)
  mutating func put(_ text: String)
}

extension PackSink {
  @inlinable public mutating func put(_ value: Int32) { put(Int64(value)) }
  @inlinable public mutating func put(_ value: Bool) { put(value ? 1 as UInt64 : 0) }

  @inlinable public mutating func put<Value: Packable>(_ value: Value) { value.pack(into: &self) }

  @inlinable public mutating func put<Value: Packable>(_ value: Value?) {
    put(value != nil)
    if let value { value.pack(into: &self) }
  }

  @inlinable public mutating func put<Value: Packable>(_ values: [Value]) {
    put(UInt64(values.count))
    for value in values { value.pack(into: &self) }
  }
}

/// A value with a compact binary form: for history, for digests, for the wire between a server and its consoles.
///
/// The form is a sequence of variable-length integers and texts. It has no field names: a case's number and the order of
/// its fields are part of the format, are never changed, and new ones are added at the end.
public protocol Packable {
  func pack(into sink: inout some PackSink)
  /// - Throws: `PackError` where the bytes are not such a value.
  init(from source: inout PackSource) throws(PackError)
}

/// Packed bytes that are not what they should be.
public struct PackError: Error, Equatable, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

/// Packs into bytes: 7 bits a byte, least significant first.
@frozen public struct PackBytes: PackSink, Sendable {
  public var bytes: [UInt8] = []

  @inlinable public init() {}

  @inlinable public mutating func put(_ value: UInt64) {
    var left = value
    while left >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
      left >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: left))
  }

  /// Small magnitudes of either sign become small numbers (zigzag).
  @inlinable public mutating func put(_ value: Int64) {
    put(UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63))
  }

  @inlinable public mutating func put(_ text: String) {
    put(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }
}

/// Reads packed bytes. What it reads may be damaged or hostile: lengths are checked before anything is allocated.
public struct PackSource {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// Reads `bytes`, which must outlive the source.
  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// True once everything was read.
  public var isAtEnd: Bool { position == bytes.count }

  /// A number without a sign: 7 bits a byte, least significant first.
  ///
  /// - Throws: `PackError` where the bytes end within it, or it is larger than 64 bits.
  public mutating func number() throws(PackError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if shift == 63 && byte > 1 { throw PackError("a number is larger than 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { throw PackError("a number is longer than ten bytes") }
    }
    throw PackError("the bytes end within a number")
  }

  /// A number of either sign.
  ///
  /// - Throws: `PackError` as `number()`.
  public mutating func signed() throws(PackError) -> Int64 {
    let raw = try number()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  /// The same in 32 bits.
  ///
  /// - Throws: `PackError` as `number()`, and where it is larger than 32 bits.
  public mutating func int32() throws(PackError) -> Int32 {
    guard let value = Int32(exactly: try signed()) else { throw PackError("a number is larger than 32 bits") }
    return value
  }

  /// True or false.
  ///
  /// - Throws: `PackError` where it is neither 0 nor 1.
  public mutating func bool() throws(PackError) -> Bool {
    switch try number() {
    case 0: return false
    case 1: return true
    default: throw PackError("a truth value is neither 0 nor 1")
    }
  }

  /// A text with its length before it; what is no UTF-8 in it is replaced.
  ///
  /// - Throws: `PackError` where it is longer than the bytes that are left.
  public mutating func text() throws(PackError) -> String {
    let length = try number()
    guard length <= UInt64(bytes.count - position) else { throw PackError("a text is longer than the bytes") }
    defer { position += Int(length) }
    return String(decoding: bytes[position..<position + Int(length)], as: UTF8.self)
  }

  /// A value of a type that is packed by its parts.
  ///
  /// - Throws: `PackError` where the bytes are no such value.
  public mutating func value<Value: Packable>(_: Value.Type = Value.self) throws(PackError) -> Value {
    try Value(from: &self)
  }

  /// A value with a truth value before it; nil where that is false.
  ///
  /// - Throws: `PackError` where the bytes are no such value.
  public mutating func optional<Value: Packable>(_: Value.Type = Value.self) throws(PackError) -> Value? {
    try bool() ? try Value(from: &self) : nil
  }

  /// Values with their count before them.
  ///
  /// - Throws: `PackError` where the count is larger than the bytes that are left, or one of the values is none.
  public mutating func list<Value: Packable>(_: Value.Type = Value.self) throws(PackError) -> [Value] {
    let count = try number()
    guard count <= UInt64(bytes.count - position) else { throw PackError("a list is longer than the bytes") }
    var values: [Value] = []
    for _ in 0..<count { values.append(try Value(from: &self)) }
    return values
  }
}

extension Packable {
  /// The packed form.
  public var packed: [UInt8] {
    var sink = PackBytes()
    pack(into: &sink)
    return sink.bytes
  }

  /// Reads the packed form.
  ///
  /// - Throws: `PackError` where the bytes are not such a value or go on after it.
  public init(packed bytes: some Sequence<UInt8>) throws(PackError) {
    let array = Array(bytes)
    let result: Result<Self, PackError> = array.withUnsafeBytes { buffer in
      var source = PackSource(buffer)
      do throws(PackError) {
        let value = try Self(from: &source)
        return source.isAtEnd ? .success(value) : .failure(PackError("bytes follow the value"))
      } catch { return .failure(error) }
    }
    self = try result.get()
  }
}
