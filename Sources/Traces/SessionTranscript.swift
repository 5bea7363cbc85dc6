import Domain
import Engine

/// Turns the entries of a recorded session, live or simulated, into a trace: what its authors did, without the waiting.
///
/// Entries are taken one at a time, so that a long session need not be in memory. A cell's `run` is an estimate of its time
/// alone: while it held *k* of its *c* cores it made `speedup(k)/speedup(c)` of progress (Amdahl's law with the forecast's
/// parallel share), none while it was suspended or waited for GPU memory to be saved and restored, and a share of it where
/// cores or GPUs were held by several at once.
public struct SessionTranscript {
  private struct Running {
    var cell: Cell
    var allotment: Allotment?
    var runMicroseconds: Double = 0
    var peakMemory = Bytes.zero
    var hasStarted = false
    /// When its GPU memory is, or was, where it runs.
    var worksFrom = Instant.zero
  }

  private struct Lane {
    var notebook: Notebook
    var opened: Instant
    var previousEnd: Instant?
    var arrival: Instant?
    /// Its cells, and which code they are.
    var cells: [(cell: TraceCell, source: CellSource)] = []
  }

  private var state = SchedulerState()
  private var lanes: [NotebookID: Lane] = [:]
  private var running: [NotebookID: Running] = [:]
  private var coreHolders: [NodeID: [Int]] = [:]
  private var gpuHolders: [NodeID: [Int]] = [:]
  private var clock = Instant.zero
  private var leftOut = Omissions()
  private var adopted = 0
  private var entries: Int64 = 0

  public init() {}

