/// One cell as it went: what a client saw, and for cells that an engine scheduled when it ran on how many cores.
///
/// All times are seconds since the run's beginning, when the kernels were ready.
public struct TimedCell: Codable, Hashable, Sendable {
  /// A stretch in which the cell ran.
  public struct Stretch: Codable, Hashable, Sendable {
    public var from: Double
    public var to: Double
    /// 0 where nobody counted them.
    public var cores: Int

    public init(from: Double, to: Double, cores: Int) {
      self.from = from
      self.to = to
      self.cores = cores
    }
  }

  public var notebook: String
  /// From 1.
  public var number: Int
  public var id: String
  public var submitted: Double
  public var started: Double
  public var ended: Double
  /// In order; between two of them it was suspended.
  public var ran: [Stretch]
  public var isWell: Bool
  /// Processor time of the kernel's process tree meanwhile; nil where it was not counted.
  public var processorSeconds: Double?

  public init(
    notebook: String, number: Int, id: String, submitted: Double, started: Double, ended: Double, ran: [Stretch] = [],
    isWell: Bool = true, processorSeconds: Double? = nil
  ) {
    self.notebook = notebook
    self.number = number
    self.id = id
    self.submitted = submitted
    self.started = started
    self.ended = ended
    self.ran = ran
    self.isWell = isWell
    self.processorSeconds = processorSeconds
  }

  /// From its submission to its end.
  public var turnaround: Double { ended - submitted }
}
