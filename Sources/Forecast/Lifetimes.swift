import Domain

/// How much run time notebooks have in all, learned while they are open: of those that came to a certain run time, how
/// many ended there.
///
/// A product-limit estimate (Kaplan and Meier, J. Am. Stat. Assoc. 53, 1958) on classes of half a doubling: open notebooks
/// count as survivors of the classes that they have passed, so long ones are not forgotten for being open. A particular key
/// is drawn to the general one, and that to the law that half of what has run for t runs for 2t (Harchol-Balter and
/// Downey, ACM TOCS 15(3), 1997), by `pull` notebooks.
struct Lifetimes: Sendable, Hashable {
  static let binsEach = 8
  static let classes = LogScale.bins / binsEach
  static let pull = 4.0
  static let memory: Float = 500
  static let keysMost = 512

  /// One key's counts.
  struct Counts: Sendable, Hashable {
    /// By class: notebooks that came to it, and those that ended in it.
    var came = [Float](repeating: 0, count: Lifetimes.classes)
    var ended = [Float](repeating: 0, count: Lifetimes.classes)

    init() {}

    /// Saved counts; nil where they are none.
    init?(came: [Float], ended: [Float]) {
      guard came.count == Lifetimes.classes, ended.count == Lifetimes.classes,
        zip(came, ended).allSatisfy({ (0...1e6).contains($0) && (0...1e6).contains($1) })
      else { return nil }
      self.came = came
      self.ended = ended
    }

    mutating func come(to place: Int) {
      let keep = 1 - 1 / Lifetimes.memory
      came[place] = came[place] * keep + 1
      ended[place] *= keep
    }
  }

  private(set) var table: KeyedTable<Counts>

  init(table: KeyedTable<Counts> = KeyedTable(most: keysMost)) { self.table = table }

  static func place(of seconds: Double) -> Int { LogScale.bin(of: seconds) / binsEach }

  /// A notebook has passed from class `from` (nil: it was just opened) to class `to`.
  mutating func passed(from: Int?, to: Int, keys: [UInt64]) {
    let first = from.map { $0 + 1 } ?? 0
    guard first <= to else { return }
    for key in keys { table.update(key, from: Counts()) { for place in first...to { $0.come(to: place) } } }
  }

  /// A notebook has closed in class `place`.
  mutating func closed(in place: Int, keys: [UInt64]) {
    for key in keys { table.update(key, from: Counts()) { $0.ended[place] += 1 } }
  }

  /// What a notebook has left that has run for `attained`, at the shares of `Calibrator.promised`, in seconds.
  ///
  /// - Parameter keys: the most general first.
  func left(after attained: Double, keys: [UInt64]) -> [Double] {
    let known = keys.compactMap { table[$0] }
    let from = attained > 0 ? min(max(LogScale.place(of: attained), 0), Double(LogScale.bins - 1)) : 0
    var result: [Double] = []
    var alive = 1.0
    var place = from
    for promised in Calibrator.promised {
      let target = 1 - promised
      while place < Double(LogScale.bins) {
        let index = Int(place) / Self.binsEach
        let next = Double((index + 1) * Self.binsEach)
        let hazard = hazard(of: index, known)
        // Within a class the survivors fall evenly, as a share of those who came to its beginning.
        let begins = next - Double(Self.binsEach)
        let atPlace = 1 - hazard * (place - begins) / Double(Self.binsEach)
        let after = alive * (1 - hazard) / max(atPlace, 1e-9)
        if after <= target {
          let wanted = target / alive * atPlace
          let at = begins + (1 - wanted) / hazard * Double(Self.binsEach)
          alive = target
          place = min(max(at, place), next)
          break
        }
        alive = after
        place = next
      }
      result.append(max(LogScale.value(at: place) - attained, 0))
    }
    return result
  }

  private func hazard(of index: Int, _ known: [Counts]) -> Double {
    // Half of those alive end within a doubling.
    var hazard = 1 - 0.5.squareRoot()
    for counts in known {
      hazard = (Double(counts.ended[index]) + Self.pull * hazard) / (Double(counts.came[index]) + Self.pull)
    }
    return min(max(hazard, 1e-6), 0.999)
  }
}
