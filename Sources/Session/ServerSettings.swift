import Domain
import GateLink
import TOMLKit

/// What an operator wrote of the server in celltop's configuration file.
///
/// ```toml
/// [access]
/// operators = ["olga"]           # besides root and the server's own user
/// operator_groups = ["wheel"]
/// observers = ["wallboard"]
/// observer_groups = []
/// everyone = "author"            # or "observer", or "nobody"
/// show_code = false              # whether operators and authors see the cells' code; else it never leaves the gates
/// show_paths = false             # whether everybody sees everybody's paths and processes
///
/// [limits]                       # see Docs/PROTOCOL.md
/// clients_per_user = 64
/// ```
public struct ServerSettings: Equatable, Sendable {
  public var access = AccessRules()
  public var limits = Limits()

  public init() {}

  /// The limits that can be set, by name.
  static let numbers: [(name: String, place: WritableKeyPath<Limits, Int> & Sendable, range: ClosedRange<Int>)] =
    [
      ("line_bytes", \.lineBytes, 1024...(16 << 20)), ("connections", \.connections, 1...1_000_000),
      ("connections_per_user", \.connectionsPerUser, 1...1_000_000),
      ("connections_per_second", \.connectionsPerSecond, 1...1_000_000), ("clients", \.clients, 0...1_000_000),
      ("clients_per_user", \.clientsPerUser, 0...1_000_000),
      ("notebooks_per_user", \.notebooksPerUser, 0...1_000_000),
      ("notebooks_per_minute", \.notebooksPerMinute, 1...1_000_000),
      ("closed_notebooks", \.closedNotebooks, 0...1_000_000),
      ("messages_per_second", \.messagesPerSecond, 1...1_000_000),
      ("gate_messages_per_second", \.gateMessagesPerSecond, 10...1_000_000),
      ("queued_bytes", \.queuedBytes, 4096...(1 << 30)), ("greeting_seconds", \.greetingSeconds, 1...3600),
      ("silence_seconds", \.silenceSeconds, 5...86_400),
    ]

  /// Reads the tables `access` and `limits` of a file's text; the others are somebody else's.
  ///
  /// - Parameter path: names the file in errors.
  /// - Throws: `SessionError` that names the place and how to write it.
  public init(parsing text: String, path: String) throws(SessionError) {
    let table: TOMLTable
    do { table = try TOMLTable(string: text) } catch { throw Self.wrong(path, "is not TOML: \(error)") }
    if let value = table["access"] {
      guard let table = value.table else { throw Self.wrong(path, "access is no table") }
      for (key, value) in table { try readAccess(key, value, path) }
    }
    if let value = table["limits"] {
      guard let table = value.table else { throw Self.wrong(path, "limits is no table") }
      for (key, value) in table { try readLimit(key, value, path) }
    }
    guard !access.showsCode || limits.lineBytes >= LineCodec.lineBytesMost else {
      throw Self.wrong(
        path,
        "with access.show_code limits.line_bytes is \(LineCodec.lineBytesMost) at least: a cell's code is one line")
    }
  }

  private static func wrong(_ path: String, _ why: String) -> SessionError {
    SessionError("the configuration \(path.printable(at: 200)): \(why)")
  }

  private mutating func readAccess(_ key: String, _ value: any TOMLValueConvertible, _ path: String)
    throws(SessionError)
  {
    func names() throws(SessionError) -> Set<String> {
      let list = value.array?.map { $0.string } ?? [nil]
      guard !list.contains(nil) else { throw Self.wrong(path, "access.\(key) is no list of names in quotes") }
      return Set(list.compactMap { $0 })
    }
    switch key {
    case "operators": access.operators = try names()
    case "operator_groups": access.operatorGroups = try names()
    case "observers": access.observers = try names()
    case "observer_groups": access.observerGroups = try names()
    case "everyone":
      guard let known = value.string.flatMap(AccessRules.Everyone.init(rawValue:)) else {
        throw Self.wrong(path, "access.everyone is neither \"author\", \"observer\" nor \"nobody\"")
      }
      access.everyone = known
    case "show_code":
      guard let flag = value.bool else { throw Self.wrong(path, "access.show_code is neither true nor false") }
      access.showsCode = flag
    case "show_paths":
      guard let flag = value.bool else { throw Self.wrong(path, "access.show_paths is neither true nor false") }
      access.showsPaths = flag
    default:
      throw Self.wrong(
        path,
        "there is no 'access.\(key.printable(at: 60))'; there are operators, operator_groups, observers, observer_groups, everyone, show_code, show_paths"
      )
    }
  }

  private mutating func readLimit(_ key: String, _ value: any TOMLValueConvertible, _ path: String)
    throws(SessionError)
  {
    guard let known = Self.numbers.first(where: { $0.name == key }) else {
      throw Self.wrong(
        path,
        "there is no 'limits.\(key.printable(at: 60))'; there are \(Self.numbers.map(\.name).joined(separator: ", "))")
    }
    guard let number = value.int, known.range.contains(number) else {
      throw Self.wrong(
        path, "limits.\(key) is no number from \(known.range.lowerBound) to \(known.range.upperBound)")
    }
    limits[keyPath: known.place] = number
  }
}
