import Domain
import Forecast
import Traces

extension Trial {
  /// A trace as it would have happened on a node where nobody waits.
  init(of trace: Trace, taught: Double) {
    var notebooks: [Notebook] = []
    var cells: [Cell] = []
    for (number, notebook) in trace.notebooks.enumerated() {
      notebooks.append(
        Notebook(
          id: NotebookID(0), node: NodeID(0), user: notebook.user, path: notebook.document, kernel: "trace"))
      var clock = notebook.arrival
      for (index, cell) in notebook.cells.enumerated() {
        clock = clock + cell.think
        cells.append(
          Cell(
            sitting: Int32(number), submitted: clock, ran: cell.run, source: notebook.source(of: index),
            demand: cell.demand))
        clock = clock + cell.run
      }
    }
    self.init(notebooks: notebooks, cells: cells, taught: taught)
  }
}
