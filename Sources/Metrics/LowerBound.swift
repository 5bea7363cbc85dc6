import Domain

/// A notebook as the lower bound sees it.
public struct BoundedNotebook: Sendable, Hashable {
  public var arrival: Instant
  public var cells: [BoundedCell]

  public init(arrival: Instant, cells: [BoundedCell]) {
    self.arrival = arrival
    self.cells = cells
  }
}

extension BoundedNotebook {
  /// Its normalised turnaround time where every cell takes the least that it can.
  fileprivate var leastNTT: Double {
    cells.reduce(0) { $0 + $1.least.seconds } / cells.reduce(0) { $0 + $1.run.seconds }
  }
}

/// A cell as the lower bound sees it.
public struct BoundedCell: Sendable, Hashable {
  public var think: Span
  /// Its run time alone on the node, on all the cores that it asks for.
  public var run: Span
  /// The least time in which any schedule can run it: less than `run` where several cores make it slower.
  public var least: Span
  /// The least resource × time in which any schedule can finish it, in microseconds: GPUs × run for GPUs, and run ×
  /// speedup on all of its cores for cores, since one core wastes nothing.
  public var area: Double

  /// - Parameter least: nil for `run`.
  public init(think: Span, run: Span, least: Span? = nil, area: Double) {
    self.think = think
    self.run = run
    self.least = least ?? run
    self.area = area
  }
}

/// An ANTT that no schedule of a trace can be below: `Docs/POLICIES.md` proves it.
///
/// Relaxation: one resource is a single machine of its whole capacity, on which work can be cut at will; a cell's work
/// is there no earlier than if everything before it in its notebook had run alone. Mean busy times weighted by 1/T_alone are
/// least if the machine always works on what has the greatest weight per area (WSPT). A notebook's end is at least its
/// mean busy time plus half of each cell's run and all that must follow it. **Source**: the mean-busy-time relaxation of
/// Goemans, Queyranne, Schulz, Skutella and Wang, "Single machine scheduling with release dates", SIAM J. Discrete Math. 15
/// (2002), carried over to chains of cells with think times.
public struct LowerBound: Sendable, Hashable {
  public var antt: Double

  /// - Parameters:
  ///   - resources: for each resource, the notebooks with their cells' areas on it, and its capacity.
  public init(resources: [(notebooks: [BoundedNotebook], capacity: Int)]) {
    antt = resources.map { Self.bound($0.notebooks, capacity: Double($0.capacity)) }.max() ?? 1
    // Nobody is faster than without neighbours.
    if let notebooks = resources.first?.notebooks { antt = max(antt, Self.undisturbed(notebooks)) }
  }

  /// The mean NTT where every cell takes the least that it can; 1 where nothing runs.
  private static func undisturbed(_ notebooks: [BoundedNotebook]) -> Double {
    let counted = notebooks.filter { $0.cells.contains { $0.run > .zero } }
    guard !counted.isEmpty else { return 1 }
    return counted.reduce(0) { $0 + $1.leastNTT } / Double(counted.count)
  }

  /// A piece of work that can be done from `release` on.
  private struct Piece {
    var release: Double
    var area: Double
    var density: Double
    var owner: Int
  }

  private static func bound(_ notebooks: [BoundedNotebook], capacity: Double) -> Double {
    let counted = notebooks.filter { $0.cells.contains { $0.run > .zero } }
    guard capacity > 0, !counted.isEmpty else { return 0 }
    var pieces: [Piece] = []
    var sum = 0.0
    for (owner, notebook) in counted.enumerated() {
      let alone = notebook.cells.reduce(0.0) { $0 + Double($1.run.microseconds) }
      let area = notebook.cells.reduce(0.0) { $0 + $1.area }
      guard area > 0 else {
        sum += notebook.leastNTT
        continue
      }
      let think = notebook.cells.reduce(0.0) { $0 + Double($1.think.microseconds) }
      var clock = Double(notebook.arrival.microseconds)
      var tail = Double(notebook.cells.reduce(0) { $0 + $1.least.microseconds }) + think
      var constant = -clock - think
      for cell in notebook.cells {
        let run = Double(cell.least.microseconds)
        clock += Double(cell.think.microseconds)
        tail -= Double(cell.think.microseconds) + run
        constant += cell.area / area * (run / 2 + tail)
        if cell.area > 0 {
          pieces.append(Piece(release: clock, area: cell.area, density: 1 / (alone * area), owner: owner))
        }
        clock += run
      }
      sum += constant / alone
    }
    return (sum + weightedBusyTime(pieces, capacity: capacity)) / Double(counted.count)
  }

  /// The least Σ density × ∫ t · rate dt: at each moment the machine works on the densest piece that is there.
  private static func weightedBusyTime(_ unsorted: [Piece], capacity: Double) -> Double {
    let pieces = unsorted.sorted { ($0.release, $0.owner) < ($1.release, $1.owner) }
    var ready = DenseHeap()
    var next = 0
    var clock = 0.0
    var cost = 0.0
    while next < pieces.count || !ready.isEmpty {
      if ready.isEmpty { clock = max(clock, pieces[next].release) }
      while next < pieces.count, pieces[next].release <= clock {
        ready.push((pieces[next].density, pieces[next].area))
        next += 1
      }
      guard let top = ready.top else { continue }
      let horizon = next < pieces.count ? pieces[next].release : .infinity
      let done = min(top.area, (horizon - clock) * capacity)
      let end = clock + done / capacity
      cost += top.density * done * (clock + end) / 2
      clock = end
      if done >= top.area { ready.pop() } else { ready.reduceTop(by: done) }
    }
    return cost
  }
}

/// A binary heap of (density, area), densest first.
private struct DenseHeap {
  private var items: [(density: Double, area: Double)] = []

  var isEmpty: Bool { items.isEmpty }
  var top: (density: Double, area: Double)? { items.first }

  mutating func push(_ item: (density: Double, area: Double)) {
    items.append(item)
    var at = items.count - 1
    while at > 0, items[(at - 1) / 2].density < items[at].density {
      items.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  mutating func reduceTop(by area: Double) { items[0].area -= area }

  mutating func pop() {
    items.swapAt(0, items.count - 1)
    items.removeLast()
    var at = 0
    while true {
      var greatest = at
      for child in [2 * at + 1, 2 * at + 2] where child < items.count {
        if items[child].density > items[greatest].density { greatest = child }
      }
      guard greatest != at else { return }
      items.swapAt(at, greatest)
      at = greatest
    }
  }
}
