import CLinux
import Console
import Domain
import Engine
import Foundation
import Policies
import Projections
import Session
import Simulation
import Traces
import Verbs

/// A console over a simulated session that goes on while it is watched: made-up notebooks on a made-up node, the real engine.
final class SimulatedRun {
  private let source: SimulatedSource
  private let looks: Looks
  private let isReadOnly: Bool

  /// - Parameters:
  ///   - notebooks: how many are open at the beginning; others come when they have gone.
  ///   - speed: simulated seconds a second.
  /// - Throws: `ThemeError`; `Refusal` where the engine does not take the workload, a fault of ours.
  init(_ options: LiveOptions, notebooks: Int, seed: UInt64, speed: Double) throws {
    looks = try Looks(theme: options.theme)
    isReadOnly = options.readOnly
    source = try SimulatedSource(
      policy: options.engine.policy, notebooks: notebooks, seed: seed, speed: speed)
  }

  /// Shows the console until it is left.
  func show() throws {
    let facts = SessionFacts(
      mode: .simulated, number: 0, user: NSUserName(),
      beganWallMicroseconds: Int64(Date().timeIntervalSince1970 * 1e6) - source.now.microseconds,
      utcOffsetSeconds: TimeZone.current.secondsFromGMT(), isReadOnly: isReadOnly)
    var state = ConsoleState(session: facts)
    state.policies = LiveRun.policies
    _ = try ConsoleRunner(source, state: state, looks: looks, log: nil).run()
  }
}

/// A simulation in step with the clock as a console's source. Used from the console's thread.
final class SimulatedSource: ConsoleSource {
  /// So much has happened when the console opens: an empty node shows nothing.
  private static let past = Span(seconds: 900)
  /// How often the use of cores and memory is sampled, in the session's time.
  private static let samplingPeriod = Span(seconds: 2)

  private var simulator: Simulator
  private var board = Board()
  private var sampled = Instant.zero
  private let speed: Double
  private let began = celltop_boottime_us()
  private let previews = PreviewDesk()
  private let looks = LookAheadBox()

  init(policy: String, notebooks: Int, seed: UInt64, speed: Double) throws {
    self.speed = speed
    let node = Node(
      id: NodeID(0), name: "simulated", cores: CoreSet(0..<32),
      gpus: (0..<8).map { GPU(uuid: "GPU-\($0)", model: "made up", memory: Bytes(80 << 30)) }, memory: Bytes(512 << 30))
    // Enough for hours: a notebook comes when another has gone, on the average.
    let trace = MixedWorkload(kind: .mixed, notebooks: notebooks * 40, cores: 32, gpus: 8, load: 1.1, seed: seed)
      .trace()
    var settings = Simulator.Settings(policy: policy, engine: Scheduler.Settings())
    settings.keepsEntries = true
    simulator = try Simulator(trace, on: node, settings: settings, forecast: LearnedForecast(), catalogue: .standard)
    play()
  }

  /// The session's present instant.
  var now: Instant {
    let elapsed = Double(celltop_boottime_us() - began) * speed
    return .zero + Self.past + Span(microseconds: Int64(elapsed))
  }

  private func play() {
    let now = now
    while sampled + Self.samplingPeriod <= now {
      sampled = sampled + Self.samplingPeriod
      simulator.sampleUsage(at: sampled)
    }
    simulator.run(until: now)
    simulator.drainRecord { _, entries in for entry in entries { board.apply(entry) } }
  }

  func callOnChange(_ body: (@Sendable () -> Void)?) { looks.callOnChange(body) }

  func refresh(_ state: inout ConsoleState) {
    play()
    state.clock = Instant(microseconds: celltop_boottime_us())
    state.show(board, at: max(now, board.now))
    if let preview = looks.preview { state.show(preview) }
  }

  func preview(_ verbs: [Verb]) {
    looks.forget()
    previews.ask(verbs, simulator.scheduler, at: now) { [looks] in looks.take($0) }
  }

  func submit(_ command: Command) {
    simulator.order(command, at: now)
    play()
  }

  /// When the next thing happens, and once a second for the clock.
  func secondsToNextFrame(_ state: ConsoleState) -> Double? {
    let toSecond = 1 - Double(now.microseconds % 1_000_000) / 1e6
    let toNext = simulator.nextTime.map { Double($0 - now.microseconds) / 1e6 } ?? toSecond
    return max(min(toSecond, toNext) / speed, 0.066) + 0.001
  }

  func obey(_ order: ReplayOrder, _ state: inout ConsoleState) {}

  func past(of state: ConsoleState) throws -> (any ConsoleSource, ConsoleState) {
    throw ToolError("a simulated demonstration is not recorded; 'celltop simulate TRACE --record' records one")
  }

  func whatIf(_ text: String, from: Instant, _ state: inout ConsoleState) {}
}
