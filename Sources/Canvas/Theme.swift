/// A colour as a theme designs it: once for each depth, because a conversion is not a design (three distinct true
/// colours easily fall on one of the 256).
public enum ThemeColor: Hashable, Sendable {
  /// The terminal's own foreground or background.
  case terminalDefault
  /// The terminal's own colour 0…15, at every depth.
  case ansi(UInt8)
  /// Designed for each depth: 24 bits, one of the 256, one of the sixteen.
  case designed(RGB, c256: UInt8, c16: UInt8)

  /// The colour at a depth; at `.mono`, the terminal's own.
  public func resolved(for depth: ColorDepth) -> Color {
    switch (self, depth) {
    case (_, .mono), (.terminalDefault, _): .terminalDefault
    case (.ansi(let index), _): .ansi(index)
    case (.designed(let rgb, _, _), .trueColor): .rgb(rgb)
    case (.designed(_, let c256, _), .palette256): .palette(c256)
    case (.designed(_, _, let c16), .sixteen): .ansi(c16)
    }
  }
}

/// What a theme says about one role, or about all roles below a name. What it leaves open comes from the name above.
public struct StyleRule: Hashable, Sendable {
  /// The palette's name of the character's colour.
  public var foreground: String?
  /// The palette's name of the colour behind.
  public var background: String?
  /// The attributes where there are colours.
  public var attributes: Attributes?
  /// The attributes where there are none; nil takes `attributes`.
  public var monoAttributes: Attributes?
  /// The state's mark in Unicode.
  public var glyph: Unicode.Scalar?
  /// The state's mark in ASCII.
  public var ascii: Unicode.Scalar?

  /// Makes a rule.
  public init(
    foreground: String? = nil, background: String? = nil, attributes: Attributes? = nil,
    monoAttributes: Attributes? = nil, glyph: Unicode.Scalar? = nil, ascii: Unicode.Scalar? = nil
  ) {
    self.foreground = foreground
    self.background = background
    self.attributes = attributes
    self.monoAttributes = monoAttributes
    self.glyph = glyph
    self.ascii = ascii
  }

  /// This rule, with what it leaves open taken from another.
  func completed(by other: StyleRule) -> StyleRule {
    StyleRule(
      foreground: foreground ?? other.foreground, background: background ?? other.background,
      attributes: attributes ?? other.attributes, monoAttributes: monoAttributes ?? other.monoAttributes,
      glyph: glyph ?? other.glyph, ascii: ascii ?? other.ascii)
  }
}

/// The colours of a quantity from low to high, designed for each depth.
public struct Gradient: Hashable, Sendable {
  /// True colours, at least one, at equal distances; between them the colour is mixed in Oklab
  /// (Ottosson 2020, "A perceptual color space for image processing").
  public var stops: [RGB]
  /// Colours of the 256, at least one, not mixed.
  public var c256: [UInt8]
  /// Colours of the sixteen, at least one, not mixed.
  public var c16: [UInt8]

  /// Makes a gradient, or nil when a depth has no colour.
  public init?(stops: [RGB], c256: [UInt8], c16: [UInt8]) {
    guard !stops.isEmpty, !c256.isEmpty, !c16.isEmpty else { return nil }
    self.stops = stops
    self.c256 = c256
    self.c16 = c16
  }

  /// The colour of a fraction from 0 to 1 at a depth.
  public func color(at fraction: Double, for depth: ColorDepth) -> Color {
    switch depth {
    case .mono: .terminalDefault
    case .sixteen: .ansi(Gradient.pick(c16, fraction))
    case .palette256: .palette(Gradient.pick(c256, fraction))
    case .trueColor: .rgb(mixed(at: fraction))
    }
  }

  private static func pick(_ colors: [UInt8], _ fraction: Double) -> UInt8 {
    colors[min(colors.count - 1, Int(clamped(fraction) * Double(colors.count)))]
  }

  private static func clamped(_ fraction: Double) -> Double {
    fraction > 0 ? min(fraction, 1) : 0
  }

  private func mixed(at fraction: Double) -> RGB {
    let place = Gradient.clamped(fraction) * Double(stops.count - 1)
    let low = min(Int(place), stops.count - 1)
    let high = min(low + 1, stops.count - 1)
    return Oklab(stops[low]).mixed(with: Oklab(stops[high]), share: place - Double(low)).rgb
  }
}

/// A look for the console: a palette, and for each role a rule that names the palette's colours.
///
/// A theme that inherits another takes everything that it does not set itself, and the other's rules then use *its*
/// palette: a new palette alone makes a new theme.
public struct Theme: Hashable, Sendable {
  /// What the picker shows.
  public var name: String
  /// The colours by name. `default` always exists: it is the terminal's own.
  public var palette: [String: ThemeColor]
  /// The rules by dotted name: a role's, or one above (`table`).
  public var rules: [String: StyleRule]
  /// The gradients by name; `load` colours `load.0` … `load.9` where no rule does.
  public var gradients: [String: Gradient]

