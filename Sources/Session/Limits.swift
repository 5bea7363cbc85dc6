import Domain
import Synchronization

/// What one user, one connection and all of them together may ask of the server. Beyond it they are refused with the reason.
public struct Limits: Sendable, Hashable {
  /// The longest line that is read, in bytes.
  public var lineBytes = 65_536
  /// Connections, gates and clients together.
  public var connections = 4096
  public var connectionsPerUser = 2048
  /// How often one user connects a second, after as many at once as there may be.
  public var connectionsPerSecond = 100
  /// Consoles and other clients.
  public var clients = 256
  public var clientsPerUser = 64
  /// Open notebooks of one user.
  public var notebooksPerUser = 1024
  /// Notebooks that one user opens a minute, after as many at once as may be open.
  public var notebooksPerMinute = 60
  /// Of so many notebooks, the latest, the past is kept in memory and told in reports though they have closed.
  public var closedNotebooks = 1024
  /// Messages of one client: more wait, unread.
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

/// How much may still be done: so much at once, and `perSecond` a second (a token bucket).
struct Allowance {
  private let perSecond: Double
  private let atOnce: Double
  private var left: Double
  private var asOf: Instant

  /// As many at once as a second.
  init(perSecond: Int, at now: Instant) {
    self.init(perSecond: Double(max(perSecond, 1)), atOnce: Double(max(perSecond, 1)), at: now)
  }

  /// - Parameters: both above 0; `atOnce` 1 at the least.
  init(perSecond: Double, atOnce: Double, at now: Instant) {
    (self.perSecond, self.atOnce) = (perSecond, atOnce)
    left = atOnce
    asOf = now
  }

  /// Takes one's worth; false where none is left.
  mutating func take(at now: Instant) -> Bool {
    refill(now)
    guard left >= 1 else { return false }
    left -= 1
    return true
  }

  /// Whether nothing was taken for so long that all is there again.
  mutating func isWhole(at now: Instant) -> Bool {
    refill(now)
    return left >= atOnce
  }

  /// When the next one may come; nil where one may come now.
  func exhaustedUntil(_ now: Instant) -> Instant? {
    var copy = self
    copy.refill(now)
    return copy.left >= 1 ? nil : now + Span(seconds: (1 - copy.left) / perSecond)
  }

  private mutating func refill(_ now: Instant) {
    guard now > asOf else { return }
    left = min(left + (now - asOf).seconds * perSecond, atOnce)
    asOf = now
  }
}

/// How often each user may do something that leaves something behind.
struct Pace {
  private let perSecond: Double
  private let atOnce: Double
  /// Of those who have done it lately.
  private var allowances: [UInt32: Allowance] = [:]
  /// More are looked through for those who need not be known any longer.
  private var sweepAbove = 256

  /// - Parameters: 1 at the least; `atOnce` is raised to what may be done within `spanSeconds`.
  init(_ count: Int, inSeconds spanSeconds: Double, atOnce: Int) {
    perSecond = Double(max(count, 1)) / spanSeconds
    self.atOnce = Double(max(atOnce, count, 1))
  }

  /// Takes one of a user's; false where none is left.
  mutating func take(_ uid: UInt32, at now: Instant) -> Bool {
    if allowances.count > sweepAbove { sweep(at: now) }
    return allowances[uid, default: Allowance(perSecond: perSecond, atOnce: atOnce, at: now)].take(at: now)
  }

  /// In how many seconds a user who has none left may try again: whole ones, 1 at the least.
  func retrySeconds(_ uid: UInt32, at now: Instant) -> Double {
    let next = allowances[uid]?.exhaustedUntil(now) ?? now
    return max((next - now).seconds.rounded(.up), PeerConnection.retrySeconds)
  }

  /// How many users are remembered.
  var remembered: Int { allowances.count }

  /// Whoever has all of it again needs not be known.
  private mutating func sweep(at now: Instant) {
    for (uid, allowance) in allowances {
      var allowance = allowance
      if allowance.isWhole(at: now) { allowances[uid] = nil }
    }
    sweepAbove = max(256, allowances.count * 2)
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
