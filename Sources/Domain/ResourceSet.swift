/// Marks a set of cores.
public enum CoreKind: Sendable {}
/// Marks a set of GPUs.
public enum GPUKind: Sendable {}

/// Logical cores of one node, by the operating system's numbers.
public typealias CoreSet = ResourceSet<CoreKind>
/// GPUs of one node, by their position in the node's list.
public typealias GPUSet = ResourceSet<GPUKind>

/// A set of small numbers: a bit each, 256 of them without allocation.
///
/// Iteration is in ascending order, always; nothing in it depends on hashing.
@frozen public struct ResourceSet<Kind: Sendable>: Hashable, Sendable {
  /// The greatest number that a set can hold.
  public static var greatest: Int { 4095 }

  @usableFromInline var w0: UInt64 = 0
  @usableFromInline var w1: UInt64 = 0
  @usableFromInline var w2: UInt64 = 0
  @usableFromInline var w3: UInt64 = 0
  /// Words from the fifth on; nil unless one of them has a bit, so that equality is field by field.
  @usableFromInline var rest: [UInt64]?

  @inlinable public init() {}

  /// The numbers of `range`. - Precondition: within 0 ... `greatest`.
  public init(_ range: Range<Int>) { for n in range { insert(n) } }

  public init(_ numbers: some Sequence<Int>) { for n in numbers { insert(n) } }

  @inlinable var words: Int { 4 + (rest?.count ?? 0) }

  @inlinable func word(_ index: Int) -> UInt64 {
    switch index {
    case 0: w0
    case 1: w1
    case 2: w2
    case 3: w3
    default: rest.map { index - 4 < $0.count ? $0[index - 4] : 0 } ?? 0
    }
  }

  @inlinable mutating func setWord(_ index: Int, _ value: UInt64) {
    switch index {
    case 0: w0 = value
    case 1: w1 = value
    case 2: w2 = value
    case 3: w3 = value
    default:
      var more = rest ?? []
      while more.count <= index - 4 { more.append(0) }
      more[index - 4] = value
      while more.last == 0 { more.removeLast() }
      rest = more.isEmpty ? nil : more
    }
  }

  @inlinable init(_ w0: UInt64, _ w1: UInt64, _ w2: UInt64, _ w3: UInt64) {
    self.w0 = w0
    self.w1 = w1
    self.w2 = w2
    self.w3 = w3
  }

  @inlinable public var isEmpty: Bool { (w0 | w1 | w2 | w3) == 0 && rest == nil }

  @inlinable public var count: Int {
    var sum = w0.nonzeroBitCount
    if w1 | w2 | w3 != 0 { sum += w1.nonzeroBitCount + w2.nonzeroBitCount + w3.nonzeroBitCount }
    if let rest { for w in rest { sum += w.nonzeroBitCount } }
    return sum
  }

  @inlinable public func contains(_ number: Int) -> Bool {
    number >= 0 && number <= Self.greatest && word(number >> 6) & (1 << UInt64(number & 63)) != 0
  }

  /// - Precondition: `number` is within 0 ... `greatest`.
  @inlinable public mutating func insert(_ number: Int) {
    precondition(number >= 0 && number <= Self.greatest)
    setWord(number >> 6, word(number >> 6) | 1 << UInt64(number & 63))
  }

  @inlinable public mutating func remove(_ number: Int) {
    guard contains(number) else { return }
    setWord(number >> 6, word(number >> 6) & ~(1 << UInt64(number & 63)))
  }

  @inlinable public func union(_ other: Self) -> Self {
    var result = self
    result.formUnion(other)
    return result
  }

  @inlinable public func intersection(_ other: Self) -> Self {
    var result = Self(w0 & other.w0, w1 & other.w1, w2 & other.w2, w3 & other.w3)
    if rest != nil, other.rest != nil { result.combineRest(self, other) { $0 & $1 } }
    return result
  }

  @inlinable public func subtracting(_ other: Self) -> Self {
    var result = Self(w0 & ~other.w0, w1 & ~other.w1, w2 & ~other.w2, w3 & ~other.w3)
    if rest != nil { result.combineRest(self, other) { $0 & ~$1 } }
    return result
  }

  @inlinable @inline(__always) public mutating func formUnion(_ other: Self) {
    w0 |= other.w0
    w1 |= other.w1
    w2 |= other.w2
    w3 |= other.w3
    if other.rest != nil { combineRest(self, other) { $0 | $1 } }
  }

  @inlinable @inline(__always) public mutating func subtract(_ other: Self) {
    w0 &= ~other.w0
    w1 &= ~other.w1
    w2 &= ~other.w2
    w3 &= ~other.w3
    if rest != nil, other.rest != nil { combineRest(self, other) { $0 & ~$1 } }
  }

  @inlinable @inline(__always) public func isSubset(of other: Self) -> Bool {
    guard (w0 & ~other.w0) | (w1 & ~other.w1) | (w2 & ~other.w2) | (w3 & ~other.w3) == 0 else { return false }
    return rest == nil || !differsBeyond(other)
  }

  @inlinable public func isDisjoint(with other: Self) -> Bool {
    guard (w0 & other.w0) | (w1 & other.w1) | (w2 & other.w2) | (w3 & other.w3) == 0 else { return false }
    return rest == nil || other.rest == nil || !meetsBeyond(other)
  }

