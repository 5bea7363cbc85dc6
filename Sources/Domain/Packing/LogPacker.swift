/// A stretch of a session's log as it is stored: inputs, each with the entries that it brought, in order.
///
/// The form is that of `Packable`, with three savings. Instants are differences from the one before. An input that says no
/// more than the entry it brought (a submission, an end) is a single number. The frequent events leave out what their
/// place in the stretch tells: cell numbers are differences, sets of cores are runs.
public struct LogPacker: Sendable {
  /// Marks the form. A change of it is another number, and the old one stays readable.
  public static let format: Int64 = 1

  public private(set) var bytes = PackBytes()
  /// The first and the last entry; `last` is `first` - 1 where there is none.
  public private(set) var first: Int64
  public private(set) var last: Int64
  /// The instant of the first thing in it and of the last.
  public private(set) var firstAt = Instant.zero
  public private(set) var lastAt = Instant.zero
  /// How many inputs it holds.
  public private(set) var inputs = 0
  private var lastCell: Int64 = 0

  /// A stretch that begins after entry `sequence`.
  public init(after sequence: Int64) {
    first = sequence + 1
    last = sequence
  }

  public var isEmpty: Bool { bytes.bytes.isEmpty }
  /// How many entries it holds.
  public var count: Int64 { last - first + 1 }

  /// Begins anew after entry `sequence`, keeping the memory.
  public mutating func begin(after sequence: Int64) {
    bytes.bytes.removeAll(keepingCapacity: true)
    first = sequence + 1
    last = sequence
    inputs = 0
    lastCell = 0
    lastAt = .zero
  }

  /// Appends an input and the entries that it brought, which follow the last one without a gap.
  ///
  /// - Parameter input: nil for entries of which the input is not known.
  public mutating func append(_ input: Input?, at instant: Instant, bringing entries: ArraySlice<Entry>) {
    if isEmpty {
      firstAt = min(instant, entries.first?.at ?? instant)
      lastAt = .zero
    }
    pack(input, entries.first?.event)
    bytes.put(instant.microseconds &- lastAt.microseconds)
    lastAt = instant
    let isOfOneInstant = entries.allSatisfy { $0.at == instant }
    bytes.put(UInt64(entries.count) << 1 | (isOfOneInstant ? 1 : 0))
    for entry in entries {
      if !isOfOneInstant {
        bytes.put(entry.at.microseconds &- lastAt.microseconds)
        lastAt = entry.at
      }
      pack(entry.event, at: entry.at)
    }
    last += Int64(entries.count)
    if input != nil { inputs += 1 }
  }

  private mutating func pack(_ input: Input?, _ first: Event?) {
    switch (input, first) {
    case (nil, _): bytes.put(LogTag.noInput)
    case (.timer, _): bytes.put(LogTag.timer)
    case (.observation(.cellSubmitted(let id, let demand, let source, let forecast)), .cellQueued(let cell))
    where cell.notebook == id && cell.demand == demand && cell.source == source && cell.forecast == forecast:
      bytes.put(LogTag.sameAsQueued)
    case (.observation(.cellEnded(let id, let cell, let outcome)), .cellEnded(let same, let its, let told))
    where same == cell && its == id && told == outcome:
      bytes.put(LogTag.sameAsEnded)
    case (.some(let input), _):
      bytes.put(LogTag.anyInput)
      bytes.append(input)
    }
  }

  private mutating func pack(_ event: Event, at instant: Instant) {
    switch event {
    case .cellQueued(let cell):
      bytes.put(LogTag.cellQueued)
      pack(cell, at: instant)
    case .cellStarted(let cell, let id, let allotment, let reason):
      bytes.put(LogTag.cellStarted)
      pack(cell)
      bytes.put(id)
      pack(allotment)
      bytes.put(reason)
    case .cellResized(let cell, let id, let allotment, let reason):
      bytes.put(LogTag.cellResized)
      pack(cell)
      bytes.put(id)
      pack(allotment)
      bytes.put(reason)
    case .cellEnded(let cell, let id, let outcome):
      bytes.put(LogTag.cellEnded)
      pack(cell)
      bytes.put(id)
      bytes.put(UInt64(outcome.rawValue))
    case .policyChanged, .nodeAdded, .drainChanged, .notebookOpened, .kernelReady, .kernelDied, .notebookClosed,
      .backlogChanged, .cellRefused, .cellWaits, .cellAdopted, .cellSuspended, .cellResumed, .interruptRequested,
      .priorityChanged, .pinned, .unpinned, .held, .released, .resumeOrdered, .demandOverridden, .commandAccepted,
      .commandRefused, .decisionRefused, .effectFailed, .usageSampled, .invariantBroken,
      .memoryEvicted, .suspensionPlanned, .suspensionCalledOff:
      bytes.append(event)
    }
  }

  private mutating func pack(_ cell: CellID) {
    bytes.put(cell.number &- lastCell)
    lastCell = cell.number
  }

