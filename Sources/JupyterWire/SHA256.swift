/// SHA-256 (FIPS 180-4), fed piece by piece.
///
/// Why it is our own: see `Docs/Decisions/0004-own-sha256.md`.
public struct SHA256: Sendable {
  static let blockBytes = 64

  private var state: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19
  )
  private var pending: [UInt8] = []
  private var length: UInt64 = 0

  public init() { pending.reserveCapacity(2 * Self.blockBytes) }

  /// Adds `bytes` to what is hashed.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var rest = bytes[...]
    if !pending.isEmpty {
      let taken = rest.prefix(Self.blockBytes - pending.count)
      pending.append(contentsOf: taken)
      rest = rest.dropFirst(taken.count)
      guard pending.count == Self.blockBytes else { return }
      pending.withUnsafeBytes { Self.compress(&state, $0) }
      pending.removeAll(keepingCapacity: true)
    }
    while rest.count >= Self.blockBytes {
      Self.compress(&state, UnsafeRawBufferPointer(rebasing: rest.prefix(Self.blockBytes)))
      rest = rest.dropFirst(Self.blockBytes)
    }
    pending.append(contentsOf: rest)
  }

  /// Adds `bytes` to what is hashed.
  public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The digest of everything added; the value is used up by it.
  public consuming func finish() -> [UInt8] {
    let bits = length &* 8
    var tail: [UInt8] = [0x80]
    let used = (pending.count + 1) % Self.blockBytes
    tail.append(contentsOf: repeatElement(0, count: (used <= 56 ? 56 : 120) - used))
    for shift in stride(from: 56, through: 0, by: -8) { tail.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift))) }
    update(tail)
    let words = [state.0, state.1, state.2, state.3, state.4, state.5, state.6, state.7]
    return words.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
  }

  /// The digest of `bytes`.
  public static func digest(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  private static func compress(
    _ h: inout (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32), _ block: UnsafeRawBufferPointer
  ) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { w in
      for i in 0..<16 {
        w[i] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self))
      }
      for i in 16..<64 {
        let s0 = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ (w[i - 15] >> 3)
        let s1 = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ (w[i - 2] >> 10)
        w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
      }
      var (a, b, c, d, e, f, g, last) = h
      for i in 0..<64 {
        let sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
        let choice = (e & f) ^ (~e & g)
        let t1 = last &+ sum1 &+ choice &+ constants[i] &+ w[i]
        let sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
        let majority = (a & b) ^ (a & c) ^ (b & c)
        (last, g, f, e, d, c, b, a) = (g, f, e, d &+ t1, c, b, a, t1 &+ sum0 &+ majority)
      }
      h.0 &+= a
      h.1 &+= b
      h.2 &+= c
      h.3 &+= d
      h.4 &+= e
      h.5 &+= f
      h.6 &+= g
      h.7 &+= last
    }
  }

  @inline(__always) private static func rotated(_ x: UInt32, _ n: UInt32) -> UInt32 { (x >> n) | (x << (32 - n)) }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
  private static let constants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
  ]
}

/// Signs messages as Jupyter does: HMAC-SHA256 (RFC 2104) over header, parent header, metadata and content, in lower-case
/// hexadecimal ("Messaging in Jupyter", the wire protocol). An empty key means that nothing is signed.
public struct MessageSigner: Sendable {
  private let inner: SHA256
  private let outer: SHA256
  private let signs: Bool

  public init(key: [UInt8]) {
    var block = key.count > SHA256.blockBytes ? SHA256.digest(key) : key
    block.append(contentsOf: repeatElement(0, count: SHA256.blockBytes - block.count))
    var inner = SHA256()
    inner.update(block.map { $0 ^ 0x36 })
    var outer = SHA256()
    outer.update(block.map { $0 ^ 0x5c })
    (self.inner, self.outer) = (inner, outer)
    signs = !key.isEmpty
  }

  /// The signature frame for these parts; empty where the key is.
  public func signature(of parts: [UnsafeRawBufferPointer]) -> [UInt8] {
    guard signs else { return [] }
    var first = inner
    for part in parts { first.update(part) }
    var second = outer
    second.update(first.finish())
    let digits = Array("0123456789abcdef".utf8)
    return second.finish().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
  }

  /// The signature frame for these parts; empty where the key is.
  public func signature(of parts: [[UInt8]]) -> [UInt8] {
    let joined = parts.flatMap(\.self)
    return joined.withUnsafeBytes { signature(of: [$0]) }
  }

  /// Whether `signature` is the one for `parts`; takes the same time wherever they differ.
  public func verifies(_ signature: UnsafeRawBufferPointer, of parts: [UnsafeRawBufferPointer]) -> Bool {
    let right = self.signature(of: parts)
    guard right.count == signature.count else { return !signs }
    return zip(right, signature).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
