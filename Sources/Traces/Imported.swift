/// A trace that was made from another format, with what a reader should know about the making.
public struct Imported: Sendable {
  public var trace: Trace
  /// What was found, in sentences: the format's era, the clock's resolution, what was assumed.
  public var notes: [String]
  /// What is not in the trace, and why.
  public var leftOut: Omissions

  public init(trace: Trace, notes: [String] = [], leftOut: Omissions = Omissions()) {
    self.trace = trace
    self.notes = notes
    self.leftOut = leftOut
  }
}

/// Counts of what an importer left out or could not be sure of, by reason, in the order in which they were met.
public struct Omissions: Sendable, Hashable {
  public struct Entry: Sendable, Hashable {
    /// What was left out and why, as a clause: "lines of other output".
    public var why: String
    public var count: Int
    /// The first place, `file:line`; empty where there is none.
    public var first: String
  }

  public private(set) var entries: [Entry] = []

  public init() {}

  /// Counts one more, or `count` more.
  public mutating func add(_ why: String, count: Int = 1, at first: @autoclosure () -> String = "") {
    guard count > 0 else { return }
    if let index = entries.firstIndex(where: { $0.why == why }) {
      entries[index].count += count
    } else {
      entries.append(Entry(why: why, count: count, first: first()))
    }
  }

  /// How many were counted for that reason.
  public func count(of why: String) -> Int { entries.first { $0.why == why }?.count ?? 0 }
}
