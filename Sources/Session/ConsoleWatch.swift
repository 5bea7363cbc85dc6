import CLinux
import Domain
import Foundation

/// Knows when a session that was started for a console is over: once no console is there, and none is to be expected back.
///
/// A console that leaves says so. One that only vanishes may come back: its connection broke, or it was stopped (^Z) and let go
/// for its silence. It is waited for as long as its process lives, and a little longer.
struct ConsoleWatch {
  /// How long the first console is waited for.
  static let startSpan = Span(seconds: 30)
  /// How long is waited once the last console has vanished, and its process with it.
  static let awaySpan = Span(seconds: 10)

  /// When the session is over; nil where it needs no console.
  private var until: Instant?
  /// Consoles that vanished while their processes lived: pidfds (pidfd_open(2)) by process.
  private var away: [Int32: Int32] = [:]

  init(needsConsole: Bool, at now: Instant) { until = needsConsole ? now + Self.startSpan : nil }

  /// The session goes on without consoles.
  mutating func stay() {
    until = nil
    for descriptor in away.values { close(descriptor) }
    away = [:]
  }

  /// When `isOver` is to be asked at the latest while nobody is there; `never` for not at all.
  var wakeAt: Instant { until ?? .never }

  /// A console's connection has ended.
  mutating func lost(_ pid: Int32) {
    guard until != nil, away[pid] == nil else { return }
    let descriptor = celltop_pidfd_open(pid)
    if descriptor >= 0 { away[pid] = descriptor }
  }

  /// Whether the session is over; said once.
  ///
  /// - Parameter isFollowed: whether somebody follows the session at present.
  mutating func isOver(isFollowed: Bool, at now: Instant) -> Bool {
    guard let end = until else { return false }
    // A process's pidfd can be read once it has ended.
    for (pid, descriptor) in away {
      var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 0) > 0 else { continue }
      close(descriptor)
      away[pid] = nil
    }
    guard !isFollowed, away.isEmpty else {
      until = max(end, now + Self.awaySpan)
      return false
    }
    guard end <= now else { return false }
    stay()
    return true
  }
}
