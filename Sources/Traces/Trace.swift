import Domain

/// One cell of a trace: what its author waited for and thought about, without the code.
@frozen public struct TraceCell: Hashable, Sendable {
  /// From the end of the cell before it (for the first: from the notebook's arrival) to its submission.
  public var think: Span
  /// How long it runs alone on the node, with all the cores and GPUs that it asks for.
  public var run: Span
  /// The cores that it can use.
  public var cores: Int32
  /// The share of its work that runs in parallel (Amdahl's law), in thousandths.
  public var parallelThousandths: Int32
  /// The GPUs that it needs, all at once.
  public var gpus: Int32
  /// The host memory that it needs.
  public var memory: Bytes
  /// The memory that it needs on each of its GPUs.
  public var gpuMemory: Bytes
  /// How it ended when it was recorded; a simulation runs it to its end all the same.
  public var outcome: CellOutcome

  @inlinable public init(
    think: Span, run: Span, cores: Int32 = 1, parallelThousandths: Int32 = 1000, gpus: Int32 = 0,
    memory: Bytes = .zero, gpuMemory: Bytes = .zero, outcome: CellOutcome = .ok
  ) {
    self.think = think
    self.run = run
    self.cores = cores
    self.parallelThousandths = parallelThousandths
    self.gpus = gpus
    self.memory = memory
    self.gpuMemory = gpuMemory
    self.outcome = outcome
  }

  /// What the cell asks the engine for: malleable from one core to all that it can use.
  @inlinable public var demand: Demand {
    Demand(coresLeast: 1, coresMost: cores, gpus: gpus, memory: memory, gpuMemory: gpuMemory)
  }
}

/// One notebook of a trace: a user's session, cell after cell.
public struct TraceNotebook: Hashable, Sendable {
  public var name: String
  public var user: String
  /// When it is opened.
  public var arrival: Instant
  /// From -100 to 100; higher goes first.
  public var priority: Int32
  public var cells: [TraceCell]
  /// Which code each cell is, in the cells' order; empty, or shorter than the cells, where it is not known.
  ///
  /// It stands beside the cells and not in them, so that a million cells stay numbers that are copied as they are.
  public var sources: [CellSource]

  public init(
    name: String, user: String, arrival: Instant = .zero, priority: Int32 = 0, cells: [TraceCell],
    sources: [CellSource] = []
  ) {
    self.name = name
    self.user = user
    self.arrival = arrival
    self.priority = priority
    self.cells = cells
    self.sources = sources
  }

  /// Which code a cell is; with neither a name nor a hash where it is not known.
  public func source(of index: Int) -> CellSource { sources.indices.contains(index) ? sources[index] : CellSource() }

  /// Adds a cell, and which code it is where that is known.
  mutating func append(_ cell: TraceCell, _ source: CellSource) {
    if source.jupyterCell != nil || source.codeHash != 0 {
      while sources.count < cells.count { sources.append(CellSource()) }
      sources.append(source)
    }
    cells.append(cell)
  }

  /// What it is a session of: its name without the marks (`#2`) that tell sessions and repetitions of one document apart.
  public var document: String {
    var name = name[...]
    while let mark = name.lastIndex(of: "#"), mark > name.startIndex {
      let number = name[name.index(after: mark)...]
      guard !number.isEmpty, number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { break }
      name = name[..<mark]
    }
    return String(name)
  }

  /// The run times of its cells added up: how long they take alone on the node.
  public var runAlone: Span { cells.reduce(into: .zero) { $0 += $1.run } }
  /// The think times of its cells added up.
  public var think: Span { cells.reduce(into: .zero) { $0 += $1.think } }
}

/// A closed-loop workload: who opened which notebook when, and what its cells asked for.
public struct Trace: Hashable, Sendable {
  public var name: String
  /// Where it comes from, in a sentence; empty where nothing is to be said.
  public var note: String
  public var notebooks: [TraceNotebook]

  public init(name: String, note: String = "", notebooks: [TraceNotebook]) {
    self.name = name
    self.note = note
    self.notebooks = notebooks
  }

  /// How many cells all notebooks have together.
  public var cellCount: Int { notebooks.reduce(0) { $0 + $1.cells.count } }

  /// From the first arrival to the last end, if every notebook ran alone.
  public var span: Span {
    let first = notebooks.map(\.arrival).min() ?? .zero
    let last = notebooks.map { $0.arrival + $0.runAlone + $0.think }.max() ?? .zero
    return last - first
  }

  /// The trace played `times` times, each time by notebooks of its own, one repetition after the other.
  ///
  /// A repetition begins `gap` after the one before it; nil takes the trace's own span.
  public func repeated(_ times: Int, every gap: Span? = nil) -> Trace {
    let step = gap ?? span
    var result = Trace(name: times == 1 ? name : "\(name) ×\(times)", note: note, notebooks: [])
    result.notebooks.reserveCapacity(notebooks.count * times)
    for turn in 0..<max(times, 0) {
      for notebook in notebooks {
        var copy = notebook
        let (later, overflow) = step.microseconds.multipliedReportingOverflow(by: Int64(turn))
        copy.arrival = copy.arrival + Span(microseconds: overflow ? .max : later)
        if turn > 0 { copy.name = "\(copy.name)#\(turn + 1)" }
        result.notebooks.append(copy)
      }
    }
    return result
  }

  /// The first cell that no node of this size could ever hold, told by name; nil where all fit.
  public func misfit(on node: Node) -> Refusal? {
    for notebook in notebooks {
      for (index, cell) in notebook.cells.enumerated() {
        var demand = cell.demand
        demand.coresLeast = demand.coresMost
        guard let refusal = node.refusal(of: demand) else { continue }
        return Refusal(.demandTooLarge, "cell \(index + 1) of notebook '\(notebook.name)' \(refusal.text)")
      }
    }
    return nil
  }
}

extension Trace {
  /// The trace with its think times and the gaps between its arrivals scaled; run times stay.
  public func stretched(by factor: Double) -> Trace {
    var result = self
    let first = notebooks.map(\.arrival).min() ?? .zero
    func scaled(_ span: Span) -> Span { Span(microseconds: .rounding(Double(span.microseconds) * factor)) }
    for index in result.notebooks.indices {
      result.notebooks[index].arrival = first + scaled(notebooks[index].arrival - first)
      for cell in result.notebooks[index].cells.indices {
        result.notebooks[index].cells[cell].think = scaled(notebooks[index].cells[cell].think)
      }
    }
    return result
  }
}

extension Trace {
  /// Makes the notebooks' names differ, as a trace on disk wants it: the second `a` becomes `a#2`.
  mutating func nameApart() {
    var seen: Set<String> = []
    for index in notebooks.indices {
      let plain = notebooks[index].name
      var number = 1
      while !seen.insert(notebooks[index].name).inserted {
        number += 1
        notebooks[index].name = "\(plain)#\(number)"
      }
    }
  }
}
