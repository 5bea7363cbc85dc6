import Domain
import Engine
import Forecast
import Foundation
import History
import Policies
import Testing

@testable import Session

/// What one session teaches the next, over the history and the file beside it.
@Suite("What past sessions teach")
final class PastForecasterTests {
  private let folder = NSTemporaryDirectory() + "celltop-past-\(UUID().uuidString)"
  private let store: HistoryStore

  init() throws {
    store = try HistoryStore(path: folder + "/history.sqlite")
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Records a session in which a notebook ran the same code `runs` times, 10 s each.
  private func record(runs: Int, code: UInt64, closes: Bool = true) throws -> Int64 {
    let writer = SessionWriter(
      path: store.path, SessionWriter.Heading(kind: "live", host: "h", user: "ana", beganMicroseconds: 0))
    var scheduler = try Scheduler(policy: "fcfs", from: .standard)
    var clock = Instant.zero
    func give(_ observation: Observation) {
      let before = scheduler.state.sequence
      let entries = scheduler.entries(for: .observation(observation), at: clock)
      writer.take(.observation(observation), at: clock, after: before, bringing: entries)
    }
    give(.nodeFound(Node(id: NodeID(0), name: "n", cores: CoreSet(0..<4))))
    give(.notebookOpened(Notebook(id: NotebookID(0), node: NodeID(0), user: "ana", path: "a.ipynb")))
    for run in 0..<runs {
      give(.cellSubmitted(NotebookID(0), .oneCore, CellSource(codeHash: code), nil))
      clock = clock + Span(seconds: 10)
      give(.cellEnded(NotebookID(0), CellID(Int64(run + 1)), .ok))
    }
    #expect(writer.flush(insists: true))
    if closes { writer.end(atMicroseconds: 1, digest: "") }
    return writer.session
  }

  private func expects(_ past: PastForecaster, _ code: UInt64) -> Double? {
    var forecaster = past.forecaster
    forecaster.open(Notebook(id: NotebookID(0), node: NodeID(0), user: "ana", path: "a.ipynb"))
    let forecast = forecaster.forecast(CellSource(codeHash: code), .oneCore, in: NotebookID(0))
    return forecast?.basis == .code ? forecast?.run.p50.seconds : nil
  }

  @Test("is read from the sessions where nothing was kept")
  func fromEntries() throws {
    let session = try record(runs: 20, code: 7)
    let past = PastForecaster(of: store, before: session + 1)
    #expect(past.trouble == nil)
    #expect(abs((expects(past, 7) ?? 0) - 10) < 1)
  }

  @Test("is kept beside the history, and only what came later is read again")
  func kept() throws {
    let first = try record(runs: 20, code: 7)
    let past = PastForecaster(of: store, before: first + 1)
    let file = ForecasterFile(besideHistory: store.path)
    let entries = try #require(store.entries(of: first).last).sequence
    try file.write(ForecasterFile.Kept(forecaster: past.forecaster, session: first, sequence: entries))
    #expect(PastForecaster(of: store, before: first + 1).forecaster == past.forecaster, "nothing is learned twice")

    let second = try record(runs: 20, code: 8, closes: false)
    let later = PastForecaster(of: store, before: second + 1)
    #expect(expects(later, 7) != nil && expects(later, 8) != nil)
    #expect(try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int == 0o600)
  }

  @Test("is told and learned anew where the file is damaged, until it is written again")
  func damaged() throws {
    let session = try record(runs: 20, code: 7)
    let file = ForecasterFile(besideHistory: store.path)
    try Data("nothing of the sort, whatever it may be".utf8).write(to: URL(fileURLWithPath: file.path))
    let past = PastForecaster(of: store, before: session + 1)
    #expect(past.trouble?.contains("cannot be read") == true)
    #expect(expects(past, 7) != nil)
    let keeper = ForecasterKeeper(besideHistory: store.path, trouble: past.trouble)
    #expect(keeper.trouble != nil)
    keeper.end(past.forecaster, session: session + 1, sequence: 1)
    #expect(keeper.trouble == nil)
    #expect(try file.read()?.forecaster == past.forecaster)
  }

  @Test("is not taken from another history's file")
  func foreign() throws {
    let session = try record(runs: 20, code: 7)
    let file = ForecasterFile(besideHistory: store.path)
    try file.write(ForecasterFile.Kept(forecaster: Forecaster(), session: session + 10, sequence: 99))
    #expect(expects(PastForecaster(of: store, before: session + 1), 7) != nil)
  }
}
