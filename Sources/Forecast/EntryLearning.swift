import Domain

// Learning from a session's entries, live or read back.
extension Forecaster {
  /// Learns from one entry.
  public mutating func learn(from entry: Entry) {
    switch entry.event {
    case .notebookOpened(let notebook): open(notebook)
    case .notebookClosed(let id): close(id)
    case .cellQueued(let cell): submit(cell.source, cell.demand, in: cell.notebook, at: entry.at)
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      run(id, on: allotment, at: entry.at)
    case .cellResized(_, let id, let allotment, _): run(id, on: allotment, at: entry.at)
    case .cellSuspended(_, let id, _): pause(id, at: entry.at)
    case .usageSampled(let id, let usage): measure(id, usage)
    case .cellEnded(_, let id, let outcome):
      pause(id, at: entry.at)
      guard let measured = measured(id) else { return }
      end(id, ran: measured.ran, need: measured.need, isWhole: outcome == .ok, at: entry.at)
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .backlogChanged, .cellRefused,
      .cellWaits, .cellAdopted, .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed,
      .invariantBroken, .memoryEvicted, .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }
}

extension Forecaster {
  private mutating func run(_ id: NotebookID, on allotment: Allotment, at now: Instant) {
    pause(id, at: now)
    guard sittings[id.number]?.own != nil else { return }
    sittings[id.number]?.progress.runningSince = now
    sittings[id.number]?.progress.cores = allotment.cores.count
  }

  private mutating func pause(_ id: NotebookID, at now: Instant) {
    guard let since = sittings[id.number]?.progress.runningSince else { return }
    sittings[id.number]?.progress.ran += now - since
    sittings[id.number]?.progress.runningSince = nil
  }

  private mutating func measure(_ id: NotebookID, _ usage: Usage) {
    guard sittings[id.number]?.progress.runningSince != nil else { return }
    sittings[id.number]?.progress.measure(usage)
  }

  /// What the notebook's cell was seen to do; nil where it has none, or it never ran.
  private func measured(_ id: NotebookID) -> (ran: Span, need: MeasuredNeed)? {
    guard let sitting = sittings[id.number], sitting.own != nil else { return nil }
    let progress = sitting.progress
    return (
      progress.ran,
      MeasuredNeed(
        millicores: progress.millicoresMost, gpus: sitting.demand.gpus, memory: progress.memoryMost,
        gpuMemory: sitting.demand.gpuMemory, parallelThousandths: progress.parallelThousandths)
    )
  }
}

/// What is seen of a cell while it runs.
struct Progress: Sendable, Hashable {
  var runningSince: Instant?
  var ran = Span.zero
  var cores = 0
  var millicoresMost: Int64?
  var memoryMost: Bytes?
  /// Sums over the samples that were taken on more cores than one.
  private var samples = 0.0
  private var millicoresSum = 0.0
  private var coresSum = 0.0

  mutating func measure(_ usage: Usage) {
    millicoresMost = max(millicoresMost ?? 0, Int64(usage.millicores))
    memoryMost = max(memoryMost ?? .zero, usage.memory)
    guard cores > 1 else { return }
    samples += 1
    millicoresSum += Double(usage.millicores)
    coresSum += Double(cores)
  }

  /// Amdahl's parallel share for which so many of the cores would be busy; nil where it had more cores than one at no sample.
  ///
  /// On k cores a share p keeps S = 1 / (1 − p + p/k) of them busy, so p = (1 − 1/S) / (1 − 1/k).
  var parallelThousandths: Int32? {
    guard samples > 0 else { return nil }
    let cores = coresSum / samples
    let busy = min(max(millicoresSum / samples / 1000, 1), cores)
    return Int32(((1 - 1 / busy) / (1 - 1 / cores) * 1000).rounded())
  }
}
