import Domain
import Foundation
import GRDB

/// What looking through a history found.
public struct VerifyReport: Sendable, Hashable, Codable {
  public var sessions = 0
  public var entries: Int64 = 0
  public var frames = 0
  /// What is wrong, a sentence each; empty where all is well.
  public var faults: [String] = []
}

extension HistoryStore {
  /// Reads all of the file: SQLite's own check, each stretch against its digest, the sequences for gaps, each session that
  /// ended against the digest of its entries, and each key frame against the fold of the entries before it.
  ///
  /// - Parameters:
  ///   - folds: the folds whose key frames are checked.
  ///   - progress: called now and then with the entries read so far.
  /// - Throws: `HistoryError` where the file cannot be read at all.
  public func verify(
    folds: [any KeyFrame.Type], progress: (Int64) -> Void = { _ in }
  ) throws(HistoryError) -> VerifyReport {
    var report = VerifyReport()
    let told = try reading { db in try String.fetchAll(db, sql: "PRAGMA integrity_check(20)") }
    if told != ["ok"] { report.faults += told.map { "the file: \($0)" } }
    for summary in try sessions().reversed() {
      report.sessions += 1
      do throws(HistoryError) {
        try verify(RecordedSession(self, summary), folds, &report, progress)
      } catch {
        report.faults.append(error.description)
      }
    }
    return report
  }

  private func verify(
    _ session: RecordedSession, _ kinds: [any KeyFrame.Type], _ report: inout VerifyReport,
    _ progress: (Int64) -> Void
  ) throws(HistoryError) {
    let summary = session.summary
    var frames = try frames(of: session.id)
    report.frames += frames.count
    // Without its beginning a session can be folded from its first frames only, against which nothing can be held.
    var folds: [any KeyFrame] = session.first == 1 ? kinds.map { $0.init() } : []
    var digest = Digest()
    var entries: Int64 = 0
    var faults: [String] = []
    try session.forEach { entry in
      digest.absorb(entry)
      entries += 1
      if entries % 65_536 == 0 { progress(report.entries + entries) }
      for index in folds.indices {
        folds[index].apply(entry)
        let kind = type(of: folds[index]).frameKind
        guard frames.last?.sequence == entry.sequence else { continue }
        for frame in frames.reversed() where frame.sequence == entry.sequence && frame.kind == kind {
          let expected = PackedFrame(folds[index])
          if frame.version == Int64(expected.version), frame.digest != SessionRows.digest(of: expected.bytes) {
            faults.append("session \(session.id): the key frame \(kind) at entry \(entry.sequence) is another")
          }
        }
      }
      while let last = frames.last, last.sequence <= entry.sequence { frames.removeLast() }
      return true
    }
    report.faults += faults
    report.entries += entries
    if entries != max(summary.entries - summary.first + 1, 0), try session.store.isBeingWritten(session.id) == false {
      report.faults.append("session \(session.id) has \(entries) entries from \(summary.first) to \(summary.entries)")
    }
    if let told = summary.digest, session.first == 1, told != digest.hexadecimal {
      report.faults.append(
        "session \(session.id) ended with the digest \(told), and its entries give \(digest.hexadecimal)")
    }
  }

  /// A session's frames, newest first; each has been held against the digest of its own bytes.
  private func frames(of session: Int64) throws(HistoryError) -> [(
    kind: UInt8, version: Int64, sequence: Int64, digest: Int64
  )] {
    try reading { db in
      let cursor = try Row.fetchCursor(
        db, sql: "SELECT kind, version, sequence, digest, frame FROM keyframe WHERE session = ? ORDER BY sequence DESC",
        arguments: [session])
      var result: [(kind: UInt8, version: Int64, sequence: Int64, digest: Int64)] = []
      while let row = try cursor.next() {
        let digest = try row.withUnsafeData(atIndex: 4) { data in
          (data ?? Data()).withUnsafeBytes { SessionRows.digest($0) }
        }
        guard digest == row[3] as Int64? else {
          throw HistoryError(
            "session \(session): the key frame \(row[0] as Int64) at entry \(row[2] as Int64) is damaged: its digest is another"
          )
        }
        result.append((row[0], row[1], row[2], row[3]))
      }
      return result
    }
  }
}
