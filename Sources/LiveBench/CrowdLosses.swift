import Domain
import Simulation

/// What cells lose among others that nobody schedules, found from runs of several notebooks at once.
///
/// A run's cells are laid over each other: between two beginnings or ends it is known how many notebooks and threads shared
/// the node, and so how much of its work each cell would have done without a loss. The loss of a cell is that at which the
/// whole of its work comes out as one. A light run, of a few notebooks at a time, gives the loss at its mean load, a heavy
/// one, of all, that at its own.
struct CrowdLosses {
  /// A cell by its document and its number from 1.
  struct Key: Hashable {
    var document: String
    var number: Int
  }

  /// How a cell runs on cores of its own, and how many threads it has.
  struct Shape {
    var seconds: Double
    var threads: Int32
    var parallelThousandths: Int32
  }

  private(set) var losses: [Key: SharingLoss] = [:]

  /// - Parameters:
  ///   - light: runs of a few notebooks, each the cells of those that ran at once; empty where there is none.
  ///   - heavy: likewise of many.
  init(
    light: [[TimedCell]], heavy: [[TimedCell]], shapes: [Key: Shape], document: (String) -> String, node: Node,
    sharesByNotebook: Bool
  ) {
    var contention = Contention.none
    contention.sharesByNotebook = sharesByNotebook
    let lightly = Pieces(light, shapes, document, node, contention)
    let heavily = Pieces(heavy, shapes, document, node, contention)
    let lightLoad = max(lightly.meanLoad, Self.leastLoad)
    let heavyLoad = max(heavily.meanLoad, lightLoad)
    for key in shapes.keys {
      func point(_ load: Double) -> (Double) -> SharingLoss.Point { { SharingLoss.Point(load: load, loss: $0) } }
      let light = Self.mean(lightly.of[key] ?? []) { loss in
        SharingLoss(light: point(lightLoad)(loss), heavy: point(lightLoad)(loss))
      }.map(point(lightLoad))
      let heavy = Self.mean(heavily.of[key] ?? []) { loss in
        // Without a light run one line leads from a thread a core to the heavy load.
        SharingLoss(light: light ?? point(heavyLoad)(loss), heavy: point(heavyLoad)(loss))
      }.map(point(heavyLoad))
      if let last = heavy ?? light { losses[key] = SharingLoss(light: light ?? last, heavy: last) }
    }
  }

  /// Loads below this say nothing of sharing.
  private static let leastLoad = 1.1
  private static let lossMost = 1000.0

  /// The mean over a cell's runs of the loss at which its work comes out as one; nil where it never ran.
  private static func mean(_ runs: [[Piece]], _ curve: (Double) -> SharingLoss) -> Double? {
    guard !runs.isEmpty else { return nil }
    return runs.reduce(0) { $0 + solve($1, curve) } / Double(runs.count)
  }

  private static func solve(_ pieces: [Piece], _ curve: (Double) -> SharingLoss) -> Double {
    func done(_ loss: Double) -> Double {
      let curve = curve(loss)
      return pieces.reduce(0) { $0 + $1.work / (1 + curve.at($1.load)) }
    }
    // What was no slower than its share lost nothing; what was slow although nobody was there did not lose it by sharing.
    guard done(0) > 1, done(lossMost) < 1 else { return 0 }
    var (low, high) = (0.0, lossMost)
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if done(middle) > 1 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// A stretch of a cell's run under one load, and the part of its work that would have been done in it without a loss.
  struct Piece {
    var work: Double
    var load: Double
  }

  /// What runs of several notebooks say of their cells, and how loaded the node was on average.
  private struct Pieces {
    /// For each cell a list for each of its runs.
    var of: [Key: [[Piece]]] = [:]
    var meanLoad = 0.0

    init(
      _ runs: [[TimedCell]], _ shapes: [Key: Shape], _ document: (String) -> String, _ node: Node,
      _ contention: Contention
    ) {
      let whole = Allotment(node: node.id, cores: node.cores, gpus: GPUSet(), memory: .zero, shared: true)
      var seconds = 0.0
      for run in runs {
        let cells = run.compactMap { cell -> (cell: TimedCell, key: Key, shape: Shape)? in
          let key = Key(document: document(cell.notebook), number: cell.number)
          return shapes[key].map { (cell, key, $0) }
        }
        var pieces: [[Piece]] = Array(repeating: [], count: cells.count)
        let edges = Set(cells.flatMap { [$0.cell.submitted, $0.cell.ended] }).sorted()
        for (from, to) in zip(edges, edges.dropFirst()) {
          let present = cells.indices.filter { cells[$0].cell.submitted <= from && cells[$0].cell.ended >= to }
          guard !present.isEmpty else { continue }
          var load = SharedLoad(node)
          for place in present { load.add(whole, threads: cells[place].shape.threads, gpus: 0, sign: 1) }
          let share = load.cores(of: whole, threads: 1)
          for place in present {
            let shape = cells[place].shape
            let rate = contention.rate(
              of: Speedup(parallelThousandths: shape.parallelThousandths), cores: shape.threads, gpus: 0, on: whole,
              under: load, notebooks: present.count)
            pieces[place].append(Piece(work: (to - from) * rate / max(shape.seconds, 1e-6), load: share.load))
          }
          seconds += to - from
          meanLoad += share.load * (to - from)
        }
        for (place, one) in cells.enumerated() { of[one.key, default: []].append(pieces[place]) }
      }
      if seconds > 0 { meanLoad /= seconds }
    }
  }
}
