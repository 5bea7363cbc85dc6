/// A 64-bit digest of everything put into it, the same in every process and on every machine.
///
/// With the parts numbered from 1, part *n* adds `high ^ low` of the 128-bit product of `part ^ n·φ` and `(n·φ ^ k) | 1`
/// to the sum, where φ = 0x9E3779B97F4A7C15 and k = 0xE7037ED1A0B428DB (the multiply-and-fold of wyhash, keyed by the
/// place as in NH); the digest is the sum and the number of parts, mixed likewise. All is modulo 2⁶⁴; signed numbers count as their bit patterns, texts as their length in bytes of UTF-8 and then
/// eight bytes a part, the first least significant. No part waits for the one before it, so that a processor mixes several
/// at once. It finds differences between runs and is no protection against forgery. **Source**: Wang Yi, wyhash; Black et
/// al., "UMAC: fast and secure message authentication", CRYPTO 1999 (NH).
@frozen public struct Digest: PackSink, Hashable, Sendable {
  @usableFromInline var sum: UInt64 = 0
  /// The number of parts times φ.
  @usableFromInline var place: UInt64 = 0

  @inlinable public init() {}

  @inlinable static var step: UInt64 { 0x9E37_79B9_7F4A_7C15 }

  @inlinable @inline(__always) static func mix(_ part: UInt64, at place: UInt64) -> UInt64 {
    let product = (part ^ place).multipliedFullWidth(by: (place ^ 0xE703_7ED1_A0B4_28DB) | 1)
    return product.high ^ product.low
  }

  @inlinable @inline(__always) public mutating func put(_ part: UInt64) {
    place &+= Self.step
    sum &+= Self.mix(part, at: place)
  }

  @inlinable @inline(__always) public mutating func put(_ value: Int64) { put(UInt64(bitPattern: value)) }

  @inlinable public mutating func put(_ text: String) {
    put(UInt64(text.utf8.count))
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for byte in text.utf8 {
      word |= UInt64(byte) << shift
      shift += 8
      if shift == 64 {
        put(word)
        (word, shift) = (0, 0)
      }
    }
    if shift > 0 { put(word) }
  }

  /// The digest of what has been put in so far.
  public var value: UInt64 { Self.mix(sum, at: place &+ Self.step) }

  /// Sixteen hexadecimal digits.
  public var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
