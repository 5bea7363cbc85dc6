import Domain

/// Two worlds in figures, ready to be shown: the session as it was, and as it might have been.
public struct SideBySide: Sendable, Hashable {
  public enum Verdict: Sendable, Hashable {
    case better, worse, same
  }

  /// A measure in both worlds.
  public struct Measure: Sendable, Hashable {
    public var name: String
    public var recorded: String
    public var again: String
    public var verdict: Verdict

    public init(name: String, recorded: String, again: String, verdict: Verdict) {
      self.name = name
      self.recorded = recorded
      self.again = again
      self.verdict = verdict
    }
  }

  /// A user or a notebook in both worlds.
  public struct Person: Sendable, Hashable {
    public var name: String
    public var cells: String
    public var recorded: String
    public var again: String
    /// What the change gives or takes, in words: `gains 1:20`.
    public var change: String
    public var verdict: Verdict

    public init(name: String, cells: String, recorded: String, again: String, change: String, verdict: Verdict) {
      self.name = name
      self.cells = cells
      self.recorded = recorded
      self.again = again
      self.change = change
      self.verdict = verdict
    }
  }

  /// What is different, as it was asked for.
  public var changes: String
  public var from: Instant
  public var measures: [Measure]
  /// Most affected first.
  public var users: [Person]
  public var notebooks: [Person]
  /// What a reader must know before trusting the figures.
  public var notes: [String]

  public init(
    changes: String, from: Instant, measures: [Measure], users: [Person], notebooks: [Person], notes: [String]
  ) {
    self.changes = changes
    self.from = from
    self.measures = measures
    self.users = users
    self.notebooks = notebooks
    self.notes = notes
  }
}