  /// Takes the next entry, in the session's order.
  public mutating func take(_ entry: Entry) {
    advance(to: entry.at)
    entries += 1
    state.apply(entry)
    switch entry.event {
    case .notebookOpened(let notebook):
      lanes[notebook.id] = Lane(notebook: notebook, opened: entry.at)
    case .priorityChanged(let id, let priority): lanes[id]?.notebook.priority = priority
    case .cellQueued(let cell): running[cell.notebook] = Running(cell: cell)
    case .cellAdopted(let cell, _, let allotment):
      // It ran before the session began: what it did until then is not known.
      adopted += 1
      running[cell.notebook] = Running(cell: cell)
      allot(allotment, to: cell.notebook)
    case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _):
      allot(allotment, to: id)
      waitForMemory(id)
    case .cellResized(_, let id, let allotment, _): allot(allotment, to: id)
    case .cellSuspended(_, let id, _): allot(nil, to: id)
    case .cellEnded(_, let id, let outcome): end(id, outcome)
    case .cellRefused: leftOut.add("cells that no node could hold")
    case .usageSampled(let id, let usage):
      if let one = running[id], one.allotment != nil { running[id]?.peakMemory = max(one.peakMemory, usage.memory) }
    case .policyChanged, .nodeAdded, .drainChanged, .kernelReady, .kernelDied, .notebookClosed, .backlogChanged,
      .cellWaits, .memoryEvicted, .gpusSeen, .interruptRequested, .pinned, .unpinned, .held, .released, .resumeOrdered,
      .demandOverridden, .commandAccepted, .commandRefused, .decisionRefused, .effectFailed, .invariantBroken,
      .suspensionPlanned, .suspensionCalledOff:
      break
    }
  }

  /// Lets everything that runs run up to `now`.
  private mutating func advance(to now: Instant) {
    let before = clock
    guard now > before else { return }
    clock = now
    for id in running.keys {
      guard let one = running[id], let allotment = one.allotment else { continue }
      let elapsed = (now - max(before, one.worksFrom)).microseconds
      guard elapsed > 0 else { continue }
      let progress = progress(of: one.cell, on: allotment)
      running[id]?.runMicroseconds += Double(elapsed) * progress
    }
  }

  /// The progress that a cell makes in a second, in seconds of its time alone.
  private func progress(of cell: Cell, on allotment: Allotment) -> Double {
    let speedup = Speedup(parallelThousandths: cell.forecast?.parallelThousandths ?? 1000)
    var cores = 0.0
    for core in allotment.cores { cores += 1 / Double(max(coreHolders[allotment.node]?[core] ?? 1, 1)) }
    var share = 1.0
    for gpu in allotment.gpus { share = min(share, 1 / Double(max(gpuHolders[allotment.node]?[gpu] ?? 1, 1))) }
    // A cell that holds GPUs alone runs at their pace.
    return cores > 0 ? share * speedup.rate(on: cores, of: cell.demand.coresMost) : share
  }

  private mutating func allot(_ allotment: Allotment?, to id: NotebookID) {
    if let old = running[id]?.allotment { count(old, by: -1) }
    guard running[id] != nil else { return }
    running[id]?.allotment = allotment
    if let allotment {
      running[id]?.hasStarted = true
      count(allotment, by: 1)
    }
  }

  /// What is on its way arrives while the cell is suspended, too.
  private mutating func waitForMemory(_ id: NotebookID) {
    guard let one = running[id], state.contains(id) else { return }
    running[id]?.worksFrom = max(one.worksFrom, clock + state.memoryDelay(of: id))
  }

  private mutating func count(_ allotment: Allotment, by step: Int) {
    var cores = coreHolders[allotment.node] ?? [Int](repeating: 0, count: CoreSet.greatest + 1)
    coreHolders[allotment.node] = nil
    for core in allotment.cores { cores[core] += step }
    coreHolders[allotment.node] = cores
    var gpus = gpuHolders[allotment.node] ?? [Int](repeating: 0, count: GPUSet.greatest + 1)
    gpuHolders[allotment.node] = nil
    for gpu in allotment.gpus { gpus[gpu] += step }
    gpuHolders[allotment.node] = gpus
  }

  private mutating func end(_ id: NotebookID, _ outcome: CellOutcome) {
    allot(nil, to: id)
    guard let one = running.removeValue(forKey: id), var lane = lanes[id] else { return }
    guard one.hasStarted else {
      leftOut.add("cells that never ran (\(outcome.word))")
      lanes[id]?.previousEnd = clock
      return
    }
    // The first cell's think time runs from the notebook's opening, which is its arrival.
    let before = lane.previousEnd ?? lane.opened
    let think = max((one.cell.submitted - before).microseconds, 0)
    if lane.arrival == nil { lane.arrival = min(lane.opened, one.cell.submitted) }
    let demand = one.cell.demand
    let cell = TraceCell(
      think: Span(microseconds: think), run: Span(microseconds: Int64(one.runMicroseconds.rounded())),
      cores: demand.coresMost,
      parallelThousandths: one.cell.forecast?.parallelThousandths ?? 1000, gpus: demand.gpus,
      memory: demand.memory > .zero ? demand.memory : one.peakMemory, gpuMemory: demand.gpuMemory, outcome: outcome)
    // The gate's own number of the cell is another one each time it runs: it says nothing about the next session.
    let source = CellSource(
      jupyterCell: one.cell.source.jupyterCell.flatMap(NativeTrace.cellName), codeHash: one.cell.source.codeHash)
    lane.cells.append((cell, source))
    lane.previousEnd = clock
    lanes[id] = lane
  }

  /// The trace of all that was taken.
  ///
  /// - Parameters:
  ///   - name: the trace's name.
  ///   - note: where it comes from.
  public mutating func finish(name: String, note: String) -> Imported {
    leftOut.add("cells that had not ended", count: running.count)
    var trace = Trace(name: name, note: note, notebooks: [])
    for id in lanes.keys.sorted() {
      guard let lane = lanes[id] else { continue }
      guard let arrival = lane.arrival else {
        leftOut.add("notebooks without a cell that ran")
        continue
      }
      var notebook = TraceNotebook(
        name: lane.notebook.path.isEmpty ? "notebook-\(id.number)" : lane.notebook.path, user: lane.notebook.user,
        arrival: arrival, priority: min(max(lane.notebook.priority, -100), 100), cells: [])
      for (cell, source) in lane.cells { notebook.append(cell, source) }
      trace.notebooks.append(notebook)
    }
    trace.nameApart()
    var notes = ["\(entries) entries; run times are estimates of the time alone, from what each cell held"]
    if adopted > 0 { notes.append("\(adopted) cells ran when the session began: what they did before is not counted") }
    return Imported(trace: trace, notes: notes, leftOut: leftOut)
  }
}
