import Domain
import NodeControl

/// Samples what running kernels really use, at a steady pace while any runs, and tells only what changed noticeably.
struct UsageSampler {
  /// The time between two samples, where they cost no more than they may.
  static let period = Span(seconds: 1)

  private(set) var due: Instant?
  private let node: any NodeDriver
  private var last: [NotebookID: (cpu: Span, at: Instant, told: Usage?)] = [:]
  /// The trees of the kernels, by their processes.
  private var trees: [Int32: ProcessTree] = [:]

  init(node: any NodeDriver) { self.node = node }

  func isDue(at now: Instant) -> Bool { due.map { $0 <= now } ?? true }

  /// Nothing runs: sample no more until something does.
  mutating func rest() {
    due = nil
    (last, trees) = ([:], [:])
  }

  /// Samples the kernels; the usages that differ from the last told by more than a twentieth of a core or of the memory.
  mutating func sample(_ kernels: [(NotebookID, Int32)], at now: Instant) -> [(NotebookID, Usage)] {
    var told: [(NotebookID, Usage)] = []
    var next: [NotebookID: (cpu: Span, at: Instant, told: Usage?)] = [:]
    var present: [Int32: ProcessTree] = [:]
    for (_, pid) in kernels { present[pid] = trees[pid] ?? .ofKernel(pid) }
    trees = present
    let totals = node.usage(of: kernels.map { trees[$0.1] ?? ProcessTree(root: $0.1) })
    due = now + max(Self.period, node.samplingRest)
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
    return told
  }
}
