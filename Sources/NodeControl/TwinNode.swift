import Domain

/// A node in memory: it remembers what was done to it, and does what it is told to answer.
public final class TwinNode: NodeDriver {
  /// A tree as the twin keeps it.
  public struct Tree: Hashable, Sendable {
    public var cores: CoreSet
    public var isSuspended = false
    public var usage: UsageSample
  }

  private let whole: NodeCapacity
  /// The trees that live, by their top.
  public private(set) var trees: [Int32: Tree] = [:]
  /// Where set, the next act fails so, once.
  public var nextFailure: NodeError?

  public init(capacity: NodeCapacity) { whole = capacity }

  /// A tree begins, on all cores.
  public func begin(root: Int32) {
    trees[root] = Tree(
      cores: whole.cores, usage: UsageSample(cpu: .zero, memory: .zero, processes: 1, threads: 1))
  }

  /// A tree ends.
  public func end(root: Int32) { trees[root] = nil }

  /// The tree has used processor time, unless it is suspended.
  public func spend(_ cpu: Domain.Span, root: Int32) {
    if trees[root]?.isSuspended == false { trees[root]?.usage.cpu += cpu }
  }

  public func capacity() -> NodeCapacity { whole }

  public func setCores(_ cores: CoreSet, of tree: ProcessTree) throws(NodeError) -> CoreSet {
    guard !cores.isEmpty else { throw .noCores }
    try check(tree)
    let kept = cores.intersection(whole.cores)
    guard !kept.isEmpty else { throw .refused(doing: "bind to cores \(cores)", errno: 22) }
    trees[tree.root]?.cores = kept
    return kept
  }

  public func keepCores(_ cores: CoreSet, of tree: ProcessTree) -> Int {
    guard let present = trees[tree.root]?.cores, !present.isSubset(of: cores) else { return 0 }
    trees[tree.root]?.cores = cores
    return 1
  }

  public func suspend(_ tree: ProcessTree) throws(NodeError) {
    try check(tree)
    trees[tree.root]?.isSuspended = true
  }

  public func resume(_ tree: ProcessTree) throws(NodeError) {
    try check(tree)
    trees[tree.root]?.isSuspended = false
  }

  public func usage(of trees: [ProcessTree]) -> [UsageSample?] { trees.map { self.trees[$0.root]?.usage } }

  /// What the next samples ask for.
  public var samplingRest = Domain.Span.zero

  private func check(_ tree: ProcessTree) throws(NodeError) {
    if let failure = nextFailure {
      nextFailure = nil
      throw failure
    }
    guard trees[tree.root] != nil else { throw .gone(root: tree.root) }
  }
}
