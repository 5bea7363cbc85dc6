import Domain

/// What orders are likely to bring, against what would happen without them: both run ahead on the forecasts, on copies of
/// the engine, over the cells that are in the books and those that are expected next.
public struct Preview: Sendable, Hashable {
  /// What the cells come to.
  public struct Outcome: Sendable, Hashable {
    /// The mean of what they still wait to their first start, from now or from their submission, in seconds.
    public var waitMean: Double
    /// The mean, over the notebooks with such a cell, of the time from their cells' submissions to their ends, divided by
    /// their runs alone (Eyerman and Eeckhout, IEEE Micro 2008).
    public var antt: Double
    /// The sum of the inverses.
    public var stp: Double

    public init(waitMean: Double, antt: Double, stp: Double) {
      self.waitMean = waitMean
      self.antt = antt
      self.stp = stp
    }
  }

  /// A notebook whose cell starts or ends at a noticeably other time.
  public struct Change: Sendable, Hashable {
    public var notebook: NotebookID
    /// From now to the first start: without and with the orders; nil where it does not start within the horizon, zero
    /// where it runs.
    public var waitBefore: Span?
    public var waitAfter: Span?
    /// From now to the end.
    public var endBefore: Span?
    public var endAfter: Span?

    public init(_ notebook: NotebookID, wait: (Span?, Span?), end: (Span?, Span?)) {
      self.notebook = notebook
      (waitBefore, waitAfter) = wait
      (endBefore, endAfter) = end
    }
  }

  /// An order that the engine would refuse when its turn comes, after those before it.
  public struct Refused: Sendable, Hashable {
    /// Its place among the orders that were asked about.
    public var order: Int
    public var refusal: Refusal

    public var cause: Refusal.Cause { refusal.cause }

    public init(order: Int, _ refusal: Refusal) {
      self.order = order
      self.refusal = refusal
    }
  }

  /// The orders that were asked about.
  public var verbs: [Verb]
  public var before: Outcome
  /// With those orders that the engine would obey.
  public var after: Outcome
  /// Those that gain or lose most first.
  public var changes: [Change]
  /// Orders that the engine would refuse, and why; empty where it would obey all.
  public var refusals: [Refused]
  /// How far it was looked ahead.
  public var horizon: Span
  /// Cells about whose length nothing is known: they were taken to run as long again as they have, a minute at the least.
  public var unknown: Int
  /// Whether the time to look ran out before the horizon did.
  public var isCutShort: Bool

  public init(
    verbs: [Verb], before: Outcome, after: Outcome, changes: [Change], refusals: [Refused], horizon: Span, unknown: Int,
    isCutShort: Bool
  ) {
    self.verbs = verbs
    self.before = before
    self.after = after
    self.changes = changes
    self.refusals = refusals
    self.horizon = horizon
    self.unknown = unknown
    self.isCutShort = isCutShort
  }

  /// Those of the orders that the engine would obey, one after the other.
  public var obeyed: [Verb] {
    let refused = Set(refusals.map(\.order))
    return verbs.enumerated().filter { !refused.contains($0.offset) }.map(\.element)
  }

  /// What it says in a few lines for people.
  ///
  /// - Parameter leavesOut: whether nothing is said of orders that would be refused, because they are not to be given.
  public func sentences(leavesOut: Bool = false, naming name: (NotebookID) -> String) -> [String] {
    var lines: [String] = []
    if let first = refusals.first, !leavesOut {
      let some = refusals.count < verbs.count ? "\(refusals.count) of the \(verbs.count) orders" : "it"
      lines.append("The engine would refuse \(some): \(first.refusal.text).")
    }
    // Without a horizon nothing was played ahead.
    guard refusals.count < max(verbs.count, 1), horizon > .zero else { return lines }
    if changes.isEmpty {
      lines.append("Nobody is expected to start or end at another time.")
    } else {
      lines.append(
        "Mean wait still to come \(Self.two(before.waitMean)) → \(Self.two(after.waitMean)) s, ANTT \(Self.two(before.antt)) → \(Self.two(after.antt)), STP \(Self.two(before.stp)) → \(Self.two(after.stp))."
      )
    }
    for change in changes.prefix(4) {
      let (word, before, after) =
        change.waitBefore != change.waitAfter
        ? ("start", change.waitBefore, change.waitAfter) : ("end", change.endBefore, change.endAfter)
      let then = after.map { "\(word)s \(Self.time($0))" } ?? "does not \(word) within \(reach)"
      lines.append("\(name(change.notebook)) \(then), without it \(before.map(Self.time) ?? "not within \(reach)").")
    }
    let more = changes.count - 4
    if more > 0 { lines.append(more == 1 ? "One more is affected." : "\(more) more are affected.") }
    if unknown > 0 {
      lines.append(unknown == 1 ? "(One cell is of unknown length.)" : "(\(unknown) cells are of unknown length.)")
    }
    if isCutShort { lines.append("(The look ahead was cut short.)") }
    return lines
  }

  /// How far it was looked ahead, in words.
  private var reach: String { Self.words(horizon) }

  private static func time(_ span: Span) -> String { span.seconds.rounded() <= 0 ? "now" : "in \(words(span))" }

  private static func words(_ span: Span) -> String {
    let seconds = Int(span.seconds.rounded())
    return seconds < 120 ? "\(seconds) s" : seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h"
  }

  private static func two(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
  }
}
