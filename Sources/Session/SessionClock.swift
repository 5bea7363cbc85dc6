import CLinux
import Domain
import Foundation

/// Where a live session's instants come from: a clock that never falls, counted from the session's beginning.
public struct SessionClock: Sendable {
  private let beganMonotonic: Int64
  /// Wall time of the session's beginning, in microseconds since 1970.
  public let beganWallMicroseconds: Int64

  public init() {
    beganMonotonic = celltop_boottime_us()
    beganWallMicroseconds = Self.wallMicroseconds()
  }

  public var now: Instant { Instant(microseconds: celltop_boottime_us() - beganMonotonic) }

  /// Wall time, in microseconds since 1970.
  public static func wallMicroseconds() -> Int64 { Int64(Date().timeIntervalSince1970 * 1e6) }
}
