/// Reads a stretch of a session's log that `LogPacker` wrote. What it reads may be damaged.
public struct LogUnpacker {
  private var source: PackSource
  private var sequence: Int64
  private var at = Instant.zero
  private var lastCell: Int64 = 0
  private var leftOfInput = 0
  private var isOfOneInstant = true

  /// A thing of the log.
  public enum Item {
    /// An input; its entries follow. `entries` says how many.
    case input(Input, at: Instant, after: Int64, entries: Int)
    case entry(Entry)
  }

  /// - Parameters:
  ///   - bytes: must outlive the unpacker.
  ///   - first: the number of the first entry in them.
  ///   - format: as stored beside them.
  /// - Throws: `PackError` where the form is not known.
  public init(_ bytes: UnsafeRawBufferPointer, first: Int64, format: Int64) throws(PackError) {
    guard format == LogPacker.format else {
      throw PackError("the log has form \(format), and this celltop reads form \(LogPacker.format)")
    }
    source = PackSource(bytes)
    sequence = first - 1
  }

  /// The next entry; nil at the end. Inputs are passed over.
  ///
  /// - Throws: `PackError` where the bytes are damaged.
  public mutating func nextEntry() throws(PackError) -> Entry? {
    while leftOfInput == 0 {
      guard !source.isAtEnd else { return nil }
      _ = try beginInput(keeps: false)
    }
    return try entry()
  }

  /// The next input or entry; nil at the end.
  ///
  /// - Throws: `PackError` where the bytes are damaged.
  public mutating func next() throws(PackError) -> Item? {
    while leftOfInput == 0 {
      guard !source.isAtEnd else { return nil }
      if let input = try beginInput(keeps: true) {
        return .input(input, at: at, after: sequence, entries: leftOfInput)
      }
    }
    return .entry(try entry())
  }

  /// Reads an input's beginning; gives the input where it is wanted, and there is one.
  private mutating func beginInput(keeps: Bool) throws(PackError) -> Input? {
    let tag = try source.number()
    var input: Input?
    var isSame = false
    switch tag {
    case LogTag.noInput: break
    case LogTag.timer: input = .timer
    case LogTag.anyInput: input = try source.value()
    case LogTag.sameAsQueued, LogTag.sameAsEnded: isSame = true
    default: throw PackError("there is no input of kind \(tag)")
    }
    at = Instant(microseconds: at.microseconds &+ (try source.signed()))
    let packed = try source.number()
    guard packed >> 1 <= UInt64(Int32.max) else { throw PackError("an input brings too many entries") }
    leftOfInput = Int(packed >> 1)
    isOfOneInstant = packed & 1 == 1
    guard isSame, keeps else { return input }
    // Read ahead: the input is told by its first entry.
    var ahead = self
    guard leftOfInput > 0 else { throw PackError("an input that is told by its entry brings none") }
    let event = try ahead.entry().event
    if case .cellQueued(let cell) = event {
      return .observation(.cellSubmitted(cell.notebook, cell.demand, cell.source, cell.forecast))
    }
    guard case .cellEnded(let cell, let id, let outcome) = event else {
      throw PackError("an input is told by an entry that tells none")
    }
    return .observation(.cellEnded(id, cell, outcome))
  }

  private mutating func entry() throws(PackError) -> Entry {
    leftOfInput -= 1
    sequence += 1
    if !isOfOneInstant { at = Instant(microseconds: at.microseconds &+ (try source.signed())) }
    return Entry(sequence: sequence, at: at, event: try event())
  }

  private mutating func event() throws(PackError) -> Event {
    let tag = try source.number()
    switch tag {
    case LogTag.cellQueued: return .cellQueued(try cell())
    case LogTag.cellStarted:
      return .cellStarted(try cellID(), try source.value(), try allotment(), try source.value())
    case LogTag.cellResized:
      return .cellResized(try cellID(), try source.value(), try allotment(), try source.value())
    case LogTag.cellEnded: return .cellEnded(try cellID(), try source.value(), try source.choice())
    default: return try Event(tag: tag, from: &source)
    }
  }

  private mutating func cellID() throws(PackError) -> CellID {
    lastCell = lastCell &+ (try source.signed())
    return CellID(lastCell)
  }

  private mutating func cell() throws(PackError) -> Cell {
    let rare = RareOfCell(rawValue: try source.number())
    let id = try cellID()
    let notebook: NotebookID = try source.value()
    let submitted = Instant(microseconds: at.microseconds &- (try source.signed()))
    let least = try source.int32()
    let (most, overflow) = least.addingReportingOverflow(try source.int32())
    guard !overflow else { throw PackError("a number is larger than 32 bits") }
    var demand = Demand(coresLeast: least, coresMost: most, gpus: try source.int32())
    // The initialiser mends what a log may hold.
    demand.coresMost = most
    var origin = CellSource(key: try source.number())
    if rare.contains(.memory) {
      demand.memory = try source.value()
      demand.gpuMemory = try source.value()
    }
    if rare.contains(.jupyterCell) { origin.jupyterCell = try source.text() }
    if rare.contains(.codeHash) { origin.codeHash = try source.number() }
    let foreseen = rare.contains(.forecast) ? try forecast(rare) : nil
    return Cell(
      id: id, notebook: notebook, submitted: submitted, demand: demand, source: origin, forecast: foreseen)
  }

  private mutating func forecast(_ rare: RareOfCell) throws(PackError) -> CellForecast {
    let median: Span = try source.value()
    var run = Quantiles(certain: median)
    if !rare.contains(.certain) {
      run.p05.microseconds &+= try source.signed()
      run.p25.microseconds &+= try source.signed()
      run.p75.microseconds &+= try source.signed()
      run.p95.microseconds &+= try source.signed()
    }
    return CellForecast(
      run: run, basis: try source.choice(), notebookRemaining: try source.optional(),
      notebookTotal: try source.optional(), parallelThousandths: try source.int32(), peakCores: try source.int32(),
      peakGPUs: try source.int32(), further: rare.contains(.further) ? try source.value() : nil)
  }

  private mutating func allotment() throws(PackError) -> Allotment {
    let rare = RareOfAllotment(rawValue: try source.number())
    let node = rare.contains(.node) ? try source.value() : NodeID(0)
    let cores: CoreSet = try set()
    let gpus: GPUSet = rare.contains(.gpus) ? try set() : GPUSet()
    let memory = rare.contains(.memory) ? try source.value() : Bytes.zero
    return Allotment(node: node, cores: cores, gpus: gpus, memory: memory, shared: rare.contains(.shared))
  }

  private mutating func set<Kind>() throws(PackError) -> ResourceSet<Kind> {
    var set = ResourceSet<Kind>()
    var end: UInt64 = 0
    for _ in 0..<(try source.number()) {
      let gap = try source.number()
      let length = try source.number()
      let most = UInt64(ResourceSet<Kind>.greatest + 1)
      guard length > 0, gap < most, length <= most, end + gap + length <= most else {
        throw PackError("a set is too large")
      }
      set.insertRun(Int(end + gap), Int(length))
      end += gap + length
    }
    return set
  }
}
