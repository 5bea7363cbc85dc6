import Chance
import ThinkTimes

/// How many notebooks at once, and whether their authors think.
public struct Workload: Codable, Hashable, Sendable {
  public var notebooks: Int
  public var thinks: Bool

  public init(notebooks: Int, thinks: Bool) {
    self.notebooks = notebooks
    self.thinks = thinks
  }

  /// `8` or `8-think`, for names of files.
  public var slug: String { thinks ? "\(notebooks)-think" : "\(notebooks)" }

  /// "8 notebooks, no think time".
  public var title: String { "\(notebooks) notebooks, \(thinks ? "think times" : "no think time")" }
}

/// One run of one scheme on one workload.
public struct ArmKey: Codable, Hashable, Sendable {
  public var workload: Workload
  public var scheme: Scheme
  /// From 1.
  public var repetition: Int

  public init(workload: Workload, scheme: Scheme, repetition: Int) {
    self.workload = workload
    self.scheme = scheme
    self.repetition = repetition
  }

  /// The name of its files.
  public var slug: String { "\(workload.slug)-\(scheme.rawValue)-\(repetition)" }
}

/// What the live bench does, in which order, and on what.
///
/// Two benches with the same plan and the same seed play the same notebooks with the same think times; only the machine
/// differs.
public struct BenchPlan: Codable, Hashable, Sendable {
  public static let version = 2

  /// A workload and the schemes that are compared on it.
  public struct Block: Codable, Hashable, Sendable {
    public var workload: Workload
    public var schemes: [Scheme]

    public init(workload: Workload, schemes: [Scheme]) {
      self.workload = workload
      self.schemes = schemes
    }
  }

  public var version = BenchPlan.version
  /// The most important first: what time does not suffice for is left out from the end.
  public var blocks: [Block]
  public var repetitions: Int
  /// How often the notebooks run alone, one after the other, for T_alone.
  public var aloneRuns: Int
  /// How often all notebooks run at once, with nobody to schedule them, where the loss of sharing is measured; 0 leaves the
  /// calibration of the simulator out.
  public var crowds: Int
  /// What the bundled notebooks' sizes are multiplied by.
  public var size: Double
  /// What a notebook's size is multiplied by besides, in turn, so that not all are equally long.
  public var spread: [Double]
  public var thinkScale: Double
  public var thinkSecondsMost: Double
  /// The policy of the dynamic schemes, with its options.
  public var dynamic: String
  public var seed: UInt64
  /// The files that are played, each a name without its folder; a workload takes them in this order, again and again.
  public var documents: [String]

  public init(
    blocks: [Block], repetitions: Int, aloneRuns: Int, crowds: Int, size: Double, spread: [Double],
    thinkScale: Double, thinkSecondsMost: Double, dynamic: String, seed: UInt64, documents: [String]
  ) {
    self.blocks = blocks
    self.repetitions = repetitions
    self.aloneRuns = aloneRuns
    self.crowds = crowds
    self.size = size
    self.spread = spread
    self.thinkScale = thinkScale
    self.thinkSecondsMost = thinkSecondsMost
    self.dynamic = dynamic
    self.seed = seed
    self.documents = documents
  }

  /// Every arm in the order in which they are run: within a block the schemes take turns (A B C A B C), so that a machine
  /// that grows slower or noisier does so for all of them.
  public var arms: [ArmKey] {
    blocks.flatMap { block in
      (1...max(repetitions, 1)).flatMap { repetition in
        block.schemes.map { ArmKey(workload: block.workload, scheme: $0, repetition: repetition) }
      }
    }
  }

  /// The names of a workload's notebooks: the second copy of a document is `name-2`, a file of its own.
  public func names(of workload: Workload) -> [String] {
    (0..<workload.notebooks).map { place in
      let turn = place / max(documents.count, 1) + 1
      let name = documents[place % max(documents.count, 1)]
      return turn == 1 ? name : "\(name)-\(turn)"
    }
  }

  /// The document that a notebook's name stands for.
  public func document(of name: String) -> String {
    if documents.contains(name) { return name }
    guard let mark = name.lastIndex(of: "-") else { return name }
    return String(name[..<mark])
  }

  /// What a document's size is multiplied by.
  public func size(of document: String) -> Double {
    let place = documents.firstIndex(of: document) ?? 0
    return size * (spread.isEmpty ? 1 : spread[place % spread.count])
  }

  /// The think times before each cell of each notebook, in seconds: the same for every scheme, other ones for each
  /// repetition. All zero where nobody thinks.
  ///
  /// They are drawn from the two lognormals that were fitted to the gaps of 459 public notebooks
  /// (`Sources/Player/pace.py`), scaled and cut off.
  public func thinks(_ workload: Workload, repetition: Int, cells: [Int]) -> [[Double]] {
    guard workload.thinks else { return cells.map { Array(repeating: 0, count: $0) } }
    let model = ThinkModel.twoLognormals(
      weight: 0.504, first: .init(mu: 0.91, sigma: 0.91), second: .init(mu: 4.57, sigma: 1.76))
    return cells.enumerated().map { place, count in
      var random = SplitMix(seed: seed &+ UInt64(repetition) &* 1_000_003 &+ UInt64(place) &* 7_919)
      return (0..<count).map { _ in
        min(model.quantile(min(max(random.uniform(), 1e-9), 1 - 1e-9)) * thinkScale, thinkSecondsMost)
      }
    }
  }

  /// In which order the notebooks come first come, first served: drawn anew for each repetition, the same for every scheme.
  public func order(_ workload: Workload, repetition: Int) -> [Int] {
    var order = Array(0..<workload.notebooks)
    var random = SplitMix(seed: seed &+ UInt64(repetition) &* 104_729)
    for place in order.indices.dropLast().reversed() {
      order.swapAt(place + 1, random.index(below: place + 2))
    }
    return order
  }
}
