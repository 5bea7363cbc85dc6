import Domain
import Engine
import Policies
import Simulation
import Traces

/// What the simulator says the arms should have come to.
public struct Prediction: Codable, Hashable, Sendable {
  public var workload: Workload
  public var scheme: Scheme
  public var antt: Double
  public var stp: Double

  /// Simulates one scheme on one workload, once for each repetition's think times and order, and gives the medians, as they are
  /// given of what was seen.
  ///
  /// - Returns: nil where no arm counts.
  public init?(_ workload: Workload, _ scheme: Scheme, _ record: BenchRecord, _ calibration: Calibration) {
    self.workload = workload
    self.scheme = scheme
    let plan = record.plan
    let names = plan.names(of: workload)
    let alone = record.alone
    var ratios: [(antt: Double, stp: Double)] = []
    let repetitions = record.arms(workload, scheme).map(\.key.repetition)
    for repetition in repetitions {
      let thinks = plan.thinks(
        workload, repetition: repetition, cells: names.map { record.demands[plan.document(of: $0)]?.count ?? 0 })
      let order = plan.order(workload, repetition: repetition)
      guard let shared = Self.shared(scheme, names, thinks, order, plan, calibration) else { return nil }
      let ntt = names.indices.compactMap { place in
        alone.whole(plan.document(of: names[place])).map { shared[place] / $0 }
      }
      guard !ntt.isEmpty else { return nil }
      ratios.append((ntt.reduce(0, +) / Double(ntt.count), ntt.reduce(0) { $0 + 1 / $1 }))
    }
    guard let antt = Spread(ratios.map(\.antt)), let stp = Spread(ratios.map(\.stp)) else { return nil }
    (self.antt, self.stp) = (antt.median, stp.median)
  }

  /// T_shared of each notebook, in seconds.
  private static func shared(
    _ scheme: Scheme, _ names: [String], _ thinks: [[Double]], _ order: [Int], _ plan: BenchPlan,
    _ calibration: Calibration
  ) -> [Double]? {
    switch scheme {
    case .partition:
      let share = Double(calibration.cores) / Double(names.count)
      return names.map { calibration.sharedSeconds(plan.document(of: $0), share: share) }
    case .os, .osPassive:
      var trace = calibration.freeTrace(names, document: plan.document(of:), thinks: thinks)
      arrive(&trace, order)
      var contention = Contention.none
      contention.sharesByNotebook = calibration.sharesByNotebook
      contention.ownLosses = ContiguousArray(
        names.flatMap { name in
          (calibration.cells[plan.document(of: name)] ?? []).map { scheme == .osPassive ? $0.lossPassive : $0.loss }
        })
      return play(trace, "os", contention, NoForecast(), calibration)
    case .reservation:
      var trace = calibration.scheduledTrace(names, document: plan.document(of:), thinks: thinks, reserving: true)
      arrive(&trace, order)
      return play(trace, "reservation", .none, OracleForecast(notebooks: names.count), calibration)
    case .dynamic:
      var trace = calibration.scheduledTrace(names, document: plan.document(of:), thinks: thinks, reserving: false)
      arrive(&trace, order)
      return play(trace, plan.dynamic, .none, LearnedForecast(), calibration)
    case .dynamicLearned:
      var trace = calibration.scheduledTrace(names, document: plan.document(of:), thinks: thinks, reserving: false)
      arrive(&trace, order)
      return play(trace, plan.dynamic, .none, taught(by: plan, calibration), calibration)
    }
  }

  /// Notebooks arrive in the order drawn, as the crew has it.
  private static func arrive(_ trace: inout Trace, _ order: [Int]) {
    for (turn, place) in order.enumerated() where trace.notebooks.indices.contains(place) {
      trace.notebooks[place].arrival = Instant(seconds: Double(turn) * arrivalGapSeconds)
    }
  }

  /// Between two arrivals, so that "first come" means something.
  public static let arrivalGapSeconds = 0.02

  /// A forecaster that has seen every document run once alone, as the learning run has it.
  private static func taught(by plan: BenchPlan, _ calibration: Calibration) -> LearnedForecast {
    var forecast = LearnedForecast()
    let trace = calibration.scheduledTrace(
      plan.documents, document: { $0 }, thinks: [], reserving: false)
    var clock = Instant.zero
    for (number, notebook) in trace.notebooks.enumerated() {
      for index in notebook.cells.indices {
        _ = forecast.forecast(of: index, in: notebook, number: number, at: clock)
        clock = clock + notebook.cells[index].run
        forecast.learn(from: index, in: notebook, number: number, ran: notebook.cells[index].run, at: clock)
      }
      forecast.closed(number: number)
    }
    return LearnedForecast(forecast.forecaster)
  }

  private static func play(
    _ trace: Trace, _ policy: String, _ contention: Contention, _ forecast: any ForecastSource,
    _ calibration: Calibration
  ) -> [Double]? {
    let node = Node(id: NodeID(0), name: "node", cores: CoreSet(0..<calibration.cores))
    let settings = Simulator.Settings(policy: policy, contention: contention, keepsHistory: true)
    guard let run = try? Run(trace, on: node, settings: settings, forecast: forecast, catalogue: .standard) else {
      return nil
    }
    var shared = Array(repeating: 0.0, count: trace.notebooks.count)
    for cell in run.history { shared[Int(cell.notebook)] += (cell.ended - cell.submitted).seconds }
    return shared
  }
}
