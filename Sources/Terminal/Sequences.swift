import Canvas

/// The grammar of a terminal's input, one step at a time.
enum Sequences {
  /// What the start of some bytes is.
  enum Step: Equatable {
    /// More bytes are needed.
    case incomplete
    /// So many bytes are done with; nil where they mean nothing to us.
    case event(KeyEvent?, length: Int)
    /// A bracketed paste begins after so many bytes.
    case pasteStart(length: Int)
  }

  /// Reads the start of bytes, of which there is at least one. With `isFinal` there will be no more, and the answer is
  /// never `.incomplete`.
  static func parse(_ bytes: [UInt8], isFinal: Bool) -> Step {
    guard let first = bytes.first else { return .incomplete }
    guard first == 0x1B else { return character(bytes[...], isFinal: isFinal) }
    guard bytes.count > 1 else { return isFinal ? key(.escape, length: 1) : .incomplete }
    switch bytes[1] {
    case 0x1B:
      // Escape twice: the first was the key.
      return key(.escape, length: 1)
    case 0x5B where bytes.count == 2, 0x4F where bytes.count == 2:
      guard isFinal else { return .incomplete }
      return key(.character(Character(Unicode.Scalar(bytes[1]))), .alt, length: 2)
    case 0x5B:
      return controlSequence(bytes, isFinal: isFinal)
    case 0x4F:
      return singleShift(bytes, isFinal: isFinal)
    default:
      switch character(bytes[1...], isFinal: isFinal) {
      case .incomplete: return .incomplete
      case .event(.key(let press)?, let length):
        return key(press.key, press.modifiers.union(.alt), length: length + 1)
      case .event(let event, let length): return .event(event, length: length + 1)
      case .pasteStart(let length): return .pasteStart(length: length + 1)
      }
    }
  }

  private static func key(_ key: Key, _ modifiers: Modifiers = [], length: Int) -> Step {
    .event(.key(KeyPress(key, modifiers)), length: length)
  }

  // MARK: Characters

  private static func character(_ bytes: ArraySlice<UInt8>, isFinal: Bool) -> Step {
    guard let first = bytes.first else { return .incomplete }
    if first < 0x80 { return ascii(first) }
    let length: Int
    switch first {
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF: length = 3
    case 0xF0...0xF4: length = 4
    default: return key(.character("\u{FFFD}"), length: 1)
    }
    let available = bytes.prefix(length)
    if let wrong = available.dropFirst().firstIndex(where: { $0 & 0xC0 != 0x80 }) {
      return key(.character("\u{FFFD}"), length: wrong - bytes.startIndex)
    }
    guard available.count == length else {
      return isFinal ? key(.character("\u{FFFD}"), length: available.count) : .incomplete
    }
    let decoded = String(decoding: available, as: UTF8.self)
    return key(.character(decoded.count == 1 ? decoded.first ?? "\u{FFFD}" : "\u{FFFD}"), length: length)
  }

  private static func ascii(_ byte: UInt8) -> Step {
    switch byte {
    case 0x00: key(.character(" "), .control, length: 1)
    case 0x09: key(.tab, length: 1)
    case 0x0A, 0x0D: key(.enter, length: 1)
    case 0x08, 0x7F: key(.backspace, length: 1)
    case 0x01...0x1A: key(.character(Character(Unicode.Scalar(byte + 0x60))), .control, length: 1)
    case 0x1C...0x1F: key(.character(Character(Unicode.Scalar(byte + 0x40))), .control, length: 1)
    default: key(.character(Character(Unicode.Scalar(byte))), length: 1)
    }
  }

  // MARK: ESC O

  private static func singleShift(_ bytes: [UInt8], isFinal: Bool) -> Step {
    var end = 2
    var number = 0
    while end < bytes.count, (0x30...0x39).contains(bytes[end]), end < 5 {
      number = number * 10 + Int(bytes[end] - 0x30)
      end += 1
    }
    guard end < bytes.count else { return isFinal ? .event(nil, length: end) : .incomplete }
    let final = bytes[end]
    guard (0x40...0x7E).contains(final) else { return .event(nil, length: end) }
    if let rxvt = rxvtArrow(final) { return key(rxvt, .control, length: end + 1) }
    guard let named = finalKey(final) else {
      // The keypad's keys in application mode: their characters.
      let typed: Key? =
        switch final {
        case 0x4D: .enter
        case 0x6A...0x79: .character(Character(Unicode.Scalar(final - 0x40)))
        default: nil
        }
      return .event(typed.map { .key(KeyPress($0)) }, length: end + 1)
    }
    return key(named, modifiers(number), length: end + 1)
  }

  private static func rxvtArrow(_ final: UInt8) -> Key? {
    switch final {
    case 0x61: .up
    case 0x62: .down
    case 0x63: .right
    case 0x64: .left
    default: nil
    }
  }

  // MARK: ESC [

  private static func controlSequence(_ bytes: [UInt8], isFinal: Bool) -> Step {
    if bytes[2] == 0x5B { return linuxFunctionKey(bytes, isFinal: isFinal) }
    var end = 2
    while end < bytes.count, (0x20...0x3F).contains(bytes[end]) { end += 1 }
    guard end < bytes.count else { return isFinal ? .event(nil, length: bytes.count) : .incomplete }
    let final = bytes[end]
    let parameters = bytes[2..<end]
    // rxvt ends shifted keys with a dollar sign, which elsewhere is an intermediate byte.
    guard (0x40...0x7E).contains(final) else { return .event(nil, length: end) }
    if final == 0x4D, parameters.isEmpty { return mouseX10(bytes, isFinal: isFinal) }
    if parameters.first == 0x3C, final == 0x4D || final == 0x6D {
      return .event(mouseSGR(numbers(parameters.dropFirst()), isRelease: final == 0x6D), length: end + 1)
    }
    let values = numbers(parameters)
    if final == 0x7E, values.first == 200 { return .pasteStart(length: end + 1) }
    guard parameters.allSatisfy({ (0x30...0x3B).contains($0) }) else { return .event(nil, length: end + 1) }
    return .event(controlKey(final, values).map(KeyEvent.key), length: end + 1)
  }

