import CLinux
import Domain
import Foundation

/// Where a live session's instants come from: a clock that never falls, counted from the session's beginning. The wall clock
/// is read once, at the beginning: setting it changes no instant.
public struct SessionClock: Sendable {
  private let uptime: @Sendable () -> Int64
  private let beganUptime: Int64
  /// Wall time of the session's beginning, in microseconds since 1970.
  public let beganWallMicroseconds: Int64

  /// - Parameters:
  ///   - uptime: microseconds by a clock that never falls and goes on while the machine sleeps: `CLOCK_BOOTTIME`.
  ///   - wall: microseconds since 1970.
  public init(
    uptime: @escaping @Sendable () -> Int64 = { celltop_boottime_us() },
    wall: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1e6) }
  ) {
    self.uptime = uptime
    beganUptime = uptime()
    beganWallMicroseconds = wall()
  }

  public var now: Instant { Instant(microseconds: uptime() - beganUptime) }

  /// The present wall time as it was counted from the beginning on, in microseconds since 1970.
  public var wallMicroseconds: Int64 { beganWallMicroseconds + now.microseconds }
}
