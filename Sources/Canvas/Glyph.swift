import Domain

/// The pictures that views draw with, each with a form for terminals that know ASCII only.
public enum Glyph: UInt8, Hashable, Sendable, CaseIterable {
  case horizontal, vertical, topLeft, topRight, bottomLeft, bottomRight, teeLeft, teeRight, teeTop, teeBottom, cross
  case ellipsis, bullet, idleCore, selection, tag, pinned, ascending, descending
  case run, think, queue, suspended, preempt, operatorAction, cursor
  case live, play, pause, trackStart, track, trackEnd, head
  case full, shadeLight, shadeMedium, shadeDark
  /// A horizontal line that stands out.
  case heavy

  /// The scalar to draw; always one cell wide.
  public func scalar(in repertoire: Repertoire) -> Unicode.Scalar {
    let pair = Glyph.forms[Int(rawValue)]
    switch repertoire {
    case .utf8: return pair.0
    case .ascii: return pair.1
    }
  }

  private static let forms: [(Unicode.Scalar, Unicode.Scalar)] = Glyph.allCases.map(\.forms)

  private var forms: (Unicode.Scalar, Unicode.Scalar) {
    switch self {
    case .horizontal: ("─", "-")
    case .vertical: ("│", "|")
    case .topLeft: ("┌", "+")
    case .topRight: ("┐", "+")
    case .bottomLeft: ("└", "+")
    case .bottomRight: ("┘", "+")
    case .teeLeft: ("├", "+")
    case .teeRight: ("┤", "+")
    case .teeTop: ("┬", "+")
    case .teeBottom: ("┴", "+")
    case .cross: ("┼", "+")
    case .ellipsis: ("…", "~")
    case .bullet: ("•", "*")
    case .idleCore: ("·", ".")
    case .selection: ("▶", ">")
    case .tag: ("◆", "*")
    case .pinned: ("⌖", "^")
    case .ascending: ("▲", "^")
    case .descending: ("▼", "v")
    case .run: ("▓", "#")
    case .think: ("░", ".")
    case .queue: ("▒", "=")
    case .suspended: ("╌", "-")
    case .preempt: ("!", "!")
    case .operatorAction: ("▲", "^")
    case .cursor: ("│", "|")
    case .live: ("●", "*")
    case .play: ("▶", ">")
    case .pause: ("‖", "=")
    case .trackStart: ("├", "|")
    case .track: ("─", "-")
    case .trackEnd: ("┤", "|")
    case .head: ("●", "o")
    case .full: ("█", "#")
    case .shadeLight: ("░", ".")
    case .shadeMedium: ("▒", "=")
    case .shadeDark: ("▓", "#")
    case .heavy: ("━", "=")
    }
  }
}

/// The glyphs of one screen: a repertoire, and the marks of the states, which a theme may choose itself.
public struct GlyphSet: Hashable, Sendable {
  /// What the terminal can show.
  public let repertoire: Repertoire
  private let chosen: [Role: Unicode.Scalar]

  /// Glyphs for a repertoire.
  ///
  /// - Parameter chosen: marks that a theme sets; one that is not a single narrow cell of this repertoire is left out.
  public init(_ repertoire: Repertoire, marks chosen: [Role: Unicode.Scalar] = [:]) {
    self.repertoire = repertoire
    self.chosen = chosen.filter { GlyphSet.isMark($0.value, in: repertoire) }
  }

  /// Whether a scalar can serve as a mark: safe to show, one cell wide, and of the repertoire.
  public static func isMark(_ scalar: Unicode.Scalar, in repertoire: Repertoire) -> Bool {
    !isHostile(scalar) && cellWidth(of: scalar) == 1 && (repertoire == .utf8 || scalar.isASCII)
  }

  /// The scalar of a glyph.
  public subscript(glyph: Glyph) -> Unicode.Scalar { glyph.scalar(in: repertoire) }

  /// The mark that goes with a role, so that colour never carries a meaning alone; a space for roles that have none.
  public func mark(for role: Role) -> Unicode.Scalar {
    if let scalar = chosen[role] { return scalar }
    guard let marks = GlyphSet.marks[role] else { return " " }
    return repertoire == .utf8 ? marks.0 : marks.1
  }

  private static let marks: [Role: (Unicode.Scalar, Unicode.Scalar)] = [
    .stateStarting: ("◌", "S"), .stateRunning: ("●", "R"), .stateThinking: ("○", "T"), .stateQueued: ("◔", "Q"),
    .stateHeld: ("■", "H"), .stateSuspended: ("‖", "Z"), .stateGone: ("×", "-"), .stateFailed: ("✗", "E"),
    .good: ("✓", "+"), .warning: ("▲", "!"), .error: ("✗", "X"),
  ]

  /// The glyph of a horizontal bar's end, filled by so many eighths (0…8).
  func barEnd(eighths: Int) -> Unicode.Scalar {
    switch repertoire {
    case .utf8: [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"][min(max(eighths, 0), 8)]
    case .ascii: eighths >= 4 ? "#" : " "
    }
  }

  /// The glyph of a column filled by so many eighths (0…8).
  func column(eighths: Int) -> Unicode.Scalar {
    switch repertoire {
    case .utf8: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"][min(max(eighths, 0), 8)]
    case .ascii: [" ", ".", ".", ":", ":", "|", "|", "#", "#"][min(max(eighths, 0), 8)]
    }
  }
}
