import Domain
import Forecast
import Foundation

/// The file beside the history that keeps what the forecaster has learned, and up to which entry.
///
/// It is a part of no session, so that pruning old sessions forgets nothing that was learned from them.
struct ForecasterFile: Sendable {
  let path: String

  /// What the file holds.
  struct Kept: Sendable {
    var forecaster: Forecaster
    /// The last session that it has learned from, and that session's last entry that it has learned from.
    var session: Int64
    var sequence: Int64
  }

  /// The file that belongs to a history.
  init(besideHistory path: String) { self.path = path + "-forecaster" }

  /// What was kept; nil where there is no file.
  ///
  /// - Throws: `SavedForecasterError` where it cannot be understood, or an error of the file system.
  func read() throws -> Kept? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    guard bytes.count >= 16 else { throw SavedForecasterError("it is cut short") }
    return Kept(
      forecaster: try Forecaster(saved: Array(bytes[16...])), session: Self.number(bytes[0..<8]),
      sequence: Self.number(bytes[8..<16]))
  }

  /// Replaces what was kept, all or nothing.
  ///
  /// - Throws: an error of the file system.
  func write(_ kept: Kept) throws {
    var bytes = Self.bytes(kept.session) + Self.bytes(kept.sequence)
    bytes += kept.forecaster.saved
    let url = URL(fileURLWithPath: path)
    try Data(bytes).write(to: url, options: .atomic)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
    Int64(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) })
  }

  private static func bytes(_ number: Int64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: UInt64(bitPattern: number) >> (8 * UInt64($0))) }
  }
}
