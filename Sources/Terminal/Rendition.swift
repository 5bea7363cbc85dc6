/// How a terminal writes: its colours and attributes, as Select Graphic Rendition sets them (ECMA-48, section 8.3.117).
struct Rendition: Equatable {
  /// A colour in one word, so that renditions are compared quickly: the form in which it is written and its number.
  struct Tint: Equatable {
    private enum Form: UInt32 {
      case terminalDefault, basic, bright, indexed, rgb, rgbByColons
    }

    private let word: UInt32

    private init(_ form: Form, _ value: Int) {
      word = form.rawValue << 24 | UInt32(truncatingIfNeeded: value & 0xFFFFFF)
    }

    static let terminalDefault = Tint(.terminalDefault, 0)
    /// One of the first eight.
    static func basic(_ number: Int) -> Tint { Tint(.basic, number) }
    /// One of the eight bright ones.
    static func bright(_ number: Int) -> Tint { Tint(.bright, number) }
    static func indexed(_ number: Int) -> Tint { Tint(.indexed, number) }
    /// - Parameter byColons: written as ISO 8613-6 has it (`38:2::r:g:b`), which is how it was heard.
    static func rgb(_ value: Int, byColons: Bool) -> Tint { Tint(byColons ? .rgbByColons : .rgb, value) }

    /// Appends the parameters that set it, with a semicolon behind them.
    ///
    /// - Parameter base: 30 for the character's colour, 40 for the one behind it.
    func write(base: Int, to bytes: inout [UInt8]) {
      let value = Int(word & 0xFFFFFF)
      switch Form(rawValue: word >> 24) {
      case .terminalDefault, nil: bytes.append(decimal: base + 9)
      case .basic: bytes.append(decimal: base + value)
      case .bright: bytes.append(decimal: base + 60 + value)
      case .indexed:
        bytes.append(decimal: base + 8)
        for byte: UInt8 in [0x3B, 0x35, 0x3B] { bytes.append(byte) }
        bytes.append(decimal: value)
      case .rgb, .rgbByColons:
        let byColons = word >> 24 == Form.rgbByColons.rawValue
        let separator: UInt8 = byColons ? 0x3A : 0x3B
        bytes.append(decimal: base + 8)
        bytes += [separator, 0x32] + (byColons ? [separator] : [])
        for shift in [16, 8, 0] {
          bytes.append(separator)
          bytes.append(decimal: value >> shift & 0xFF)
        }
      }
      bytes.append(0x3B)
    }
  }

  var foreground = Tint.terminalDefault
  var background = Tint.terminalDefault
  /// A bit for each attribute, by the parameter that sets it: 1 bold, 2 faint … 9 crossed out.
  var attributes: UInt16 = 0

  /// Those that show on a space: underlined, blinking, negative and crossed out.
  private static let shownOnSpaces: UInt16 = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9
  private static let boldAndFaint: UInt16 = 1 << 1 | 1 << 2

  /// Whether a space shows nothing of it but the background.
  var leavesSpaces: Bool { attributes & Self.shownOnSpaces == 0 }

  /// Takes in the parameters of a sequence. False, and nothing is said of the rendition, where one of them is not known.
  mutating func apply(_ parameters: UnsafeBufferPointer<UInt8>.SubSequence) -> Bool {
    var rest = parameters
    while true {
      var (number, separator) = Self.number(&rest)
      switch number {
      case 0: self = Rendition()
      case 1...5, 7...9: attributes |= 1 << UInt16(number)
      case 22: attributes &= ~Self.boldAndFaint
      case 23, 24, 25, 27, 28, 29: attributes &= ~(1 << UInt16(number - 20))
      case 30...37: foreground = .basic(number - 30)
      case 39: foreground = .terminalDefault
      case 40...47: background = .basic(number - 40)
      case 49: background = .terminalDefault
      case 90...97: foreground = .bright(number - 90)
      case 100...107: background = .bright(number - 100)
      case 38, 48:
        guard let tint = Self.tint(&rest, &separator) else { return false }
        if number == 38 { foreground = tint } else { background = tint }
      default: return false
      }
      if separator == 0 { return true }
      guard separator == 0x3B else { return false }
    }
  }