  private mutating func pack(_ cell: Cell, at instant: Instant) {
    var rare: RareOfCell = []
    if cell.source.jupyterCell != nil { rare.insert(.jupyterCell) }
    if cell.source.codeHash != 0 { rare.insert(.codeHash) }
    if cell.demand.memory != .zero || cell.demand.gpuMemory != .zero { rare.insert(.memory) }
    if let forecast = cell.forecast {
      rare.insert(.forecast)
      let run = forecast.run
      if run == Quantiles(certain: run.p50) { rare.insert(.certain) }
      if forecast.further != nil { rare.insert(.further) }
    }
    bytes.put(rare.rawValue)
    pack(cell.id)
    bytes.put(cell.notebook)
    bytes.put(instant.microseconds &- cell.submitted.microseconds)
    bytes.put(cell.demand.coresLeast)
    bytes.put(cell.demand.coresMost &- cell.demand.coresLeast)
    bytes.put(cell.demand.gpus)
    bytes.put(cell.source.key)
    if rare.contains(.memory) {
      bytes.put(cell.demand.memory)
      bytes.put(cell.demand.gpuMemory)
    }
    if let name = cell.source.jupyterCell { bytes.put(name) }
    if rare.contains(.codeHash) { bytes.put(cell.source.codeHash) }
    guard let forecast = cell.forecast else { return }
    bytes.put(forecast.run.p50)
    if !rare.contains(.certain) {
      for span in [forecast.run.p05, forecast.run.p25, forecast.run.p75, forecast.run.p95] {
        bytes.put(span.microseconds &- forecast.run.p50.microseconds)
      }
    }
    bytes.put(UInt64(forecast.basis.rawValue))
    bytes.put(forecast.notebookRemaining)
    bytes.put(forecast.notebookTotal)
    bytes.put(forecast.parallelThousandths)
    bytes.put(forecast.peakCores)
    bytes.put(forecast.peakGPUs)
    if let further = forecast.further { bytes.put(further) }
  }

  private mutating func pack(_ allotment: Allotment) {
    var rare: RareOfAllotment = []
    if allotment.node.number != 0 { rare.insert(.node) }
    if !allotment.gpus.isEmpty { rare.insert(.gpus) }
    if allotment.memory != .zero { rare.insert(.memory) }
    if allotment.shared { rare.insert(.shared) }
    bytes.put(rare.rawValue)
    if rare.contains(.node) { bytes.put(allotment.node) }
    pack(allotment.cores)
    if rare.contains(.gpus) { pack(allotment.gpus) }
    if rare.contains(.memory) { bytes.put(allotment.memory) }
  }

  /// How many runs of consecutive numbers, then the gap before each and its length.
  private mutating func pack<Kind>(_ set: ResourceSet<Kind>) {
    var runs: UInt64 = 0
    set.forEachRun { _, _ in runs += 1 }
    bytes.put(runs)
    var end = 0
    set.forEachRun { start, length in
      bytes.put(UInt64(start - end))
      bytes.put(UInt64(length))
      end = start + length
    }
  }
}

/// The numbers that begin an input, and those that begin an event in place of `Event`'s own, which are below 64.
enum LogTag {
  static let noInput: UInt64 = 0
  static let anyInput: UInt64 = 1
  static let timer: UInt64 = 2
  static let sameAsQueued: UInt64 = 3
  static let sameAsEnded: UInt64 = 4

  static let cellQueued: UInt64 = 64
  static let cellStarted: UInt64 = 65
  static let cellResized: UInt64 = 66
  static let cellEnded: UInt64 = 67
}

/// Which of a cell's parts follow.
struct RareOfCell: OptionSet {
  var rawValue: UInt64
  static let jupyterCell = RareOfCell(rawValue: 1)
  static let codeHash = RareOfCell(rawValue: 2)
  static let memory = RareOfCell(rawValue: 4)
  static let forecast = RareOfCell(rawValue: 8)
  /// The forecast's quantiles are all the same.
  static let certain = RareOfCell(rawValue: 16)
  /// The forecast says more of the notebook's rest.
  static let further = RareOfCell(rawValue: 32)
}

/// Which of an allotment's parts follow.
struct RareOfAllotment: OptionSet {
  var rawValue: UInt64
  static let node = RareOfAllotment(rawValue: 1)
  static let gpus = RareOfAllotment(rawValue: 2)
  static let memory = RareOfAllotment(rawValue: 4)
  static let shared = RareOfAllotment(rawValue: 8)
}

extension ResourceSet {
  /// Calls `body` with the start and the length of each run of consecutive numbers, in ascending order.
  func forEachRun(_ body: (_ start: Int, _ length: Int) -> Void) {
    var start = -1
    var end = -1
    for index in 0..<words {
      var word = word(index)
      while word != 0 {
        let low = word.trailingZeroBitCount
        let length = (~(word >> UInt64(low))).trailingZeroBitCount
        let from = index << 6 + low
        if from == end {
          end += length
        } else {
          if start >= 0 { body(start, end - start) }
          start = from
          end = from + length
        }
        if low + length >= 64 { break }
        word &= ~0 << UInt64(low + length)
      }
    }
    if start >= 0 { body(start, end - start) }
  }

  /// Adds a run. - Precondition: within 0 ... `greatest`.
  mutating func insertRun(_ start: Int, _ length: Int) {
    var place = start
    let end = start + length
    while place < end {
      let low = place & 63
      let count = Swift.min(64 - low, end - place)
      let mask: UInt64 = count == 64 ? ~0 : (1 << UInt64(count) - 1) << UInt64(low)
      setWord(place >> 6, word(place >> 6) | mask)
      place += count
    }
  }
}
