import Domain

/// The quantities that are learned.
public enum Quantity: Int, CaseIterable, Sendable {
  /// Run time of a cell, in seconds.
  case run = 0
  /// From a cell's end to the next submission, in seconds.
  case think = 1
  /// Cores that a cell really used, in thousandths.
  case millicores = 2
  /// GPUs of a cell, and one.
  case gpus = 3
  /// Memory of a cell, in mebibytes.
  case memory = 4
  /// Memory of a cell on each GPU, in mebibytes.
  case gpuMemory = 5
  /// Of a cell that ran with more cores than one, the share of its work that is serial, in thousandths, and one.
  case serial = 6
  /// Run time of the cell after, in seconds.
  case nextRun = 7
  /// Cores that the cell after used, in thousandths.
  case nextMillicores = 8
  /// GPUs of the cell after, and one.
  case nextGPUs = 9
  /// Memory of the cell after, in mebibytes.
  case nextMemory = 10
  /// Memory of the cell after on each GPU, in mebibytes.
  case nextGPUMemory = 11
  /// Run time that a notebook had left when a cell was submitted, the cell's own included, in seconds. Learned when the
  /// notebook is closed.
  case left = 12

  /// How many contexts are remembered.
  var keysMost: Int {
    switch self {
    case .run, .think, .nextRun, .left: 8192
    case .millicores, .gpus, .memory, .gpuMemory, .serial, .nextMillicores, .nextGPUs, .nextMemory, .nextGPUMemory: 2048
    }
  }

  /// What every level is trusted with before its trust has been learned; nil for the level's own.
  ///
  /// What a document had left the last time is nearly all that can be known of it, and a small doubt puts it in the queue
  /// where a document goes of which nothing is known.
  var trustAtFirst: Float? { self == .left ? 0.9 : nil }

  /// One word or two, for tables.
  public var name: String {
    switch self {
    case .run: "run"
    case .think: "think"
    case .millicores: "cores used"
    case .gpus: "GPUs"
    case .memory: "memory"
    case .gpuMemory: "GPU memory"
    case .serial: "serial share"
    case .nextRun: "next run"
    case .nextMillicores: "next cores used"
    case .nextGPUs: "next GPUs"
    case .nextMemory: "next memory"
    case .nextGPUMemory: "next GPU memory"
    case .left: "notebook left"
    }
  }
}

/// What a cell turned out to need; nil fields were not measured.
public struct MeasuredNeed: Hashable, Sendable {
  /// The most cores in use at a time, in thousandths.
  public var millicores: Int64?
  public var gpus: Int32?
  public var memory: Bytes?
  public var gpuMemory: Bytes?
  /// The share of its work that ran in parallel, in thousandths, where it ran on more cores than one.
  public var parallelThousandths: Int32?

  public init(
    millicores: Int64? = nil, gpus: Int32? = nil, memory: Bytes? = nil, gpuMemory: Bytes? = nil,
    parallelThousandths: Int32? = nil
  ) {
    self.millicores = millicores
    self.gpus = gpus
    self.memory = memory
    self.gpuMemory = gpuMemory
    self.parallelThousandths = parallelThousandths
  }
}

/// A notebook while it is open, as the forecaster follows it.
struct Sitting: Sendable, Hashable {
  let path: UInt64
  let user: UInt64
  let kernel: UInt64
  /// Tells this opening from others of the same document.
  let opening: UInt64

  /// Cells submitted so far.
  var cells: UInt64 = 0
  /// The cell in the books: its contexts, and what was foreseen by quantity.
  var own: Contexts?
  var foreseen: [Foreseen?] = []
  var source = CellSource()
  var demand = Demand.oneCore
  var progress = Progress()

  /// After a cell's end: the contexts of what follows, and what was foreseen.
  var after: Contexts?
  var foreseenAfter: [Foreseen?] = []
  var endedAt = Instant.zero
  /// Doublings of the last two runs and thinks; 0 where there was none.
  var lastRun: UInt64 = 0
  var runBefore: UInt64 = 0
  var lastThink: UInt64 = 0
  var thinkBefore: UInt64 = 0

  /// Run time of the cells that ended, in seconds.
  var attained = 0.0
  var lifeClass: Int?
  var peakGPUs: Int32 = 0
  /// The first cells, for what they turn out to have left.
  private(set) var steps: [Step] = []

  /// A cell of which it is remembered what stood before it.
  struct Step: Sendable, Hashable {
    var contexts: OwnContexts
    /// Run time of the cells before it, in seconds.
    var before: Double
  }

  static let stepsMost = 256
  /// The cells that are remembered of all open notebooks together: 1.5 MB. More would teach no more: the contexts that they could
  /// be learned for are eight times fewer.
  static let stepsOfAllMost = 64_000

  init(_ notebook: Notebook, opening: UInt64) {
    path = Self.hash(notebook.path)
    user = Self.hash(notebook.user)
    kernel = Self.hash(notebook.kernel)
    self.opening = opening
  }

  private static func hash(_ text: String) -> UInt64 {
    var digest = Digest()
    digest.put(text)
    return digest.value
  }

  /// A doubling of a time, as a part of a key.
  static func doubling(of seconds: Double) -> UInt64 { UInt64(LogScale.bin(of: seconds) / LogScale.steps + 1) }

  /// The contexts of a cell about to run, which would be the `number`th.
  func contexts(of source: CellSource, _ demand: Demand, number: UInt64) -> Contexts {
    var contexts = shared(source, demand, number: number)
    contexts.set(.echo, lastRun, 1)
    contexts.set(.rhythm, lastRun, runBefore, UInt64(max(demand.gpus, 0)), UInt64(max(demand.coresMost, 0)))
    contexts.set(.habit, path, lastRun)
    return contexts
  }

  /// The contexts of what follows the cell, the `number`th, that ran for so long.
  func contextsAfter(_ source: CellSource, _ demand: Demand, number: UInt64, ran seconds: Double) -> Contexts {
    var contexts = shared(source, demand, number: number)
    contexts.set(.echo, lastThink, 2)
    contexts.set(.rhythm, Self.doubling(of: seconds), lastThink, thinkBefore)
    contexts.set(.habit, opening, lastThink)
    return contexts
  }

  private func shared(_ source: CellSource, _ demand: Demand, number: UInt64) -> Contexts {
    var contexts = Contexts()
    contexts.set(.everyone)
    contexts.set(.kernel, kernel)
    contexts.set(.user, user)
    contexts.set(.demand, UInt64(max(demand.gpus, 0)), UInt64(max(demand.coresMost, 0)))
    contexts.set(.notebook, path)
    contexts.set(.sitting, opening)
    contexts.set(.place, path, source.jupyterCell.map(Self.hash) ?? number)
    if source.codeHash != 0 {
      contexts.set(.code, source.codeHash)
      contexts.set(.ownCode, path, source.codeHash)
    }
    return contexts
  }

  /// The cell in the books is remembered for what the notebook will have had left at it.
  ///
  /// - Parameter count: how many notebooks are open.
  mutating func step(among count: Int) {
    guard let own, steps.count < min(Self.stepsMost, Self.stepsOfAllMost / max(count, 1)) else { return }
    steps.append(Step(contexts: OwnContexts(own), before: attained))
  }

  /// The keys of the notebook's life, the most general first.
  var lifeKeys: [UInt64] {
    [1, 2 + UInt64(max(peakGPUs, 0)), user | 1 << 63, path & ~(1 << 63) | 1 << 62]
  }
}
