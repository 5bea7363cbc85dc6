/// What the notebooks take alone, measured in the same run: the yardstick of everything else.
public struct AloneTimes: Codable, Hashable, Sendable {
  /// Seconds from a cell's submission to its end, by document and number from 1: the mean over the runs.
  public private(set) var seconds: [String: [Double]] = [:]
  /// Processor seconds of the kernel's tree, likewise.
  public private(set) var processor: [String: [Double]] = [:]

  public init() {}

  /// - Parameter runs: each the cells of one run of every document, one after the other on an otherwise idle node. A
  ///   cell that did not end well counts for nothing, and neither does its notebook.
  public init(_ runs: [[TimedCell]]) {
    let broken = Set(runs.flatMap { $0 }.filter { !$0.isWell }.map(\.notebook))
    var times: [String: [Int: [(wall: Double, processor: Double)]]] = [:]
    for cell in runs.flatMap({ $0 }) where !broken.contains(cell.notebook) {
      times[cell.notebook, default: [:]][cell.number, default: []]
        .append((cell.turnaround, cell.processorSeconds ?? cell.turnaround))
    }
    for (notebook, cells) in times {
      let numbers = cells.keys.sorted()
      seconds[notebook] = numbers.map { number in Self.mean((cells[number] ?? []).map(\.wall)) }
      processor[notebook] = numbers.map { number in Self.mean((cells[number] ?? []).map(\.processor)) }
    }
  }

  private static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }

  /// T_alone of a document; nil where it was not measured.
  public func whole(_ document: String) -> Double? { seconds[document].map { $0.reduce(0, +) } }

  /// A cell's seconds; nil where it was not measured.
  public func of(_ document: String, _ number: Int) -> Double? {
    guard let all = seconds[document], all.indices.contains(number - 1) else { return nil }
    return all[number - 1]
  }
}
