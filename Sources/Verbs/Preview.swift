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

  /// The orders that were asked about.
  public var verbs: [Verb]
  public var before: Outcome
  public var after: Outcome
  /// Those that gain or lose most first.
  public var changes: [Change]
  /// Why the engine would refuse orders; empty where it would obey all.
  public var refusals: [Refusal]
  /// How far it was looked ahead.
  public var horizon: Span
  /// Cells about whose length nothing is known: they were taken to run as long again as they have, a minute at the least.
  public var unknown: Int
  /// Whether the time to look ran out before the horizon did.
  public var isCutShort: Bool

  public init(
    verbs: [Verb], before: Outcome, after: Outcome, changes: [Change], refusals: [Refusal], horizon: Span, unknown: Int,
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

  /// What it says in a few lines for people.
  public func sentences(naming name: (NotebookID) -> String) -> [String] {
    if let refusal = refusals.first { return ["The engine would refuse it: \(refusal.text)."] }
    func two(_ value: Double) -> String {
      let hundredths = Int((value * 100).rounded())
      return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
    func time(_ span: Span?) -> String {
      guard let seconds = span.map({ Int($0.seconds.rounded()) }) else {
        return "not within \(Int(horizon.seconds / 60)) min"
      }
      if seconds <= 0 { return "now" }
      return seconds < 120 ? "in \(seconds) s" : seconds < 7200 ? "in \(seconds / 60) min" : "in \(seconds / 3600) h"
    }
    var lines: [String] = []
    if changes.isEmpty {
      lines.append("Nobody is expected to start or end at another time.")
    } else {
      lines.append(
        "Mean wait still to come \(two(before.waitMean)) → \(two(after.waitMean)) s, ANTT \(two(before.antt)) → \(two(after.antt)), STP \(two(before.stp)) → \(two(after.stp))."
      )
    }
    for change in changes.prefix(4) {
      let who = name(change.notebook)
      if change.waitBefore != change.waitAfter {
        lines.append("\(who) starts \(time(change.waitAfter)), without it \(time(change.waitBefore)).")
      } else {
        lines.append("\(who) ends \(time(change.endAfter)), without it \(time(change.endBefore)).")
      }
    }
    if changes.count > 4 { lines.append("\(changes.count - 4) more are affected.") }
    if unknown > 0 { lines.append("(\(unknown) cells are of unknown length.)") }
    if isCutShort { lines.append("(The look ahead was cut short.)") }
    return lines
  }
}
