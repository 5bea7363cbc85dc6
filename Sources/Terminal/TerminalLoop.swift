import CLinux
import Canvas
import Glibc

/// Something that a terminal loop noticed.
public enum LoopEvent: Hashable, Sendable {
  /// A key, the mouse, or a paste.
  case input(KeyEvent)
  /// Someone called ``LoopWaker/wake()``: there is something new to show.
  case modelChanged
  /// The moment that the last verdict asked for has come.
  case deadline
  /// The window changed its size (SIGWINCH).
  case resized
  /// ^Z (SIGTSTP). With ``TerminalLoop/run(on:_:)`` this is dealt with, and `resumed` comes instead.
  case suspendRequested
  /// The process was stopped and goes on (SIGCONT): the screen needs drawing.
  case resumed
  /// ^C (SIGINT); the loop goes on unless the verdict says stop.
  case interrupted
  /// TERM, HUP or QUIT, by number; the loop ends after this.
  case terminated(Int32)
  /// The terminal is gone, or its input has ended; the loop ends after this.
  case inputEnded
}

/// What the loop does after a batch of events.
public enum LoopVerdict: Hashable, Sendable {
  /// Waits for the next event; at this moment at the latest there is a `deadline`. Nil waits for ever.
  case wait(until: ContinuousClock.Instant?)
  /// Ends the loop.
  case stop
}

/// Wakes a terminal loop from any thread.
public final class LoopWaker: Sendable {
  let descriptor: Int32

  init() {
    descriptor = celltop_eventfd()
    precondition(descriptor >= 0, "no eventfd: too many open files")
  }

  deinit {
    close(descriptor)
  }

  /// Says that there is something new. Cheap, and many calls in a row are one event.
  public func wake() {
    // Fails only when 2⁶⁴ − 2 calls are waiting, and then the loop wakes anyway.
    celltop_eventfd_signal(descriptor)
  }

  /// Forgets the calls so far. True when there were any.
  func clear() -> Bool {
    var count: UInt64 = 0
    return read(descriptor, &count, 8) == 8
  }
}

/// The console's heart: waits for keys, signals, changes and deadlines, all at once, and uses no CPU meanwhile.
///
/// Runs on one thread, best the main one; nothing else may read the terminal or wait for its signals.
public final class TerminalLoop {
  /// The signals that become events.
  private static let signals = [SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT]

  /// Give this to whoever changes the model.
  public let waker = LoopWaker()
  /// How often the loop has woken: not at all while nothing happens.
  public private(set) var wakeUps = 0
  /// The least time between two `modelChanged`, so that a storm of changes is drawn at a rate that a person can read.
  /// Keys are never delayed.
  public var changeInterval: Duration = .milliseconds(66)

  private let input: Int32
  private let signalDescriptor: Int32
  private let clock = ContinuousClock()
  private let origin: ContinuousClock.Instant
  private var decoder = InputDecoder()
  private var deadline: ContinuousClock.Instant?
  private var changesFrom: ContinuousClock.Instant

  /// Blocks the loop's signals in this thread and in those that it starts, so that they wait for the loop. Call it
  /// first thing in the process; child processes inherit it and must unblock them before `exec`.
  public static func blockSignals() {
    var set = signalSet()
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// A loop over a terminal's input; blocks the signals of this thread if that has not been done.
  public init(input: Int32 = STDIN_FILENO) {
    self.input = input
    TerminalLoop.blockSignals()
    var set = TerminalLoop.signalSet()
    signalDescriptor = celltop_signalfd_of(&set)
    precondition(signalDescriptor >= 0, "no signalfd: too many open files")
    origin = clock.now
    changesFrom = origin
  }

  deinit {
    close(signalDescriptor)
  }

  private static func signalSet() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in signals { sigaddset(&set, number) }
    return set
  }

