import Domain
import GateLink
import NodeControl

/// Where a kernel's GPU memory is on its way between the GPU and the node's memory.
///
/// A kernel is stopped only when its memory has left the GPU, and its memory comes back once it goes on: a stopped
/// process cannot take part in the move. Meanwhile its CUDA calls wait, so that it computes nothing there.
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
  /// The order to suspend that waits for the move.
  var sequence: Int64?
  /// How often a mover that is at work is looked at.
  static let looksEvery = Span(microseconds: 20_000)
}

extension Gate {
  /// Suspends the kernel; where its GPU memory is to be evicted, once that is done.
  func suspend(order sequence: Int64? = nil) throws(NodeError) {
    suspendsAgain = nil
    isSuspended = true
    guard let mover = eviction.mover, !gpus.granted.isEmpty else { return try node.suspend(tree) }
    eviction.sequence = sequence
    switch eviction.place {
    case .out: try node.suspend(tree)
    case .moving: break  // What is to become of it is decided when it has ended.
    case .there:
      guard let child = mover.toggle(kernelPid) else { return try node.suspend(tree) }
      eviction.place = .moving(child: child, out: true)
    }
  }

  /// Lets a suspended kernel go on; nothing where it is not.
  func resume() throws(NodeError) {
    suspendsAgain = nil
    guard isSuspended else { return }
    isSuspended = false
    resumedAt = Self.now()
    // While its memory is still on the way out, the kernel has not been stopped.
    if case .moving = eviction.place { return }
    try node.resume(tree)
    guard eviction.place == .out, let child = eviction.mover?.toggle(kernelPid) else { return }
    eviction.place = .moving(child: child, out: false)
  }

  /// When a mover is looked at next.
  func evictionWake(at now: Instant) -> Instant {
    if case .moving = eviction.place { return now + GPUEviction.looksEvery }
    return .never
  }

  /// Goes on where a mover has ended.
  func evict(at now: Instant) {
    guard case .moving(let child, let out) = eviction.place, let isMoved = CUDACheckpoint.outcome(of: child) else {
      return
    }
    eviction.place = isMoved == out ? .out : .there
    if !isMoved, out, let sequence = eviction.sequence {
      link.send(
        .failed(sequence: sequence, why: "cuda-checkpoint could not move the GPU memory; the kernel keeps it"), at: now)
    }
    eviction.sequence = nil
    if isSuspended {
      // Suspended anew while its memory came back: out again first.
      if eviction.place == .there, isMoved, let next = eviction.mover?.toggle(kernelPid) {
        eviction.place = .moving(child: next, out: true)
      } else {
        try? node.suspend(tree)
      }
    } else if eviction.place == .out, let next = eviction.mover?.toggle(kernelPid) {
      eviction.place = .moving(child: next, out: false)
    }
  }
}
