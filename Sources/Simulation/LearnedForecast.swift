import Domain
import Forecast
import Traces

/// Foresees from what has happened in the session so far, and from nothing else.
///
/// Of the trace it reads what the engine is told at a submission (the demand), what it could have measured at an end
/// (how much work the cell was, what it used), and never what comes later. A cell is known by its
/// code and its name where the trace has them, else by its place in its notebook; a notebook by its name without the mark
/// of a repetition.
public struct LearnedForecast: ForecastSource {
  public private(set) var forecaster: Forecaster

  /// - Parameter forecaster: what was learned before the session.
  public init(_ forecaster: Forecaster = Forecaster()) {
    self.forecaster = forecaster
    self.forecaster.beginSession()
  }

  private static func id(_ number: Int) -> NotebookID { NotebookID(Int32(clamping: number)) }

  public mutating func forecast(of index: Int, in notebook: TraceNotebook, number: Int, at now: Instant)
    -> CellForecast?
  {
    let id = Self.id(number)
    if index == 0 {
      forecaster.open(
        Notebook(id: id, node: NodeID(0), user: notebook.user, path: notebook.document, kernel: "trace"))
    }
    let demand = notebook.cells[index].demand
    let source = notebook.source(of: index)
    let forecast = forecaster.forecast(source, demand, in: id)
    forecaster.submit(source, demand, in: id, at: now)
    return forecast
  }

  public mutating func learn(from index: Int, in notebook: TraceNotebook, number: Int, ran: Span, at now: Instant) {
    let cell = notebook.cells[index]
    forecaster.end(
      Self.id(number), ran: ran,
      need: MeasuredNeed(
        millicores: Int64(cell.cores) * 1000, gpus: cell.gpus, memory: cell.memory, gpuMemory: cell.gpuMemory,
        parallelThousandths: cell.cores > 1 ? cell.parallelThousandths : nil), isWhole: true, at: now)
  }

  public mutating func closed(number: Int) { forecaster.close(Self.id(number)) }
}
