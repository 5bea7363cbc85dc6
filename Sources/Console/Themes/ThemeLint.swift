import Canvas

/// What makes a theme hard to read: text whose contrast with its ground is under 4.5 (WCAG 2.2, success criterion 1.4.3), in 24-bit
/// colours or in what is shown of them where there are fewer.
public struct ThemeLint: Sendable, Hashable {
  /// The least contrast of text.
  public static let contrastLeast = 4.5

  /// A role that cannot be read well, at a depth of colour.
  public struct Finding: Sendable, Hashable, CustomStringConvertible {
    public var role: String
    public var ground: String
    public var contrast: Double
    public var depth = ColorDepth.trueColor

    public var description: String {
      let tenths = Int((contrast * 100).rounded(.down))
      let colors =
        switch depth {
        case .trueColor, .mono: ""
        case .palette256: " in 256 colours"
        case .sixteen: " in 16 colours, as xterm shows them"
        }
      return
        "\(role) on \(ground)\(colors): contrast \(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100), and 4.5 is the least"
    }
  }

  public var findings: [Finding] = []

  /// Checks a theme at every depth of colour. What is not text (frames, idle cores, what is switched off) is left out, and so is a
  /// colour that is the terminal's own: only the terminal knows it. Where a theme chooses among the sixteen, they are taken as
  /// xterm shows them.
  public init(_ theme: Theme) {
    for depth in [ColorDepth.trueColor, .palette256, .sixteen] {
      let resolved = theme.resolved(for: depth)
      for role in Role.allCases {
        for ground in Role.allCases where Self.checks(role, on: ground) {
          let style = resolved.style(role, on: ground)
          guard let contrast = Self.contrast(style, at: depth), contrast < Self.contrastLeast else { continue }
          findings.append(Finding(role: role.name, ground: ground.name, contrast: contrast, depth: depth))
        }
      }
    }
  }

  /// Whether a role is no text that has to be read: its shape says all.
  static func isDrawing(_ role: Role) -> Bool {
    let drawings: Set<Role> = [
      .border, .coreIdle, .coreReserved, .gpuIdle, .stateGone, .keybarDisabled, .inputCursor,
    ]
    return drawings.contains(role)
  }

  /// Whether a role is text that views draw on a ground: every role on the screen's own, some also on bars, rows and dialogs.
  static func checks(_ role: Role, on ground: Role) -> Bool {
    guard !isDrawing(role) else { return false }
    if ground == .text { return true }
    return families[ground]?.contains { role.name == $0 || role.name.hasPrefix($0 + ".") } ?? false
  }

  /// What is drawn on each ground, by the beginning of the roles' names; a test holds it against what the views draw.
  private static let families: [Role: [String]] = [
    .status: ["status", "text", "state", "load", "warning", "error", "flash", "input"],
    .dialog: ["dialog", "text", "help", "good", "warning", "error", "title", "table.header", "notebook"],
    .dialogChoiceSelected: ["dialog", "text", "table.header", "title"],
    .flash: ["flash"],
    .input: ["input"],
    .tableHeader: ["table.header"],
    .tableRowSelected: ["table", "text", "notebook", "state", "timeline", "core.pinned"],
    .coreDrained: ["notebook", "core.drained"],
    .corePinned: ["notebook", "core.pinned"],
  ]

  /// The contrast of a style's text in 24-bit colours; nil where a colour is the terminal's own.
  ///
  /// - Parameter depth: with fewer colours, that of those that the terminal is known to show, or as xterm does.
  public static func contrast(_ style: Style, at depth: ColorDepth = .trueColor) -> Double? {
    guard let front = shown(style.foreground, depth), let back = shown(style.background, depth) else { return nil }
    return front.contrast(with: back)
  }

  private static func shown(_ color: Color, _ depth: ColorDepth) -> RGB? {
    switch color {
    case .terminalDefault: nil
    case .rgb(let rgb): rgb
    case .palette(let index): depth == .palette256 && index >= 16 ? xtermColor(index) : nil
    case .ansi(let index): depth == .sixteen ? xtermColor(index) : nil
    }
  }
}
