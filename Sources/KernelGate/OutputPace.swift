import Domain

/// Lets output gather at a cell's beginning, and while there is a flood of it.
///
/// Each message of its own costs three changes of thread, which is most of what a gate costs: some milliseconds' worth taken
/// together costs them once.
struct OutputPace {
  /// How long what a cell publishes first, its busy and its input mostly, is left to gather; the reply ends it sooner.
  static let beginning = Span(microseconds: 8000)
  /// Messages within a window that make a flood. It goes on while half as many come in as long a time, and over pauses of the kernel,
  /// which on a busy machine waits for a core.
  static let floodMessages = 24
  static let window = Span(microseconds: 20_000)
  static let pauseMost = Span(microseconds: 200_000)
  /// How long a flood is left to gather at a time: the longer the longer it lasts, so that nothing comes later by more than a small
  /// part of the time that it has taken.
  static let rest = Span(microseconds: 1000)
  static let restMost = Span(microseconds: 4000)
  static let restShare: Int64 = 8

  private var began = Instant.zero
  private var count = 0
  private var floodBegan: Instant?
  /// Until when a flood goes on without as many messages as that takes.
  private var floodLasts = Instant.zero
  /// Until when output is left to gather.
  private(set) var restsUntil = Instant.zero

  mutating func came(_ messages: Int, at now: Instant) {
    if now > floodLasts { floodBegan = nil }
    count += messages
    let passed = now - began
    let isEnough = Int64(count) * Self.window.microseconds >= Int64(Self.floodMessages / 2) * passed.microseconds
    if floodBegan == nil ? count >= Self.floodMessages && passed <= Self.window : passed > Self.window && isEnough {
      floodBegan = floodBegan ?? now
      floodLasts = now + Self.pauseMost
    }
    if passed > Self.window { (began, count) = (now, messages) }
    hasRested = messages > 0 && floodBegan != nil
    guard hasRested, let floodBegan else { return }
    let share = Span(microseconds: (now - floodBegan).microseconds / Self.restShare)
    restsUntil = now + min(max(Self.rest, share), Self.restMost)
  }

  private var beginsUntil = Instant.zero

  /// A cell is on its way to the kernel.
  mutating func cellStarted(at now: Instant) { beginsUntil = now + Self.beginning }

  /// Whether a cell began so lately that nobody need be woken for its output alone.
  func isBeginning(at now: Instant) -> Bool { now < beginsUntil }

  /// When output that is left alone is read.
  func wake(isBeginning: Bool) -> Instant { isBeginning ? max(restsUntil, beginsUntil) : restsUntil }

  func rests(at now: Instant) -> Bool { now < restsUntil }

  /// Whether output has been left alone since it was last read.
  private(set) var hasRested = false
}
