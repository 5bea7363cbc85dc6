import Canvas

/// What makes a theme hard to read: text whose contrast with its ground is under 4.5 (WCAG 2.2, success criterion 1.4.3).
public struct ThemeLint: Sendable, Hashable {
  /// The least contrast of text.
  public static let contrastLeast = 4.5

  /// A role that cannot be read well, at a depth of colour.
  public struct Finding: Sendable, Hashable, CustomStringConvertible {
    public var role: String
    public var ground: String
    public var contrast: Double

    public var description: String {
      let tenths = Int((contrast * 100).rounded(.down))
      return
        "\(role) on \(ground): contrast \(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100), and 4.5 is the least"
    }
  }

  public var findings: [Finding] = []

  /// Checks a theme in 24-bit colours. What is not text (frames, idle cores, what is switched off) is left out, and so is a
  /// colour that is the terminal's own: only the terminal knows it.
  public init(_ theme: Theme) {
    let resolved = theme.resolved(for: .trueColor)
    let grounds: [Role] = [.text, .status, .dialog, .flash, .tableRowSelected, .input]
    for role in Role.allCases where !Self.isDrawing(role) {
      for ground in grounds where Self.stands(role, on: ground) {
        let style = resolved.style(role, on: ground)
        guard let contrast = Self.contrast(style), contrast < Self.contrastLeast else { continue }
        findings.append(Finding(role: role.name, ground: ground.name, contrast: contrast))
      }
    }
  }

  private static func isDrawing(_ role: Role) -> Bool {
    let drawings: Set<Role> = [
      .border, .coreIdle, .coreReserved, .gpuIdle, .stateGone, .keybarDisabled, .inputCursor,
    ]
    return drawings.contains(role)
  }

  /// Whether a role is drawn on a ground at all: every role on the screen's own, some also on bars and dialogs.
  private static func stands(_ role: Role, on ground: Role) -> Bool {
    if ground == .text { return true }
    let family = { (prefix: String) in role.name == prefix || role.name.hasPrefix(prefix + ".") }
    if ground == .status {
      return family("status") || family("text") || family("state") || family("load") || family("warning")
        || family("error")
    }
    if ground == .dialog { return family("dialog") || family("text") || family("help") || family("good") }
    if ground == .flash { return family("flash") }
    if ground == .input { return family("input") }
    return family("notebook") || family("state") || family("text")
  }

  /// The contrast of a style's text; nil where a colour is the terminal's own.
  public static func contrast(_ style: Style) -> Double? {
    guard case .rgb(let front) = style.foreground, case .rgb(let back) = style.background else { return nil }
    return front.contrast(with: back)
  }
}
