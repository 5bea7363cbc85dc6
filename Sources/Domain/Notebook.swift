/// One kernel behind one gate, and the document that it runs.
public struct Notebook: Hashable, Sendable {
  public var id: NotebookID
  public var node: NodeID
  /// The login name of the kernel's owner, by the socket's peer credentials.
  public var user: String
  /// The document's path, or the connection's name where no document is known.
  public var path: String
  /// The kernel's language or kernelspec.
  public var kernel: String
  /// Higher goes first; 0 is normal.
  public var priority: Int32
  /// Names the gate over reconnections.
  public var gate: String

  public init(
    id: NotebookID, node: NodeID, user: String, path: String, kernel: String = "python", priority: Int32 = 0,
    gate: String = ""
  ) {
    self.id = id
    self.node = node
    self.user = user
    self.path = path
    self.kernel = kernel
    self.priority = priority
    self.gate = gate
  }

  /// The document's name without its folder and its ending, for tables.
  public var name: String {
    let last = path.split(separator: "/").last.map(String.init) ?? path
    return last.hasSuffix(".ipynb") ? String(last.dropLast(6)) : last
  }

  /// Names a user's document: a kernel that is started anew is another notebook of the same.
  public var documentKey: String { user + "\0" + path }
}

/// One non-silent `execute_request`.
@frozen public struct Cell: Hashable, Sendable {
  public var id: CellID
  public var notebook: NotebookID
  /// When it reached the head of its kernel's queue: from then on only the node's resources can make it wait.
  public var submitted: Instant
  public var demand: Demand
  public var source: CellSource
  /// What was foreseen when it was submitted; nil where nothing was.
  public var forecast: CellForecast?

  @inlinable public init(
    id: CellID, notebook: NotebookID, submitted: Instant, demand: Demand, source: CellSource = CellSource(),
    forecast: CellForecast? = nil
  ) {
    self.id = id
    self.notebook = notebook
    self.submitted = submitted
    self.demand = demand
    self.source = source
    self.forecast = forecast
  }
}

/// Which code a cell is, without the code.
@frozen public struct CellSource: Hashable, Sendable {
  /// The cell's id in its notebook (`metadata.cellId`), where the client sends it.
  public var jupyterCell: String?
  /// A 64-bit hash of the code; 0 where unknown.
  public var codeHash: UInt64
  /// The number by which the notebook's gate knows the cell.
  public var key: UInt64

  @inlinable public init(jupyterCell: String? = nil, codeHash: UInt64 = 0, key: UInt64 = 0) {
    self.jupyterCell = jupyterCell
    self.codeHash = codeHash
    self.key = key
  }

  /// The hash of a cell's code (FNV-1a, 64 bits): the same in every process, unlike Swift's own.
  public static func hash(of code: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in code.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}

/// A distribution by five of its quantiles.
@frozen public struct Quantiles: Hashable, Sendable {
  public var p05: Span
  public var p25: Span
  public var p50: Span
  public var p75: Span
  public var p95: Span

  /// The shares of outcomes at or below each of the five.
  public static let shares = [0.05, 0.25, 0.5, 0.75, 0.95]

  /// The probabilities that the five stand for, each for what is nearest to it.
  public static let masses = [0.15, 0.225, 0.25, 0.225, 0.15]

  @inlinable public init(p05: Span, p25: Span, p50: Span, p75: Span, p95: Span) {
    self.p05 = p05
    self.p25 = p25
    self.p50 = p50
    self.p75 = p75
    self.p95 = p95
  }

  /// A value known for certain.
  @inlinable public init(certain span: Span) { self.init(p05: span, p25: span, p50: span, p75: span, p95: span) }

  /// The five in order, by their places from 0 to 4 as in `shares`.
  @inlinable public subscript(place: Int) -> Span {
    switch place {
    case 0: p05
    case 1: p25
    case 2: p50
    case 3: p75
    default: p95
    }
  }

  /// The five in order.
  public var values: [Span] { [p05, p25, p50, p75, p95] }
}

/// What is foreseen for a cell about to run.
@frozen public struct CellForecast: Hashable, Sendable {
  /// The run time alone on the node with all that it asks for.
  public var run: Quantiles
  /// What the forecast rests on.
  public var basis: ForecastBasis
  /// The run time, alone, that the notebook has left, this cell included; nil where only the cell is foreseen.
  public var notebookRemaining: Span?
  /// The run time, alone, of the whole notebook; nil as above.
  public var notebookTotal: Span?
  /// The share of the cell's work that runs in parallel (Amdahl), in thousandths; 1,000 where nothing is known.
  public var parallelThousandths: Int32
  /// The most cores that any cell of the notebook will ask for; 0 where unknown.
  public var peakCores: Int32
  /// The most GPUs that any cell of the notebook will ask for; 0 where unknown.
  public var peakGPUs: Int32
  /// What was learned beyond this cell's run time; nil where nothing was.
  public var further: FurtherForecast?

  @inlinable public init(
    run: Quantiles, basis: ForecastBasis, notebookRemaining: Span? = nil, notebookTotal: Span? = nil,
    parallelThousandths: Int32 = 1000, peakCores: Int32 = 0, peakGPUs: Int32 = 0, further: FurtherForecast? = nil
  ) {
    self.run = run
    self.basis = basis
    self.notebookRemaining = notebookRemaining
    self.notebookTotal = notebookTotal
    self.parallelThousandths = parallelThousandths
    self.peakCores = peakCores
    self.peakGPUs = peakGPUs
    self.further = further
  }
}

/// What a forecast rests on, best first.
public enum ForecastBasis: UInt8, Hashable, Sendable, CaseIterable {
  /// An offline trace says it.
  case oracle = 0
  /// Earlier runs of the same code.
  case code = 1
  /// Other cells of the same notebook.
  case notebook = 2
  /// Other cells of the same user.
  case user = 3
  /// Every cell seen.
  case everyone = 4
}

/// What a notebook is doing.
public enum NotebookState: UInt8, Hashable, Sendable, CaseIterable {
  /// The kernel has not answered yet.
  case starting = 0
  /// Nothing to run: its author thinks.
  case thinking = 1
  /// A cell waits for resources.
  case queued = 2
  case running = 3
  case suspended = 4
  /// The kernel has ended.
  case gone = 5

  /// One word, for tables.
  public var word: String {
    switch self {
    case .starting: "starting"
    case .thinking: "thinking"
    case .queued: "queued"
    case .running: "running"
    case .suspended: "suspended"
    case .gone: "gone"
    }
  }
}

/// What an operator has planned for a notebook's cell.
@frozen public struct PlannedSuspension: Hashable, Sendable {
  public var cell: CellID
  /// When the cell is suspended, should it still run; nil where its notebook is held once it has ended.
  public var due: Instant?

  @inlinable public init(_ cell: CellID, due: Instant?) {
    self.cell = cell
    self.due = due
  }
}

/// What a notebook's process tree really used, between two samples.
@frozen public struct Usage: Hashable, Sendable {
  /// Processor time per wall time, in thousandths of a core.
  public var millicores: Int32
  /// Resident memory of the tree.
  public var memory: Bytes

  @inlinable public init(millicores: Int32, memory: Bytes) {
    self.millicores = millicores
    self.memory = memory
  }
}
