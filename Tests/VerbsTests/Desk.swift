import Domain
import Projections

/// A board of one node with four cores and two GPUs, told what happened.
struct Desk {
  var board = Board()

  init() {
    tell(
      .policyChanged("fcfs"),
      .nodeAdded(
        Node(
          id: NodeID(0), name: "n", cores: CoreSet(0..<4), gpus: [GPU(uuid: "g0"), GPU(uuid: "g1")],
          memory: Bytes(100))))
  }

  mutating func tell(_ events: Event...) {
    for event in events {
      board.apply(Entry(sequence: board.sequence + 1, at: Instant(seconds: Double(board.sequence)), event: event))
    }
  }

  @discardableResult
  mutating func open(_ name: String, user: String = "ana") -> NotebookID {
    let id = NotebookID(Int32(board.notebooks.count))
    tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: user, path: name + ".ipynb")), .kernelReady(id))
    return id
  }

  /// Its cell, queued.
  @discardableResult
  mutating func submit(_ id: NotebookID, _ cell: Int64) -> CellID {
    tell(.cellQueued(Cell(id: CellID(cell), notebook: id, submitted: board.now, demand: .oneCore)))
    return CellID(cell)
  }

  /// Its cell, running on a core.
  @discardableResult
  mutating func run(_ id: NotebookID, _ cell: Int64, on cores: CoreSet = CoreSet([1]), gpus: GPUSet = GPUSet())
    -> CellID
  {
    submit(id, cell)
    tell(.cellStarted(CellID(cell), id, Allotment(node: NodeID(0), cores: cores, gpus: gpus), Reason(.firstCome)))
    return CellID(cell)
  }
}
