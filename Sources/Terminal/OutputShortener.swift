/// Says what ncurses says in fewer bytes.
///
/// ncurses names both colours with every change of one, and everything anew where an attribute goes. What it writes for a frame is read here
/// as the terminal would read it, and written again: a rendition when something is drawn in it, and only what of it has changed; a space
/// takes what stands before it where that shows the same; a run of one character once, where the terminal repeats it (REP). The
/// picture is the same (ECMA-48; XTerm Control Sequences).
struct OutputShortener {
  /// What the terminal is able to do.
  struct Abilities {
    /// It takes single attributes away (parameters 22 to 29), as its terminfo entry shows in `rmul`.
    var canTurnOff = false
    /// It repeats the character before it (`CSI n b`).
    var canRepeat = false
  }

  /// What the terminal writes with; nil where that is not known.
  private var shown: Rendition?
  /// What ncurses wants it to write with.
  private var wanted = Rendition()
  /// The character set in use and the one that is wanted, by what chooses it: the last byte of `ESC ( B`, or a shift (SI, SO).
  private var shownSet: UInt8?
  private var wantedSet: UInt8?
  /// Whether a part of the screen was made to scroll in this frame.
  private var hasRegion = false
  private let abilities: Abilities

  init(_ abilities: Abilities) { self.abilities = abilities }

  /// Forgets what the terminal writes with, because something else has written on it.
  mutating func forget() { (shown, shownSet, wantedSet, wanted) = (nil, nil, nil, Rendition()) }

  /// Whether the terminal may write with something else than its own colours.
  var isColored: Bool { shown != nil && shown != Rendition() }

  /// One frame of ncurses', which begins and ends without any attribute, in fewer bytes. Where something in it is not
  /// understood, the frame itself.
  mutating func shorten(_ frame: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(frame.count)
    hasRegion = false
    let before = shown
    let isUnderstood = frame.withUnsafeBufferPointer { bytes in
      var index = 0
      while index < bytes.count {
        guard let next = step(bytes, index, &result) else { return false }
        index = next
      }
      return true
    }
    if isUnderstood { return result }
    let begin: [UInt8] = before == Rendition() ? [] : [0x1B, 0x5B, 0x6D]
    forget()
    return begin + frame
  }

  /// Reads what is at a place; gives the place behind it, or nil where it is not understood.
  private mutating func step(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ result: inout [UInt8]) -> Int? {
    let byte = bytes[index]
    switch byte {
    case 0x1B: return escape(bytes, index, &result)
    case 0x0E, 0x0F:
      wantedSet = byte
      return index + 1
    case 0x08, 0x09, 0x0A, 0x0D:
      // A line feed scrolls at the bottom of a region.
      if byte == 0x0A, hasRegion { adoptBackground(&result) }
      result.append(byte)
      return index + 1
    case 0x20...0x7E, 0xC2...0xF4: return characters(bytes, index, &result)
    default: return nil
    }
  }

  private mutating func escape(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ result: inout [UInt8]) -> Int? {
    guard index + 1 < bytes.count else { return nil }
    // The reverse index scrolls at the top of a region.
    if bytes[index + 1] == 0x4D {
      adoptBackground(&result)
      result += bytes[index...(index + 1)]
      return index + 2
    }
    guard index + 2 < bytes.count else { return nil }
    if bytes[index + 1] == 0x28 {
      wantedSet = bytes[index + 2]
      return index + 3
    }
    guard bytes[index + 1] == 0x5B else { return nil }
    var end = index + 2
    while end < bytes.count, (0x20...0x3F).contains(bytes[end]) { end += 1 }
    guard end < bytes.count else { return nil }
    switch bytes[end] {
    case 0x6D:
      guard wanted.apply(bytes[(index + 2)..<end]) else { return nil }
      return end + 1
    // Movements, modes, and a repetition: that of the character before it, which is drawn.
    case 0x41...0x49, 0x5A, 0x60, 0x61, 0x64, 0x65, 0x66, 0x68, 0x6C, 0x62: break
    case 0x72: hasRegion = true
    // What erases or shifts fills with the background.
    case 0x4A...0x4D, 0x40, 0x50, 0x53, 0x54, 0x58: adoptBackground(&result)
    default: return nil
    }
    result += bytes[index...end]
    return end + 1
  }

  /// A run of one character.
  private mutating func characters(
    _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ result: inout [UInt8]
  ) -> Int? {
    let first = bytes[index]
    let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard index + length <= bytes.count else { return nil }
    var end = index + length
    run: while end + length <= bytes.count {
      for offset in 0..<length where bytes[end + offset] != bytes[index + offset] { break run }
      end += length
    }
    if wantedSet != shownSet, let set = wantedSet {
      result += set < 0x20 ? [set] : [0x1B, 0x28, set]
      shownSet = set
    }
    if first == 0x20, wanted.leavesSpaces, let shown, shown.leavesSpaces {
      adoptBackground(&result)
    } else if shown != wanted {
      wanted.write(from: shown, canTurnOff: abilities.canTurnOff, to: &result)
      shown = wanted
    }
    let count = (end - index) / length
    let isRepeated =
      abilities.canRepeat && (first < 0x80 || first == 0xE2) && (count - 1) * length > (count > 10 ? 5 : 4)
      && !continues(bytes, end)
    if isRepeated {
      result += bytes[index..<(index + length)] + [0x1B, 0x5B]
      result.append(decimal: count - 1)
      result.append(0x62)
    } else {
      result += bytes[index..<end]
    }
    return end
  }

  /// Whether what stands at a place belongs to the character before it: a repetition of ncurses' own, or perhaps a mark over it.
  private func continues(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    guard index < bytes.count else { return false }
    if bytes[index] != 0x1B {
      guard bytes[index] == 0xE2, index + 1 < bytes.count else { return bytes[index] >= 0x80 }
      return bytes[index + 1] == 0x83
    }
    var end = index + 2
    while end < bytes.count, (0x30...0x39).contains(bytes[end]) { end += 1 }
    return end < bytes.count && bytes[end] == 0x62
  }

  private mutating func adoptBackground(_ result: inout [UInt8]) {
    var next = shown ?? wanted
    next.background = wanted.background
    next.write(from: shown, canTurnOff: abilities.canTurnOff, to: &result)
    shown = next
  }
}

extension OutputShortener.Abilities {
  /// What the terminal that ncurses has open is able to do, by its terminfo entry.
  static var ofTerminal: Self {
    Self(
      canTurnOff: Terminfo.string("rmul") == Array("\u{1B}[24m".utf8),
      canRepeat: Terminfo.string("rep") == Array("%p1%c\u{1B}[%p2%{1}%-%db".utf8))
  }
}
