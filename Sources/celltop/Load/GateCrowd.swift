import CLinux
import Chance
import Domain
import Foundation
import GateLink
import NodeControl
import Session
import Simulation

/// Many simulated gates on one thread, whose authors run cells at a steady rate all together; it keeps books of what the
/// engine gave out.
final class GateCrowd {
  struct Settings {
    var socket = ""
    var gates = 1000
    /// Cells that are submitted in a second, all gates together, while cells are granted at once.
    var cellsPerSecond = 200.0
    /// How long a cell runs, on the average; exponentially distributed.
    var runMean = Domain.Span(microseconds: 250_000)
    /// How many cores the engine has to give.
    var cores = 256
    var failOpenAfter = Domain.Span(seconds: 2)
    var seed: UInt64 = 1
    /// The processes of the gates' kernels; gates beyond them have none.
    var kernels: [Int32] = []
  }

  private(set) var figures = CrowdFigures()
  /// How many gates are governed now.
  var governed: Int { gates.count { $0.link.isGoverned } }
  /// How many cells are submitted and have not ended.
  private(set) var cellsInHand = 0

  private let settings: Settings
  private let gates: [SimulatedGate]
  private let readiness: Readiness
  private var agenda: Agenda
  private var random: SplitMix
  /// The gate behind a descriptor, and the descriptor that is watched for a gate.
  private var gateOf: [Int32: Int] = [:]
  private var watched: [Int32]
  /// By gate, which of its connections that is.
  private var watchedConnection: [Int]
  private var wasGoverned: [Bool]
  /// Which gate's cell holds each core by the engine's grant.
  private var holders: [Int: Int] = [:]
  private var coresIdle: Int
  private var submits = true
  private let beganMonotonic = celltop_boottime_us()

  init(_ settings: Settings) throws {
    self.settings = settings
    readiness = try Readiness()
    // What is measured here is the engine, and not how long the consoles of this process keep the crowd from the processor.
    celltop_take_short_turns()
    random = SplitMix(seed: settings.seed)
    agenda = Agenda(notebooks: settings.gates)
    watched = Array(repeating: -1, count: settings.gates)
    watchedConnection = Array(repeating: 0, count: settings.gates)
    wasGoverned = Array(repeating: false, count: settings.gates)
    coresIdle = settings.cores
    let salt = String(random.next() ^ UInt64(getpid()), radix: 16)
    gates = (0..<settings.gates).map { number in
      SimulatedGate(
        name: "\(salt)-\(number)", document: "/home/load/notebook-\(number).ipynb", socket: settings.socket,
        kernelPid: number < settings.kernels.count ? settings.kernels[number] : 0,
        failOpenAfter: settings.failOpenAfter, now: .zero)
    }
    for number in gates.indices {
      // The first connections are spread over a second, as logins are.
      let at = Int64(number) * 1_000_000 / Int64(settings.gates)
      gates[number].think(until: Instant(microseconds: at) + thinkTime())
      agenda.set(Int32(number), at: at, order: UInt64(number))
    }
  }

  var now: Instant { Instant(microseconds: celltop_boottime_us() - beganMonotonic) }

  /// The cells that run now by the engine's grant: the gate's name, and the cores.
  var granted: [String: CoreSet] {
    var granted: [String: CoreSet] = [:]
    for gate in gates { if case .running = gate.work, let cores = gate.cores { granted[gate.name] = cores } }
    return granted
  }

  /// How many cells wait for a grant now.
  var waiting: Int { gates.count { if case .waiting = $0.work { true } else { false } } }

  /// Forgets what was measured so far; what runs goes on.
  func startMeasuring() {
    figures = CrowdFigures()
    figures.began = now
    (figures.inHandBefore, figures.waitingBefore) = (cellsInHand, waiting)
  }

  /// No more cells; those in hand go on.
  func stopSubmitting() { submits = false }

  /// Plays until `condition` holds, asked about every 10 ms at least, or until then; whether it holds.
  @discardableResult func play(until end: Instant, _ condition: () -> Bool = { false }) -> Bool {
    while true {
      if condition() { return true }
      let now = now
      guard now < end else { return false }
      work(at: now)
      let next = agenda.first.map { Instant(microseconds: $0.time) } ?? .never
      let wait = (min(next, end, now + Span(microseconds: 10_000)) - self.now).microseconds
      for ready in readiness.wait(milliseconds: Int32(clamping: max(0, wait + 999) / 1000)) { serve(ready) }
    }
  }

