extension Theme {
  /// The look that needs no file: dark, and readable at every depth. `Themes/base-dark.toml` says the same, for others
  /// to inherit; a test keeps the two equal.
  public static let builtIn = Theme(
    name: "base-dark", palette: builtInPalette, rules: builtInRules,
    gradients: Gradient(
      stops: [RGB(0x5FAFD7), RGB(0xD7AF5F), RGB(0xE06C75)], c256: [74, 110, 150, 179, 173, 203],
      c16: [6, 3, 9]
    ).map { ["load": $0] } ?? [:])

  private static let builtInPalette: [String: ThemeColor] = [
    "bg": .designed(RGB(0x16181D), c256: 234, c16: 0),
    "fg": .designed(RGB(0xD4D7DD), c256: 252, c16: 7),
    "dim": .designed(RGB(0x9299A4), c256: 246, c16: 7),
    "bright": .designed(RGB(0xFFFFFF), c256: 231, c16: 15),
    "line": .designed(RGB(0x4A505C), c256: 240, c16: 7),
    "bar": .designed(RGB(0x24282F), c256: 235, c16: 0),
    "sel": .designed(RGB(0x1F2F49), c256: 17, c16: 0),
    "accent": .designed(RGB(0x7FB4F0), c256: 111, c16: 14),
    "run": .designed(RGB(0x8FC98B), c256: 114, c16: 2),
    "think": .designed(RGB(0x8FA8C8), c256: 110, c16: 6),
    "queue": .designed(RGB(0xE3BE6E), c256: 179, c16: 3),
    "pause": .designed(RGB(0xC79BE0), c256: 176, c16: 13),
    "bad": .designed(RGB(0xF07F86), c256: 210, c16: 9),
    "nb0": .designed(RGB(0x7FB4F0), c256: 111, c16: 14),
    "nb1": .designed(RGB(0xE8A15C), c256: 215, c16: 3),
    "nb2": .designed(RGB(0x8FC98B), c256: 114, c16: 2),
    "nb3": .designed(RGB(0xF07F86), c256: 210, c16: 9),
    "nb4": .designed(RGB(0xB99AE8), c256: 141, c16: 13),
    "nb5": .designed(RGB(0x5CC8C2), c256: 80, c16: 6),
    "nb6": .designed(RGB(0xE3D06E), c256: 185, c16: 11),
    "nb7": .designed(RGB(0xEE95C4), c256: 211, c16: 13),
    "nb8": .designed(RGB(0xB5BD68), c256: 143, c16: 10),
    "nb9": .designed(RGB(0xC7A58B), c256: 180, c16: 7),
    "nb10": .designed(RGB(0x9DC3D9), c256: 152, c16: 14),
    "nb11": .designed(RGB(0xA7ABB5), c256: 248, c16: 15),
  ]

  private static let builtInRules: [String: StyleRule] = {
    var rules = builtInTextRules.merging(builtInStateRules) { first, _ in first }
    for index in 0..<12 { rules["notebook.\(index)"] = StyleRule(foreground: "nb\(index)") }
    return rules
  }()