  /// Makes a theme.
  public init(
    name: String, palette: [String: ThemeColor], rules: [String: StyleRule], gradients: [String: Gradient] = [:]
  ) {
    self.name = name
    self.palette = palette
    self.rules = rules
    self.gradients = gradients
  }

  /// The names that gradients can have: those that some role uses.
  public static let gradientNames = ["load"]

  /// Whether a rule of this name applies to any role.
  public static func isRuleName(_ name: String) -> Bool {
    Role.allCases.contains { $0.name == name || $0.name.hasPrefix(name + ".") }
  }

  /// This theme, with what it leaves open taken from another.
  public func inheriting(from base: Theme) -> Theme {
    Theme(
      name: name,
      palette: base.palette.merging(palette) { _, own in own },
      rules: base.rules.merging(rules) { theirs, own in own.completed(by: theirs) },
      gradients: base.gradients.merging(gradients) { _, own in own })
  }

  /// A colour by its palette name, or nil when the palette has none such.
  public func color(named name: String) -> ThemeColor? {
    name == "default" ? palette[name] ?? .terminalDefault : palette[name]
  }

  /// The glyphs for a screen, with the marks that the theme chooses.
  public func glyphs(for repertoire: Repertoire) -> GlyphSet {
    var marks: [Role: Unicode.Scalar] = [:]
    for role in Role.allCases {
      let rule = rules[role.name]
      marks[role] = repertoire == .utf8 ? rule?.glyph : rule?.ascii
    }
    return GlyphSet(repertoire, marks: marks)
  }

  /// The theme as a screen of this depth shows it. A palette name that does not exist counts as left open; the theme's
  /// reader refuses it.
  public func resolved(for depth: ColorDepth) -> ResolvedTheme {
    let root = part(of: chain(for: .text), depth: depth)
    let parts = Role.allCases.map { role -> ResolvedTheme.Part in
      guard role != .text else { return ResolvedTheme.Part() }
      var part = part(of: chain(for: role), depth: depth, paper: root.background)
      if rules[role.name]?.foreground == nil, let color = gradientColor(for: role, depth: depth) {
        part.foreground = color
      }
      return part
    }
    return ResolvedTheme(
      name: name, depth: depth,
      root: Style(
        foreground: root.foreground ?? .terminalDefault, background: root.background ?? .terminalDefault,
        attributes: root.attributes),
      parts: parts)
  }

  /// The rules for a role, the most special first. `text` is the root of all, so it is in no chain but its own.
  private func chain(for role: Role) -> [StyleRule] {
    var found: [StyleRule] = []
    var name = role.name[...]
    while true {
      if role == .text || name != "text", let rule = rules[String(name)] { found.append(rule) }
      guard let dot = name.lastIndex(of: ".") else { return found }
      name = name[..<dot]
    }
  }

  /// - Parameter paper: what everything stands on. Where the sixteen colours have no other ground for a role than that, its
  ///   attributes without colours set it off as well.
  private func part(of chain: [StyleRule], depth: ColorDepth, paper: Color? = nil) -> ResolvedTheme.Part {
    func color(_ key: KeyPath<StyleRule, String?>) -> Color? {
      guard depth != .mono else { return nil }
      return chain.lazy.compactMap { $0[keyPath: key] }.first
        .flatMap { self.color(named: $0) }?.resolved(for: depth)
    }
    let attributes = chain.lazy.compactMap { rule in
      depth == .mono ? rule.monoAttributes ?? rule.attributes : rule.attributes
    }.first
    let ground = color(\.background)
    let plain = chain.lazy.compactMap(\.monoAttributes).first
    let more = depth == .sixteen && ground != nil && ground == paper ? plain ?? [] : []
    return ResolvedTheme.Part(
      foreground: color(\.foreground), background: ground, attributes: (attributes ?? []).union(more))
  }

  private func gradientColor(for role: Role, depth: ColorDepth) -> Color? {
    guard depth != .mono, let dot = role.name.lastIndex(of: "."), let gradient = gradients[String(role.name[..<dot])],
      let step = Int(role.name[role.name.index(after: dot)...])
    else { return nil }
    return gradient.color(at: Double(step) / 9, for: depth)
  }
}

/// A theme as one screen shows it: each role's style, at one depth.
public struct ResolvedTheme: Hashable, Sendable {
  /// What a role sets itself, the root left out.
  struct Part: Hashable, Sendable {
    var foreground: Color?
    var background: Color?
    var attributes: Attributes = []
  }

  /// The theme's name.
  public let name: String
  /// The depth that the colours are for.
  public let depth: ColorDepth
  /// The style of `text`, on which everything stands.
  public let root: Style
  let parts: [Part]

  /// How a role looks on a ground: what the role sets itself, then what the ground sets, then the root; the attributes
  /// of all three together.
  public func style(_ role: Role, on ground: Role = .text) -> Style {
    let upper = parts[Int(role.rawValue)]
    let lower = parts[Int(ground.rawValue)]
    return Style(
      foreground: upper.foreground ?? lower.foreground ?? root.foreground,
      background: upper.background ?? lower.background ?? root.background,
      attributes: root.attributes.union(lower.attributes).union(upper.attributes))
  }
}
