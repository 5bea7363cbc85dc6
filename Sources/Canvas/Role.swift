/// What a cell means. A view names roles; a theme says how each one looks.
///
/// A role's name is its case's, with a dot before every capital and number: `tableRowSelected` is `table.row.selected`.
/// A theme that says nothing about a role falls back to the name without its last part, and in the end to `text`, the
/// root. A new meaning is a new case here, not a colour in a view.
public enum Role: UInt8, Hashable, Sendable, CaseIterable {
  case text, textDim, textStrong, textAccent
  case good, warning, error
  case border, borderFocused, title, titleFocused, titleDetail
  case status, statusLive, statusReplay, statusSimulated, statusReadonly, statusLabel
  case stateStarting, stateRunning, stateThinking, stateQueued, stateHeld, stateSuspended, stateGone, stateFailed
  case table, tableHeader, tableHeaderSorted, tableRow, tableRowSelected, tableRowTagged, tableRowMatched
  case coreIdle, coreReserved, coreDrained, corePinned, gpuIdle
  case timeline, timelineRunning, timelineThinking, timelineQueued, timelineSuspended, timelinePreempt
  case timelineOperator, timelineCursor, timelineAxis
  case transport, transportHead, transportMarker, transportPreempt
  case keybarKey, keybarLabel, keybarDisabled
  case flash, flashGood, flashWarning, flashError
  case dialog, dialogTitle, dialogDanger, dialogChoice, dialogChoiceSelected
  case input, inputCursor, inputMatched
  case eventTime, eventOperator, eventEngine
  case helpKey, helpText
  case load0, load1, load2, load3, load4, load5, load6, load7, load8, load9
  case notebook0, notebook1, notebook2, notebook3, notebook4, notebook5
  case notebook6, notebook7, notebook8, notebook9, notebook10, notebook11

  /// The dotted name that themes use.
  public var name: String { roleNames[Int(rawValue)] }

  /// The role of a dotted name, or nil when there is none.
  public init?(named name: String) {
    guard let role = rolesByName[name] else { return nil }
    self = role
  }

  /// The colour role of a notebook; numbers above 11 start again, which is why a letter always goes with the colour.
  public static func notebook(_ index: Int) -> Role {
    step(index % 12, above: .notebook0)
  }

  /// The role for a load from 0 (idle) to 1 (full), in ten steps; what lies outside is taken as the nearest.
  public static func load(_ fraction: Double) -> Role {
    guard fraction > 0 else { return .load0 }
    return step(min(9, Int(min(fraction, 1) * 10)), above: .load0)
  }

  private static func step(_ index: Int, above first: Role) -> Role {
    Role(rawValue: first.rawValue + UInt8(max(0, index))) ?? first
  }
}

/// The names by raw value, made once from the cases' own names, so that no second table can drift from them.
private let roleNames: [String] = Role.allCases.map { dotted("\($0)") }

private let rolesByName: [String: Role] = Dictionary(
  uniqueKeysWithValues: Role.allCases.map { (roleNames[Int($0.rawValue)], $0) })

private func dotted(_ name: String) -> String {
  var result = ""
  var inNumber = false
  for character in name {
    if character.isUppercase || (character.isNumber && !inNumber) { result.append(".") }
    inNumber = character.isNumber
    result.append(contentsOf: character.lowercased())
  }
  return result
}

/// How a notebook is recognised everywhere on the screen: by a letter, and from the 53rd on by a number after it, never by its
/// colour alone.
public struct NotebookMark: Hashable, Sendable {
  /// How many letters there are before they begin again.
  public static let letters = 52

  /// A…Z, then a…z, then from the start with another colour.
  public let letter: Character
  /// What tells it from the first one with its letter: 2…9, then a…z, then + for all that come later; nil for the first.
  public let again: Character?
  /// One of `notebook.0` … `notebook.11`.
  public let role: Role

  /// The letter, and the number where there is one: `A`, `A2`.
  public var text: String { again.map { String(letter) + String($0) } ?? String(letter) }

  /// As much of it as so many columns hold: the letter alone in one.
  public func text(columns: Int) -> String { columns > 1 ? text : String(letter) }

  /// The mark of the notebook with this number, counted from 0 in the order of first appearance.
  public init(_ index: Int) {
    let positive = max(0, index)
    let place = UInt8(positive % Self.letters)
    letter = Character(Unicode.Scalar(place < 26 ? 65 + place : 97 + place - 26))
    role = .notebook(positive)
    let round = positive / Self.letters
    switch round {
    case 0: again = nil
    case 1...8: again = Character(Unicode.Scalar(UInt8(ascii: "1") + UInt8(round)))
    case 9...34: again = Character(Unicode.Scalar(UInt8(ascii: "a") + UInt8(round - 9)))
    default: again = "+"
    }
  }
}
