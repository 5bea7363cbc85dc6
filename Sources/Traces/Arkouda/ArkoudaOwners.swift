/// Whose a request is, where the log does not name its user: before 2020-12 it never does, later not for binary replies
/// and not for requests that were never answered.
///
/// What the server holds is told apart by name, and nobody uses another's objects; a request of the same burst is of the
/// same user; else it is of whoever was last heard.
struct ArkoudaOwners {
  /// No more users are told apart, and no more objects remembered: a log with more is none.
  static let usersMost = 1 << 16
  static let objectsMost = 1 << 18

  private(set) var names: [String] = []
  private var numbers: [String: Int] = [:]
  private var owners: [[UInt8]: Int] = [:]
  private var last: Int?
  private var lastEnd: Int64 = .min
  /// How many requests were given to a user by these rules.
  private(set) var guessed = 0

  /// The number of a user who is named; nil where there are too many.
  mutating func user(named name: String) -> Int? {
    if let number = numbers[name] { return number }
    guard names.count < Self.usersMost else { return nil }
    names.append(name)
    numbers[name] = names.count - 1
    return names.count - 1
  }

  /// Whose the request is: by name, else by what it touches, else by what came before.
  ///
  /// - Parameters:
  ///   - start: when it started, in microseconds.
  ///   - burst: requests no further apart than this are of one burst.
  mutating func owner(
    named name: String?, command: String, objects: [[UInt8]], start: Int64, burst: Int64
  ) -> Int? {
    if let name { return user(named: name) }
    if command == "connect" {
      // A client that nobody names.
      return user(named: "client-\(names.count + 1)")
    }
    guessed += 1
    for object in objects.reversed() {
      if let owner = owners[object] { return owner }
    }
    if let last, start - lastEnd <= burst { return last }
    return last ?? user(named: "client-1")
  }

  /// Remembers whose the objects are and who was heard last.
  mutating func heard(_ user: Int, objects: [[UInt8]], end: Int64) {
    if owners.count > Self.objectsMost { owners.removeAll() }
    for object in objects { owners[object] = user }
    last = user
    lastEnd = end
  }

  /// The server has started again: its objects are gone.
  mutating func restarted() { owners.removeAll() }
}
