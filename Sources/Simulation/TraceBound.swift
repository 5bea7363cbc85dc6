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
          cells: notebook.cells.map { BoundedCell(think: $0.think, run: $0.run, area: area($0)) })
      }
    }
    self.init(resources: [
      (
        notebooks {
          Double($0.run.microseconds)
            * Speedup(parallelThousandths: $0.parallelThousandths).over(cores: Double($0.cores))
        }, node.cores.count
      ), (notebooks { Double($0.run.microseconds) * Double($0.gpus) }, node.gpus.count),
    ])
  }
}
