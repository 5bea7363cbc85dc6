import Domain
import Metrics
import Traces

extension LowerBound {
  /// The bound of a trace on a node, over its cores and its GPUs.
  public init(of trace: Trace, on node: Node) {
    func notebooks(_ area: (TraceCell) -> Double) -> [BoundedNotebook] {
      trace.notebooks.map { notebook in
        BoundedNotebook(
          arrival: notebook.arrival,
          cells: notebook.cells.map {
            BoundedCell(think: $0.think, run: $0.run, least: Self.least($0), area: area($0))
          })
      }
    }
    self.init(resources: [
      (
        notebooks {
          Double($0.run.microseconds)
            * Speedup(parallelThousandths: $0.parallelThousandths).over(cores: Double($0.cores))
        }, node.cores.count
      ), (notebooks { Double(Self.least($0).microseconds) * Double($0.gpus) }, node.gpus.count),
    ])
  }

  /// The least time that a cell can take: on one core, where several make it slower.
  private static func least(_ cell: TraceCell) -> Span {
    let onAll = Speedup(parallelThousandths: cell.parallelThousandths).over(cores: Double(max(cell.cores, 1)))
    return onAll < 1 ? Span(microseconds: Int64(Double(cell.run.microseconds) * onAll)) : cell.run
  }
}
