import Domain
import Engine

/// What shall be different when a session is decided again: `policy=dynamic,gpus=4,without=action:3`.
public struct Changes: Sendable, Hashable {
  /// An operator's order that was not given: its number, or all of them.
  public enum Omission: Sendable, Hashable {
    case action(Int)
    case everyAction
  }

  /// An operator's order that is given as well, at the moment from which is decided again.
  public struct Addition: Sendable, Hashable {
    public enum Act: Sendable, Hashable {
      case suspend, interrupt, hold, release, unpin
      case priority(Int32)
      case pin(CoreSet)
    }

    public var act: Act
    /// The notebook's name, its path, or its number.
    public var notebook: String
  }

  public var policy: String?
  public var cores: Int?
  public var gpus: Int?
  public var without: [Omission] = []
  public var with: [Addition] = []

  public init() {}

  /// Nothing shall be different.
  public var isEmpty: Bool { self == Changes() }

  private static let forms =
    "policy=NAME, cores=N, gpus=N, without=action:N or without=actions, with=hold:NOTEBOOK "
    + "(also release, suspend, interrupt, unpin, priority:NOTEBOOK:N, pin:NOTEBOOK:0-3)"

  /// Reads changes separated by commas, or by semicolons where one holds a comma (a policy with options). An empty text
  /// and `same` change nothing.
  ///
  /// - Throws: `ParseError` that names the part, says what is wrong in it, and what there is.
  public init(parsing text: String) throws(ParseError) {
    let parts = text.split(separator: text.contains(";") ? ";" : ",").map { $0.trimmed }.filter { !$0.isEmpty }
    if parts.isEmpty || parts == ["same"] { return }
    for part in parts {
      let ends = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard ends.count == 2, !ends[1].isEmpty else { throw Self.error(part, "it has no value") }
      switch ends[0] {
      case "policy": policy = ends[1]
      case "cores": cores = try Self.count(ends[1], part, 1...CoreSet.greatest)
      case "gpus": gpus = try Self.count(ends[1], part, 0...GPUSet.greatest)
      case "without": without.append(try Self.omission(ends[1], part))
      case "with": with.append(try Addition(parsing: ends[1], in: part))
      default:
        let hint =
          text.contains(":") && !text.contains(";") ? "; where a policy has options, separate changes by ';'" : ""
        throw Self.error(part, "there is no change of that name\(hint)")
      }
    }
  }

  private static func count(_ text: String, _ part: String, _ range: ClosedRange<Int>) throws(ParseError) -> Int {
    guard let value = Int(text), range.contains(value) else {
      throw error(part, "it is no number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  private static func omission(_ text: String, _ part: String) throws(ParseError) -> Omission {
    if text == "actions" { return .everyAction }
    guard text.hasPrefix("action:"), let number = Int(text.dropFirst(7)), number >= 1 else {
      throw error(part, "an order is left out by its number, which 'celltop replay --actions' shows")
    }
    return .action(number)
  }

  static func error(_ part: String, _ because: String) -> ParseError {
    ParseError(reading: "the change", text: part, because: because, mend: forms)
  }

  /// The changes as they are written, in one order.
  public var text: String {
    var parts: [String] = []
    if let policy { parts.append("policy=\(policy)") }
    if let cores { parts.append("cores=\(cores)") }
    if let gpus { parts.append("gpus=\(gpus)") }
    for omission in without {
      switch omission {
      case .action(let number): parts.append("without=action:\(number)")
      case .everyAction: parts.append("without=actions")
      }
    }
    parts += with.map { "with=\($0.text)" }
    return parts.isEmpty ? "same" : parts.joined(separator: policy?.contains(",") == true ? ";" : ",")
  }
}

extension Changes.Addition {
  /// Reads `hold:churn`, `priority:churn:5`, `pin:churn:0-3`.
  init(parsing text: String, in part: String) throws(ParseError) {
    var words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let verb = words.removeFirst()
    // A path may hold colons: what takes an argument has it last.
    let takesArgument = verb == "priority" || verb == "pin"
    let argument = takesArgument && words.count > 1 ? words.removeLast() : nil
    notebook = words.joined(separator: ":")
    guard !notebook.isEmpty else { throw Changes.error(part, "it names no notebook") }
    switch verb {
    case "suspend": act = .suspend
    case "interrupt": act = .interrupt
    case "hold": act = .hold
    case "release": act = .release
    case "unpin": act = .unpin
    case "priority":
      guard let argument, let value = Int32(argument) else { throw Changes.error(part, "a priority is a number") }
      act = .priority(value)
    case "pin":
      guard let argument else { throw Changes.error(part, "a pin names cores") }
      let cores = try CoreSet(parsing: argument)
      guard !cores.isEmpty else { throw Changes.error(part, "a pin names cores") }
      act = .pin(cores)
    default: throw Changes.error(part, "there is no order '\(verb.printable(at: 20))'")
    }
  }

  var text: String {
    switch act {
    case .suspend: "suspend:\(notebook)"
    case .interrupt: "interrupt:\(notebook)"
    case .hold: "hold:\(notebook)"
    case .release: "release:\(notebook)"
    case .unpin: "unpin:\(notebook)"
    case .priority(let value): "priority:\(notebook):\(value)"
    case .pin(let cores): "pin:\(notebook):\(cores)"
    }
  }

  /// The order, in a state under way.
  ///
  /// - Throws: `WhatIfError` where there is no such notebook, several, or none of its cells that it could be about.
  func verb(in state: SchedulerState) throws(WhatIfError) -> Verb {
    let id = try find(in: state)
    let slot = state[id]
    switch act {
    case .suspend, .interrupt:
      guard slot.hasCell else {
        throw WhatIfError(
          "with=\(text): \(notebook.printable(at: 40)) is \(slot.state.word) at that moment; it has no cell")
      }
      return act == .suspend ? .suspend(id, cell: slot.cell.id) : .interrupt(id, cell: slot.cell.id)
    case .hold: return .hold(id)
    case .release: return .release(id)
    case .unpin: return .unpin(id)
    case .priority(let value): return .setPriority(id, value)
    case .pin(let cores): return .pin(id, Pin(node: slot.node, cores: cores))
    }
  }

  private func find(in state: SchedulerState) throws(WhatIfError) -> NotebookID {
    let open = state.descriptions.filter { state[$0.id].state != .gone }
    let named = open.filter { $0.name == notebook || $0.path == notebook }
    if named.count == 1 { return named[0].id }
    if named.isEmpty, let number = Int32(notebook), let found = open.first(where: { $0.id.number == number }) {
      return found.id
    }
    let names = open.map { "\($0.id.number) \($0.name.printable(at: 30))" }.prefix(12).joined(separator: ", ")
    let there = open.isEmpty ? "none is open at that moment" : "there are \(names)"
    let what = named.isEmpty ? "there is no open notebook" : "there are several notebooks"
    throw WhatIfError("with=\(text): \(what) '\(notebook.printable(at: 40))'; \(there)")
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var rest = self
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
