/// Whose a request is, where the log does not name its user: before 2020-12 it never does, later not for binary replies
/// and not for requests that were never answered.
///
/// A request of the same burst is of the same user; else it is of the user whose objects it names (nobody can name
/// another's by accident, but anybody's may be deleted when Python collects its garbage, so that `delete` says nothing);
/// else it is of whoever is connected and was heard last.
struct ArkoudaOwners {
  /// No more users are told apart, and no more objects remembered: a log with more is none.
  static let usersMost = 1 << 16
  static let objectsMost = 1 << 18

  private(set) var names: [String] = []
  private var numbers: [String: Int] = [:]
  private var owners: [[UInt8]: Int] = [:]
  /// Who is connected, the one heard last at the end.
  private var connected: [Int] = []
  private var last: (user: Int, end: Int64)?
  private var namesUsers = false
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

  /// Whose the request is; nil where there are too many users.
  ///
  /// - Parameters:
  ///   - start: when it started, in microseconds.
  ///   - burst: requests no further apart than this are of one burst.
  mutating func owner(
    named name: String?, command: String, objects: [[UInt8]], start: Int64, burst: Int64
  ) -> Int? {
    if let name {
      namesUsers = true
      return user(named: name)
    }
    // A client that nobody names.
    if command == "connect" { return user(named: "client-\(names.count + 1)") }
    guessed += 1
    if let last, start - last.end <= burst { return last.user }
    if command != "delete" {
      for object in objects.reversed() {
        if let owner = owners[object], namesUsers || connected.contains(owner) { return owner }
      }
    }
    return connected.last ?? last?.user ?? user(named: "client-\(names.count + 1)")
  }

  /// Remembers whose the objects are, who is connected, and who was heard last.
  mutating func heard(_ user: Int, command: String, objects: [[UInt8]], end: Int64) {
    if owners.count > Self.objectsMost { owners.removeAll() }
    if command != "delete" {
      for object in objects { owners[object] = user }
    }
    if connected.last != user || command == "disconnect" {
      connected.removeAll { $0 == user }
      if command != "disconnect" { connected.append(user) }
      if connected.count > 1024 { connected.removeFirst() }
    }
    last = (user, end)
  }

  /// The server has started again: its objects are gone, and so are clients that nobody names.
  mutating func restarted() {
    owners.removeAll()
    connected.removeAll()
    if !namesUsers { last = nil }
  }
}
