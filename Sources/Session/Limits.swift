import Domain
import Synchronization

/// What one user, one connection and all of them together may ask of the server. Beyond it they are refused with the reason.
public struct Limits: Sendable, Hashable {
  /// The longest line that is read, in bytes.
  public var lineBytes = 65_536
  /// Connections, gates and clients together.
  public var connections = 4096
  public var connectionsPerUser = 2048
  /// Consoles and other clients.
  public var clients = 256
  public var clientsPerUser = 64
  /// Open notebooks of one user.
  public var notebooksPerUser = 1024
  /// Messages of one client: more is refused, and the connection ended.
  public var messagesPerSecond = 100
  /// Messages of one gate: more wait, unread.
  public var gateMessagesPerSecond = 2000
  /// Bytes that may wait for a client that does not read; beyond it the tail is dropped, and a fresh snapshot follows.
  public var queuedBytes = 4 << 20
  /// How long a connection may be silent before it has said who it is.
  public var greetingSeconds = 5
  /// How long a client may be silent; it answers a sign of life every two seconds.
  public var silenceSeconds = 60

  public init() {}
}

/// How much may still be sent: `perSecond` messages a second, and as many at once.
struct Allowance {
  private let perSecond: Double
  private var left: Double
  private var asOf: Instant

  init(perSecond: Int, at now: Instant) {
    self.perSecond = Double(max(perSecond, 1))
    left = self.perSecond
    asOf = now
  }

  /// Takes one message's worth; false where none is left.
  mutating func take(at now: Instant) -> Bool {
    refill(now)
    guard left >= 1 else { return false }
    left -= 1
    return true
  }

  /// When the next message may come; nil where one may come now.
  func exhaustedUntil(_ now: Instant) -> Instant? {
    var copy = self
    copy.refill(now)
    return copy.left >= 1 ? nil : now + Span(seconds: (1 - copy.left) / perSecond)
  }

  private mutating func refill(_ now: Instant) {
    guard now > asOf else { return }
    left = min(left + (now - asOf).seconds * perSecond, perSecond)
    asOf = now
  }
}

/// Counts the connections of each user. A connection holds a `Seat` as long as it lives, on whatever thread it ends.
final class Attendance: Sendable {
  private let counts = Mutex<(all: Int, byUser: [UInt32: Int])>((0, [:]))

  func sit(_ uid: UInt32) -> Seat {
    counts.withLock { counts in
      counts.all += 1
      counts.byUser[uid, default: 0] += 1
    }
    return Seat(uid, in: self)
  }

  fileprivate func rise(_ uid: UInt32) {
    counts.withLock { counts in
      counts.all -= 1
      counts.byUser[uid, default: 1] -= 1
      if counts.byUser[uid] == 0 { counts.byUser[uid] = nil }
    }
  }

  /// The connections that there are.
  var all: Int { counts.withLock { $0.all } }

  func count(of uid: UInt32) -> Int { counts.withLock { $0.byUser[uid] ?? 0 } }
}

/// A connection's place among those of its user.
final class Seat: Sendable {
  private let uid: UInt32
  private let attendance: Attendance

  fileprivate init(_ uid: UInt32, in attendance: Attendance) {
    self.uid = uid
    self.attendance = attendance
  }

  deinit { attendance.rise(uid) }
}
