import Domain

extension HistoryStore {
  /// How long ago a session may have been cut short for the next one to count as its continuation, in microseconds.
  public static let resumesWithinMicroseconds: Int64 = 600_000_000

  /// The newest live session of a host, where it was cut short (its process is gone, and it has no end) at most
  /// `resumesWithinMicroseconds` before a moment: the session that begins then goes on with its kernels.
  ///
  /// - Parameter wall: microseconds since 1970.
  /// - Throws: `HistoryError` where the file cannot be read.
  public func sessionCutShort(host: String, beforeMicroseconds wall: Int64) throws(HistoryError) -> SessionSummary? {
    guard let last = try sessions().first(where: { $0.kind == "live" && $0.host == host && $0.entries > 0 }),
      last.endedMicroseconds == nil,
      wall - (last.beganMicroseconds + last.lengthMicroseconds) < Self.resumesWithinMicroseconds,
      try !isBeingWritten(last.id)
    else { return nil }
    return last
  }
}
