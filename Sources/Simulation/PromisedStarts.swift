import Domain

/// How well the expected starts that people were shown have kept what they promised.
///
/// A promise is what a cell was told at its submission: the range for its start. It is held against the start that came.
public struct PromisedStarts: Sendable, Hashable {
  /// Cells that had to wait and have started since.
  public private(set) var waited = 0
  /// Of them, those that were told a range.
  public private(set) var promised = 0
  /// Promised cells that started within, before and after their range.
  public private(set) var within = 0
  public private(set) var before = 0
  public private(set) var after = 0
  /// Promised cells that started no later than the promised median.
  public private(set) var upToMedian = 0
  /// Sums of waits, of widths of ranges, and of the distance of the median from the start, in seconds.
  private var waitSeconds = 0.0
  private var widthSeconds = 0.0

  public init(of entries: [Entry]) {
    var open: [NotebookID: (cell: CellID, at: Instant, range: ExpectedStart?)] = [:]
    for entry in entries {
      switch entry.event {
      case .cellQueued(let cell): open[cell.notebook] = (cell.id, entry.at, nil)
      case .cellWaits(let cell, let id, let wait):
        if let known = open[id], known.cell == cell, known.at == entry.at { open[id]?.range = wait.expected }
      case .cellStarted(let cell, let id, _, _):
        guard let known = open.removeValue(forKey: id), known.cell == cell, known.at < entry.at else { continue }
        count(known.at, known.range, started: entry.at)
      case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
        .backlogChanged, .cellRefused, .cellAdopted, .cellResized, .cellSuspended, .cellResumed, .interruptRequested,
        .cellEnded, .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden,
        .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
        .memoryEvicted, .gpusSeen, .suspensionPlanned, .suspensionCalledOff:
        break
      }
    }
  }

  private mutating func count(_ submitted: Instant, _ range: ExpectedStart?, started: Instant) {
    waited += 1
    guard let range else { return }
    promised += 1
    if started < range.early {
      before += 1
    } else if started > range.late {
      after += 1
    } else {
      within += 1
    }
    if started <= range.median { upToMedian += 1 }
    waitSeconds += (started - submitted).seconds
    widthSeconds += (range.late - range.early).seconds
  }

  private func share(_ count: Int) -> Double { Double(count) / Double(max(promised, 1)) }

  /// The share of promised starts within their range.
  public var coverage: Double { share(within) }
  /// The share of promised starts that came before their range.
  public var tooEarly: Double { share(before) }
  /// The share of promised starts that came after their range.
  public var tooLate: Double { share(after) }
  /// The share of promised starts up to the promised median.
  public var median: Double { share(upToMedian) }
  /// The mean wait of promised cells, in seconds.
  public var waitMean: Double { waitSeconds / Double(max(promised, 1)) }
  /// The mean width of the ranges, in seconds.
  public var widthMean: Double { widthSeconds / Double(max(promised, 1)) }
}
