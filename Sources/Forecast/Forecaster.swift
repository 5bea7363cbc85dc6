import Domain

/// Predicts how long a cell will run from how long cells ran before: the same code first, then its notebook, then its
/// user, then everyone.
///
/// It learns from a session's entries as they come, live or replayed. A level speaks once it has seen `runsLeast` runs
/// (one, for the same code). Each level keeps its last `Sample.most` runs, so that the recent past counts and memory is
/// bounded; the oldest keys are forgotten beyond `keysMost`.
public struct Forecaster: Sendable {
  /// The most codes, notebooks and users that are remembered, each.
  public static let keysMost = 4096
  /// How many runs a level other than the same code must have seen.
  public static let runsLeast = 3

  private var byCode = SampleTable<UInt64>()
  private var byNotebook = SampleTable<String>()
  private var byUser = SampleTable<String>()
  private var everyone = Sample()
  private var notebooks: [Running] = []

  private struct Running: Sendable {
    var path: String
    var user: String
    var cell: Cell?
    var runningSince: Instant?
    var ran = Span.zero
  }

  public init() {}

  /// Forgets the notebooks of the session before, whose numbers mean others from now on; what was learned stays.
  public mutating func beginSession() { notebooks = [] }

  /// Learns from one entry.
  public mutating func learn(from entry: Entry) {
    guard let id = entry.event.notebook, id.number >= 0 else { return }
    let index = Int(id.number)
    if case .notebookOpened(let notebook) = entry.event, index == notebooks.count {
      notebooks.append(Running(path: notebook.path, user: notebook.user))
    }
    guard index < notebooks.count else { return }
    switch entry.event {
    case .cellQueued(let cell):
      notebooks[index].cell = cell
      notebooks[index].runningSince = nil
      notebooks[index].ran = .zero
    case .cellStarted, .cellResumed: notebooks[index].runningSince = entry.at
    case .cellSuspended: stopClock(index, at: entry.at)
    case .cellEnded(_, _, let outcome):
      stopClock(index, at: entry.at)
      if outcome == .ok, let cell = notebooks[index].cell { learn(cell, ran: notebooks[index].ran, index) }
      notebooks[index].cell = nil
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellRefused, .cellWaits, .cellAdopted, .cellResized, .interruptRequested, .priorityChanged,
      .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused,
      .decisionRefused, .effectFailed, .usageSampled, .invariantBroken:
      break
    }
  }

  private mutating func stopClock(_ index: Int, at now: Instant) {
    guard let since = notebooks[index].runningSince else { return }
    notebooks[index].ran += now - since
    notebooks[index].runningSince = nil
  }

  private mutating func learn(_ cell: Cell, ran: Span, _ index: Int) {
    let seconds = max(ran.seconds, 1e-4)
    if cell.source.codeHash != 0 { byCode.add(seconds, to: cell.source.codeHash) }
    byNotebook.add(seconds, to: notebooks[index].path)
    byUser.add(seconds, to: notebooks[index].user)
    everyone.add(seconds)
  }

  /// The forecast for a cell about to be submitted; nil before anything has been learned.
  public func forecast(codeHash: UInt64, path: String, user: String) -> CellForecast? {
    if codeHash != 0, let sample = byCode[codeHash] {
      return CellForecast(run: sample.quantiles, basis: .code)
    }
    if let sample = byNotebook[path], sample.count >= Self.runsLeast {
      return CellForecast(run: sample.quantiles, basis: .notebook)
    }
    if let sample = byUser[user], sample.count >= Self.runsLeast {
      return CellForecast(run: sample.quantiles, basis: .user)
    }
    guard everyone.count >= Self.runsLeast else { return nil }
    return CellForecast(run: everyone.quantiles, basis: .everyone)
  }
}
