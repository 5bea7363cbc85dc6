import Domain

/// What can be done to the processes of one node, and what can be asked of it.
///
/// `LinuxNode` is the real one, `TwinNode` the one in memory that tests use.
/// A *tree* is a process with all that descends from it.
public protocol NodeDriver: AnyObject {
  /// What this process may really use.
  func capacity() -> NodeCapacity

  /// Binds every thread of every process of the tree to these cores, and those to come, which inherit it.
  ///
  /// - Returns: the cores as the operating system keeps them: fewer where a cpuset forbids some.
  /// - Throws: `NodeError.gone` where the tree has no process; `.refused` where the system said no to one of them, once the
  ///   others are bound: a process of another user's may be among them, which `sudo` starts.
  func setCores(_ cores: CoreSet, of tree: ProcessTree) throws(NodeError) -> CoreSet

  /// Binds those threads of the tree that run on other cores than these, as threads and processes do that set their own
  /// masks; a thread that keeps itself to fewer is left alone.
  ///
  /// - Returns: how many were bound.
  func keepCores(_ cores: CoreSet, of tree: ProcessTree) -> Int

  /// Stops every process of the tree: by its control group's freezer where it has one, else by SIGSTOP.
  ///
  /// - Throws: `NodeError.gone`; `.refused` where one of them may not be stopped, once the others are.
  func suspend(_ tree: ProcessTree) throws(NodeError)

  /// Lets every process of the tree go on.
  ///
  /// An interrupt sent less than `interruptDelay` after it may be lost: measured, 30 % of them are.
  ///
  /// - Throws: `NodeError.gone`; `.refused` where one of them stays stopped, once the others go on.
  func resume(_ tree: ProcessTree) throws(NodeError)

  /// What each of the trees has used and holds now, in their order; nil for one that is gone. What it costs is
  /// bounded: see `TreeWatch`.
  func usage(of trees: [ProcessTree]) -> [UsageSample?]

  /// How long whoever samples should wait after the last `usage(of:)` at the least, for its cost to stay bounded.
  var samplingRest: Domain.Span { get }
}

extension NodeDriver {
  /// How long after a resume an interrupt must wait not to be lost.
  public static var interruptDelay: Domain.Span { .init(microseconds: 20_000) }

  /// What the tree has used and holds now; nil where it is gone.
  public func usage(of tree: ProcessTree) -> UsageSample? { usage(of: [tree])[0] }
}

/// A process with all that descends from it.
public struct ProcessTree: Hashable, Sendable {
  /// The process at the top, by its number.
  public var root: Int32
  /// Whether the top itself belongs to it. A keeper that adopts a kernel's orphans is the top of their tree but no
  /// part of it: it must never be stopped.
  public var includesRoot: Bool

  public init(root: Int32, includesRoot: Bool = true) {
    self.root = root
    self.includesRoot = includesRoot
  }
}

/// The resources of a node that this process may use.
public struct NodeCapacity: Hashable, Sendable {
  /// The host's name.
  public var name: String
  /// Logical cores: the affinity mask, cut to the quota of the control groups.
  public var cores: CoreSet
  /// The lesser of the machine's memory and the control groups' limits.
  public var memory: Bytes

  public init(name: String, cores: CoreSet, memory: Bytes) {
    self.name = name
    self.cores = cores
    self.memory = memory
  }
}

/// A tree's use of the node.
public struct UsageSample: Hashable, Sendable {
  /// Processor time since the tree began, children that came and went included.
  public var cpu: Domain.Span
  /// Memory held now, shared pages counted once for each process that has them.
  public var memory: Bytes
  public var processes: Int
  public var threads: Int

  public init(cpu: Domain.Span, memory: Bytes, processes: Int, threads: Int) {
    self.cpu = cpu
    self.memory = memory
    self.processes = processes
    self.threads = threads
  }
}

/// Why a node did not do what it was told.
public enum NodeError: Error, Equatable, Sendable, CustomStringConvertible {
  /// No process of the tree lives.
  case gone(root: Int32)
  /// The operating system said no: to what, and its `errno`.
  case refused(doing: String, errno: Int32)
  /// No core was named.
  case noCores

  public var description: String {
    switch self {
    case .gone(let root): "process \(root) is gone"
    case .refused(let doing, let number): "cannot \(doing): error \(number) of the operating system"
    case .noCores: "cannot bind a process to no core at all"
    }
  }
}
