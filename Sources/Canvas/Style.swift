/// How many colours a screen shows.
public enum ColorDepth: Int, Hashable, Sendable, Comparable, CaseIterable {
  /// Attributes only: no colours, or `NO_COLOR`.
  case mono
  /// The terminal's own sixteen.
  case sixteen
  /// xterm's palette of 256.
  case palette256
  /// 24 bits.
  case trueColor

  public static func < (left: ColorDepth, right: ColorDepth) -> Bool { left.rawValue < right.rawValue }
}

/// A colour by its red, green and blue parts in sRGB.
public struct RGB: Hashable, Sendable {
  /// Red, 0…255.
  public let red: UInt8
  /// Green, 0…255.
  public let green: UInt8
  /// Blue, 0…255.
  public let blue: UInt8

  /// Makes a colour of its parts.
  public init(red: UInt8, green: UInt8, blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// Makes a colour of its usual number, `0xRRGGBB`; higher bits are left out.
  public init(_ value: UInt32) {
    self.init(
      red: UInt8(truncatingIfNeeded: value >> 16), green: UInt8(truncatingIfNeeded: value >> 8),
      blue: UInt8(truncatingIfNeeded: value))
  }

  /// Reads `#RRGGBB`; nil for anything else.
  public init?(hex: String) {
    guard hex.utf8.count == 7, hex.hasPrefix("#"), let value = UInt32(hex.dropFirst(), radix: 16) else { return nil }
    self.init(value)
  }

  /// The usual number, `0xRRGGBB`.
  public var value: UInt32 { UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue) }

  /// `#RRGGBB`, in lower case.
  public var hex: String {
    let digits = String(value, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }
}

/// A colour as one screen shows it.
public enum Color: Hashable, Sendable {
  /// What the terminal draws on, or writes with, when nobody says.
  case terminalDefault
  /// One of the terminal's own sixteen: 0…7, and 8…15 bright. Their look is the user's choice.
  case ansi(UInt8)
  /// One of xterm's 256, of which 16…255 have a known look.
  case palette(UInt8)
  /// Exactly this one.
  case rgb(RGB)
}

/// How a character is drawn besides its colours.
public struct Attributes: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// Brighter or heavier.
  public static let bold = Attributes(rawValue: 1)
  /// Fainter.
  public static let dim = Attributes(rawValue: 2)
  /// Slanted.
  public static let italic = Attributes(rawValue: 4)
  /// With a line below.
  public static let underline = Attributes(rawValue: 8)
  /// Foreground and background exchanged.
  public static let reverse = Attributes(rawValue: 16)
  /// With a line through.
  public static let strikethrough = Attributes(rawValue: 32)

  /// The attributes that themes can name, in the order of their bits.
  public static let names: [(name: String, attribute: Attributes)] = [
    ("bold", .bold), ("dim", .dim), ("italic", .italic), ("underline", .underline), ("reverse", .reverse),
    ("strikethrough", .strikethrough),
  ]
}

/// How a cell looks on one screen.
public struct Style: Hashable, Sendable {
  /// The colour of the character.
  public var foreground: Color
  /// The colour behind it.
  public var background: Color
  /// The rest.
  public var attributes: Attributes

  /// Makes a style; by default, the terminal's own.
  public init(
    foreground: Color = .terminalDefault, background: Color = .terminalDefault, attributes: Attributes = []
  ) {
    self.foreground = foreground
    self.background = background
    self.attributes = attributes
  }
}