  private static let builtInTextRules: [String: StyleRule] = [
    "text": StyleRule(foreground: "fg", background: "bg"),
    "text.dim": StyleRule(foreground: "dim"),
    "text.strong": StyleRule(foreground: "bright", attributes: .bold),
    "text.accent": StyleRule(foreground: "accent"),
    "good": StyleRule(foreground: "run"),
    "warning": StyleRule(foreground: "queue", attributes: .bold),
    "error": StyleRule(foreground: "bad", attributes: .bold),
    "border": StyleRule(foreground: "line"),
    "border.focused": StyleRule(foreground: "accent"),
    "title": StyleRule(foreground: "fg", attributes: .bold),
    "title.focused": StyleRule(foreground: "accent"),
    "title.detail": StyleRule(foreground: "dim", attributes: []),
    "status": StyleRule(background: "bar"),
    "status.label": StyleRule(foreground: "dim"),
    "status.live": StyleRule(foreground: "run", attributes: .bold),
    "status.replay": StyleRule(foreground: "queue", attributes: .bold),
    "status.simulated": StyleRule(foreground: "pause", attributes: .bold),
    "status.readonly": StyleRule(foreground: "bad", attributes: .bold),
    "table.header": StyleRule(foreground: "dim", attributes: .bold),
    "table.header.sorted": StyleRule(foreground: "accent"),
    "table.row.selected": StyleRule(
      foreground: "bright", background: "sel", attributes: .bold, monoAttributes: .reverse),
    "table.row.tagged": StyleRule(foreground: "accent", attributes: .underline),
    "table.row.matched": StyleRule(foreground: "queue", attributes: .underline),
    "flash": StyleRule(background: "bar"),
    "flash.good": StyleRule(foreground: "run"),
    "flash.warning": StyleRule(foreground: "queue", attributes: .bold),
    "flash.error": StyleRule(foreground: "bad", attributes: .bold, monoAttributes: .reverse),
    "dialog": StyleRule(background: "bar"),
    "dialog.title": StyleRule(foreground: "accent", attributes: .bold),
    "dialog.danger": StyleRule(foreground: "bad", attributes: .bold),
    "dialog.choice.selected": StyleRule(
      foreground: "bright", background: "sel", attributes: .bold, monoAttributes: .reverse),
    "input": StyleRule(foreground: "bright", background: "bar"),
    "input.cursor": StyleRule(attributes: .reverse),
    "input.matched": StyleRule(foreground: "queue", attributes: .bold),
    "keybar.key": StyleRule(foreground: "accent", attributes: .bold),
    "keybar.label": StyleRule(foreground: "dim"),
    "keybar.disabled": StyleRule(foreground: "line", attributes: .dim),
    "help.key": StyleRule(foreground: "accent", attributes: .bold),
  ]

  private static let builtInStateRules: [String: StyleRule] = [
    "state.starting": StyleRule(foreground: "dim", attributes: .dim, glyph: "◌", ascii: "S"),
    "state.running": StyleRule(foreground: "run", attributes: .bold, glyph: "●", ascii: "R"),
    "state.thinking": StyleRule(foreground: "think", glyph: "○", ascii: "T"),
    "state.queued": StyleRule(foreground: "queue", glyph: "◔", ascii: "Q"),
    "state.held": StyleRule(foreground: "queue", attributes: .bold, glyph: "■", ascii: "H"),
    "state.suspended": StyleRule(foreground: "pause", attributes: .bold, glyph: "‖", ascii: "Z"),
    "state.gone": StyleRule(foreground: "line", attributes: .dim, glyph: "×", ascii: "-"),
    "state.failed": StyleRule(foreground: "bad", attributes: .bold, glyph: "✗", ascii: "E"),
    "core.idle": StyleRule(foreground: "line"),
    "core.reserved": StyleRule(foreground: "line", attributes: .dim),
    "core.drained": StyleRule(foreground: "bad", attributes: .reverse),
    "core.pinned": StyleRule(attributes: .underline),
    "gpu.idle": StyleRule(foreground: "line"),
    "timeline.running": StyleRule(foreground: "run"),
    "timeline.thinking": StyleRule(foreground: "think"),
    "timeline.queued": StyleRule(foreground: "queue"),
    "timeline.suspended": StyleRule(foreground: "pause"),
    "timeline.preempt": StyleRule(foreground: "bad", attributes: .bold),
    "timeline.operator": StyleRule(foreground: "accent", attributes: .bold),
    "timeline.cursor": StyleRule(foreground: "bright", attributes: .bold),
    "timeline.axis": StyleRule(foreground: "dim"),
    "transport": StyleRule(foreground: "dim"),
    "transport.head": StyleRule(foreground: "bright", attributes: .bold),
    "transport.marker": StyleRule(foreground: "accent", attributes: .bold),
    "transport.preempt": StyleRule(foreground: "bad", attributes: .bold),
    "event.time": StyleRule(foreground: "dim"),
    "event.operator": StyleRule(foreground: "accent"),
    "load": StyleRule(foreground: "run"),
  ]
}
