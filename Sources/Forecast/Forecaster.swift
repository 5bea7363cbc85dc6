import Domain

/// Predicts what cells need and how long they run, how long authors think, what comes next, and how much a notebook has
/// left, from what was seen before; and keeps its own calibration.
///
/// It learns as things happen, from a session's entries (`learn`) or from a simulation (`open`, `submit`, `end`, `close`). Each
/// update takes a bounded time, and what it knows a bounded memory; both are the same after a million cells as after a
/// thousand. What was seen lately weighs most. The state is saved and restored by `saved` and `init(saved:)`.
public struct Forecaster: Sendable, Hashable {
  var predictors: [Predictor]
  var lifetimes: Lifetimes
  /// How many notebooks were opened so far, over all sessions.
  var openings: UInt64
  /// The notebooks that are open, by number.
  var sittings: [Int32: Sitting] = [:]

  public init() {
    predictors = Quantity.allCases.map { Predictor(keysMost: $0.keysMost, isCount: $0.isCount, trust: $0.trustAtFirst) }
    lifetimes = Lifetimes()
    openings = 0
  }

  init(predictors: [Predictor], lifetimes: Lifetimes, openings: UInt64) {
    self.predictors = predictors
    self.lifetimes = lifetimes
    self.openings = openings
  }

  /// Forgets the notebooks that are open, whose numbers mean others from now on; what was learned stays.
  public mutating func beginSession() { sittings = [:] }
}

// MARK: What happens

extension Forecaster {
  /// A notebook was opened.
  public mutating func open(_ notebook: Notebook) {
    openings += 1
    var sitting = Sitting(notebook, opening: openings)
    sitting.lifeClass = 0
    lifetimes.passed(from: nil, to: 0, keys: sitting.lifeKeys)
    sittings[notebook.id.number] = sitting
  }

  /// A cell was submitted. What the notebook's author thought is learned; what is foreseen of the cell is noted, to be
  /// held against what comes.
  public mutating func submit(_ source: CellSource, _ demand: Demand, in id: NotebookID, at now: Instant) {
    guard var sitting = sittings[id.number] else { return }
    if let after = sitting.after {
      let thought = max((now - sitting.endedAt).seconds, Self.least)
      learn(.think, thought, after, sitting.foreseenAfter)
      sitting.thinkBefore = sitting.lastThink
      sitting.lastThink = Sitting.doubling(of: thought)
      learn(.nextGPUs, Double(max(demand.gpus, 0)) + 1, after, sitting.foreseenAfter)
    }
    sitting.cells += 1
    sitting.source = source
    sitting.demand = demand
    sitting.progress = Progress()
    let contexts = sitting.contexts(of: source, demand, number: sitting.cells)
    sitting.own = contexts
    sitting.foreseen = Quantity.allCases.map {
      $0.isOfNext || $0 == .left || $0 == .think ? nil : predictors[$0.rawValue].foresee(contexts)
    }
    if demand.gpus > sitting.peakGPUs { sitting.peakGPUs = demand.gpus }
    sitting.step(among: sittings.count)
    sittings[id.number] = sitting
  }

  /// The notebook's cell ended after it had run for `ran`.
  ///
  /// - Parameters:
  ///   - need: what it was seen to need.
  ///   - isWhole: it ended by itself, so that its run time and its needs say something about the next time.
  public mutating func end(_ id: NotebookID, ran: Span, need: MeasuredNeed, isWhole: Bool, at now: Instant) {
    guard var sitting = sittings[id.number], let own = sitting.own else { return }
    let seconds = max(ran.seconds, Self.least)
    if isWhole { learn(sitting, own, seconds, need) }
    sitting.after = sitting.contextsAfter(sitting.source, sitting.demand, number: sitting.cells, ran: seconds)
    sitting.foreseenAfter = Quantity.allCases.map { quantity in
      guard quantity.isOfNext || quantity == .think, let after = sitting.after else { return nil }
      return predictors[quantity.rawValue].foresee(after)
    }
    sitting.own = nil
    sitting.endedAt = now
    sitting.runBefore = sitting.lastRun
    sitting.lastRun = Sitting.doubling(of: seconds)
    sitting.attained += seconds
    let life = Lifetimes.place(of: sitting.attained)
    lifetimes.passed(from: sitting.lifeClass, to: life, keys: sitting.lifeKeys)
    sitting.lifeClass = max(life, sitting.lifeClass ?? 0)
    sittings[id.number] = sitting
  }

  /// The notebook was closed.
  public mutating func close(_ id: NotebookID) {
    guard let sitting = sittings.removeValue(forKey: id.number) else { return }
    lifetimes.closed(in: sitting.lifeClass ?? 0, keys: sitting.lifeKeys)
    // What ran nothing after a cell has nothing to teach of it: it was never let run.
    for step in sitting.steps where sitting.attained > step.before {
      predictors[Quantity.left.rawValue].learn(
        sitting.attained - step.before, Contexts(step.contexts), foreseen: nil)
    }
  }

  /// The shortest time that is told from none, in seconds: the middle of the first bin.
  static let least = LogScale.value(at: 0.5)