  /// What follows 38 or 48, up to the next parameter; nil for forms that are not known.
  ///
  /// - Parameter separator: what stands behind 38 or 48, and then what stands behind the colour.
  private static func tint(
    _ rest: inout UnsafeBufferPointer<UInt8>.SubSequence, _ separator: inout UInt8
  ) -> Tint? {
    let within = separator
    let kind = number(&rest)
    guard within == 0x3A || within == 0x3B, kind.separator == within else { return nil }
    let byColons = within == 0x3A
    var value = 0
    if kind.value == 5, !byColons {
      (value, separator) = number(&rest)
      return value <= 255 ? .indexed(value) : nil
    }
    guard kind.value == 2 else { return nil }
    // With colons, the colour space comes first, and is left empty.
    if byColons {
      guard rest.first == 0x3A else { return nil }
      rest = rest.dropFirst()
    }
    for place in 0..<3 {
      let part: Int
      (part, separator) = number(&rest)
      guard part <= 255, place == 2 || separator == within else { return nil }
      value = value << 8 | part
    }
    return .rgb(value, byColons: byColons)
  }

  /// The next number (0 where it is left out) and what stands behind it; both are taken off.
  private static func number(_ rest: inout UnsafeBufferPointer<UInt8>.SubSequence) -> (value: Int, separator: UInt8) {
    var value = 0
    while let byte = rest.first {
      rest = rest.dropFirst()
      guard (0x30...0x39).contains(byte) else { return (value, byte) }
      value = min(value * 10 + Int(byte - 0x30), 1_000_000)
    }
    return (value, 0)
  }

  /// Appends the shortest sequence that leads here; nothing where the terminal is here already.
  ///
  /// - Parameters:
  ///   - shown: how the terminal writes; nil where that is not known.
  ///   - canTurnOff: whether the terminal knows the parameters that take single attributes away.
  func write(from shown: Rendition?, canTurnOff: Bool, to bytes: inout [UInt8]) {
    guard shown != self else { return }
    bytes.append(0x1B)
    bytes.append(0x5B)
    if self == Rendition() { return bytes.append(0x6D) }
    let gone = shown.map { $0.attributes & ~attributes } ?? 0
    if let shown, gone == 0 || canTurnOff {
      let start = bytes.count
      writeChanges(from: shown, gone, &bytes)
      if gone != 0 {
        var anew: [UInt8] = []
        writeAnew(&anew)
        if anew.count < bytes.count - start { bytes.replaceSubrange(start..., with: anew) }
      }
    } else {
      writeAnew(&bytes)
    }
    // Behind the last parameter is no semicolon.
    bytes[bytes.count - 1] = 0x6D
  }

  private func writeAnew(_ bytes: inout [UInt8]) {
    bytes.append(0x30)
    bytes.append(0x3B)
    Self.write(attributes, &bytes)
    if foreground != .terminalDefault { foreground.write(base: 30, to: &bytes) }
    if background != .terminalDefault { background.write(base: 40, to: &bytes) }
  }

  private func writeChanges(from shown: Rendition, _ gone: UInt16, _ bytes: inout [UInt8]) {
    var added = attributes & ~shown.attributes
    if gone & Self.boldAndFaint != 0 {
      bytes.append(decimal: 22)
      bytes.append(0x3B)
      added |= attributes & Self.boldAndFaint
    }
    if gone != 0 {
      for number in 3...9 where gone >> UInt16(number) & 1 != 0 {
        bytes.append(decimal: 20 + number)
        bytes.append(0x3B)
      }
    }
    Self.write(added, &bytes)
    if foreground != shown.foreground { foreground.write(base: 30, to: &bytes) }
    if background != shown.background { background.write(base: 40, to: &bytes) }
  }

  private static func write(_ attributes: UInt16, _ bytes: inout [UInt8]) {
    guard attributes != 0 else { return }
    for number in 1...9 where attributes >> UInt16(number) & 1 != 0 {
      bytes.append(decimal: number)
      bytes.append(0x3B)
    }
  }
}

extension [UInt8] {
  /// Appends a number's decimal digits; it must not be negative.
  mutating func append(decimal number: Int) {
    if number >= 10 { append(decimal: number / 10) }
    append(UInt8(0x30 + number % 10))
  }
}
