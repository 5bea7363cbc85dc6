import Domain

/// What the recorded entries of a scheduled run say: who ran when on how many cores, what was taken from whom, and whether
/// everyone who waited was told why.
public struct SessionAccount: Sendable {
  private struct Open {
    var cell: CellID
    var number: Int
    var queued: Instant
    var isExplained = false
    var hasStarted = false
    var cores = 0
    var since: Instant?
    var ran: [TimedCell.Stretch] = []
  }

  /// A wait shorter than this is the engine's own turn of its loop.
  public static let waitLeast = Span(microseconds: 2000)

  public private(set) var preemptions = 0
  public private(set) var shrinks = 0
  public private(set) var waits = 0
  /// Cells that waited longer than `waitLeast` before their first start with no reason on record.
  public private(set) var unexplainedWaits = 0
  /// Decisions that the engine refused, effects that failed and broken checks: 0 where all is well.
  public private(set) var faults = 0
  private var open: [NotebookID: Open] = [:]
  private var paths: [NotebookID: String] = [:]
  private var counts: [NotebookID: Int] = [:]
  private var stretches: [String: [Int: [TimedCell.Stretch]]] = [:]
  /// Microseconds from the run's beginning to the session's beginning.
  private let offset: Double

  /// - Parameters:
  ///   - entries: the whole session.
  ///   - sessionBegan: in seconds since 1970.
  ///   - runBegan: likewise.
  public init(_ entries: [Entry], sessionBegan: Double, runBegan: Double) {
    offset = sessionBegan - runBegan
    for entry in entries { take(entry) }
  }

  /// When a cell ran, by its notebook's name (its file's name without folder and ending) and its number from 1.
  public func ran(_ notebook: String, _ number: Int) -> [TimedCell.Stretch] { stretches[notebook]?[number] ?? [] }

  /// Writes down when each cell ran.
  public func tell(_ cells: inout [TimedCell]) {
    for index in cells.indices { cells[index].ran = ran(cells[index].notebook, cells[index].number) }
  }

  private mutating func take(_ entry: Entry) {
    switch entry.event {
    case .notebookOpened(let notebook): paths[notebook.id] = Self.name(notebook.path)
    case .cellQueued(let cell):
      counts[cell.notebook, default: 0] += 1
      open[cell.notebook] = Open(cell: cell.id, number: counts[cell.notebook] ?? 1, queued: entry.at)
    case .cellWaits(_, let id, _): open[id]?.isExplained = true
    case .cellStarted(_, let id, let allotment, _):
      if let one = open[id], entry.at - one.queued > Self.waitLeast {
        waits += 1
        if !one.isExplained { unexplainedWaits += 1 }
      }
      open[id]?.hasStarted = true
      begin(id, allotment, entry.at)
    case .cellResumed(_, let id, let allotment, _): begin(id, allotment, entry.at)
    case .cellResized(_, let id, let allotment, let reason):
      if reason.rule == .shrunkForOthers { shrinks += 1 }
      pause(id, entry.at)
      begin(id, allotment, entry.at)
    case .cellSuspended(_, let id, _):
      preemptions += 1
      pause(id, entry.at)
    case .cellEnded(_, let id, _):
      pause(id, entry.at)
      if let one = open.removeValue(forKey: id), let name = paths[id] {
        if !one.hasStarted, !one.isExplained { unexplainedWaits += 1 }
        stretches[name, default: [:]][one.number] = one.ran
      }
    case .decisionRefused, .effectFailed, .invariantBroken: faults += 1
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged,
      .cellRefused, .cellAdopted, .interruptRequested, .priorityChanged, .pinned, .unpinned, .held, .released,
      .resumeOrdered, .demandOverridden, .commandAccepted, .commandRefused, .usageSampled, .memoryEvicted,
      .suspensionPlanned, .suspensionCalledOff, .gpusSeen:
      break
    }
  }

  private mutating func begin(_ id: NotebookID, _ allotment: Allotment, _ at: Instant) {
    open[id]?.cores = allotment.cores.count
    open[id]?.since = at
  }

  private mutating func pause(_ id: NotebookID, _ at: Instant) {
    guard let one = open[id], let since = one.since else { return }
    open[id]?.since = nil
    guard at > since else { return }
    open[id]?.ran.append(
      TimedCell.Stretch(from: since.seconds + offset, to: at.seconds + offset, cores: one.cores))
  }

  /// `churn` of `/somewhere/churn.ipynb`.
  static func name(_ path: String) -> String {
    let last = path.split(separator: "/").last.map(String.init) ?? path
    return last.hasSuffix(".ipynb") ? String(last.dropLast(6)) : last
  }
}
