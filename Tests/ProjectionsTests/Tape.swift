import Domain
import Projections

/// Entries written one after the other, and the board folded from them.
struct Tape {
  private(set) var entries: [Entry] = []
  private(set) var board = Board()
  private(set) var now = Instant.zero
  private var nextCell: Int64 = 1

  /// A tape that begins with a node.
  init(cores: Int = 4, gpus: Int = 0) {
    let devices = (0..<gpus).map { GPU(uuid: "GPU-\($0)") }
    add(.nodeAdded(Node(id: NodeID(0), name: "node7", cores: CoreSet(0..<cores), gpus: devices)))
  }

  mutating func add(_ events: Event..., at seconds: Double? = nil) {
    if let seconds { now = Instant(seconds: seconds) }
    for event in events {
      let entry = Entry(sequence: Int64(entries.count + 1), at: now, event: event)
      entries.append(entry)
      board.apply(entry)
    }
  }

  /// Opens a notebook and lets its kernel be ready at once.
  mutating func open(_ name: String, user: String = "ana", at seconds: Double? = nil) -> NotebookID {
    let id = NotebookID(Int32(board.notebooks.count))
    let notebook = Notebook(id: id, node: NodeID(0), user: user, path: "/home/\(user)/\(name).ipynb")
    add(.notebookOpened(notebook), at: seconds)
    add(.kernelReady(id))
    return id
  }

  mutating func queue(_ id: NotebookID, _ demand: Demand = .oneCore, at seconds: Double? = nil) -> CellID {
    if let seconds { now = Instant(seconds: seconds) }
    let cell = CellID(nextCell)
    nextCell += 1
    add(.cellQueued(Cell(id: cell, notebook: id, submitted: now, demand: demand)))
    return cell
  }

  /// Queues a cell and starts it on `cores` in the same instant.
  mutating func run(_ id: NotebookID, on cores: CoreSet, gpus: GPUSet = GPUSet(), at seconds: Double? = nil) -> CellID {
    let cell = queue(id, at: seconds)
    add(.cellStarted(cell, id, .on(cores, gpus), Reason(.firstCome)))
    return cell
  }
}

extension Allotment {
  static func on(_ cores: CoreSet, _ gpus: GPUSet = GPUSet(), shared: Bool = false) -> Allotment {
    Allotment(node: NodeID(0), cores: cores, gpus: gpus, shared: shared)
  }
}

extension Span: ExpressibleByIntegerLiteral {
  /// Whole seconds.
  public init(integerLiteral value: Int) { self.init(seconds: Double(value)) }
}
