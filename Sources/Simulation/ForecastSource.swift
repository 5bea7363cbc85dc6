import Domain
import Traces

/// Where a simulated session's forecasts come from.
///
/// The seam for the learned forecast: it is asked when a cell is submitted, and told when one has ended.
public protocol ForecastSource: Sendable {
  /// What is foreseen for cell `index` of a notebook, about to be submitted at `now`.
  mutating func forecast(of index: Int, in notebook: TraceNotebook, number: Int, at now: Instant) -> CellForecast?
  /// A cell has ended after so long a run.
  mutating func learn(from index: Int, in notebook: TraceNotebook, number: Int, ran: Span, at now: Instant)
  /// A notebook has been closed after its last cell.
  mutating func closed(number: Int)
  /// The policy looks at next cells: from now on forecasts say what they know of them.
  mutating func foreseeNextCells()
  /// Whether it wants to be told of ends.
  var learns: Bool { get }
}

extension ForecastSource {
  public mutating func closed(number: Int) {}
  public mutating func foreseeNextCells() {}
  public var learns: Bool { true }
}

/// Reads the future in the trace: the run times are certain, the notebook's rest is known.
public struct OracleForecast: ForecastSource {
  private struct Known {
    var remaining: Span
    var total: Span
    var peakCores: Int32
    var peakGPUs: Int32
  }

  /// By notebook number; what remains falls with each cell asked for.
  private var known: [Known?]
  private var foreseesNext = false

  public var learns: Bool { false }

  public init(notebooks: Int) { known = Array(repeating: nil, count: notebooks) }

  public mutating func foreseeNextCells() { foreseesNext = true }

  public mutating func forecast(of index: Int, in notebook: TraceNotebook, number: Int, at now: Instant)
    -> CellForecast?
  {
    if index == 0 || known[number] == nil {
      let total = notebook.runAlone
      var remaining = total
      for cell in notebook.cells[..<index] { remaining = remaining - cell.run }
      known[number] = Known(
        remaining: remaining, total: total, peakCores: notebook.cells.map(\.cores).max() ?? 1,
        peakGPUs: notebook.cells.map(\.gpus).max() ?? 0)
    }
    guard let facts = known[number] else { return nil }
    let cell = notebook.cells[index]
    known[number]?.remaining = facts.remaining - cell.run
    // Only who weighs evictions or keeps rooms asks for the think time.
    let asks = foreseesNext || cell.gpuMemory > .zero
    let next = asks && index + 1 < notebook.cells.count ? notebook.cells[index + 1] : nil
    let further = next.map {
      FurtherForecast(
        need: ForeseenNeed(), notebookLeft: Quantiles(certain: facts.remaining), think: Quantiles(certain: $0.think),
        nextRun: foreseesNext ? Quantiles(certain: $0.run) : nil,
        nextNeed: foreseesNext ? ForeseenNeed($0) : ForeseenNeed())
    }
    return CellForecast(
      run: Quantiles(certain: cell.run), basis: .oracle, notebookRemaining: facts.remaining, notebookTotal: facts.total,
      parallelThousandths: cell.parallelThousandths, peakCores: facts.peakCores, peakGPUs: facts.peakGPUs,
      further: further)
  }

  public mutating func learn(from index: Int, in notebook: TraceNotebook, number: Int, ran: Span, at now: Instant) {}
}

extension ForeseenNeed {
  /// What a cell of a trace needs, for certain.
  fileprivate init(_ cell: TraceCell) {
    self.init(
      millicores: Amounts(certain: Int64(cell.cores) * 1000), gpus: Amounts(certain: Int64(cell.gpus)),
      memory: Amounts(certain: cell.memory.count), gpuMemory: Amounts(certain: cell.gpuMemory.count))
  }
}

extension Amounts {
  fileprivate init(certain amount: Int64) {
    self.init(p05: amount, p25: amount, p50: amount, p75: amount, p95: amount)
  }
}

/// Foresees nothing.
public struct NoForecast: ForecastSource {
  public var learns: Bool { false }

  public init() {}
  public mutating func forecast(of index: Int, in notebook: TraceNotebook, number: Int, at now: Instant)
    -> CellForecast?
  {
    nil
  }
  public mutating func learn(from index: Int, in notebook: TraceNotebook, number: Int, ran: Span, at now: Instant) {}
}
