import Domain
import GateLink
import NodeControl

/// Where a kernel's GPU memory is on its way between the GPU and the node's memory.
///
/// A kernel is stopped only when its memory has left the GPU, and its memory comes back once it goes on: a stopped
/// process cannot take part in the move. Meanwhile its CUDA calls wait, so that it computes nothing there. The engine is told
/// when the memory is out, and counts it as free from then on.
struct GPUEviction {
  enum Place: Equatable {
    /// On the GPU.
    case there
    /// Being moved by this child process; whether the kernel is to be stopped once it is out.
    case moving(child: Int32, out: Bool)
    /// In the node's memory.
    case out
  }

  /// The program that moves it; nil where nobody asked for it or there is none.
  var mover: CUDACheckpoint?
  var place = Place.there
  /// The order to suspend or resume that waits for the move.
  var sequence: Int64?
  /// When memory that could not be brought back is tried again, and after how long the time after that.
  private(set) var triesAgain = Instant.never
  private var pause = firstPause
  /// How often a mover that is at work is looked at.
  static let looksEvery = Span(microseconds: 20_000)
  static let firstPause = Span(microseconds: 500_000)
  static let longestPause = Span(microseconds: 30_000_000)

  /// The memory did not come back: whoever has the GPU now may leave it later.
  mutating func tryAgain(after now: Instant) {
    triesAgain = now + pause
    pause = min(pause + pause, Self.longestPause)
  }

  /// Whatever was to be tried again is done, or wanted no longer.
  mutating func rest() { (triesAgain, pause) = (.never, Self.firstPause) }
}

extension Gate {
  /// Suspends the kernel; where its GPU memory is to be evicted, once that is done.
  func suspend(order sequence: Int64? = nil) throws(NodeError) {
    suspendsAgain = nil
    isSuspended = true
    eviction.rest()
    guard let mover = eviction.mover, !gpus.granted.isEmpty else { return try node.suspend(tree) }
    eviction.sequence = sequence
    switch eviction.place {
    case .out:
      // Where one process may not be stopped, the memory is out nevertheless.
      defer { tellSaved(at: Self.now()) }
      try node.suspend(tree)
    case .moving: break  // What is to become of it is decided when it has ended.
    case .there:
      guard let child = mover.toggle(kernelPid) else { return try node.suspend(tree) }
      eviction.place = .moving(child: child, out: true)
    }
  }

  /// Lets a suspended kernel go on; nothing where it is not.
  func resume(order sequence: Int64? = nil) throws(NodeError) {
    suspendsAgain = nil
    guard isSuspended else { return }
    isSuspended = false
    resumedAt = Self.now()
    // While its memory is still on the way out, the kernel has not been stopped.
    if case .moving = eviction.place {
      eviction.sequence = sequence
      return
    }
    defer {
      if eviction.place == .out {
        eviction.sequence = sequence
        bringBack(at: resumedAt)
      }
    }
    try node.resume(tree)
  }

  /// When a mover is looked at next.
  func evictionWake(at now: Instant) -> Instant {
    if case .moving = eviction.place { return now + GPUEviction.looksEvery }
    return eviction.triesAgain
  }

  /// Goes on where a mover has ended, or where memory is to be brought back once more.
  func evict(at now: Instant) {
    guard case .moving(let child, let out) = eviction.place else {
      if now >= eviction.triesAgain, eviction.place == .out, !isSuspended, exitStatus == nil { bringBack(at: now) }
      return
    }
    guard let isMoved = CUDACheckpoint.outcome(of: child) else { return }
    eviction.place = isMoved == out ? .out : .there
    if isSuspended {
      settleSuspended(isMoved: isMoved, out: out, at: now)
    } else if eviction.place == .out {
      // It came back to no room, or was resumed while its memory went out.
      if out { bringBack(at: now) } else { failToBringBack(at: now) }
    } else {
      eviction.sequence = nil
      eviction.rest()
    }
  }

  private func settleSuspended(isMoved: Bool, out: Bool, at now: Instant) {
    // Suspended anew while its memory came back: out again first.
    if eviction.place == .there, isMoved, let next = eviction.mover?.toggle(kernelPid) {
      eviction.place = .moving(child: next, out: true)
      return
    }
    try? node.suspend(tree)
    if eviction.place == .out {
      tellSaved(at: now)
    } else if out, let sequence = eviction.sequence {
      link.send(
        .failed(sequence: sequence, why: "cuda-checkpoint could not move the GPU memory; the kernel keeps it"), at: now)
    }
    eviction.sequence = nil
  }

  /// Tells the engine that what the kernel had in GPU memory is there no longer.
  private func tellSaved(at now: Instant) {
    link.send(.applied(sequence: eviction.sequence ?? 0, cores: cores ?? allCores, saved: true), at: now)
  }

  private func bringBack(at now: Instant) {
    guard let child = eviction.mover?.toggle(kernelPid) else { return failToBringBack(at: now) }
    eviction.place = .moving(child: child, out: false)
  }

  private func failToBringBack(at now: Instant) {
    if let sequence = eviction.sequence {
      link.send(
        .failed(
          sequence: sequence,
          why: "cuda-checkpoint could not bring the GPU memory back; the kernel's GPU calls wait until it can"), at: now
      )
    }
    eviction.sequence = nil
    eviction.tryAgain(after: now)
  }
}