  private static func controlKey(_ final: UInt8, _ values: [Int]) -> KeyPress? {
    let held = modifiers(values.count > 1 ? values[1] : 0)
    switch final {
    case 0x7E where values.first == 27 && values.count == 3:
      return unicodeKey(values[2], held)
    case 0x7E:
      return tildeKey(values.first ?? 0).map { KeyPress($0, held) }
    case 0x75:
      return unicodeKey(values.first ?? 0, held)
    case 0x5A:
      return KeyPress(.tab, held.union(.shift))
    case 0x61...0x64:
      return rxvtArrow(final).map { KeyPress($0, .shift) }
    default:
      return finalKey(final).map { KeyPress($0, held) }
    }
  }

  /// Keys that are told apart by the final byte, after `ESC [` or `ESC O`.
  private static func finalKey(_ final: UInt8) -> Key? {
    switch final {
    case 0x41: .up
    case 0x42: .down
    case 0x43: .right
    case 0x44: .left
    case 0x46: .end
    case 0x48: .home
    case 0x50...0x53: .function(Int(final) - 0x4F)
    default: nil
    }
  }

  /// Keys that are told apart by a number before `~`.
  private static func tildeKey(_ number: Int) -> Key? {
    switch number {
    case 1, 7: .home
    case 2: .insert
    case 3: .delete
    case 4, 8: .end
    case 5: .pageUp
    case 6: .pageDown
    case 11...15: .function(number - 10)
    case 17...21: .function(number - 11)
    case 23...26: .function(number - 12)
    case 28, 29: .function(number - 13)
    case 31...34: .function(number - 14)
    default: nil
    }
  }

  private static func unicodeKey(_ value: Int, _ held: Modifiers) -> KeyPress? {
    switch value {
    case 9: return KeyPress(.tab, held)
    case 13: return KeyPress(.enter, held)
    case 27: return KeyPress(.escape, held)
    case 8, 127: return KeyPress(.backspace, held)
    default:
      guard value >= 32, let scalar = UInt32(exactly: value).flatMap(Unicode.Scalar.init) else { return nil }
      return KeyPress(.character(Character(scalar)), held.subtracting(.shift))
    }
  }

  private static func linuxFunctionKey(_ bytes: [UInt8], isFinal: Bool) -> Step {
    guard bytes.count > 3 else { return isFinal ? .event(nil, length: 3) : .incomplete }
    guard (0x41...0x45).contains(bytes[3]) else { return .event(nil, length: 3) }
    return key(.function(Int(bytes[3]) - 0x40), length: 4)
  }

  /// xterm sends one more than the sum of shift 1, alt 2, control 4, meta 8.
  private static func modifiers(_ parameter: Int) -> Modifiers {
    guard (2...16).contains(parameter) else { return [] }
    let bits = UInt8(parameter - 1)
    var held = Modifiers(rawValue: bits & 7)
    if bits & 8 != 0 { held.insert(.alt) }
    return held
  }

  /// The numbers between semicolons; a missing one is 0, one too large is cut at a million.
  private static func numbers(_ parameters: ArraySlice<UInt8>) -> [Int] {
    parameters.split(separator: 0x3B, omittingEmptySubsequences: false).map { digits in
      digits.reduce(0) { sum, byte in (0x30...0x39).contains(byte) ? min(1_000_000, sum * 10 + Int(byte) - 0x30) : sum }
    }
  }

  // MARK: Mouse

  private static func mouseSGR(_ values: [Int], isRelease: Bool) -> KeyEvent? {
    guard values.count == 3 else { return nil }
    return mouse(code: values[0], column: values[1] - 1, row: values[2] - 1, isRelease: isRelease)
  }

  private static func mouseX10(_ bytes: [UInt8], isFinal: Bool) -> Step {
    guard bytes.count >= 6 else { return isFinal ? .event(nil, length: bytes.count) : .incomplete }
    let code = Int(bytes[3]) - 32
    let isRelease = code & 0x43 == 3
    let event = mouse(code: code, column: Int(bytes[4]) - 33, row: Int(bytes[5]) - 33, isRelease: isRelease)
    return .event(event, length: 6)
  }

  private static func mouse(code: Int, column: Int, row: Int, isRelease: Bool) -> KeyEvent? {
    guard code >= 0, column >= 0, row >= 0 else { return nil }
    var held: Modifiers = []
    if code & 4 != 0 { held.insert(.shift) }
    if code & 8 != 0 { held.insert(.alt) }
    if code & 16 != 0 { held.insert(.control) }
    let action: MouseEvent.Action
    if code & 64 != 0 {
      guard code & 3 < 2 else { return nil }
      action = code & 3 == 0 ? .wheelUp : .wheelDown
    } else if isRelease {
      action = .release
    } else {
      let buttons: [MouseEvent.Button] = [.left, .middle, .right]
      guard code & 3 < 3 else { return nil }
      let button = buttons[code & 3]
      action = code & 32 != 0 ? .drag(button) : .press(button)
    }
    return .mouse(MouseEvent(action, at: Point(column: column, row: row), modifiers: held))
  }
}