  private func work(at now: Instant) {
    while let first = agenda.first, first.time <= now.microseconds {
      let number = Int(first.notebook)
      act(number, at: self.now)
      settle(number)
    }
  }

  private func act(_ number: Int, at now: Instant) {
    let gate = gates[number]
    gate.tick(at: now)
    switch gate.work {
    case .thinking(let until):
      guard until <= now else { return }
      guard submits else { return gate.think(until: .never) }
      submit(number, at: now)
    case .waiting, .running:
      if case .running(let since, let left) = gate.work, !gate.isSuspended, since + left <= now {
        return end(number, at: now)
      }
      guard gate.link.releases <= now else { return }
      let wasWaiting = if case .waiting = gate.work { true } else { false }
      if wasWaiting { figures.ranWithoutEngine += 1 }
      release(number)
      gate.runWithoutEngine(at: now)
    }
  }

  private func submit(_ number: Int, at now: Instant) {
    var demand = DemandComment()
    demand.coresLeast = 1 + Int32(random.next() % 2)
    demand.coresMost = demand.coresLeast
    figures.submitted += 1
    cellsInHand += 1
    figures.roomy[number] = coresIdle >= Int(demand.coresLeast ?? 1) + settings.cores / 8
    gates[number].submit(
      run: Span(seconds: random.exponential(mean: settings.runMean.seconds)), demand: demand,
      hash: UInt64(number) << 8 | random.next() % 4, at: now)
  }

  private func end(_ number: Int, at now: Instant) {
    release(number)
    gates[number].end(at: now)
    gates[number].think(until: now + thinkTime())
    figures.ended += 1
    cellsInHand -= 1
  }

  /// Exponential, so that all gates together submit at the rate that was asked for.
  private func thinkTime() -> Domain.Span {
    let cycle = Double(settings.gates) / settings.cellsPerSecond
    return Span(seconds: random.exponential(mean: max(cycle - settings.runMean.seconds, 0.001)))
  }

  private func serve(_ ready: Readiness.Ready) {
    guard let number = gateOf[ready.descriptor] else { return }
    let now = now
    if ready.canWrite {
      gates[number].link.flush(at: now)
      readiness.change(ready.descriptor, writes: gates[number].link.wantsToWrite)
    }
    for news in gates[number].receive(at: now) { note(news, number) }
    settle(number)
  }

  private func note(_ news: SimulatedGate.News, _ number: Int) {
    switch news {
    case .granted(let waited, let cores):
      figures.granted += 1
      if figures.roomy[number] == true { figures.waits.append(Int32(clamping: waited.microseconds)) }
      hold(cores, number)
    case .resized(let cores), .resumed(let cores):
      release(number)
      hold(cores, number)
    case .suspended: release(number)
    case .late: figures.late += 1
    case .grantedTwice: figures.grantedTwice += 1
    case .refused(let why):
      figures.refused += 1
      figures.lastRefusal = why
    }
  }

  private func hold(_ cores: CoreSet, _ number: Int) {
    for core in cores {
      if let other = holders[core], other != number {
        figures.coresGivenTwice += 1
      } else {
        holders[core] = number
        coresIdle -= 1
      }
    }
  }

  private func release(_ number: Int) {
    for core in gates[number].cores ?? CoreSet() where holders[core] == number {
      holders[core] = nil
      coresIdle += 1
    }
  }

  /// Watches the gate's present socket, and notes when it is next to be looked at.
  private func settle(_ number: Int) {
    let link = gates[number].link
    if watched[number] != link.descriptor || watchedConnection[number] != link.timesConnected {
      // A closed descriptor is watched no more (epoll(7)), and its number may be another gate's by now.
      if gateOf[watched[number]] == number { gateOf[watched[number]] = nil }
      (watched[number], watchedConnection[number]) = (link.descriptor, link.timesConnected)
      if link.descriptor >= 0 {
        readiness.watch(link.descriptor)
        gateOf[link.descriptor] = number
      }
    }
    if link.descriptor >= 0, link.wantsToWrite { readiness.change(link.descriptor, writes: true) }
    if link.isGoverned != wasGoverned[number] {
      wasGoverned[number] = link.isGoverned
      if link.isGoverned {
        figures.lastGoverned = now
      } else {
        figures.lost += 1
        figures.lastLost = now
      }
    }
    agenda.set(Int32(number), at: gates[number].wake.microseconds, order: UInt64(number))
  }
}