  /// Runs on a screen until the verdict is stop, the terminal is gone, or the process is told to end. Size changes and
  /// ^Z are dealt with before the events arrive; the screen stays open.
  ///
  /// - Parameters:
  ///   - first: the first deadline, where something is to happen before any event.
  ///   - body: gets all events that were waiting together, in order, so that it can draw once for all.
  public func run(
    on screen: CursesScreen, until first: ContinuousClock.Instant? = nil, _ body: ([LoopEvent]) -> LoopVerdict
  ) {
    deadline = first
    run { events in
      body(
        events.map { event in
          switch event {
          case .resized:
            screen.adoptSize()
            return event
          case .suspendRequested:
            screen.suspendProcess()
            return .resumed
          case .resumed:
            screen.adoptSize()
            screen.redraw()
            return event
          case .input, .modelChanged, .deadline, .interrupted, .terminated, .inputEnded:
            return event
          }
        })
    }
  }

  /// Runs until the verdict is stop, the input ends, or the process is told to end.
  ///
  /// - Parameter body: gets all events that were waiting together, in order; never an empty batch.
  public func run(_ body: ([LoopEvent]) -> LoopVerdict) {
    while true {
      let events = nextEvents()
      guard !events.isEmpty else { continue }
      switch body(events) {
      case .wait(let moment): deadline = moment
      case .stop: return
      }
      if events.contains(where: TerminalLoop.endsLoop) { return }
    }
  }

  private static func endsLoop(_ event: LoopEvent) -> Bool {
    switch event {
    case .terminated, .inputEnded: true
    case .input, .modelChanged, .deadline, .resized, .suspendRequested, .resumed, .interrupted: false
    }
  }

  /// Waits once, and gives what has come; nothing when only the decoder's own time has.
  private func nextEvents() -> [LoopEvent] {
    let before = clock.now
    let waitsForChanges = before >= changesFrom
    var descriptors = [
      pollfd(fd: input, events: Int16(POLLIN), revents: 0),
      pollfd(fd: signalDescriptor, events: Int16(POLLIN), revents: 0),
      // A negative descriptor is left out: changes come later, when the interval has passed.
      pollfd(fd: waitsForChanges ? waker.descriptor : -1, events: Int16(POLLIN), revents: 0),
    ]
    var moments = [deadline, decoder.deadline.map { origin + $0 }]
    if !waitsForChanges { moments.append(changesFrom) }
    let ready = poll(&descriptors, nfds_t(descriptors.count), timeout(until: moments, from: before))
    wakeUps += 1
    let now = clock.now
    var events: [LoopEvent] = []
    if ready > 0, descriptors[1].revents != 0 { events += readSignals() }
    if ready > 0, descriptors[0].revents != 0 { events += readInput(at: now) }
    events += decoder.expire(at: now - origin).map(LoopEvent.input)
    if ready > 0, descriptors[2].revents != 0, waker.clear() {
      changesFrom = now + changeInterval
      events.append(.modelChanged)
    }
    if let deadline, now >= deadline {
      self.deadline = nil
      events.append(.deadline)
    }
    return events
  }

  /// Milliseconds for `poll`, rounded up so that the moment has really come; -1 waits for ever.
  private func timeout(until moments: [ContinuousClock.Instant?], from now: ContinuousClock.Instant) -> Int32 {
    guard let next = moments.compactMap({ $0 }).min() else { return -1 }
    let rest = (next - now).components
    guard rest.seconds >= 0, rest.attoseconds >= 0 else { return 0 }
    let milliseconds = rest.seconds * 1000 + (rest.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    return Int32(min(milliseconds, 86_400_000))
  }

  private func readInput(at now: ContinuousClock.Instant) -> [LoopEvent] {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(input, &buffer, buffer.count)
    if count > 0 { return decoder.feed(buffer[..<count], at: now - origin).map(LoopEvent.input) }
    return count < 0 && (errno == EINTR || errno == EAGAIN) ? [] : [.inputEnded]
  }

  private func readSignals() -> [LoopEvent] {
    var events: [LoopEvent] = []
    var information = signalfd_siginfo()
    while read(signalDescriptor, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {
      let event: LoopEvent
      switch Int32(information.ssi_signo) {
      case SIGWINCH: event = .resized
      case SIGTSTP: event = .suspendRequested
      case SIGCONT: event = .resumed
      case SIGINT: event = .interrupted
      case let number: event = .terminated(number)
      }
      if !events.contains(event) { events.append(event) }
    }
    return events
  }
}
