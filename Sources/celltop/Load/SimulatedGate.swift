import Domain
import GateLink
import Glibc
import KernelGate

/// A gate whose kernel only counts the time: it speaks to the engine over a real socket, by the same link as a real gate.
///
/// Between cells it thinks; a cell runs for a time that is given with it. Without an engine for `failOpenAfter` its cell runs
/// all the same, and when an engine comes it says what runs and what waits, as GATE.md demands.
final class SimulatedGate {
  /// What its one kernel does.
  enum Work {
    /// No cell until then; `never` for none at all.
    case thinking(until: Instant)
    case waiting(since: Instant)
    /// What is left at `since`; stopped while suspended.
    case running(since: Instant, left: Domain.Span)
  }

  /// What comes of what the engine said, for whoever keeps books.
  enum News {
    case granted(waited: Domain.Span, cores: CoreSet)
    /// A cell was granted that ran by a grant already.
    case grantedTwice
    case resized(CoreSet)
    case suspended
    case resumed(CoreSet)
    /// The engine granted a cell that does not wait, or refused one that can run.
    case refused(String)
    /// An order came for a cell that had ended by then: it crossed the cell's end on its way.
    case late
  }

  let name: String
  let link: EngineLink
  private let document: String
  private let kernelPid: Int32
  private(set) var work = Work.thinking(until: .never)
  /// The cell in hand, or the last one: they are numbered from 1.
  private(set) var key: UInt64 = 0
  /// What it was granted; nil where it runs without an engine's grant.
  private(set) var cores: CoreSet?
  private(set) var isSuspended = false
  private(set) var demand: DemandComment?
  /// The last cell that began for want of an engine; 0 for none.
  private var ungoverned: UInt64 = 0
  private var run = Domain.Span.zero
  private var began = Instant.zero

  init(name: String, document: String, socket: String, kernelPid: Int32, failOpenAfter: Domain.Span, now: Instant) {
    self.name = name
    self.document = document
    self.kernelPid = kernelPid
    link = EngineLink(
      paths: [socket], trusts: { _, _ in true }, failOpenAfter: failOpenAfter, firstPatience: failOpenAfter, now: now)
  }

  /// When it next has something to do by itself.
  var wake: Instant {
    switch work {
    case .thinking(let until): min(link.wake, until)
    case .waiting: min(link.wake, link.releases)
    case .running(let since, let left): min(link.wake, isSuspended ? link.releases : since + left)
    }
  }

  /// Connects where it is not connected and it is time to.
  func tick(at now: Instant) { link.tick(at: now) { hello(at: now) } }

  /// Thinks until then.
  func think(until: Instant) { work = .thinking(until: until) }

  /// Its author runs a cell, which takes so long.
  func submit(run: Domain.Span, demand: DemandComment?, hash: UInt64, at now: Instant) {
    key += 1
    (self.run, self.demand, self.hash) = (run, demand, hash)
    work = .waiting(since: now)
    link.send(.submitted(submission), at: now)
  }

  /// Its cell has run to its end.
  func end(at now: Instant) {
    work = .thinking(until: .never)
    cores = nil
    isSuspended = false
    link.send(.ended(key: key, outcome: .ok), at: now)
  }

  /// No engine for too long: the cell runs, or runs on, as if there were none.
  func runWithoutEngine(at now: Instant) {
    cores = nil
    isSuspended = false
    switch work {
    case .thinking: return
    case .waiting:
      ungoverned = key
      begin(at: now)
    case .running(_, let left): work = .running(since: now, left: left)
    }
  }

  /// Carries out what the engine said.
  func receive(at now: Instant) -> [News] { link.receive(at: now).compactMap { obey($0, at: now) } }

  private var hash: UInt64 = 0

  private func begin(at now: Instant) {
    began = now
    work = .running(since: now, left: run)
  }

  private func obey(_ message: EngineMessage, at now: Instant) -> News? {
    switch message {
    case .welcome:
      link.send(.kernel(state: .ready, pid: kernelPid), at: now)
      return nil
    case .unwelcome, .ping, .standing: return nil
    case .grant(let sequence, let key, let granted, _):
      if key == self.key, case .running = work {
        if cores != nil { return .grantedTwice }
        // It has run for want of an engine since the engine heard that it waits: from now on it is governed.
        cores = granted
        link.send(.applied(sequence: sequence, cores: granted), at: now)
        return .resized(granted)
      }
      // The engine heard that it waits, and it ran for want of an engine, to its end, before the grant came.
      if key <= ungoverned { return late(sequence, key, at: now) }
      guard key == self.key, case .waiting(let since) = work else {
        return refuse(sequence, "cell \(key) does not wait", at: now)
      }
      cores = granted
      begin(at: now)
      link.send(.applied(sequence: sequence, cores: granted), at: now)
      return .granted(waited: now - since, cores: granted)
    case .resize(let sequence, let key, let granted):
      guard key == self.key, case .running = work else { return late(sequence, key, at: now) }
      cores = granted
      link.send(.applied(sequence: sequence, cores: granted), at: now)
      return .resized(granted)
    case .suspend(let sequence, let key):
      guard key == self.key, case .running(let since, let left) = work else {
        return late(sequence, key, at: now)
      }
      if !isSuspended { work = .running(since: now, left: max(left - (now - since), .zero)) }
      isSuspended = true
      link.send(.applied(sequence: sequence, cores: CoreSet()), at: now)
      return .suspended
    case .resume(let sequence, let key, let granted, _):
      guard key == self.key, case .running(_, let left) = work, isSuspended else {
        return late(sequence, key, at: now)
      }
      work = .running(since: now, left: left)
      isSuspended = false
      cores = granted
      link.send(.applied(sequence: sequence, cores: granted), at: now)
      return .resumed(granted)
    case .interrupt(let sequence, let key):
      guard key == self.key, case .running(_, let left) = work else {
        return late(sequence, key, at: now)
      }
      work = .running(since: now, left: min(left, .zero))
      isSuspended = false
      link.send(.applied(sequence: sequence, cores: cores ?? CoreSet()), at: now)
      return nil
    case .refuse(let sequence, let key, let why): return refuse(sequence, "cell \(key) was refused: \(why)", at: now)
    }
  }

  private func late(_ sequence: Int64, _ key: UInt64, at now: Instant) -> News {
    link.send(.failed(sequence: sequence, why: "cell \(key) does not run"), at: now)
    return .late
  }

  private func refuse(_ sequence: Int64, _ why: String, at now: Instant) -> News {
    link.send(.failed(sequence: sequence, why: why), at: now)
    return .refused(why)
  }

  private var submission: Submission {
    Submission(key: key, cell: "cell-\(key)", codeHash: hash, demand: demand)
  }

  private func hello(at now: Instant) -> Hello {
    var hello = Hello(
      pid: getpid(), kernelPid: kernelPid, gate: name, path: document, language: "python", connection: name + ".json",
      isReady: true)
    switch work {
    case .thinking: break
    case .waiting: hello.waiting = submission
    case .running:
      hello.running = RunningCell(
        submission: submission, ranSeconds: (now - began).seconds, cores: cores, suspended: isSuspended)
    }
    return hello
  }
}
