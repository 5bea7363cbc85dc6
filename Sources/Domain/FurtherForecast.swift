/// What a learned forecast says beyond a cell's run time: what the cell needs, what its notebook has left, and what comes next.
///
/// A reference to values that never change, because forecasts are copied with every cell and few readers want this part.
public final class FurtherForecast: Hashable, Sendable {
  /// What this cell needs.
  public let need: ForeseenNeed
  /// The run time, alone, that the notebook has left, this cell included.
  public let notebookLeft: Quantiles
  /// The think time after this cell; nil where nothing is known.
  public let think: Quantiles?
  /// The run time of the next cell; nil where nothing is known.
  public let nextRun: Quantiles?
  /// What the next cell needs.
  public let nextNeed: ForeseenNeed

  public init(
    need: ForeseenNeed, notebookLeft: Quantiles, think: Quantiles?, nextRun: Quantiles?, nextNeed: ForeseenNeed
  ) {
    self.need = need
    self.notebookLeft = notebookLeft
    self.think = think
    self.nextRun = nextRun
    self.nextNeed = nextNeed
  }

  public static func == (a: FurtherForecast, b: FurtherForecast) -> Bool {
    a === b
      || (a.need == b.need && a.notebookLeft == b.notebookLeft && a.think == b.think && a.nextRun == b.nextRun
        && a.nextNeed == b.nextNeed)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(need)
    hasher.combine(notebookLeft)
    hasher.combine(think)
    hasher.combine(nextRun)
    hasher.combine(nextNeed)
  }
}

/// What a cell is foreseen to need; nil fields are unknown.
public struct ForeseenNeed: Hashable, Sendable {
  /// Cores that it can really use, in thousandths of a core.
  public var millicores: Amounts?
  public var gpus: Amounts?
  /// Host memory in bytes.
  public var memory: Amounts?
  /// Memory on each of its GPUs in bytes.
  public var gpuMemory: Amounts?

  public init(
    millicores: Amounts? = nil, gpus: Amounts? = nil, memory: Amounts? = nil, gpuMemory: Amounts? = nil
  ) {
    self.millicores = millicores
    self.gpus = gpus
    self.memory = memory
    self.gpuMemory = gpuMemory
  }
}

/// A distribution of a countable amount by five of its quantiles.
public struct Amounts: Hashable, Sendable {
  public var p05: Int64
  public var p25: Int64
  public var p50: Int64
  public var p75: Int64
  public var p95: Int64

  public init(p05: Int64, p25: Int64, p50: Int64, p75: Int64, p95: Int64) {
    self.p05 = p05
    self.p25 = p25
    self.p50 = p50
    self.p75 = p75
    self.p95 = p95
  }
}
