import Chance
import Domain
import Engine
import Foundation
import History
import Policies
import Projections
import Testing

/// The recording is killed (SIGKILL) at moments drawn by lot, under load, again and again on one file.
///
/// `CELLTOP_CRASHES` says how often; `make crash` does it 200 times. `CELLTOP_SEED` repeats a run's draws.
@Suite("A recording that is killed", .serialized) struct CrashTests {
  private static let environment = ProcessInfo.processInfo.environment
  static let crashes = environment["CELLTOP_CRASHES"].flatMap { Int($0) } ?? 20
  static let seed = environment["CELLTOP_SEED"].flatMap { UInt64($0) } ?? 1

  @Test("opens again, replays, has lost no committed entry and has no gap")
  func kill() async throws {
    let folder = NSTemporaryDirectory() + "celltop-crash-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/history.sqlite"
    var random = SplitMix(seed: Self.seed)
    var (killed, entries, sessions) = (0, Int64(0), Set<Int64>())
    for round in 0..<Self.crashes {
      // Most after some hundred commits, some within the first.
      let seconds = Double(random.next() % 300_000) / 1e6 * (random.next() % 4 == 0 ? 0.02 : 1)
      let hint = Comment(rawValue: "round \(round), CELLTOP_SEED=\(Self.seed)")
      let result = try await Checkout.run(
        Checkout.celltop,
        ["bench", "record", path, "--seed", "\(random.next() % 1000)", "--killed-after", "\(seconds)"])
      #expect(result.status == 137, hint)
      killed += 1
      guard let told = Self.lastCommit(result.output) else { continue }
      let session = try HistoryStore(reading: path).recorded(told.session)
      #expect(session.last >= told.entry, hint)
      try Self.check(session, hint)
      entries += session.last
      sessions.insert(session.id)
    }
    #expect(killed == Self.crashes)
    #expect(sessions.count > Self.crashes / 2, "most were killed before they had told of a commit")
    let verified = try await Checkout.run(
      Checkout.celltop, ["history", "verify"], environment: ["CELLTOP_HISTORY": path], seconds: 600)
    #expect(verified.status == 0 && verified.output.contains("all is well"), "\(verified.output)\(verified.errors)")
    print("killed \(killed) times, \(sessions.count) sessions with \(entries) entries: \(verified.output)")
  }

  /// What the recording said last that it had committed.
  private static func lastCommit(_ output: String) -> (session: Int64, entry: Int64)? {
    // The last line may be cut.
    for line in output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().reversed() {
      let words = line.split(separator: " ")
      if words.count == 3, words[0] == "committed", let session = Int64(words[1]), let entry = Int64(words[2]) {
        return (session, entry)
      }
    }
    return nil
  }

  /// The entries have no gap, are those that the recorded inputs bring, and fold to states whose books add up.
  private static func check(_ session: RecordedSession, _ hint: Comment) throws {
    var engine = try Scheduler(
      policy: "dynamic", from: .standard, settings: Scheduler.Settings(explainsWaits: false))
    var last: Int64 = 0
    var differs = false
    try session.forEachInput { input, brought in
      if engine.entries(for: input.input, at: input.at) != brought { differs = true }
      last = brought.last?.sequence ?? last
      return true
    }
    #expect(!differs && last == session.last, hint)
    let state = try session.fold(SchedulerState.self, through: session.last)
    #expect(state.brokenInvariants() == [] && state.sequence == session.last, hint)
    #expect(state.forgettingTheClosed == engine.state.forgettingTheClosed, hint)
  }

  @Test(
    "is read by another program while it goes on",
    .enabled(if: Checkout.missing == nil, "\(Checkout.missing ?? "")"))
  func readByOthers() async throws {
    let folder = NSTemporaryDirectory() + "celltop-read-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/history.sqlite"
    // Reads until it has seen the session grow ten times, each time a whole one: no stretch without its neighbour, no
    // ended cell that was not counted in its notebook.
    let program = """
      import os, sqlite3, sys
      path = sys.argv[1]
      while not os.path.exists(path): pass
      seen = set()
      while len(seen) < 10:
          try:
              reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
              reader.execute("BEGIN")
              gaps, = reader.execute("SELECT count(*) FROM stretch a WHERE first > 1 AND NOT EXISTS "
                  "(SELECT 1 FROM stretch b WHERE b.session = a.session AND b.last = a.first - 1)").fetchone()
              cells, = reader.execute("SELECT count(*) FROM waits WHERE outcome IS NOT NULL").fetchone()
              counted, = reader.execute("SELECT coalesce(sum(cells), 0) FROM notebook").fetchone()
              last, = reader.execute("SELECT max(last) FROM stretch").fetchone()
              reader.close()
          except sqlite3.OperationalError as error:
              if "no such table" in str(error) or "locked" in str(error): continue
              raise
          assert gaps == 0 and cells == counted, (gaps, cells, counted)
          if last: seen.add(last)
      print("saw", len(seen))
      """
    async let recording = Checkout.run(
      Checkout.celltop, ["bench", "record", path, "--until", folder + "/seen"], seconds: 60)
    let reading = try await Checkout.run(Checkout.python, ["-c", program, path], seconds: 60)
    try Data().write(to: URL(fileURLWithPath: folder + "/seen"))
    #expect(reading.status == 0 && reading.output == "saw 10\n", "\(reading.errors)")
    #expect(try await recording.status == 0)
  }
}
