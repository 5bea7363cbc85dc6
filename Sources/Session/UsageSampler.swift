import Dispatch
import Domain
import NodeControl
import Synchronization

/// Samples what running kernels really use, at a steady pace while any runs, and tells only what changed noticeably.
///
/// Reading /proc for fifty kernels takes milliseconds, in which no cell could be granted: it is done on a queue of its own.
/// Everything else is called from the engine's thread.
final class UsageSampler {
  /// The time between two samples, where they cost no more than they may.
  static let period = Span(seconds: 1)

  private(set) var due: Instant?
  private let reader: Reader
  private let queue = DispatchQueue(label: "celltop.usage", qos: .utility)

  /// - Parameter wake: called on another thread when a sample has been taken; it must be quick.
  init(node: any NodeDriver, wake: @escaping @Sendable () -> Void = {}) { reader = Reader(node: node, wake: wake) }

  func isDue(at now: Instant) -> Bool { due.map { $0 <= now } ?? true }

  /// Nothing runs: sample no more until something does.
  func rest() {
    guard due != nil else { return }
    due = nil
    queue.async { [reader] in reader.forget() }
  }

  /// Begins to sample the kernels, unless a sample is still being taken.
  func begin(_ kernels: [(NotebookID, Int32)], at now: Instant) {
    due = now + max(Self.period, reader.rest)
    guard reader.begins() else { return }
    queue.async { [reader] in reader.sample(kernels, at: now) }
  }

  /// What was found since the last call: the usages that differ from the last told by more than a twentieth of a core or of
  /// the memory.
  func take() -> [(NotebookID, Usage)] { reader.take() }

  /// Waits until nobody is sampled any more.
  func end() { queue.sync {} }
}

/// Reads on the sampler's queue. `@unchecked Sendable`: what is not under the mutex is used on that queue only, and the node
/// is asked for usages by nobody else.
private final class Reader: @unchecked Sendable {
  private let node: any NodeDriver
  private let wake: @Sendable () -> Void
  private let found = Mutex<(isAtWork: Bool, rest: Span, usages: [(NotebookID, Usage)])>((false, .zero, []))

  private var last: [NotebookID: (cpu: Span, at: Instant, told: Usage?)] = [:]
  /// The trees of the kernels, by their processes.
  private var trees: [Int32: ProcessTree] = [:]

  init(node: any NodeDriver, wake: @escaping @Sendable () -> Void) {
    self.node = node
    self.wake = wake
  }

  /// Whether nobody is at work; from now on somebody is.
  func begins() -> Bool {
    found.withLock { found in
      defer { found.isAtWork = true }
      return !found.isAtWork
    }
  }

  /// How long to wait after the last sample, for it to cost no more than it may.
  var rest: Span { found.withLock { $0.rest } }

  func take() -> [(NotebookID, Usage)] {
    found.withLock { found in
      guard !found.usages.isEmpty else { return [] }
      defer { found.usages = [] }
      return found.usages
    }
  }

  func forget() { (last, trees) = ([:], [:]) }

  func sample(_ kernels: [(NotebookID, Int32)], at now: Instant) {
    var told: [(NotebookID, Usage)] = []
    var next: [NotebookID: (cpu: Span, at: Instant, told: Usage?)] = [:]
    var present: [Int32: ProcessTree] = [:]
    for (_, pid) in kernels { present[pid] = trees[pid] ?? .ofKernel(pid) }
    trees = present
    let totals = node.usage(of: kernels.map { trees[$0.1] ?? ProcessTree(root: $0.1) })
    let rest = node.samplingRest
    for ((id, _), total) in zip(kernels, totals) {
      guard let total else { continue }
      let before = last[id]
      next[id] = (total.cpu, now, before?.told)
      guard let before, now > before.at else { continue }
      let rate = max(0, (total.cpu - before.cpu).seconds) / (now - before.at).seconds
      let usage = Usage(millicores: Int32(clamping: Int((rate * 1000).rounded())), memory: total.memory)
      if let old = before.told, abs(old.millicores - usage.millicores) < 50,
        abs(old.memory.count - usage.memory.count) < max(old.memory.count / 20, 1 << 20)
      {
        continue
      }
      next[id]?.told = usage
      told.append((id, usage))
    }
    last = next
    found.withLock { found in
      found.isAtWork = false
      found.rest = rest
      found.usages += told
    }
    if !told.isEmpty { wake() }
  }
}