  // What few nodes need, kept out of line: the words from the fifth on.

  @usableFromInline @inline(never) mutating func combineRest(
    _ a: Self, _ b: Self, _ combine: (UInt64, UInt64) -> UInt64
  ) {
    for i in stride(from: Swift.max(a.words, b.words) - 1, through: 4, by: -1) {
      setWord(i, combine(a.word(i), b.word(i)))
    }
  }

  @usableFromInline @inline(never) func differsBeyond(_ other: Self) -> Bool {
    (4..<words).contains { word($0) & ~other.word($0) != 0 }
  }

  @usableFromInline @inline(never) func meetsBeyond(_ other: Self) -> Bool {
    (4..<words).contains { word($0) & other.word($0) != 0 }
  }

  /// The `count` smallest members, or all of them where there are fewer.
  @inlinable public func smallest(_ count: Int) -> Self {
    var left = count
    var result = Self(
      Self.lowest(w0, &left), Self.lowest(w1, &left), Self.lowest(w2, &left), Self.lowest(w3, &left))
    if left > 0, rest != nil { result.takeBeyond(self, left) }
    return result
  }

  /// The `count` smallest members that are not in `other`, or all of those where there are fewer.
  @inlinable @inline(__always) public func smallest(_ count: Int, outside other: Self) -> Self {
    guard rest == nil else { return subtracting(other).smallest(count) }
    var left = count
    return Self(
      Self.lowest(w0 & ~other.w0, &left), Self.lowest(w1 & ~other.w1, &left), Self.lowest(w2 & ~other.w2, &left),
      Self.lowest(w3 & ~other.w3, &left))
  }

  /// How many members are not in `other`.
  @inlinable @inline(__always) public func count(outside other: Self) -> Int {
    guard rest == nil else { return subtracting(other).count }
    return Self(w0 & ~other.w0, w1 & ~other.w1, w2 & ~other.w2, w3 & ~other.w3).count
  }

  /// The `left` lowest of `bits`, or all of them; `left` is what is left to take.
  @inlinable @inline(__always) static func lowest(_ bits: UInt64, _ left: inout Int) -> UInt64 {
    guard left > 0, bits != 0 else { return 0 }
    let count = bits.nonzeroBitCount
    if count <= left {
      left -= count
      return bits
    }
    var others = bits
    while left > 0 {
      others &= others &- 1
      left -= 1
    }
    return bits ^ others
  }

  @usableFromInline @inline(never) mutating func takeBeyond(_ other: Self, _ count: Int) {
    var left = count
    for index in 4..<other.words where left > 0 {
      let taken = Self.lowest(other.word(index), &left)
      if taken != 0 { setWord(index, taken) }
    }
  }
}

extension ResourceSet: Sequence {
  @frozen public struct Iterator: IteratorProtocol {
    @usableFromInline let set: ResourceSet
    @usableFromInline var index = 0
    @usableFromInline var bits: UInt64

    @inlinable init(_ set: ResourceSet) {
      self.set = set
      bits = set.w0
    }

    @inlinable public mutating func next() -> Int? {
      while bits == 0 {
        index += 1
        guard index < set.words else { return nil }
        bits = set.word(index)
      }
      let lowest = bits.trailingZeroBitCount
      bits &= bits &- 1
      return index << 6 | lowest
    }
  }

  @inlinable public func makeIterator() -> Iterator { Iterator(self) }
  @inlinable public var underestimatedCount: Int { count }
}

extension ResourceSet: CustomStringConvertible {
  /// The list format of Linux's `cpuset` files: `0-3,8`; empty for none.
  public var description: String {
    var parts: [String] = []
    var first: Int?
    var last = -2
    for number in self {
      if number != last + 1, let start = first {
        parts.append(start == last ? "\(start)" : "\(start)-\(last)")
        first = number
      } else if first == nil {
        first = number
      }
      last = number
    }
    if let first { parts.append(first == last ? "\(first)" : "\(first)-\(last)") }
    return parts.joined(separator: ",")
  }

  /// Reads the list format of Linux's `cpuset` files, `0-3,8`; an empty text is the empty set.
  ///
  /// - Throws: `ParseError` naming the part that is neither a number nor a range.
  public init(parsing text: String) throws(ParseError) {
    self.init()
    func fail(_ part: Substring, _ why: String) -> ParseError {
      let what = Kind.self == CoreKind.self ? "core" : "GPU"
      return ParseError(
        reading: "the \(what) list", text: text, because: "'\(String(part).printable(at: 20))' \(why)", mend: "0-3,8")
    }
    for part in text.split(separator: ",", omittingEmptySubsequences: !text.contains(",")) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false)
      guard let low = Int(ends[0]), let high = Int(ends.last ?? ""), ends.count <= 2, low >= 0 else {
        throw fail(part, "is neither a number nor a range")
      }
      guard low <= high else { throw fail(part, "runs backwards") }
      guard high <= Self.greatest else { throw fail(part, "is beyond \(Self.greatest)") }
      for n in low...high { insert(n) }
    }
  }
}

extension ResourceSet: Codable {
  public init(from decoder: any Decoder) throws {
    self = try Self(parsing: decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