  private mutating func learn(_ sitting: Sitting, _ own: Contexts, _ seconds: Double, _ need: MeasuredNeed) {
    learn(.run, seconds, own, sitting.foreseen)
    if let after = sitting.after { learn(.nextRun, seconds, after, sitting.foreseenAfter) }
    if let millicores = need.millicores, millicores > 0 {
      learn(.millicores, Double(millicores), own, sitting.foreseen)
      if let after = sitting.after { learn(.nextMillicores, Double(millicores), after, sitting.foreseenAfter) }
    }
    if let gpus = need.gpus { learn(.gpus, Double(max(gpus, 0)) + 1, own, sitting.foreseen) }
    for (bytes, quantity, next) in [
      (need.memory, Quantity.memory, Quantity.nextMemory), (need.gpuMemory, .gpuMemory, .nextGPUMemory),
    ] {
      guard let bytes, bytes > .zero else { continue }
      learn(quantity, Double(bytes.count) / Self.mebibyte, own, sitting.foreseen)
      if let after = sitting.after { learn(next, Double(bytes.count) / Self.mebibyte, after, sitting.foreseenAfter) }
    }
    if let parallel = need.parallelThousandths {
      learn(.serial, Double(1001 - min(max(parallel, 0), 1000)), own, sitting.foreseen)
    }
  }

  private mutating func learn(_ quantity: Quantity, _ value: Double, _ contexts: Contexts, _ foreseen: [Foreseen?]) {
    predictors[quantity.rawValue].learn(value, contexts, foreseen: foreseen[quantity.rawValue])
  }

  static let mebibyte = 1_048_576.0
}

// MARK: What is foreseen

extension Forecaster {
  /// The forecast for a cell about to be submitted; nil before any cell has been learned from.
  public func forecast(_ source: CellSource, _ demand: Demand, in id: NotebookID) -> CellForecast? {
    guard let sitting = sittings[id.number] else { return nil }
    let number = sitting.cells + 1
    let contexts = sitting.contexts(of: source, demand, number: number)
    guard let run = foresee(.run, contexts) else { return nil }
    let after = sitting.contextsAfter(source, demand, number: number, ran: run.quantiles[2])
    let serial = demand.coresMost > 1 ? foresee(.serial, contexts)?.quantiles[2] ?? 1 : 1
    let further = FurtherForecast(
      need: need(contexts, [.millicores, .gpus, .memory, .gpuMemory]),
      notebookLeft: left(sitting, contexts, demand, run),
      think: foresee(.think, after).map { Quantiles(seconds: $0.quantiles) },
      nextRun: foresee(.nextRun, after).map { Quantiles(seconds: $0.quantiles) },
      nextNeed: need(after, [.nextMillicores, .nextGPUs, .nextMemory, .nextGPUMemory]))
    return CellForecast(
      run: Quantiles(seconds: run.quantiles), basis: run.basis,
      parallelThousandths: 1001 - Int32(min(max(serial, 1), 1001).rounded()), further: further)
  }

  private func foresee(_ quantity: Quantity, _ contexts: Contexts) -> Foreseen? {
    predictors[quantity.rawValue].foresee(contexts)
  }

  /// What earlier runs of the document had left at this cell, where there were any; else what notebooks have left that
  /// have run for as long.
  private func left(_ sitting: Sitting, _ contexts: Contexts, _ demand: Demand, _ run: Foreseen) -> Quantiles {
    var asked = sitting
    asked.peakGPUs = max(sitting.peakGPUs, demand.gpus)
    let life = lifetimes.left(after: sitting.attained, keys: asked.lifeKeys)
    let own = Contexts(OwnContexts(contexts))
    let left = predictors[Quantity.left.rawValue].foresee(own, otherwise: DecayingSketch(quantiles: life))?.quantiles
    return Quantiles(seconds: zip(left ?? life, run.quantiles).map { max($0, $1) })
  }

  private func need(_ contexts: Contexts, _ quantities: [Quantity]) -> ForeseenNeed {
    func amounts(_ index: Int, _ scale: Double, less: Double = 0) -> Amounts? {
      guard let foreseen = foresee(quantities[index], contexts) else { return nil }
      let values = foreseen.quantiles.map { Int64((max($0 - less, 0) * scale).rounded()) }
      return Amounts(p05: values[0], p25: values[1], p50: values[2], p75: values[3], p95: values[4])
    }
    return ForeseenNeed(
      millicores: amounts(0, 1), gpus: amounts(1, 1, less: 1), memory: amounts(2, Self.mebibyte),
      gpuMemory: amounts(3, Self.mebibyte))
  }
}

extension Quantity {
  /// It is a small whole number, counted from 1.
  public var isCount: Bool {
    switch self {
    case .gpus, .nextGPUs: true
    case .run, .think, .millicores, .memory, .gpuMemory, .serial, .nextRun, .nextMillicores, .nextMemory,
      .nextGPUMemory, .left:
      false
    }
  }

  /// It is about the cell after the one that ended.
  var isOfNext: Bool {
    switch self {
    case .nextRun, .nextMillicores, .nextGPUs, .nextMemory, .nextGPUMemory: true
    case .run, .think, .millicores, .gpus, .memory, .gpuMemory, .serial, .left: false
    }
  }
}

extension Level {
  var basis: ForecastBasis {
    switch self {
    case .place, .code, .ownCode: .code
    case .notebook, .sitting, .habit: .notebook
    case .user: .user
    case .everyone, .kernel, .demand, .echo, .rhythm: .everyone
    }
  }
}

extension Quantiles {
  /// From five numbers of seconds, in order.
  init(seconds: [Double]) {
    self.init(
      p05: Span(seconds: seconds[0]), p25: Span(seconds: seconds[1]), p50: Span(seconds: seconds[2]),
      p75: Span(seconds: seconds[3]), p95: Span(seconds: seconds[4]))
  }
}
